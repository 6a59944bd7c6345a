/**
 * The journal: what happened, in order, each entry sealed by the hash of all before it.
 *
 * Entries are never changed and never removed. How an entry is hashed is the audit's business.
 */
import { chainHash, genesis } from '../session/audit.ts';
import type { Database } from './driver.ts';

/** Something that happened, before it has a place in the journal. */
export interface JournalFact {
  /** ms since 1970. */
  readonly at: number;
  readonly type: string;
  /** The session it belongs to, or null. */
  readonly session: string | null;
  /** Plain JSON. */
  readonly body: unknown;
}

export interface JournalEntry extends JournalFact {
  readonly machine: string;
  /** 1, 2, 3, … without a hole. */
  readonly seq: number;
}

export interface SealedEntry extends JournalEntry {
  /** The body as it is stored and hashed: JSON on one line. */
  readonly text: string;
  /** SHA-256 in hex, over this entry and the hash before. */
  readonly hash: string;
}

export interface JournalQuery {
  /** Entries after this seq; 0 from the beginning. */
  readonly after: number;
  readonly limit: number;
  readonly session?: string;
}

export interface JournalHead {
  readonly seq: number;
  readonly hash: string;
}

interface JournalRow {
  readonly seq: number;
  readonly machine: string;
  readonly at: number;
  readonly type: string;
  readonly session: string | null;
  readonly body: string;
  readonly hash: Buffer;
}

const columns = `seq, machines.id AS machine, at, type, session, body, hash
  FROM journal JOIN machines ON machines.row = journal.machine`;

export class Journal {
  readonly #machine: string;
  readonly #machineRow: number;
  readonly #insert;
  readonly #after;
  readonly #afterOf;
  readonly #last;
  #head: JournalHead;

  constructor(database: Database.Database, machine: string) {
    this.#machine = machine;
    database.prepare('INSERT OR IGNORE INTO machines (id) VALUES (?)').run(machine);
    this.#machineRow =
      database
        .prepare<[string], { row: number }>('SELECT row FROM machines WHERE id = ?')
        .get(machine)?.row ?? 0;
    this.#insert = database.prepare<
      [number, number, number, string, string | null, string, Buffer]
    >(
      'INSERT INTO journal (seq, machine, at, type, session, body, hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#after = database.prepare<[number, number], JournalRow>(
      `SELECT ${columns} WHERE seq > ? ORDER BY seq LIMIT ?`,
    );
    this.#afterOf = database.prepare<[string, number, number], JournalRow>(
      `SELECT ${columns} WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?`,
    );
    this.#last = database.prepare<[], JournalRow>(`SELECT ${columns} ORDER BY seq DESC LIMIT 1`);
    this.#head = this.#readHead();
  }

  get machine(): string {
    return this.#machine;
  }

  get head(): JournalHead {
    return this.#head;
  }

  /** Adds facts in their order; call it inside a transaction. Returns the new head. */
  append(facts: readonly JournalFact[]): JournalHead {
    for (const fact of facts) {
      const { type, session } = fact;
      const body = JSON.stringify(fact.body);
      const seq = this.#head.seq + 1;
      const at = Math.round(fact.at);
      const hash = chainHash(this.#head.hash, { seq, at, type, body });
      const sealed = Buffer.from(hash, 'hex');
      this.#insert.run(seq, this.#machineRow, at, type, session, body, sealed);
      this.#head = { seq, hash };
    }
    return this.#head;
  }

  /** Takes over entries that were sealed before, as they are; they must follow the head. */
  adopt(entries: readonly SealedEntry[]): void {
    for (const { at, type, session, text, hash } of entries) {
      const seq = this.#head.seq + 1;
      if (chainHash(this.#head.hash, { seq, at, type, body: text }) !== hash) {
        throw new Error(`journal entry ${seq} does not follow`);
      }
      const sealed = Buffer.from(hash, 'hex');
      this.#insert.run(seq, this.#machineRow, at, type, session, text, sealed);
      this.#head = { seq, hash };
    }
  }

  read(query: JournalQuery): SealedEntry[] {
    const rows =
      query.session === undefined
        ? this.#after.all(query.after, query.limit)
        : this.#afterOf.all(query.session, query.after, query.limit);
    return rows.map((row) => ({
      ...row,
      body: JSON.parse(row.body) as unknown,
      text: row.body,
      hash: row.hash.toString('hex'),
    }));
  }

  /** Every entry after `after`, page by page. */
  *entries(after = 0, session?: string): Generator<SealedEntry> {
    for (let from = after; ; ) {
      const page = this.read({ after: from, limit: 500, ...(session ? { session } : {}) });
      yield* page;
      const last = page.at(-1);
      if (!last) return;
      from = last.seq;
    }
  }

  /** After a transaction was rolled back the head is again what the file says. */
  reload(): void {
    this.#head = this.#readHead();
  }

  #readHead(): JournalHead {
    const row = this.#last.get();
    return row ? { seq: row.seq, hash: row.hash.toString('hex') } : { seq: 0, hash: genesis };
  }
}
