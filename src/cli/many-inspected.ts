/**
 * Many small files, diagnosed with few trips to the thread that reads them.
 */
import { statSync } from 'node:fs';
import { RoomtapeError } from '../errors.ts';
import type { Rescue } from '../system/rescue.ts';
import type { Sampled } from '../system/rescue-jobs.ts';

/** Larger files show how far reading has come, each by itself. */
const smallFile = 4 * 1024 * 1024;

/** `roomtape inspect` of many: small files in a row, diagnosed together: a thousand of them would else be a thousand trips. */
export class ManyInspected {
  readonly #files: readonly string[];
  readonly #known = new Map<string, Sampled | RoomtapeError>();

  constructor(files: readonly string[]) {
    this.#files = files;
  }

  /** Undefined for a file that is better inspected by itself. Throws what stands in the way. */
  async sampled(path: string, rescue: Rescue, signal: AbortSignal): Promise<Sampled | undefined> {
    if (!this.#known.has(path)) await this.#read(path, rescue, signal);
    const found = this.#known.get(path);
    if (found instanceof RoomtapeError) throw found;
    return found;
  }

  async #read(path: string, rescue: Rescue, signal: AbortSignal): Promise<void> {
    const from = this.#files.indexOf(path);
    const some = this.#files.slice(from, from + 64);
    const end = some.findIndex((file) => !isSmall(file));
    const row = end < 0 ? some : some.slice(0, end);
    if (row.length < 2) return;
    this.#known.clear();
    const found = await rescue.diagnoseAll(row, { followLink: true, thorough: true, signal });
    row.forEach((file, place) => {
      const one = found[place];
      if (one) this.#known.set(file, one);
    });
  }
}

function isSmall(file: string): boolean {
  try {
    const found = statSync(file);
    return found.isFile() && found.size <= smallFile;
  } catch {
    return false; // whoever opens it will say why not
  }
}
