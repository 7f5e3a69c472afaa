/**
 * White space as Go's `unicode.IsSpace` has it, which is what decides in the reference implementation: unlike
 * `\s` of JavaScript it holds U+0085 and not U+FEFF.
 */
const spaces = new Set(
  "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
);

/** Whether a character is white space. */
export function isSpace(character: string): boolean {
  const code = character.charCodeAt(0);
  // Nearly every character is one of these.
  if (code > 0x20 && code < 0x85) return false;
  return spaces.has(character);
}

/** A text without the white space at its start. */
export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charAt(start))) start++;
  return text.slice(start);
}

/** A text without the white space at its start and end. */
export function trim(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}
