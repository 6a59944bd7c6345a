/**
 * `npm run soak [-- --seconds N] [-- --recorders N] [-- --json]`: an evening of fifty recorders that
 * start, pause, stop and crash under one daemon. Afterwards descriptors, memory and watches are where
 * they were, and every file is accounted for; otherwise it ends with 1. Ten minutes unless told.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Ground, sha256 } from '../faults/daemon-under-fault.ts';
import { recordedMkv, recordedMp4 } from '../faults/replay.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    recorders: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const most = Number(values.recorders);

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'roomtape-soak-'));

/** What recorders replay, as files for their processes. */
const kinds = [
  recordedMp4(readFileSync(join(fixtures, 'isobmff', 'h264-3aac.mp4'))),
  recordedMp4(readFileSync(join(fixtures, 'isobmff', 'hevc-aac.mp4'))),
  recordedMkv(),
].map(({ extension, running, final }, n) => {
  const kind = { extension, running: join(scratch, `${n}.run`), final: join(scratch, `${n}.end`) };
  writeFileSync(kind.running, running);
  writeFileSync(kind.final, final);
  return { ...kind, whole: final };
});

interface Live {
  readonly path: string;
  readonly whole: Buffer;
  readonly child: ChildProcess;
  readonly gone: Promise<unknown>;
  paused: boolean;
}

const live = new Set<Live>();
/** The files that are finished or abandoned, and whether they are whole. */
const made = new Map<string, boolean>();
const counts = { started: 0, paused: 0, stopped: 0, crashed: 0 };

function pick<One>(list: readonly One[]): One {
  const one = list[Math.floor(Math.random() * list.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

function start(folder: string): void {
  const { extension, running, final, whole } = pick(kinds);
  counts.started += 1;
  const path = join(folder, `take ${counts.started}${extension}`);
  const argv = [join(import.meta.dirname, 'recorder.mjs'), path, running, final, '20000'];
  const child = spawn(process.execPath, argv, { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  live.add({ path, whole, child, gone, paused: false });
}

function pauseOrResume(one: Live): void {
  one.child.kill(one.paused ? 'SIGCONT' : 'SIGSTOP');
  one.paused = !one.paused;
  if (one.paused) counts.paused += 1;
}

/** Ends a recorder. How its file ended is known when its process is gone. */
async function end(one: Live, how: 'SIGINT' | 'SIGKILL'): Promise<void> {
  live.delete(one);
  if (one.paused) one.child.kill('SIGCONT');
  one.child.kill(how);
  await one.gone;
  counts[how === 'SIGINT' ? 'stopped' : 'crashed'] += 1;
  if (existsSync(one.path)) made.set(one.path, readFileSync(one.path).equals(one.whole));
}

interface Use {
  readonly descriptors: number;
  readonly watches: number;
  readonly memory: number;
}

/** What a process holds, by what the system says of it. */
function useOf(pid: number): Use {
  const textOf = (path: string) => {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      return ''; // closed since it was listed
    }
  };
  const descriptors = readdirSync(`/proc/${pid}/fdinfo`);
  const watches = descriptors
    .map((one) => textOf(`/proc/${pid}/fdinfo/${one}`).match(/^inotify /gm)?.length ?? 0)
    .reduce((sum, count) => sum + count, 0);
  const resident = /VmRSS:\s+(\d+)/.exec(textOf(`/proc/${pid}/status`))?.[1] ?? '0';
  return { descriptors: descriptors.length, watches, memory: Math.round(Number(resident) / 1_000) };
}

const larger = (a: Use, b: Use): Use => ({
  descriptors: Math.max(a.descriptors, b.descriptors),
  watches: Math.max(a.watches, b.watches),
  memory: Math.max(a.memory, b.memory),
});

/** What is wrong with the takes, as sentences. */
async function unaccounted(ground: Ground): Promise<string[]> {
  const takes = await ground.takes();
  const problems: string[] = [];
  for (const [path, isWhole] of made) {
    const [take, ...others] = takes.filter((one) => one.path === path);
    if (!take) problems.push(`${path} is in no take`);
    else if (others.length > 0) problems.push(`${path} is in ${others.length + 1} takes`);
    else if (take.stage !== 'indexed') problems.push(`${path} is only ${take.stage}`);
    else if (take.sha256 !== sha256(path)) problems.push(`${path} has another hash`);
    else if (isWhole && take.verdict !== 'whole') problems.push(`${path} is ${take.verdict}`);
  }
  for (const { path } of takes) if (!made.has(path)) problems.push(`nobody made ${path}`);
  for (const name of readdirSync(ground.watched, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.partial')) problems.push(`${name} was left behind`);
  }
  return problems;
}

if (process.platform !== 'linux') throw new Error('soak reads /proc: it runs on Linux');
const ground = await Ground.open();
const pid = await ground.machine.daemonPid();
const folders = Array.from({ length: 10 }, (_, n) => ground.path(`room ${n}`));
for (const folder of folders) mkdirSync(folder);
// A whole file and a torn one of each kind come first: the daemon has then done all it ever does.
for (const [n, { extension, running, whole }] of kinds.entries()) {
  for (const [name, bytes] of [
    [`whole ${n}`, whole],
    [`torn ${n}`, readFileSync(running).subarray(0, -2_000)],
  ] as const) {
    const path = join(pick(folders), `${name}${extension}`);
    writeFileSync(path, bytes);
    made.set(path, bytes === whole);
    await ground.indexed(path);
  }
}
await wait(10_000);
const before = useOf(pid);
let peak = before;
const until = Date.now() + seconds * 1_000;
while (Date.now() < until) {
  const one = live.size > 0 ? pick([...live]) : undefined;
  const roll = Math.random();
  if (!one || (live.size < most && roll < 0.7)) start(pick(folders));
  else if (roll < 0.85) pauseOrResume(one);
  else await end(one, roll < 0.925 ? 'SIGINT' : 'SIGKILL');
  peak = larger(peak, useOf(pid));
  await wait(Math.min(300, (seconds * 1_000) / (4 * most)));
}
for (const one of [...live]) await end(one, Math.random() < 0.5 ? 'SIGINT' : 'SIGKILL');
let problems = await unaccounted(ground);
const patience = Date.now() + 60_000 + seconds * 1_000;
while (problems.length > 0 && Date.now() < patience) {
  await wait(1_000);
  problems = await unaccounted(ground);
  peak = larger(peak, useOf(pid));
}
// A worker without work ends after a while, and with it what it holds.
await wait(40_000);
const after = useOf(pid);

const row = (name: keyof Use, goal: number) => ({
  before: before[name],
  peak: peak[name],
  after: after[name],
  goal: `at most ${goal}`,
  met: after[name] <= goal,
});
const rows = {
  'file descriptors': row('descriptors', before.descriptors + 3),
  // A watch for each folder, and none for a file.
  'inotify watches': row('watches', folders.length + 2),
  'memory, MB': row('memory', Math.round(before.memory * 1.2) + 30),
};
const met = Object.values(rows).every((one) => one.met) && problems.length === 0;
if (values.json) {
  console.log(JSON.stringify({ schemaVersion: 1, seconds, counts, rows, problems, met }, null, 2));
} else {
  const { started, paused, stopped, crashed } = counts;
  console.log(
    `${seconds} s, at most ${most} recorders at once: ${started} started, ${paused} pauses, ` +
      `${stopped} stopped, ${crashed} crashed; ${made.size} files`,
  );
  console.table(rows);
  const said = problems.length === 0 ? ['Every file is accounted for.'] : problems.slice(0, 20);
  console.log(said.join('\n'));
}
await ground.end();
rmSync(scratch, { recursive: true, force: true });
process.exitCode = met ? 0 : 1;
