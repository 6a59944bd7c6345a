/**
 * Backups of the catalogue: a whole copy in one file, made daily and before every migration.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
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
  await database.backup(partial, { progress: () => 2_000 });
  renameSync(partial, path);
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
  database.prepare('VACUUM INTO ?').run(partial);
  renameSync(partial, path);
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
