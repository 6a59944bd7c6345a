/**
 * Backups of the catalogue: a whole copy in one file, made daily and before every migration.
 *
 * A copy is as old as its name says. One named after now was made under a clock that was wrong: it
 * counts as older than all others, so that it neither hides a true copy nor takes its place.
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
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { obstacleOf } from './damage.ts';
import { type Database, openDatabase } from './driver.ts';

/** The newest ones are kept. */
const kept = 7;

const dayMs = 86_400_000;

/** Copies the catalogue while it is in use; a page at a time, so that nothing waits for it. */
export async function backUp(
  database: Database.Database,
  folder: string,
  reason: string,
  now: number,
): Promise<string> {
  const { partial, path } = prepare(database, folder, reason, now);
  try {
    await database.backup(partial, { progress: () => 2_000 });
    finish(partial, path);
  } catch (cause) {
    throw failed(database, partial, cause);
  }
  prune(folder, now);
  return path;
}

/** Copies the catalogue before anything else happens. */
export function backUpNow(
  database: Database.Database,
  folder: string,
  reason: string,
  now: number,
): string {
  const { partial, path } = prepare(database, folder, reason, now);
  try {
    database.prepare('VACUUM INTO ?').run(partial);
    finish(partial, path);
  } catch (cause) {
    throw failed(database, partial, cause);
  }
  prune(folder, now);
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

function prepare(
  database: Database.Database,
  folder: string,
  reason: string,
  now: number,
): { partial: string; path: string } {
  const stamp = new Date(now).toISOString().replace(/[:.]/g, '-');
  const path = join(folder, `catalogue-${stamp}-${reason}.db`);
  const partial = `${path}.partial`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    rmSync(partial, { force: true });
  } catch (cause) {
    throw notCopied(database, partial, cause);
  }
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

/** Half a copy is worth nothing. */
function failed(database: Database.Database, partial: string, cause: unknown): RoomtapeError {
  rmSync(partial, { force: true });
  rmSync(`${partial}-journal`, { force: true });
  return notCopied(database, partial, cause);
}

/** A full disk and a damaged original are what they are anywhere else. */
function notCopied(database: Database.Database, partial: string, cause: unknown): RoomtapeError {
  const obstacle = obstacleOf(database.name, cause);
  if (obstacle instanceof RoomtapeError && obstacle.code !== 'write-failed') return obstacle;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const text = `The catalogue could not be copied to ${partial}: ${reason}.`;
  return new RoomtapeError('write-failed', text, { next: 'roomtape doctor', cause });
}

/** The backups there are: newest first, and last what is named after now. */
export function backupsIn(folder: string, now: number): string[] {
  const all = stampedIn(folder, /\.db$/).sort().reverse();
  const isTrue = (path: string) => madeAt(path) <= now;
  return [...all.filter(isTrue), ...all.filter((path) => !isTrue(path))];
}

/** When the newest backup was made, ms since 1970; 0 when there is none from before now. */
export function lastBackupAt(folder: string, now: number): number {
  const [newest] = backupsIn(folder, now);
  const at = newest === undefined ? 0 : madeAt(newest);
  return at <= now ? at : 0;
}

function prune(folder: string, now: number): void {
  for (const path of backupsIn(folder, now).slice(kept)) rmSync(path, { force: true });
  // What a process left that was killed while it copied; a younger one may still be written to.
  for (const path of stampedIn(folder, /\.db\.partial(?:-journal)?$/)) {
    if (Math.abs(now - madeAt(path)) > dayMs) rmSync(path, { force: true });
  }
}

const stamp = /^catalogue-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z-/;

/** Files of our own names: a copy that a person put there is neither pruned nor taken for one of ours. */
function stampedIn(folder: string, ending: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => stamp.test(name) && ending.test(name))
    .map((name) => join(folder, name));
}

function madeAt(path: string): number {
  const [text = ''] = stamp.exec(basename(path)) ?? [];
  return Date.parse(text.replace(stamp, '$1T$2:$3:$4.$5Z'));
}
