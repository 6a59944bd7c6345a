/**
 * Many files inspected together: small ones are diagnosed with few trips to the thread that reads them,
 * and each folder is listed once for all its files.
 */
import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import type { Rescue } from '../system/rescue.ts';
import type { Sampled } from '../system/rescue-jobs.ts';

/** Larger files show how far reading has come, each by itself. */
const smallFile = 4 * 1024 * 1024;

/** `roomtape inspect` of many: small files in a row, diagnosed together: a thousand of them would else be a thousand trips. */
export class ManyInspected {
  readonly #files: readonly string[];
  readonly #known = new Map<string, Sampled | RoomtapeError>();
  /** Names that speak for a recorder, by folder. */
  readonly #telling = new Map<string, readonly string[]>();

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

  /** Which recorder made a file, by its name, its bytes and what lies beside it. */
  async recorderOf(path: string, { diagnosis, head }: Sampled): Promise<string> {
    const { recogniseRecorder } = await import('../recorders/profiles.ts');
    const whole = resolve(path);
    const telling = await this.#tellingIn(dirname(whole));
    const siblings = telling.filter((name) => name !== basename(whole));
    return recogniseRecorder({ path: whole, diagnosis, head, siblings }).recorder;
  }

  async #tellingIn(folder: string): Promise<readonly string[]> {
    const known = this.#telling.get(folder);
    if (known) return known;
    const [{ isTellingSibling }, { namesIn }] = await Promise.all([
      import('../recorders/profiles.ts'),
      import('../system/meeting-folder.ts'),
    ]);
    const telling = (await namesIn(folder)).filter(isTellingSibling);
    this.#telling.set(folder, telling);
    return telling;
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
