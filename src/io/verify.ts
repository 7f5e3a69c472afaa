import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, digestHex } from "./digest.ts";
import { WhittleError } from "./errors.ts";

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
 * Passes a stream on and makes its end the proof: reaching it without an error means that digest and size
 * match. More bytes than expected are refused as they arrive, so an endless stream cannot fill a disk.
 *
 * @throws WhittleError `DIGEST_MISMATCH`
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = expected.digest === undefined ? undefined : createHash(digestAlgorithm(expected.digest));
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (expected.size !== undefined && size > expected.size) {
      throw mismatch(expected, `more than the ${expected.size} bytes that were promised`);
    }
    hash?.update(chunk);
    yield chunk;
  }
  if (expected.size !== undefined && size !== expected.size) {
    throw mismatch(expected, `${size} bytes instead of ${expected.size}`);
  }
  if (hash !== undefined && expected.digest !== undefined) {
    const found = hash.digest("hex");
    if (found !== digestHex(expected.digest)) {
      throw mismatch(expected, `the digest ${found.slice(0, 16)}… instead of ${expected.digest}`);
    }
  }
}

function mismatch(expected: Expected, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot accept ${expected.what}: it has ${found}`, {
    hint:
      expected.hint ??
      "the bytes were damaged on the way or on disk; try again, and check the source if it stays so",
  });
}
