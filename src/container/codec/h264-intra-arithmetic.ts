/**
 * Reads the macroblocks of an I slice that is coded arithmetically (ISO/IEC 14496-10 §7.3.5 and
 * §9.3), without decoding them: only to see whether they end where the slice does.
 *
 * Frames of 8 bits and 4:2:0 without fields.
 */
import { ArithmeticReader } from './h264-arithmetic.ts';
import { blockColumn, blockRow, type IntraCoding, mbKind, Neighbours } from './h264-neighbours.ts';

// By kind of block: 0 luma DC, 1 luma AC, 2 luma, 3 chroma DC, 4 chroma AC, 5 luma of 8x8.
const codedBase = [85, 89, 93, 97, 101];
const significantBase = [105, 120, 134, 149, 152, 402];
const lastBase = [166, 181, 195, 210, 213, 417];
const levelBase = [227, 237, 247, 257, 266, 426];
const coefficients = [16, 15, 16, 4, 15, 64];

// Table 9-43, for frames.
// biome-ignore format: a table of the standard
const significantOfLarge = Uint8Array.of(
  0,1,2,3,4,5,5,4,4,3,3,4,4,4,5,5,4,4,4,4,3,3,6,7,7,7,8,9,10,9,8,7,7,6,11,12,13,11,6,7,8,9,14,10,9,8,6,11,
  12,13,11,6,9,14,10,9,11,12,13,11,14,10,12,
);
// biome-ignore format: a table of the standard
const lastOfLarge = Uint8Array.of(
  0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,3,3,3,3,3,3,3,3,4,4,4,4,4,4,4,4,
  5,5,5,5,6,6,6,6,7,7,7,7,8,8,8,
);

const mostMacroblocks = 139_264;

export class ArithmeticIntraReader {
  private readonly reader = new ArithmeticReader();
  private near = new Neighbours(1, 1);
  private transform8x8 = false;
  private hadDelta = false;
  private failed = false;
  /** Macroblocks that were read before the one that failed. */
  reached = 0;

  /**
   * Reads a slice.
   *
   * @param bytes   the slice without emulation prevention
   * @param at      byte at which its macroblocks begin
   * @param end     bit of its trailing one
   * @returns macroblocks, 0 when they do not end where the slice ends
   */
  read(bytes: Uint8Array, at: number, end: number, coding: IntraCoding): number {
    const { reader } = this;
    const { width, firstMb, qp } = coding;
    this.near = new Neighbours(width, 1);
    this.near.x = firstMb % width;
    this.transform8x8 = coding.transform8x8;
    this.hadDelta = false;
    this.failed = false;
    reader.resetContexts(qp);
    reader.begin(bytes, at);
    for (let count = 1; count <= mostMacroblocks; count += 1) {
      this.reached = count - 1;
      this.readMacroblock(bytes);
      if (this.failed || reader.overrun) return 0;
      // The trailing one is the last bit taken; x264 signs the bits up to the next byte behind it.
      const left = end + 1 - reader.position;
      if (reader.terminates()) return left >= 0 && left < 8 ? count : 0;
    }
    return 0;
  }

  private readMacroblock(bytes: Uint8Array): void {
    const { reader, near } = this;
    const above = near.aboveKind[near.x] ?? 0;
    const context = 3 + (near.leftKind >= mbKind.whole ? 1 : 0) + (above >= mbKind.whole ? 1 : 0);
    if (reader.bit(context) === 0) this.readSmall();
    else if (reader.terminates()) this.readRaw(bytes);
    else this.readWhole();
  }

  /** Predicted as a whole, 16x16. */
  private readWhole(): void {
    const { reader, near } = this;
    const hasLuma = reader.bit(6);
    let chroma = 0;
    if (reader.bit(7)) chroma = 1 + reader.bit(8);
    reader.bit(9);
    reader.bit(10);
    const mode = this.readChromaMode();
    this.readDelta();
    const dc = this.readBlockAt(0, (near.leftDc & 1) + 2 * ((near.aboveDc[near.x] ?? 0) & 1));
    const pattern = (hasLuma ? 15 : 0) | (chroma << 4);
    if (hasLuma) for (let block = 0; block < 16; block += 1) this.readLuma(1, block);
    else near.setLuma(0);
    near.advance(mbKind.whole, pattern, mode, 0, dc | this.readChroma(chroma));
  }

  /** Predicted in blocks of 4x4 or 8x8. */
  private readSmall(): void {
    const { reader, near } = this;
    const { x } = near;
    let large = 0;
    if (this.transform8x8) large = reader.bit(399 + near.leftLarge + (near.aboveLarge[x] ?? 0));
    for (let n = large ? 4 : 16; n > 0; n -= 1) {
      if (reader.bit(68)) continue;
      reader.bit(69);
      reader.bit(69);
      reader.bit(69);
    }
    const mode = this.readChromaMode();
    const pattern = this.readPattern();
    if (pattern === 0) this.hadDelta = false;
    else this.readDelta();
    for (let quarter = 0; quarter < 4; quarter += 1) {
      const isCoded = ((pattern >> quarter) & 1) === 1;
      if (isCoded && large) this.readBlock(5);
      for (let block = quarter * 4; block < quarter * 4 + 4; block += 1) {
        if (isCoded && !large) this.readLuma(2, block);
        else this.setBlock(block, isCoded ? 1 : 0);
      }
    }
    near.advance(mbKind.small, pattern, mode, large, this.readChroma(pattern >> 4));
  }

  /** Uncompressed samples: 384 bytes from the next whole byte. */
  private readRaw(bytes: Uint8Array): void {
    const from = (this.reader.position + 7) >> 3;
    if (from + 384 > bytes.length) this.failed = true;
    this.reader.begin(bytes, from + 384);
    this.near.setLuma(1);
    this.near.setChroma(1);
    this.hadDelta = false;
    this.near.advance(mbKind.raw, 0x2f, 0, 0, 7);
  }

  private readChromaMode(): number {
    const { reader, near } = this;
    const context = (near.leftMode > 0 ? 1 : 0) + ((near.aboveMode[near.x] ?? 0) > 0 ? 1 : 0);
    if (!reader.bit(64 + context)) return 0;
    if (!reader.bit(67)) return 1;
    return reader.bit(67) ? 3 : 2;
  }

  private readPattern(): number {
    const { reader, near } = this;
    const left = near.leftPattern;
    const above = near.abovePattern[near.x] ?? 0;
    const empty = (pattern: number, quarter: number): number => 1 - ((pattern >> quarter) & 1);
    let luma = reader.bit(73 + empty(left, 1) + 2 * empty(above, 2));
    luma |= reader.bit(73 + empty(luma, 0) + 2 * empty(above, 3)) << 1;
    luma |= reader.bit(73 + empty(left, 3) + 2 * empty(luma, 0)) << 2;
    luma |= reader.bit(73 + empty(luma, 2) + 2 * empty(luma, 1)) << 3;
    const some = (left >> 4 > 0 ? 1 : 0) + (above >> 4 > 0 ? 2 : 0);
    if (!reader.bit(77 + some)) return luma;
    const all = (left >> 4 === 2 ? 1 : 0) + (above >> 4 === 2 ? 2 : 0);
    return luma | ((1 + reader.bit(81 + all)) << 4);
  }

  private readDelta(): void {
    const { reader } = this;
    let value = 0;
    let context = this.hadDelta ? 61 : 60;
    while (reader.bit(context)) {
      context = value === 0 ? 62 : 63;
      // A quantiser changes by 26 at most.
      if (++value > 53) {
        this.failed = true;
        return;
      }
    }
    this.hadDelta = value > 0;
  }

  private readLuma(kind: number, block: number): void {
    const { near } = this;
    const column = near.x * 4 + (blockColumn[block] ?? 0);
    const left = near.leftLuma[blockRow[block] ?? 0] ?? 0;
    const coded = this.readBlockAt(kind, left + 2 * (near.aboveLuma[column] ?? 0));
    this.setBlock(block, coded);
  }

  private setBlock(block: number, value: number): void {
    const { near } = this;
    near.leftLuma[blockRow[block] ?? 0] = value;
    near.aboveLuma[near.x * 4 + (blockColumn[block] ?? 0)] = value;
  }

  /** @returns which of the two DC blocks are coded, as bits 1 and 2 */
  private readChroma(chroma: number): number {
    const { near } = this;
    const { x } = near;
    let dc = 0;
    if (chroma > 0) {
      for (const bit of [1, 2]) {
        const left = (near.leftDc >> bit) & 1;
        const above = ((near.aboveDc[x] ?? 0) >> bit) & 1;
        dc |= this.readBlockAt(3, left + 2 * above) << bit;
      }
    }
    if (chroma < 2) {
      near.setChroma(0);
      return dc;
    }
    for (const plane of [0, 1] as const) {
      const lefts = near.leftChroma[plane];
      const aboves = near.aboveChroma[plane];
      for (let block = 0; block < 4; block += 1) {
        const column = x * 2 + (block & 1);
        const row = block >> 1;
        const coded = this.readBlockAt(4, (lefts[row] ?? 0) + 2 * (aboves[column] ?? 0));
        lefts[row] = coded;
        aboves[column] = coded;
      }
    }
    return dc;
  }

  private readBlockAt(kind: number, context: number): number {
    if (!this.reader.bit((codedBase[kind] ?? 0) + context)) return 0;
    this.readBlock(kind);
    return 1;
  }

  private readBlock(kind: number): void {
    const count = this.readPlaces(kind);
    const { reader } = this;
    const base = levelBase[kind] ?? 0;
    const most = kind === 3 ? 3 : 4;
    let ones = 0;
    let larger = 0;
    for (let left = count; left > 0; left -= 1) {
      if (!reader.bit(base + (larger > 0 ? 0 : Math.min(4, 1 + ones)))) ones += 1;
      else {
        const context = base + 5 + Math.min(most, larger);
        let value = 2;
        while (value < 15 && reader.bit(context)) value += 1;
        if (value === 15) this.readLong();
        larger += 1;
      }
      reader.bypass();
    }
  }

  /** `significant_coeff_flag` and `last_significant_coeff_flag`; returns coefficients. */
  private readPlaces(kind: number): number {
    const { reader } = this;
    const significant = significantBase[kind] ?? 0;
    const last = lastBase[kind] ?? 0;
    const end = (coefficients[kind] ?? 16) - 1;
    let count = 0;
    for (let place = 0; place < end; place += 1) {
      const isLarge = kind === 5;
      const place3 = kind === 3 ? Math.min(place, 2) : place;
      const atPlace = isLarge ? (significantOfLarge[place] ?? 0) : place3;
      if (!reader.bit(significant + atPlace)) continue;
      count += 1;
      if (reader.bit(last + (isLarge ? (lastOfLarge[place] ?? 0) : place3))) return count;
    }
    return count + 1;
  }

  /** The suffix of a level: an Exp-Golomb code of order 0. */
  private readLong(): void {
    let bits = 0;
    while (this.reader.bypass()) {
      if (++bits > 24) {
        this.failed = true;
        return;
      }
    }
    while (bits-- > 0) this.reader.bypass();
  }
}
