/**
 * Watched folders that go away and come back, and a system that has no inotify watches left.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { mainFile } from '../story/roomtape-command.ts';
import { Ground, sha256, until } from './daemon-under-fault.ts';

const seed = readFileSync(
  join(import.meta.dirname, '..', '..', 'fixtures', 'seeds', 'h264-aac.mkv'),
);

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

const mount = (...argv: string[]) => spawnSync('mount', argv).status === 0;
const unmount = (path: string) => spawnSync('umount', ['-l', path]).status === 0;

/** Whether this machine lets a test mount. */
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const path = `/tmp/roomtape-mount-${process.pid}`;
  mkdirSync(path, { recursive: true });
  return mount('-t', 'tmpfs', 'none', path) && unmount(path);
}

describe.runIf(canMount())('given a watched folder on a disk that is unmounted', () => {
  test('its takes are known again when it is back, each once, and new ones are found', async () => {
    const ground = await Ground.open();
    ended.push(() => ground.end());
    const { machine } = ground;
    const home = realpathSync(machine.home);
    const [disk, watched] = [join(home, 'disk'), join(home, 'mounted')];
    mkdirSync(disk);
    mkdirSync(watched);
    mount('--bind', disk, watched);
    ended.push(() => unmount(watched));
    await machine.json('watch', 'add', watched);
    const [before, later] = [join(watched, 'before.mkv'), join(watched, 'later.mkv')];
    writeFileSync(before, seed);
    const take = await ground.indexed(before);
    const stateOf = async () =>
      (await ground.client.call('watch.list', {})).find(({ path }) => path === watched)?.state;
    unmount(watched);
    await until(async () => (await ground.takes()).find(({ path }) => path === before));
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const takesWhileGone = await ground.takes();
    expect(takesWhileGone.map(({ id }) => id)).toContain(take.id);
    writeFileSync(join(disk, 'later.mkv'), seed);
    mount('--bind', disk, watched);
    const found = await ground.indexed(later);
    expect(found.sha256).toBe(sha256(later));
    expect(await stateOf()).toBe('watched');
    const takes = await ground.takes();
    expect(takes.map(({ path }) => path).sort()).toEqual([before, later]);
    expect(takes.find(({ path }) => path === before)).toMatchObject({
      id: take.id,
      stage: 'indexed',
      verdict: 'whole',
    });
  });
});

/** Whether a process may be given so few inotify watches that they run out. */
function canLimit(): boolean {
  if (process.platform !== 'linux') return false;
  const limited = 'echo 5 > /proc/sys/user/max_inotify_watches';
  return spawnSync('unshare', ['-U', '-r', 'sh', '-c', limited]).status === 0;
}

describe.runIf(canLimit())('given a system that has no inotify watches left', () => {
  test('folders are polled, it is said, and no file is missed', async () => {
    const ground = await Ground.open();
    ended.push(() => ground.end());
    const { machine } = ground;
    await machine.json('down');
    const run = `echo 5 > /proc/sys/user/max_inotify_watches && exec "${process.execPath}" "${mainFile}" daemon run`;
    const daemon = spawn('unshare', ['-U', '-r', 'sh', '-c', run], {
      env: machine.env,
      stdio: 'ignore',
    });
    ended.push(() => daemon.kill('SIGKILL'));
    await until(async () => (await machine.run('status', '--no-start')).code === 0);
    const paths = Array.from({ length: 12 }, (_, n) => {
      const folder = ground.path(`room ${n}`);
      mkdirSync(folder);
      const path = join(folder, 'take.mkv');
      writeFileSync(path, seed);
      return path;
    });
    for (const path of paths) await ground.indexed(path);
    const [folder] = await ground.client.call('watch.list', {});
    expect(folder?.state).toBe('polled');
    expect(folder?.problem).toMatch(/inotify watches left/);
    expect((await machine.run('status')).out).toMatch(/inotify watches left/);
    const late = join(ground.path('room 11'), 'late.mkv');
    writeFileSync(late, seed);
    await ground.indexed(late);
  });
});
