/**
 * The watcher over real folders: whatever happens in them is reported once, and nothing is missed.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type FolderWatcher,
  openWatcher,
  type WatchEvent,
  type WatcherOptions,
} from '../../src/system/watcher.ts';

class Log {
  readonly events: WatchEvent[] = [];
  #waiting: (() => void)[] = [];

  readonly onEvent = (event: WatchEvent) => {
    this.events.push(event);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  async until<Found>(find: (events: WatchEvent[]) => Found | undefined | false): Promise<Found> {
    for (;;) {
      const found = find(this.events);
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  sighted(path: string, size?: number): Promise<WatchEvent & { kind: 'sighted' }> {
    return this.until((events) =>
      events.find(
        (event): event is WatchEvent & { kind: 'sighted' } =>
          event.kind === 'sighted' &&
          event.sighting.path === path &&
          (size === undefined || event.sighting.size === size),
      ),
    );
  }

  gone(path: string): Promise<WatchEvent> {
    return this.until((events) => events.find((e) => e.kind === 'gone' && e.path === path));
  }
}

const opened: FolderWatcher[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const watcher of opened.splice(0)) await watcher.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'roomtape-watch-'));
  folders.push(path);
  return path;
}

function watcher(options: Partial<WatcherOptions> = {}): { watch: FolderWatcher; log: Log } {
  const log = new Log();
  const watch = openWatcher({ onEvent: log.onEvent, pollMs: 100, ...options });
  opened.push(watch);
  return { watch, log };
}

/** More folders than are left to chokidar. */
function largeTree(root: string): void {
  for (let i = 0; i < 250; i += 1) mkdirSync(join(root, `room ${i}`));
}

/** inotify watches this process holds; NaN where there is no inotify. */
function watchesHeld(): number {
  if (process.platform !== 'linux') return Number.NaN;
  const facts = readdirSync('/proc/self/fdinfo').map((descriptor) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    } catch {
      return ''; // the descriptor of the listing itself
    }
  });
  return facts.join('').match(/^inotify /gm)?.length ?? 0;
}

test.runIf(process.platform === 'linux')('there are as many watches as folders', async () => {
  const root = folder();
  for (let i = 0; i < 5; i += 1) mkdirSync(join(root, `room ${i}`));
  for (let i = 0; i < 40; i += 1) writeFileSync(join(root, `room ${i % 5}`, `take ${i}.mp4`), 'x');
  const before = watchesHeld();
  const { watch, log } = watcher();
  await watch.add(root);
  await log.sighted(join(root, 'room 4', 'take 39.mp4'));
  expect(watchesHeld() - before).toBe(6);
  rmSync(join(root, 'room 2'), { recursive: true });
  await log.gone(join(root, 'room 2', 'take 37.mp4'));
  await watch.close();
  expect(watchesHeld()).toBe(before);
});

describe.each([
  ['an ordinary folder', () => {}, {}],
  ['an ordinary folder, as elsewhere than on Linux', () => {}, { smallTreesBy: 'chokidar' }],
  ['a large tree', largeTree, {}],
] as const)('given %s', (_name, grow, options) => {
  test('when files are there before, created, appended to, and removed, each is reported', async () => {
    const root = folder();
    grow(root);
    writeFileSync(join(root, 'before.mp4'), 'abc');
    const { watch, log } = watcher(options);
    await watch.add(root);
    expect((await log.sighted(join(root, 'before.mp4'))).sighting.size).toBe(3);
    writeFileSync(join(root, 'new.mkv'), '12345');
    await log.sighted(join(root, 'new.mkv'), 5);
    appendFileSync(join(root, 'new.mkv'), '678');
    await log.sighted(join(root, 'new.mkv'), 8);
    unlinkSync(join(root, 'new.mkv'));
    await log.gone(join(root, 'new.mkv'));
  });

  test('when a tree of folders appears at once, the files deep in it are reported', async () => {
    const root = folder();
    grow(root);
    const { watch, log } = watcher(options);
    await watch.add(root);
    mkdirSync(join(root, 'a', 'b', 'c'), { recursive: true });
    writeFileSync(join(root, 'a', 'b', 'c', 'deep.mp4'), 'x');
    await log.sighted(join(root, 'a', 'b', 'c', 'deep.mp4'));
    appendFileSync(join(root, 'a', 'b', 'c', 'deep.mp4'), 'yz');
    await log.sighted(join(root, 'a', 'b', 'c', 'deep.mp4'), 3);
    rmSync(join(root, 'a'), { recursive: true });
    await log.gone(join(root, 'a', 'b', 'c', 'deep.mp4'));
  });

  test('when a file or its folder is renamed, the new path comes with the same identity', async () => {
    const root = folder();
    grow(root);
    mkdirSync(join(root, 'old name'));
    writeFileSync(join(root, 'old name', 'one.mp4'), 'x');
    const { watch, log } = watcher(options);
    await watch.add(root);
    const before = await log.sighted(join(root, 'old name', 'one.mp4'));
    renameSync(join(root, 'old name', 'one.mp4'), join(root, 'old name', 'two.mp4'));
    const after = await log.sighted(join(root, 'old name', 'two.mp4'));
    expect(after.sighting.inode).toBe(before.sighting.inode);
    await log.gone(join(root, 'old name', 'one.mp4'));
    renameSync(join(root, 'old name'), join(root, 'new name'));
    const moved = await log.sighted(join(root, 'new name', 'two.mp4'));
    expect(moved.sighting.inode).toBe(before.sighting.inode);
    await log.gone(join(root, 'old name', 'two.mp4'));
  });
});

describe('given a watched folder', () => {
  test('hidden files, unfinished output, links and pipes are never reported', async () => {
    const root = folder();
    const { watch, log } = watcher();
    await watch.add(root);
    writeFileSync(join(root, '.hidden.mp4'), 'x');
    writeFileSync(join(root, 'a.mp4.partial'), 'x');
    symlinkSync('/etc/hostname', join(root, 'link.mp4'));
    execFileSync('mkfifo', [join(root, 'pipe.mp4')]);
    writeFileSync(join(root, 'last.mp4'), 'x');
    await log.sighted(join(root, 'last.mp4'));
    await watch.sweep();
    const paths = log.events.map((event) => (event.kind === 'sighted' ? event.sighting.path : ''));
    expect(paths).toEqual([join(root, 'last.mp4')]);
  });

  test('when the folder vanishes and comes back, both are reported and its files seen again', async () => {
    const parent = folder();
    const root = join(parent, 'Recordings');
    mkdirSync(root);
    writeFileSync(join(root, 'one.mp4'), 'x');
    const { watch, log } = watcher();
    await watch.add(root);
    rmSync(root, { recursive: true });
    await log.until((events) => events.some((event) => event.kind === 'root-missing'));
    expect(watch.roots()[0]?.state).toBe('missing');
    await log.gone(join(root, 'one.mp4'));
    mkdirSync(root);
    writeFileSync(join(root, 'two.mp4'), 'x');
    await log.sighted(join(root, 'two.mp4'));
    expect(log.events.some((event) => event.kind === 'root-back')).toBe(true);
    appendFileSync(join(root, 'two.mp4'), 'y');
    await log.sighted(join(root, 'two.mp4'), 2);
  });

  test('when a folder is not there yet, it is waited for', async () => {
    const root = join(folder(), 'later');
    const { watch, log } = watcher();
    await watch.add(root);
    expect(watch.roots()[0]?.state).toBe('missing');
    mkdirSync(root);
    writeFileSync(join(root, 'first.mp4'), 'x');
    await log.sighted(join(root, 'first.mp4'));
  });

  test('when another file takes a name, the first is gone and the second is seen', async () => {
    const root = folder();
    writeFileSync(join(root, 'take.mp4'), 'first');
    const { watch, log } = watcher();
    await watch.add(root);
    const first = await log.sighted(join(root, 'take.mp4'));
    writeFileSync(join(root, 'take.tmp'), 'second one');
    renameSync(join(root, 'take.tmp'), join(root, 'take.mp4'));
    const second = await log.sighted(join(root, 'take.mp4'), 10);
    expect(second.sighting.inode).not.toBe(first.sighting.inode);
    const gone = await log.until((events) =>
      events.find((e) => e.kind === 'gone' && e.inode === first.sighting.inode),
    );
    expect(gone).toMatchObject({ path: join(root, 'take.mp4') });
  });

  test('after a burst of 12,000 files, with the event loop blocked meanwhile, none is missing', async () => {
    const root = folder();
    largeTree(root);
    const { watch, log } = watcher();
    await watch.add(root);
    for (let i = 0; i < 12_000; i += 1) {
      writeFileSync(join(root, `room ${i % 250}`, `take ${i}.mp4`), '');
    }
    const seen = () =>
      new Set(log.events.map((event) => (event.kind === 'sighted' ? event.sighting.path : '')));
    await log.until(() => log.events.length >= 12_000 && seen().size >= 12_000);
    expect(seen().size).toBe(12_000);
  });

  test.runIf(process.platform === 'linux')(
    'when the inotify queue overflows, then files of which nobody was told are found, in other folders, too',
    async () => {
      const [root, other] = [folder(), folder()];
      largeTree(root);
      const { watch, log } = watcher();
      await watch.add(root);
      await watch.add(other);
      // Nothing takes events out meanwhile, so the queue is full before the last files have their turn.
      const queue = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
      const missing = new Set<string>();
      for (let i = 0; i < queue + 1_000; i += 1) {
        missing.add(join(root, `room ${i % 200}`, `take ${i}.mp4`));
      }
      for (let i = 200; i < 250; i += 1) missing.add(join(root, `room ${i}`, 'late.mp4'));
      missing.add(join(other, 'late.mp4'));
      for (const path of missing) writeFileSync(path, '');
      let at = 0;
      await log.until((events) => {
        for (; at < events.length; at += 1) {
          const event = events[at];
          if (event?.kind === 'sighted') missing.delete(event.sighting.path);
        }
        return missing.size === 0;
      });
      expect(missing.size).toBe(0);
    },
    60_000,
  );
});
