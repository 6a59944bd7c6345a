/**
 * The length of an AAC frame, by parsing its syntax to the end without decoding it.
 *
 * A `raw_data_block` (ISO/IEC 14496-3 §4.4.2) says nowhere how long it is, but every bit of it is
 * accounted for: elements, section data, scale factors, pulses, TNS and Huffman-coded spectrum. SBR
 * and parametric stereo ride in fill elements, which carry their length. Why it is done this way is
 * in docs/decisions/0101-aac-frame-lengths.md.
 */
import { manyBits, quickBits, type Skipper, scaleQuick, spectralSkippers } from './aac-skipping.ts';
import {
  bandOffsets,
  predictionBands,
  scaleFactorCode,
  scaleFactorDifferences,
} from './aac-tables.ts';
import type { AudioConfig } from './audio-config.ts';

const element = { sce: 0, cpe: 1, cce: 2, lfe: 3, dse: 4, pce: 5, fil: 6, end: 7 } as const;
const eightShort = 2;
const noise = 13;
const intensity2 = 14;

/** Outcome of {@link AacFrameParser.measure} when the bytes are no frame. */
export const noFrame = 0;
/** … and when they end before the frame does. */
export const cutFrame = -1;

/** Measures frames of one configuration. Holds its working memory; allocates nothing per frame. */
export class AacFrameParser {
  private bytes: Uint8Array = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);
  /** Where the frame begins in `bytes`, and how many bytes may belong to it. */
  private base = 0;
  private length = 0;
  private bit = 0;
  /** Bits from which on no whole word is left in `bytes`. */
  private wordsTo = 0;
  private readonly longOffsets: Uint16Array;
  private readonly shortOffsets: Uint16Array;
  private readonly expected: readonly number[] | null;
  private readonly main: boolean;
  private readonly predictable: number;

  // ics_info of the channel being read.
  private offsets: Uint16Array;
  private short = false;
  private maxBand = 0;
  private groups = 1;
  private readonly groupLengths = new Uint8Array(8);

  // section_data: the codebook of each band, group by group.
  private readonly books = new Uint8Array(8 * 64);

  /** Channel elements of the frame measured last. */
  channelElements = 0;

  constructor(config: AudioConfig) {
    const offsets = bandOffsets(config.samplingIndex, config.lines);
    this.longOffsets = offsets.long;
    this.shortOffsets = offsets.short;
    this.offsets = offsets.long;
    this.expected = config.elements?.map((name) => element[name]) ?? null;
    this.main = config.objectType === 1;
    this.predictable = predictionBands[config.samplingIndex] ?? 0;
  }

  /**
   * Measures the frame at `at`.
   *
   * @returns bytes, {@link noFrame}, or {@link cutFrame} when the frame reaches beyond `end`
   */
  measure(bytes: Uint8Array, at: number, end: number): number {
    this.open(bytes, at, end);
    const fits = this.readElements();
    const length = (this.bit + 7) >> 3;
    if (length > this.length) return cutFrame;
    return fits ? length : noFrame;
  }

  /** Bit positions count from `at`, so that they stay small integers in any window. */
  private open(bytes: Uint8Array, at: number, end: number): void {
    this.bit = 0;
    this.channelElements = 0;
    this.length = Math.max(0, Math.min(end, bytes.length) - at);
    this.base = at;
    this.wordsTo = (bytes.length - at - 4) * 8;
    if (this.bytes === bytes) return;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private readElements(): boolean {
    const limit = this.length * 8;
    while (this.bit <= limit) {
      const id = this.take(3);
      if (id === element.end) {
        return this.expected === null
          ? this.channelElements > 0
          : this.channelElements === this.expected.length;
      }
      if (id === element.fil) {
        if (!this.skipFill()) return false;
      } else if (id === element.dse) {
        this.skipData();
      } else if (id === element.pce) {
        // A program config may only open a frame.
        if (this.channelElements > 0) return false;
        this.skipProgramConfig();
      } else {
        if (this.expected && this.expected[this.channelElements] !== id) return false;
        this.channelElements++;
        this.take(4); // element_instance_tag
        if (!this.readChannelElement(id)) return false;
      }
    }
    return true;
  }

  private readChannelElement(id: number): boolean {
    if (id === element.cpe) return this.readPair();
    if (id === element.cce) return this.readCoupling();
    return this.readChannel(false, false);
  }

  private readPair(): boolean {
    const common = this.take(1) === 1;
    if (common) {
      if (!this.readInfo()) return false;
      const mask = this.take(2);
      if (mask === 3) return false;
      if (mask === 1) this.bit += this.groups * this.maxBand;
    }
    return this.readChannel(common, false) && this.readChannel(common, common);
  }

  /** `individual_channel_stream`. */
  private readChannel(common: boolean, intensityAllowed: boolean): boolean {
    const gain = this.take(8);
    if (!common && !this.readInfo()) return false;
    if (!this.readSections(intensityAllowed)) return false;
    if (!this.readScaleFactors(gain)) return false;
    if (this.take(1) === 1 && !this.readPulses()) return false;
    if (this.take(1) === 1 && !this.readShaping()) return false;
    if (this.take(1) === 1) return false; // gain control: not in Main, LC or LTP
    return this.readSpectrum();
  }

  private readInfo(): boolean {
    if (this.take(1) === 1) return false; // ics_reserved_bit
    this.short = this.take(2) === eightShort;
    this.take(1); // window_shape
    this.groups = 1;
    this.groupLengths[0] = 1;
    if (this.short) {
      this.maxBand = this.take(4);
      const grouping = this.take(7);
      for (let n = 6; n >= 0; n--) {
        if ((grouping >> n) & 1) {
          this.groupLengths[this.groups - 1] = (this.groupLengths[this.groups - 1] ?? 0) + 1;
        } else {
          this.groupLengths[this.groups++] = 1;
        }
      }
      this.offsets = this.shortOffsets;
    } else {
      this.maxBand = this.take(6);
      this.offsets = this.longOffsets;
      if (this.take(1) === 1 && !this.readPrediction()) return false;
    }
    return this.maxBand < this.offsets.length;
  }

  private readPrediction(): boolean {
    if (!this.main) return false;
    if (this.take(1) === 1) {
      const group = this.take(5);
      if (group === 0 || group > 30) return false;
    }
    this.bit += Math.min(this.maxBand, this.predictable);
    return true;
  }

  private readSections(intensityAllowed: boolean): boolean {
    const countBits = this.short ? 3 : 5;
    const more = (1 << countBits) - 1;
    const bands = this.maxBand;
    const books = this.books;
    for (let group = 0; group < this.groups; group++) {
      const base = group * 64;
      for (let band = 0; band < bands; ) {
        const book = this.take(4);
        if (book === 12 || (book >= intensity2 && !intensityAllowed)) return false;
        let length = 0;
        let part = this.take(countBits);
        while (part === more) {
          length += part;
          if (band + length > bands) return false;
          part = this.take(countBits);
        }
        length += part;
        if (length === 0 || band + length > bands) return false;
        for (let last = band + length; band < last; band++) books[base + band] = book;
      }
    }
    return true;
  }

  private readScaleFactors(gain: number): boolean {
    let factor = gain;
    let position = 0;
    let energy = 0;
    let firstNoise = true;
    for (let group = 0; group < this.groups; group++) {
      const base = group * 64;
      for (let band = 0; band < this.maxBand; band++) {
        const book = this.books[base + band] ?? 0;
        if (book === 0) continue;
        if (book === noise && firstNoise) {
          firstNoise = false;
          energy = this.take(9) - 256;
          continue;
        }
        const difference = this.takeDifference();
        if (book === noise) {
          energy += difference;
        } else if (book >= intensity2) {
          position += difference;
          if (position < -155 || position > 155) return false;
        } else {
          factor += difference;
          if (factor < 0 || factor > 255) return false;
        }
        if (energy < -512 || energy > 512) return false;
      }
    }
    return true;
  }

  private readPulses(): boolean {
    if (this.short) return false;
    const count = this.take(2) + 1;
    if (this.take(6) >= this.offsets.length) return false;
    this.bit += count * 9;
    return true;
  }

  /** `tns_data`: temporal noise shaping. */
  private readShaping(): boolean {
    const windows = this.short ? 8 : 1;
    const most = this.short ? 7 : this.main ? 20 : 12;
    for (let window = 0; window < windows; window++) {
      const filters = this.take(this.short ? 1 : 2);
      if (filters === 0) continue;
      const resolution = this.take(1) + 3;
      for (let n = 0; n < filters; n++) {
        this.take(this.short ? 4 : 6);
        const order = this.take(this.short ? 3 : 5);
        if (order > most) return false;
        if (order > 0) {
          this.take(1);
          const coefficient = resolution - this.take(1);
          this.bit += order * coefficient;
        }
      }
    }
    return true;
  }

  private readSpectrum(): boolean {
    const limit = this.length * 8;
    for (let group = 0; group < this.groups; group++) {
      const base = group * 64;
      for (let band = 0; band < this.maxBand; ) {
        const book = this.books[base + band] ?? 0;
        const first = band;
        while (band < this.maxBand && this.books[base + band] === book) band++;
        if (book === 0 || book >= noise) continue;
        const lines = (this.offsets[band] ?? 0) - (this.offsets[first] ?? 0);
        const skipper = spectralSkippers[book - 1];
        if (!skipper || !this.skipLines(skipper, lines * (this.groupLengths[group] ?? 1))) {
          return false;
        }
        if (this.bit > limit) return true; // cut: the caller sees it by the position
      }
    }
    return true;
  }

  /** Skips the codewords of one section: the innermost loop, written for speed. */
  private skipLines(skipper: Skipper, lines: number): boolean {
    const { many, quick, dimension } = skipper;
    const { view, base, wordsTo } = this;
    const limit = this.length * 8;
    let bit = this.bit;
    let left = dimension === 4 ? lines >> 2 : lines >> 1;
    // Two look-ups of twelve bits to each word of at least 25.
    while (left > 0 && bit <= limit) {
      const word =
        bit <= wordsTo ? view.getInt32(base + (bit >> 3)) << (bit & 7) : this.lastWord(bit);
      const several = many[word >>> (32 - manyBits)] ?? 0;
      if (several >> 8 <= left && several > 0) {
        bit += several & 255;
        left -= several >> 8;
        const more = many[(word << (several & 255)) >>> (32 - manyBits)] ?? 0;
        if (more >> 8 <= left) {
          bit += more & 255;
          left -= more >> 8;
        }
        continue;
      }
      let step = quick[word >>> (32 - quickBits)] ?? 0;
      if (step === 0) {
        this.bit = bit;
        step = this.longCodeword(skipper);
      }
      bit += step & 255;
      left -= 1;
      if (step > 255) {
        this.bit = bit;
        for (let escapes = step >> 8; escapes > 0; escapes--) if (!this.skipEscape()) return false;
        bit = this.bit;
      }
    }
    this.bit = bit;
    return true;
  }

  /** What to skip for a codeword of more than 11 bits. The codes are complete: there is always one. */
  private longCodeword(skipper: Skipper): number {
    const index = this.codewordIndex(skipper.counts);
    return (index & 31) + (skipper.tails[index >> 5] ?? 0);
  }

  /** Index and length (index · 32 + length) of the codeword at the position. */
  private codewordIndex(counts: readonly number[]): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= counts.length; length++) {
      const count = counts[length - 1] ?? 0;
      code = code * 2 + (this.word(this.bit + length - 1) >>> 31);
      first *= 2;
      if (code - first < count) return (index + code - first) * 32 + length;
      index += count;
      first += count;
    }
    return counts.length; // not reached: complete codes
  }

  private takeDifference(): number {
    const entry = scaleQuick[this.word(this.bit) >>> (32 - quickBits)] ?? 0;
    if (entry !== 0) {
      this.bit += entry & 31;
      return (entry >> 5) - 60;
    }
    const index = this.codewordIndex(scaleFactorCode.counts);
    this.bit += index & 31;
    return scaleFactorDifferences[index >> 5] ?? 0;
  }

  /** An escape sequence: up to 8 ones, a zero, then 4 bits and one for each of the ones. */
  private skipEscape(): boolean {
    let ones = 0;
    while (this.take(1) === 1) if (++ones > 8) return false;
    this.bit += ones + 4;
    return true;
  }

  private readCoupling(): boolean {
    const switched = this.take(1) === 1;
    const targets = this.take(3) + 1;
    let gainLists = 0;
    for (let n = 0; n < targets; n++) {
      gainLists++;
      const pair = this.take(1) === 1;
      this.take(4);
      if (pair && this.take(2) === 3) gainLists++;
    }
    this.take(1); // cc_domain
    this.take(1); // gain_element_sign
    this.take(2); // gain_element_scale
    if (!this.readChannel(false, false)) return false;
    for (let list = 1; list < gainLists; list++) {
      const common = switched || this.take(1) === 1;
      if (common) {
        this.takeDifference();
        continue;
      }
      for (let group = 0; group < this.groups; group++) {
        for (let band = 0; band < this.maxBand; band++) {
          if (this.books[group * 64 + band] !== 0) this.takeDifference();
        }
      }
    }
    return true;
  }

  private skipData(): void {
    this.take(4);
    const aligned = this.take(1) === 1;
    let count = this.take(8);
    if (count === 255) count += this.take(8);
    if (aligned) this.bit = (this.bit + 7) & ~7;
    this.bit += count * 8;
  }

  private skipFill(): boolean {
    let count = this.take(4);
    if (count === 15) count += this.take(8) - 1;
    if (count === 0) return true;
    // extension_type: fill, fill data, data element, dynamic range, surround, SBR with and without
    // checksum; the others are reserved (table 4.121).
    const type = this.take(4);
    this.bit += count * 8 - 4;
    return type <= 2 || (type >= 11 && type <= 14);
  }

  private skipProgramConfig(): void {
    this.bit += 4 + 2 + 4;
    const channels = this.take(4) + this.take(4) + this.take(4);
    const lfe = this.take(2);
    const associated = this.take(3);
    const coupling = this.take(4);
    if (this.take(1) === 1) this.bit += 4;
    if (this.take(1) === 1) this.bit += 4;
    if (this.take(1) === 1) this.bit += 3;
    this.bit += 5 * channels + 4 * lfe + 4 * associated + 5 * coupling;
    this.bit = (this.bit + 7) & ~7;
    const comment = this.take(8);
    this.bit += 8 * comment;
  }

  /** Takes 1 to 9 bits. */
  private take(count: number): number {
    const value = this.word(this.bit) >>> (32 - count);
    this.bit += count;
    return value;
  }

  /** The bit at a position, and at least 24 more behind it. */
  private word(bit: number): number {
    if (bit > this.wordsTo) return this.lastWord(bit);
    return this.view.getInt32(this.base + (bit >> 3)) << (bit & 7);
  }

  /** As `word`, near the end of the bytes: zeros beyond it. */
  private lastWord(bit: number): number {
    const { bytes } = this;
    const at = this.base + (bit >> 3);
    const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
    return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) << (bit & 7);
  }
}
