/**
 * Recordings: what was captured by whom and where, and the words by which it is found.
 *
 * Declared recordings are views of the sessions' states, whose events are the journal; observed ones
 * (files that nobody declared) are journaled here. How they are listed is in recording-listing.ts.
 */
import type { Database } from './driver.ts';
import type { Journal } from './journal.ts';
import {
  type ListedRecording,
  type PageRequest,
  type RecordingFilter,
  RecordingListing,
  type RecordingPage,
  type RecordingRecord,
} from './recording-listing.ts';
import { Statements } from './statements.ts';

export type {
  ListedRecording,
  PageRequest,
  RecordingFilter,
  RecordingPage,
  RecordingRecord,
} from './recording-listing.ts';

/** From best to worst: the verdict of a recording is the worst of its takes'. */
export const verdictsFromBest: readonly string[] = [
  '',
  // Zoom's raw file whose conversion is there: the converted one says how it is.
  'ready',
  'whole',
  'foreign',
  'empty',
  'recording',
  'converting',
  'conversion-pending',
  'missing-output',
  'interrupted',
  'conversion-interrupted',
  'raw-gone',
  'beyond-repair',
];

interface Words {
  readonly session: number | null;
  readonly room: number | null;
  readonly participant: number | null;
}

export class RecordingTable {
  readonly #database: Database.Database;
  readonly #journal: Journal;
  readonly #statements: Statements;
  readonly #listing: RecordingListing;
  /** Rows whose words changed in the transaction that is under way. */
  readonly #unindexed = new Set<number>();

  constructor(database: Database.Database, journal: Journal) {
    this.#database = database;
    this.#journal = journal;
    this.#statements = new Statements(database);
    this.#listing = new RecordingListing(this.#statements);
  }

  /** Stores what a session's state says of a recording; its events are the journal. */
  putDeclared(recording: RecordingRecord): void {
    const words: Words = {
      session: recording.session && this.#sessionRow(recording.session),
      room: recording.room && this.#roomRow(recording.room),
      participant: recording.participant && this.#personRow(recording.participant),
    };
    const before = this.#statements.one<Words>(
      'SELECT session, room, participant FROM recordings WHERE id = ?',
      recording.id,
    );
    const row = this.#upsert(recording, words);
    const same =
      before?.session === words.session &&
      before.room === words.room &&
      before.participant === words.participant;
    if (!same) this.#willIndex(row);
  }

  /** Writes the words of what the transaction changed; its last step. */
  indexChanged(): void {
    for (const row of this.#unindexed) this.#index(row);
    this.#unindexed.clear();
  }

  /** Called when the transaction was undone. */
  dropChanged(): void {
    this.#unindexed.clear();
  }

  /** Stores a recording that only files tell of, and journals it. Call it inside a transaction. */
  putObserved(recording: RecordingRecord, at: number): void {
    const session = recording.session?.id ?? null;
    this.#journal.append([{ at, type: 'recording', session, body: recording }]);
    this.putDeclared(recording);
  }

  /** Removes a recording that has no takes left; used when its only take was attributed. */
  dropEmpty(id: string, at: number): void {
    const row = this.#rowOf(id);
    if (row === undefined) return;
    if (this.#statements.one('SELECT 1 FROM takes WHERE recording = ? LIMIT 1', row)) return;
    this.#journal.append([{ at, type: 'recording-dropped', session: null, body: { id } }]);
    this.forget(id);
  }

  forget(id: string): void {
    const row = this.#rowOf(id);
    if (row === undefined) return;
    this.#unindexed.delete(row);
    this.#statements.run('DELETE FROM search WHERE rowid = ?', row);
    this.#statements.run('DELETE FROM recordings WHERE row = ?', row);
  }

  has(id: string): boolean {
    return this.#rowOf(id) !== undefined;
  }

  byId(id: string): ListedRecording | undefined {
    const row = this.#rowOf(id);
    return row === undefined ? undefined : this.#listing.rows([row])[0];
  }

  /** Ids that begin with the text, at most 20: for short ids. */
  idsStartingWith(prefix: string): string[] {
    return this.#statements
      .all<{ id: string }>(
        'SELECT id FROM recordings WHERE id >= ? AND id < ? LIMIT 20',
        prefix,
        `${prefix}\uffff`,
      )
      .map(({ id }) => id);
  }

  /** Newest first by start. */
  list(filter: RecordingFilter, page: PageRequest): RecordingPage {
    return this.#listing.list(filter, page);
  }

  /** Full text over topic, room, people and file names; newest sighted first. */
  search(text: string, filter: RecordingFilter, page: PageRequest): RecordingPage {
    this.indexChanged();
    return this.#listing.search(text, filter, page);
  }

  /** Called when the takes of recordings changed. */
  refresh(ids: readonly string[], searchable: boolean): void {
    for (const id of ids) {
      const row = this.#rowOf(id);
      if (row === undefined) continue;
      const verdicts = this.#statements
        .all<{ verdict: string }>('SELECT DISTINCT verdict FROM takes WHERE recording = ?', row)
        .map(({ verdict }) => verdict);
      this.#statements.run('UPDATE recordings SET verdict = ? WHERE row = ?', worst(verdicts), row);
      if (searchable) this.#willIndex(row);
    }
  }

  #upsert(recording: RecordingRecord, { session, room, participant }: Words): number {
    const stored = this.#statements.one<{ row: number }>(
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
      participant,
      recording.state,
      recording.permission,
      recording.startedAt,
      recording.endedAt,
      isOneStretch(recording) ? null : JSON.stringify(recording.intervals),
    );
    if (!stored) throw new Error(`recording ${recording.id} was not stored`);
    return stored.row;
  }

  /** A recording and its takes are stored one by one: their words are written once. */
  #willIndex(row: number): void {
    if (this.#database.inTransaction) this.#unindexed.add(row);
    else this.#index(row);
  }

  /** Writes the words of a recording to the full text. */
  #index(row: number): void {
    const names = this.#statements.one<{
      topic: string | null;
      room: string | null;
      person: string | null;
    }>(
      `SELECT sessions.topic, rooms.name AS room, people.name AS person FROM recordings
         LEFT JOIN sessions ON sessions.row = recordings.session
         LEFT JOIN rooms ON rooms.row = recordings.room
         LEFT JOIN people ON people.row = recordings.participant
       WHERE recordings.row = ?`,
      row,
    );
    const takes = this.#statements.all<{ path: string; recoveredPath: string | null }>(
      'SELECT path, recovered_path AS recoveredPath FROM takes WHERE recording = ?',
      row,
    );
    const files = takes.flatMap(({ path, recoveredPath }) =>
      recoveredPath === null ? [nameOf(path)] : [nameOf(path), nameOf(recoveredPath)],
    );
    this.#statements.run(
      'INSERT OR REPLACE INTO search (rowid, topic, room, people, files) VALUES (?, ?, ?, ?, ?)',
      row,
      names?.topic ?? '',
      names?.room ?? '',
      names?.person ?? '',
      files.join(' '),
    );
  }

  #rowOf(id: string): number | undefined {
    return this.#statements.one<{ row: number }>('SELECT row FROM recordings WHERE id = ?', id)
      ?.row;
  }

  #sessionRow({ id, topic }: NonNullable<RecordingRecord['session']>): number {
    const found = this.#statements.one<{ row: number; topic: string }>(
      'SELECT row, topic FROM sessions WHERE id = ?',
      id,
    );
    if (!found) {
      const insert =
        'INSERT INTO sessions (id, topic, closed, snapshot, upto) VALUES (?, ?, 0, NULL, 0)';
      return Number(this.#statements.run(insert, id, topic).lastInsertRowid);
    }
    if (found.topic !== topic) {
      this.#statements.run('UPDATE sessions SET topic = ? WHERE row = ?', topic, found.row);
    }
    return found.row;
  }

  #roomRow({ id, number, name }: NonNullable<RecordingRecord['room']>): number {
    const found = this.#statements.one<{ row: number }>(
      'SELECT row FROM rooms WHERE number IS ? AND name = ? AND id = ?',
      number,
      name,
      id,
    );
    if (found) return found.row;
    const insert = 'INSERT INTO rooms (id, number, name) VALUES (?, ?, ?)';
    return Number(this.#statements.run(insert, id, number, name).lastInsertRowid);
  }

  #personRow({ id, name }: NonNullable<RecordingRecord['participant']>): number {
    const found = this.#statements.one<{ row: number }>(
      'SELECT row FROM people WHERE id = ? AND name = ?',
      id,
      name,
    );
    if (found) return found.row;
    const insert = 'INSERT INTO people (id, name) VALUES (?, ?)';
    return Number(this.#statements.run(insert, id, name).lastInsertRowid);
  }
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

const nameOf = (path: string) => path.split(/[/\\]/).at(-1) ?? path;
