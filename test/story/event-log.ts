/**
 * What a daemon tells, kept from the beginning, so that a test can wait for what it expects.
 */
import { createClient } from '../../src/api/client.ts';
import type { DaemonEvent } from '../../src/api/events.ts';
import { pathsOf } from '../../src/system/paths.ts';
import { version } from '../../src/system/version.ts';

export class EventLog {
  readonly events: DaemonEvent[] = [];
  readonly #stop = new AbortController();
  readonly #looks = new Set<() => void>();

  constructor(home: string) {
    void this.#listen(home);
  }

  async #listen(home: string): Promise<void> {
    const client = createClient(pathsOf(home).socket, version());
    for await (const event of client.events(this.#stop.signal)) {
      this.events.push(event);
      for (const look of this.#looks) look();
    }
  }

  /** The first event that fits, now or later. */
  until(fits: (event: DaemonEvent) => boolean): Promise<DaemonEvent> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.events.find(fits);
        if (!found) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      look();
    });
  }

  /** Whatever is told next. */
  next(): Promise<unknown> {
    const known = this.events.length;
    return this.until(() => this.events.length > known);
  }

  /** Waits until something of this type was told of the file. */
  take(type: string, path: string): Promise<DaemonEvent> {
    return this.until((event) => event.type === `take:${type}` && event.body['path'] === path);
  }

  /** Waits until something was warned of. */
  warning(kind: string): Promise<DaemonEvent> {
    return this.until((event) => event.type === `warning:${kind}`);
  }

  close(): void {
    this.#stop.abort();
  }
}
