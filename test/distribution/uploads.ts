import { types } from "./data.ts";
import { type Registry, withDigest } from "./registry.ts";

// The ways in which a blob gets into a registry (distribution-spec 1.1, "Pushing Blobs").

export interface Upload {
  readonly registry: Registry;
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Buffer;
  /** The bytes are others than the digest says, and have to be refused. */
  readonly spoilt?: boolean;
}

const octets = { "content-type": types.bytes };
const none = Buffer.alloc(0);
const uploads = (repository: string): string => `/v2/${repository}/blobs/uploads/`;
const ended = ({ spoilt }: Upload): { status: number } => ({ status: spoilt === true ? 400 : 201 });

/** The blob is where the answer says, and the answer names it. */
async function finish(
  upload: Upload,
  method: string,
  path: string,
  body: Buffer,
  headers = {},
): Promise<void> {
  const { registry, digest, bytes, spoilt } = upload;
  const answered = await registry.ask(method, path, ended(upload), {
    body,
    headers: { ...octets, ...headers },
  });
  if (spoilt === true) return;
  if (answered.headers["docker-content-digest"] !== digest) throw new Error("no Docker-Content-Digest");
  await registry.ask("GET", registry.location(answered), { status: 200, body: bytes });
}

async function begin({ registry, repository }: Upload, query = ""): Promise<string> {
  const asked = { headers: { "content-length": "0" } };
  return registry.location(await registry.ask("POST", uploads(repository) + query, { status: 202 }, asked));
}

/** One POST with everything. A registry may answer that it wants a PUT as well, which is not support. */
export async function postOnly(upload: Upload): Promise<void> {
  const { repository, digest, bytes } = upload;
  await finish(upload, "POST", withDigest(uploads(repository), digest), bytes);
}

export async function postAndPut(upload: Upload): Promise<void> {
  await finish(upload, "PUT", withDigest(await begin(upload), upload.digest), upload.bytes);
}

/** As {@link postAndPut}, where the registry is told of the algorithm beforehand. */
export async function postAndPutOf(algorithm: string, upload: Upload): Promise<void> {
  const at = await begin(upload, `?digest-algorithm=${algorithm}`);
  await finish(upload, "PUT", withDigest(at, upload.digest), upload.bytes);
}

/** One PATCH whose length is not said. */
export async function streamed(upload: Upload): Promise<void> {
  const { registry, bytes, digest } = upload;
  const headers = { ...octets, "transfer-encoding": "chunked" };
  const sent = await registry.ask("PATCH", await begin(upload), { status: 202 }, { body: bytes, headers });
  await finish(upload, "PUT", withDigest(registry.location(sent), digest), none);
}

/** PATCH after PATCH, or the last of them as PUT; out of order in between, which has to be refused and repaired. */
export async function chunked(
  upload: Upload,
  options: { readonly size: number; readonly putLast?: boolean; readonly outOfOrder?: boolean },
): Promise<void> {
  const { registry, bytes, digest } = upload;
  const { size, putLast = false, outOfOrder = false } = options;
  const send = async (location: string, start: number, status: number): Promise<string | undefined> => {
    const end = Math.min(start + size, bytes.length);
    const body = bytes.subarray(start, end);
    const headers = { ...octets, "content-range": `${start}-${end - 1}` };
    if (putLast && end === bytes.length) {
      const path = withDigest(location, digest);
      if (status === 416) await registry.ask("PUT", path, { status }, { body, headers });
      else await finish(upload, "PUT", path, body, headers);
      return undefined;
    }
    const answered = await registry.ask("PATCH", location, { status }, { body, headers });
    return status === 416 ? location : registry.location(answered);
  };
  let location: string | undefined = await begin(upload);
  for (let start = 0; start < bytes.length; start += size) {
    if (location === undefined) throw new Error("the upload ended too early");
    if (outOfOrder) {
      await send(location, start + size < bytes.length ? start + size : 0, 416);
      const range = start === 0 ? {} : { headers: { range: `0-${start - 1}` } };
      location = registry.location(await registry.ask("GET", location, { status: 204, ...range }));
    }
    location = await send(location, start, 202);
  }
  if (location !== undefined) await finish(upload, "PUT", withDigest(location, digest), none);
}

export async function cancelled(upload: Upload): Promise<void> {
  const location = await begin(upload);
  await upload.registry.ask("DELETE", location, { status: 204 }, { headers: { "content-length": "0" } });
  await upload.registry.ask("GET", location, { status: 404 });
}

/** From another repository, or from wherever the registry has it. */
export async function mounted(upload: Upload, from?: string): Promise<void> {
  const { registry, repository, digest, bytes } = upload;
  const query = `?mount=${encodeURIComponent(digest)}${from === undefined ? "" : `&from=${from}`}`;
  const headers = { "content-length": "0" };
  const answered = await registry.ask("POST", uploads(repository) + query, { status: 201 }, { headers });
  await registry.ask("GET", registry.location(answered), { status: 200, body: bytes });
}

/** What cannot be mounted becomes an upload. */
export async function notMounted(upload: Upload, from: string): Promise<void> {
  const query = `?mount=${encodeURIComponent(upload.digest)}&from=${from}`;
  await finish(upload, "PUT", withDigest(await begin(upload, query), upload.digest), upload.bytes);
}
