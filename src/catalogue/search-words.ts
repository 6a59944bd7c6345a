/**
 * The words that begin as typed, looked up in the index instead of merged by it.
 *
 * SQLite answers a prefix by merging every recording of every word that begins so before it gives the
 * first: 25 ms for a common one of 200,000. The words themselves are found in microseconds, and a
 * search for any of them is read newest first and stops when a page is full.
 */
import { matchEveryWord } from './search-text.ts';
import type { Statements } from './statements.ts';

/** Above this many words, as of numbers in file names, SQLite may as well merge. */
const mostWords = 200;

/** Sorts behind every longer form of a word's end and is in no word. */
const justBehind = '\u0001';

export class SearchWords {
  readonly #statements: Statements;
  #isReady = false;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** What `matchEveryWord(text, true)` asks for, in words where these are few. */
  beginningQuery(text: string): string {
    const asPrefix = matchEveryWord(text, true);
    const words = text.trim().split(/\s+/u);
    const last = folded(words.at(-1) ?? '');
    if (last === null) return asPrefix;
    const found = this.#beginningWith(last);
    if (found === null) return asPrefix;
    if (found.length === 0) return matchEveryWord(text, false);
    const any = `(${found.map((word) => `"${word}"`).join(' OR ')})`;
    const others = matchEveryWord(words.slice(0, -1).join(' '), false);
    return others === '' ? any : `${others} AND ${any}`;
  }

  #beginningWith(start: string): string[] | null {
    if (!this.#isReady) {
      this.#statements.run(
        'CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_words USING fts5vocab(main, search, instance)',
      );
      this.#isReady = true;
    }
    const found: string[] = [];
    for (let from = start; ; ) {
      const next = this.#statements.one<{ term: string }>(
        'SELECT term FROM temp.search_words WHERE term >= ? LIMIT 1',
        from,
      );
      if (!next?.term.startsWith(start)) return found;
      if (found.length === mostWords) return null;
      found.push(next.term);
      from = next.term + justBehind;
    }
  }
}

/** A plain word as the index keeps it; null for what only SQLite's own tokenizer can fold. */
function folded(word: string): string | null {
  const plain = word
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase();
  return /^[a-z0-9]{1,60}$/.test(plain) ? plain : null;
}
