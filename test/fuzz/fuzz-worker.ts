/**
 * One thread of the fuzz run: takes inputs by number and says which of them a reader fell for.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { mutated } from './mutation.ts';
import { loadSeeds, readAll, type Seed, seedsByReader } from './readers.ts';

interface Assignment {
  readonly reader: string;
  readonly first: number;
  readonly count: number;
  readonly step: number;
  /** No input is begun after this moment, ms since 1970. */
  readonly until: number;
}

/** By the reader's own word an input takes milliseconds; a machine that is busy may take longer. */
const longestMs = 2_000;

/** Shared with the watchdog: the input's number and when it was begun. */
const shared = new Float64Array(workerData as SharedArrayBuffer);
const seeds = loadSeeds();
const readers = seedsByReader(seeds);

parentPort?.on('message', ({ reader, first, count, step, until }: Assignment) => {
  const own = readers.get(reader) ?? [];
  let done = 0;
  for (let number = first; number < count && Date.now() < until; number += step) {
    const seed = own[number % own.length];
    const other = seeds[number % seeds.length];
    if (!seed || !other) continue;
    const bytes = mutated(seed.bytes, other.bytes, number);
    shared[0] = number;
    shared[1] = Date.now();
    let problem = problemWith(bytes, seed, number);
    if (Date.now() - shared[1] > longestMs) {
      shared[1] = Date.now();
      const before = process.cpuUsage();
      problem ??= problemWith(bytes, seed, number);
      const { user, system } = process.cpuUsage(before);
      // The whole process's: what takes less of it than this was kept waiting, and took no time itself.
      const tookMs = Math.min(Date.now() - shared[1], (user + system) / 1_000);
      if (tookMs > longestMs) problem ??= `took ${Math.round(tookMs)} ms, twice`;
    }
    done += 1;
    shared[1] = 0;
    if (problem) parentPort?.postMessage({ kind: 'killer', number, seed: seed.name, problem });
  }
  parentPort?.postMessage({ kind: 'done', done });
});
parentPort?.postMessage({ kind: 'ready' });

function problemWith(bytes: Uint8Array, seed: Seed, number: number): string | null {
  // Looking for settings without a reference costs most: every fourth input is asked for that, too.
  const withoutReference = number % 4 === 0;
  try {
    return readAll(bytes, seed.profile, withoutReference);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
