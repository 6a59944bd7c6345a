/**
 * The watched folders and the takes in them: the area behind `roomtape watch`.
 */
import { realpathSync } from 'node:fs';
import type { FolderView, watchRoutes } from '../api/watch-routes.ts';
import type { WatchedFolder } from '../catalogue/folder-table.ts';
import { RoomtapeError } from '../errors.ts';
import { recorderIds } from '../recorders/profile.ts';
import { usualPlaces } from '../recorders/profiles.ts';
import { existingPlaces } from '../system/places.ts';
import { openWatcher, watchableFolder } from '../system/watcher.ts';
import type { Area, DaemonContext } from './area.ts';
import { examineFolder } from './folder-findings.ts';
import type { Takes } from './takes.ts';

/** Under this key of the catalogue's meta: whose files a folder holds, by path. */
const ownersKey = 'folder-owners';

export interface WatchingArea extends Area<keyof typeof watchRoutes> {
  /** Watches a folder that a recorder told us of, unless it is watched already. */
  ensure(folder: string, recorder: string): Promise<void>;
  folders(): readonly string[];
}

export function openWatching(context: DaemonContext, takes: Takes): WatchingArea {
  const { catalogue, clock, log } = context;
  const problems = new Map<string, string>();
  const watcher = openWatcher({
    clock,
    onEvent(event) {
      if (event.kind === 'problem') {
        problems.set(event.root, event.problem);
        log.warn({ root: event.root }, event.problem);
      } else if (event.kind === 'unnameable') {
        log.warn({ path: event.path }, 'the name is not valid UTF-8: the file is not taken up');
      } else if (event.kind === 'root-missing' || event.kind === 'root-back') {
        const gone = event.kind === 'root-missing';
        const text = gone
          ? `${event.root} has vanished; it is waited for.`
          : `${event.root} is back.`;
        context.publish({ type: `watch:${event.kind}`, text, body: { path: event.root } });
      } else {
        takes.onWatchEvent(event);
      }
    },
  });

  const owners = () => (catalogue.meta(ownersKey) ?? {}) as Record<string, string>;
  const setOwner = (path: string, owner: string | undefined) => {
    const { [path]: _, ...others } = owners();
    catalogue.putMeta(ownersKey, owner === undefined ? others : { ...others, [path]: owner });
    takes.ownFolder(path, owner ?? null);
  };
  const views = (): FolderView[] => {
    const states = new Map(watcher.roots().map((root) => [root.path, root]));
    return catalogue.folders.all().map(({ path, recorder }) => {
      const root = states.get(path);
      return {
        path,
        recorder,
        participant: owners()[path] ?? null,
        state: root?.state ?? 'missing',
        folders: root?.folders ?? 0,
        files: root?.files ?? 0,
        problem: problems.get(path) ?? root?.problem ?? null,
      };
    });
  };

  return {
    async ensure(path, recorder) {
      const folder = watchableFolder(path);
      const watched = catalogue.folders.all();
      if (watched.some((one) => `${folder}/`.startsWith(`${one.path}/`))) return;
      assertApart(folder, watched);
      catalogue.folders.put({ path: folder, recorder, addedAt: clock.now() });
      await watcher.add(folder);
    },
    folders: () => catalogue.folders.all().map(({ path }) => path),
    handlers: {
      async 'watch.add'({ path, recorder, participant }) {
        const folder = watchableFolder(path);
        assertApart(folder, catalogue.folders.all());
        if (recorder !== undefined && !recorderIds.some((id) => id === recorder)) {
          throw new RoomtapeError('usage', `“${recorder}” is no recorder Roomtape knows.`, {
            next: `roomtape watch add ${path} --recorder ${recorderIds.join('|')}`,
          });
        }
        catalogue.folders.put({ path: folder, recorder: recorder ?? null, addedAt: clock.now() });
        setOwner(folder, participant);
        await watcher.add(folder);
        const view = views().find((one) => one.path === folder);
        if (!view) throw new Error(`${folder} was added and is not there`);
        return view;
      },
      'watch.list': () => views(),
      async 'watch.remove'({ path }) {
        const folder = known(path, catalogue.folders.all());
        catalogue.folders.remove(folder, clock.now());
        setOwner(folder, undefined);
        await watcher.remove(folder);
        return { path: folder };
      },
      'watch.suggest': () => {
        const watched = new Set(catalogue.folders.all().map(({ path }) => path));
        return usualPlaces(systemName()).flatMap(({ recorder, folder }) =>
          existingPlaces(folder).map((path) => ({ path, recorder, watched: watched.has(path) })),
        );
      },
    },
    async start() {
      for (const [path, owner] of Object.entries(owners())) takes.ownFolder(path, owner);
      takes.start();
      // Large trees take a second: the socket answers meanwhile.
      void openAll(catalogue.folders.all());
    },
    status: () => ({
      takes: takes.status(),
      notices: views().flatMap(({ path, state, problem }) =>
        state === 'missing'
          ? [
              {
                level: 'warning' as const,
                text: `${path} is not there.`,
                next: 'roomtape watch list',
              },
            ]
          : problem
            ? [{ level: 'warning' as const, text: problem, next: 'roomtape doctor' }]
            : [],
      ),
    }),
    examine: () => {
      const leastFree = context.config['free-disk-mb'] * 1e6;
      return Promise.all(catalogue.folders.all().map(({ path }) => examineFolder(path, leastFree)));
    },
    async close() {
      await watcher.close();
      await takes.close();
    },
  };

  async function openAll(folders: readonly WatchedFolder[]): Promise<void> {
    for (const { path } of folders) await watcher.add(path);
  }
}

/** A folder inside a watched one would be reported twice. */
function assertApart(folder: string, watched: readonly WatchedFolder[]): void {
  const within = (inner: string, outer: string) => inner.startsWith(`${outer}/`);
  for (const { path } of watched) {
    if (within(folder, path)) {
      throw new RoomtapeError('usage', `${folder} is watched already, with ${path}.`, {
        next: 'roomtape watch list',
      });
    }
    if (within(path, folder)) {
      throw new RoomtapeError('usage', `${path}, which lies in ${folder}, is watched already.`, {
        next: `roomtape watch remove ${path}`,
      });
    }
  }
}

function known(path: string, watched: readonly WatchedFolder[]): string {
  const candidates = [path];
  try {
    candidates.push(realpathSync(path));
  } catch {
    // A folder that is gone can still be taken off the list, by the name it was added under.
  }
  const found = watched.find((folder) => candidates.includes(folder.path));
  if (found) return found.path;
  throw new RoomtapeError('unknown-id', `${path} is not watched.`, { next: 'roomtape watch list' });
}

function systemName(): 'linux' | 'darwin' | 'win32' {
  const { platform } = process;
  return platform === 'darwin' || platform === 'win32' ? platform : 'linux';
}
