/**
 * The copy of a broken file, made while its repair is still being found.
 *
 * Most repairs of MP4 keep every media byte where it lies, so the new file is a copy with a few bytes
 * patched. Where the file system cannot clone, a second thread copies while the rescue worker looks
 * for samples: a recovery then takes as long as the longer of the two, not as both.
 */
import { rmSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { Cancelled, type Progress } from '../container/bytes.ts';
import type { FileIdentity, FileSource } from './files.ts';
import { startThread } from './thread.ts';

/** What lies in a core's cache between reading and writing costs half: 1.1 s a GB, 2.2 s in 4 MB. */
export const blockSize = 256 * 1024;

/** Where in the shared numbers what is told. */
export const places = { state: 0, stop: 1, blocks: 2 } as const;
export const copyStates = { running: 0, copied: 1, failed: 2 } as const;

export interface CopyOrder {
  readonly path: string;
  /** Where the copy goes; it must not be there yet. */
  readonly partial: string;
  readonly identity: FileIdentity;
  readonly shared: Int32Array;
}

/** A copier that does not come on for this long is given up. */
const stallMs = 120_000;
const lookMs = 100;

export class CopyAhead {
  readonly partial: string;
  readonly #shared = new Int32Array(new SharedArrayBuffer(12));
  readonly #thread: Worker;

  constructor(source: FileSource, partial: string) {
    this.partial = partial;
    const { path, identity } = source;
    const workerData: CopyOrder = { path, partial, identity, shared: this.#shared };
    this.#thread = startThread('copy-thread', {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
      name: 'roomtape-copy',
    });
    // What ends it is told by the shared numbers.
    this.#thread.on('error', () => this.#shared.fill(copyStates.failed, 0, 1));
    this.#thread.unref();
  }

  /**
   * Waits until the copy is whole; the calling thread does nothing else meanwhile.
   *
   * @returns false when there is none: then nothing is left of it
   * @throws Cancelled when `progress` says so
   */
  finish(progress?: Progress): boolean {
    const isCopied = this.#wait(progress) === copyStates.copied;
    if (!isCopied) this.abandon();
    return isCopied;
  }

  /** Ends the copy, if it still goes on, and removes it. */
  abandon(): void {
    Atomics.store(this.#shared, places.stop, 1);
    this.#wait();
    void this.#thread.terminate();
    rmSync(this.partial, { force: true });
  }

  #wait(progress?: Progress): number {
    let blocks = -1;
    let movedAt = performance.now();
    for (;;) {
      Atomics.wait(this.#shared, places.state, copyStates.running, lookMs);
      const state = Atomics.load(this.#shared, places.state);
      if (state !== copyStates.running) return state;
      const now = Atomics.load(this.#shared, places.blocks);
      if (now !== blocks) [blocks, movedAt] = [now, performance.now()];
      if (performance.now() - movedAt > stallMs) return copyStates.failed;
      if (progress?.(now * blockSize) === false) throw new Cancelled();
    }
  }
}
