/**
 * Brings a catalogue file to the version this Roomtape writes: forward only, one file each.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import type { Database } from './driver.ts';

export interface Migration {
  /** 1, 2, 3, …: `user_version` of a file it has been applied to. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** The migrations in order. A hole in their numbers is a bug. */
export function readMigrations(): Migration[] {
  const folder = join(import.meta.dirname, 'migrations');
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  return names.sort().map((name, index) => {
    const version = Number(name.slice(0, 4));
    if (version !== index + 1) throw new Error(`migration ${name} is out of order`);
    return { version, name, sql: readFileSync(join(folder, name), 'utf8') };
  });
}

export function versionOf(database: Database.Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}

/**
 * Applies what is missing, each migration in a transaction of its own.
 *
 * @param backUp  called once, before the first one that is applied to a catalogue with data
 */
export function migrate(
  database: Database.Database,
  path: string,
  migrations: readonly Migration[],
  backUp: () => void,
): void {
  const found = versionOf(database);
  if (found > migrations.length) {
    throw new RoomtapeError(
      'catalogue-newer',
      `${path} was written by a newer Roomtape (version ${found}; this one knows ${migrations.length}).`,
      { next: 'npm install -g roomtape@latest' },
    );
  }
  const missing = migrations.slice(found);
  if (missing.length > 0 && found > 0) backUp();
  for (const { version, sql } of missing) {
    database.transaction(() => {
      database.exec(sql);
      database.pragma(`user_version = ${version}`);
    })();
  }
}
