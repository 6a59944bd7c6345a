/**
 * Opens SQLite, or says in plain words why the driver cannot be loaded.
 */
import Database from 'better-sqlite3';
import { RoomtapeError } from '../errors.ts';

export type { Database };

/** Opens or creates a database file. Throws `driver-missing` when the native part is not there. */
export function openDatabase(path: string, options: Database.Options = {}): Database.Database {
  try {
    return new Database(path, options);
  } catch (cause) {
    if (isMissingBinding(cause)) {
      // npm 12 skips install scripts unless allowed, and still exits 0.
      throw new RoomtapeError(
        'driver-missing',
        `The database driver better-sqlite3 has no binary for Node ${process.version}.`,
        { next: 'npm rebuild better-sqlite3', cause },
      );
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RoomtapeError('write-failed', `${path} cannot be opened: ${reason}.`, {
      next: 'roomtape doctor',
      cause,
    });
  }
}

/** Version of the SQLite in the driver. */
export function sqliteVersion(): string {
  const database = openDatabase(':memory:');
  try {
    return String(database.prepare('SELECT sqlite_version()').pluck().get());
  } finally {
    database.close();
  }
}

function isMissingBinding(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const code = 'code' in cause ? String(cause.code) : '';
  return (
    code === 'ERR_DLOPEN_FAILED' ||
    code === 'MODULE_NOT_FOUND' ||
    /could not locate the bindings file/i.test(cause.message)
  );
}
