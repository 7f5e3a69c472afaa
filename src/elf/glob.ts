/**
 * Whether a name matches a pattern with `*`, `?` and `[…]` (glob(7)); a leading dot has to be written. Takes at
 * most the product of both lengths, whatever the pattern.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  if (name.startsWith(".") && !pattern.startsWith(".")) return false;
  let [at, place] = [0, 0];
  let star: { readonly at: number; place: number } | undefined;
  while (place < name.length) {
    const width = pattern[at] === "*" ? 0 : matchOne(pattern, at, name[place] ?? "");
    if (pattern[at] === "*") star = { at: ++at, place };
    else if (width > 0) {
      at += width;
      place++;
    } else if (star === undefined) return false;
    else {
      at = star.at;
      place = ++star.place;
    }
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

/** How many characters of the pattern match this one; 0 when they do not. */
function matchOne(pattern: string, at: number, character: string): number {
  const one = pattern[at];
  if (one === "?") return 1;
  const end = one === "[" ? pattern.indexOf("]", /[!^]/.test(pattern[at + 1] ?? "") ? at + 3 : at + 2) : -1;
  if (end < 0) return one === character ? 1 : 0;
  const negated = /[!^]/.test(pattern[at + 1] ?? "");
  const set = pattern.slice(at + (negated ? 2 : 1), end);
  return inSet(set, character) === negated ? 0 : end + 1 - at;
}

function inSet(set: string, character: string): boolean {
  for (let index = 0; index < set.length; index++) {
    const from = set[index] ?? "";
    if (set[index + 1] === "-" && index + 2 < set.length) {
      if (from <= character && character <= (set[index + 2] ?? "")) return true;
      index += 2;
    } else if (from === character) return true;
  }
  return false;
}
