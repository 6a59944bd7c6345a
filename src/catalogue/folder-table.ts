/**
 * The folders that are watched.
 */
import type { Database } from './driver.ts';
import type { Journal } from './journal.ts';

export interface WatchedFolder {
  /** Absolute. */
  readonly path: string;
  /** Id of the recorder profile; null: told by the files. */
  readonly recorder: string | null;
  /** ms since 1970. */
  readonly addedAt: number;
}

export class FolderTable {
  readonly #journal: Journal;
  readonly #upsert;
  readonly #remove;
  readonly #all;

  constructor(database: Database.Database, journal: Journal) {
    this.#journal = journal;
    this.#upsert = database.prepare<[WatchedFolder]>(
      `INSERT INTO folders (path, recorder, added_at) VALUES (@path, @recorder, @addedAt)
       ON CONFLICT (path) DO UPDATE SET recorder = excluded.recorder`,
    );
    this.#remove = database.prepare<[string]>('DELETE FROM folders WHERE path = ?');
    this.#all = database.prepare<[], WatchedFolder>(
      'SELECT path, recorder, added_at AS addedAt FROM folders ORDER BY path',
    );
  }

  all(): WatchedFolder[] {
    return this.#all.all();
  }

  put(folder: WatchedFolder): void {
    this.#journal.append([{ at: folder.addedAt, type: 'folder', session: null, body: folder }]);
    this.restore(folder);
  }

  /** False when it was not watched. */
  remove(path: string, at: number): boolean {
    if (!this.all().some((folder) => folder.path === path)) return false;
    this.#journal.append([{ at, type: 'folder-removed', session: null, body: { path } }]);
    this.drop(path);
    return true;
  }

  restore(folder: WatchedFolder): void {
    this.#upsert.run(folder);
  }

  drop(path: string): void {
    this.#remove.run(path);
  }
}
