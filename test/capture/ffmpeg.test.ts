/**
 * Roomtape's own capture of a real X server and a real sound server.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as moment } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ScreenRecorder } from '../../src/capture/ffmpeg.ts';
import { parseProgress } from '../../src/capture/ffmpeg-command.ts';
import type { RecorderStateName } from '../../src/capture/recorder.ts';
import { type Desktop, desktopFfmpeg, hasDesktop, startDesktop } from './desktop.ts';
import { played } from './obs-studio.ts';

const isRoot = process.getuid?.() === 0;

describe.runIf(hasDesktop)('given a screen and a microphone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-screen-'));
  let desktop: Desktop;
  let count = 0;

  beforeAll(async () => {
    desktop = await startDesktop(folder);
  });

  afterAll(() => {
    desktop.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  function recorder(into?: string) {
    count += 1;
    const recordings = into ?? join(folder, `recordings-${count}`);
    mkdirSync(recordings, { recursive: true });
    const workFolder = join(folder, `work-${count}`);
    const options = {
      name: 'screen',
      source: {
        platform: 'linux' as const,
        screen: desktop.display.display,
        size: null,
        frameRate: 15,
        microphones: [desktop.microphone],
      },
      folder: recordings,
      workFolder,
      ffmpegs: async () => [desktopFfmpeg],
      environment: desktop.environment,
      now: () => new Date(2026, 10, 23, 20, 15, 30),
    };
    return { screen: new ScreenRecorder(options), options, recordings, workFolder };
  }

  function reaches(screen: ScreenRecorder, state: RecorderStateName): Promise<void> {
    if (screen.state.state === state) return Promise.resolve();
    return new Promise((resolve) => {
      const unsubscribe = screen.subscribe(({ now }) => {
        if (now.state !== state) return;
        unsubscribe();
        resolve();
      });
    });
  }

  async function recorded(screen: ScreenRecorder, wantedMs: number): Promise<void> {
    while (((await screen.pulse()).recordedMs ?? 0) < wantedMs) await moment(50);
  }

  async function nextReport(file: string): Promise<number> {
    const before = readFileSync(file, 'utf8').length;
    for (;;) {
      const text = readFileSync(file, 'utf8');
      if (text.length > before && text.endsWith('\n')) return parseProgress(text)?.recordedMs ?? 0;
      await moment(2);
    }
  }

  const ffmpegPid = (workFolder: string): number =>
    JSON.parse(readFileSync(join(workFolder, 'capture.json'), 'utf8')).process.pid;

  test('when it records, pauses, resumes and stops, one whole file holds both stretches', async () => {
    const { screen, recordings } = recorder();
    await screen.start();
    await recorded(screen, 1_200);
    await screen.pause();
    expect(screen.state.state).toBe('paused');
    await screen.resume();
    await recorded(screen, 2_400);
    const path = await screen.stop();
    expect(path).toBe(join(recordings, 'Roomtape 2026-11-23 20-15-30.mkv'));
    expect(readdirSync(recordings)).toEqual(['Roomtape 2026-11-23 20-15-30.mkv']);
    const file = played(path ?? '');
    expect(file.errors).toBe('');
    expect(file.headerSeconds).toBeGreaterThan(2.2);
    expect(file.headerSeconds).toBeLessThan(5);
  });

  test('when ffmpeg is killed, at most a second is lost', async () => {
    const { screen, workFolder } = recorder();
    await screen.start();
    await recorded(screen, 2_000);
    const lost = reaches(screen, 'lost');
    // Killed right behind one of its reports, which come every half second: what it had recorded
    // is then what it said, however slow the machine is.
    const said = await nextReport(join(workFolder, 'progress-1'));
    process.kill(ffmpegPid(workFolder), 'SIGKILL');
    await lost;
    expect(screen.state).toMatchObject({ cause: 'process-ended' });
    const file = played('path' in screen.state ? (screen.state.path ?? '') : '');
    expect(file.headerSeconds).toBeNull();
    expect(said - file.seconds * 1000).toBeLessThan(1_000);
  });

  test('when the microphone falls silent, the milliseconds of silence are told', async () => {
    const { screen } = recorder();
    await screen.start();
    await recorded(screen, 800);
    expect((await screen.pulse()).silentMs).toBe(0);
    desktop.mute();
    while (((await screen.pulse()).silentMs ?? 0) < 3_000) await moment(100);
    await screen.stop();
  });

  test.runIf(isRoot)('when the disk is full, nothing already written is lost', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', small]).status).toBe(0);
    try {
      const { screen, recordings } = recorder(small);
      await screen.start();
      await recorded(screen, 1_500);
      const lost = reaches(screen, 'lost');
      const growing = 'path' in screen.state ? (screen.state.path ?? '') : '';
      const copy = join(folder, 'as-it-was.mkv');
      copyFileSync(growing, copy);
      // Somebody else takes all that is left.
      try {
        writeFileSync(join(recordings, 'greedy'), Buffer.alloc(2_000_000));
      } catch (error) {
        expect(String(error)).toContain('ENOSPC');
      }
      await lost;
      expect(screen.state).toMatchObject({ cause: 'disk-full' });
      expect(played(growing).seconds).toBeGreaterThanOrEqual(played(copy).seconds);
      expect(played(copy).seconds).toBeGreaterThan(0.3);
    } finally {
      spawnSync('umount', ['-l', small]);
    }
  });

  test('when the sound server goes, the picture is recorded on and the file is whole', async () => {
    const { screen } = recorder();
    await screen.start();
    await recorded(screen, 800);
    desktop.unplugSound();
    await recorded(screen, 2_500);
    expect((await screen.pulse()).silentMs).toBeGreaterThan(0);
    const path = await screen.stop();
    expect(played(path ?? '').headerSeconds).toBeGreaterThan(2);
  });

  test('when the screen goes, the file is finished and whole', async () => {
    const { options } = recorder();
    const screen = new ScreenRecorder({
      ...options,
      source: { ...options.source, microphones: [] },
    });
    await screen.start();
    await recorded(screen, 1_000);
    const lost = reaches(screen, 'lost');
    desktop.display.stop();
    await lost;
    expect(screen.state).toMatchObject({ cause: 'device-lost' });
    const file = played('path' in screen.state ? (screen.state.path ?? '') : '');
    expect(file.headerSeconds).toBeGreaterThan(0.9);
  });

  test('when the screen is not there, it says so and leaves no file', async () => {
    const { screen, recordings } = recorder();
    await expect(screen.start()).rejects.toMatchObject({ code: 'recorder-failed' });
    expect(readdirSync(recordings)).toEqual([]);
  });
});
