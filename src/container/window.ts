/**
 * A window that slides over a source: small numbers read at any offset, searches, runs of zeros.
 *
 * Reads beyond the end give -1 (or a shorter view), never an error, so that a reader of damaged
 * bytes needs no check before each number. Sequential reading grows the window; jumping shrinks it,
 * so hopping from header to header reads little more than the headers.
 */
import { type ByteSource, Cancelled, type Progress } from './bytes.ts';

const smallestStep = 4 * 1024;
const largestStep = 1024 * 1024;
const nothing = new Uint8Array(0);

export class Window {
  /** Where the window's world ends: nothing is read at or beyond it. */
  readonly end: number;
  readonly #source: ByteSource;
  readonly #progress: Progress | undefined;
  #bytes: Uint8Array = nothing;
  #at = 0;
  #step = smallestStep;

  constructor(source: ByteSource, end: number = source.size, progress?: Progress) {
    this.#source = source;
    this.end = Math.min(end, source.size);
    this.#progress = progress;
  }

  /** The bytes at `at`, fewer than `length` where the window's world ends. */
  bytes(at: number, length: number): Uint8Array {
    if (at < 0 || at >= this.end || length <= 0) return nothing;
    const wanted = Math.min(length, this.end - at);
    const from = at - this.#at;
    if (from >= 0 && from + wanted <= this.#bytes.length) {
      return this.#bytes.subarray(from, from + wanted);
    }
    this.#slide(at, wanted);
    return this.#bytes.subarray(0, Math.min(wanted, this.#bytes.length));
  }

  u8(at: number): number {
    return this.#bigEndian(at, 1);
  }

  u16(at: number): number {
    return this.#bigEndian(at, 2);
  }

  u24(at: number): number {
    return this.#bigEndian(at, 3);
  }

  u32(at: number): number {
    return this.#bigEndian(at, 4);
  }

  /** Infinity where the number is 2^53 or more. */
  u64(at: number): number {
    return safe(this.#bigEndian(at, 8));
  }

  u16le(at: number): number {
    return this.#littleEndian(at, 2);
  }

  u32le(at: number): number {
    return this.#littleEndian(at, 4);
  }

  /** Infinity where the number is 2^53 or more. */
  u64le(at: number): number {
    return safe(this.#littleEndian(at, 8));
  }

  /** Bytes as Latin-1 text: four-character codes and signatures. */
  ascii(at: number, length: number): string {
    return String.fromCharCode(...this.bytes(at, length));
  }

  #bigEndian(at: number, length: number): number {
    const place = this.#placeOf(at, length);
    if (place < 0) return -1;
    let value = 0;
    for (let i = place; i < place + length; i += 1) value = value * 256 + (this.#bytes[i] ?? 0);
    return value;
  }

  #littleEndian(at: number, length: number): number {
    const place = this.#placeOf(at, length);
    if (place < 0) return -1;
    let value = 0;
    for (let i = place + length - 1; i >= place; i -= 1)
      value = value * 256 + (this.#bytes[i] ?? 0);
    return value;
  }

  /** Where in the window these bytes begin; -1 when they are not all there. No view is made: headers are read by the million. */
  #placeOf(at: number, length: number): number {
    if (at < 0 || at + length > this.end) return -1;
    const place = at - this.#at;
    if (place >= 0 && place + length <= this.#bytes.length) return place;
    this.#slide(at, length);
    return this.#bytes.length < length ? -1 : 0;
  }

  /**
   * The first offset from `from` and before `to` where `first` stands and `test` agrees; -1 when
   * there is none.
   */
  search(from: number, to: number, first: number, test: (at: number) => boolean): number {
    const end = Math.min(to, this.end);
    let at = Math.max(0, from);
    while (at < end) {
      const view = this.bytes(at, Math.min(largestStep, end - at));
      if (view.length === 0) return -1;
      for (let i = view.indexOf(first); i >= 0; i = view.indexOf(first, i + 1)) {
        if (test(at + i)) return at + i;
      }
      at += view.length;
    }
    return -1;
  }

  /** Like `search`, for any of several first bytes, in one pass. */
  searchAny(
    from: number,
    to: number,
    firsts: readonly number[],
    test: (at: number) => boolean,
  ): number {
    const wanted = new Uint8Array(256);
    for (const first of firsts) wanted[first] = 1;
    const end = Math.min(to, this.end);
    for (let at = Math.max(0, from); at < end; ) {
      const view = this.bytes(at, Math.min(largestStep, end - at));
      if (view.length === 0) return -1;
      for (let i = 0; i < view.length; i += 1) {
        if (wanted[view[i] ?? 0] === 1 && test(at + i)) return at + i;
      }
      at += view.length;
    }
    return -1;
  }

  /** The last offset before `before` and not below `from` where `first` stands and `test` agrees. */
  searchBack(before: number, from: number, first: number, test: (at: number) => boolean): number {
    let high = Math.min(before, this.end);
    while (high > from) {
      const low = Math.max(from, high - largestStep / 4);
      const view = this.bytes(low, high - low);
      for (
        let i = view.lastIndexOf(first);
        i >= 0;
        i = i > 0 ? view.lastIndexOf(first, i - 1) : -1
      ) {
        if (test(low + i)) return low + i;
      }
      high = low;
    }
    return -1;
  }

  /** Whether all of `length` bytes at `at` are there and zero. */
  isZero(at: number, length: number): boolean {
    const view = this.bytes(at, length);
    return view.length === length && view.every((byte) => byte === 0);
  }

  #slide(at: number, wanted: number): void {
    const sequential = at >= this.#at && at <= this.#at + this.#bytes.length + 64;
    this.#step = sequential ? Math.min(this.#step * 2, largestStep) : smallestStep;
    if (this.#progress && !this.#progress(at)) throw new Cancelled();
    const length = Math.min(Math.max(wanted, this.#step), this.end - at);
    this.#bytes = this.#source.read(at, length);
    this.#at = at;
  }
}

function safe(value: number): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value;
}
