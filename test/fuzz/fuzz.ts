/**
 * `npm run fuzz [-- --count N] [-- --from N] [-- --seconds N] [-- READER…]`: damaged files by the
 * hundred thousand for each reader, the quick readers first. With `--seconds` a reader that has used up
 * its share of the time ends earlier, and the table says how many inputs it was given; what a quick one
 * leaves over is for the others.
 *
 * Promise: no input makes a reader throw, take more than 2 s, or more than 256 MB. A killer is saved
 * to fixtures/killers, where test/fuzz/killers.test.ts reads it from then on. Ends with exit code 1
 * if there was any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { mutated } from './mutation.ts';
import { loadSeeds, seedsByReader } from './readers.ts';

/** Four times what an input may take, and twice: a busy machine is no hang. */
const hangsMs = 16_000;
const mostKillers = 5;

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '100000' },
    from: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '1000000' },
  },
});
const from = Number(values.from);
const count = from + Number(values.count);
const deadline = Date.now() + Number(values.seconds) * 1_000;
const threads = availableParallelism();
const seeds = loadSeeds();
const readers = seedsByReader(seeds);
const killersFolder = join(import.meta.dirname, '..', '..', 'fixtures', 'killers');

interface Message {
  readonly kind: 'ready' | 'done' | 'killer';
  readonly number?: number;
  readonly seed?: string;
  readonly problem?: string;
  readonly done?: number;
}

/** By what an input costs, the quick ones first; one that is not named comes last. */
const order = [
  'wav',
  'aiff',
  'adts',
  'flac',
  'ogg',
  'mp3',
  'flv',
  'avi',
  'zoom',
  'matroska',
  'mpegts',
];
const rank = (reader: string) => {
  const at = order.findIndex((name) => reader.startsWith(name));
  return at < 0 ? order.length : at;
};

interface Killer {
  readonly number: number;
  readonly problem: string;
}

function save(reader: string, { number, problem }: Killer): void {
  const own = readers.get(reader) ?? [];
  const seed = own[number % own.length];
  const other = seeds[number % seeds.length];
  if (!seed || !other) return;
  mkdirSync(killersFolder, { recursive: true });
  const path = join(killersFolder, `${number}-${seed.name}`);
  writeFileSync(path, mutated(seed.bytes, other.bytes, number));
  console.log(`  ${path}\n    ${problem.split('\n').slice(0, 3).join('\n    ')}`);
}

/**
 * Runs one thread's share and says how many inputs that were; a thread that hangs or dies is replaced
 * and goes on behind its killer.
 */
function runShare(
  reader: string,
  first: number,
  until: number,
  killers: Killer[],
): Promise<number> {
  return new Promise((resolve) => {
    const shared = new SharedArrayBuffer(16);
    const view = new Float64Array(shared);
    const worker = new Worker(join(import.meta.dirname, 'thread.mjs'), {
      workerData: shared,
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    const replace = (problem: string) => {
      const number = view[0] ?? first;
      killers.push({ number, problem });
      clearInterval(watchdog);
      void worker.terminate();
      const done = Math.ceil((number - first) / threads) + 1;
      if (killers.length >= mostKillers) return resolve(done);
      void runShare(reader, number + threads, until, killers).then((rest) => resolve(done + rest));
    };
    const watchdog = setInterval(() => {
      const began = view[1] ?? 0;
      if (began > 0 && Date.now() - began > hangsMs) replace('does not come to an end');
    }, 200);
    worker.on('error', (error) => replace(String(error)));
    worker.on('message', (message: Message) => {
      if (message.kind === 'ready') {
        worker.postMessage({ reader, first, count, step: threads, until });
      }
      if (message.kind === 'killer') {
        killers.push({ number: message.number ?? 0, problem: message.problem ?? '' });
      }
      if (message.kind === 'done' || killers.length >= mostKillers) {
        clearInterval(watchdog);
        void worker.terminate();
        resolve(message.done ?? 0);
      }
    });
  });
}

const chosen = [...readers.keys()]
  .filter((reader) => names.length === 0 || names.some((name) => reader.includes(name)))
  .sort((a, b) => rank(a) - rank(b));
let total = 0;
for (const [at, reader] of chosen.entries()) {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const killers: Killer[] = [];
  const until = Date.now() + (deadline - Date.now()) / (chosen.length - at);
  const shares = Array.from({ length: threads }, (_, i) =>
    runShare(reader, from + i, until, killers),
  );
  const done = (await Promise.all(shares)).reduce((sum, one) => sum + one, 0);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const memory = Math.round(process.memoryUsage.rss() / 1e6);
  const verdict = killers.length === 0 ? 'ok' : `${killers.length} KILLERS`;
  console.log(
    `${reader.padEnd(16)} ${String(done).padStart(7)} inputs  ${seconds.toFixed(1)} s, ` +
      `${((user + system) / 1e6).toFixed(1)} s of CPU  ${memory} MB  ${verdict}`,
  );
  for (const killer of killers) save(reader, killer);
  total += killers.length;
}
process.exit(total > 0 ? 1 : 0);
