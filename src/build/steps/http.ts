import type { BlobSink, BlobSource } from "../../image/index.ts";
import {
  type Digest,
  type Environment,
  located,
  parseDigest,
  type SourceLocation,
  sha256,
  WhittleError,
} from "../../io/index.ts";
import { attributes, treeOf } from "../../tree/index.ts";
import type { Executor } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { HttpMemory, type KnownFile } from "./http-memory.ts";
import { askFor, type HttpAnswer } from "./http-request.ts";
import type { TreeValue } from "./tree-value.ts";

/** A file that is fetched. */
export type HttpParameters = {
  readonly url: string;
  /** The name that the file gets. */
  readonly name: string;
  /** What its bytes must come to; with it the server is asked once only. */
  readonly checksum?: string;
  /** Seconds since the epoch, where the server tells no time. */
  readonly mtime: number;
};

/** What fetching a file needs that is no part of its key. */
export interface HttpLocal {
  readonly environment: Environment;
  /** `HTTP_AUTH_HEADER_HOST` and `HTTP_AUTH_TOKEN_HOST` are asked for, as BuildKit does. */
  readonly secret?: (id: string) => Promise<Uint8Array | undefined>;
  /** Where the instruction stands, for errors. */
  readonly at?: SourceLocation;
  /** Milliseconds of silence after which a server counts as gone (default one minute). */
  readonly patience?: number;
  /** The most bytes that a file may have (default 64 GiB). */
  readonly mostBytes?: number;
}

/** What a fetched file came to. */
export type HttpRecord = { readonly digest: Digest; readonly size: number; readonly mtime: number };

/** A step that fetches a file over HTTP; it lies at the top of the step's tree, for its owner only. */
export function httpStep(
  parameters: HttpParameters,
  local: HttpLocal,
  label = `fetch ${parameters.name}`,
): Step {
  const kind = parameters.checksum === undefined ? "http" : "http-checked";
  return { kind, label, parameters, inputs: {}, local };
}

/** Executors of {@link httpStep}: the servers of files without a checksum are asked in every build. */
export function httpExecutors(blobs: BlobSink & BlobSource, cacheDirectory: string): Executor[] {
  const memory = new HttpMemory(cacheDirectory);
  return [httpExecutor(blobs, memory, "http", false), httpExecutor(blobs, memory, "http-checked", true)];
}

function httpExecutor(
  blobs: BlobSink & BlobSource,
  memory: HttpMemory,
  kind: string,
  cached: boolean,
): Executor {
  return {
    kind,
    version: 1,
    cached,
    async run(step, _inputs, { signal }) {
      const parameters = step.parameters as HttpParameters;
      const local = step.local as HttpLocal;
      const record: HttpRecord = await fetched(parameters, local, blobs, memory, signal).catch(
        (error: unknown) => {
          throw located(error, local.at);
        },
      );
      return {
        digest: sha256(`${parameters.name} ${record.digest}`),
        record: record as unknown as Json,
        blobs: [record.digest],
      };
    },
    async load(step, outcome): Promise<TreeValue> {
      const { name } = step.parameters as HttpParameters;
      const { digest, size, mtime } = outcome.record as unknown as HttpRecord;
      const content = await blobs.blob({ mediaType: "application/octet-stream", digest, size });
      return {
        tree: treeOf([
          [
            `/${name}`,
            {
              type: "file",
              content: { ...content, digest, size, open: (range) => content.open(range) },
              ...attributes(0o600, { mtime }),
            },
          ],
        ]),
      };
    },
  };
}

const aMinute = 60_000;
const mostBytes = 64 * 1024 ** 3;

async function fetched(
  { url, checksum, mtime }: HttpParameters,
  local: HttpLocal,
  blobs: BlobSink,
  memory: HttpMemory,
  signal: AbortSignal,
): Promise<HttpRecord> {
  if (!URL.canParse(url)) throw new WhittleError("USAGE", `Cannot fetch ${url}: it is no address`);
  const wanted = checksum === undefined ? undefined : parseDigest(checksum);
  const known = await knownFile(url, wanted, blobs, memory);
  const authorization = await authorizationFor(url, local);
  const request = {
    url,
    headers: {
      ...(known === undefined ? {} : conditions(known)),
      ...(authorization === undefined ? {} : { authorization }),
    },
    environment: local.environment,
    signal,
    patience: local.patience ?? aMinute,
    mostBytes: local.mostBytes ?? mostBytes,
  };
  const answer = await askFor(request);
  if (known !== undefined && isUnchanged(answer, known)) {
    answer.drop();
    return record(known, mtime);
  }
  if (answer.status < 200 || answer.status >= 300) {
    answer.drop();
    throw new WhittleError(
      "NETWORK",
      `Cannot fetch ${url}: the server answers ${answer.status}, 200 is wanted`,
    );
  }
  const { etag, lastModified } = answer;
  const file: KnownFile = {
    ...(await added(url, answer, wanted, blobs)),
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  };
  await memory.set(url, file);
  return record(file, mtime);
}

function record({ digest, size, lastModified }: KnownFile, mtime: number): HttpRecord {
  const time = Date.parse(lastModified ?? "") / 1000;
  return { digest, size, mtime: Number.isNaN(time) ? mtime : time };
}

/** What was fetched earlier, when its bytes are still in the store and the ones that are wanted. */
async function knownFile(
  url: string,
  wanted: Digest | undefined,
  blobs: BlobSink,
  memory: HttpMemory,
): Promise<KnownFile | undefined> {
  const known = await memory.get(url);
  if (known === undefined || (wanted !== undefined && known.digest !== wanted)) return undefined;
  return (await blobs.has(known.digest)) ? known : undefined;
}

function conditions({ etag, lastModified }: KnownFile): Record<string, string> {
  if (etag !== undefined) return { "if-none-match": etag };
  return lastModified === undefined ? {} : { "if-modified-since": lastModified };
}

/** There are servers that give the tag that they were asked about and send the file all the same. */
function isUnchanged({ status, etag }: HttpAnswer, known: KnownFile): boolean {
  if (status === 304) return true;
  const plain = (tag: string): string => tag.replace(/^W\//, "");
  return (
    status === 200 && etag !== undefined && known.etag !== undefined && plain(etag) === plain(known.etag)
  );
}

async function authorizationFor(url: string, { secret }: HttpLocal): Promise<string | undefined> {
  const { hostname } = new URL(url);
  const header = await secret?.(`HTTP_AUTH_HEADER_${hostname}`);
  if (header !== undefined) return Buffer.from(header).toString("utf8").trim();
  const token = await secret?.(`HTTP_AUTH_TOKEN_${hostname}`);
  return token === undefined ? undefined : `Bearer ${Buffer.from(token).toString("utf8").trim()}`;
}

async function added(
  url: string,
  { body }: HttpAnswer,
  wanted: Digest | undefined,
  blobs: BlobSink,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  try {
    return await blobs.add(body, wanted === undefined ? undefined : { digest: wanted });
  } catch (error) {
    if (!(error instanceof WhittleError) || error.code !== "DIGEST_MISMATCH") throw error;
    throw new WhittleError("DIGEST_MISMATCH", `Cannot use ${url}: its bytes are not what the checksum says`, {
      hint: "check the address, and bring --checksum up to date when the new file is meant",
      cause: error,
    });
  }
}
