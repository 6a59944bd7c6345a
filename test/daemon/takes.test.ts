/**
 * The journey of takes, with the built command, a real daemon and real recorders that are killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Ground } from '../faults/daemon-under-fault.ts';
import { recordedMp4 } from '../faults/replay.ts';
import { Machine } from '../story/roomtape-command.ts';
import { ffmpeg, h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const folder = temporaryFolder('takes');
const whole = join(folder, 'whole.mp4');
/** A constant rate, so that a few seconds make a file that a recorder has written blocks of. */
const settings = [
  ...[...h264AndAac, '-b:v', '4M', '-minrate', '4M', '-maxrate', '4M', '-bufsize', '1M'],
  ...['-x264-params', 'nal-hrd=cbr', '-flush_packets', '1'],
];
runFfmpeg(...pictureAndTone(5), ...settings, whole);

interface Take {
  readonly id: string;
  readonly path: string;
  readonly verdict: string;
  readonly recoveredPath: string | null;
  readonly stage: string;
  readonly sha256: string | null;
}
interface Listed {
  readonly id: string;
  readonly state: string;
  readonly startedAt: number;
  readonly takes: readonly Take[];
}

interface Shown {
  readonly takes: readonly {
    readonly detail: { readonly report?: { readonly reference: string | null } };
  }[];
}

const machines: Machine[] = [];
const recorders: ChildProcess[] = [];
afterEach(async () => {
  for (const recorder of recorders.splice(0)) recorder.kill('SIGKILL');
  for (const machine of machines.splice(0)) await machine.end();
});

let count = 0;
/** A machine with a daemon that watches a new folder. */
async function evening(...set: string[]) {
  const machine = new Machine({ TZ: 'UTC' });
  machines.push(machine);
  count += 1;
  const watched = join(folder, `evening-${count}`);
  mkdirSync(watched);
  await machine.json('up', ...set.flatMap((setting) => ['--set', setting]));
  await machine.json('watch', 'add', watched);
  return { machine, watched };
}

/** Starts a recorder that writes until it is killed: MP4 without fragments, flushed as it goes. */
function record(path: string): ChildProcess {
  const recorder = spawn(
    ffmpeg.path,
    [...['-nostdin', '-v', 'error', '-re', ...pictureAndTone(60), ...settings, path]],
    { stdio: 'ignore' },
  );
  recorders.push(recorder);
  return recorder;
}

const died = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

/** Waits for what can only be seen from outside. */
async function until<Found>(look: () => Promise<Found | undefined> | Found | undefined) {
  const began = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() - began > 60_000) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const sizeAtLeast = (path: string, bytes: number) => () =>
  (statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= bytes ? true : undefined;

const arrived = (machine: Machine, path: string) =>
  until(async () => {
    const listed = await machine.json<Listed>('list');
    const found = listed.find(({ takes }) => takes.some((take) => take.path === path));
    const take = found?.takes.find((one) => one.path === path);
    return found && take?.stage === 'indexed' ? { recording: found, take } : undefined;
  });

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const leftovers = (watched: string) =>
  readdirSync(watched).filter((name) => name.endsWith('.partial'));

describe('given a watched folder with a whole recording', () => {
  test('when a recorder is killed, then its file is found, recovered and indexed by itself', async () => {
    const { machine, watched } = await evening();
    copyFileSync(whole, join(watched, 'first.mp4'));
    await arrived(machine, join(watched, 'first.mp4'));
    const path = join(watched, 'second.mp4');
    const recorder = record(path);
    await until(sizeAtLeast(path, 600_000));
    const growing = await until(async () => {
      const [status] = await machine.json<{ takes: { path: string; growing: boolean }[] }>(
        'status',
      );
      return status?.takes.find((take) => take.path === path && take.growing);
    });
    expect(growing).toBeDefined();
    recorder.kill('SIGKILL');
    await died(recorder);
    const killedAt = Date.now();
    const before = digest(path);
    const { recording, take } = await arrived(machine, path);
    const [shown] = await machine.json<{ takes: { endedAt: number }[] }>('show', take.id);
    expect((shown?.takes[0]?.endedAt ?? 0) - killedAt).toBeLessThan(4_000);
    expect(recording.state).toBe('interrupted');
    expect(take).toMatchObject({
      verdict: 'interrupted',
      recoveredPath: join(watched, 'second.recovered.mp4'),
      sha256: before,
    });
    expect(digest(path)).toBe(before);
    expect(readdirSync(watched).sort()).toEqual([
      'first.mp4',
      'second.mp4',
      'second.recovered.mp4',
    ]);
    const verified = await machine.run('verify', take.id);
    expect(verified.code).toBe(0);
    // What Roomtape wrote itself is no new take.
    const listed = await machine.json<Listed>('list');
    expect(listed.flatMap(({ takes }) => takes)).toHaveLength(2);
  });

  test('when a file is brought later, the time inside it says whose it is, and it goes on', async () => {
    const { machine, watched } = await evening();
    await machine.run('session', 'create', 'Workshop', '--rooms', '1');
    await machine.run('record', '--recorder', 'manual');
    const [declared] = await machine.json<{ id: string }>('list');
    const made = join(folder, 'brought.mp4');
    const now = ['-metadata', `creation_time=${new Date().toISOString()}`];
    runFfmpeg(...pictureAndTone(1), ...h264AndAac, ...now, made);
    await machine.run('stop');
    const daemon = await machine.daemonPid();
    // By its birth on this disk, which is sure to two seconds, it is none of the recording's.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    copyFileSync(made, join(watched, 'brought.mp4'));
    const { recording } = await arrived(machine, join(watched, 'brought.mp4'));
    expect(recording.id).toBe(declared?.id);
    expect(await machine.daemonPid()).toBe(daemon);
  });

  test('when a growing file is renamed, then it stays one take', async () => {
    const { machine, watched } = await evening();
    const [path, renamed] = [join(watched, 'draft.mkv'), join(watched, 'room two.mkv')];
    const recorder = record(path);
    await until(sizeAtLeast(path, 300_000));
    await until(async () => {
      const [status] = await machine.json<{ takes: { path: string }[] }>('status');
      return status?.takes.find((take) => take.path === path);
    });
    renameSync(path, renamed);
    await until(sizeAtLeast(renamed, 600_000));
    recorder.kill('SIGKILL');
    const { take } = await arrived(machine, renamed);
    const listed = await machine.json<Listed>('list');
    expect(listed.flatMap(({ takes }) => takes.map(({ id }) => id))).toEqual([take.id]);
    expect(take.recoveredPath).toBe(join(watched, 'room two.recovered.mkv'));
  });
});

/** The file from whose set-up a take was repaired. */
async function referenceOf(machine: Machine, id: string): Promise<string | null | undefined> {
  const [take] = (await machine.json<Shown>('show', id)).flatMap(({ takes }) => takes);
  return take?.detail.report?.reference;
}

const hevc = join(import.meta.dirname, '..', '..', 'fixtures', 'isobmff', 'hevc-aac.mp4');

/** An evening with a torn recording of HEVC, whose parameter sets went with its index. */
async function eveningWithUnshown() {
  const { machine, watched } = await evening();
  const bytes = readFileSync(hevc);
  const mdat = bytes.indexOf('mdat') - 4;
  const torn = Buffer.from(bytes.subarray(0, mdat + Math.floor(bytes.readUInt32BE(mdat) * 0.9)));
  torn.writeUInt32BE(0, mdat);
  const path = join(watched, 'torn.mp4');
  writeFileSync(path, torn);
  return { machine, watched, path };
}

describe('given a folder of broken files with one whole one behind them', () => {
  test('all are looked at before any is repaired, so that the whole one serves them', async () => {
    const ground = await Ground.open();
    machines.push(ground.machine);
    await ground.machine.json('down');
    const small = readFileSync(join(fixtures, 'isobmff', 'h264-3aac.mp4'));
    const paths = ['a', 'b', 'c'].map((name) => ground.path(`${name}.mp4`));
    for (const path of paths) writeFileSync(path, recordedMp4(small).running);
    writeFileSync(ground.path('whole.mp4'), small);
    await ground.machine.json('up');
    for (const path of paths) {
      const { id, recoveredPath } = await ground.indexed(path);
      expect(recoveredPath).toBe(path.replace('.mp4', '.recovered.mp4'));
      const { takes } = await ground.client.call('recording.show', { id });
      const report = takes[0]?.detail['report'] as { reference?: string } | undefined;
      expect(report?.reference).toBe(ground.path('whole.mp4'));
    }
  });
});

describe('given a take whose pictures could not be shown for want of a reference', () => {
  test('when a whole recording of its kind appears, then it is repaired again, in its place', async () => {
    const { machine, watched, path } = await eveningWithUnshown();
    const before = await arrived(machine, path);
    const recovered = join(watched, 'torn.recovered.mp4');
    expect(before.take.recoveredPath).toBe(recovered);
    expect(await referenceOf(machine, before.take.id)).toBe(null);
    const unshown = digest(recovered);
    copyFileSync(hevc, join(watched, 'whole.mp4'));
    await until(() => (digest(recovered) === unshown ? undefined : true));
    const after = await until(async () => {
      const found = await arrived(machine, path);
      const [detail] = (await machine.json<Shown>('show', found.take.id)).flatMap(
        (one) => one.takes,
      );
      return detail?.detail.report?.reference ? found : undefined;
    });
    expect(after.take.recoveredPath).toBe(recovered);
    expect((await machine.run('verify', recovered)).code).toBe(0);
    expect(readdirSync(watched).sort()).toEqual(['torn.mp4', 'torn.recovered.mp4', 'whole.mp4']);
  });

  test('what somebody made of the repaired file meanwhile is left alone', async () => {
    const { machine, watched, path } = await eveningWithUnshown();
    await arrived(machine, path);
    const recovered = join(watched, 'torn.recovered.mp4');
    writeFileSync(recovered, 'edited');
    copyFileSync(hevc, join(watched, 'whole.mp4'));
    const again = join(watched, 'torn.recovered (2).mp4');
    await until(async () =>
      (await arrived(machine, path)).take.recoveredPath === again ? true : undefined,
    );
    expect(readFileSync(recovered, 'utf8')).toBe('edited');
    expect((await machine.run('verify', again)).code).toBe(0);
  });
});

describe('given the setting recovery=flag', () => {
  test('an interrupted file is only flagged, until somebody asks for its recovery', async () => {
    const { machine, watched } = await evening('recovery=flag');
    copyFileSync(whole, join(watched, 'first.mp4'));
    const path = join(watched, 'second.mp4');
    const recorder = record(path);
    await until(sizeAtLeast(path, 400_000));
    recorder.kill('SIGKILL');
    const { take } = await arrived(machine, path);
    expect(take).toMatchObject({ verdict: 'interrupted', recoveredPath: null });
    expect(readdirSync(watched)).not.toContain('second.recovered.mp4');
    const [recovered] = await machine.json('recover', take.id);
    expect(recovered).toMatchObject({ output: join(watched, 'second.recovered.mp4') });
    const after = await arrived(machine, path);
    expect(after.take.recoveredPath).toBe(join(watched, 'second.recovered.mp4'));
  });
});

describe('given a daemon that is killed', () => {
  test('when the recorder dies while no daemon runs, then the next one finds it', async () => {
    const { machine, watched } = await evening();
    copyFileSync(whole, join(watched, 'first.mp4'));
    const path = join(watched, 'second.mp4');
    const recorder = record(path);
    await until(sizeAtLeast(path, 400_000));
    process.kill(await machine.daemonPid(), 'SIGKILL');
    recorder.kill('SIGKILL');
    await died(recorder);
    await machine.json('up');
    const { take } = await arrived(machine, path);
    expect(take.recoveredPath).toBe(join(watched, 'second.recovered.mp4'));
  });

  test('when the power failed and left a closed file with a hole inside, then that is found and repaired', async () => {
    const { machine, watched } = await evening();
    const path = join(watched, 'first.mp4');
    const recorder = record(path);
    await until(sizeAtLeast(path, 1_500_000));
    await until(async () => {
      const listed = await machine.json<Listed>('list');
      return listed.some(({ takes }) => takes.some((take) => take.path === path)) || undefined;
    });
    process.kill(await machine.daemonPid(), 'SIGKILL');
    recorder.kill('SIGINT');
    await died(recorder);
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(65_536), 0, 65_536, 409_600);
    closeSync(file);
    await machine.json('up');
    const { take } = await arrived(machine, path);
    expect(take).toMatchObject({
      verdict: 'interrupted',
      recoveredPath: join(watched, 'first.recovered.mp4'),
    });
  });

  test('when the recorder goes on meanwhile, then its file is not touched before it ends', async () => {
    const { machine, watched } = await evening();
    copyFileSync(whole, join(watched, 'first.mp4'));
    const path = join(watched, 'second.mp4');
    const recorder = record(path);
    await until(sizeAtLeast(path, 300_000));
    process.kill(await machine.daemonPid(), 'SIGKILL');
    await machine.json('up');
    await until(sizeAtLeast(path, 1_500_000));
    expect(readdirSync(watched).sort()).toEqual(['first.mp4', 'second.mp4']);
    recorder.kill('SIGINT');
    const { take } = await arrived(machine, path);
    expect(take).toMatchObject({ verdict: 'whole', recoveredPath: null });
  });

  test('wherever in the journey it is killed, each file is recovered once and nothing is left', async () => {
    const { machine, watched } = await evening();
    const tornFiles = 3;
    const bytes = readFileSync(whole);
    copyFileSync(whole, join(watched, 'whole.mp4'));
    const mdat = bytes.indexOf('mdat') - 4;
    const torn = Buffer.from(bytes.subarray(0, mdat + Math.floor((bytes.length - mdat) * 0.7)));
    torn.writeUInt32BE(0, mdat);
    for (let n = 0; n < tornFiles; n += 1) writeFileSync(join(watched, `torn-${n}.mp4`), torn);
    for (const afterMs of [0, 300, 600, 1_000, 1_500]) {
      await machine.json('up');
      const pid = await machine.daemonPid();
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      process.kill(pid, 'SIGKILL');
    }
    await machine.json('up');
    for (let n = 0; n < tornFiles; n += 1) {
      const { take } = await arrived(machine, join(watched, `torn-${n}.mp4`));
      expect(take.recoveredPath).toBe(join(watched, `torn-${n}.recovered.mp4`));
    }
    expect(leftovers(watched)).toEqual([]);
    expect(readdirSync(watched)).toHaveLength(1 + 2 * tornFiles);
    const listed = await machine.json<Listed>('list');
    expect(listed.flatMap(({ takes }) => takes)).toHaveLength(1 + tornFiles);
  }, 120_000);
});
