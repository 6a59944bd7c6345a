/**
 * Where something may have changed: hints from the operating system, never facts.
 *
 * On Linux the watch of a folder tells of everything in it. Elsewhere ordinary recording folders are
 * watched by chokidar, which knows the quirks of each system. It watches every file, though: over
 * 10,000 folders with 100,000 files it took 5.4 s and 580 MB to begin, where one `fs.watch` per
 * folder takes 0.2 s and 66 MB; large trees get the latter. Both lose events without a word when the
 * system's queue overflows, so the watcher sweeps as well.
 */
import { type FSWatcher, watch as watchOne } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Something may have changed: `name` in `folder`, or anywhere in the folder when null. */
export type OnHint = (folder: string, name: string | null) => void;

/** The system gave no watch for a folder: it has to be polled. */
export type OnUnwatched = (folder: string, reason: string) => void;

export interface HintSource {
  /** Begins to watch one folder; nothing to do where the whole tree is watched at once. */
  follow(folder: string): void;
  unfollow(folder: string): void;
  close(): Promise<void>;
}

/** One watch per folder: for trees of any size. */
export function hintsPerFolder(onHint: OnHint, onUnwatched: OnUnwatched): HintSource {
  const watchers = new Map<string, FSWatcher>();
  const unfollow = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  return {
    follow(folder) {
      unfollow(folder);
      try {
        const watcher = watchOne(folder, (_event, name) => onHint(folder, name));
        // An error ends this watch; the folder is looked at to see whether it is still there.
        watcher.on('error', (error) => {
          unfollow(folder);
          onUnwatched(folder, error.message);
          onHint(folder, null);
        });
        watchers.set(folder, watcher);
      } catch (error) {
        onUnwatched(folder, reasonOf(error));
      }
    },
    unfollow,
    async close() {
      for (const folder of [...watchers.keys()]) unfollow(folder);
    },
  };
}

/** chokidar over a whole tree: for ordinary ones. Resolves when every change is hinted at. */
export async function hintsByChokidar(
  root: string,
  onHint: OnHint,
  onUnwatched: OnUnwatched,
): Promise<HintSource> {
  const { watch } = await import('chokidar');
  const watcher = watch(root, {
    ignoreInitial: true,
    followSymlinks: false,
    // `awaitWriteFinish` would hide a recording until it stops.
    awaitWriteFinish: false,
    atomic: false,
    ignorePermissionErrors: true,
  });
  let complained = false;
  watcher.on('all', (_event, path) => onHint(dirname(path), basename(path)));
  watcher.on('error', (error) => {
    // Out of watches it reports every file: once is enough, the whole tree is polled from then on.
    if (!complained) onUnwatched(root, reasonOf(error));
    complained = true;
  });
  await new Promise<void>((resolve) => void watcher.once('ready', resolve));
  return { follow: () => {}, unfollow: () => {}, close: () => watcher.close() };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC'
    ? 'the system has no inotify watches left (raise fs.inotify.max_user_watches)'
    : code === 'EMFILE'
      ? 'the system has no inotify instances left (raise fs.inotify.max_user_instances)'
      : message;
}
