import { type Digest, digestAlgorithm } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { entityTag, isKnown, wantedRange } from "./conditions.ts";
import type { Downloads } from "./downloads.ts";
import { answer, bodyOf, type Exchange, requestHeader } from "./exchange.ts";
import { Refused } from "./refused.ts";
import { digestOf, repositoryOf } from "./route.ts";
import type { Transfers } from "./transfers.ts";
import { rangeHeader, type Uploads } from "./uploads.ts";

/** What requests for blobs need of the registry. */
export interface Parts {
  readonly store: Store;
  readonly uploads: Uploads;
  readonly transfers: Transfers;
  readonly downloads: Downloads;
}

/** GET and HEAD of a blob, with ranges and conditions. */
export async function sendBlob(
  exchange: Exchange,
  repository: string,
  digest: Digest,
  { store, transfers, downloads }: Parts,
): Promise<void> {
  const { response, request } = exchange;
  if (await store.has(digest)) {
    // Who only asks whether it is here is going to push a manifest that names it.
    if (request.method === "HEAD") await transfers.expect(repository, [digest]);
    else await store.lease([digest]);
  }
  const file = await store.file(digest);
  if (file === undefined) throw new Refused("BLOB_UNKNOWN", "the blob is not here");
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    "cache-control": "max-age=31536000, immutable",
    etag: entityTag(digest),
  };
  if (isKnown(exchange, digest)) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = wantedRange(exchange, digest, file.size);
  if (range === "none") {
    throw new Refused("RANGE_INVALID", `the blob has ${file.size} bytes`, {
      "content-range": `bytes */${file.size}`,
    });
  }
  const { start, end } = range ?? { start: 0, end: file.size };
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    "content-length": end - start,
    ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${file.size}` }),
  });
  if (request.method === "HEAD") response.end();
  else await transfers.during(repository, () => downloads.send(file, range, response));
}

/** DELETE of a blob: of one that no manifest needs. */
export async function deleteBlob(exchange: Exchange, digest: Digest, store: Store): Promise<void> {
  if (!(await store.has(digest))) throw new Refused("BLOB_UNKNOWN", "the blob is not here");
  if (!(await store.discard(digest)))
    throw new Refused("UNSUPPORTED", "a manifest needs this blob", { allow: "GET, HEAD" });
  answer(exchange, 202);
}

/** POST: begins an upload, mounts a blob that is here already, or takes a whole blob in one request. */
export async function beginUpload(
  exchange: Exchange,
  repository: string,
  { store, uploads, transfers, downloads }: Parts,
): Promise<void> {
  const { query, user } = exchange;
  const mount = query.get("mount");
  if (mount !== null) {
    const digest = digestOf(mount);
    const from = query.get("from");
    if (from !== null) repositoryOf(from);
    await transfers.expect(repository, [digest]);
    if (await store.has(digest)) {
      answer(exchange, 201, created(repository, digest));
      return;
    }
  }
  const owner = { repository, user };
  const whole = query.get("digest");
  const digest = whole === null ? undefined : digestOf(whole);
  uploads.mayBegin(announced(exchange));
  const algorithm = digest === undefined ? query.get("digest-algorithm") : digestAlgorithm(digest);
  const session = await uploads.begin(owner, algorithmOf(algorithm ?? "sha256"));
  if (digest === undefined) {
    answer(exchange, 202, underWay(repository, session, 0));
    return;
  }
  try {
    await transfers.expect(repository, [digest]);
    await transfers.during(repository, () => uploads.finish(session, owner, bodyOf(exchange), digest));
    await downloads.remember(await store.file(digest));
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
  { store, uploads, transfers, downloads }: Parts,
): Promise<void> {
  const { request, query, user } = exchange;
  const owner = { repository, user };
  uploads.mayBegin(announced(exchange));
  transfers.goesOn(repository);
  switch (request.method) {
    case "GET":
    case "HEAD":
      answer(exchange, 204, underWay(repository, session, await uploads.size(session, owner)));
      return;
    case "PATCH": {
      const at = chunkStart(exchange);
      const size = await transfers.during(repository, () =>
        uploads.append(session, owner, bodyOf(exchange), at),
      );
      answer(exchange, 202, underWay(repository, session, size));
      return;
    }
    case "PUT": {
      const digest = digestOf(query.get("digest") ?? "");
      await transfers.expect(repository, [digest]);
      const at = chunkStart(exchange);
      await transfers.during(repository, async () => {
        const body = bodyOf(exchange);
        if (at !== undefined) await uploads.append(session, owner, body, at);
        await uploads.finish(session, owner, at === undefined ? body : nothing(), digest);
      });
      await downloads.remember(await store.file(digest));
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

/** How many bytes a request says that it brings. */
function announced(exchange: Exchange): number {
  return Number(requestHeader(exchange, "content-length") ?? 0);
}

/** What an upload is going to be proved by (`digest-algorithm`, distribution-spec, "Pushing a blob in chunks"). */
function algorithmOf(text: string): "sha256" | "sha512" {
  if (text === "sha256" || text === "sha512") return text;
  throw new Refused("DIGEST_INVALID", "the algorithm is not one: sha256 or sha512 is wanted");
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
