/**
 * Backups of the catalogue: a whole copy in one file, made daily and before every migration.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { type Database, openDatabase } from './driver.ts';

/** The newest ones are kept. */
const kept = 7;

/** Copies the catalogue while it is in use; a page at a time, so that nothing waits for it. */
export async function backUp(
  database: Database.Database,
  folder: string,
  reason: string,
  now: number,
): Promise<string> {
  const { partial, path } = prepare(folder, reason, now);
  try {
    await database.backup(partial, { progress: () => 2_000 });
    finish(partial, path);
  } catch (cause) {
    throw failed(partial, cause);
  }
  prune(folder);
  return path;
}

/** Copies the catalogue before anything else happens. */
export function backUpNow(
  database: Database.Database,
  folder: string,
  reason: string,
  now: number,
): string {
  const { partial, path } = prepare(folder, reason, now);
  try {
    database.prepare('VACUUM INTO ?').run(partial);
    finish(partial, path);
  } catch (cause) {
    throw failed(partial, cause);
  }
  prune(folder);
  return path;
}

/** Copies a catalogue file from outside of whoever has it open. */
export function backUpFile(path: string, folder: string, now: number): string {
  const database = openDatabase(path, { readonly: true, timeout: 5_000 });
  try {
    return backUpNow(database, folder, 'by-hand', now);
  } finally {
    database.close();
  }
}

function prepare(folder: string, reason: string, now: number): { partial: string; path: string } {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stamp = new Date(now).toISOString().replace(/[:.]/g, '-');
  const path = join(folder, `catalogue-${stamp}-${reason}.db`);
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  return { partial, path };
}

/** A copy has its name only when all of it is on the disk: an older one may be pruned for it. */
function finish(partial: string, path: string): void {
  sync(partial, 'r+');
  renameSync(partial, path);
  if (process.platform !== 'win32') sync(dirname(path), 'r'); // folders cannot be opened there
}

function sync(path: string, flags: string): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Half a copy is worth nothing. What was to be copied is as it was. */
function failed(partial: string, cause: unknown): RoomtapeError {
  rmSync(partial, { force: true });
  rmSync(`${partial}-journal`, { force: true });
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RoomtapeError(
    'failed',
    `The catalogue could not be copied to ${partial}: ${reason}.`,
    {
      next: `df -h ${dirname(partial)}`,
      cause,
    },
  );
}

/** The backups there are, newest first. */
export function backupsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^catalogue-.*\.db$/.test(name))
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

/** When the newest backup was made, ms since 1970; 0 when there is none. */
export function lastBackupAt(folder: string): number {
  const newest = backupsIn(folder)[0];
  return newest === undefined ? 0 : statSync(newest).mtimeMs;
}

function prune(folder: string): void {
  for (const path of backupsIn(folder).slice(kept)) rmSync(path, { force: true });
}
