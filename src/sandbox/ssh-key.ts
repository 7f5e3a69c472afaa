import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { WhittleError } from "../io/index.ts";
import { WireReader, wireNumber, wireString } from "./ssh-wire.ts";

/** A private key that an agent of ours signs with. */
export interface SshKey {
  /** The public key as it is written on the wire (RFC 4253, section 6.6). */
  readonly blob: Buffer;
  readonly comment: string;
  /**
   * Signs in the form of RFC 4253, section 6.6.
   *
   * @param flags - of the agent protocol: 2 and 4 ask an RSA key for SHA-256 and SHA-512 (RFC 8332)
   */
  sign(data: Buffer, flags: number): Buffer;
}

/** Curves of RFC 5656 by their names there: what JOSE calls them, the digest, the bytes of a coordinate. */
const curves = {
  nistp256: { jose: "P-256", digest: "sha256", size: 32 },
  nistp384: { jose: "P-384", digest: "sha384", size: 48 },
  nistp521: { jose: "P-521", digest: "sha512", size: 66 },
} as const;
type Curve = keyof typeof curves;

/**
 * Reads a private key without a passphrase: OpenSSH's own form (PROTOCOL.key), PKCS #1, PKCS #8 or SEC 1 as PEM;
 * Ed25519, RSA and the curves of NIST.
 *
 * @param name - the file, for errors
 * @throws WhittleError `USAGE` for anything else
 */
export function readSshKey(text: string, name: string): SshKey {
  try {
    const own = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text);
    if (own === null) return sshKey(createPrivateKey(text), name);
    const { jwk, comment } = openSshKey(Buffer.from(own[1] ?? "", "base64"));
    return sshKey(createPrivateKey({ key: jwk, format: "jwk" }), comment || name);
  } catch (error) {
    if (error instanceof Encrypted || /encrypted|passphrase|interrupted or cancelled/i.test(String(error))) {
      throw new WhittleError("USAGE", `Cannot use the ssh key ${name}: it has a passphrase`, {
        hint: "load it into an agent with ssh-add, and forward that: --ssh default",
      });
    }
    throw new WhittleError(
      "USAGE",
      `Cannot use the ssh key ${name}: it is no private key of a known kind (ed25519, rsa, ecdsa)`,
    );
  }
}

class Encrypted extends Error {}

/** OpenSSH's PROTOCOL.key: a header, public keys, and a list of private ones between two equal check numbers. */
function openSshKey(bytes: Buffer): { jwk: JsonWebKey; comment: string } {
  const reader = new WireReader(bytes);
  if (reader.take(15).toString("latin1") !== "openssh-key-v1\0") throw new RangeError("no key");
  const cipher = reader.text();
  reader.string();
  reader.string();
  if (reader.uint32() !== 1) throw new RangeError("one key is wanted");
  reader.string();
  if (cipher !== "none") throw new Encrypted();
  const secret = new WireReader(reader.string());
  const [check, again] = [secret.uint32(), secret.uint32()];
  if (check !== again) throw new RangeError("check numbers differ");
  const jwk = privateJwk(secret.text(), secret);
  return { jwk, comment: secret.text() };
}

function privateJwk(type: string, secret: WireReader): JsonWebKey {
  const base64 = (bytes: Buffer): string => bytes.toString("base64url");
  if (type === "ssh-ed25519") {
    const x = base64(secret.string());
    return { kty: "OKP", crv: "Ed25519", x, d: base64(secret.string().subarray(0, 32)) };
  }
  if (type === "ssh-rsa") {
    const [n, e, d, qi, p, q] = [1, 2, 3, 4, 5, 6].map(() => secret.number());
    if (!n || !e || !d || !qi || !p || !q) throw new RangeError("no key");
    const modulo = (prime: Buffer): string => {
      const value = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString("hex") || "0"}`);
      const hex = (value(d) % (value(prime) - 1n)).toString(16);
      return base64(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
    };
    const parts = { n: base64(n), e: base64(e), d: base64(d), p: base64(p), q: base64(q), qi: base64(qi) };
    return { kty: "RSA", ...parts, dp: modulo(p), dq: modulo(q) };
  }
  const curve = secret.text() as Curve;
  if (!type.startsWith("ecdsa-sha2-") || !Object.hasOwn(curves, curve)) throw new RangeError("unknown kind");
  const { jose, size } = curves[curve];
  const point = secret.string();
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw new RangeError("no point");
  const d = secret.number();
  return {
    kty: "EC",
    crv: jose,
    x: base64(point.subarray(1, 1 + size)),
    y: base64(point.subarray(1 + size)),
    d: base64(Buffer.concat([Buffer.alloc(Math.max(0, size - d.length)), d])),
  };
}

function sshKey(key: KeyObject, comment: string): SshKey {
  const { kty, crv, n = "", e = "", x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  const bytes = (text: string): Buffer => Buffer.from(text, "base64url");
  const concat = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
  if (kty === "OKP" && crv === "Ed25519") {
    const type = wireString("ssh-ed25519");
    return {
      blob: concat(type, wireString(bytes(x))),
      comment,
      sign: (data) => concat(type, wireString(sign(null, data, key))),
    };
  }
  if (kty === "RSA") {
    return {
      blob: concat(wireString("ssh-rsa"), wireNumber(bytes(e)), wireNumber(bytes(n))),
      comment,
      sign(data, flags) {
        const [type, digest] =
          (flags & 4) !== 0
            ? ["rsa-sha2-512", "sha512"]
            : (flags & 2) !== 0
              ? ["rsa-sha2-256", "sha256"]
              : ["ssh-rsa", "sha1"];
        return concat(wireString(type ?? ""), wireString(sign(digest, data, key)));
      },
    };
  }
  const curve = (Object.keys(curves) as Curve[]).find((name) => curves[name].jose === crv);
  if (kty !== "EC" || curve === undefined) throw new RangeError("unknown kind");
  const { digest, size } = curves[curve];
  const type = wireString(`ecdsa-sha2-${curve}`);
  return {
    blob: concat(type, wireString(curve), wireString(concat(Buffer.of(4), bytes(x), bytes(y)))),
    comment,
    sign(data) {
      const both = sign(digest, data, { key, dsaEncoding: "ieee-p1363" });
      const numbers = concat(wireNumber(both.subarray(0, size)), wireNumber(both.subarray(size)));
      return concat(type, wireString(numbers));
    },
  };
}
