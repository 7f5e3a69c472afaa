import { readFile } from "node:fs/promises";
import type { Key } from "openpgp";
import { explainSystemError, WhittleError } from "../io/index.ts";

/** A text whose signature holds. */
export interface SignedText {
  /** What was signed, and nothing around it. */
  readonly text: string;
  /** Fingerprints of the primary keys that signed, upper-case hex. */
  readonly signers: readonly string[];
}

/** What counts as trusted: the archive's keys that Whittle carries, and further keyring files. */
export interface Trust {
  readonly keyrings: readonly string[];
  /** Only the given keyrings count, none of the keys that Whittle carries. */
  readonly only?: boolean;
  /** The moment at which keys have to be valid, milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Verifies a clear-signed document (RFC 9580, 7). One good signature by a trusted key that has not expired is
 * enough; releases carry several so that old and new machines both find one. MD5 and SHA-1 never count.
 *
 * @param what - the document's name for an error
 * @throws WhittleError `ARCHIVE_UNTRUSTED`
 */
export async function verifySigned(document: Uint8Array, what: string, trust: Trust): Promise<SignedText> {
  const pgp = await import("openpgp");
  const weak = new Set([pgp.enums.hash.md5, pgp.enums.hash.ripemd, pgp.enums.hash.sha1]);
  const config = { ...pgp.config, rejectHashAlgorithms: weak, rejectMessageHashAlgorithms: weak };
  const keys = await trustedKeys(trust);
  const message = await pgp
    .readCleartextMessage({ cleartextMessage: Buffer.from(document).toString("utf8"), config })
    .catch((error: unknown) => {
      throw untrusted(what, "it is not signed", error);
    });
  const at = new Date(trust.at);
  const result = await pgp.verify({ message, verificationKeys: keys, date: at, config });
  const signers: string[] = [];
  const refusals: string[] = [];
  for (const signature of result.signatures) {
    const id = signature.keyID.toHex().toUpperCase();
    const key = keys.find((candidate) => candidate.getKeys(signature.keyID).length > 0);
    if (key === undefined) {
      refusals.push(`the key ${id} is not trusted`);
      continue;
    }
    try {
      await signature.verified;
      await key.getSigningKey(signature.keyID, at, undefined, config);
      signers.push(key.getFingerprint().toUpperCase());
    } catch (error) {
      refusals.push(`the signature by ${id} does not hold (${reasonOf(error)})`);
    }
  }
  if (signers.length === 0) {
    throw untrusted(what, refusals.length === 0 ? "it is not signed" : refusals.join(", "));
  }
  return { text: result.data, signers };
}

async function trustedKeys(trust: Trust): Promise<Key[]> {
  const { readKeys } = await import("openpgp");
  const { archiveKeys } = await import("./keys/archive-keys.ts");
  const carried = trust.only === true ? [] : archiveKeys;
  const own = await Promise.all(carried.map(({ armoured }) => readKeys({ armoredKeys: armoured })));
  const further = await Promise.all(trust.keyrings.map(readKeyring));
  return [...own, ...further].flat();
}

/** Reads a keyring file, armoured or binary. */
async function readKeyring(path: string): Promise<Key[]> {
  const { readKeys } = await import("openpgp");
  const bytes = await readFile(path).catch((error: unknown) => {
    throw explainSystemError(error, `read the keyring ${path}`);
  });
  try {
    const armoured = bytes.subarray(0, 5).toString("latin1") === "-----";
    return armoured
      ? await readKeys({ armoredKeys: bytes.toString("utf8") })
      : await readKeys({ binaryKeys: bytes });
  } catch (error) {
    throw new WhittleError(
      "ARCHIVE_UNTRUSTED",
      `Cannot read the keyring ${path}: it holds no OpenPGP public keys (${reasonOf(error)})`,
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function untrusted(what: string, found: string, cause?: unknown): WhittleError {
  return new WhittleError(
    "ARCHIVE_UNTRUSTED",
    `Cannot trust ${what}: ${found}, a good signature by a key of the Debian archive is wanted`,
    { hint: "name the key of an archive of your own with `keyrings:` under `from:`", cause },
  );
}
