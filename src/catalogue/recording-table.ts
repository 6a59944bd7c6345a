/**
 * Recordings as they are listed, filtered and searched.
 *
 * Declared recordings are views of the sessions' states; observed ones (files that nobody declared)
 * are journaled here. Lists are read newest first in pages by key: page 10,000 costs what page 1
 * does.
 */
import type { Database } from './driver.ts';
import type { Journal } from './journal.ts';
import { matchEveryWord } from './search-text.ts';
import { type TakeRecord, type TakeRow, takeOf } from './take-table.ts';

export interface RecordingRecord {
  readonly id: string;
  /** Null for a file that belongs to no session. */
  readonly session: { readonly id: string; readonly topic: string } | null;
  readonly room: {
    readonly id: string;
    readonly number: number | null;
    readonly name: string;
  } | null;
  readonly participant: { readonly id: string; readonly name: string } | null;
  readonly state: string;
  readonly permission: string;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** From and to, ms since 1970; the last may be open. */
  readonly intervals: readonly (readonly [number, number | null])[];
}

export interface ListedRecording extends RecordingRecord {
  /** The worst verdict of its takes; '' without takes. */
  readonly verdict: string;
  readonly takes: readonly TakeRecord[];
}

export interface RecordingFilter {
  /** Session id, the beginning of one, or a topic. */
  readonly session?: string | undefined;
  /** Room number or name. */
  readonly room?: string | undefined;
  /** Participant's id or name. */
  readonly participant?: string | undefined;
  readonly state?: string | undefined;
  readonly verdict?: string | undefined;
  /** Started at or after, ms since 1970. */
  readonly since?: number | undefined;
  /** Started before, ms since 1970. */
  readonly until?: number | undefined;
}

export interface PageRequest {
  readonly limit: number;
  /** `next` of the page before. */
  readonly from?: string | undefined;
}

export interface RecordingPage {
  readonly recordings: readonly ListedRecording[];
  /** Where the next page begins; null on the last. */
  readonly next: string | null;
}

interface RecordingRow {
  readonly row: number;
  readonly id: string;
  readonly sessionId: string | null;
  readonly topic: string | null;
  readonly roomId: string | null;
  readonly roomNumber: number | null;
  readonly roomName: string | null;
  readonly personId: string | null;
  readonly personName: string | null;
  readonly state: string;
  readonly permission: string;
  readonly verdict: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly intervals: string | null;
}

const columns = `recordings.row, recordings.id, sessions.id AS sessionId, sessions.topic,
  rooms.id AS roomId, rooms.number AS roomNumber, rooms.name AS roomName,
  people.id AS personId, people.name AS personName, state, permission, verdict,
  started_at AS startedAt, ended_at AS endedAt, intervals`;
const joins = `LEFT JOIN sessions ON sessions.row = recordings.session
  LEFT JOIN rooms ON rooms.row = recordings.room
  LEFT JOIN people ON people.row = recordings.participant`;

/** From best to worst: the verdict of a recording is the worst of its takes'. */
const verdictsFromBest = [
  '',
  'whole',
  'foreign',
  'empty',
  'recording',
  'converting',
  'conversion-pending',
  'missing-output',
  'interrupted',
  'conversion-interrupted',
  'beyond-repair',
];

/** Rows that one name may stand for (a participant's name in many sessions) and be walked each. */
const mostMeanings = 100;

const namedTables = { participant: 'people', room: 'rooms', session: 'sessions' } as const;
type NamedColumn = keyof typeof namedTables;

export class RecordingTable {
  readonly #database: Database.Database;
  readonly #journal: Journal;
  readonly #statements = new Map<string, Database.Statement<unknown[], unknown>>();

  constructor(database: Database.Database, journal: Journal) {
    this.#database = database;
    this.#journal = journal;
  }

  /** Stores what a session's state says of a recording; its events are the journal. */
  putDeclared(recording: RecordingRecord): void {
    this.#put(recording);
  }

  /** Stores a recording that only files tell of, and journals it. Call it inside a transaction. */
  putObserved(recording: RecordingRecord, at: number): void {
    const session = recording.session?.id ?? null;
    this.#journal.append([{ at, type: 'recording', session, body: recording }]);
    this.#put(recording);
  }

  /** Removes a recording that has no takes left; used when its only take was attributed. */
  dropEmpty(id: string, at: number): void {
    const row = this.#rowOf(id);
    if (row === undefined) return;
    const { n } = this.#one<{ n: number }>(
      'SELECT count(*) AS n FROM takes WHERE recording = ?',
      row,
    ) ?? { n: 0 };
    if (n > 0) return;
    this.#journal.append([{ at, type: 'recording-dropped', session: null, body: { id } }]);
    this.forget(id);
  }

  forget(id: string): void {
    const row = this.#rowOf(id);
    if (row === undefined) return;
    this.#run('DELETE FROM search WHERE rowid = ?', row);
    this.#run('DELETE FROM recordings WHERE row = ?', row);
  }

  has(id: string): boolean {
    return this.#rowOf(id) !== undefined;
  }

  byId(id: string): ListedRecording | undefined {
    const row = this.#one<RecordingRow>(
      `SELECT ${columns} FROM recordings ${joins} WHERE recordings.id = ?`,
      id,
    );
    return row && this.#withTakes([row])[0];
  }

  /** Ids that begin with the text, at most 20: for short ids. */
  idsStartingWith(prefix: string): string[] {
    return this.#all<{ id: string }>(
      'SELECT id FROM recordings WHERE id >= ? AND id < ? LIMIT 20',
      prefix,
      `${prefix}\uffff`,
    ).map(({ id }) => id);
  }

  /** Newest first by start. */
  list(filter: RecordingFilter, page: PageRequest): RecordingPage {
    const choice = this.#choose(filter);
    if (!choice) return { recordings: [], next: null };
    const from = page.from === undefined ? undefined : keyOf(page.from);
    const bounds = [...choice.conditions];
    const values: (string | number)[] = [...choice.values];
    if (from) {
      bounds.push('(started_at, recordings.row) < (?, ?)');
      values.push(...from);
    }
    const rows: RecordingRow[] = [];
    // One walk along one index for each meaning, merged: an IN would lose the order of the index.
    for (const meaning of choice.meanings) {
      const where = [...meaning.conditions, ...bounds];
      const sql = `SELECT ${columns} FROM recordings ${meaning.index} ${joins}
        ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''}
        ORDER BY started_at DESC, recordings.row DESC LIMIT ?`;
      rows.push(...this.#all<RecordingRow>(sql, ...meaning.values, ...values, page.limit + 1));
    }
    rows.sort((a, b) => b.startedAt - a.startedAt || b.row - a.row);
    return this.#page(rows, page.limit, (last) => `${last.startedAt}.${last.row}`);
  }

  /** Full text over topic, room, people and file names; newest sighted first. */
  search(text: string, filter: RecordingFilter, page: PageRequest): RecordingPage {
    const exact = matchEveryWord(text, false);
    const choice = this.#choose(filter);
    if (exact === '' || !choice) return { recordings: [], next: null };
    const found = this.#match(exact, choice, page);
    if (found.recordings.length > 0 || page.from !== undefined) return found;
    // Nothing says exactly this: the last word may be the beginning of one.
    return this.#match(matchEveryWord(text, true), choice, page);
  }

  #match(query: string, choice: Choice, page: PageRequest): RecordingPage {
    const where = ['search MATCH ?', ...choice.conditions];
    const values: (string | number)[] = [query, ...choice.values];
    if (page.from !== undefined) {
      where.push('search.rowid < ?');
      values.push(Number(page.from) || 0);
    }
    const meant = choice.meanings.filter(({ conditions }) => conditions.length > 0);
    if (meant.length > 0) {
      where.push(`(${meant.map(({ conditions }) => conditions.join(' AND ')).join(' OR ')})`);
      for (const meaning of meant) values.push(...meaning.values);
    }
    const rows = this.#all<RecordingRow>(
      `SELECT ${columns} FROM search CROSS JOIN recordings ON recordings.row = search.rowid ${joins}
       WHERE ${where.join(' AND ')} ORDER BY search.rowid DESC LIMIT ?`,
      ...values,
      page.limit + 1,
    );
    return this.#page(rows, page.limit, (last) => String(last.row));
  }

  /** Called when the takes of recordings changed. */
  refresh(ids: readonly string[], searchable: boolean): void {
    for (const id of ids) {
      const row = this.#rowOf(id);
      if (row === undefined) continue;
      const verdicts = this.#all<{ verdict: string }>(
        'SELECT DISTINCT verdict FROM takes WHERE recording = ?',
        row,
      ).map(({ verdict }) => verdict);
      this.#run('UPDATE recordings SET verdict = ? WHERE row = ?', worst(verdicts), row);
      if (searchable) this.#index(row);
    }
  }

  #put(recording: RecordingRecord): void {
    const session = recording.session && this.#sessionRow(recording.session);
    const room = recording.room && this.#nameRow('rooms', session ?? 0, recording.room);
    const person =
      recording.participant && this.#nameRow('people', session ?? 0, recording.participant);
    const before = this.#one<{
      row: number;
      session: number | null;
      room: number | null;
      participant: number | null;
    }>('SELECT row, session, room, participant FROM recordings WHERE id = ?', recording.id);
    const { row } = this.#one<{ row: number }>(
      `INSERT INTO recordings (id, session, room, participant, state, permission, verdict,
         started_at, ended_at, intervals)
       VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET session = excluded.session, room = excluded.room,
         participant = excluded.participant, state = excluded.state,
         permission = excluded.permission, started_at = excluded.started_at,
         ended_at = excluded.ended_at, intervals = excluded.intervals
       RETURNING row`,
      recording.id,
      session,
      room,
      person,
      recording.state,
      recording.permission,
      recording.startedAt,
      recording.endedAt,
      isOneStretch(recording) ? null : JSON.stringify(recording.intervals),
    ) ?? { row: 0 };
    const same =
      before?.session === session && before.room === room && before.participant === person;
    if (!same) this.#index(row);
  }

  /** Writes the words of a recording to the full text. */
  #index(row: number): void {
    const names = this.#one<{ topic: string | null; room: string | null; person: string | null }>(
      `SELECT sessions.topic, rooms.name AS room, people.name AS person
       FROM recordings ${joins} WHERE recordings.row = ?`,
      row,
    );
    const takes = this.#all<{ path: string; recoveredPath: string | null }>(
      'SELECT path, recovered_path AS recoveredPath FROM takes WHERE recording = ?',
      row,
    );
    const files = new Set(takes.flatMap(({ path }) => nameOf(path)));
    const recovered = takes.flatMap(({ recoveredPath }) =>
      recoveredPath ? [nameOf(recoveredPath)] : [],
    );
    this.#run(
      'INSERT OR REPLACE INTO search (rowid, topic, room, people, files) VALUES (?, ?, ?, ?, ?)',
      row,
      names?.topic ?? '',
      names?.room ?? '',
      names?.person ?? '',
      [...files, ...recovered].join(' '),
    );
  }

  #withTakes(rows: readonly RecordingRow[]): ListedRecording[] {
    if (rows.length === 0) return [];
    const takes = this.#all<TakeRow & { of: number }>(
      `SELECT takes.row, takes.id, recordings.id AS recording, takes.recording AS of, path, identity,
         container, recorder, stage, takes.verdict, recovered_path AS recoveredPath,
         duration_ms AS durationMs, bytes, sha256, sighted_at AS sightedAt,
         takes.started_at AS startedAt, takes.ended_at AS endedAt, attribution, detail
       FROM takes JOIN recordings ON recordings.row = takes.recording
       WHERE takes.recording IN (SELECT value FROM json_each(?)) ORDER BY takes.row`,
      JSON.stringify(rows.map(({ row }) => row)),
    );
    return rows.map((row) => ({
      ...recordingOf(row),
      takes: takes.filter(({ of }) => of === row.row).map(({ of: _, ...take }) => takeOf(take)),
    }));
  }

  #page(
    rows: readonly RecordingRow[],
    limit: number,
    key: (last: RecordingRow) => string,
  ): RecordingPage {
    const kept = rows.slice(0, limit);
    const last = kept.at(-1);
    const next = rows.length > limit && last ? key(last) : null;
    return { recordings: this.#withTakes(kept), next };
  }

  /** Turns the words of a filter into rows; undefined when one of them means nothing here. */
  #choose(filter: RecordingFilter): Choice | undefined {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const alternatives: Meaning[][] = [];
    const either = (column: NamedColumn, condition: string, given: (string | number)[]) => {
      const rows = this.#all<{ row: number }>(
        `SELECT row FROM ${namedTables[column]} WHERE ${condition} LIMIT ?`,
        ...given,
        mostMeanings + 1,
      ).map(({ row }) => row);
      if (rows.length > mostMeanings) {
        // So many that most of the newest recordings will do: walk those.
        conditions.push(
          `recordings.${column} IN (SELECT row FROM ${namedTables[column]} WHERE ${condition})`,
        );
        values.push(...given);
        return;
      }
      alternatives.push(
        rows.map((row) => ({
          index: `INDEXED BY recordings_${column}`,
          conditions: [`recordings.${column} = ?`],
          values: [row],
        })),
      );
    };
    const { participant, room, session } = filter;
    if (participant !== undefined) {
      either('participant', '(id = ? OR name = ?)', [participant, participant]);
    }
    if (room !== undefined) {
      const number = /^\d{1,4}$/.test(room) ? Number(room) : -1;
      either('room', '(number = ? OR name = ?)', [number, room]);
    }
    if (session !== undefined) {
      either('session', '((id >= ? AND id < ?) OR topic = ? COLLATE NOCASE)', [
        session,
        `${session}\uffff`,
        session,
      ]);
    }
    // Words of the table itself, spelt into the SQL so that the partial indexes apply.
    for (const column of ['state', 'verdict'] as const) {
      const word = filter[column];
      if (word === undefined) continue;
      if (!/^[a-z-]{1,40}$/.test(word)) return undefined;
      conditions.push(`recordings.${column} = '${word}'`);
    }
    if (filter.since !== undefined) {
      conditions.push('started_at >= ?');
      values.push(filter.since);
    }
    if (filter.until !== undefined) {
      conditions.push('started_at < ?');
      values.push(filter.until);
    }
    if (alternatives.some((rows) => rows.length === 0)) return undefined;
    // The narrowest drives; the others only filter what it gives.
    const [first, ...others] = alternatives.sort((a, b) => a.length - b.length);
    for (const rows of others) {
      conditions.push(`(${rows.map((meaning) => meaning.conditions.join(' AND ')).join(' OR ')})`);
      values.push(...rows.flatMap((meaning) => meaning.values));
    }
    return { meanings: first ?? [{ index: '', conditions: [], values: [] }], conditions, values };
  }

  #rowOf(id: string): number | undefined {
    return this.#one<{ row: number }>('SELECT row FROM recordings WHERE id = ?', id)?.row;
  }

  #sessionRow(session: { readonly id: string; readonly topic: string }): number {
    const found = this.#one<{ row: number; topic: string }>(
      'SELECT row, topic FROM sessions WHERE id = ?',
      session.id,
    );
    if (found) {
      if (found.topic !== session.topic) {
        this.#run('UPDATE sessions SET topic = ? WHERE row = ?', session.topic, found.row);
      }
      return found.row;
    }
    const made = this.#run(
      'INSERT INTO sessions (id, topic, closed, snapshot, upto) VALUES (?, ?, 0, NULL, 0)',
      session.id,
      session.topic,
    );
    return Number(made.lastInsertRowid);
  }

  #nameRow(
    table: 'rooms' | 'people',
    session: number,
    {
      id,
      name,
      number,
    }: { readonly id: string; readonly name: string; readonly number?: number | null },
  ): number {
    const found = this.#one<{ row: number }>(
      `SELECT row FROM ${table} WHERE session = ? AND id = ? AND name = ?`,
      session,
      id,
      name,
    );
    if (found) return found.row;
    const made =
      table === 'rooms'
        ? this.#run(
            'INSERT INTO rooms (session, id, number, name) VALUES (?, ?, ?, ?)',
            session,
            id,
            number ?? null,
            name,
          )
        : this.#run('INSERT INTO people (session, id, name) VALUES (?, ?, ?)', session, id, name);
    return Number(made.lastInsertRowid);
  }

  #statement(sql: string): Database.Statement<unknown[], unknown> {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.#database.prepare<unknown[], unknown>(sql);
    if (this.#statements.size > 200) this.#statements.clear();
    this.#statements.set(sql, made);
    return made;
  }

  // STRICT tables and the column lists above fix the shape of every row.
  #one<Row>(sql: string, ...values: unknown[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #all<Row>(sql: string, ...values: unknown[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: unknown[]): Database.RunResult {
    return this.#statement(sql).run(...values);
  }
}

/** One way to read a filter, walked along one index. */
interface Meaning {
  readonly index: string;
  readonly conditions: readonly string[];
  readonly values: readonly (string | number)[];
}

interface Choice {
  readonly meanings: readonly Meaning[];
  readonly conditions: readonly string[];
  readonly values: readonly (string | number)[];
}

function recordingOf(row: RecordingRow): Omit<ListedRecording, 'takes'> {
  return {
    id: row.id,
    session: row.sessionId === null ? null : { id: row.sessionId, topic: row.topic ?? '' },
    room:
      row.roomName === null
        ? null
        : { id: row.roomId ?? '', number: row.roomNumber, name: row.roomName },
    participant: row.personName === null ? null : { id: row.personId ?? '', name: row.personName },
    state: row.state,
    permission: row.permission,
    verdict: row.verdict,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    intervals:
      row.intervals === null
        ? [[row.startedAt, row.endedAt]]
        : (JSON.parse(row.intervals) as [number, number | null][]),
  };
}

function isOneStretch({ intervals, startedAt, endedAt }: RecordingRecord): boolean {
  const [only] = intervals;
  return intervals.length === 1 && only?.[0] === startedAt && only[1] === endedAt;
}

function worst(verdicts: readonly string[]): string {
  const rank = (verdict: string) => {
    const at = verdictsFromBest.indexOf(verdict);
    return at < 0 ? verdictsFromBest.length : at;
  };
  return verdicts.reduce((a, b) => (rank(b) > rank(a) ? b : a), '');
}

function keyOf(text: string): [number, number] {
  const [at, row] = text.split('.').map(Number);
  return [at || 0, row || 0];
}

const nameOf = (path: string) => path.split(/[/\\]/).at(-1) ?? path;
