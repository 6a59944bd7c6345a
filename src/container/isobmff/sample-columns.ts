/**
 * Samples as columns: where each sample of a track lies and when it is decoded and shown.
 *
 * Typed arrays, 22 bytes a sample: a recording of ten hours has millions of them, and an object for
 * each would cost five times as much. A column that nothing but zeros were put into costs nothing: a
 * page of memory that was never written is not there.
 */

/** Samples of one track in decoding order. Times are in ticks of the track. */
export class SampleColumns {
  count = 0;
  /** Decoding time of the first sample. */
  start = 0;
  offset: Float64Array<ArrayBuffer>;
  size: Uint32Array<ArrayBuffer>;
  /** Ticks until the next sample is decoded. */
  duration: Uint32Array<ArrayBuffer>;
  /** Composition offset: ticks from decoding to showing; may be negative. */
  shift: Int32Array<ArrayBuffer>;
  /** 1 for samples a decoder can start at. */
  sync: Uint8Array<ArrayBuffer>;
  /** Index into the sample descriptions, from 1. */
  description: Uint8Array<ArrayBuffer>;

  constructor(capacity = 256) {
    const size = Math.max(16, capacity);
    this.offset = new Float64Array(size);
    this.size = new Uint32Array(size);
    this.duration = new Uint32Array(size);
    this.shift = new Int32Array(size);
    this.sync = new Uint8Array(size);
    this.description = new Uint8Array(size);
  }

  push(
    offset: number,
    size: number,
    duration: number,
    shift: number,
    sync: boolean,
    description = 1,
  ): void {
    const at = this.count;
    if (at === this.offset.length) this.#grow(Math.ceil(at * 1.5));
    this.count = at + 1;
    this.offset[at] = offset;
    this.size[at] = size;
    this.duration[at] = duration;
    if (shift !== 0) this.shift[at] = shift;
    this.sync[at] = sync ? 1 : 0;
    this.description[at] = description;
  }

  /** Adds a sample of other columns. */
  take(from: SampleColumns, at: number): void {
    this.push(
      from.offset[at] ?? 0,
      from.size[at] ?? 0,
      from.duration[at] ?? 0,
      from.shift[at] ?? 0,
      from.sync[at] === 1,
      from.description[at] ?? 1,
    );
  }

  /** Ticks of all samples together. */
  ticks(): number {
    let sum = 0;
    for (let index = 0; index < this.count; index += 1) sum += this.duration[index] ?? 0;
    return sum;
  }

  /**
   * Ticks from the first decoding time to when the last sample in display order stops being shown.
   * Where a group of pictures is cut off, that lies further behind than the sum of durations says.
   */
  shownTicks(): number {
    let [time, end] = [0, 0];
    for (let index = 0; index < this.count; index += 1) {
      const duration = this.duration[index] ?? 0;
      end = Math.max(end, time + (this.shift[index] ?? 0) + duration);
      time += duration;
    }
    return end;
  }

  /** Bytes of all samples together. */
  bytes(): number {
    let sum = 0;
    for (let index = 0; index < this.count; index += 1) sum += this.size[index] ?? 0;
    return sum;
  }

  /** Where the byte after the last one of any sample lies; 0 without samples. */
  end(): number {
    let end = 0;
    for (let index = 0; index < this.count; index += 1) {
      end = Math.max(end, (this.offset[index] ?? 0) + (this.size[index] ?? 0));
    }
    return end;
  }

  #grow(size: number): void {
    this.offset = grown(this.offset, new Float64Array(size));
    this.size = grown(this.size, new Uint32Array(size));
    this.duration = grown(this.duration, new Uint32Array(size));
    this.shift = grown(this.shift, new Int32Array(size));
    this.sync = grown(this.sync, new Uint8Array(size));
    this.description = grown(this.description, new Uint8Array(size));
  }
}

function grown<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}
