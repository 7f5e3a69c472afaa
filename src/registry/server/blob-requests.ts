import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Digest } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { answer, bodyOf, type Exchange, requestHeader } from "./exchange.ts";
import { rangeOf } from "./range.ts";
import { Refused } from "./refused.ts";
import { digestOf, repositoryOf } from "./route.ts";
import { rangeHeader, type Uploads } from "./uploads.ts";

/** GET and HEAD of a blob, with ranges and conditions. */
export async function sendBlob(exchange: Exchange, digest: Digest, store: Store): Promise<void> {
  const content = await store.content(digest);
  if (content === undefined) throw new Refused("BLOB_UNKNOWN", "the blob is not here");
  const { response, request } = exchange;
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    "cache-control": "max-age=31536000, immutable",
    etag: `"${digest}"`,
  };
  if (requestHeader(exchange, "if-none-match")?.includes(digest) === true) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = rangeOf(requestHeader(exchange, "range"), content.size);
  if (range === "none") {
    throw new Refused("RANGE_INVALID", `the blob has ${content.size} bytes`, {
      "content-range": `bytes */${content.size}`,
    });
  }
  const { start, end } = range ?? { start: 0, end: content.size };
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    "content-length": end - start,
    ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${content.size}` }),
  });
  if (request.method === "HEAD") response.end();
  else await pipeline(Readable.from(content.open(range), { objectMode: false }), response);
}

/** DELETE of a blob: of one that no manifest needs. */
export async function deleteBlob(exchange: Exchange, digest: Digest, store: Store): Promise<void> {
  if (!(await store.has(digest))) throw new Refused("BLOB_UNKNOWN", "the blob is not here");
  if (!(await store.discard(digest))) throw new Refused("UNSUPPORTED", "a manifest needs this blob");
  answer(exchange, 202);
}

/** POST: begins an upload, mounts a blob that is here already, or takes a whole blob in one request. */
export async function beginUpload(
  exchange: Exchange,
  repository: string,
  store: Store,
  uploads: Uploads,
): Promise<void> {
  const { query, user } = exchange;
  const mount = query.get("mount");
  if (mount !== null) {
    const digest = digestOf(mount);
    const from = query.get("from");
    if (from !== null) repositoryOf(from);
    if (await store.has(digest)) {
      answer(exchange, 201, created(repository, digest));
      return;
    }
  }
  const owner = { repository, user };
  const session = await uploads.begin(owner);
  const whole = query.get("digest");
  if (whole === null) {
    answer(exchange, 202, underWay(repository, session, 0));
    return;
  }
  try {
    const digest = digestOf(whole);
    await uploads.finish(session, owner, bodyOf(exchange), digest);
    answer(exchange, 201, created(repository, digest));
  } catch (error) {
    await uploads.cancel(session, owner).catch(() => undefined);
    throw error;
  }
}

/** GET, PATCH, PUT and DELETE of an upload under way. */
export async function continueUpload(
  exchange: Exchange,
  repository: string,
  session: string,
  uploads: Uploads,
): Promise<void> {
  const { request, query, user } = exchange;
  const owner = { repository, user };
  switch (request.method) {
    case "GET":
    case "HEAD":
      answer(exchange, 204, underWay(repository, session, await uploads.size(session, owner)));
      return;
    case "PATCH": {
      const size = await uploads.append(session, owner, bodyOf(exchange), chunkStart(exchange));
      answer(exchange, 202, underWay(repository, session, size));
      return;
    }
    case "PUT": {
      const digest = digestOf(query.get("digest") ?? "");
      const at = chunkStart(exchange);
      if (at !== undefined) await uploads.append(session, owner, bodyOf(exchange), at);
      await uploads.finish(session, owner, at === undefined ? bodyOf(exchange) : nothing(), digest);
      answer(exchange, 201, created(repository, digest));
      return;
    }
    case "DELETE":
      await uploads.cancel(session, owner);
      answer(exchange, 204);
      return;
    default:
      throw new Refused("UNSUPPORTED", "an upload is asked for, continued, ended or cancelled", {
        allow: "GET, PATCH, PUT, DELETE",
      });
  }
}

/** Where a chunk begins (`Content-Range: START-END`); its length has to be what it says. */
function chunkStart(exchange: Exchange): number | undefined {
  const header = requestHeader(exchange, "content-range");
  if (header === undefined) return undefined;
  const [, first, last] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/.*)?$/.exec(header.trim()) ?? [];
  const length = requestHeader(exchange, "content-length");
  const expected = Number(last) - Number(first) + 1;
  if (first === undefined || expected < 1 || (length !== undefined && Number(length) !== expected)) {
    throw new Refused("BLOB_UPLOAD_INVALID", "Content-Range is not START-END of the chunk");
  }
  return Number(first);
}

function underWay(repository: string, session: string, size: number): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${session}`,
    range: rangeHeader(size),
    "docker-upload-uuid": session,
  };
}

function created(repository: string, digest: Digest): Record<string, string> {
  return { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // The last request of a chunked upload may come without bytes.
}
