/**
 * Reads the macroblocks of an I slice in variable-length codes (ISO/IEC 14496-10 §7.3.5 and §9.2),
 * without decoding them: only to see whether they end where the slice does.
 *
 * Frames of 8 bits and 4:2:0 without fields.
 */
import { BitReader } from './bit-reader.ts';
import { blockColumn, blockRow, type IntraCoding, mbKind, Neighbours } from './h264-neighbours.ts';

/** Codes by a window of bits: length in the low five bits, what they mean above; 0 for none. */
interface CodeTable {
  readonly bits: number;
  readonly codes: Uint16Array;
}

function tableOf(entries: Iterable<readonly [code: string, meaning: number]>): CodeTable {
  const list = [...entries].filter(([code]) => code !== '');
  const bits = Math.max(...list.map(([code]) => code.length));
  const codes = new Uint16Array(1 << bits);
  for (const [code, meaning] of list) {
    const first = Number.parseInt(code, 2) << (bits - code.length);
    codes.fill((meaning << 5) | code.length, first, first + (1 << (bits - code.length)));
  }
  return { bits, codes };
}

// Table 9-5: by trailing ones, then by coefficients; for few, some and many coefficients nearby.
// biome-ignore format: a table of the standard
const coefficientCodes: readonly (readonly string[])[] = [
  [
    '1 000101 00000111 000000111 0000000111 00000000111 0000000001111 0000000001011 0000000001000 00000000001111 00000000001011 000000000001111 000000000001011 0000000000001111 0000000000001011 0000000000000111 0000000000000100',
    '01 000100 00000110 000000110 0000000110 00000000110 0000000001110 0000000001010 00000000001110 00000000001010 000000000001110 000000000001010 000000000000001 0000000000001110 0000000000001010 0000000000000110',
    '001 0000101 00000101 000000101 0000000101 00000000101 0000000001101 0000000001001 00000000001101 00000000001001 000000000001101 000000000001001 0000000000001101 0000000000001001 0000000000000101',
    '00011 000011 0000100 00000100 000000100 0000000100 00000000100 0000000001100 00000000001100 00000000001000 000000000001100 000000000001000 0000000000001100 0000000000001000',
  ],
  [
    '11 001011 000111 0000111 00000111 00000100 000000111 00000001111 00000001011 000000001111 000000001011 000000001000 0000000001111 0000000001011 0000000000111 00000000001001 00000000000111',
    '10 00111 001010 000110 0000110 00000110 000000110 00000001110 00000001010 000000001110 000000001010 0000000001110 0000000001010 00000000001011 00000000001000 00000000000110',
    '011 001001 000101 0000101 00000101 000000101 00000001101 00000001001 000000001101 000000001001 0000000001101 0000000001001 0000000000110 00000000001010 00000000000101',
    '0101 0100 00110 001000 000100 0000100 000000100 00000001100 00000001000 000000001100 0000000001100 0000000001000 0000000000001 00000000000100',
  ],
  [
    '1111 001111 001011 001000 0001111 0001011 0001001 0001000 00001111 00001011 000001111 000001011 000001000 0000001101 0000001001 0000000101 0000000001',
    '1110 01111 01100 01010 01000 001110 001010 0001110 00001110 00001010 000001110 000001010 000000111 0000001100 0000001000 0000000100',
    '1101 01110 01011 01001 001101 001001 0001101 0001010 00001101 00001001 000001101 000001001 0000001011 0000000111 0000000011',
    '1100 1011 1010 1001 1000 01101 001100 0001100 00001100 00001000 000001100 0000001010 0000000110 0000000010',
  ],
  // Chroma DC.
  ['01 000111 000100 000011 000010', '1 000110 0000011 00000011', '001 0000010 00000010', '000101 0000000'],
];

/** Meaning: coefficients times 4 plus trailing ones. */
const coefficientTables: readonly CodeTable[] = coefficientCodes.map((byOnes) =>
  tableOf(
    byOnes.flatMap((codes, ones) =>
      codes.split(' ').map((code, n) => [code, (n + ones) * 4 + ones] as const),
    ),
  ),
);

const zeroTables = (columns: readonly string[]): readonly CodeTable[] =>
  columns.map((column) => tableOf(column.split(' ').map((code, zeros) => [code, zeros] as const)));

// Tables 9-7 and 9-8: zeros in all, by coefficients.
// biome-ignore format: a table of the standard
const totalZeros = zeroTables([
  '1 011 010 0011 0010 00011 00010 000011 000010 0000011 0000010 00000011 00000010 000000011 000000010 000000001',
  '111 110 101 100 011 0101 0100 0011 0010 00011 00010 000011 000010 000001 000000',
  '0101 111 110 101 0100 0011 100 011 0010 00011 00010 000001 00001 000000',
  '00011 111 0101 0100 110 101 100 0011 011 0010 00010 00001 00000',
  '0101 0100 0011 111 110 101 100 011 0010 00001 0001 00000',
  '000001 00001 111 110 101 100 011 010 0001 001 000000',
  '000001 00001 101 100 011 11 010 0001 001 000000',
  '000001 0001 00001 011 11 10 010 001 000000',
  '000001 000000 0001 11 10 001 01 00001',
  '00001 00000 001 11 10 01 0001',
  '0000 0001 001 010 1 011',
  '0000 0001 01 1 001',
  '000 001 1 01',
  '00 01 1',
  '0 1',
]);

const totalZerosOfChroma = zeroTables(['1 01 001 000', '1 01 00', '1 0']);

// Table 9-10: zeros before a coefficient, by zeros left.
const runTables = zeroTables([
  '1 0',
  '1 01 00',
  '11 10 01 00',
  '11 10 01 001 000',
  '11 10 011 010 001 000',
  '11 000 001 011 010 101 100',
  '111 110 101 100 011 010 001 0001 00001 000001 0000001 00000001 000000001 0000000001 00000000001',
]);

// Table 9-4, the column for intra prediction.
// biome-ignore format: a table of the standard
const patterns = Uint8Array.of(
  47,31,15,0,23,27,29,30,7,11,13,14,39,43,45,46,16,3,5,10,12,19,21,26,28,35,37,42,44,1,2,4,8,17,18,20,24,
  6,9,22,25,32,33,34,36,40,38,41,
);

/** Stands for blocks outside the slice. */
const absent = 64;
const mostMacroblocks = 139_264;

export class CavlcIntraReader {
  private readonly reader = new BitReader();
  private bytes: Uint8Array = new Uint8Array(0);
  private near = new Neighbours(1, absent);
  private transform8x8 = false;
  private failed = false;
  /** Macroblocks that were read before the one that failed. */
  reached = 0;

  /**
   * Reads a slice.
   *
   * @param bytes  the slice without emulation prevention
   * @param at     bit at which its macroblocks begin
   * @param end    bit of its trailing one
   * @returns macroblocks, 0 when they do not end where the slice ends
   */
  read(bytes: Uint8Array, at: number, end: number, coding: IntraCoding): number {
    const { reader } = this;
    const { width, firstMb } = coding;
    this.bytes = bytes;
    this.near = new Neighbours(width, absent);
    this.near.x = firstMb % width;
    this.transform8x8 = coding.transform8x8;
    this.failed = false;
    reader.reset(bytes).skip(at);
    for (let count = 1; count <= mostMacroblocks; count += 1) {
      this.reached = count - 1;
      this.readMacroblock();
      if (this.failed || reader.at > end) return 0;
      if (reader.at === end) return count;
    }
    return 0;
  }

  private readMacroblock(): void {
    const type = this.reader.ue();
    if (type === 0) this.readSmall();
    else if (type === 25) this.readRaw();
    else if (type > 25) this.failed = true;
    else this.readWhole(type);
  }

  /** Predicted as a whole, 16x16: the type tells which blocks are coded. */
  private readWhole(type: number): void {
    const { reader, near } = this;
    if (reader.ue() > 3) this.failed = true;
    this.readDelta();
    this.readBlock(this.nearbyLuma(0), 16);
    const hasLuma = type > 12;
    if (!hasLuma) near.setLuma(0);
    for (let block = 0; hasLuma && block < 16; block += 1) this.readLuma(block, 15);
    this.readChroma(Math.floor((type - 1) / 4) % 3);
    near.advance(mbKind.whole, 0, 0, 0, 0);
  }

  private readSmall(): void {
    const { reader, near } = this;
    const isLarge = this.transform8x8 && reader.flag();
    for (let n = isLarge ? 4 : 16; n > 0; n -= 1) if (!reader.flag()) reader.skip(3);
    const mode = reader.ue();
    const code = reader.ue();
    if (mode > 3 || code > 47) {
      this.failed = true;
      return;
    }
    const pattern = patterns[code] ?? 0;
    if (pattern > 0) this.readDelta();
    for (let block = 0; block < 16 && !this.failed; block += 1) {
      if ((pattern >> (block >> 2)) & 1) this.readLuma(block, 16);
      else this.setBlock(block, 0);
    }
    this.readChroma(pattern >> 4);
    near.advance(mbKind.small, 0, 0, 0, 0);
  }

  private readRaw(): void {
    this.reader.align();
    this.reader.skip(384 * 8);
    this.near.setLuma(16);
    this.near.setChroma(16);
    this.near.advance(mbKind.raw, 0, 0, 0, 0);
  }

  private readDelta(): void {
    if (Math.abs(this.reader.se()) > 26) this.failed = true;
  }

  private nearbyLuma(block: number): number {
    const { near } = this;
    const left = near.leftLuma[blockRow[block] ?? 0] ?? 0;
    return nearby(left, near.aboveLuma[near.x * 4 + (blockColumn[block] ?? 0)] ?? 0);
  }

  private readLuma(block: number, most: number): void {
    this.setBlock(block, this.readBlock(this.nearbyLuma(block), most));
  }

  private setBlock(block: number, value: number): void {
    const { near } = this;
    near.leftLuma[blockRow[block] ?? 0] = value;
    near.aboveLuma[near.x * 4 + (blockColumn[block] ?? 0)] = value;
  }

  private readChroma(chroma: number): void {
    const { near } = this;
    if (chroma > 0) for (let plane = 0; plane < 2; plane += 1) this.readBlock(-1, 4);
    if (chroma < 2) {
      near.setChroma(0);
      return;
    }
    for (const plane of [0, 1] as const) {
      const lefts = near.leftChroma[plane];
      const aboves = near.aboveChroma[plane];
      for (let block = 0; block < 4 && !this.failed; block += 1) {
        const column = near.x * 2 + (block & 1);
        const count = this.readBlock(nearby(lefts[block >> 1] ?? 0, aboves[column] ?? 0), 15);
        lefts[block >> 1] = count;
        aboves[column] = count;
      }
    }
  }

  /** `residual_block_cavlc` (§7.3.5.3.2); returns coefficients. */
  private readBlock(nearbyCount: number, most: number): number {
    if (this.failed) return 0;
    const token = this.readToken(nearbyCount);
    const count = token >> 2;
    const ones = token & 3;
    if (token < 0 || count > most) {
      this.failed = true;
      return 0;
    }
    if (count === 0) return 0;
    this.reader.skip(ones);
    this.readLevels(count, ones);
    if (count < most && !this.failed) this.readZeros(count, most);
    return count;
  }

  private readToken(nearbyCount: number): number {
    if (nearbyCount >= 8) {
      const code = this.reader.bits(6);
      // 000011 means none; else coefficients less one, and ones.
      return code === 3 ? 0 : ((code >> 2) + 1) * 4 + (code & 3);
    }
    const table = nearbyCount < 0 ? 3 : nearbyCount < 2 ? 0 : nearbyCount < 4 ? 1 : 2;
    return this.readCode(coefficientTables[table]);
  }

  private readLevels(count: number, ones: number): void {
    const { reader } = this;
    let suffix = count > 10 && ones < 3 ? 1 : 0;
    for (let n = ones; n < count; n += 1) {
      let prefix = 0;
      while (reader.bit() === 0) {
        if (++prefix > 19) {
          this.failed = true;
          return;
        }
      }
      let code = Math.min(15, prefix) << suffix;
      const size = prefix === 14 && suffix === 0 ? 4 : prefix >= 15 ? prefix - 3 : suffix;
      if (size > 0) code += reader.bits(size);
      if (prefix >= 15 && suffix === 0) code += 15;
      if (prefix >= 16) code += (1 << (prefix - 3)) - 4096;
      if (n === ones && ones < 3) code += 2;
      const size1 = (code + 2) >> 1;
      if (suffix === 0) suffix = 1;
      if (size1 > 3 << (suffix - 1) && suffix < 6) suffix += 1;
    }
  }

  private readZeros(count: number, most: number): void {
    const table = (most === 4 ? totalZerosOfChroma : totalZeros)[count - 1];
    let zeros = this.readCode(table);
    if (zeros < 0 || zeros + count > most) {
      this.failed = true;
      return;
    }
    for (let left = count - 1; left > 0 && zeros > 0; left -= 1) {
      const run = this.readCode(runTables[Math.min(zeros, 7) - 1]);
      if (run < 0 || run > zeros) {
        this.failed = true;
        return;
      }
      zeros -= run;
    }
  }

  private readCode(table: CodeTable | undefined): number {
    if (!table) return -1;
    const { at } = this.reader;
    const { bytes } = this;
    const byte = at >> 3;
    const word =
      (((bytes[byte] ?? 0) << 16) | ((bytes[byte + 1] ?? 0) << 8) | (bytes[byte + 2] ?? 0)) <<
      (8 + (at & 7));
    const found = table.codes[word >>> (32 - table.bits)] ?? 0;
    if (found === 0) return -1;
    this.reader.skip(found & 31);
    return found >> 5;
  }
}

/** The number of coefficients a block probably has, by its neighbours' (§9.2.1). */
function nearby(left: number, above: number): number {
  if (left === absent) return above === absent ? 0 : above;
  return above === absent ? left : (left + above + 1) >> 1;
}
