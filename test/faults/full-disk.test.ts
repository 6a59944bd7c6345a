/**
 * A data folder that can no longer be written to: a disk that is full, one that fails. What was
 * acknowledged stays; what was not is said; the daemon goes on when it can.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { DaemonDown } from '../../src/api/client.ts';
import { checkCatalogueFile } from '../../src/catalogue/soundness.ts';
import { RoomtapeError } from '../../src/errors.ts';
import { Ground, until } from './daemon-under-fault.ts';
import { FactWriter, lastFact } from './fact-writer.ts';

const seed = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds', 'h264-aac.mkv');

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const mounts = (...argv: string[]) => spawnSync('mount', argv).status === 0;

/** Whether this machine lets a test mount a small disk. */
function canMount(): boolean {
  if (!isRoot) return false;
  const path = mkdtempSync(join(tmpdir(), 'roomtape-small-'));
  const can = mounts('-t', 'tmpfs', '-o', 'size=1m', 'none', path);
  if (can) spawnSync('umount', [path]);
  rmSync(path, { recursive: true });
  return can;
}

/** While the daemon begins anew it may cut an answer off. */
async function unlessObstacle<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (problem) {
    if (problem instanceof RoomtapeError || problem instanceof DaemonDown) return undefined;
    throw problem;
  }
}

/** Writes until nothing more fits. */
function fill(path: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1k', 'count=100000']);
}

describe.runIf(canMount())('given a data folder on a disk that becomes full', () => {
  test('what was acknowledged stays, the rest is refused and said, and it goes on when there is room', async () => {
    const ground = Ground.down();
    const { machine } = ground;
    expect(mounts('-t', 'tmpfs', '-o', 'size=6m', 'none', machine.home)).toBe(true);
    ended.push(async () => {
      await machine.run('down');
      spawnSync('umount', ['-l', machine.home]);
      await ground.end();
    });
    const watched = realpathSync(mkdtempSync(join(tmpdir(), 'roomtape-watched-')));
    ended.push(() => rmSync(watched, { recursive: true }));
    await machine.json('up');
    await machine.json('watch', 'add', watched);
    await ground.session();
    await machine.json('record', '--as', 'Ada', '--room', '1');
    const pid = await machine.daemonPid();
    const filling = join(machine.home, 'filling');
    fill(filling);

    const refused = await machine.run('stop', '--as', 'Ada');
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^roomtape: The disk of .* is full\.\nnext: /);

    // A recorder on another disk goes on, and the daemon has to write down what it sees.
    const path = join(watched, 'a.mkv');
    copyFileSync(seed, path);
    const noticed = async () => {
      const status = await unlessObstacle(ground.client.call('daemon.status', {}));
      return status?.notices.find(
        ({ level, text }) => level === 'error' && text.includes('is full'),
      );
    };
    expect((await until(noticed)).text).toMatch(/Nothing can be written down until there is room/);
    expect((await machine.run('status')).out).toContain('is full');
    for (const words of [['list'], ['record', '--as', 'Ada', '--room', '1']]) {
      const { code, out, err } = await machine.run(...words);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^roomtape: The disk of .* is full/);
    }

    rmSync(filling);
    const take = await until(async () => {
      const takes = await unlessObstacle(ground.takes());
      return takes?.find((one) => one.path === path && one.stage === 'indexed');
    });
    expect(take.verdict).toBe('whole');
    expect(await machine.daemonPid()).toBe(pid);
    const [declared] = (await ground.recordings()).filter(({ session }) => session !== null);
    expect(declared).toMatchObject({ state: 'recording', participant: { name: 'Ada' } });
    await machine.json('stop', '--as', 'Ada');
    expect((await machine.run('catalogue', 'check')).code).toBe(0);
  });

  test('a daemon that is started on a full disk says so and waits', async () => {
    const ground = Ground.down();
    const { machine } = ground;
    expect(mounts('-t', 'tmpfs', '-o', 'size=3m', 'none', machine.home)).toBe(true);
    ended.push(async () => {
      await machine.run('down');
      spawnSync('umount', ['-l', machine.home]);
      await ground.end();
    });
    const filling = join(machine.home, 'filling');
    fill(filling);
    const { code, err } = await machine.run('up');
    expect([code, err]).toEqual([0, '']);
    expect((await machine.run('status')).out).toContain('is full');
    expect((await machine.run('session', 'create', 'Evening', '--host', 'Mira')).code).toBe(1);
    rmSync(filling);
    await until(async () => {
      const { code, out } = await machine.run('status');
      return code === 0 && !out.includes('is full');
    });
    await ground.session();
  });
});

const canTrace = isRoot && spawnSync('strace', ['-e', 'trace=fsync', 'true']).status === 0;

describe.runIf(canTrace)('given a catalogue whose disk fails', () => {
  test.each([
    ['pwrite64', 'ENOSPC', 'disk-full'],
    ['pwrite64', 'EIO', 'write-failed'],
    ['pwrite64', 'EROFS', 'write-failed'],
    ['fsync', 'EIO', 'write-failed'],
    ['fsync', 'ENOSPC', 'write-failed'],
  ])(
    'when %s answers %s, it is said, and nothing acknowledged is lost',
    async (call, error, code) => {
      const folder = mkdtempSync(join(tmpdir(), 'roomtape-failing-'));
      ended.push(() => rmSync(folder, { recursive: true }));
      expect(lastFact(folder)).toBe(0);
      const files = ['', '-wal'].flatMap((suffix) => ['-P', join(folder, `catalogue.db${suffix}`)]);
      const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${error}:when=30+`];
      const writer = new FactWriter(
        folder,
        ...['strace', '-f', '-qq', '-o', '/dev/null', ...files, ...inject],
      );
      ended.push(() => writer.kill());
      await writer.ended;
      expect(writer.problem).toBe(code);
      expect(writer.last).toBeGreaterThan(3);
      expect(lastFact(folder)).toBeGreaterThanOrEqual(writer.last);
      expect(checkCatalogueFile(join(folder, 'catalogue.db')).every(({ sound }) => sound)).toBe(
        true,
      );
    },
  );
});
