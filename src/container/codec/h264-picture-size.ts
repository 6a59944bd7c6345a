/**
 * The size of an H.264 picture whose parameter sets are lost, from the picture itself.
 *
 * Macroblocks of an intra picture are coded by what lies to their left and above, so they can only be
 * read to the end of their slice, bit for bit, with the right width; and so many of them are the
 * picture. Whatever else the reading depends on is confirmed with it.
 */
import { BitReader } from './bit-reader.ts';
import { ArithmeticIntraReader } from './h264-intra-arithmetic.ts';
import { CavlcIntraReader } from './h264-intra-cavlc.ts';
import { unescapeUnit, unitLength } from './nal.ts';

/** What the header of an intra slice, and its coding, depend on. */
export interface IntraSetup {
  readonly frameNumBits: number;
  /** Width of the order count's low bits; 0 when the header has none. */
  readonly orderBits: number;
  readonly deblockingControl: boolean;
  readonly cabac: boolean;
  readonly transform8x8: boolean;
  /** Quantiser that the slice's is a difference to. */
  readonly initialQp: number;
}

interface IntraSlice {
  readonly bytes: Uint8Array;
  readonly firstMb: number;
  /** Bit of the trailing one. */
  readonly end: number;
}

const idrType = 5;

/** A key frame, ready to be read with one setup and width after the other. */
export class IntraPicture {
  private readonly first: IntraSlice;
  private readonly last: IntraSlice;
  /** Where the second slice begins; 0 when there is one only. */
  private readonly secondMb: number;
  private readonly arithmetic = new ArithmeticIntraReader();
  private readonly cavlc = new CavlcIntraReader();
  private readonly reader = new BitReader();
  /**
   * Macroblocks that the last try could read. Where that is less than its width, every wider try
   * fails at the same one: in the first row nothing depends on the width.
   */
  reached = 0;

  private constructor(slices: readonly IntraSlice[]) {
    const [first, second] = slices;
    const last = slices.at(-1);
    if (!first || !last) throw new Error('a picture has slices');
    this.first = first;
    this.last = last;
    this.secondMb = second?.firstMb ?? 0;
  }

  /** Takes a sample with lengths of four bytes; null when it is no IDR picture. */
  static of(sample: Uint8Array): IntraPicture | null {
    const slices: IntraSlice[] = [];
    for (let at = 0; at + 5 < sample.length; at += 4 + unitLength(sample, at, 4)) {
      const end = Math.min(sample.length, at + 4 + unitLength(sample, at, 4));
      if (((sample[at + 4] ?? 0) & 31) !== idrType) continue;
      const slice = readSlice(sample, at + 5, end);
      if (slice) slices.push(slice);
    }
    return slices[0]?.firstMb === 0 ? new IntraPicture(slices) : null;
  }

  /**
   * Reads the picture with a width.
   *
   * @param width  in macroblocks
   * @returns macroblocks of the picture; 0 when it cannot be read so
   */
  macroblocks(setup: IntraSetup, width: number): number {
    const coder = setup.cabac ? this.arithmetic : this.cavlc;
    coder.reached = 0; // for a header that cannot be
    const count = this.read(this.first, setup, width);
    this.reached = count > 0 ? Number.POSITIVE_INFINITY : coder.reached;
    if (count === 0) return 0;
    if (this.secondMb === 0) return count % width === 0 ? count : 0;
    if (count !== this.secondMb) return 0;
    const total = this.last.firstMb + this.read(this.last, setup, width);
    return total > this.last.firstMb && total % width === 0 ? total : 0;
  }

  private read(slice: IntraSlice, setup: IntraSetup, width: number): number {
    const { reader } = this;
    const { bytes, firstMb, end } = slice;
    reader.reset(bytes);
    reader.ue();
    reader.ue();
    reader.ue();
    reader.skip(setup.frameNumBits);
    reader.ue(); // idr_pic_id
    reader.skip(setup.orderBits + 2);
    const qp = setup.initialQp + reader.se();
    if (qp < 0 || qp > 51) return 0;
    if (setup.deblockingControl) {
      const control = reader.ue();
      if (control > 2) return 0;
      if (control !== 1 && (Math.abs(reader.se()) > 6 || Math.abs(reader.se()) > 6)) return 0;
    }
    const coding = { width, firstMb, qp, transform8x8: setup.transform8x8 };
    if (!setup.cabac) return this.cavlc.read(bytes, reader.at, end, coding);
    while (reader.at % 8 !== 0) if (!reader.flag()) return 0; // cabac_alignment_one_bit
    return this.arithmetic.read(bytes, reader.at / 8, end, coding);
  }
}

function readSlice(sample: Uint8Array, from: number, to: number): IntraSlice | null {
  const target = new Uint8Array(to - from);
  const length = unescapeUnit(sample, from, to, target);
  let last = length - 1;
  while (last >= 0 && target[last] === 0) last -= 1;
  if (last < 0) return null;
  const bytes = target.subarray(0, length);
  const firstMb = new BitReader().reset(bytes).ue();
  const lowest = 31 - Math.clz32((target[last] ?? 0) & -(target[last] ?? 0));
  return { bytes, firstMb, end: last * 8 + 7 - lowest };
}
