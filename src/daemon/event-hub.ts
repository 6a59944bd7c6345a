/**
 * Tells every listener what happens.
 */
import type { DaemonEvent } from '../api/events.ts';
import type { Clock } from '../system/clock.ts';

export class EventHub {
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: DaemonEvent) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  publish(event: Omit<DaemonEvent, 'at'>): void {
    const told = { at: this.#clock.now(), ...event };
    for (const listener of this.#listeners) listener(told);
  }

  subscribe(listener: (event: DaemonEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
