import { createHash } from "node:crypto";

/**
 * The name under which OpenSSL looks for a certificate in a directory: eight hex digits made from its subject
 * (X509_NAME_hash(3), `openssl x509 -subject_hash`): SHA-1 over the canonical encoding of the name, the first four
 * bytes in little-endian order.
 *
 * @param pem - one certificate
 * @returns nothing when the text holds no certificate that can be read
 */
export function certificateHash(pem: string): string | undefined {
  const base64 = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (base64 === undefined) return undefined;
  try {
    const canonical = canonicalName(subjectOf(Buffer.from(base64, "base64")));
    const digest = createHash("sha1").update(canonical).digest();
    return digest.readUInt32LE(0).toString(16).padStart(8, "0");
  } catch {
    return undefined;
  }
}

interface Der {
  readonly tag: number;
  readonly body: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** The elements of a constructed value (X.690, 8.1). */
function elements(bytes: Buffer): Der[] {
  const found: Der[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const count = first < 0x80 ? 0 : first & 0x7f;
    const length = count === 0 ? first : bytes.readUIntBE(at + 2, count);
    const start = at + 2 + count;
    if (start + length > bytes.length) throw new RangeError("a DER value ends early");
    found.push({
      tag,
      body: bytes.subarray(start, start + length),
      whole: bytes.subarray(at, start + length),
    });
    at = start + length;
  }
  return found;
}

/** RFC 5280, 4.1: the subject follows version, serial, signature, issuer and validity. */
function subjectOf(certificate: Buffer): Buffer {
  const [outer] = elements(certificate);
  const [toBeSigned] = elements(outer?.body ?? Buffer.alloc(0));
  const fields = elements(toBeSigned?.body ?? Buffer.alloc(0));
  const versioned = fields[0]?.tag === 0xa0 ? 1 : 0;
  const subject = fields[versioned + 4];
  if (subject?.tag !== 0x30) throw new RangeError("the certificate has no subject");
  return subject.body;
}

// UTF8String, PrintableString, T61String, IA5String, UniversalString, BMPString, VisibleString.
const texts = new Map<number, (body: Buffer) => string>([
  [0x0c, (body) => body.toString("utf8")],
  [0x13, (body) => body.toString("latin1")],
  [0x14, (body) => body.toString("latin1")],
  [0x16, (body) => body.toString("latin1")],
  [0x1a, (body) => body.toString("latin1")],
  [0x1e, (body) => Buffer.from(body).swap16().toString("utf16le")],
]);

/** OpenSSL's canonical form: every text as UTF-8 in lower case with single spaces, the outer tag left out. */
function canonicalName(subject: Buffer): Buffer {
  return Buffer.concat(
    elements(subject).map((set) => {
      const attributes = elements(set.body).map(({ body }) => {
        const [type, value] = elements(body);
        if (type === undefined || value === undefined) throw new RangeError("an attribute is incomplete");
        const decode = texts.get(value.tag);
        const canonical =
          decode === undefined ? value.whole : encode(0x0c, Buffer.from(canonicalText(decode(value.body))));
        return encode(0x30, Buffer.concat([type.whole, canonical]));
      });
      return encode(0x31, Buffer.concat(attributes));
    }),
  );
}

function canonicalText(text: string): string {
  return text
    .replace(/^[\t-\r ]+|[\t-\r ]+$/g, "")
    .replace(/[\t-\r ]+/g, " ")
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function encode(tag: number, body: Buffer): Buffer {
  const { length } = body;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}
