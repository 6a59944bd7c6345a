/**
 * The bytes a scan looks at: a window that moves along a source and grows for long samples.
 */
import { type ByteSource, Cancelled, type Progress } from '../bytes.ts';
import { needsMore, type SampleCodec } from '../codec/codec.ts';
import type { ZerosMet } from '../zero-sectors.ts';

const blockSize = 2 * 1024 * 1024;
// A sample that ends this far before the window's end is measured without reading on.
const margin = 256 * 1024;

export class ScanWindow {
  /** Offset of the first byte of `bytes` in the source. */
  start: number;
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the scan has to stop. */
  readonly to: number;
  /** What is at `to` is the end for good, and not only of what was written so far. */
  readonly isFinal: boolean;
  readonly #source: ByteSource;
  readonly #met: ZerosMet | undefined;
  /** A run of zeros that was walked: it may be larger than all else in the file. */
  #zeros = { from: 0, to: 0 };

  /** @param met  is shown all that is read */
  constructor(source: ByteSource, from: number, to: number, isFinal: boolean, met?: ZerosMet) {
    this.#source = source;
    this.#met = met;
    this.start = from;
    this.to = Math.min(to, source.size);
    this.isFinal = isFinal;
  }

  /** Offset of the byte after the window. */
  get end(): number {
    return this.start + this.bytes.length;
  }

  /** The scan has to stop where the source ends, and not before something else in it. */
  get atSourceEnd(): boolean {
    return this.to === this.#source.size;
  }

  /** True when the window reaches the end of the media, for good. */
  get atEnd(): boolean {
    return this.isFinal && this.end >= this.to;
  }

  /** Sees to it that the window holds `length` bytes from `at`, as far as there are any. */
  cover(at: number, length = margin): void {
    if (at >= this.start && (at + length <= this.end || this.end >= this.to) && at <= this.end)
      return;
    const want = Math.min(Math.max(blockSize, length + margin), Math.max(0, this.to - at));
    this.bytes = this.#source.read(at, want);
    this.start = at;
    this.#met?.look(this.bytes, at);
  }

  /** Byte at an offset of the source; 0 outside the window. */
  byte(at: number): number {
    return this.bytes[at - this.start] ?? 0;
  }

  /** Byte at an offset of the source, wherever the window is. */
  byteAt(at: number): number {
    return at >= this.start && at < this.end ? this.byte(at) : (this.#source.read(at, 1)[0] ?? 0);
  }

  /** True when the same `length` bytes stand at two places of the source. */
  isSame(a: number, b: number, length: number): boolean {
    const one = this.#source.read(a, length);
    const other = this.#source.read(b, length);
    return one.length === length && one.every((byte, index) => byte === other[index]);
  }

  /** The four-byte number at an offset of the source. */
  u32(at: number): number {
    const index = at - this.start;
    const { bytes } = this;
    return (
      (((bytes[index] ?? 0) << 24) |
        ((bytes[index + 1] ?? 0) << 16) |
        ((bytes[index + 2] ?? 0) << 8) |
        (bytes[index + 3] ?? 0)) >>>
      0
    );
  }

  /**
   * Measures a sample, reading on when it is longer than the window.
   *
   * @returns as {@link SampleCodec.measure}; `needsMore` means the media ends inside the sample
   */
  measure(codec: SampleCodec, at: number): number {
    this.cover(at);
    for (;;) {
      const end = this.bytes.length;
      const length = codec.measure(this.bytes, at - this.start, end, this.atEnd);
      if (length !== needsMore || this.end >= this.to) return length;
      const held = this.end - at;
      const most = codec.maxSampleBytes + 64 * 1024;
      if (held >= most) return needsMore;
      this.cover(at, Math.min(most, Math.max(held * 2, codec.last.wanted + 64)));
      if (this.end - at <= held) return needsMore;
    }
  }

  isStart(codec: SampleCodec, at: number): boolean {
    if (at < this.start || at + 64 > this.end) this.cover(at, 4096);
    return codec.isStart(this.bytes, at - this.start, this.bytes.length);
  }

  /** A sample may begin at `at`, where one must. */
  mayStart(codec: SampleCodec, at: number): boolean {
    if (!codec.mayStart) return this.isStart(codec, at);
    if (at < this.start || at + 64 > this.end) this.cover(at, 4096);
    return codec.mayStart(this.bytes, at - this.start, this.bytes.length);
  }

  /** A sample begins at `at` that no other bytes resemble. */
  isSureStart(codec: SampleCodec, at: number): boolean {
    if (!codec.isSureStart) return false;
    if (at < this.start || at + 4096 > this.end) this.cover(at, 4096);
    return codec.isSureStart(this.bytes, at - this.start, this.bytes.length);
  }

  /**
   * Offset of the first byte at or behind `at` that is not zero; `to` when all are.
   *
   * @throws Cancelled when `progress` says so
   */
  nonZeroFrom(at: number, progress?: Progress): number {
    if (at >= this.#zeros.from && at < this.#zeros.to) return this.#zeros.to;
    const end = this.#walkZeros(at, progress);
    if (end > at) this.#zeros = { from: at, to: end };
    return end;
  }

  #walkZeros(at: number, progress?: Progress): number {
    let place = at;
    while (place < this.to) {
      if (progress && !progress(place)) throw new Cancelled();
      this.cover(place, 1);
      const { bytes } = this;
      if (bytes.length === 0) break;
      const index = firstNonZero(bytes, place - this.start);
      if (index < bytes.length) return this.start + index;
      place = this.end;
    }
    return this.to;
  }
}

/** Index of the first byte from `from` on that is not zero; four at a time: holes are large. */
function firstNonZero(bytes: Uint8Array, from: number): number {
  let index = from;
  while (index < bytes.length && (bytes.byteOffset + index) % 4 !== 0 && bytes[index] === 0)
    index += 1;
  if (bytes[index] !== 0 || (bytes.byteOffset + index) % 4 !== 0) return index;
  const words = new Uint32Array(
    bytes.buffer,
    bytes.byteOffset + index,
    Math.floor((bytes.length - index) / 4),
  );
  let word = 0;
  while (word < words.length && words[word] === 0) word += 1;
  index += word * 4;
  while (index < bytes.length && bytes[index] === 0) index += 1;
  return index;
}
