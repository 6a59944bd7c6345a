/**
 * Samples as a scan finds them: in file order, of all tracks together, in typed columns.
 *
 * Eighteen bytes a sample. Where a sample stands among those of the other tracks is what its time is
 * told from later (timing.ts), so the order in the file is kept.
 */

export const foundFlags = {
  /** A decoder can start here. */
  sync: 1,
  /** The first picture of a new count of display order. */
  epochStart: 2,
  /** The first sample behind a hole. */
  afterHole: 4,
} as const;

/** A run of bytes in which no sample could be found. */
export interface Hole {
  readonly from: number;
  readonly to: number;
  /** Number of samples of all tracks found before it. */
  readonly samplesBefore: number;
  /** Every byte of it is zero. */
  readonly zeros: boolean;
}

/** Memory that nothing was written to is none; each growing leaves the smaller columns to be collected. */
const growth = 3;

/** More holes than a disk with real damage leaves; those beyond are counted with the last one. */
const mostHoles = 10_000;

export class FoundSamples {
  count = 0;
  offset: Float64Array<ArrayBuffer>;
  size: Uint32Array<ArrayBuffer>;
  /** Index of the track in the model. */
  track: Uint8Array<ArrayBuffer>;
  flags: Uint8Array<ArrayBuffer>;
  /** Video: display order within its epoch. Audio: ticks of sound at the codec's rate. */
  order: Int32Array<ArrayBuffer>;
  readonly holes: Hole[] = [];

  constructor(capacity = 1024) {
    this.offset = new Float64Array(capacity);
    this.size = new Uint32Array(capacity);
    this.track = new Uint8Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.order = new Int32Array(capacity);
  }

  push(offset: number, size: number, track: number, flags: number, order: number): void {
    const at = this.count;
    if (at === this.offset.length) this.#grow(at * growth + 16);
    this.count = at + 1;
    this.offset[at] = offset;
    this.size[at] = size;
    this.track[at] = track;
    this.flags[at] = flags;
    this.order[at] = order;
  }

  addHole(hole: Hole): void {
    if (this.holes.length < mostHoles) this.holes.push(hole);
  }

  /** Forgets everything: what was found turned out to be a copy of what follows. */
  clear(): void {
    this.count = 0;
    this.holes.length = 0;
  }

  /** Forgets the samples from number `count` on. */
  truncate(count: number): void {
    this.count = Math.min(this.count, count);
    while ((this.holes.at(-1)?.samplesBefore ?? 0) > this.count) this.holes.pop();
  }

  /** How many samples of each track there are. */
  perTrack(tracks: number): number[] {
    const counts = new Array<number>(tracks).fill(0);
    for (let index = 0; index < this.count; index += 1) {
      const track = this.track[index] ?? 0;
      counts[track] = (counts[track] ?? 0) + 1;
    }
    return counts;
  }

  /** The columns as bytes, for a scan that is to be resumed: 18 a sample, no header. */
  serialise(from = 0): Uint8Array {
    const count = this.count - from;
    const bytes = new Uint8Array(count * 18);
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < count; index += 1) {
      const at = index * 18;
      view.setFloat64(at, this.offset[from + index] ?? 0);
      view.setUint32(at + 8, this.size[from + index] ?? 0);
      view.setInt32(at + 12, this.order[from + index] ?? 0);
      view.setUint8(at + 16, this.track[from + index] ?? 0);
      view.setUint8(at + 17, this.flags[from + index] ?? 0);
    }
    return bytes;
  }

  /** Adds what `serialise` gave. Surplus bytes at the end (a torn write) are left out. */
  deserialise(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 18 <= bytes.length; at += 18) {
      const size = view.getUint32(at + 8);
      const order = view.getInt32(at + 12);
      this.push(view.getFloat64(at), size, view.getUint8(at + 16), view.getUint8(at + 17), order);
    }
  }

  #grow(size: number): void {
    const into = new FoundSamples(size);
    into.offset.set(this.offset);
    into.size.set(this.size);
    into.track.set(this.track);
    into.flags.set(this.flags);
    into.order.set(this.order);
    this.offset = into.offset;
    this.size = into.size;
    this.track = into.track;
    this.flags = into.flags;
    this.order = into.order;
  }
}
