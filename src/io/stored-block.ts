// What saves less than a fiftieth in the samples is not worth deflating: noise, ciphers, pictures, archives.
const worthwhile = 0.98;
const samples = 8;
const sampleSize = 4096;
// RFC 1951, 3.2.4: the most that one stored block holds, and what stands before its bytes.
const mostStored = 0xffff;
const headerSize = 5;

/** Deflates at the level given. */
type Deflate = (bytes: Uint8Array, level: number) => Promise<Uint8Array>;

/**
 * Whether deflating a long block would save next to nothing. Looks at samples from all over it, so that deflating
 * noise, which takes longer than deflating anything else, costs a thirtieth. Depends on the bytes only.
 */
export async function isIncompressible(bytes: Uint8Array, deflate: Deflate): Promise<boolean> {
  if (bytes.length < 2 * samples * sampleSize) return false;
  const sampled = Buffer.allocUnsafe(samples * sampleSize);
  const step = Math.floor((bytes.length - sampleSize) / (samples - 1));
  for (let i = 0; i < samples; i++) {
    sampled.set(bytes.subarray(i * step, i * step + sampleSize), i * sampleSize);
  }
  return (await deflate(sampled, 1)).length > worthwhile * sampled.length;
}

/** A block as deflate's stored blocks (RFC 1951, 3.2.4), which begin and end at byte boundaries; none is the last. */
export function storedBlocks(bytes: Uint8Array): Uint8Array {
  const count = Math.ceil(bytes.length / mostStored);
  const stored = Buffer.allocUnsafeSlow(bytes.length + count * headerSize);
  let at = 0;
  for (let from = 0; from < bytes.length; from += mostStored) {
    const part = bytes.subarray(from, from + mostStored);
    at = stored.writeUInt8(0, at);
    at = stored.writeUInt16LE(part.length, at);
    at = stored.writeUInt16LE(part.length ^ 0xffff, at);
    stored.set(part, at);
    at += part.length;
  }
  return stored;
}
