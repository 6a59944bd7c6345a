/**
 * Takes: every media file that was sighted, and how far its journey has come.
 *
 * `put` stores a take and writes what changed to the journal, so that the table can be made again.
 */
import type { Database } from './driver.ts';
import type { Journal } from './journal.ts';

/** The stages of design.md §4, in order. A take at `indexed` has arrived. */
export type TakeStage =
  | 'sighted'
  | 'recognised'
  | 'attributed'
  | 'followed'
  | 'diagnosed'
  | 'repaired'
  | 'verified'
  | 'indexed';

export interface TakeRecord {
  readonly id: string;
  /** Id of its recording; every take has one, an unclaimed take one of its own. */
  readonly recording: string;
  /** Absolute; where the file was seen last. */
  readonly path: string;
  /** `<device>:<inode>`, or '' when the file is gone. */
  readonly identity: string;
  readonly container: string;
  readonly recorder: string;
  readonly stage: TakeStage;
  readonly verdict: string;
  readonly recoveredPath: string | null;
  readonly durationMs: number | null;
  readonly bytes: number;
  /** Of the original, in hex. */
  readonly sha256: string | null;
  /** When this daemon saw it first, ms since 1970. */
  readonly sightedAt: number;
  /** True start and end of the media, ms since 1970. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly attribution: string;
  /** Whatever else is known: reasons, diagnosis, report, … Plain JSON. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface TakeRow {
  readonly row: number;
  readonly id: string;
  readonly recording: string;
  readonly path: string;
  readonly identity: string;
  readonly container: string;
  readonly recorder: string;
  readonly stage: TakeStage;
  readonly verdict: string;
  readonly recoveredPath: string | null;
  readonly durationMs: number | null;
  readonly bytes: number;
  readonly sha256: Buffer | null;
  readonly sightedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly attribution: string;
  readonly detail: string | null;
}

export const takeColumns = `takes.row, takes.id, recordings.id AS recording, path, identity, container, recorder,
  stage, takes.verdict, recovered_path AS recoveredPath, duration_ms AS durationMs, bytes, sha256,
  sighted_at AS sightedAt, takes.started_at AS startedAt, takes.ended_at AS endedAt, attribution,
  detail FROM takes JOIN recordings ON recordings.row = takes.recording`;

export class TakeTable {
  readonly #journal: Journal;
  readonly #changed: (recordings: readonly string[], searchable: boolean) => void;
  readonly #upsert;
  readonly #byId;
  readonly #byIdentity;
  readonly #byPath;
  readonly #unfinished;
  readonly #ofRecording;
  readonly #idsBetween;
  readonly #putScan;
  readonly #getScan;
  readonly #dropScan;

  /**
   * @param changed  told which recordings have other takes than before, and whether their file
   *   names changed
   */
  constructor(
    database: Database.Database,
    journal: Journal,
    changed: (recordings: readonly string[], searchable: boolean) => void,
  ) {
    this.#journal = journal;
    this.#changed = changed;
    this.#upsert = database.prepare<[Record<string, string | number | Buffer | null>]>(
      `INSERT INTO takes (id, recording, path, path_hash, identity, container, recorder, stage, verdict,
         recovered_path, duration_ms, bytes, sha256, sighted_at, started_at, ended_at, attribution,
         detail)
       VALUES (@id, (SELECT row FROM recordings WHERE id = @recording), @path,
         @pathHash, @identity,
         @container, @recorder, @stage, @verdict, @recoveredPath, @durationMs, @bytes, @sha256,
         @sightedAt, @startedAt, @endedAt, @attribution, @detail)
       ON CONFLICT (id) DO UPDATE SET recording = excluded.recording, path = excluded.path,
         path_hash = excluded.path_hash, identity = excluded.identity, container = excluded.container,
         recorder = excluded.recorder, stage = excluded.stage, verdict = excluded.verdict,
         recovered_path = excluded.recovered_path, duration_ms = excluded.duration_ms,
         bytes = excluded.bytes, sha256 = excluded.sha256, sighted_at = excluded.sighted_at,
         started_at = excluded.started_at, ended_at = excluded.ended_at,
         attribution = excluded.attribution, detail = excluded.detail`,
    );
    const select = <P extends unknown[]>(where: string) =>
      database.prepare<P, TakeRow>(`SELECT ${takeColumns} WHERE ${where}`);
    this.#byId = select<[string]>('takes.id = ?');
    this.#byIdentity = select<[string]>("identity = ? AND identity <> '' ORDER BY takes.row DESC");
    this.#byPath = select<[number, string]>('path_hash = ? AND path = ? ORDER BY takes.row DESC');
    this.#unfinished = select<[]>("stage <> 'indexed' ORDER BY takes.row");
    this.#ofRecording = select<[string]>('recordings.id = ? ORDER BY takes.row');
    this.#idsBetween = database.prepare<[string, string], { id: string }>(
      'SELECT id FROM takes WHERE id >= ? AND id < ? LIMIT 20',
    );
    this.#putScan = database.prepare<[string, Uint8Array]>(
      `INSERT INTO scans (take, state) VALUES ((SELECT row FROM takes WHERE id = ?), ?)
       ON CONFLICT (take) DO UPDATE SET state = excluded.state`,
    );
    this.#getScan = database.prepare<[string], { state: Buffer }>(
      'SELECT state FROM scans WHERE take = (SELECT row FROM takes WHERE id = ?)',
    );
    this.#dropScan = database.prepare<[string]>(
      'DELETE FROM scans WHERE take = (SELECT row FROM takes WHERE id = ?)',
    );
  }

  /**
   * Stores a take under its id and journals what changed. Its recording must be there. Call it
   * inside a transaction together with whatever else the same decision stores.
   */
  put(take: TakeRecord, at: number): void {
    const before = this.byId(take.id);
    const body = changes(before, take);
    if (!body) return;
    this.#journal.append([{ at, type: 'take', session: null, body }]);
    this.restore(take, before);
  }

  /** Stores a take without a journal entry: the journal is what it comes from. */
  restore(take: TakeRecord, before = this.byId(take.id)): void {
    const { detail, sha256, ...columns } = take;
    this.#upsert.run({
      ...columns,
      pathHash: hashOf(take.path),
      sha256: sha256 === null ? null : Buffer.from(sha256, 'hex'),
      detail: Object.keys(detail).length === 0 ? null : JSON.stringify(detail),
    });
    const moved = before?.recording !== take.recording;
    const renamed = before?.path !== take.path || before.recoveredPath !== take.recoveredPath;
    if (moved || renamed || before?.verdict !== take.verdict) {
      const touched = before && moved ? [before.recording, take.recording] : [take.recording];
      this.#changed(touched, moved || renamed);
    }
  }

  byId(id: string): TakeRecord | undefined {
    const row = this.#byId.get(id);
    return row && takeOf(row);
  }

  /** The takes whose file had this `<device>:<inode>`, newest first: inodes are used again. */
  byIdentity(identity: string): TakeRecord[] {
    return this.#byIdentity.all(identity).map(takeOf);
  }

  /** The takes that were seen last at this path, newest first. */
  byPath(path: string): TakeRecord[] {
    return this.#byPath.all(hashOf(path), path).map(takeOf);
  }

  /** Every take that has not arrived, oldest first: where a starting daemon goes on. */
  unfinished(): TakeRecord[] {
    return this.#unfinished.all().map(takeOf);
  }

  ofRecording(recording: string): TakeRecord[] {
    return this.#ofRecording.all(recording).map(takeOf);
  }

  /** Ids that begin with the text, at most 20: for short ids. */
  idsStartingWith(prefix: string): string[] {
    return this.#idsBetween.all(prefix, `${prefix}\uffff`).map(({ id }) => id);
  }

  /** Keeps the state of the scanner beside a growing file. */
  putScan(take: string, state: Uint8Array): void {
    this.#putScan.run(take, state);
  }

  scan(take: string): Uint8Array | undefined {
    return this.#getScan.get(take)?.state;
  }

  dropScan(take: string): void {
    this.#dropScan.run(take);
  }
}

export function takeOf(row: TakeRow): TakeRecord {
  const { row: _, sha256, detail, ...columns } = row;
  return {
    ...columns,
    sha256: sha256 === null ? null : sha256.toString('hex'),
    detail: detail === null ? {} : (JSON.parse(detail) as Record<string, unknown>),
  };
}

/** FNV-1a, 32 bits: narrows a search by path, the path itself decides. */
function hashOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) {
    hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  }
  return hash;
}

/** The fields that differ, with the id; null when none does. */
function changes(before: TakeRecord | undefined, take: TakeRecord): object | null {
  if (!before) return take;
  const old = new Map<string, unknown>(Object.entries(before));
  const changed = Object.entries(take).filter(
    ([key, value]) => JSON.stringify(old.get(key)) !== JSON.stringify(value),
  );
  return changed.length === 0 ? null : { id: take.id, ...Object.fromEntries(changed) };
}
