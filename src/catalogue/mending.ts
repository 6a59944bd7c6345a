/**
 * Brings a catalogue back: tables from the journal, and a damaged file from its backup.
 *
 * Nothing is thrown away: a damaged file is kept beside the new one, and whatever its journal still
 * says after the backup is taken over, as far as the chain of hashes proves it. What no journal
 * tells any more is found again in the watched folders.
 */
import { copyFileSync, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { RoomtapeError } from '../errors.ts';
import { chainHash } from '../session/audit.ts';
import { backupsIn } from './backup.ts';
import { type Catalogue, type CatalogueOptions, openCatalogue } from './catalogue.ts';
import { type Database, openDatabase } from './driver.ts';
import type { WatchedFolder } from './folder-table.ts';
import type { JournalHead, SealedEntry } from './journal.ts';
import type { RecordingRecord } from './recording-table.ts';
import { checkCatalogueFile } from './soundness.ts';
import type { TakeRecord } from './take-table.ts';

export interface RebuildReport {
  readonly entries: number;
  readonly takes: number;
  readonly recordings: number;
}

/**
 * Makes the tables again from the journal, in one transaction. Sessions lose their snapshots: the
 * daemon folds them from the beginning when it starts.
 */
export function rebuildTables(catalogue: Catalogue): RebuildReport {
  return catalogue.transaction(() => {
    catalogue.clearTables();
    const takes = new Map<string, TakeRecord>();
    const recordings = new Set<string>();
    let entries = 0;
    for (const entry of catalogue.journal.entries()) {
      entries += 1;
      replay(catalogue, entry, takes, recordings);
    }
    return { entries, takes: takes.size, recordings: recordings.size };
  });
}

function replay(
  catalogue: Catalogue,
  entry: SealedEntry,
  takes: Map<string, TakeRecord>,
  recordings: Set<string>,
): void {
  const { type, session } = entry;
  if (session !== null && !catalogue.sessions.byId(session)) {
    catalogue.sessions.put({ id: session, topic: '', closed: false, snapshot: null, upto: 0 });
  }
  // The bodies are our own, sealed by the chain: their shapes are those of the functions that wrote them.
  switch (type) {
    case 'recording': {
      const recording = entry.body as RecordingRecord;
      recordings.add(recording.id);
      catalogue.recordings.putDeclared(recording);
      return;
    }
    case 'recording-dropped': {
      const { id } = entry.body as { id: string };
      recordings.delete(id);
      catalogue.recordings.forget(id);
      return;
    }
    case 'take': {
      const change = entry.body as Partial<TakeRecord> & { readonly id: string };
      const before = takes.get(change.id);
      const take = { ...before, ...change } as TakeRecord;
      takes.set(take.id, take);
      if (!catalogue.recordings.has(take.recording)) placeholder(catalogue, take);
      catalogue.takes.restore(take, before);
      return;
    }
    case 'folder':
      catalogue.folders.restore(entry.body as WatchedFolder);
      return;
    case 'folder-removed':
      catalogue.folders.drop((entry.body as { path: string }).path);
  }
}

/** A recording that a session will tell of once its events are folded again. */
function placeholder(catalogue: Catalogue, take: TakeRecord): void {
  const at = take.startedAt ?? take.sightedAt;
  catalogue.recordings.putDeclared({
    id: take.recording,
    session: null,
    room: null,
    participant: null,
    state: 'stopped',
    permission: 'unknown',
    startedAt: at,
    endedAt: take.endedAt ?? at,
    intervals: [[at, take.endedAt ?? at]],
  });
}

export interface RestoreReport {
  /** The backup it was made from; null when there was none. */
  readonly backup: string | null;
  /** Journal entries in the backup. */
  readonly fromBackup: number;
  /** Entries after it that the damaged file still gave. */
  readonly salvaged: number;
  /** Where the damaged file was moved. */
  readonly kept: string;
}

/** Replaces a catalogue by its newest sound backup and what is left of its journal. */
export function restoreCatalogue(options: CatalogueOptions): RestoreReport {
  const backup =
    backupsIn(options.backups, options.now).find((path) =>
      checkCatalogueFile(path).every((finding) => finding.sound),
    ) ?? null;
  const fresh = `${options.path}.restoring`;
  drop(fresh); // of a restore that was killed
  try {
    if (backup !== null) copyFileSync(backup, fresh);
    const counts = refill(options, fresh);
    assertWhole(fresh, options.path);
    const kept = takePlace(fresh, options);
    return { backup, ...counts, kept };
  } catch (cause) {
    drop(fresh);
    throw cause;
  }
}

/**
 * SQLite's close does not tell that the log could not be moved into the file: the log is then still
 * there, and a file without it may lack all that was restored.
 */
function assertWhole(fresh: string, path: string): void {
  const logged = existsSync(`${fresh}-wal`);
  const flaw = logged ? null : checkCatalogueFile(fresh).find(({ sound }) => !sound);
  if (!logged && !flaw) return;
  const reason = flaw?.detail ?? 'its log could not be written into it';
  const text = `${path} was not replaced: the restored catalogue is not whole (${reason}).`;
  throw new RoomtapeError('write-failed', text, { next: 'roomtape catalogue restore' });
}

/** Takes over what the damaged file's journal tells beyond the backup. */
function refill(
  options: CatalogueOptions,
  fresh: string,
): Pick<RestoreReport, 'fromBackup' | 'salvaged'> {
  const catalogue = openCatalogue({ ...options, path: fresh });
  try {
    const fromBackup = catalogue.journal.head.seq;
    const rest = salvageJournal(options.path, catalogue.journal.head);
    for (let at = 0; at < rest.length; at += 1_000) {
      const page = rest.slice(at, at + 1_000);
      catalogue.transaction(() => catalogue.journal.adopt(page));
    }
    rebuildTables(catalogue);
    return { fromBackup, salvaged: rest.length };
  } finally {
    catalogue.close();
  }
}

/**
 * The damaged file gets a second name, its log goes with it, and the new one takes the place at one
 * stroke: at no moment is there no catalogue, which a daemon that starts would make anew, empty. The log
 * goes first, because SQLite would apply it to whatever file has the name.
 */
function takePlace(fresh: string, options: CatalogueOptions): string {
  const { path } = options;
  const stamp = new Date(options.now).toISOString().replace(/[:.]/g, '-');
  const kept = path.replace(/(\.db)?$/, `.damaged-${stamp}.db`);
  const logs = ['-wal', '-shm'].filter((suffix) => existsSync(path + suffix));
  const moved: string[] = [];
  try {
    if (existsSync(path)) secondName(path, kept);
    for (const suffix of logs) {
      renameSync(path + suffix, kept + suffix);
      moved.push(suffix);
    }
    renameSync(fresh, path);
  } catch (cause) {
    for (const suffix of moved) renameSync(kept + suffix, path + suffix);
    if (existsSync(kept)) {
      if (existsSync(path)) rmSync(kept);
      else renameSync(kept, path);
    }
    throw cause;
  }
  return kept;
}

/** A hard link; on file systems without them (FAT) the file itself moves. */
function secondName(path: string, name: string): void {
  try {
    linkSync(path, name);
  } catch {
    renameSync(path, name);
  }
}

function drop(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}

interface RawEntry {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly session: string | null;
  readonly body: string;
  readonly hash: Buffer;
}

/** Entries after `head` that a damaged file still gives and that the chain proves. */
function salvageJournal(path: string, head: JournalHead): SealedEntry[] {
  const found: SealedEntry[] = [];
  let database: Database.Database | undefined;
  try {
    database = openDatabase(path, { readonly: true });
    const next = database.prepare<[number], RawEntry>(
      'SELECT seq, at, type, session, body, hash FROM journal WHERE seq = ?',
    );
    let previous = head.hash;
    for (let seq = head.seq + 1; ; seq++) {
      const row = next.get(seq);
      if (!row) return found;
      const hash = chainHash(previous, row);
      if (hash !== row.hash.toString('hex')) return found;
      found.push({
        ...row,
        machine: '',
        text: row.body,
        body: JSON.parse(row.body) as unknown,
        hash,
      });
      previous = hash;
    }
  } catch {
    // This is where the damage begins: what was read before it is what there is.
    return found;
  } finally {
    database?.close();
  }
}
