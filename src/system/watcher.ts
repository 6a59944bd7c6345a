/**
 * Watches folders for recordings: every new, grown, renamed or vanished file, and nothing missed.
 *
 * Hints from the system say where to look (folder-hints.ts), looking says what is there
 * (folder-tree.ts). Because hints get lost, files that lately grew are looked at every second, and
 * the folders are swept after every burst and every half hour. Roots that vanish and come back,
 * network shares and an exhausted inotify table are polled.
 */
import { type Dirent, readdirSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RoomtapeError } from '../errors.ts';
import { type Clock, systemClock } from './clock.ts';
import { type HintSource, hintsByChokidar, hintsPerFolder } from './folder-hints.ts';
import { type Difference, FolderTree, noDifference, type Sighting } from './folder-tree.ts';

export type { Sighting } from './folder-tree.ts';

export type WatchEvent =
  | { readonly kind: 'sighted'; readonly root: string; readonly sighting: Sighting }
  | {
      readonly kind: 'gone';
      readonly root: string;
      readonly path: string;
      readonly device: string;
      readonly inode: string;
    }
  | { readonly kind: 'root-missing'; readonly root: string }
  | { readonly kind: 'root-back'; readonly root: string }
  | { readonly kind: 'unnameable'; readonly root: string; readonly path: string }
  | { readonly kind: 'problem'; readonly root: string; readonly problem: string };

export interface RootState {
  readonly path: string;
  readonly state: 'watched' | 'polled' | 'missing';
  readonly folders: number;
  readonly files: number;
  /** The last thing that hinders watching, as a sentence. */
  readonly problem?: string;
}

export interface WatcherOptions {
  readonly onEvent: (event: WatchEvent) => void;
  readonly clock?: Clock;
  /** How often roots, active files and polled folders are looked at, in ms. Default 1,000. */
  readonly pollMs?: number;
  /** How often all folders are swept for what the system did not tell, in ms. Default 30 minutes. */
  readonly sweepMs?: number;
  /** Who tells of changes in a small tree. On Linux the watch of a folder tells of its files, too. */
  readonly smallTreesBy?: 'chokidar' | 'folders';
}

export interface FolderWatcher {
  /** Resolves when everything in the tree has been reported. A missing root is waited for. */
  add(root: string): Promise<void>;
  remove(root: string): Promise<void>;
  /** Looks at every file again. Resolves when done. */
  sweep(): Promise<void>;
  roots(): RootState[];
  close(): Promise<void>;
}

/** Trees up to this size are chokidar's, where it watches any. */
const ordinaryFolders = 200;
const ordinaryFiles = 2_000;
/** A file is not reported more often than this while it grows, in ms. */
const sightingGapMs = 200;
/** A file that has not changed for this long is no longer looked at every second, in ms. */
const activeForMs = 15_000;
/** More hints than this between two polls may mean that others were lost. */
const burst = 500;
/**
 * So many that the system's queue may have been full: Linux keeps 16,384 events for all watches of a
 * process together, so what was lost may lie in folders that no hint points to.
 */
const flood = 4_000;
/** Work is done in slices of this length so that the event loop stays free, in ms. */
const sliceMs = 12;

/** Magic numbers of statfs for file systems on which inotify misses remote writes. */
const remoteFileSystems = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x5346414f,
]);

export function openWatcher(options: WatcherOptions): FolderWatcher {
  return new Watcher(options);
}

class Watcher implements FolderWatcher {
  readonly #options: Required<WatcherOptions>;
  readonly #roots = new Map<string, WatchedRoot>();
  readonly #timer: NodeJS.Timeout;
  #sweptAt: number;
  #polling = false;

  constructor(options: WatcherOptions) {
    const smallTreesBy = process.platform === 'linux' ? 'folders' : 'chokidar';
    const usual = { clock: systemClock, pollMs: 1_000, sweepMs: 1_800_000, smallTreesBy } as const;
    this.#options = { ...usual, ...options };
    this.#sweptAt = this.#options.clock.elapsed();
    this.#timer = setInterval(() => void this.#poll(), this.#options.pollMs);
    this.#timer.unref();
  }

  async add(path: string): Promise<void> {
    if (this.#roots.has(path)) return;
    const root = new WatchedRoot(path, this.#options);
    this.#roots.set(path, root);
    await root.open();
  }

  async remove(path: string): Promise<void> {
    const root = this.#roots.get(path);
    this.#roots.delete(path);
    await root?.close();
  }

  async sweep(): Promise<void> {
    this.#sweptAt = this.#options.clock.elapsed();
    for (const root of [...this.#roots.values()]) await root.sweep();
  }

  roots(): RootState[] {
    return [...this.#roots.values()].map((root) => root.state());
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const path of [...this.#roots.keys()]) await this.remove(path);
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      let hinted = 0;
      for (const root of [...this.#roots.values()]) hinted += await root.poll();
      const isDue = this.#options.clock.elapsed() - this.#sweptAt > this.#options.sweepMs;
      if (isDue || hinted > flood) await this.sweep();
    } finally {
      this.#polling = false;
    }
  }
}

class WatchedRoot {
  readonly #path: string;
  readonly #options: Required<WatcherOptions>;
  #tree: FolderTree;
  #hints: HintSource | null = null;
  #identity = '';
  #state: RootState['state'] = 'missing';
  #problem: string | undefined;
  #hintsAreOrdinary = false;
  #opened = false;
  #closed = false;
  /** Folders without a watch of their own. */
  readonly #unwatched = new Set<string>();
  /** Where hints point to: names in a folder, or null for all of it. */
  readonly #dirty = new Map<string, Set<string> | null>();
  /** When each file that lately changed was last reported, by the monotonic clock. */
  readonly #active = new Map<string, number>();
  #hinted = 0;
  #flushing: Promise<void> | null = null;
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(path: string, options: Required<WatcherOptions>) {
    this.#path = path;
    this.#options = options;
    this.#tree = new FolderTree(path);
  }

  state(): RootState {
    const state = this.#state === 'watched' && this.#unwatched.size > 0 ? 'polled' : this.#state;
    const problem = this.#problem ?? this.#tree.problem;
    const counts = { folders: this.#tree.folderCount, files: this.#tree.fileCount };
    return { path: this.#path, state, ...counts, ...(problem ? { problem } : {}) };
  }

  /** Watches the tree, then lists it: what happens in between is both listed and hinted at. */
  async open(): Promise<void> {
    const identity = identityOf(this.#path);
    this.#state = 'missing';
    if (identity === null) return;
    this.#identity = identity;
    this.#tree = new FolderTree(realpathSync(this.#path));
    this.#state = isRemote(this.#path) ? 'polled' : 'watched';
    if (this.#state === 'watched') {
      const { smallTreesBy } = this.#options;
      await this.#startHints(smallTreesBy === 'chokidar' && isOrdinary(this.#tree.root));
    }
    await this.#descend([this.#tree.root]);
    this.#opened = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    await this.#flushing;
    await this.#hints?.close();
    this.#hints = null;
  }

  async sweep(): Promise<void> {
    await this.#changeHintsIfOutgrown();
    const at = this.#options.clock.now();
    await this.#inSlices([...this.#tree.folderPaths()], (folder, difference) =>
      this.#tree.lookAtFolder(folder, at, difference),
    );
  }

  /**
   * Once a second: is the root still itself, did active files grow, were hints lost?
   *
   * @returns hints since the last time
   */
  async poll(): Promise<number> {
    if (this.#closed) return 0;
    const hinted = this.#hinted;
    this.#hinted = 0;
    const identity = identityOf(this.#path);
    if (identity !== this.#identity) await this.#exchangeRoot(identity);
    else if (this.#state !== 'missing') await this.#lookAgain(hinted);
    return hinted;
  }

  async #lookAgain(hinted: number): Promise<void> {
    if (hinted > burst) await this.sweep();
    this.#lookAtActive();
    const polled = this.#state === 'polled' ? [...this.#tree.folderPaths()] : [...this.#unwatched];
    const at = this.#options.clock.now();
    await this.#inSlices(polled, (folder, difference) =>
      this.#tree.lookIfChanged(folder, at, difference),
    );
  }

  async #exchangeRoot(identity: string | null): Promise<void> {
    const was = this.#state;
    await this.#hints?.close();
    this.#hints = null;
    this.#unwatched.clear();
    this.#active.clear();
    this.#opened = false;
    this.#identity = '';
    if (was !== 'missing') {
      const difference = noDifference();
      this.#tree.loseAll(difference);
      this.#state = 'missing';
      this.#emit({ kind: 'root-missing', root: this.#path });
      this.#report(difference);
    }
    if (identity === null) return;
    this.#emit({ kind: 'root-back', root: this.#path });
    await this.open();
  }

  async #startHints(ordinary: boolean): Promise<void> {
    const onHint = (folder: string, name: string | null) => this.#hint(folder, name);
    const onUnwatched = (folder: string, reason: string) => this.#cannotWatch(folder, reason);
    this.#hintsAreOrdinary = ordinary;
    this.#hints = ordinary
      ? await hintsByChokidar(this.#tree.root, onHint, onUnwatched)
      : hintsPerFolder(onHint, onUnwatched);
  }

  /** A tree that has outgrown chokidar gets one watch per folder. */
  async #changeHintsIfOutgrown(): Promise<void> {
    const { folderCount, fileCount } = this.#tree;
    if (!this.#hintsAreOrdinary || !this.#hints) return;
    if (folderCount <= 2 * ordinaryFolders && fileCount <= 2 * ordinaryFiles) return;
    await this.#hints.close();
    await this.#startHints(false);
    await this.#descend([...this.#tree.folderPaths()]);
  }

  #cannotWatch(folder: string, reason: string): void {
    if (this.#hintsAreOrdinary) this.#state = 'polled';
    else this.#unwatched.add(folder);
    if (this.#problem === reason) return;
    this.#problem = reason;
    const problem = `${this.#path} is polled instead of watched: ${reason}.`;
    this.#emit({ kind: 'problem', root: this.#path, problem });
  }

  #hint(folder: string, name: string | null): void {
    this.#hinted += 1;
    const names = this.#dirty.get(folder);
    if (name === null || names === null) this.#dirty.set(folder, null);
    else if (names) names.add(name);
    else this.#dirty.set(folder, new Set([name]));
    if (!this.#flushing && !this.#flushTimer) {
      this.#flushTimer = setTimeout(() => this.#startFlush(), 5);
    }
  }

  #startFlush(): void {
    this.#flushTimer = undefined;
    if (this.#closed) return;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null;
      if (this.#dirty.size > 0 && !this.#closed) {
        this.#flushTimer ??= setTimeout(() => this.#startFlush(), sightingGapMs);
      }
    });
  }

  /** Looks wherever hints point to; files reported a moment ago wait for the next flush. */
  async #flush(): Promise<void> {
    const at = this.#options.clock.now();
    const elapsed = this.#options.clock.elapsed();
    const work: [string, string | null][] = [];
    const later: [string, Set<string>][] = [];
    for (const [folder, names] of this.#dirty) {
      if (names === null) {
        work.push([folder, null]);
        continue;
      }
      const waiting = new Set<string>();
      for (const name of names) {
        const reported = this.#active.get(join(folder, name));
        if (reported !== undefined && elapsed - reported < sightingGapMs) waiting.add(name);
        else work.push([folder, name]);
      }
      if (waiting.size > 0) later.push([folder, waiting]);
    }
    this.#dirty.clear();
    for (const [folder, names] of later) this.#dirty.set(folder, names);
    await this.#inSlices(work, ([folder, name], difference) =>
      this.#look(folder, name, at, difference),
    );
  }

  #look(folder: string, name: string | null, at: number, difference: Difference): void {
    if (name !== null && this.#tree.knows(folder)) {
      this.#tree.lookAtName(folder, name, at, difference);
    } else if (this.#tree.knows(folder)) {
      this.#tree.lookAtFolder(folder, at, difference);
    } else if (this.#tree.knows(dirname(folder))) {
      // chokidar names a watched folder by its own path when it vanishes.
      this.#tree.lookAtName(dirname(folder), basename(folder), at, difference);
    }
  }

  #lookAtActive(): void {
    const elapsed = this.#options.clock.elapsed();
    for (const [path, reported] of this.#active) {
      if (elapsed - reported > activeForMs) this.#active.delete(path);
      else this.#hint(dirname(path), basename(path));
    }
    // These hints are our own and no sign of a burst.
    this.#hinted = 0;
  }

  /** Lists folders and what lies below them, watching each before it is listed. */
  async #descend(folders: string[]): Promise<void> {
    const at = this.#options.clock.now();
    const queue = [...folders];
    await this.#inSlices(queue, (folder, difference) => {
      this.#hints?.follow(folder);
      this.#tree.lookAtFolder(folder, at, difference);
      queue.push(...difference.newFolders.splice(0));
    });
  }

  /** Works through a list that may grow, giving the event loop back after each slice. */
  async #inSlices<Item>(
    items: Item[],
    look: (item: Item, difference: Difference) => void,
  ): Promise<void> {
    let difference = noDifference();
    let began = performance.now();
    for (let i = 0; i < items.length && !this.#closed; i += 1) {
      const item = items[i];
      if (item !== undefined) look(item, difference);
      if (performance.now() - began < sliceMs) continue;
      const full = difference;
      difference = noDifference();
      await this.#settle(full);
      await nextTurn();
      began = performance.now();
    }
    await this.#settle(difference);
  }

  async #settle(difference: Difference): Promise<void> {
    this.#report(difference);
    if (difference.newFolders.length > 0) await this.#descend(difference.newFolders);
  }

  /** A rename is a sighting and a departure: the sighting goes first, so that identity is kept. */
  #report(difference: Difference): void {
    if (this.#closed) return;
    const elapsed = this.#options.clock.elapsed();
    for (const sighting of difference.sighted) {
      // Of a tree listed for the first time only what was just written to is worth a look a second.
      const lately = sighting.at - sighting.modified < activeForMs;
      if (this.#opened || lately) this.#active.set(sighting.path, elapsed);
      this.#emit({ kind: 'sighted', root: this.#path, sighting });
    }
    for (const departure of difference.gone) {
      this.#active.delete(departure.path);
      this.#emit({ kind: 'gone', root: this.#path, ...departure });
    }
    for (const folder of difference.lostFolders) {
      this.#hints?.unfollow(folder);
      this.#unwatched.delete(folder);
    }
    for (const path of difference.unnameable) {
      this.#emit({ kind: 'unnameable', root: this.#path, path });
    }
    for (const problem of difference.problems) {
      this.#emit({ kind: 'problem', root: this.#path, problem });
    }
  }

  #emit(event: WatchEvent): void {
    this.#options.onEvent(event);
  }
}

function identityOf(path: string): string | null {
  try {
    const stats = statSync(path, { bigint: true });
    return stats.isDirectory() ? `${stats.dev}:${stats.ino}` : null;
  } catch {
    return null;
  }
}

/** Counts names, without looking at files, until the tree is found to be large. */
function isOrdinary(root: string): boolean {
  const folders = [root];
  let files = 0;
  for (let i = 0; i < folders.length; i += 1) {
    for (const entry of entriesOf(folders[i] ?? root)) {
      if (entry.isDirectory()) folders.push(join(entry.parentPath, entry.name));
      else files += 1;
    }
    if (folders.length > ordinaryFolders || files > ordinaryFiles) return false;
  }
  return true;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // Said by the listing itself, with its reason.
  }
}

function isRemote(path: string): boolean {
  try {
    return process.platform === 'linux' && remoteFileSystems.has(statfsSync(path).type >>> 0);
  } catch {
    return false;
  }
}

/** The folder a person named, made absolute and checked: it must exist and be a folder. */
export function watchableFolder(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) {
    throw new RoomtapeError('file-missing', `There is no folder ${path}.`, {
      next: `mkdir -p ${JSON.stringify(path)}`,
    });
  }
  if (!stats.isDirectory()) {
    throw new RoomtapeError('not-a-file', `${path} is a file, not a folder.`, {
      next: `roomtape watch add ${JSON.stringify(dirname(path))}`,
    });
  }
  return realpathSync(path);
}
