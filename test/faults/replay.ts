/**
 * Recorders for a handful of bytes each: the bytes of a real recording, written piece by piece to a
 * file that stays open, and then stopped as it should be, or left as a crash leaves it.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const seeds = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds');

/** What a recorder writes while it runs, and what it writes last when it is stopped. */
export interface Recorded {
  readonly extension: string;
  /** The bytes before it is stopped; for an MP4 the index comes later. */
  readonly running: Buffer;
  readonly final: Buffer;
}

/** An MP4 whose index comes last: until then its media has no length. */
export function recordedMp4(whole: Buffer = readFileSync(join(seeds, 'h264-aac.mp4'))): Recorded {
  const mdat = whole.indexOf('mdat') - 4;
  const running = Buffer.from(whole.subarray(0, mdat + whole.readUInt32BE(mdat)));
  running.writeUInt32BE(0, mdat);
  return { extension: '.mp4', running, final: whole };
}

/** A container that is sound as far as it is written. */
export function recordedMkv(): Recorded {
  const whole = readFileSync(join(seeds, 'h264-aac.mkv'));
  return { extension: '.mkv', running: whole, final: whole };
}

/** One file being recorded by this very process. */
export class Replay {
  readonly path: string;
  readonly #recorded: Recorded;
  #descriptor: number | undefined;
  #at = 0;

  constructor(path: string, recorded: Recorded) {
    this.path = path;
    this.#recorded = recorded;
    this.#descriptor = openSync(path, 'wx');
  }

  get recording(): boolean {
    return this.#descriptor !== undefined;
  }

  /** Writes some more; false when there is no more to write. */
  write(length: number): boolean {
    const { running } = this.#recorded;
    if (this.#descriptor === undefined || this.#at >= running.length) return false;
    this.#at += writeSync(this.#descriptor, running.subarray(this.#at, this.#at + length));
    return true;
  }

  /** Finishes the file, as the Stop button does. */
  stop(): void {
    if (this.#descriptor === undefined) return;
    writeSync(this.#descriptor, this.#recorded.final, 0, this.#recorded.final.length, 0);
    this.crash();
  }

  /** Leaves the file as it is. */
  crash(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
