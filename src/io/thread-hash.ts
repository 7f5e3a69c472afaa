import { createHash } from "node:crypto";

/** Works out the digest of chunks that come one after another. */
export interface ChunkHash {
  /** Takes a chunk, which has to stay as it is until this is done; nothing is answered when it is done already. */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /** The digest of all chunks so far, in hexadecimal; more may come afterwards. */
  digest(): string;
}

type Algorithm = "sha256" | "sha512";

/** OpenSSL's functions of one algorithm (SHA256_Init(3)); each answers 1 when it has gone well. */
interface Functions {
  init(context: Buffer): number;
  update(context: Buffer, chunk: Uint8Array, length: number): number;
  updateInThread(context: Buffer, chunk: Uint8Array, length: number, done: Done): void;
  final(digest: Buffer, context: Buffer): number;
}

type Done = (error: unknown, result: number) => void;

// Of a shorter chunk the way to another thread takes longer than its digest.
const worthwhile = 128 * 1024;
const digestSizes = { sha256: 32, sha512: 64 };
// Its structures have 112 and 216 bytes.
const contextSize = 512;

let loaded: Promise<Record<Algorithm, Functions> | undefined> | undefined;

/**
 * A digest that is worked out by a thread of Node's pool, so that bytes can be received meanwhile: by OpenSSL, which is
 * part of Node, as Node's own streams of digests know the main thread only. Where it can't be reached, that is taken.
 */
export async function threadHash(algorithm: Algorithm): Promise<ChunkHash> {
  loaded ??= load().catch(() => undefined);
  const functions = (await loaded)?.[algorithm];
  return functions === undefined ? plainHash(algorithm) : hashBy(functions, digestSizes[algorithm]);
}

/** A digest that is worked out at once. */
export function plainHash(algorithm: Algorithm): ChunkHash {
  const hash = createHash(algorithm);
  return {
    update(chunk) {
      hash.update(chunk);
      return undefined;
    },
    digest: () => hash.copy().digest("hex"),
  };
}

function hashBy(functions: Functions, size: number): ChunkHash {
  const context = Buffer.alloc(contextSize);
  expectDone(functions.init(context));
  return {
    update(chunk) {
      if (chunk.length < worthwhile) {
        if (chunk.length > 0) expectDone(functions.update(context, chunk, chunk.length));
        return undefined;
      }
      return new Promise((resolve, reject) => {
        functions.updateInThread(context, chunk, chunk.length, (error, result) => {
          // Both are another thread's until now, which the collector knows nothing of.
          if (error === null && result === 1 && context.length > 0 && chunk.length > 0) resolve();
          else reject(error ?? new Error("OpenSSL cannot work out a digest"));
        });
      });
    },
    digest() {
      const digest = Buffer.alloc(size);
      expectDone(functions.final(digest, Buffer.from(context)));
      return digest.toString("hex");
    },
  };
}

function expectDone(result: number): void {
  if (result !== 1) throw new Error("OpenSSL cannot work out a digest");
}

async function load(): Promise<Record<Algorithm, Functions>> {
  const { default: koffi } = await import("koffi");
  const library = koffi.load(null);
  const of = (name: string): Functions => {
    const update = library.func(`int ${name}_Update(void *, const void *, size_t)`);
    return {
      init: library.func(`int ${name}_Init(void *)`),
      update,
      updateInThread: update.async,
      final: library.func(`int ${name}_Final(void *, void *)`),
    };
  };
  const functions = { sha256: of("SHA256"), sha512: of("SHA512") };
  for (const algorithm of ["sha256", "sha512"] as const) {
    const hash = hashBy(functions[algorithm], digestSizes[algorithm]);
    // Functions that only have these names, or want more room, are not taken.
    if (hash.digest() !== plainHash(algorithm).digest()) throw new Error("OpenSSL is another one");
  }
  return functions;
}
