// The polynomial of CRC-32 (RFC 1952, section 8) with its bits reversed: the highest bit stands for x^0.
const polynomial = 0xedb88320;
const one = 0x80000000;

/** The product of two polynomials modulo that of CRC-32. */
function times(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ polynomial;
  }
  return product >>> 0;
}

// x^8, x^16, x^32…: what 1, 2, 4… bytes that follow multiply by.
const powers: number[] = [one >>> 8];

/**
 * The CRC-32 of two pieces of data behind each other, without looking at either again.
 *
 * @param first - CRC-32 of the first piece
 * @param second - CRC-32 of the second piece
 * @param length - of the second piece, in bytes
 */
export function crc32Combine(first: number, second: number, length: number): number {
  let moved = first;
  let left = length;
  for (let index = 0; left > 0; index++) {
    if (index === powers.length) powers.push(times(powers[index - 1] ?? one, powers[index - 1] ?? one));
    if (left % 2 === 1) moved = times(powers[index] ?? one, moved);
    left = Math.floor(left / 2);
  }
  return (moved ^ second) >>> 0;
}
