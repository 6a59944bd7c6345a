/**
 * What a watched tree of folders held when it was last looked at, and what is different now.
 *
 * Watchers only hint at where something may have happened; the truth is what a listing and a stat
 * say here. A look is one folder or one file, synchronous and short, so that the caller decides how
 * many it takes before giving the event loop back.
 */
import { type Dirent, lstatSync, readdirSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A regular file as it stood at one moment. */
export interface Sighting {
  readonly path: string;
  /** Device and inode as decimal text: together they stay the same when a file is renamed. */
  readonly device: string;
  readonly inode: string;
  /** Bytes. */
  readonly size: number;
  /** Last change of the content, ms since 1970. */
  readonly modified: number;
  /** Birth time of the file, ms since 1970; 0 where the file system keeps none. */
  readonly born: number;
  /** When it was looked at, ms since 1970. */
  readonly at: number;
}

export interface Departure {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
}

/** What one look brought to light. */
export interface Difference {
  readonly sighted: Sighting[];
  readonly gone: Departure[];
  /** Folders that were not known before, or whose place was taken by another folder. */
  readonly newFolders: string[];
  readonly lostFolders: string[];
  readonly problems: string[];
  /** Files that no name of ours opens. */
  readonly unnameable: string[];
}

export function noDifference(): Difference {
  return { sighted: [], gone: [], newFolders: [], lostFolders: [], problems: [], unnameable: [] };
}

/** What is kept of each file: there may be 100,000, so numbers only. */
interface FileMark {
  inode: number | string;
  size: number;
  modified: number;
}

interface FolderMark {
  readonly device: string;
  readonly inode: number | string;
  /** Of the folder itself: changes when a name is added, removed or renamed in it. */
  modified: number;
  readonly files: Map<string, FileMark>;
  readonly folders: Set<string>;
}

/** Deeper folders and more of them are not followed: a loop of mounts must not eat the machine. */
const deepest = 24;
const mostFolders = 100_000;
// Behind so many nobody reads on.
const mostUnnameable = 1_000;

export class FolderTree {
  readonly root: string;
  readonly #folders = new Map<string, FolderMark>();
  readonly #unnameable = new Set<string>();
  #fileCount = 0;

  constructor(root: string) {
    this.root = root;
  }

  /** What a person should do about a file in it, for as long as it is there. */
  get problem(): string | undefined {
    for (const path of this.#unnameable) {
      return `${path}: the name is not valid UTF-8, rename the file`;
    }
    return undefined;
  }

  get folderCount(): number {
    return this.#folders.size;
  }

  get fileCount(): number {
    return this.#fileCount;
  }

  folderPaths(): IterableIterator<string> {
    return this.#folders.keys();
  }

  knows(folder: string): boolean {
    return this.#folders.has(folder);
  }

  /** Looks at one folder: new, changed and vanished names in it. Subfolders are only named. */
  lookAtFolder(folder: string, at: number, into: Difference): void {
    const stats = statOf(folder);
    if (!stats?.isDirectory()) {
      this.#lose(folder, into);
      return;
    }
    const mark = this.#markOf(folder, stats, into);
    if (!mark) return;
    // Taken before listing: a name added meanwhile shows as a change at the next look.
    mark.modified = stats.mtimeMs;
    let entries: Dirent[];
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      into.problems.push(`${folder} cannot be listed: ${(error as Error).message}`);
      return;
    }
    const seen = new Set<string>();
    for (const entry of entries) {
      if (isHidden(entry.name)) continue;
      seen.add(entry.name);
      // Symbolic links are not followed: they may lead out of the folder, or round in circles.
      if (entry.isDirectory()) this.#meetFolder(folder, entry.name, mark, into);
      else if (entry.isFile()) this.#lookAt(folder, entry.name, mark, at, into);
    }
    for (const path of this.#unnameable) {
      if (dirname(path) === folder && !seen.has(basename(path))) this.#unnameable.delete(path);
    }
    for (const name of [...mark.files.keys()]) {
      if (!seen.has(name)) this.#forgetFile(folder, name, mark, into);
    }
    for (const name of [...mark.folders]) {
      if (seen.has(name)) continue;
      mark.folders.delete(name);
      this.#lose(join(folder, name), into);
    }
  }

  /** Looks at a folder only if a name in it was added or removed since the last look. */
  lookIfChanged(folder: string, at: number, into: Difference): void {
    const stats = statOf(folder);
    const mark = this.#folders.get(folder);
    if (!mark || !stats?.isDirectory() || stats.mtimeMs !== mark.modified) {
      this.lookAtFolder(folder, at, into);
    }
  }

  /** Looks at one name in a folder: grown, replaced, new or gone. */
  lookAtName(folder: string, name: string, at: number, into: Difference): void {
    const mark = this.#folders.get(folder);
    if (!mark || isHidden(name)) return;
    const stats = statOf(join(folder, name));
    if (!stats && isUnnameable(name)) {
      // Whether it came or went, only the folder's list tells; growing, it leaves the folder as it was.
      this.lookIfChanged(folder, at, into);
    } else if (!stats) {
      if (mark.files.has(name)) this.#forgetFile(folder, name, mark, into);
      if (mark.folders.delete(name)) this.#lose(join(folder, name), into);
    } else if (stats.isDirectory()) {
      this.#meetFolder(folder, name, mark, into);
    } else if (stats.isFile()) {
      this.#lookAt(folder, name, mark, at, into, stats);
    }
  }

  /** Says once of a file that no name of ours opens it: it may be a recording, and it is not taken up. */
  #tellUnnameable(path: string, into: Difference): void {
    if (!isUnnameable(path) || this.#unnameable.has(path)) return;
    if (this.#unnameable.size < mostUnnameable) this.#unnameable.add(path);
    into.unnameable.push(path);
  }

  /** Forgets everything, as when the root vanished: all its files are gone. */
  loseAll(into: Difference): void {
    this.#lose(this.root, into);
  }

  #markOf(folder: string, stats: Stats, into: Difference): FolderMark | null {
    const known = this.#folders.get(folder);
    const device = String(stats.dev);
    const inode = inodeOf(folder, stats);
    if (known?.inode === inode && known.device === device) return known;
    if (known) this.#lose(folder, into);
    if (this.#folders.size >= mostFolders) {
      into.problems.push(
        `${this.root} holds more than ${mostFolders} folders; ${folder} is left out`,
      );
      return null;
    }
    const mark = { device, inode, modified: 0, files: new Map(), folders: new Set<string>() };
    this.#folders.set(folder, mark);
    return mark;
  }

  #meetFolder(folder: string, name: string, mark: FolderMark, into: Difference): void {
    const path = join(folder, name);
    if (mark.folders.has(name)) return;
    if (path.slice(this.root.length).split(/[\\/]/).length > deepest) {
      into.problems.push(`${path} lies deeper than ${deepest} folders and is left out`);
      return;
    }
    mark.folders.add(name);
    into.newFolders.push(path);
  }

  #lookAt(
    folder: string,
    name: string,
    mark: FolderMark,
    at: number,
    into: Difference,
    known?: Stats,
  ): void {
    const path = join(folder, name);
    const stats = known ?? statOf(path);
    if (!stats) {
      this.#tellUnnameable(path, into);
      return;
    }
    if (!stats.isFile()) return;
    const { size, mtimeMs: modified, birthtimeMs: born } = stats;
    const file = mark.files.get(name);
    const inode = inodeOf(path, stats);
    if (file && file.inode === inode && file.size === size && file.modified === modified) return;
    const { device } = mark;
    // Another file under the same name: the first one is gone, even though its name is not.
    if (file && file.inode !== inode) into.gone.push({ path, device, inode: String(file.inode) });
    if (!file) this.#fileCount += 1;
    mark.files.set(name, { inode, size, modified });
    into.sighted.push({
      path,
      device,
      inode: String(inode),
      size,
      modified: Math.floor(modified),
      born: Math.floor(born),
      at,
    });
  }

  #forgetFile(folder: string, name: string, mark: FolderMark, into: Difference): void {
    const file = mark.files.get(name);
    if (!file) return;
    mark.files.delete(name);
    this.#fileCount -= 1;
    into.gone.push({ path: join(folder, name), device: mark.device, inode: String(file.inode) });
  }

  #lose(folder: string, into: Difference): void {
    const mark = this.#folders.get(folder);
    if (!mark) return;
    this.#folders.delete(folder);
    into.lostFolders.push(folder);
    for (const name of [...mark.files.keys()]) this.#forgetFile(folder, name, mark, into);
    for (const name of mark.folders) this.#lose(join(folder, name), into);
  }
}

/** Node hands on bytes that are no UTF-8 as U+FFFD, by which no file can be opened. */
const isUnnameable = (name: string): boolean => name.includes('\uFFFD');

/** Names that are never a recording: hidden ones, and Roomtape's own unfinished output. */
function isHidden(name: string): boolean {
  return name.startsWith('.') || name.endsWith('.partial');
}

/** null for what is not there, or may not be seen: both mean that nothing is known of it. */
function statOf(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

/** Inodes beyond 2^53 (ReFS, some overlays) do not fit a number: they are asked for as text. */
function inodeOf(path: string, stats: Stats): number | string {
  if (Number.isSafeInteger(stats.ino)) return stats.ino;
  try {
    return String(lstatSync(path, { bigint: true }).ino);
  } catch {
    return String(stats.ino);
  }
}
