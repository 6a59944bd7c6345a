/**
 * Looks at a catalogue file without changing it: is every page sound, does the journal's chain
 * hold, does every take have its recording?
 */
import { existsSync } from 'node:fs';
import { chainHash, genesis } from '../session/audit.ts';
import { type Database, openDatabase } from './driver.ts';
import { readMigrations, versionOf } from './migrate.ts';

export interface SoundnessFinding {
  readonly what: 'file' | 'version' | 'journal' | 'tables' | 'full text';
  readonly sound: boolean;
  /** One sentence with numbers. */
  readonly detail: string;
}

/** Checks everything; takes about a second for each 400 MB. Safe while a daemon runs. */
export function checkCatalogueFile(path: string): SoundnessFinding[] {
  if (!existsSync(path)) {
    return [{ what: 'file', sound: true, detail: `There is no catalogue at ${path} yet.` }];
  }
  let database: Database.Database | undefined;
  try {
    database = openDatabase(path, { readonly: true, timeout: 2_000 });
    return findings(database, path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return [{ what: 'file', sound: false, detail: `${path} cannot be read: ${reason}.` }];
  } finally {
    database?.close();
  }
}

function findings(database: Database.Database, path: string): SoundnessFinding[] {
  const problems = database
    .prepare<[], { integrity_check: string }>('PRAGMA integrity_check(5)')
    .all()
    .map((row) => row.integrity_check);
  if (problems[0] !== 'ok') {
    return [{ what: 'file', sound: false, detail: problems.join('; ').replaceAll('\n', ' ') }];
  }
  const found = versionOf(database);
  const newest = readMigrations().length;
  const all: SoundnessFinding[] = [
    { what: 'file', sound: true, detail: `Every page of ${path} is sound.` },
    {
      what: 'version',
      sound: found <= newest,
      detail: `The file has version ${found}; this Roomtape writes ${newest}.`,
    },
  ];
  if (found === 0 || found > newest) return all;
  return [...all, checkChain(database), checkTables(database)];
}

interface ChainRow {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly body: string;
  readonly hash: Buffer;
}

function checkChain(database: Database.Database): SoundnessFinding {
  const rows = database
    .prepare<[], ChainRow>('SELECT seq, at, type, body, hash FROM journal ORDER BY seq')
    .iterate();
  let previous = genesis;
  let count = 0;
  for (const row of rows) {
    count += 1;
    const hash = chainHash(previous, row);
    if (row.seq !== count || hash !== row.hash.toString('hex')) {
      const detail = `Journal entry ${row.seq} does not follow from the ${count - 1} before it.`;
      return { what: 'journal', sound: false, detail };
    }
    previous = hash;
  }
  return { what: 'journal', sound: true, detail: `The chain of all ${count} entries holds.` };
}

function checkTables(database: Database.Database): SoundnessFinding {
  const count = (sql: string) => database.prepare<[], { n: number }>(sql).get()?.n ?? 0;
  const takes = count('SELECT count(*) AS n FROM takes');
  const recordings = count('SELECT count(*) AS n FROM recordings');
  const lost = count(
    'SELECT count(*) AS n FROM takes WHERE recording NOT IN (SELECT row FROM recordings)',
  );
  const unfound = count(
    'SELECT count(*) AS n FROM recordings WHERE row NOT IN (SELECT id FROM search_docsize)',
  );
  if (lost > 0) {
    return { what: 'tables', sound: false, detail: `${lost} of ${takes} takes have no recording.` };
  }
  if (unfound > 0) {
    const detail = `${unfound} of ${recordings} recordings are missing in the full text.`;
    return { what: 'full text', sound: false, detail };
  }
  return { what: 'tables', sound: true, detail: `${recordings} recordings with ${takes} takes.` };
}
