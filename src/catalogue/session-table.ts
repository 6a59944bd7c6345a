/**
 * Sessions: where each one's folded state stands, so that a daemon starts without reading the
 * whole journal.
 */
import type { Database } from './driver.ts';

export interface StoredSession {
  readonly id: string;
  readonly topic: string;
  /** True when nothing can happen in it any more. */
  readonly closed: boolean;
  /** The folded state as plain JSON; null when it is to be folded from the beginning. */
  readonly snapshot: unknown;
  /** seq of the last journal entry in the snapshot; fold on with the entries after it. */
  readonly upto: number;
}

interface SessionRow {
  readonly id: string;
  readonly topic: string;
  readonly closed: number;
  readonly snapshot: string | null;
  readonly upto: number;
}

export class SessionTable {
  readonly #upsert;
  readonly #all;
  readonly #byId;
  readonly #idsBetween;

  constructor(database: Database.Database) {
    this.#upsert = database.prepare<[string, string, number, string | null, number]>(
      `INSERT INTO sessions (id, topic, closed, snapshot, upto) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET topic = excluded.topic, closed = excluded.closed,
         snapshot = excluded.snapshot, upto = excluded.upto`,
    );
    this.#all = database.prepare<[number], SessionRow>(
      'SELECT id, topic, closed, snapshot, upto FROM sessions WHERE closed <= ? ORDER BY row',
    );
    this.#byId = database.prepare<[string], SessionRow>(
      'SELECT id, topic, closed, snapshot, upto FROM sessions WHERE id = ?',
    );
    this.#idsBetween = database.prepare<[string, string], { id: string }>(
      'SELECT id FROM sessions WHERE id >= ? AND id < ? LIMIT 20',
    );
  }

  put(session: StoredSession): void {
    this.#upsert.run(
      session.id,
      session.topic,
      session.closed ? 1 : 0,
      session.snapshot === null ? null : JSON.stringify(session.snapshot),
      session.upto,
    );
  }

  byId(id: string): StoredSession | undefined {
    const row = this.#byId.get(id);
    return row && sessionOf(row);
  }

  /** Sessions in which something can still happen, oldest first. */
  open(): StoredSession[] {
    return this.#all.all(0).map(sessionOf);
  }

  all(): StoredSession[] {
    return this.#all.all(1).map(sessionOf);
  }

  /** Ids that begin with the text, at most 20: for short ids. */
  idsStartingWith(prefix: string): string[] {
    return this.#idsBetween.all(prefix, `${prefix}\uffff`).map(({ id }) => id);
  }
}

function sessionOf(row: SessionRow): StoredSession {
  return {
    ...row,
    closed: row.closed === 1,
    snapshot: row.snapshot === null ? null : (JSON.parse(row.snapshot) as unknown),
  };
}
