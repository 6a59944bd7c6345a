/**
 * What a person notices of the daemon: memory at rest, how soon a change is on screen, whether it answers
 * in a busy evening, and how long a start takes when nothing has changed.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Ground, until } from '../faults/daemon-under-fault.ts';
import { Replay, recordedMkv, recordedMp4 } from '../faults/replay.ts';
import { hostileFiles } from '../fuzz/hostile-media.ts';
import { EventLog } from '../story/event-log.ts';
import { absolute, type Benchmark, type Figure, percentile, samplesOf } from './figures.ts';
import { ProbedDaemon } from './probed-daemon.ts';

const folders = 1_000;

/** Resident memory of a process, MB. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1_000;
}

async function atRest(): Promise<Figure[]> {
  const ground = await Ground.open();
  try {
    const watched = mkdtempSync(join(tmpdir(), 'roomtape-thousand-'));
    for (let n = 0; n < folders; n += 1) mkdirSync(join(watched, `room ${n}`));
    await ground.machine.json('watch', 'add', watched);
    await wait(10_000);
    const memory = memoryOf(await ground.machine.daemonPid());
    rmSync(watched, { recursive: true });
    return [absolute('daemon at rest with 1,000 folders: memory', memory, 'MB', { most: 80 })];
  } finally {
    await ground.end();
  }
}

/** Fifty recorders, some of which end every second, while somebody asks for the list. */
async function busyEvening(): Promise<Figure[]> {
  const daemon = await ProbedDaemon.open();
  try {
    const kinds = [recordedMp4(), recordedMkv()];
    const recorders: Replay[] = [];
    await daemon.read();
    for (let second = 0; second < 30; second += 1) {
      while (recorders.length < 50) {
        const kind = kinds[recorders.length % 2] ?? recordedMkv();
        const name = `${second}-${recorders.length}${kind.extension}`;
        recorders.push(new Replay(daemon.ground.path(name), kind));
      }
      for (const one of recorders) one.write(500);
      recorders.shift()?.stop();
      recorders.shift()?.crash();
      await daemon.ground.client.call('recording.list', {});
      await wait(1_000);
    }
    const { p99, most } = await daemon.read();
    for (const one of recorders) one.crash();
    return [
      absolute('fifty recorders: stall of the event loop, 99th percentile', p99, 'ms', {
        most: 50,
      }),
      absolute('the same: longest stall', most, 'ms', { most: 200 }),
    ];
  } finally {
    await daemon.end();
  }
}

/** Files made to hurt are put into a watched folder: readers work in threads of their own. */
async function hostileMedia(): Promise<Figure[]> {
  const daemon = await ProbedDaemon.open();
  try {
    const files = hostileFiles();
    await daemon.read();
    for (const { name, bytes } of files) writeFileSync(daemon.ground.path(name), bytes);
    await until(async () => {
      const takes = await daemon.ground.takes();
      return takes.length === files.length && takes.every(({ stage }) => stage === 'indexed');
    }, 120_000);
    const { p99, most } = await daemon.read();
    return [
      absolute('hostile media: stall of the event loop, 99th percentile', p99, 'ms', { most: 50 }),
      absolute('the same: longest stall', most, 'ms', { most: 50 }),
    ];
  } finally {
    await daemon.end();
  }
}

/** From the command of one person to the event that another one's screen shows. */
async function onScreen(): Promise<Figure[]> {
  const ground = await Ground.open();
  const log = new EventLog(ground.machine.home);
  try {
    await ground.session();
    const ages: number[] = [];
    await ground.client.call('session.do', { as: 'Ada', command: { type: 'record', room: '1' } });
    for (let n = 0; n < 60; n += 1) {
      const type = n % 2 === 0 ? 'pause' : 'resume';
      const seen = log.events.length;
      const began = performance.now();
      const told = log.until(
        (event) => log.events.indexOf(event) >= seen && /paused|resumed/.test(event.type),
      );
      await ground.client.call('session.do', { as: 'Ada', command: { type } });
      await told;
      ages.push(performance.now() - began);
    }
    return [
      absolute('a change of state is on screen, 99th percentile', percentile(ages, 0.99), 'ms', {
        most: 250,
      }),
    ];
  } finally {
    log.close();
    await ground.end();
  }
}

/** From the start of a daemon until it knows `count` files again, in ms. */
async function restarted(count: number): Promise<number> {
  const ground = await Ground.open();
  try {
    for (let n = 0; n < count; n += 1) writeFileSync(ground.path(`take ${n}.mkv`), '');
    await until(async () => {
      const takes = await ground.takes();
      return takes.length === count && takes.every(({ stage }) => stage === 'indexed');
    }, 300_000);
    const times: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      await ground.machine.json('down');
      const began = performance.now();
      await ground.machine.json('up');
      await until(async () => {
        const [folder] = await ground.client.call('watch.list', {});
        return folder?.files === count;
      });
      times.push(performance.now() - began);
    }
    return samplesOf(times).median;
  } finally {
    await ground.end();
  }
}

/** A start over files that are all in the catalogue, without what a start costs anyway. */
async function restart(): Promise<Figure[]> {
  const [few, many] = [1, 3_000];
  const extra = (await restarted(many)) - (await restarted(few));
  const each = Math.max(0, extra) / (many - few);
  return [absolute('restart with nothing changed: time a file', each, 'ms', { most: 0.1 })];
}

export const daemonLife: Benchmark = {
  name: 'daemon',
  async run() {
    const figures: Figure[] = [];
    for (const part of [atRest, onScreen, busyEvening, hostileMedia, restart])
      figures.push(...(await part()));
    return figures;
  },
};
