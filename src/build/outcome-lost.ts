import { type Digest, WhittleError } from "../io/index.ts";

/** An outcome was believed, and what its value is made of turned out to be gone. */
export class OutcomeLost extends Error {
  readonly key: Digest;

  constructor(key: Digest) {
    super(`Internal error: the outcome ${key} cannot be loaded`);
    this.key = key;
  }
}

/** Whether bytes were not what they were said to be, so that making them again helps. */
export function isDamage(error: unknown): error is WhittleError {
  return error instanceof WhittleError && damages.has(error.code);
}

const damages: ReadonlySet<string> = new Set(["DIGEST_MISMATCH", "ARCHIVE_CORRUPT", "ARCHIVE_HOSTILE"]);
