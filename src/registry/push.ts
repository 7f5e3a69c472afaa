import { headerOf } from "../http/index.ts";
import {
  type BlobSource,
  childrenOf,
  type Descriptor,
  isIndexType,
  isManifestType,
  mediaTypes,
  readManifest,
} from "../image/index.ts";
import { canonicalJson, readContent, sha256, type Work } from "../io/index.ts";
import { Repository, referrersTag } from "./repository.ts";
import type { Session } from "./session.ts";
import { type Pushed, uploadBlob } from "./upload.ts";

/** An image on its way into a repository. */
export interface Push {
  readonly session: Session;
  readonly repository: string;
  /** Without one, the image is there by its digest only. */
  readonly tag?: string | undefined;
  readonly source: BlobSource;
  readonly descriptor: Descriptor;
  /** Manifests that speak of the image and go with it. */
  readonly referrers?: readonly Descriptor[];
  /** A repository of the same registry that has the image: its blobs are mounted. */
  readonly from?: string | undefined;
  readonly work: Work;
}

/** What a push came to. */
export interface PushResult {
  readonly descriptor: Descriptor;
  /** Blobs and manifests by what became of them. */
  readonly counts: Readonly<Record<Pushed, number>>;
}

/**
 * Pushes an image: what the registry has already does not travel, what a manifest names is there before the manifest
 * (distribution-spec, "Push"). An image that the tag names already costs one request.
 *
 * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NETWORK`
 */
export async function pushImage(push: Push): Promise<PushResult> {
  const { session, repository, tag, descriptor, work } = push;
  const target = new Repository(session, repository, work.signal);
  const counts: Record<Pushed, number> = { there: 0, mounted: 0, uploaded: 0 };
  const pending = new Map<string, Promise<void>>();

  /** Each digest travels once, however many manifests name it. */
  const ensure = (item: Descriptor): Promise<void> => {
    const known = pending.get(item.digest);
    if (known !== undefined) return known;
    const made = isIndexType(item.mediaType) || isManifestType(item.mediaType) ? document(item) : blob(item);
    pending.set(item.digest, made);
    return made;
  };
  const blob = async (item: Descriptor): Promise<void> => {
    // Layers that may not be handed on stay where their addresses say.
    if ((item.urls ?? []).length > 0) return;
    const content = () => push.source.blob(item);
    counts[await uploadBlob({ session, repository, descriptor: item, content, from: push.from, work })] += 1;
  };
  const document = async (item: Descriptor): Promise<void> => {
    if ((await target.head(item.digest)) !== undefined) {
      counts.there += 1;
      return;
    }
    await send(item, item.digest);
  };
  const send = async (item: Descriptor, reference: string): Promise<void> => {
    const children = await childrenOf(push.source, item);
    const done = await Promise.allSettled(children.map(ensure));
    const failed = done.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    counts.uploaded += 1;
    await putManifest(push, item, reference, await readContent(await push.source.blob(item)));
  };

  const named = tag ?? descriptor.digest;
  if ((await target.head(named))?.digest === descriptor.digest) counts.there += 1;
  else await send(descriptor, named);
  for (const item of push.referrers ?? []) await ensure(item);
  return { descriptor, counts };
}

async function putManifest(
  push: Push,
  item: Descriptor,
  reference: string,
  bytes: Uint8Array,
): Promise<void> {
  const { session, repository, work } = push;
  const doing = `push the manifest ${session.host}/${repository}:${reference}`;
  const { answer } = await session.request({
    ...{ method: "PUT", path: `${repository}/manifests/${reference}`, doing, signal: work.signal },
    scopes: [`repository:${repository}:pull,push`],
    headers: { "content-type": item.mediaType },
    ...{ body: bytes, expected: [201] },
  });
  await answer.body.dump();
  if (isIndexType(item.mediaType)) return;
  const { subject } = await readManifest(push.source, item);
  if (subject === undefined || headerOf(answer, "oci-subject") !== undefined) return;
  await listByTag(push, subject, item);
}

/** Adds a manifest to the tag that lists what speaks of its subject, for registries without the referrers API. */
async function listByTag(push: Push, subject: Descriptor, item: Descriptor): Promise<void> {
  const { session, repository, source, work } = push;
  const target = new Repository(session, repository, work.signal);
  const listed = await target.referrers(subject.digest);
  if (listed.some(({ digest }) => digest === item.digest)) return;
  const { artifactType, config, annotations } = await readManifest(source, item);
  const entry: Descriptor = {
    ...{ mediaType: item.mediaType, digest: item.digest, size: item.size },
    artifactType: artifactType ?? config.mediaType,
    ...(annotations === undefined ? {} : { annotations }),
  };
  const text = canonicalJson({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [...listed, entry],
  });
  const bytes = Buffer.from(text);
  const index = { mediaType: mediaTypes.index, digest: sha256(bytes), size: bytes.length };
  await putManifest(push, index, referrersTag(subject.digest), bytes);
}
