const mostSuggestions = 5;

/**
 * The names within a small edit distance of a misspelt one (Damerau–Levenshtein, restricted: insert, delete, replace,
 * swap neighbours), the nearest first, then in the given order.
 */
export function nearMisses(word: string, names: Iterable<string>): string[] {
  const limit = word.length < 4 ? 1 : word.length < 8 ? 2 : 3;
  const found: { name: string; distance: number }[] = [];
  for (const name of names) {
    if (Math.abs(name.length - word.length) > limit) continue;
    const distance = boundedDistance(word, name, limit);
    if (distance <= limit) found.push({ name, distance });
  }
  return found
    .sort((a, b) => a.distance - b.distance)
    .slice(0, mostSuggestions)
    .map(({ name }) => name);
}

/** The edit distance, or anything above `limit` as soon as it is known to be above. */
function boundedDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = stepCost(a, b, i, j, before, previous, row);
      row.push(cost);
      if (cost < least) least = cost;
    }
    if (least > limit) return least;
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}

function stepCost(
  a: string,
  b: string,
  i: number,
  j: number,
  before: readonly number[],
  previous: readonly number[],
  row: readonly number[],
): number {
  const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
  const cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced);
  const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
  return swapped ? Math.min(cost, (before[j - 2] ?? 0) + 1) : cost;
}
