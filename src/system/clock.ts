/**
 * The machine's clock, and waiting by it. Everything outside system/ gets the time as an argument.
 */

export interface Clock {
  /** Wall clock, ms since 1970. May jump in either direction. */
  now(): number;
  /** Never goes back: ms from an arbitrary start. Waiting and quiet times are measured with it. */
  elapsed(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
};

/** The longest wait a Node timer can hold; longer ones are waited for in steps. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * One appointment by the wall clock that is set again whenever it changes. It never fires early;
 * it is looked at again at least every minute, so that a clock that jumped or a machine that slept
 * is noticed within that time.
 */
export class Appointment {
  readonly #clock: Clock;
  readonly #meet: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at: number | null = null;

  constructor(clock: Clock, meet: () => void) {
    this.#clock = clock;
    this.#meet = meet;
  }

  /** Sets the moment (ms since 1970), replacing any earlier one; null cancels it. */
  set(at: number | null): void {
    this.#at = at;
    clearTimeout(this.#timer);
    if (at === null) return;
    const wait = Math.min(Math.max(0, at - this.#clock.now()), 60_000, longestTimerMs);
    this.#timer = setTimeout(() => {
      if (this.#at === null) return;
      if (this.#clock.now() < this.#at) return this.set(this.#at);
      this.#at = null;
      this.#meet();
    }, wait);
    this.#timer.unref();
  }

  cancel(): void {
    this.set(null);
  }
}
