/**
 * Many small facts at once: taken in their order, in slices that leave the event loop free, each slice
 * one transaction.
 *
 * A burst of new files would otherwise cost one synced write each, and nobody would be answered
 * meanwhile: 2,000 files held the daemon for 19 s.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Catalogue } from '../catalogue/catalogue.ts';

/** A slice ends after this time, in ms; its commit comes on top. */
const sliceMs = 15;

export class Batches {
  readonly #catalogue: Catalogue;
  #waiting: (() => void)[] = [];
  #working: Promise<void> | null = null;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** Does it soon, after all that was added before. A throw is a bug and ends the daemon. */
  add(work: () => void): void {
    this.#waiting.push(work);
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#working) await this.#working;
  }

  /** Drops what waits: the next daemon finds it again. */
  clear(): void {
    this.#waiting = [];
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await nextTurn();
      const slice = this.#waiting;
      const done = this.#catalogue.transaction(() => worked(slice));
      // What was added meanwhile stands at the end of the same list.
      this.#waiting = this.#waiting === slice ? slice.slice(done) : this.#waiting;
    }
  }
}

/** Does the first ones of a list until the time is up; says how many. */
function worked(list: readonly (() => void)[]): number {
  const began = performance.now();
  let done = 0;
  for (; done < list.length; done += 1) {
    if (performance.now() - began >= sliceMs) break;
    list[done]?.();
  }
  return done;
}
