/**
 * `npm run fuzz [-- --count N] [-- READER…]`: damaged files by the hundred thousand for each reader.
 *
 * Promise: no input makes a reader throw, take more than 2 s, or more than 256 MB. A killer is saved
 * to fixtures/killers, where test/fuzz/killers.test.ts reads it from then on. Ends with exit code 1
 * if there was any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { mutated } from './mutation.ts';
import { loadSeeds, seedsByReader } from './readers.ts';

const longestMs = 2_000;
const mostKillers = 5;

const argv = process.argv.slice(2);
const countAt = argv.indexOf('--count');
const count = countAt >= 0 ? Number(argv[countAt + 1]) : 100_000;
const names = argv.filter((word, i) => !word.startsWith('-') && i !== countAt + 1);
const threads = availableParallelism();
const seeds = loadSeeds();
const readers = seedsByReader(seeds);
const killersFolder = join(import.meta.dirname, '..', '..', 'fixtures', 'killers');

interface Message {
  readonly kind: 'ready' | 'done' | 'killer';
  readonly number?: number;
  readonly seed?: string;
  readonly problem?: string;
}

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

/** Runs one thread's share; a thread that hangs or dies is replaced and goes on behind its killer. */
function runShare(reader: string, first: number, killers: Killer[]): Promise<void> {
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
      if (killers.length >= mostKillers) return resolve();
      void runShare(reader, number + threads, killers).then(resolve);
    };
    const watchdog = setInterval(() => {
      const began = view[1] ?? 0;
      if (began > 0 && Date.now() - began > longestMs * 2) replace('does not come to an end');
    }, 200);
    worker.on('error', (error) => replace(String(error)));
    worker.on('message', (message: Message) => {
      if (message.kind === 'ready') worker.postMessage({ reader, first, count, step: threads });
      if (message.kind === 'killer') {
        killers.push({ number: message.number ?? 0, problem: message.problem ?? '' });
      }
      if (message.kind === 'done' || killers.length >= mostKillers) {
        clearInterval(watchdog);
        void worker.terminate();
        resolve();
      }
    });
  });
}

let total = 0;
for (const reader of readers.keys()) {
  if (names.length > 0 && !names.some((name) => reader.includes(name))) continue;
  const began = performance.now();
  const killers: Killer[] = [];
  const shares = Array.from({ length: threads }, (_, i) => runShare(reader, i, killers));
  await Promise.all(shares);
  const seconds = (performance.now() - began) / 1_000;
  const memory = Math.round(process.memoryUsage.rss() / 1e6);
  const verdict = killers.length === 0 ? 'ok' : `${killers.length} KILLERS`;
  console.log(
    `${reader.padEnd(16)} ${count} inputs  ${seconds.toFixed(1)} s  ${memory} MB  ${verdict}`,
  );
  for (const killer of killers) save(reader, killer);
  total += killers.length;
}
process.exit(total > 0 ? 1 : 0);
