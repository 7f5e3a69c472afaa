import type { BlobSink, BlobSource } from "../../image/index.ts";
import { type Digest, parseDigest, type SourceLocation, sha256, WhittleError } from "../../io/index.ts";
import { attributes, treeOf } from "../../tree/index.ts";
import type { Executor } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
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

/** What a fetched file came to. */
export type HttpRecord = { readonly digest: Digest; readonly size: number; readonly mtime: number };

/** A step that fetches a file over HTTP; it lies at the top of the step's tree, for its owner only. */
export function httpStep(
  parameters: HttpParameters,
  at?: SourceLocation,
  label = `fetch ${parameters.name}`,
): Step {
  const kind = parameters.checksum === undefined ? "http" : "http-checked";
  return { kind, label, parameters, inputs: {}, local: at };
}

/** Executors of {@link httpStep}: files without a checksum are asked for in every build. */
export function httpExecutors(blobs: BlobSink & BlobSource): Executor[] {
  return [httpExecutor(blobs, "http", false), httpExecutor(blobs, "http-checked", true)];
}

function httpExecutor(blobs: BlobSink & BlobSource, kind: string, cached: boolean): Executor {
  return {
    kind,
    version: 1,
    cached,
    async run(step, _inputs, { signal }) {
      const parameters = step.parameters as HttpParameters;
      const record: HttpRecord = await fetched(parameters, blobs, signal, step.local as SourceLocation);
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

async function fetched(
  { url, checksum, mtime }: HttpParameters,
  blobs: BlobSink,
  signal: AbortSignal,
  at: SourceLocation | undefined,
): Promise<HttpRecord> {
  const place = at === undefined ? {} : { at };
  const { EnvHttpProxyAgent, fetch } = await import("undici");
  const dispatcher = new EnvHttpProxyAgent();
  try {
    const response = await fetch(url, { signal, dispatcher }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new WhittleError("NETWORK", `Cannot fetch ${url}: ${reason}`, { cause: error, ...place });
    });
    if (!response.ok || response.body === null) {
      throw new WhittleError(
        "NETWORK",
        `Cannot fetch ${url}: the server answers ${response.status}, 200 is wanted`,
        place,
      );
    }
    const told = Date.parse(response.headers.get("last-modified") ?? "");
    const wanted = checksum === undefined ? undefined : parseDigest(checksum);
    const body = response.body as unknown as AsyncIterable<Uint8Array>;
    const expected = wanted === undefined ? undefined : { digest: wanted };
    const { digest, size } = await blobs.add(body, expected).catch((error: unknown) => {
      if (!(error instanceof WhittleError) || error.code !== "DIGEST_MISMATCH") throw error;
      throw new WhittleError(
        "DIGEST_MISMATCH",
        `Cannot use ${url}: its bytes are not what the checksum says`,
        {
          hint: "check the address, and bring --checksum up to date when the new file is meant",
          cause: error,
          ...place,
        },
      );
    });
    return { digest, size, mtime: Number.isNaN(told) ? mtime : told / 1000 };
  } finally {
    await dispatcher.close();
  }
}
