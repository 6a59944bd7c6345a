/**
 * A large tree of recording folders: 10,000 folders with 100,000 files.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { absolute, type Benchmark, percentile } from './figures.ts';

const folders = 10_000;
const filesPerFolder = 10;
const growing = 200;

/** A process that only watches, so that nothing else is measured with it. */
const watchOnly = `
  import { openWatcher } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'dist', 'system', 'watcher.js'))};
  const onEvent = (e) => { if (ready && e.kind === 'sighted') process.send({ path: e.sighting.path }); };
  let ready = false;
  const watch = openWatcher({ onEvent });
  const began = performance.now();
  await watch.add(process.argv[1]);
  ready = true;
  process.send({ ready: performance.now() - began });
  process.on('message', () => process.send({ cpu: process.cpuUsage(), memory: process.memoryUsage.rss() }));
`;

interface Report {
  readonly ready?: number;
  readonly path?: string;
  readonly cpu?: NodeJS.CpuUsage;
  readonly memory?: number;
}

function makeTree(root: string): string[] {
  const files: string[] = [];
  for (let i = 0; i < folders; i += 1) {
    const folder = join(root, `${Math.floor(i / 100)}`, `meeting ${i}`);
    mkdirSync(folder, { recursive: true });
    for (let k = 0; k < filesPerFolder; k += 1) {
      const file = join(folder, `take ${k}.mp4`);
      writeFileSync(file, '');
      utimesSync(file, 1_700_000_000, 1_700_000_000);
      files.push(file);
    }
  }
  return files;
}

async function ask(child: ChildProcess): Promise<Report> {
  child.send('report');
  for (;;) {
    const [report] = (await once(child, 'message')) as [Report];
    if (report.cpu) return report;
  }
}

/** The middle one of several: V8 tidies its heap once, some time after the tree was listed. */
async function idleShare(child: ChildProcess): Promise<number> {
  const shares: number[] = [];
  for (let n = 0; n < 9; n += 1) shares.push(await cpuShare(child, 5));
  return percentile(shares, 0.5);
}

/** CPU time of the child as a share of one core over some seconds. */
async function cpuShare(child: ChildProcess, seconds: number): Promise<number> {
  const before = await ask(child);
  await wait(seconds * 1_000);
  const after = await ask(child);
  const used = (report: Report) => (report.cpu?.user ?? 0) + (report.cpu?.system ?? 0);
  return (used(after) - used(before)) / (seconds * 10_000);
}

export const watching: Benchmark = {
  name: 'watching',
  async run(scratch) {
    const files = makeTree(scratch);
    const argv = ['--input-type=module', '-e', watchOnly, scratch];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [{ ready = Number.NaN }] = (await once(child, 'message')) as [Report];
    const written = new Map<string, number>();
    const ages: number[] = [];
    child.on('message', ({ path = '' }: Report) => {
      const at = written.get(path);
      if (at !== undefined) ages.push(performance.now() - at);
      written.delete(path);
    });
    await wait(5_000);
    const idle = await idleShare(child);
    const memory = ((await ask(child)).memory ?? Number.NaN) / 1e6;
    const writer = setInterval(() => {
      for (let i = 0; i < growing; i += 1) {
        const path = files[i * 401] ?? '';
        if (!written.has(path)) written.set(path, performance.now());
        appendFileSync(path, 'x');
      }
    }, 1_000);
    const busy = await cpuShare(child, 20);
    clearInterval(writer);
    child.kill();
    return [
      absolute('10,000 folders, 100,000 files: time until watched', ready, 'ms', { most: 1_500 }),
      absolute('the same: memory of the process', memory, 'MB', { most: 130 }),
      absolute('the same: CPU of one core when nothing happens', idle, '%', { most: 0.05 }),
      absolute('the same: CPU while 200 files grow', busy, '%', { most: 6 }),
      absolute('the same: age of an event, 99th percentile', percentile(ages, 0.99), 'ms', {
        most: 50,
      }),
    ];
  },
};
