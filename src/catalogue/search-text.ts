/**
 * What a person types into a search, as a query that SQLite's full text can only read one way.
 *
 * Raw text is a language there (`AND`, `*`, `"`, `:`) and throws on most of what people type. Each
 * word is quoted, a quote inside doubled; all of them must occur.
 */

/** Words beyond this many narrow nothing any more. */
const mostWords = 20;

/** @param lastIsPrefix  the last word may be the beginning of one */
export function matchEveryWord(text: string, lastIsPrefix: boolean): string {
  const words = text
    .slice(0, 1_000)
    .replaceAll('\0', ' ')
    .split(/\s+/u)
    // A word without a letter or digit matches nothing and would empty the result.
    .filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word))
    .slice(0, mostWords);
  const quoted = words.map((word) => `"${word.replaceAll('"', '""')}"`);
  return quoted.join(' ') + (lastIsPrefix && quoted.length > 0 ? '*' : '');
}
