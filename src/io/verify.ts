import { type Digest, digestAlgorithm, digestHex } from "./digest.ts";
import { WhittleError } from "./errors.ts";
import { type ChunkHash, plainHash, threadHash } from "./thread-hash.ts";

/** What a stream has to turn out to be. */
export interface Expected {
  /** The thing's name in an error: "layer sha256:…", "package nginx 1.26". */
  readonly what: string;
  readonly digest?: Digest;
  readonly size?: number;
  /** What to do when it is something else. */
  readonly hint?: string;
}

/**
 * Looks at bytes as they come and says at the end whether they are what they had to be. More of them than expected are
 * refused as they arrive, so an endless stream cannot fill a disk.
 */
export class Proof {
  readonly #expected: Expected;
  readonly #hash: ChunkHash | undefined;
  #size = 0;

  private constructor(expected: Expected, hash: ChunkHash | undefined) {
    this.#expected = expected;
    this.#hash = hash;
  }

  /** Looks at bytes at once. */
  static of(expected: Expected): Proof {
    return new Proof(expected, expected.digest && plainHash(digestAlgorithm(expected.digest)));
  }

  /** Leaves large chunks to another thread. */
  static async inThread(expected: Expected): Promise<Proof> {
    return new Proof(expected, expected.digest && (await threadHash(digestAlgorithm(expected.digest))));
  }

  /**
   * Takes a chunk. Where another thread looks at it, that has to be waited for before the next one, and the chunk has to
   * stay as it is.
   *
   * @throws WhittleError `DIGEST_MISMATCH` when there are more than there may be
   */
  take(chunk: Uint8Array): Promise<void> | undefined {
    const { size } = this.#expected;
    this.#size += chunk.length;
    if (size !== undefined && this.#size > size) {
      throw mismatch(this.#expected, `more than the ${size} bytes that were promised`);
    }
    return this.#hash?.update(chunk);
  }

  /** To be called after the last byte. @throws WhittleError `DIGEST_MISMATCH` */
  end(): void {
    const { size, digest } = this.#expected;
    if (size !== undefined && this.#size !== size) {
      throw mismatch(this.#expected, `${this.#size} bytes instead of ${size}`);
    }
    const found = this.#hash?.digest();
    if (found !== undefined && digest !== undefined && found !== digestHex(digest)) {
      throw mismatch(this.#expected, `the digest ${found.slice(0, 16)}… instead of ${digest}`);
    }
  }
}

/**
 * Passes a stream on and makes its end the proof: reaching it without an error means that digest and size
 * match.
 *
 * @throws WhittleError `DIGEST_MISMATCH`
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
): AsyncGenerator<Uint8Array, void, undefined> {
  const proof = Proof.of(expected);
  for await (const chunk of source) {
    await proof.take(chunk);
    yield chunk;
  }
  proof.end();
}

function mismatch(expected: Expected, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot accept ${expected.what}: it has ${found}`, {
    hint:
      expected.hint ??
      "the bytes were damaged on the way or on disk; try again, and check the source if it stays so",
  });
}
