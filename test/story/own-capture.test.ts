/**
 * Roomtape's own capture driven by the built command: pauses, a crash, a full disk, on a real X
 * server with real sound.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as moment } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Desktop, hasDesktop, startDesktop } from '../capture/desktop.ts';
import { played } from '../capture/obs-studio.ts';
import { Machine, untilGone } from './roomtape-command.ts';

interface Listed {
  readonly state: string;
  readonly takes: readonly {
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
  }[];
}

const isRoot = process.getuid?.() === 0;

describe.runIf(hasDesktop)("given Roomtape's own capture", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-own-'));
  let desktop: Desktop;
  let machine: Machine;

  beforeAll(async () => {
    desktop = await startDesktop(folder);
  });
  afterEach(() => machine.end());
  afterAll(() => {
    desktop.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A host with a session and a screen recorder into the folder. */
  async function begin(recordings: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    mkdirSync(recordings, { recursive: true });
    machine = new Machine({ ...desktop.environment, ...env });
    await machine.run('session', 'create', 'Workshop', '--rooms', '1');
    await machine.run('room', 'open');
    const [recorder] = await machine.json(
      ...['recorder', 'add', 'screen', '--frame-rate', '10', '--folder', recordings],
    );
    expect(recorder).toMatchObject({
      state: 'idle',
      about: expect.stringContaining('1 microphone'),
    });
  }

  async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found) return found;
      await moment(150);
    }
  }

  const recorder = async () =>
    (await machine.json<{ state: string; recordedMs: number }>('recorder', 'list'))[0];
  const recorded = (wantedMs: number) =>
    until(async () => ((await recorder())?.recordedMs ?? 0) >= wantedMs);
  const ffmpegPid = (): number =>
    JSON.parse(readFileSync(join(machine.home, 'capture', 'screen', 'capture.json'), 'utf8'))
      .process.pid;

  test('when it is paused and goes on, one take holds it all', async () => {
    const recordings = join(folder, 'pauses');
    await begin(recordings, { ROOMTAPE_KEEP_LINK: 'true' });
    expect((await machine.run('record', '--room', '1')).code).toBe(0);
    await recorded(1_000);
    expect((await machine.run('pause')).code).toBe(0);
    expect((await machine.run('resume')).code).toBe(0);
    await recorded(2_000);
    expect((await machine.run('stop')).code).toBe(0);
    const [recording] = await until(async () => {
      const rows = await machine.json<Listed & { takes: { durationMs: number }[] }>('list');
      return (
        rows[0]?.takes[0]?.verdict === 'whole' && (rows[0].takes[0].durationMs ?? 0) > 1_800 && rows
      );
    });
    expect(recording?.takes.length).toBe(1);
    expect(readdirSync(recordings).length).toBe(1);
    // The second name of the growing file is gone with the danger.
    await until(async () => readdirSync(join(machine.home, 'links')).length === 0);
  });

  test('when its ffmpeg is killed, the file is repaired and the recording goes on by itself', async () => {
    await begin(join(folder, 'crash'), { ROOMTAPE_RESUME_AFTER_CRASH: 'true' });
    await machine.run('record', '--room', '1');
    await recorded(1_500);
    const killed = ffmpegPid();
    process.kill(killed, 'SIGKILL');
    await until(async () => (await recorder())?.state === 'recording' && ffmpegPid() !== killed);
    await recorded(700);
    expect((await machine.run('stop')).code).toBe(0);
    const [recording] = await until(async () => {
      const rows = await machine.json<Listed>('list');
      const takes = rows[0]?.takes ?? [];
      const rescued = takes[0]?.recoveredPath !== null && takes[1]?.verdict === 'whole';
      return takes.length === 2 && rescued && rows;
    });
    expect(recording?.state).toBe('stopped');
    expect(played(recording?.takes[0]?.recoveredPath ?? '').errors).toBe('');
  });

  test('when the daemon is killed, the capture goes on and is taken up again', async () => {
    await begin(join(folder, 'daemon'));
    await machine.run('record', '--room', '1');
    await recorded(500);
    const daemon = await machine.daemonPid();
    process.kill(daemon, 'SIGKILL');
    await untilGone(daemon);
    const before = ffmpegPid();
    expect((await recorder())?.state).toBe('recording');
    expect(ffmpegPid()).toBe(before);
    expect((await machine.run('stop')).code).toBe(0);
    const [recording] = await until(async () => {
      const rows = await machine.json<Listed>('list');
      return rows[0]?.takes[0]?.verdict === 'whole' && rows;
    });
    expect(recording?.state).toBe('stopped');
  });

  test.runIf(isRoot)(
    'when the disk fills up, it is stopped before, and the file is whole',
    async () => {
      const small = join(folder, 'small');
      mkdirSync(small);
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', small]).status).toBe(0);
      try {
        await begin(small, { ROOMTAPE_FREE_DISK_MB: '4' });
        await machine.run('record', '--room', '1');
        await recorded(1_000);
        writeFileSync(join(small, '.greedy'), Buffer.alloc(17_000_000));
        const rows = await until(async () => {
          const all = await machine.json<Listed>('list');
          return all[0]?.takes[0]?.verdict === 'whole' && all;
        });
        expect(rows[0]?.state).toBe('interrupted');
        expect((await machine.run('status')).out).toContain('screen is stopped: only');
      } finally {
        spawnSync('umount', ['-l', small]);
      }
    },
  );
});
