/**
 * What interrupts the daemon: somebody ends it, its data folder takes nothing more, or a bug.
 *
 * A write that fails under a request is that request's obstacle. One that fails in the background has
 * nobody to tell, and what the memory holds is ahead of the disk: the daemon begins anew from the
 * disk, as after a crash, once it can be written to.
 */
import { isOfClosedFile } from '../catalogue/damage.ts';
import { RoomtapeError } from '../errors.ts';
import type { Log } from '../system/log.ts';

export type Interruption =
  | { readonly kind: 'end'; readonly reason: string }
  | { readonly kind: 'unwritable'; readonly problem: RoomtapeError };

/** True for a disk that is full, failing or read-only. */
export const isUnwritable = (
  problem: unknown,
): problem is RoomtapeError & { readonly code: 'disk-full' | 'write-failed' } =>
  problem instanceof RoomtapeError &&
  (problem.code === 'disk-full' || problem.code === 'write-failed');

export class Interruptions {
  /** Resolves when somebody ends the daemon. */
  readonly ended: Promise<void>;
  readonly #log: Log;
  #resolveEnded: () => void = () => {};
  #end: Interruption | undefined;
  #first: Interruption | undefined;
  #wake: (() => void) | undefined;
  #signals = 0;

  constructor(log: Log) {
    this.#log = log;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        this.#signals += 1;
        if (this.#signals > 2) process.exit(1);
        this.end(signal);
      });
    }
    process.on('uncaughtException', (problem) => this.#uncaught(problem));
    process.on('unhandledRejection', (problem) => this.#uncaught(problem));
  }

  /** Ends the daemon, whatever else is the matter. */
  end(reason: string): void {
    this.#end ??= { kind: 'end', reason };
    this.#resolveEnded();
    this.#wake?.();
  }

  /** Resolves with the first interruption since {@link begin}; an end stays one for ever. */
  async next(): Promise<Interruption> {
    for (;;) {
      const found = this.#end ?? this.#first;
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The daemon begins anew: what failed before is of no interest any more. */
  begin(): void {
    this.#first = undefined;
  }

  #uncaught(problem: unknown): void {
    if (isUnwritable(problem)) {
      this.#log.error({ err: problem }, 'the data folder cannot be written to');
      this.#first ??= { kind: 'unwritable', problem };
      this.#wake?.();
      return;
    }
    if (isOfClosedFile(problem)) {
      // Work that was under way when its catalogue was closed; it is begun again from the disk.
      this.#log.warn({ err: problem }, 'work ended with its catalogue');
      return;
    }
    // A bug ends the daemon, because what it would go on with may be wrong; the log says what it was.
    this.#log.error({ err: problem }, 'a bug ends the daemon');
    const text =
      problem instanceof RoomtapeError
        ? `${problem.message}${problem.next ? `\nnext:     ${problem.next}` : ''}`
        : `A mistake in Roomtape ended the daemon: ${problem instanceof Error ? problem.stack : problem}`;
    process.stderr.write(`roomtape: ${text}\n`);
    process.exit(1);
  }
}
