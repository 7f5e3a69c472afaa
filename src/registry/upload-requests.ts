import type { BlobSource, Descriptor } from "../image/index.ts";
import type { Digest, Work } from "../io/index.ts";
import type { RegistryAnswer, Session } from "./session.ts";

/** A blob on its way into a repository. */
export interface Upload {
  readonly session: Session;
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** Where the bytes are, when they have to travel. */
  readonly source: BlobSource;
  /** Another repository of the same registry that may have the blob; asked when this one has not. */
  readonly from?: ((blob: Digest) => Promise<string | undefined>) | undefined;
  readonly work: Work;
}

/** Begins an upload, or mounts the blob from another repository. */
export async function begin(
  { session, repository, descriptor, work }: Upload,
  doing: string,
  from?: string,
): Promise<RegistryAnswer> {
  const mount = from === undefined ? "" : `?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`;
  const reading = from === undefined ? [] : [`repository:${from}:pull`];
  const begun = await session.request({
    ...{ method: "POST", path: `${repository}/blobs/uploads/${mount}`, doing, signal: work.signal },
    ...{ scopes: [...pushing({ repository }), ...reading], expected: [201, 202] },
    headers: { "content-length": "0" },
  });
  await begun.answer.body.dump();
  return begun;
}

/** Whether a repository has a blob. */
export async function hasBlob(upload: Omit<Upload, "source">): Promise<boolean> {
  const { session, repository, descriptor, work } = upload;
  const { answer } = await session.request({
    ...{ method: "HEAD", path: `${repository}/blobs/${descriptor.digest}`, expected: [200, 404] },
    ...{ scopes: pushing(upload), signal: work.signal },
    doing: `push the blob ${descriptor.digest} to ${session.host}/${repository}`,
  });
  await answer.body.dump();
  return answer.statusCode === 200;
}

/** What a token has to allow. */
export function pushing({ repository }: Pick<Upload, "repository">): readonly string[] {
  return [`repository:${repository}:pull,push`];
}

/** The address that closes an upload (`PUT`). */
export function finished(location: string, { digest }: Descriptor): string {
  const url = new URL(location);
  url.searchParams.set("digest", digest);
  return url.href;
}
