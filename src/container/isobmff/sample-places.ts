/**
 * Which samples of a track lie in a range of the file.
 */
import type { SampleColumns } from './sample-columns.ts';

// Samples of a damaged index may all lie in the same bytes, and would be asked again for each run in them.
const mostAsked = { perSample: 16, more: 4_000_000 };

export class SamplePlaces {
  readonly #samples: SampleColumns;
  /** Numbers of the samples by their offsets; null where they lie in that order anyway. */
  readonly #order: Uint32Array | null;
  #left: number;

  constructor(samples: SampleColumns) {
    this.#samples = samples;
    this.#left = mostAsked.perSample * samples.count + mostAsked.more;
    this.#order = isAscending(samples) ? null : byOffset(samples);
  }

  /** Numbers of the samples of which at least a byte lies in `from` … `to`, as they lie in the file. */
  *within(from: number, to: number): Generator<number> {
    for (let place = this.#firstEndingBehind(from); place < this.#samples.count; place += 1) {
      const sample = this.#at(place);
      this.#left -= 1;
      if ((this.#samples.offset[sample] ?? 0) >= to || this.#left < 0) return;
      yield sample;
    }
  }

  #firstEndingBehind(offset: number): number {
    let [low, high] = [0, this.#samples.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const sample = this.#at(middle);
      const end = (this.#samples.offset[sample] ?? 0) + (this.#samples.size[sample] ?? 0);
      if (end > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #at(place: number): number {
    return this.#order ? (this.#order[place] ?? 0) : place;
  }
}

function isAscending({ offset, count }: SampleColumns): boolean {
  for (let at = 1; at < count; at += 1) {
    if ((offset[at] ?? 0) < (offset[at - 1] ?? 0)) return false;
  }
  return true;
}

function byOffset({ offset, count }: SampleColumns): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, at) => at);
  return order.sort((a, b) => (offset[a] ?? 0) - (offset[b] ?? 0));
}
