/**
 * Lists and searches of recordings, quick with a million of them.
 *
 * A page is found in two steps: its keys along one index, newest first, and then the rows of those
 * keys. Pages go on by key and not by offset: page 10,000 costs what page 1 does.
 */
import { matchEveryWord } from './search-text.ts';
import { SearchWords } from './search-words.ts';
import type { SqlValue, Statements } from './statements.ts';
import { type TakeRecord, type TakeRow, takeColumns, takeOf } from './take-table.ts';

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

interface Key {
  readonly row: number;
  readonly startedAt: number;
}

interface RecordingRow extends Key {
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
  readonly endedAt: number | null;
  readonly intervals: string | null;
}

/** SQL that must hold, with its values. */
interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** True where only `started_at` and `row` are looked at: an index tells without the row. */
  readonly ofTime?: boolean;
}

/** Rows of a dictionary that a word of the filter may mean. */
interface Named {
  readonly column: 'session' | 'participant' | 'room';
  /** All of them, or null when they are too many to walk one by one. */
  readonly rows: readonly number[] | null;
  readonly condition: Condition;
}

interface Choice {
  readonly named: readonly Named[];
  /** The partial index of the rare states or verdicts, when the filter asks for one. */
  readonly rare: string | null;
  readonly conditions: readonly Condition[];
}

/** Dictionary rows that are walked one by one and merged; beyond it the newest of all are walked. */
const mostWalks = 400;

/** In front of the place where a search by the beginning of a word goes on. */
const byBeginning = 'beginning.';

export class RecordingListing {
  readonly #statements: Statements;
  readonly #words: SearchWords;

  constructor(statements: Statements) {
    this.#statements = statements;
    this.#words = new SearchWords(statements);
  }

  list(filter: RecordingFilter, page: PageRequest): RecordingPage {
    const choice = this.#choose(filter);
    if (!choice) return { recordings: [], next: null };
    const bounds = [...choice.conditions];
    if (page.from !== undefined) {
      bounds.push({ sql: '(started_at, row) < (?, ?)', values: keyOf(page.from), ofTime: true });
    }
    const keys = this.#walk(choice, bounds, page.limit + 1);
    return this.#page(keys, page.limit, (last) => `${last.startedAt}.${last.row}`);
  }

  search(text: string, filter: RecordingFilter, page: PageRequest): RecordingPage {
    const exact = matchEveryWord(text, false);
    const choice = this.#choose(filter);
    if (exact === '' || !choice) return { recordings: [], next: null };
    const { limit, from } = page;
    if (!from?.startsWith(byBeginning)) {
      const found = this.#match(exact, choice, page);
      if (found.recordings.length > 0 || from !== undefined) return found;
    }
    // Nothing says exactly this: the last word may be the beginning of one.
    const query = this.#words.beginningQuery(text);
    const found = this.#match(query, choice, { limit, from: from?.slice(byBeginning.length) });
    return { ...found, next: found.next && byBeginning + found.next };
  }

  /** The recordings of these rows with their takes, in the order of the rows. */
  rows(rows: readonly number[]): ListedRecording[] {
    if (rows.length === 0) return [];
    const wanted = JSON.stringify(rows);
    const found = this.#statements.all<RecordingRow>(
      `SELECT recordings.row, recordings.id, sessions.id AS sessionId, sessions.topic,
         rooms.id AS roomId, rooms.number AS roomNumber, rooms.name AS roomName,
         people.id AS personId, people.name AS personName, state, permission, verdict,
         started_at AS startedAt, ended_at AS endedAt, intervals
       FROM recordings LEFT JOIN sessions ON sessions.row = recordings.session
         LEFT JOIN rooms ON rooms.row = recordings.room
         LEFT JOIN people ON people.row = recordings.participant
       WHERE recordings.row IN (SELECT value FROM json_each(?))`,
      wanted,
    );
    const takes = this.#statements.all<TakeRow & { of: number }>(
      `SELECT takes.recording AS of, ${takeColumns}
       WHERE takes.recording IN (SELECT value FROM json_each(?)) ORDER BY takes.row`,
      wanted,
    );
    const takesOf = new Map<number, TakeRecord[]>();
    for (const { of, ...take } of takes) {
      const own = takesOf.get(of) ?? [];
      own.push(takeOf(take));
      takesOf.set(of, own);
    }
    const byRow = new Map(found.map((row) => [row.row, row]));
    return rows.flatMap((row) => {
      const recording = byRow.get(row);
      if (!recording) return [];
      return [{ ...recordingOf(recording), takes: takesOf.get(row) ?? [] }];
    });
  }

  /** The newest keys that fit, along the index that has to pass over the fewest others. */
  #walk(choice: Choice, bounds: readonly Condition[], limit: number): Key[] {
    const driver = driverOf(choice);
    const others = choice.named.filter((named) => named !== driver).map((one) => one.condition);
    const conditions = [...bounds, ...others];
    if (!driver) return this.#walkIndex(choice.rare ?? 'time', conditions, limit);
    const { column } = driver;
    const times = bounds.filter(({ ofTime }) => ofTime);
    let keys: Key[] = [];
    for (const { start, newest } of this.#starts(column, driver.rows ?? [], times)) {
      // The starts come newest first: behind a full page of newer ones none can have a say.
      const oldest = keys.length < limit ? undefined : keys[limit - 1];
      if (newest === null || (oldest && newest < oldest.startedAt)) break;
      const only = { sql: `${column} = ?`, values: [start] };
      const more = this.#walkIndex(column, [only, ...conditions], limit);
      keys = [...keys, ...more].sort((a, b) => b.startedAt - a.startedAt || b.row - a.row);
      keys.length = Math.min(keys.length, limit);
    }
    return keys;
  }

  /** The rows of a dictionary, those with the newest recording within the times first. */
  #starts(
    column: Named['column'],
    rows: readonly number[],
    times: readonly Condition[],
  ): { readonly start: number; readonly newest: number | null }[] {
    const within = times.map(({ sql }) => ` AND ${sql}`).join('');
    return this.#statements.all(
      `SELECT json_each.value AS start,
         (SELECT max(started_at) FROM recordings INDEXED BY recordings_${column}
          WHERE ${column} = json_each.value${within}) AS newest
       FROM json_each(?) ORDER BY newest DESC`,
      ...times.flatMap(({ values }) => values),
      JSON.stringify(rows),
    );
  }

  #walkIndex(index: string, conditions: readonly Condition[], limit: number): Key[] {
    const where =
      conditions.length > 0 ? `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}` : '';
    return this.#statements.all<Key>(
      `SELECT row, started_at AS startedAt FROM recordings INDEXED BY recordings_${index} ${where}
       ORDER BY started_at DESC, row DESC LIMIT ?`,
      ...conditions.flatMap(({ values }) => values),
      limit,
    );
  }

  #match(query: string, choice: Choice, page: PageRequest): RecordingPage {
    const conditions: Condition[] = [{ sql: 'search MATCH ?', values: [query] }];
    if (page.from !== undefined) {
      conditions.push({ sql: 'search.rowid < ?', values: [Number(page.from) || 0] });
    }
    const driver = driverOf(choice);
    if (driver?.rows && driver.column !== 'room') {
      // A session's recordings lie close together: the full text need only be read there.
      const range = this.#statements.one<{ low: number | null; high: number | null }>(
        `SELECT min(row) AS low, max(row) AS high FROM recordings
         WHERE ${driver.column} IN (SELECT value FROM json_each(?))`,
        JSON.stringify(driver.rows),
      );
      if (!range || range.low === null) return { recordings: [], next: null };
      conditions.push({ sql: 'search.rowid BETWEEN ? AND ?', values: [range.low, range.high] });
    }
    conditions.push(...choice.named.map(({ condition }) => condition), ...choice.conditions);
    const filtered = choice.named.length + choice.conditions.length > 0;
    const keys = this.#statements.all<Key>(
      `SELECT search.rowid AS row, 0 AS startedAt
       FROM search ${filtered ? 'CROSS JOIN recordings ON recordings.row = search.rowid' : ''}
       WHERE ${conditions.map(({ sql }) => sql).join(' AND ')} ORDER BY search.rowid DESC LIMIT ?`,
      ...conditions.flatMap(({ values }) => values),
      page.limit + 1,
    );
    return this.#page(keys, page.limit, (last) => String(last.row));
  }

  #page(keys: readonly Key[], limit: number, cursor: (last: Key) => string): RecordingPage {
    const kept = keys.slice(0, limit);
    const last = kept.at(-1);
    const next = keys.length > limit && last ? cursor(last) : null;
    return { recordings: this.rows(kept.map(({ row }) => row)), next };
  }

  /** Turns the words of a filter into conditions; undefined when one of them means nothing here. */
  #choose(filter: RecordingFilter): Choice | undefined {
    const named = this.#names(filter);
    if (named.some(({ rows }) => rows?.length === 0)) return undefined;
    const conditions: Condition[] = [];
    let rare: string | null = null;
    for (const [column, usual] of [
      ['state', 'stopped'],
      ['verdict', 'whole'],
    ] as const) {
      const word = filter[column];
      if (word === undefined) continue;
      conditions.push({ sql: `${column} = ?`, values: [word] });
      if (word === usual) continue;
      // SQLite uses a partial index only where its very condition is in the query.
      conditions.push({ sql: `${column} <> '${usual}'`, values: [] });
      rare = column;
    }
    if (filter.since !== undefined) {
      conditions.push({ sql: 'started_at >= ?', values: [filter.since], ofTime: true });
    }
    if (filter.until !== undefined) {
      conditions.push({ sql: 'started_at < ?', values: [filter.until], ofTime: true });
    }
    return { named, rare, conditions };
  }

  #names({ session, participant, room }: RecordingFilter): Named[] {
    const named: Named[] = [];
    // UNION and not OR: each side has its index, and SQLite would scan for an OR over both.
    const add = (column: Named['column'], from: string, ...values: SqlValue[]) => {
      const rows = this.#statements
        .all<{ row: number }>(`SELECT row FROM ${from} LIMIT ?`, ...values, mostWalks + 1)
        .map(({ row }) => row);
      const all = rows.length <= mostWalks;
      named.push({
        column,
        rows: all ? rows : null,
        // The plus keeps SQLite from walking this column's index instead of the one it was told.
        condition: all
          ? {
              sql: `+${column} IN (SELECT value FROM json_each(?))`,
              values: [JSON.stringify(rows)],
            }
          : { sql: `+${column} IN (SELECT row FROM ${from})`, values },
      });
    };
    if (session !== undefined) {
      const end = `${session}\uffff`;
      const byTopic = 'SELECT row FROM sessions WHERE topic = ? COLLATE NOCASE';
      add('session', `sessions WHERE id >= ? AND id < ? UNION ${byTopic}`, session, end, session);
    }
    if (participant !== undefined) {
      const byName = 'SELECT row FROM people WHERE name = ? COLLATE NOCASE';
      add('participant', `people WHERE id = ? UNION ${byName}`, participant, participant);
    }
    if (room !== undefined) {
      const number = /^\d{1,4}$/.test(room) ? Number(room) : -1;
      const byName = 'SELECT row FROM rooms WHERE name = ? COLLATE NOCASE';
      add('room', `rooms WHERE number = ? UNION ${byName}`, number, room);
    }
    return named;
  }
}

/** Whose index is walked: the one with the fewest recordings behind it, as far as can be guessed. */
function driverOf({ named, rare }: Choice): Named | undefined {
  const walkable = named.filter(({ rows }) => rows !== null);
  const rank = (one: Named) => ['session', 'participant', 'room'].indexOf(one.column);
  const best = walkable.sort((a, b) => rank(a) - rank(b))[0];
  // Few recordings are broken; a room number may stand for a tenth of all.
  return best?.column === 'room' && rare !== null ? undefined : best;
}

function recordingOf(row: RecordingRow): Omit<ListedRecording, 'takes'> {
  const { id, state, permission, verdict, startedAt, endedAt } = row;
  return {
    id,
    session: row.sessionId === null ? null : { id: row.sessionId, topic: row.topic ?? '' },
    room:
      row.roomName === null
        ? null
        : { id: row.roomId ?? '', number: row.roomNumber, name: row.roomName },
    participant: row.personName === null ? null : { id: row.personId ?? '', name: row.personName },
    state,
    permission,
    verdict,
    startedAt,
    endedAt,
    intervals:
      row.intervals === null
        ? [[startedAt, endedAt]]
        : (JSON.parse(row.intervals) as [number, number | null][]),
  };
}

function keyOf(text: string): [number, number] {
  const [at, row] = text.split('.').map(Number);
  return [at || 0, row || 0];
}
