import { WhittleError } from "./errors.ts";
import { type FramePart, zstdFrames } from "./zstd-frames.ts";

// The modules that do the work are loaded when there is work: most commands have none.

/** The forms of compression that are recognised by their first bytes. */
export type CompressedForm = "gzip" | "zstd" | "xz" | "bzip2" | "plain";

export interface DecompressOptions {
  /** The most bytes that may come out (default 64 GiB). */
  readonly limit?: number;
  /** How many times larger than the input the output may be, once it is above 256 MiB (default 400). */
  readonly ratio?: number;
  readonly signal?: AbortSignal;
}

const magics: readonly (readonly [CompressedForm, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]], // RFC 1952, 2.3.1
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]], // RFC 8878, 3.1.1
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]], // xz-file-format, 2.1.1.1
  ["bzip2", [0x42, 0x5a, 0x68]],
];
const longestMagic = 6;
const ratioFloor = 256 * 1024 * 1024;
const chunkSize = 256 * 1024;

/** Tells the form of compression from the first six or more bytes. */
export function compressedForm(head: Uint8Array): CompressedForm {
  return magics.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0] ?? "plain";
}

/**
 * Decompresses gzip, zstd, xz and bzip2, told apart by their first bytes; anything else passes as it is. xz and
 * bzip2 run in worker threads.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when the input is damaged or ends early, `ARCHIVE_HOSTILE` when more
 *   comes out than the limits allow
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = options.limit ?? 64 * 1024 ** 3;
  const ratio = options.ratio ?? 400;
  const input = new Counted(source);
  const { head, stream } = await peek(input);
  const form = compressedForm(head);
  let size = 0;
  for await (const chunk of expand(form, stream, input)) {
    options.signal?.throwIfAborted();
    size += chunk.length;
    if (size > limit) throw bomb(form, `more than ${limit} bytes`);
    if (form !== "plain" && size > ratioFloor && size > input.size * ratio) {
      throw bomb(form, `${size} bytes out of ${input.size}`);
    }
    yield chunk;
  }
}

/** Ends threads that wait for xz or bzip2 data, which hold some twenty megabytes each. */
export async function endIdleDecompressors(): Promise<void> {
  await (await import("./xz.ts")).endIdleDecompressors();
}

/** Counts what passes and remembers a failure of the source, so that it is not taken for damage. */
class Counted implements AsyncIterable<Uint8Array> {
  size = 0;
  failure: { readonly error: unknown } | undefined;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.#source) {
        this.size += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly stream: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < longestMagic) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* stream(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head, stream: stream() };
}

async function* expand(
  form: CompressedForm,
  stream: AsyncIterable<Uint8Array>,
  input: Counted,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    switch (form) {
      case "plain":
        yield* stream;
        return;
      case "gzip":
        yield* through(stream, (await import("node:zlib")).createGunzip({ chunkSize }));
        return;
      case "zstd":
        yield* unzstd(stream);
        return;
      default:
        yield* (await import("./xz.ts")).decompressInWorker(form, stream);
    }
  } catch (error) {
    if (input.failure !== undefined) throw input.failure.error;
    if (error instanceof WhittleError) throw error;
    const found = error instanceof Error ? error.message : String(error);
    throw new WhittleError("ARCHIVE_CORRUPT", `Cannot decompress ${form} data: ${found}`, { cause: error });
  }
}

async function* unzstd(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const { createZstdDecompress } = await import("node:zlib");
  const parts = zstdFrames(stream);
  async function* frame(first: FramePart): AsyncGenerator<Uint8Array, void, undefined> {
    for (let part: FramePart | undefined = first; part !== undefined; ) {
      yield part.bytes;
      if (part.last) return;
      const next = await parts.next();
      part = next.done === true ? undefined : next.value;
    }
  }
  try {
    for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
      yield* through(frame(next.value), createZstdDecompress({ chunkSize }));
    }
  } finally {
    await parts.return();
  }
}

async function* through(
  stream: AsyncIterable<Uint8Array>,
  transform: NodeJS.ReadWriteStream & AsyncIterable<string | Buffer>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { pipeline, Readable } = await import("node:stream");
  pipeline(Readable.from(stream, { objectMode: false }), transform, () => undefined);
  for await (const chunk of transform) yield chunk as Buffer;
}

function bomb(form: CompressedForm, found: string): WhittleError {
  return new WhittleError("ARCHIVE_HOSTILE", `Cannot decompress ${form} data: it grows to ${found}`, {
    hint: "this is how a decompression bomb looks; if the data is genuine, it has to be unpacked by other means",
  });
}
