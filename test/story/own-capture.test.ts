/**
 * Roomtape's own capture driven by the built command: pauses, a crash, a full disk, on a real X
 * server with real sound.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as moment } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseProgress } from '../../src/capture/ffmpeg-command.ts';
import { type Desktop, hasDesktop, startDesktop } from '../capture/desktop.ts';
import { played } from '../capture/obs-studio.ts';
import { EventLog } from './event-log.ts';
import { Machine, untilGone } from './roomtape-command.ts';

interface Listed {
  readonly state: string;
  readonly takes: readonly {
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
    readonly durationMs: number | null;
  }[];
}

const isRoot = process.getuid?.() === 0;

describe.runIf(hasDesktop)("given Roomtape's own capture", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-own-'));
  const recordings = join(folder, 'recordings');
  let desktop: Desktop;
  let machine: Machine;
  let events: EventLog;

  beforeAll(async () => {
    desktop = await startDesktop(folder);
    mkdirSync(recordings);
    machine = new Machine({
      ...desktop.environment,
      ROOMTAPE_KEEP_LINK: 'true',
      ROOMTAPE_RESUME_AFTER_CRASH: 'true',
      ROOMTAPE_FREE_DISK_MB: '4',
    });
    await machine.run('session', 'create', 'Workshop', '--rooms', '1');
    await machine.run('room', 'open');
    events = new EventLog(machine.home);
    expect(await addScreen('screen', recordings)).toMatchObject({
      state: 'idle',
      about: expect.stringContaining('1 microphone'),
    });
  });
  afterAll(async () => {
    events.close();
    await machine.end();
    desktop.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const addScreen = async (name: string, into: string) =>
    (
      await machine.json(
        ...['recorder', 'add', 'screen', '--name', name, '--frame-rate', '10', '--folder', into],
      )
    )[0];
  const recorder = async (name = 'screen') =>
    (
      await machine.json<{ name: string; state: string; recordedMs: number; path: string }>(
        ...['recorder', 'list'],
      )
    ).find((one) => one.name === name);
  const capture = (name = 'screen'): { path: string; process: { pid: number } } =>
    JSON.parse(readFileSync(join(machine.home, 'capture', name, 'capture.json'), 'utf8'));

  async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found) return found;
      await moment(150);
    }
  }

  /** Waits for the report of ffmpeg in this stretch: to ask the daemon would cost a process a look. */
  const recorded = (wantedMs: number, name = 'screen', stretch = 1) =>
    until(async () => {
      const report = join(machine.home, 'capture', name, `progress-${stretch}`);
      return (parseProgress(readFileSync(report, 'utf8'))?.recordedMs ?? 0) >= wantedMs;
    });
  /** The recording that a file belongs to. */
  const recordingOf = async (path: string) => {
    const all = await machine.json<Listed>('list');
    return all.find(({ takes }) => takes.some((take) => take.path === path));
  };
  /** Records until something is on the disk; gives the file. */
  async function record(...words: string[]): Promise<string> {
    expect((await machine.run('record', '--room', '1', ...words)).code).toBe(0);
    return capture(words[1]).path;
  }

  test('when it is paused and goes on, one take holds it all', async () => {
    const path = await record();
    await recorded(1_000);
    expect((await machine.run('pause')).code).toBe(0);
    // The first stretch is whole already; the joined file comes in its place.
    const first = events.take('indexed', path);
    expect((await machine.run('resume')).code).toBe(0);
    await first;
    await recorded(1_000, 'screen', 2);
    expect((await machine.run('status')).out).not.toContain('no file grows');
    expect((await machine.run('stop')).code).toBe(0);
    const recording = await until(async () => {
      const found = await recordingOf(path);
      const [take] = found?.takes ?? [];
      return take?.verdict === 'whole' && (take.durationMs ?? 0) > 1_800 && found;
    });
    expect(recording.takes.length).toBe(1);
    expect(readdirSync(recordings).length).toBe(1);
    // The second name of the growing file is gone with the danger.
    await until(async () => readdirSync(join(machine.home, 'links')).length === 0);
  });

  test('when its ffmpeg is killed, the file is repaired and the recording goes on by itself', async () => {
    const path = await record();
    await recorded(1_200);
    const repaired = events.take('verified', path);
    process.kill(capture().process.pid, 'SIGKILL');
    await events.until(
      ({ type, body }) => type === 'session:recording-continued' && body['recording'] !== undefined,
    );
    await until(async () => (await recorder())?.state === 'recording');
    expect(String((await repaired).body['recoveredPath'])).toMatch(/\.recovered\.mkv$/);
    const next = capture().path;
    expect((await machine.run('stop')).code).toBe(0);
    await events.take('indexed', next);
    const recording = await recordingOf(path);
    expect(recording?.state).toBe('stopped');
    expect(recording?.takes.map((take) => take.path)).toEqual([path, next]);
    expect(played(recording?.takes[0]?.recoveredPath ?? '').errors).toBe('');
  });

  test('when the daemon is killed, the capture goes on and is taken up again', async () => {
    const path = await record();
    const { pid } = capture().process;
    const daemon = await machine.daemonPid();
    process.kill(daemon, 'SIGKILL');
    await untilGone(daemon);
    expect((await recorder())?.state).toBe('recording');
    events.close();
    events = new EventLog(machine.home);
    expect(capture().process.pid).toBe(pid);
    expect((await machine.run('stop')).code).toBe(0);
    const recording = await until(async () => {
      const found = await recordingOf(path);
      return found?.takes[0]?.verdict === 'whole' && found;
    });
    expect(recording.state).toBe('stopped');
  });

  test.runIf(isRoot)('when the disk fills up, it is stopped before, and is whole', async () => {
    await onSmallDisk(async (small) => {
      const path = await record('--recorder', 'small');
      await recorded(800, 'small');
      writeFileSync(join(small, '.greedy'), Buffer.alloc(17_000_000));
      await events.take('indexed', path);
      const recording = await recordingOf(path);
      expect(recording).toMatchObject({ state: 'interrupted', takes: [{ verdict: 'whole' }] });
      expect((await machine.run('status')).out).toContain('small is stopped: only');
    });
  });

  test.runIf(isRoot)(
    'when it is full at once, the file is repaired when there is room',
    async () => {
      await onSmallDisk(async (small) => {
        const path = await record('--recorder', 'small');
        await recorded(1_000, 'small');
        const greedy = join(small, '.greedy');
        expect(() => writeFileSync(greedy, Buffer.alloc(30_000_000))).toThrow('ENOSPC');
        await events.take('indexed', path);
        const { out } = await machine.run('status');
        expect(out).toMatch(/the disk is full|is stopped: only/);
        expect(out).toContain('It is repaired as soon as there is room.');
        rmSync(greedy);
        const { body } = await events.take('verified', path);
        expect(played(String(body['recoveredPath'])).errors).toBe('');
        expect((await machine.run('status')).out).not.toContain('as soon as there is room');
      });
    },
  );

  async function onSmallDisk(work: (folder: string) => Promise<void>): Promise<void> {
    const small = mkdtempSync(join(folder, 'small-'));
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', small]).status).toBe(0);
    try {
      await addScreen('small', small);
      await work(small);
    } finally {
      await machine.run('stop');
      await machine.run('recorder', 'remove', 'small');
      spawnSync('umount', ['-l', small]);
    }
  }
});
