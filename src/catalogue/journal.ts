/**
 * The journal: what happened, in order, each entry sealed by the hash of all before it.
 *
 * Entries are never changed and never removed. How an entry is hashed is the session's business
 * (audit) and is handed in.
 */
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
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** The hash of an entry, from the hash of the one before (hex; 64 zeros before the first). */
export type ChainHash = (previous: string, entry: JournalEntry) => string;

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

const noHash = '0'.repeat(64);

const columns = `seq, machines.id AS machine, at, type, session, body, hash
  FROM journal JOIN machines ON machines.row = journal.machine`;

export class Journal {
  readonly #machine: string;
  readonly #chainHash: ChainHash;
  readonly #machineRow: number;
  readonly #insert;
  readonly #after;
  readonly #afterOf;
  readonly #last;
  #head: JournalHead;

  constructor(database: Database.Database, machine: string, chainHash: ChainHash) {
    this.#machine = machine;
    this.#chainHash = chainHash;
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
      const body = JSON.stringify(fact.body);
      // What is hashed is what will be read back: JSON drops what it cannot carry.
      const entry: JournalEntry = {
        machine: this.#machine,
        seq: this.#head.seq + 1,
        at: Math.round(fact.at),
        type: fact.type,
        session: fact.session,
        body: JSON.parse(body),
      };
      const hash = this.#chainHash(this.#head.hash, entry);
      this.#insert.run(
        entry.seq,
        this.#machineRow,
        entry.at,
        entry.type,
        entry.session,
        body,
        Buffer.from(hash, 'hex'),
      );
      this.#head = { seq: entry.seq, hash };
    }
    return this.#head;
  }

  read(query: JournalQuery): SealedEntry[] {
    const rows =
      query.session === undefined
        ? this.#after.all(query.after, query.limit)
        : this.#afterOf.all(query.session, query.after, query.limit);
    return rows.map((row) => ({
      ...row,
      body: JSON.parse(row.body) as unknown,
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
    return row ? { seq: row.seq, hash: row.hash.toString('hex') } : { seq: 0, hash: noHash };
  }
}
