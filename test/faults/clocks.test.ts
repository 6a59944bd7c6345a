/**
 * Clocks that jump: a machine's clock is set by hours while people record.
 */
import { mkdtempSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { EventLog } from '../story/event-log.ts';
import { Ground, sha256, until } from './daemon-under-fault.ts';
import { Replay, recordedMkv } from './replay.ts';

const hour = 3_600_000;
const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A daemon whose clock can be set, and what it tells. */
async function evening(env: NodeJS.ProcessEnv = {}, shift = 0) {
  const file = join(mkdtempSync(join(tmpdir(), 'roomtape-clock-')), 'shift');
  const setClock = (by: number) => writeFileSync(file, String(Math.round(by)));
  setClock(shift);
  const ground = await Ground.open({
    ...env,
    NODE_OPTIONS: `--import ${join(import.meta.dirname, 'shifted-clock.mjs')}`,
    ROOMTAPE_CLOCK_SHIFT: file,
  });
  ended.push(() => ground.end());
  const log = new EventLog(ground.machine.home);
  ended.push(() => log.close());
  await ground.session();
  return { ground, log, setClock };
}

const stateOf = async (ground: Ground) =>
  (await ground.recordings()).find(({ participant }) => participant?.name === 'Ada');

describe('given a clock that jumps hours', () => {
  test('forth and back, a growing file is never called stopped, and its end is noticed', async () => {
    const { ground, log, setClock } = await evening();
    const path = ground.path('a.mkv');
    const recorder = new Replay(path, recordedMkv());
    ended.push(() => recorder.crash());
    recorder.write(4_000);
    await log.take('sighted', path);
    for (const by of [hour / 2, -5 * hour, 0, 1.5 * hour, -24 * hour]) {
      setClock(by);
      recorder.write(500);
      // Longer than a closed file is waited for.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const told = log.events.map(({ type }) => type);
      expect(told).not.toContain('take:settled');
      expect(told).not.toContain('take:diagnosed');
    }
    recorder.crash();
    await log.take('settled', path);
    await ground.indexed(path);
    expect(await ground.takes()).toHaveLength(1);
  });

  test('when the machine slept eight hours, nothing was stopped, and what expired is not revived', async () => {
    const { ground, log, setClock } = await evening();
    const path = ground.path('a.mkv');
    const recorder = new Replay(path, recordedMkv());
    ended.push(() => recorder.crash());
    recorder.write(4_000);
    await log.take('sighted', path);
    const pid = await ground.machine.daemonPid();
    // A sleeping machine stands still, all of it; when it wakes up only the wall clock has gone on.
    process.kill(pid, 'SIGSTOP');
    ended.push(() => process.kill(pid, 'SIGCONT'));
    setClock(8 * hour);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    process.kill(pid, 'SIGCONT');
    const refused = await ground.machine.run('record', '--as', 'Ada', '--room', '1');
    expect(refused.code).toBe(4);
    recorder.write(500);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const told = log.events.map(({ type }) => type);
    expect(told).not.toContain('take:settled');
    recorder.crash();
    await log.take('settled', path);
    expect((await ground.indexed(path)).sha256).toBe(sha256(path));
    expect(await ground.takes()).toHaveLength(1);
  });

  test('a declared recording goes on, its intervals stay in order, and it can be stopped', async () => {
    const { ground, setClock } = await evening();
    const { machine } = ground;
    await machine.json('record', '--as', 'Ada', '--room', '1');
    setClock(-3 * hour);
    expect((await stateOf(ground))?.state).toBe('recording');
    await machine.json('pause', '--as', 'Ada');
    setClock(hour);
    await machine.json('resume', '--as', 'Ada');
    setClock(0);
    await machine.json('stop', '--as', 'Ada');
    const recording = await stateOf(ground);
    expect(recording?.state).toBe('stopped');
    for (const [from, to] of recording?.intervals ?? [])
      expect(to ?? from).toBeGreaterThanOrEqual(from);
    expect((await machine.run('audit', '--json')).code).toBe(0);
  });

  test('set back, it does not revive a grant that has expired', async () => {
    const { ground, setClock } = await evening();
    const { machine } = ground;
    setClock(3 * hour);
    expect((await machine.run('record', '--as', 'Ada', '--room', '1')).code).toBe(4);
    setClock(0);
    expect((await machine.run('record', '--as', 'Ada', '--room', '1')).code).toBe(4);
    // Neither does a new daemon.
    await machine.run('down');
    expect((await machine.run('record', '--as', 'Ada', '--room', '1')).code).toBe(4);
    // A new one that would end before what is known to have happened is not given either.
    const short = await machine.run('grant', 'Ada', '--room', '1', '--for', '1h');
    expect(short.err).toContain('clock was set back');
    await machine.json('grant', 'Ada', '--room', '1', '--for', '5h');
    expect((await machine.run('record', '--as', 'Ada', '--room', '1')).code).toBe(0);
  });
});

describe('given the night on which an hour happens twice', () => {
  test('an interval across it has its true length', async () => {
    // 02:30 in Berlin, for the first time.
    const first = Date.UTC(2026, 9, 25, 0, 30);
    const { ground, setClock } = await evening({ TZ: 'Europe/Berlin' }, first - Date.now());
    const { machine } = ground;
    await machine.json('record', '--as', 'Ada', '--room', '1');
    const path = ground.path('2026-10-25 02-30-00.mkv');
    const recorder = new Replay(path, recordedMkv());
    ended.push(() => recorder.crash());
    recorder.write(3_000);
    // 02:10, for the second time: 40 minutes later.
    setClock(first + (40 / 60) * hour - Date.now());
    recorder.stop();
    utimesSync(path, (first + (40 / 60) * hour) / 1_000, (first + (40 / 60) * hour) / 1_000);
    await machine.json('stop', '--as', 'Ada');
    const recording = await until(async () => {
      const found = await stateOf(ground);
      return found?.state === 'stopped' && found;
    });
    const [[from, to] = [0, 0]] = recording.intervals;
    expect((to ?? 0) - from).toBeGreaterThan(39 * 60_000);
    expect((to ?? 0) - from).toBeLessThan(42 * 60_000);
  });

  test('a file named in it began at one of its two readings, one named in the hour that spring leaves out an hour later', async () => {
    const { ground } = await evening({ TZ: 'Europe/Berlin' });
    const startOf = async (name: string) => {
      const path = ground.path(name);
      writeFileSync(path, recordedMkv().final);
      await ground.indexed(path);
      const found = await ground.recordings();
      return found.find(({ takes }) => takes.some((take) => take.path === path))?.startedAt;
    };
    // Born long behind that night, it is nearer to the later reading: what is written says so.
    expect(await startOf('2026-10-25 02-30-00.mkv')).toBe(Date.UTC(2026, 9, 25, 1, 30));
    // Clocks said 3:30.
    expect(await startOf('2026-03-29 02-30-00.mkv')).toBe(Date.UTC(2026, 2, 29, 1, 30));
  });
});
