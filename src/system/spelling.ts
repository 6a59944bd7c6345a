/**
 * The known word that a misspelt one most likely meant.
 */

/** The nearest of `words` by edit distance, or undefined when none is near enough to be meant. */
export function nearestWord(wrong: string, words: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(Math.min(wrong.length, 40) / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const word of words) {
    if (word.startsWith(wrong) && wrong.length >= 3) return word;
    const distance = editDistance(wrong.slice(0, 40), word);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Damerau-Levenshtein distance with adjacent swaps. */
function editDistance(left: string, right: string): number {
  const rows: number[][] = [];
  for (let i = 0; i <= left.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= right.length; j++) {
      if (i === 0) {
        row.push(j);
        continue;
      }
      const above = rows[i - 1] ?? [];
      const same = left[i - 1] === right[j - 1];
      let distance = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped) distance = Math.min(distance, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    rows.push(row);
  }
  return rows[left.length]?.[right.length] ?? Number.POSITIVE_INFINITY;
}
