const replacement = "\ufffd";

/**
 * A name as text. Names are bytes to Linux; those that are not UTF-8 become lone surrogates (U+DC80 to U+DCFF for
 * the bytes 80 to FF, as Python's "surrogateescape" does), so that {@link nameBytes} gives the same bytes back.
 */
export function nameText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes(replacement)) return text;
  return Buffer.from(text, "utf8").equals(bytes) ? text : escapeInvalid(bytes);
}

/** The bytes of a name; the inverse of {@link nameText}. */
export function nameBytes(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character, "utf8"));
  }
  return Buffer.concat(parts);
}

/** Whether a name is UTF-8 on disk and in archives. */
export function isUtf8Name(text: string): boolean {
  return text.isWellFormed();
}

function escapeInvalid(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = validSequence(bytes, at);
    text +=
      length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString("utf8", at, at + length);
    at += length || 1;
  }
  return text;
}

/** The length of the valid UTF-8 sequence at a position, or 0. */
function validSequence(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const sequence = bytes.subarray(at, at + length);
  if (length === 0 || sequence.length < length) return 0;
  return Buffer.from(sequence.toString("utf8"), "utf8").equals(sequence) ? length : 0;
}
