/**
 * Recorders and sessions brought together, over a real catalogue.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DaemonEvent } from '../../src/api/events.ts';
import type { RecorderStateName } from '../../src/capture/recorder.ts';
import { type Catalogue, openCatalogue } from '../../src/catalogue/catalogue.ts';
import type { DaemonContext } from '../../src/daemon/area.ts';
import { RecorderDesk } from '../../src/daemon/recorder-desk.ts';
import { Sessions } from '../../src/daemon/sessions.ts';
import { WarningDesk } from '../../src/daemon/warning-desk.ts';
import { instant, type SessionId } from '../../src/session/ids.ts';
import type { Recording } from '../../src/session/state.ts';
import { rowsOf } from '../../src/session/table.ts';
import { systemClock } from '../../src/system/clock.ts';
import { readConfig } from '../../src/system/config.ts';
import { openLog } from '../../src/system/log.ts';
import { pathsOf } from '../../src/system/paths.ts';
import { HandRecorder } from './hand-recorder.ts';

describe('given a participant with a recorder that Roomtape drives', () => {
  let folder: string;
  let catalogue: Catalogue;
  let sessions: Sessions;
  let warnings: WarningDesk;
  let desk: RecorderDesk;
  let recorder: HandRecorder;
  let session: SessionId;
  let events: Omit<DaemonEvent, 'at'>[];
  let close: () => void;

  beforeEach(() => open());

  async function open(...flags: string[]): Promise<void> {
    folder = mkdtempSync(join(tmpdir(), 'roomtape-desk-'));
    const paths = pathsOf(folder);
    catalogue = openCatalogue({
      path: paths.catalogue,
      backups: paths.backups,
      newMachineId: randomUUID(),
      now: Date.now(),
    });
    const log = openLog(paths.log, 'error');
    events = [];
    const context: DaemonContext = {
      paths,
      config: await readConfig({ file: paths.config, env: {}, flags }),
      catalogue,
      clock: systemClock,
      log,
      version: '0.1.0',
      startedAt: Date.now(),
      publish: (event) => void events.push(event),
      stop: () => {},
    };
    sessions = new Sessions(context);
    warnings = new WarningDesk(context);
    desk = new RecorderDesk(context, sessions, warnings);
    recorder = new HandRecorder('camera');
    desk.add(recorder);
    session = join2Session();
    close = () => {
      sessions.close();
      catalogue.close();
      log.close();
      rmSync(folder, { recursive: true, force: true });
    };
  }

  afterEach(async () => {
    await desk.close();
    close();
  });

  /** Ada takes part in somebody else's session with two rooms. */
  function join2Session(): SessionId {
    const { state } = sessions.apply(undefined, {
      type: 'join-session',
      session: sessions.newId('ses'),
      topic: 'Workshop',
      hostName: 'Grace',
      hostKey: 'host-key',
      selfName: 'Ada',
      selfKey: 'ada-key',
    });
    const rooms = [1, 2].map((number) => ({
      number,
      generation: 1,
      name: `Room ${number}`,
      phase: 'open' as const,
    }));
    const line = 'rt1.rooms';
    const issuedAt = sessions.now();
    const issuerKey = 'host-key';
    const news = { type: 'take-rooms', issuerKey, rooms, sequence: 1, issuedAt, line } as const;
    sessions.apply(state.id, news);
    return state.id;
  }

  let serial = 0;

  function grant(...rooms: `${number}.1`[]): void {
    serial += 1;
    const now = sessions.now();
    sessions.apply(session, {
      type: 'take-grant',
      id: sessions.newId('grant'),
      serial,
      issuerKey: 'host-key',
      toKey: 'ada-key',
      rooms,
      from: now,
      until: instant(now + 3_600_000),
      issuedAt: now,
      line: 'rt1.grant',
    });
  }

  function revoke(): void {
    sessions.apply(session, {
      type: 'take-revocations',
      issuerKey: 'host-key',
      serials: [[serial, serial]],
      delegations: [],
      sequence: serial,
      until: instant(sessions.now() + 3_600_000),
      issuedAt: sessions.now(),
      line: 'rt1.revoke',
    });
  }

  function reaches(state: RecorderStateName): Promise<void> {
    if (recorder.state.state === state) return Promise.resolve();
    return new Promise((resolve) => {
      const unsubscribe = recorder.subscribe(({ now }) => {
        if (now.state !== state) return;
        unsubscribe();
        resolve();
      });
    });
  }

  const record = (room = '1') => sessions.carryOut(session, { type: 'record', room });
  const recordings = (): Recording[] => {
    const state = sessions.byId(session);
    const all = state ? [...rowsOf(state.recordings)] : [];
    return all.sort((a, b) => (a.room < b.room ? -1 : 1));
  };
  /** What the desk does on its own is behind what was asked; a refused command waits for it. */
  const settled = () => sessions.carryOut(session, { type: 'stop' }).catch(() => {});

  test('when permission is missing, the recorder is never started', async () => {
    await expect(record()).rejects.toMatchObject({ code: 'not-permitted' });
    expect(recorder.state.state).toBe('idle');
    expect(recordings()).toEqual([]);
  });

  test('when it is permitted, record, pause, resume and stop are done by the recorder', async () => {
    grant('1.1');
    await record();
    expect(recorder.state.state).toBe('recording');
    expect(recordings()).toMatchObject([{ control: 'roomtape', recorder: 'camera' }]);
    await sessions.carryOut(session, { type: 'pause' });
    expect(recorder.state.state).toBe('paused');
    await sessions.carryOut(session, { type: 'resume' });
    expect(recorder.state.state).toBe('recording');
    await sessions.carryOut(session, { type: 'stop' });
    expect(recorder.state.state).toBe('stopped');
    expect(recordings()).toMatchObject([{ state: 'stopped', cause: 'asked' }]);
  });

  test('when its own buttons are pressed, the recording follows', async () => {
    grant('1.1');
    await record();
    await recorder.pause();
    await expect(sessions.carryOut(session, { type: 'pause' })).rejects.toThrow();
    expect(recordings()).toMatchObject([{ state: 'paused' }]);
    await recorder.resume();
    await recorder.stop();
    await settled();
    expect(recordings()).toMatchObject([{ state: 'stopped', cause: 'recorder-stopped' }]);
  });

  test('when the permission is withdrawn, the recorder is stopped', async () => {
    grant('1.1');
    await record();
    revoke();
    await reaches('stopped');
    expect(recordings()).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
    expect(warnings.notices[0]?.text).toContain('room 1: the permission was withdrawn');
    expect(warnings.notices[0]?.next).toBe('roomtape request --room 1');
    grant('1.1');
    await record();
    expect(warnings.notices).toEqual([]);
  });

  test('when a recorder that may not go on hangs, that is said, and it is stopped later', async () => {
    grant('1.1');
    await record();
    recorder.hangs = true;
    revoke();
    expect(recordings()).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
    await expect.poll(() => warnings.notices.at(-1)?.level).toBe('error');
    expect(warnings.notices.at(-1)?.text).toContain('camera does not answer');
    expect(events.some(({ type }) => type === 'warning:not-stopped')).toBe(true);
    recorder.hangs = false;
    desk.stopOverdue(recorder);
    await reaches('stopped');
    await expect.poll(() => warnings.notices.map(({ level }) => level)).toEqual(['warning']);
  });

  test('when the participant moves, one recording ends and the next begins with its own file', async () => {
    grant('1.1', '2.1');
    await record();
    const states: string[] = [];
    recorder.subscribe(({ now }) => void states.push(now.state));
    sessions.apply(session, { type: 'enter', room: '2' });
    await reaches('stopped');
    await reaches('recording');
    expect(states).toEqual(['stopped', 'recording']);
    expect(events.find(({ type }) => type === 'warning:recording-moved')?.text).toContain(
      'goes on there in a new file',
    );
    expect(recordings()).toMatchObject([
      { room: '1.1', state: 'stopped', cause: 'moved' },
      { room: '2.1', state: 'recording' },
    ]);
  });

  test('when the participant moves to where they may not record, the recorder is stopped', async () => {
    grant('1.1');
    await record();
    sessions.apply(session, { type: 'enter', room: '2' });
    await reaches('stopped');
    expect(recordings()).toMatchObject([{ state: 'stopped', cause: 'moved' }]);
  });

  test('when it is started by its own button without permission, it is flagged and left running', async () => {
    sessions.apply(session, { type: 'enter', room: '1' });
    await recorder.start();
    await expect(record()).rejects.toThrow();
    expect(recordings()).toMatchObject([
      { control: 'observed', permission: { kind: 'unpermitted' }, recorder: 'camera' },
    ]);
    expect(recorder.state.state).toBe('recording');
    expect(warnings.notices).toMatchObject([{ level: 'warning' }]);
    expect(events.some(({ type }) => type === 'warning:recording-without-permission')).toBe(true);
  });

  test('when the same happens with enforce on, it is stopped cleanly', async () => {
    await desk.close();
    close();
    await open('enforce=true');
    sessions.apply(session, { type: 'enter', room: '1' });
    await recorder.start();
    await reaches('stopped');
    await settled();
    expect(recordings()).toMatchObject([{ state: 'stopped', control: 'observed' }]);
    expect(warnings.notices).toMatchObject([{ level: 'info', next: 'roomtape request --room 1' }]);
    expect(warnings.notices[0]?.text).toContain('was stopped in room 1');
  });

  test('when it is started by its own button with permission, Roomtape drives it from there', async () => {
    grant('1.1');
    sessions.apply(session, { type: 'enter', room: '1' });
    await recorder.start();
    await expect(record()).rejects.toMatchObject({ code: 'wrong-state' });
    expect(recordings()).toMatchObject([{ control: 'roomtape', state: 'recording' }]);
    revoke();
    await reaches('stopped');
  });

  test('when a declared recording may not go on, the person is told to stop', async () => {
    grant('1.1');
    sessions.apply(session, { type: 'record', room: '1', control: 'declared' });
    revoke();
    const told = events.find(({ type }) => type === 'warning:stop-recording');
    expect(told?.text).toContain('the permission was withdrawn');
  });
});
