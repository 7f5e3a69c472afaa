/** Reads the data types of RFC 4251, section 5, from untrusted bytes. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** @throws RangeError past the end, as all methods here */
  byte(): number {
    return this.take(1).readUInt8();
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  /** A length and as many bytes. */
  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    return this.string().toString("utf8");
  }

  /** A whole number that is not negative, without leading zeros. */
  number(): Buffer {
    const bytes = this.string();
    let start = 0;
    while (start < bytes.length && bytes[start] === 0) start++;
    return bytes.subarray(start);
  }

  take(length: number): Buffer {
    if (length > this.left) throw new RangeError(`${length} bytes are wanted, ${this.left} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** A string of RFC 4251: a length and the bytes. */
export function wireString(data: Uint8Array | string): Buffer {
  const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : Buffer.from(data);
  return Buffer.concat([wireUint32(bytes.length), bytes]);
}

/** A number of four bytes. */
export function wireUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An mpint of RFC 4251 that is not negative: the highest bit must not look like a sign. */
export function wireNumber(value: Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  const plain = bytes.subarray(start);
  return wireString((plain[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), plain]) : plain);
}
