/**
 * Copies of the catalogue: before every migration, whole or not there at all, the newest kept.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { backUpFile, backUpNow, backupsIn, lastBackupAt } from '../../src/catalogue/backup.ts';
import { type Database, openDatabase } from '../../src/catalogue/driver.ts';
import { restoreCatalogue } from '../../src/catalogue/mending.ts';
import { migrate, readMigrations, versionOf } from '../../src/catalogue/migrate.ts';
import { exampleOptions, minute, noon, openExample, recording, take } from './example-catalogue.ts';

const day = 1_440 * minute;

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

/** A catalogue file with twenty recordings in it. */
function filled() {
  const options = exampleOptions();
  cleanUps.push(options.remove);
  const catalogue = openExample(options);
  catalogue.transaction(() => {
    for (let n = 0; n < 20; n++) {
      catalogue.recordings.putDeclared(recording(n));
      catalogue.takes.put(take(n), noon);
    }
  });
  catalogue.close();
  return options;
}

function opened(path: string): Database.Database {
  const database = openDatabase(path);
  cleanUps.push(() => database.close());
  return database;
}

const takesIn = (database: Database.Database): unknown =>
  database.prepare('SELECT count(*) FROM takes').pluck().get();

const known = readMigrations();
const later = (sql: string) => [
  ...known,
  { version: known.length + 1, name: '0002-next.sql', sql },
  { version: known.length + 2, name: '0003-another.sql', sql: 'CREATE TABLE another (x)' },
];

describe('given a catalogue with data, and a Roomtape that writes a newer version', () => {
  const upgrade = (options: ReturnType<typeof filled>, sql: string) => {
    const database = opened(options.path);
    migrate(database, options.path, later(sql), () =>
      backUpNow(database, options.backups, 'before-migration', noon),
    );
    return database;
  };

  test('when it is opened, then one whole copy of the old version is made first', () => {
    const options = filled();
    const database = upgrade(options, 'DELETE FROM takes');
    expect(versionOf(database)).toBe(known.length + 2);
    expect(takesIn(database)).toBe(0);
    const copies = backupsIn(options.backups, noon);
    expect(copies).toHaveLength(1);
    expect(copies[0]).toContain('before-migration');
    const copy = opened(copies[0] ?? '');
    expect(versionOf(copy)).toBe(known.length);
    expect(takesIn(copy)).toBe(20);
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
  });

  test('when a migration fails half way, then nothing of it is kept, and the copy is there', () => {
    const options = filled();
    expect(() => upgrade(options, 'DELETE FROM takes; SELECT nonsense')).toThrow('nonsense');
    const database = opened(options.path);
    expect(versionOf(database)).toBe(known.length);
    expect(takesIn(database)).toBe(20);
    expect(backupsIn(options.backups, noon)).toHaveLength(1);
  });

  test('when no copy can be made, then nothing is migrated', () => {
    const options = filled();
    // A file where the folder of backups should be.
    rmSync(options.backups, { recursive: true, force: true });
    writeFileSync(options.backups, '');
    expect(() => upgrade(options, 'DELETE FROM takes')).toThrow('could not be copied');
    const database = opened(options.path);
    expect(versionOf(database)).toBe(known.length);
    expect(takesIn(database)).toBe(20);
  });

  test('when the file is new, then there is nothing to copy', () => {
    const options = exampleOptions();
    cleanUps.push(options.remove);
    openExample(options).close();
    expect(existsSync(options.backups)).toBe(false);
  });
});

describe('given a folder of backups', () => {
  test('when there are more than seven, then the oldest go', () => {
    const options = filled();
    for (let n = 0; n < 9; n++) backUpFile(options.path, options.backups, noon + n * minute);
    const names = readdirSync(options.backups).sort();
    expect(names).toHaveLength(7);
    expect(names[0]).toContain('12-02-00');
    expect(names[6]).toContain('12-08-00');
  });

  test('when a clock ran ahead for a week and was set right, then it hides no true copy and pushes none out', () => {
    const options = filled();
    const { backups, path } = options;
    const ahead = noon + 5_000 * day;
    for (let n = 0; n < 9; n++) backUpFile(path, backups, ahead + n * day);
    expect(lastBackupAt(backups, ahead + 9 * day)).toBe(ahead + 8 * day);
    expect(lastBackupAt(backups, noon)).toBe(0);
    const made = backUpFile(path, backups, noon);
    expect(lastBackupAt(backups, noon + minute)).toBe(noon);
    expect(backupsIn(backups, noon)[0]).toBe(made);
    expect(readdirSync(backups)).toHaveLength(7);
    expect(restoreCatalogue({ ...options, now: noon + minute }).backup).toBe(made);
  });

  test('when a process was killed in the middle of a copy, then what it left goes a day later', () => {
    const options = filled();
    const left = backUpFile(options.path, options.backups, noon);
    renameSync(left, `${left}.partial`);
    writeFileSync(`${left}.partial-journal`, '');
    backUpFile(options.path, options.backups, noon + day);
    expect(readdirSync(options.backups)).toHaveLength(3);
    const later = backUpFile(options.path, options.backups, noon + day + minute);
    expect(readdirSync(options.backups)).toHaveLength(2);
    expect(existsSync(later)).toBe(true);
  });

  test('when a person put a copy of theirs there, then it stays', () => {
    const options = filled();
    backUpFile(options.path, options.backups, noon);
    const theirs = join(options.backups, 'catalogue-before-the-move.db');
    copyFileSync(options.path, theirs);
    for (let n = 1; n < 9; n++) backUpFile(options.path, options.backups, noon + n * minute);
    expect(existsSync(theirs)).toBe(true);
    expect(backupsIn(options.backups, noon + day)).not.toContain(theirs);
  });

  test('when a copy cannot get its name, then it is said, and no half of it is left', () => {
    const options = filled();
    backUpFile(options.path, options.backups, noon);
    const [name = ''] = readdirSync(options.backups);
    const taken = `${options.backups}/${name.replace('12-00-00', '12-01-00')}`;
    mkdirSync(taken);
    const attempt = () => backUpFile(options.path, options.backups, noon + minute);
    expect(attempt).toThrow('could not be copied');
    expect(readdirSync(options.backups).filter((left) => left.includes('partial'))).toEqual([]);
    expect(takesIn(opened(options.path))).toBe(20);
  });
});
