/**
 * Whole evenings: the built command, a real daemon, real recorder processes.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { EventLog } from './event-log.ts';
import { Recorder } from './recorder.ts';
import { Machine } from './roomtape-command.ts';

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly permission: string;
  readonly verdict: string;
  readonly participant: { readonly name: string } | null;
  readonly room: { readonly number: number } | null;
  readonly intervals: readonly (readonly [number, number | null])[];
  readonly takes: readonly {
    readonly id: string;
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
    readonly durationMs: number | null;
    readonly sha256: string | null;
    readonly stage: string;
  }[];
}

interface Status {
  readonly disagreements: readonly { readonly kind: string; readonly text: string }[];
}

const ended: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A session with two rooms, Ada in room 1 and Bo in room 2, each with a watched folder. */
async function evening() {
  const machine = new Machine();
  ended.push(() => machine.end());
  const home = realpathSync(machine.home);
  await machine.json('up');
  await machine.json('session', 'create', 'Evening', '--host', 'Mira', '--rooms', '2');
  await machine.json('participant', 'add', 'Ada', 'Bo');
  await machine.json('room', 'open');
  for (const name of ['Ada', 'Bo']) {
    mkdirSync(join(home, name));
    await machine.json('watch', 'add', join(home, name), '--as', name);
  }
  return { machine, home, log: listen(machine) };
}

function listen(machine: Machine): EventLog {
  const log = new EventLog(machine.home);
  ended.push(() => log.close());
  return log;
}

function recorder(path: string, tone?: number): Recorder {
  const started = new Recorder(path, tone);
  ended.push(() => started.kill());
  return started;
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

async function listed(machine: Machine, name: string): Promise<Listed> {
  const [found, ...others] = await machine.json<Listed>('list', '--participant', name);
  if (!found || others.length > 0)
    throw new Error(`${name} has ${others.length + (found ? 1 : 0)}`);
  return found;
}

describe('given an evening on which everything goes well', () => {
  test('states, intervals and files agree, and nothing is written beside the originals', async () => {
    const { machine, home, log } = await evening();
    await machine.json('grant', '--all', '--room', 'all', '--for', '2h');
    const [mp4, mkv] = [join(home, 'Ada', 'a.mp4'), join(home, 'Bo', 'b.mkv')];
    await machine.json('record', '--as', 'Ada', '--room', '1');
    const ada = recorder(mp4);
    await machine.json('record', '--as', 'Bo', '--room', '2');
    const bo = recorder(mkv, 660);
    await log.take('growing', mp4);
    await log.take('growing', mkv);
    ada.pause();
    await machine.json('pause', '--as', 'Ada');
    expect((await listed(machine, 'Ada')).state).toBe('paused');
    ada.resume();
    await machine.json('resume', '--as', 'Ada');
    await Promise.all([ada.stop(), bo.stop()]);
    await machine.json('stop', '--as', 'Ada');
    await machine.json('stop', '--as', 'Bo');
    await log.take('indexed', mp4);
    await log.take('indexed', mkv);
    const [first, second] = [await listed(machine, 'Ada'), await listed(machine, 'Bo')];
    expect(first).toMatchObject({ state: 'stopped', verdict: 'whole', permission: 'permitted' });
    expect(first.room?.number).toBe(1);
    expect(first.intervals).toHaveLength(2);
    expect(first.takes).toMatchObject([{ path: mp4, sha256: sha256(mp4), recoveredPath: null }]);
    expect(second).toMatchObject({ state: 'stopped', verdict: 'whole' });
    expect(second.takes).toMatchObject([{ path: mkv, sha256: sha256(mkv) }]);
    expect(readdirSync(join(home, 'Ada'))).toEqual(['a.mp4']);
    const [status] = await machine.json<Status>('status');
    expect(status?.disagreements).toEqual([]);
  });
});

describe('given a recorder that is killed', () => {
  test('its file is found, recovered with another’s whole file as reference, and verified', async () => {
    const { machine, home, log } = await evening();
    await machine.json('grant', '--all', '--room', 'all', '--for', '2h');
    const [whole, broken] = [join(home, 'Ada', 'a.mp4'), join(home, 'Bo', 'b.mp4')];
    await machine.json('record', '--as', 'Ada', '--room', '1');
    await machine.json('record', '--as', 'Bo', '--room', '2');
    const [ada, bo] = [recorder(whole), recorder(broken, 660)];
    await log.take('growing', whole);
    await log.take('growing', broken);
    // Bo's recorder dies first: what it left may have to wait for a reference.
    await bo.wrote(1_000_000);
    await bo.kill();
    const killedAt = Date.now();
    const settled = await log.take('settled', broken);
    expect(settled.at - killedAt).toBeLessThan(3_000);
    const before = sha256(broken);
    await log.take('indexed', broken);
    expect((await listed(machine, 'Bo')).state).toBe('interrupted');
    await ada.stop();
    await machine.json('stop', '--as', 'Ada');
    await log.take('verified', broken);
    await log.until(
      ({ type, body }) =>
        type === 'take:indexed' && body['path'] === broken && body['recoveredPath'] !== null,
    );
    const found = await listed(machine, 'Bo');
    const [take] = found.takes;
    expect(found.state).toBe('interrupted');
    expect(take).toMatchObject({ verdict: 'interrupted', stage: 'indexed', sha256: before });
    expect(sha256(broken)).toBe(before);
    const recovered = take?.recoveredPath ?? '';
    expect(recovered).toBe(join(home, 'Bo', 'b.recovered.mp4'));
    expect(take?.durationMs).toBeGreaterThan(500);
    const verified = await machine.run('verify', recovered, '--json');
    expect(verified.code).toBe(0);
    expect(readdirSync(join(home, 'Bo')).sort()).toEqual(['b.mp4', 'b.recovered.mp4']);
  });
});

describe('given permission that is missing or withdrawn', () => {
  test('recording is refused with 4, allowed, withdrawn, and what goes on is flagged', async () => {
    const { machine, home, log } = await evening();
    const path = join(home, 'Ada', 'a.mkv');
    const refused = await machine.run('record', '--as', 'Ada', '--room', '1');
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('roomtape request');
    await machine.json('grant', 'Ada', '--room', '1', '--for', '1h');
    await machine.json('record', '--as', 'Ada', '--room', '1');
    const ada = recorder(path);
    await log.take('growing', path);
    const elsewhere = await machine.run('record', '--as', 'Bo', '--room', '1');
    expect(elsewhere.code).toBe(4);
    await machine.json('revoke', 'Ada');
    expect(await listed(machine, 'Ada')).toMatchObject({ permission: 'flagged' });
    const again = await machine.run('record', '--as', 'Ada', '--room', '1');
    expect(again.code).toBe(4);
    await ada.stop();
    await log.take('indexed', path);
    const [take] = (await listed(machine, 'Ada')).takes;
    expect(take).toMatchObject({ path, verdict: 'whole' });
  });

  test('a file that grows and that nobody declared is said at once, listed and flagged', async () => {
    const { machine, home, log } = await evening();
    const path = join(home, 'Bo', 'secret.mkv');
    const bo = recorder(path);
    await log.take('growing', path);
    const [status] = await machine.json<Status>('status');
    expect(status?.disagreements.map(({ kind }) => kind)).toEqual(['undeclared']);
    await log.until(({ type }) => type === 'session:recording-started');
    await bo.stop();
    await log.take('indexed', path);
    expect(await listed(machine, 'Bo')).toMatchObject({
      permission: 'not-permitted',
      state: 'stopped',
      verdict: 'whole',
    });
  });
});

describe('given a daemon that is killed twenty times during an evening', () => {
  test('every recording is there once, in the right state, and every file is accounted for', async () => {
    const { machine, home } = await evening();
    await machine.json('grant', '--all', '--room', 'all', '--for', '2h');
    const paths = [join(home, 'Ada', 'a.mp4'), join(home, 'Bo', 'b.mp4')] as const;
    await machine.json('record', '--as', 'Ada', '--room', '1');
    await machine.json('record', '--as', 'Bo', '--room', '2');
    const [ada, bo] = [recorder(paths[0]), recorder(paths[1], 660)];
    for (let round = 0; round < 20; round += 1) {
      if (round === 8) await machine.json('pause', '--as', 'Ada');
      if (round === 10) await machine.json('resume', '--as', 'Ada');
      if (round === 12) await ada.stop();
      if (round === 14) await machine.json('stop', '--as', 'Ada');
      if (round === 16) await bo.kill();
      const pid = await machine.daemonPid().catch(() => 0);
      if (pid > 0) process.kill(pid, 'SIGKILL');
      // A random part of what a daemon does after its start happens before the next kill.
      await machine.json('up');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
    }
    const log = listen(machine);
    const done = async () => {
      const recordings = await machine.json<Listed>('list');
      const takes = recordings.flatMap((one) => one.takes);
      return takes.length >= 2 && takes.every(({ stage }) => stage === 'indexed');
    };
    for (let told = log.next(); !(await done()); told = log.next()) await told;
    const recordings = await machine.json<Listed>('list');
    expect(recordings).toHaveLength(2);
    const first = await listed(machine, 'Ada');
    const second = await listed(machine, 'Bo');
    expect(first).toMatchObject({ state: 'stopped', verdict: 'whole' });
    expect(first.intervals).toHaveLength(2);
    expect(first.takes).toMatchObject([{ path: paths[0], sha256: sha256(paths[0]) }]);
    expect(second).toMatchObject({ state: 'interrupted', verdict: 'interrupted' });
    expect(second.takes).toMatchObject([{ path: paths[1], sha256: sha256(paths[1]) }]);
    expect(existsSync(second.takes[0]?.recoveredPath ?? '')).toBe(true);
    expect(readdirSync(join(home, 'Bo')).sort()).toEqual(['b.mp4', 'b.recovered.mp4']);
    const audit = await machine.run('catalogue', 'check');
    expect(audit.code).toBe(0);
  }, 120_000);
});
