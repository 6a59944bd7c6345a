/**
 * Pictures whose NAL units do not chain up: what is told of garbage inside media that an index lists.
 *
 * Only the lengths in front of the units are looked at, in one pass over the file beside the search for
 * zeros.
 */

import { unitLength } from '../codec/nal.ts';
import { isSlice, type UnitFormat } from '../codec/nal-chain.ts';
import type { SampleColumns } from './sample-columns.ts';

/** Units that are looked at: more than there are, unless the samples of a damaged index share their bytes. */
const mostUnits = { perSample: 64, more: 10_000_000 };

export class UnitChains {
  /** Bytes that a block must hold behind the next one's beginning. */
  static readonly overlap = 8;
  /** Numbers of the samples of which not even the first slice has a length that fits. */
  readonly #broken: number[] = [];
  #fitting = 0;
  readonly #samples: SampleColumns;
  readonly #format: UnitFormat;
  #sample = 0;
  /** Where the next unit begins; -1 between samples. */
  #at = -1;
  #hasSlice = false;
  #left: number;

  constructor(samples: SampleColumns, format: UnitFormat) {
    this.#left = mostUnits.perSample * samples.count + mostUnits.more;
    this.#samples = samples;
    this.#format = format;
  }

  /**
   * Those samples; none where most are so: then the stream is written in another way. A sample whose
   * slices are there and something else behind them is none of them: encoders do leave such.
   */
  get broken(): readonly number[] {
    return this.#fitting > this.#broken.length ? this.#broken : [];
  }

  /** Goes on through a block that begins at byte `from`. Samples that lie before it are passed over. */
  take(block: Uint8Array, from: number): void {
    const { lengthBytes } = this.#format;
    for (; this.#sample < this.#samples.count && this.#left > 0; this.#sample += 1) {
      // Only the first sample description's way to write lengths is known.
      if ((this.#samples.description[this.#sample] ?? 1) !== 1) continue;
      const start = this.#samples.offset[this.#sample] ?? 0;
      const end = start + (this.#samples.size[this.#sample] ?? 0);
      if (this.#at < 0) [this.#at, this.#hasSlice] = [start, false];
      while (this.#at >= from && this.#at + lengthBytes < end && this.#left > 0) {
        const place = this.#at - from;
        if (place + lengthBytes >= block.length) return;
        if (!this.#step(block, place, end)) break;
      }
      if (this.#at === end) this.#fitting += 1;
      this.#at = -1;
    }
  }

  /** Passes over a unit; false where its length leads beyond the sample. */
  #step(block: Uint8Array, place: number, end: number): boolean {
    const { lengthBytes } = this.#format;
    this.#left -= 1;
    const next = this.#at + lengthBytes + unitLength(block, place, lengthBytes);
    if (next > end) {
      if (!this.#hasSlice) this.#broken.push(this.#sample);
      return false;
    }
    this.#hasSlice ||=
      next > this.#at + lengthBytes && isSlice(this.#format, block[place + lengthBytes] ?? 0);
    this.#at = next;
    return true;
  }
}
