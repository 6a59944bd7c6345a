/**
 * Which recordings go on by themselves after their recorder died, with `resume-after-crash`: as soon
 * as the recorder is back, and not for ever.
 */
import type { RecordingId } from '../session/ids.ts';
import type { Clock } from '../system/clock.ts';

/** A recorder that died is started again at most so often in the window. */
const mostRestarts = 3;
/** How long a recording waits for its recorder, in ms. */
const windowMs = 10 * 60_000;

export class Restarts {
  readonly #clock: Clock;
  readonly #made = new Map<string, readonly number[]>();
  readonly #awaited = new Map<
    string,
    { readonly recording: RecordingId; readonly until: number }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True unless the recorder has died too often lately: starting it again would not help. */
  mayAgain(recorder: string): boolean {
    return this.#recent(recorder).length < mostRestarts;
  }

  /** Remembers the recording that goes on when the recorder is back. */
  awaits(recorder: string, recording: RecordingId): void {
    this.#awaited.set(recorder, { recording, until: this.#clock.elapsed() + windowMs });
  }

  /** The recording that goes on now that the recorder is back; it is given once. */
  take(recorder: string): RecordingId | undefined {
    const awaited = this.#awaited.get(recorder);
    this.#awaited.delete(recorder);
    const now = this.#clock.elapsed();
    if (!awaited || now > awaited.until) return undefined;
    this.#made.set(recorder, [...this.#recent(recorder), now]);
    return awaited.recording;
  }

  #recent(recorder: string): readonly number[] {
    const now = this.#clock.elapsed();
    return (this.#made.get(recorder) ?? []).filter((at) => now - at < windowMs);
  }
}
