/**
 * Scans beside growing files: what the repair will need is found while the recorder still writes.
 *
 * Reading is the worker's; here it is decided when. The worker stores how far it came, so that a
 * daemon that died with the recorder goes on from there.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { systemCode } from '../system/files.ts';
import type { Rescue } from '../system/rescue.ts';
import { hasScan } from '../system/scan-store.ts';
import type { DaemonContext } from './area.ts';
import { profilesNear } from './references.ts';

/** The worker reads on when this much was added, in bytes, … */
const stepBytes = 2_000_000;
/** … and when this much time has passed, in ms: less is not worth waking it for. */
const stepMs = 2_000;
/** A file of which too little is known is tried again when it has grown by this factor. */
const laterFactor = 1.5;

interface Beside {
  /** Size at which the worker is asked next; infinite when never. */
  wantedAt: number;
  askedAt: number;
  asking: boolean;
}

export class ScansBeside {
  readonly #context: DaemonContext;
  readonly #rescue: Rescue;
  readonly #beside = new Map<string, Beside>();

  constructor(context: DaemonContext, rescue: Rescue) {
    this.#context = context;
    this.#rescue = rescue;
  }

  /** Where the scan of a take is stored. */
  storeOf(take: string): string {
    return join(this.#context.paths.scans, take);
  }

  /** A file was seen to have grown. */
  grew(take: string, path: string, size: number): void {
    const now = this.#context.clock.elapsed();
    const beside = this.#beside.get(take) ?? { wantedAt: 65_536, askedAt: -stepMs, asking: false };
    this.#beside.set(take, beside);
    if (beside.asking || size < beside.wantedAt || now - beside.askedAt < stepMs) return;
    beside.asking = true;
    beside.askedAt = now;
    void this.#readOn(take, path, size, beside);
  }

  async #readOn(take: string, path: string, size: number, beside: Beside): Promise<void> {
    const record = this.#context.catalogue.takes.byId(take);
    if (!record) return;
    try {
      const references = profilesNear(this.#context, record);
      const { state } = await this.#rescue.follow(path, this.storeOf(take), references);
      beside.wantedAt =
        state === 'follows'
          ? size + stepBytes
          : state === 'later'
            ? Math.ceil(size * laterFactor)
            : Number.POSITIVE_INFINITY;
    } catch (problem) {
      if (!(problem instanceof RoomtapeError)) throw problem;
      // The repair finds out for itself; beside the recorder nothing more is risked.
      beside.wantedAt = Number.POSITIVE_INFINITY;
      this.#context.log.warn({ take, err: problem }, 'a growing file is not scanned along');
    } finally {
      beside.asking = false;
    }
  }

  /** The take needs its scan no more. */
  drop(take: string): void {
    const store = this.storeOf(take);
    if (this.#beside.delete(take) || hasScan(store)) void this.#forget(store);
  }

  /** Removes what former daemons left of takes that have arrived since. */
  dropOthers(unfinished: readonly string[]): void {
    const kept = new Set(unfinished);
    let names: string[] = [];
    try {
      names = readdirSync(this.#context.paths.scans);
    } catch (problem) {
      if (systemCode(problem) !== 'ENOENT') throw problem;
    }
    const takes = new Set(names.map((name) => name.split('.')[0] ?? ''));
    for (const take of takes) if (!kept.has(take)) void this.#forget(this.storeOf(take));
  }

  async #forget(store: string): Promise<void> {
    try {
      await this.#rescue.forget(store);
    } catch (problem) {
      if (!(problem instanceof RoomtapeError)) throw problem; // the daemon is ending
    }
  }
}
