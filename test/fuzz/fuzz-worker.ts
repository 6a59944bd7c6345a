/**
 * One thread of the fuzz run: takes inputs by number and says which of them a reader fell for.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { mutated } from './mutation.ts';
import { loadSeeds, readAll, seedsByReader } from './readers.ts';

interface Assignment {
  readonly reader: string;
  readonly first: number;
  readonly count: number;
  readonly step: number;
}

/** Shared with the watchdog: the input's number and when it was begun. */
const shared = new Float64Array(workerData as SharedArrayBuffer);
const seeds = loadSeeds();
const readers = seedsByReader(seeds);

parentPort?.on('message', ({ reader, first, count, step }: Assignment) => {
  const own = readers.get(reader) ?? [];
  for (let number = first; number < count; number += step) {
    const seed = own[number % own.length];
    const other = seeds[number % seeds.length];
    if (!seed || !other) continue;
    const bytes = mutated(seed.bytes, other.bytes, number);
    shared[0] = number;
    shared[1] = Date.now();
    let problem: string | null = null;
    try {
      problem = readAll(bytes, seed.profile);
    } catch (error) {
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    const tookMs = Date.now() - shared[1];
    if (tookMs > 2_000) problem ??= `took ${tookMs} ms`;
    shared[1] = 0;
    if (problem) parentPort?.postMessage({ kind: 'killer', number, seed: seed.name, problem });
  }
  parentPort?.postMessage({ kind: 'done' });
});
parentPort?.postMessage({ kind: 'ready' });
