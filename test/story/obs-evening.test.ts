/**
 * The evening of a participant with OBS, as they would live it: the built command on two machines
 * (the host's and Ada's), signed lines between them, and a real OBS Studio that dies.
 *
 * With ROOMTAPE_TRANSCRIPT=FILE what Ada's terminal showed is written there, for the README.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as moment } from 'node:timers/promises';
import { OBSWebSocket } from 'obs-websocket-js/json';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  hasNotifications,
  type NotificationDesktop,
  startNotifications,
} from '../capture/notifications.ts';
import {
  configFolder,
  freePort,
  hasObs,
  obsPassword,
  played,
  type RunningDisplay,
  type RunningObs,
  startDisplay,
  startObs,
  writeObsConfig,
} from '../capture/obs-studio.ts';
import { EventLog } from './event-log.ts';
import { Machine, type Ran } from './roomtape-command.ts';

interface Listed {
  readonly room: { readonly number: number } | null;
  readonly state: string;
  readonly takes: readonly {
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
  }[];
}

describe.runIf(hasObs)('given a participant with OBS', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-evening-'));
  const home = join(folder, 'ada');
  const transcript: string[] = [];
  let display: RunningDisplay;
  let port = 0;
  let studio: RunningObs;
  let host: Machine;
  let ada: Machine;
  let desktop: NotificationDesktop;
  let events: EventLog;

  const start = () => startObs({ home, display: display.display, port });

  beforeAll(async () => {
    display = await startDisplay();
    port = await freePort();
    // OBS as many people have it: MP4, which does not survive a crash.
    writeObsConfig({ home, port, format: 'mp4' });
    studio = start();
    host = new Machine();
    desktop = await startNotifications(display.display);
    ada = new Machine({ HOME: home, ...desktop.environment, ROOMTAPE_NOTIFICATIONS: 'true' });
    await host.run('session', 'create', 'Workshop', '--rooms', '2');
    await host.run('participant', 'add', 'Ada');
    await host.run('room', 'open');
  });

  afterAll(async () => {
    await studio.killWithMuxer();
    events.close();
    await Promise.all([host.end(), ada.end()]);
    desktop.stop();
    display.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    const to = process.env['ROOMTAPE_TRANSCRIPT'];
    if (to) writeFileSync(to, transcript.join('\n').replaceAll(home, '/home/ada'));
  });

  /** What Ada types, and what her terminal answers. */
  async function types(...words: string[]): Promise<Ran> {
    const ran = await ada.run(...words);
    const shown = words.map((word) => (word.startsWith('rt1.') ? `${word.slice(0, 24)}…` : word));
    const quoted = shown.map((word) => (/\s/.test(word) ? `'${word}'` : word));
    transcript.push(`$ roomtape ${quoted.join(' ')}`, `${ran.out}${ran.err}`);
    return ran;
  }

  /** The signed line that a command of the host's prints. */
  async function lineOf(...words: string[]): Promise<string> {
    const { out, err } = await host.run(...words);
    const [line] = /rt1\.[\w.-]+/.exec(out) ?? [];
    if (!line) throw new Error(`no line: ${out}${err}`);
    return line;
  }

  async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found) return found;
      await moment(150);
    }
  }

  const recorderState = async () =>
    (await ada.json<{ state: string }>('recorder', 'list'))[0]?.state;
  const listed = () => ada.json<Listed>('list');

  /** Hears what Ada's daemon tells from now on. */
  function listen(): void {
    events?.close();
    events = new EventLog(ada.home);
  }

  /** The file that OBS records to, once there is something in it. */
  async function recording(): Promise<string> {
    const [recorder] = await ada.json<{ path: string }>('recorder', 'list');
    const path = recorder?.path ?? '';
    await events.take('growing', path);
    return path;
  }

  /** Presses a button of OBS itself, as somebody in front of it would. */
  async function press(button: 'StartRecord' | 'StopRecord'): Promise<void> {
    const person = new OBSWebSocket();
    await person.connect(`ws://127.0.0.1:${port}`, obsPassword);
    await person.call(button);
    await person.disconnect();
  }

  test('when she sets up, OBS is found by itself and preflight mends its container', async () => {
    const joined = await types('join', await lineOf('session', 'invite'), '--name', 'Ada');
    expect(joined.out).toContain('Joined');
    listen();
    const config = configFolder(home);
    // OBS takes a moment to open its WebSocket server; it is found when it does.
    const added = await types('recorder', 'add', 'obs', '--config', config);
    expect(added.code).toBe(0);
    const twice = await ada.run('recorder', 'add', 'obs', '--config', config);
    expect(twice.code).toBe(2);
    expect(twice.err).toContain('set up already, as obs');
    await until(async () => (await recorderState()) === 'idle');
    const before = await types('preflight', '--room', '1');
    expect(before.code).toBe(4);
    await types('accept', await lineOf('grant', 'Ada', '--room', '1', '--for', '2h'));
    const warned = await types('preflight', '--room', '1');
    expect(warned.code).toBe(1);
    expect(warned.out).toContain('OBS records MP4');
    const mended = await types('preflight', '--room', '1', '--fix');
    expect(mended.out).toContain('Matroska');
    expect(mended.code).toBe(0);
  });

  test('when she records, pauses, resumes and stops, OBS does it and the file is listed whole', async () => {
    const refused = await types('record', '--room', '2');
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('roomtape request --room 2');
    expect(await recorderState()).toBe('idle');
    expect((await types('record', '--room', '1')).code).toBe(0);
    expect(await recorderState()).toBe('recording');
    expect((await types('status')).out).toContain('recording');
    const path = await recording();
    expect(path).toMatch(/\.mkv$/);
    expect((await types('pause')).code).toBe(0);
    expect(await recorderState()).toBe('paused');
    expect((await types('resume')).code).toBe(0);
    expect((await types('stop')).code).toBe(0);
    await events.take('indexed', path);
    const [row] = await listed();
    expect(row).toMatchObject({ room: { number: 1 }, state: 'stopped' });
    expect(row?.takes[0]?.verdict).toBe('whole');
  });

  test('when the host withdraws the permission, OBS is stopped and nothing is lost', async () => {
    expect((await types('record')).code).toBe(0);
    const path = await recording();
    await types('accept', await lineOf('revoke', 'Ada'));
    await events.until(({ type }) => type === 'recorder:stopped');
    expect((await types('status')).out).toContain('obs is stopped in room 1: the permission was');
    const again = await types('record');
    expect(again.code).toBe(4);
    await events.take('indexed', path);
    const rows = await listed();
    expect(rows.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    expect(rows.map(({ takes }) => takes[0]?.verdict)).toEqual(['whole', 'whole']);
  });

  test('when she clicks in OBS although she may not, that is flagged at once', async () => {
    const flagged = events.warning('recording-without-permission');
    await press('StartRecord');
    await flagged;
    const words = 'obs records without permission';
    expect((await ada.run('status')).out).toContain(words);
    const begun = await events.until(({ text }) => text.includes('WITHOUT PERMISSION'));
    await press('StopRecord');
    await events.until(
      ({ type, body }) =>
        type === 'session:recording-stopped' && body['recording'] === begun.body['recording'],
    );
    const all = await ada.json<Listed & { permission: string }>('list');
    expect(all.find((one) => one.permission === 'not-permitted')?.state).toBe('stopped');
    expect((await ada.run('status')).out).not.toContain(words);
  });

  test('when Roomtape shall enforce permission, what she clicks in OBS is stopped cleanly', async () => {
    await ada.run('down');
    await ada.run('up', '--set', 'enforce=true');
    listen();
    await until(async () => (await recorderState()) === 'idle');
    const ended = events.warning('recording-ended');
    await press('StartRecord');
    const { text } = await ended;
    expect(text).toContain('obs was stopped in room 1');
    expect(studio.process.exitCode).toBeNull();
    expect(await recorderState()).toBe('stopped');
    const rows = await until(async () => {
      const all = await ada.json<Listed & { permission: string }>('list');
      const flagged = all.filter((one) => one.permission === 'not-permitted');
      return flagged.length === 2 && flagged.every((one) => one.state === 'stopped') && flagged;
    });
    for (const { takes } of rows) expect(['whole', 'recording']).toContain(takes[0]?.verdict);
  });

  test('when OBS and its muxer die, the file is repaired and named, and she goes on', async () => {
    await types('accept', await lineOf('grant', 'Ada', '--room', '1', '--for', '2h'));
    expect((await types('record')).code).toBe(0);
    const path = await recording();
    // OBS writes its file in blocks: some of them must be on the disk.
    await until(async () => statSync(path).size > 200_000);
    await studio.killWithMuxer();
    const { body } = await events.take('repaired', path);
    expect((await listed()).find((one) => one.takes[0]?.path === path)?.state).toBe('interrupted');
    const copy = String(body['recoveredPath']);
    expect(played(copy).errors).toBe('');
    expect(played(copy).seconds).toBeGreaterThan(0.5);
    // It is named once it has been decoded to its end.
    const named = `what could be saved is in ${copy}`;
    await events.warning('recovered');
    expect((await types('status')).out).toContain(named);
    if (hasNotifications) {
      await until(async () => desktop.shown.some((text) => text.includes(named)));
      for (const title of ['recording ended', 'recording without permission', 'recorder lost']) {
        expect(desktop.shown).toContain(`Roomtape: ${title}`);
      }
    }

    studio = start();
    await until(async () => (await recorderState()) === 'idle');
    expect((await types('record', '--continue')).code).toBe(0);
    await recording();
    expect((await types('stop')).code).toBe(0);
    const whole = await until(async () => {
      const all = await listed();
      const same = all.find((one) => one.takes.some((take) => take.recoveredPath !== null));
      return same?.takes.length === 2 && same.takes[1]?.verdict === 'whole' && same;
    });
    expect(whole.state).toBe('stopped');
    await types('list');
  });

  test('the password of OBS is in no log and no listing', async () => {
    const log = readFileSync(join(ada.home, 'logs', 'daemon.log'), 'utf8');
    expect(log).not.toContain(obsPassword);
    expect((await ada.run('recorder', 'list', '--json')).out).not.toContain(obsPassword);
  });
});
