/**
 * Roomtape with a real OBS Studio: the states and the files come out right whatever happens to OBS.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { OBSWebSocket } from 'obs-websocket-js/json';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ObsRecorder } from '../../src/capture/obs.ts';
import {
  pathOf,
  type Recorder,
  type RecorderChange,
  type RecorderStateName,
} from '../../src/capture/recorder.ts';
import {
  freePort,
  hasObs,
  obsPassword,
  played,
  type RunningDisplay,
  type RunningObs,
  startDisplay,
  startObs,
  writeObsConfig,
  writerGone,
} from './obs-studio.ts';

/** Resolves at the next change to the state, or at once when it is there. */
function reaches(recorder: Recorder, state: RecorderStateName): Promise<RecorderChange | null> {
  if (recorder.state.state === state) return Promise.resolve(null);
  return new Promise((resolve) => {
    const unsubscribe = recorder.subscribe((change) => {
      if (change.now.state !== state) return;
      unsubscribe();
      resolve(change);
    });
  });
}

/** Lets OBS record until it has put out this many milliseconds. */
async function recorded(obs: ObsRecorder, wantedMs: number): Promise<void> {
  // A recorder that is lost answers without being asked: the pause lets its news arrive.
  while (((await obs.pulse()).recordedMs ?? 0) < wantedMs) await pause(20);
}

describe.runIf(hasObs)('given a real OBS Studio', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-obs-'));
  const home = join(folder, 'one');
  let display: RunningDisplay;
  let port = 0;
  let studio: RunningObs;
  let obs: ObsRecorder;
  const changes: RecorderChange[] = [];

  const start = () => startObs({ home, display: display.display, port });

  beforeAll(async () => {
    display = await startDisplay();
    port = await freePort();
    writeObsConfig({ home, port });
    obs = new ObsRecorder({
      name: 'obs',
      url: async () => `ws://127.0.0.1:${port}`,
      password: async () => obsPassword,
      waits: { lastRetry: 500 },
    });
    obs.subscribe((change) => changes.push(change));
    // Opened before OBS runs: it is found when it comes.
    obs.open();
    studio = start();
    await reaches(obs, 'idle');
  });

  // An OBS that hangs (headless, its renderer can starve for good) would fail every test behind it
  // and every retry: each failure gets a fresh one.
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await studio.killWithMuxer();
    while (obs.connected) await pause(20);
    studio = start();
    await reaches(obs, 'idle');
  });

  afterAll(async () => {
    await obs.close();
    await studio.killWithMuxer();
    display.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('when it records, pauses, resumes and stops, every state is told and the file is whole', async () => {
    changes.length = 0;
    await obs.start();
    const path = pathOf(obs.state);
    await recorded(obs, 800);
    await obs.pause();
    expect(obs.state).toEqual({ state: 'paused', path });
    await obs.resume();
    await recorded(obs, 1_600);
    const stopped = await obs.stop();

    expect(stopped).toBe(path);
    expect(changes.map(({ now }) => now.state)).toEqual([
      'starting',
      'recording',
      'paused',
      'recording',
      'stopping',
      'stopped',
    ]);
    expect(changes.every(({ asked }) => asked)).toBe(true);
    const file = played(path ?? '');
    expect(file.errors).toBe('');
    expect(file.headerSeconds).toBeGreaterThan(1.4);
    expect(file.headerSeconds).toBeLessThan(4);
  });

  test('when a command does not fit the state, it is refused and nothing changes', async () => {
    await expect(obs.pause()).rejects.toMatchObject({ code: 'wrong-state' });
    await expect(obs.resume()).rejects.toMatchObject({ code: 'wrong-state' });
    await expect(obs.stop()).rejects.toMatchObject({ code: 'wrong-state' });
    await obs.start();
    await expect(obs.start()).rejects.toMatchObject({ code: 'wrong-state' });
    await obs.stop();
  });

  test('when somebody clicks in OBS, the change is told as not asked for', async () => {
    const person = new OBSWebSocket();
    await person.connect(`ws://127.0.0.1:${port}`, obsPassword);
    await person.call('StartRecord');
    const started = await reaches(obs, 'recording');
    await recorded(obs, 300);
    await person.call('PauseRecord');
    await reaches(obs, 'paused');
    await person.call('ResumeRecord');
    await reaches(obs, 'recording');
    await recorded(obs, 600);
    await person.call('StopRecord');
    const stopped = await reaches(obs, 'stopped');
    await person.disconnect();
    expect(started?.asked ?? false).toBe(false);
    expect(stopped?.asked).toBe(false);
    expect(pathOf(obs.state)).toMatch(/\.mkv$/);
  });

  test('when Roomtape comes late, it finds out the state and the file', async () => {
    await obs.start();
    await obs.pause();
    const late = new ObsRecorder({
      name: 'late',
      url: async () => `ws://127.0.0.1:${port}`,
      password: async () => obsPassword,
    });
    late.open();
    await reaches(late, 'paused');
    expect(late.state).toEqual(obs.state);
    expect(late.folder).toBe(studio.recordings);
    await late.close();
    await obs.stop();
  });

  test('when no input is heard, the milliseconds of silence are told', async () => {
    const person = new OBSWebSocket();
    await person.connect(`ws://127.0.0.1:${port}`, obsPassword);
    await obs.start();
    expect((await obs.pulse()).silentMs).toBeNull();
    // A microphone on a machine without a sound server: it is there, and gives nothing.
    const inputKind = 'pulse_input_capture';
    await person.call('CreateInput', { sceneName: 'Scene', inputName: 'Microphone', inputKind });
    while (((await obs.pulse()).silentMs ?? 0) < 200) await pause(20);
    await person.call('RemoveInput', { inputName: 'Microphone' });
    await person.disconnect();
    await obs.stop();
  });

  test('when the password is wrong, it says so and does not hammer', async () => {
    const stranger = new ObsRecorder({
      name: 'stranger',
      url: async () => `ws://127.0.0.1:${port}`,
      password: async () => 'wrong',
    });
    const refused = new Promise<RecorderChange>((resolve) => stranger.subscribe(resolve));
    stranger.open();
    expect((await refused).now).toEqual({ state: 'unreachable', reason: 'wrong password' });
    await stranger.close();
  });

  test('when two OBS run, each answers for itself', async () => {
    const other = { home: join(folder, 'two'), display: display.display, port: await freePort() };
    writeObsConfig(other);
    const second = startObs(other);
    const obs2 = new ObsRecorder({
      name: 'obs-2',
      url: async () => `ws://127.0.0.1:${other.port}`,
      password: async () => obsPassword,
    });
    try {
      obs2.open();
      await reaches(obs2, 'idle');
      await obs2.start();
      expect(obs.state.state).not.toBe('recording');
      expect(pathOf(obs2.state)).toContain(second.recordings);
      await obs2.stop();
    } finally {
      await obs2.close();
      await second.killWithMuxer();
    }
  });

  test('when OBS alone is killed, it is lost at once and its muxer leaves a whole file', async () => {
    await obs.start();
    const path = pathOf(obs.state) ?? '';
    await recorded(obs, 2_000);
    const lost = reaches(obs, 'lost');
    const killedAt = performance.now();
    await studio.killAlone();
    await lost;
    expect(performance.now() - killedAt).toBeLessThan(3_000);
    expect(obs.state).toMatchObject({ cause: 'connection-closed', path });
    await writerGone(path);
    expect(played(path).headerSeconds).toBeGreaterThan(0.5);
  });

  test('when OBS comes back, it is found; killed with its muxer, its file is interrupted', async () => {
    if (obs.state.state === 'lost') studio = start();
    await reaches(obs, 'idle');
    await obs.start();
    const path = pathOf(obs.state) ?? '';
    await recorded(obs, 2_500);
    const lost = reaches(obs, 'lost');
    await studio.killWithMuxer();
    await lost;
    await writerGone(path);
    expect(played(path).headerSeconds).toBeNull();
  });

  test('when OBS is gone, a command says so at once', async () => {
    await expect(obs.start()).rejects.toMatchObject({ code: 'wrong-state' });
  });
});
