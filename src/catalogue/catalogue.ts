/**
 * The catalogue: one SQLite file with the journal and the tables made from it. The only SQL.
 *
 * Whatever belongs to one decision is stored in one `transaction`: after a crash or a power cut all
 * of it is there or none. The daemon is the only writer.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { backUp, backUpNow } from './backup.ts';
import { DamagedFile, obstacleOf } from './damage.ts';
import { type Database, openDatabase } from './driver.ts';
import { FolderTable } from './folder-table.ts';
import { Journal } from './journal.ts';
import { migrate, readMigrations } from './migrate.ts';
import { ProfileTable } from './profile-table.ts';
import { RecordingTable } from './recording-table.ts';
import { SessionTable } from './session-table.ts';
import { TakeTable } from './take-table.ts';

export interface CatalogueOptions {
  readonly path: string;
  /** Where backups go. */
  readonly backups: string;
  /** Id of this machine's data folder if the file is new. */
  readonly newMachineId: string;
  /** ms since 1970. */
  readonly now: number;
}

export interface Catalogue {
  /** This machine, as the journal names it. */
  readonly machine: string;
  readonly journal: Journal;
  readonly sessions: SessionTable;
  readonly recordings: RecordingTable;
  readonly takes: TakeTable;
  readonly profiles: ProfileTable;
  readonly folders: FolderTable;
  /** Everything stored in `work` is kept together, or nothing of it when it throws. */
  transaction<Result>(work: () => Result): Result;
  /** Small values kept for ever, as plain JSON. */
  meta(key: string): unknown;
  putMeta(key: string, value: unknown): void;
  /** Copies everything to a new file while the catalogue is in use. */
  backUp(reason: string, now: number): Promise<string>;
  /** Empties whatever can be made again from the journal. */
  clearTables(): void;
  close(): void;
}

/** What is made from the journal. Profiles and meta are not; they stay. */
const madeFromJournal = ['takes', 'scans', 'recordings', 'rooms', 'people', 'sessions', 'folders'];

/** Bytes up to which the whole file is checked before it is used: some 50 ms. */
const checkedAtOpen = 64_000_000;

/** Opens the catalogue, makes or migrates it. Throws `catalogue-damaged` or `catalogue-newer`. */
export function openCatalogue(options: CatalogueOptions): Catalogue {
  mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  const isNew = !existsSync(options.path);
  const database = openDatabase(options.path, { timeout: 2_000 });
  try {
    return describeDamage(options.path, () => {
      prepare(database);
      if (!isNew && sizeOf(database) <= checkedAtOpen) assertSound(database);
      migrate(database, options.path, readMigrations(), () =>
        backUpNow(database, options.backups, 'before-migration', options.now),
      );
      return build(database, options);
    });
  } catch (problem) {
    database.close();
    throw problem;
  }
}

function build(database: Database.Database, options: CatalogueOptions): Catalogue {
  const getMeta = database.prepare<[string], { value: string }>(
    'SELECT value FROM meta WHERE key = ?',
  );
  const setMeta = database.prepare<[string, string]>(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const meta = (key: string): unknown => {
    const row = getMeta.get(key);
    return row === undefined ? undefined : JSON.parse(row.value);
  };
  const putMeta = (key: string, value: unknown) => {
    setMeta.run(key, JSON.stringify(value));
  };
  if (meta('machine') === undefined) putMeta('machine', options.newMachineId);
  assertDurable(database);

  const machine = String(meta('machine'));
  const journal = new Journal(database, machine);
  const recordings = new RecordingTable(database, journal);
  const takes = new TakeTable(database, journal, (ids, searchable) =>
    recordings.refresh(ids, searchable),
  );
  return {
    machine,
    journal,
    recordings,
    takes,
    sessions: new SessionTable(database),
    profiles: new ProfileTable(database),
    folders: new FolderTable(database, journal),
    meta,
    putMeta,
    transaction(work) {
      const whole = database.transaction(() => {
        const result = work();
        recordings.indexChanged();
        return result;
      });
      try {
        return describeDamage(options.path, () => whole.immediate());
      } catch (problem) {
        journal.reload();
        recordings.dropChanged();
        throw problem;
      }
    },
    backUp: (reason, now) => backUp(database, options.backups, reason, now),
    clearTables() {
      for (const table of madeFromJournal) database.exec(`DELETE FROM ${table}`);
      database.exec(`INSERT INTO search (search) VALUES ('delete-all')`);
    },
    close() {
      try {
        database.pragma('optimize');
      } catch {
        // A disk that is full: what would have become faster is no reason not to close.
      }
      database.close();
    },
  };
}

function prepare(database: Database.Database): void {
  database.pragma('journal_mode = WAL');
  // better-sqlite3 sets NORMAL: under a power cut that loses hundreds of acknowledged commits.
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma('journal_size_limit = 16000000');
  database.pragma('cache_size = -16000');
  database.pragma('temp_store = MEMORY');
}

/** The driver turns FULL into NORMAL with its first write to a WAL file: set it again, then look. */
function assertDurable(database: Database.Database): void {
  database.pragma('synchronous = FULL');
  if (database.pragma('synchronous', { simple: true }) !== 2) {
    throw new Error('SQLite does not keep synchronous = FULL');
  }
}

function sizeOf(database: Database.Database): number {
  const pages = Number(database.pragma('page_count', { simple: true }));
  return pages * Number(database.pragma('page_size', { simple: true }));
}

function assertSound(database: Database.Database): void {
  const found = database.pragma('quick_check(1)', { simple: true });
  if (found !== 'ok') throw new DamagedFile(String(found));
}

function describeDamage<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw obstacleOf(path, cause);
  }
}
