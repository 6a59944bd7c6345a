/**
 * One daemon per data folder: a lock that the system itself gives back when its holder dies.
 *
 * Node has no file lock, but SQLite has one on every system: an exclusive transaction on an empty
 * database that is held for the life of the process. A file with a process id in it would survive
 * `kill -9` and lie about a process id that was given to somebody else.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { openDatabase } from './driver.ts';

export interface InstanceLock {
  release(): void;
}

/** Takes the lock, or returns null when another process holds it. */
export function takeInstanceLock(path: string): InstanceLock | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = openDatabase(path, { timeout: 0 });
  try {
    // Nothing is ever written to it: the lock can be had on a full disk, too.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (isBusy(cause)) return null;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RoomtapeError('write-failed', `${path} cannot be locked: ${reason}.`, {
      next: 'roomtape doctor',
      cause,
    });
  }
  return { release: () => database.close() };
}

const isBusy = (cause: unknown) =>
  cause instanceof Error && 'code' in cause && String(cause.code).startsWith('SQLITE_BUSY');
