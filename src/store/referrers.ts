import {
  type BlobSource,
  type Descriptor,
  type Index,
  isIndexType,
  type Manifest,
  readIndex,
  readManifest,
} from "../image/index.ts";
import { canonicalJson, type Digest, WhittleError } from "../io/index.ts";
import {
  annotationsElsewhere,
  attachment,
  heldBy,
  isHeld,
  lacksAnnotations,
  nameless,
  plain,
} from "./names.ts";

// index.json is read for everything: who annotates at length is asked when that is wanted.
const mostAnnotations = 2048;

/** Which of a subject's referrers are wanted. */
export interface ReferrersOptions {
  readonly artifactType?: string | undefined;
  /** Of those that are in repositories, only this one's; what no repository holds is of all. */
  readonly repository?: string | undefined;
}

/** The manifests that speak of a subject, as a referrers list shows them (distribution-spec, "Listing Referrers"). */
export async function referrersOf(
  index: Index,
  blobs: BlobSource,
  digest: Digest,
  { artifactType, repository }: ReferrersOptions,
): Promise<Descriptor[]> {
  const found = new Map<Digest, Descriptor>();
  for (const { entry, subject } of maySpeakOf(digest, index)) {
    if (isHeld(entry) && repository !== undefined && heldBy(entry) !== repository) continue;
    // What a repository holds says of itself whether it has a subject; what another tool wrote has to be read.
    const of = subject ?? (isHeld(entry) ? undefined : await subjectOf(blobs, entry));
    if (of !== digest || (artifactType !== undefined && entry.artifactType !== artifactType)) continue;
    found.set(entry.digest, await whole(entry, blobs));
  }
  return [...found.values()];
}

interface Speaking {
  readonly entry: Descriptor;
  readonly subject: string | undefined;
}

// Whoever looks for a manifest in a repository asks this of each that is in it.
const speaking = new WeakMap<Index, ReadonlyMap<string | undefined, readonly Speaking[]>>();

/** The entries that note a subject, or else all of them: where one notes nothing it has to be read, and order counts. */
function maySpeakOf(subject: Digest, index: Index): readonly Speaking[] {
  const bySubject = speaking.get(index) ?? Map.groupBy(nameless(index), (item) => keyOf(item));
  speaking.set(index, bySubject);
  return bySubject.has("unread") ? nameless(index) : (bySubject.get(subject) ?? []);
}

/** What an entry speaks of: nothing where a repository holds it and notes nothing. */
function keyOf({ entry, subject }: Speaking): string | undefined {
  return subject ?? (isHeld(entry) ? undefined : "unread");
}

/** The entry by which `index.json` lists a manifest among its subject's referrers. */
export async function referrerEntry(blobs: BlobSource, descriptor: Descriptor): Promise<Descriptor> {
  const manifest = await readManifest(blobs, descriptor);
  if (manifest.subject === undefined) {
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot attach ${descriptor.digest}: its manifest has no subject`,
    );
  }
  return attachment(shown(descriptor, manifest), manifest.subject.digest);
}

/**
 * How an index or a referrers list shows an artifact; one without a subject is in no list, so nothing is repeated of
 * it.
 */
export function shown(descriptor: Descriptor, document: Manifest | Index): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const artifactType =
    document.artifactType ?? ("config" in document ? document.config.mediaType : undefined);
  const { annotations } = document;
  return {
    ...{ mediaType, digest, size },
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined || document.subject === undefined
      ? {}
      : {
          annotations:
            canonicalJson(annotations).length > mostAnnotations ? annotationsElsewhere : annotations,
        }),
  };
}

export function readAnyDocument(blobs: BlobSource, descriptor: Descriptor): Promise<Manifest | Index> {
  return isIndexType(descriptor.mediaType) ? readIndex(blobs, descriptor) : readManifest(blobs, descriptor);
}

async function whole(entry: Descriptor, blobs: BlobSource): Promise<Descriptor> {
  if (!lacksAnnotations(entry)) return plain(entry);
  const { annotations } = await readAnyDocument(blobs, entry);
  return { ...plain(entry), ...(annotations === undefined ? {} : { annotations }) };
}

async function subjectOf(blobs: BlobSource, entry: Descriptor): Promise<string | undefined> {
  const document = await readAnyDocument(blobs, entry).catch(() => undefined);
  return document?.subject?.digest;
}
