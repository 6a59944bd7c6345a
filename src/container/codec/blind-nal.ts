/**
 * H.264 and HEVC without any parameter set: where pictures begin and end still stands in the stream.
 *
 * The chain of unit lengths, the types of the units and the first bits of a slice need no set: a
 * slice that begins at macroblock (tree block) 0 begins a picture (ISO/IEC 14496-10 §7.3.3, ITU-T
 * H.265 §7.3.6.1). The order in which pictures are shown stands behind fields whose width the sets
 * tell; blind-order.ts finds those widths by their values.
 */
import { BitReader } from './bit-reader.ts';
import {
  type CodecState,
  needsMore,
  noFacts,
  notASample,
  type SampleCodec,
  type SampleFacts,
} from './codec.ts';
import { readSei, type SeiFacts, unescapeUnit, unitLength } from './nal.ts';

/** What is known of a stream whose parameter sets are not. */
export interface BlindFormat {
  readonly codec: 'h264' | 'hevc';
  /** Width of `frame_num`; 0 where it is not known, and for HEVC. */
  readonly frameNumBits: number;
  /** Width of the picture order count's low bits; 0 where pictures are shown as they are stored. */
  readonly orderBits: number;
}

/** The head of a slice. Objects are reused. */
export interface BlindSlice {
  /** The NAL unit's type. */
  type: number;
  sync: boolean;
  /** Other pictures may refer to it. */
  referenced: boolean;
  /** First of its picture. */
  first: boolean;
  /** Bits from the start of the unescaped payload to `frame_num` (H.264) or the order count (HEVC). */
  numbersAt: number;
}

export const emptyBlindSlice = (): BlindSlice => ({
  type: 0,
  sync: false,
  referenced: false,
  first: false,
  numbersAt: 0,
});

const prefix = 4;
const headBytes = 64;
/** More than any picture of 8K at lossless quality has is none. */
const longestUnit = 8 * 1024 * 1024;
const longestSet = 1024;
const mostLeadingUnits = 32;
// Recorders number their picture parameter sets from 0; chance numbers are mostly larger.
const mostSetId = 7;

type Seen = 'more' | 'no' | 'slice' | 'before' | 'after';

/** Makes the codec; its pictures are shown in stored order when `format` does not know better. */
export function blindCodec(format: BlindFormat): SampleCodec {
  return new BlindCodec(format);
}

class BlindCodec implements SampleCodec {
  readonly codec: 'h264' | 'hevc';
  readonly kind = 'video';
  readonly framing = 'measured';
  readonly fixedBytes = 0;
  readonly maxSampleBytes = longestUnit;
  readonly rate = 0;
  readonly usualDuration = 0;
  readonly width = 0;
  readonly height = 0;
  readonly channels = 0;
  readonly reorderDepth = null;
  readonly frameRate = 0;
  readonly last: SampleFacts = noFacts();
  private readonly format: BlindFormat;
  private readonly head = new Uint8Array(headBytes);
  private readonly reader = new BitReader();
  private readonly slice = emptyBlindSlice();
  private readonly sei: SeiFacts = { fits: false, recoveryPoint: false };
  private unitBytes = 0;
  /** Of the picture measured last. */
  private lowBits = 0;
  private resets = false;
  private referenced = false;
  // Between pictures.
  private epoch = 0;
  private previous = 0;
  private accepted = 0;
  private fresh = true;

  constructor(format: BlindFormat) {
    this.format = format;
    this.codec = format.codec;
  }

  measure(bytes: Uint8Array, at: number, end: number, atEnd = false): number {
    const { last } = this;
    Object.assign(last, { length: 0, soFar: 0, wanted: 0, sync: false, slices: 0 });
    last.recoveryPoint = false;
    let leading = 0;
    for (let position = at; ; position += this.unitBytes) {
      const seen = this.look(bytes, position, end);
      const begins = seen === 'before' || (seen === 'slice' && this.slice.first);
      if (last.slices > 0 && (seen === 'no' || begins)) {
        last.length = position - at;
        return last.length;
      }
      if (seen === 'more') {
        if (atEnd && position === end && last.slices > 0) {
          last.length = position - at;
          return last.length;
        }
        last.soFar = position - at;
        last.wanted = Math.max(position + prefix + headBytes, position + this.unitBytes) - at;
        return needsMore;
      }
      if (seen === 'no' || ++leading > mostLeadingUnits + last.slices) return notASample;
      if (last.slices === 0 && seen !== 'before' && !begins) return notASample;
      if (seen === 'slice') this.takeSlice();
      if (position + this.unitBytes > end) {
        last.soFar = position - at;
        last.wanted = position + this.unitBytes - at;
        return needsMore;
      }
    }
  }

  isStart(bytes: Uint8Array, at: number, end: number): boolean {
    const seen = this.look(bytes, at, end);
    return seen === 'before' || (seen === 'slice' && this.slice.first);
  }

  accept(): void {
    const { last } = this;
    const { orderBits } = this.format;
    if (this.resets || this.fresh) this.epoch += 1;
    if (orderBits === 0) {
      this.accepted = this.resets || this.fresh ? 0 : this.accepted + 1;
      last.order = this.accepted;
    } else {
      const base = this.resets || this.fresh ? 0 : this.previous;
      last.order = nearest(this.lowBits, base, orderBits, this.resets || this.fresh);
      if (this.referenced) this.previous = last.order;
    }
    last.epoch = this.epoch;
    this.fresh = false;
  }

  discontinue(): void {
    this.fresh = true;
  }

  state(): CodecState {
    return [this.epoch, this.previous, this.accepted, this.fresh ? 1 : 0];
  }

  restore(state: CodecState): boolean {
    const [epoch, previous, accepted, fresh] = state;
    for (const value of [epoch, previous, accepted]) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return false;
    }
    this.epoch = Number(epoch);
    this.previous = Number(previous);
    this.accepted = Number(accepted);
    this.fresh = fresh === 1;
    return true;
  }

  private takeSlice(): void {
    const { last, slice } = this;
    if (last.slices++ > 0) return;
    last.sync = slice.sync;
    this.referenced = slice.referenced;
    this.resets = this.codec === 'h264' ? slice.sync : slice.sync && slice.type !== craType;
    this.lowBits = readOrderBits(this.reader, this.head, slice, this.format);
  }

  private look(bytes: Uint8Array, at: number, end: number): Seen {
    const from = at + prefix;
    this.unitBytes = 0;
    if (from + 2 >= end) return 'more';
    const length = unitLength(bytes, at, prefix);
    if (length < 2 || length > longestUnit) return 'no';
    this.unitBytes = prefix + length;
    return this.codec === 'h264'
      ? this.lookAtH264(bytes, from, length, end)
      : this.lookAtHevc(bytes, from, length, end);
  }

  private lookAtH264(bytes: Uint8Array, from: number, length: number, end: number): Seen {
    const header = bytes[from] ?? 0;
    const type = header & 31;
    const refIdc = header >> 5;
    if (header >= 128) return 'no';
    if (type === 1 || type === 5) {
      if (type === 5 && refIdc === 0) return 'no';
      return this.readHead(bytes, from + 1, from + length, end, header);
    }
    if (type === 7 || type === 8) return refIdc > 0 && length <= longestSet ? 'before' : 'no';
    if (refIdc !== 0) return 'no';
    if (type === 6) return this.lookAtSei(bytes, from + 1, from + length, end);
    if (type === 9) return length === 2 && ((bytes[from + 1] ?? 0) & 31) === 16 ? 'before' : 'no';
    return type === 12 && bytes[from + 1] === 255 && this.last.slices > 0 ? 'after' : 'no';
  }

  private lookAtHevc(bytes: Uint8Array, from: number, length: number, end: number): Seen {
    const header = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    const type = header >> 9;
    const temporalId = (header & 7) - 1;
    if (header >= 0x8000 || ((header >> 3) & 63) !== 0 || temporalId < 0) return 'no';
    if (type <= 9 || (type >= 16 && type <= 21)) {
      if (type >= 16 && temporalId !== 0) return 'no';
      return this.readHead(bytes, from + 2, from + length, end, header);
    }
    if (type >= 32 && type <= 34) return length <= longestSet && temporalId === 0 ? 'before' : 'no';
    if (type === 35) return length === 3 && ((bytes[from + 2] ?? 0) & 31) === 16 ? 'before' : 'no';
    if (type !== 39 && type !== 40) return 'no';
    const seen = this.lookAtSei(bytes, from + 2, from + length, end);
    return type === 40 && seen === 'before' ? 'after' : seen;
  }

  private lookAtSei(bytes: Uint8Array, from: number, to: number, end: number): Seen {
    const length = unescapeUnit(bytes, from, Math.min(to, end), this.head);
    if (length < 0) return 'no';
    readSei(this.head, length, to <= end && length < headBytes, this.sei);
    // Messages of other types are none that a recorder writes; chance has them all alike.
    const message = this.head[0] ?? 255;
    const isKnown = message <= 60 || (message >= 128 && message <= 205);
    return this.sei.fits && isKnown ? 'before' : 'no';
  }

  private readHead(bytes: Uint8Array, from: number, to: number, end: number, header: number): Seen {
    const length = unescapeUnit(bytes, from, Math.min(to, end), this.head);
    if (length < 0) return 'no';
    const reader = this.reader.reset(this.head, 0, length);
    const fits =
      this.codec === 'h264'
        ? readH264Head(reader, header, this.slice)
        : readHevcHead(reader, header, this.slice);
    if (reader.overrun) return to > end ? 'more' : 'no';
    return fits ? 'slice' : 'no';
  }
}

const craType = 21;

/** Reads a slice header of H.264 up to `frame_num`. False when it can be none. */
export function readH264Head(reader: BitReader, header: number, slice: BlindSlice): boolean {
  const start = reader.at;
  const firstMb = reader.ue();
  const code = reader.ue();
  const set = reader.ue();
  slice.type = header & 31;
  slice.sync = slice.type === 5;
  slice.referenced = header >> 5 > 0;
  slice.first = firstMb === 0;
  slice.numbersAt = reader.at - start;
  // A macroblock number as of 8K; slices of types P, B and I only; pictures that reset are I.
  if (firstMb >= 139_264 || code > 9 || code % 5 > 2 || set > mostSetId) return false;
  return !slice.sync || code % 5 === 2;
}

/** Reads a slice header of HEVC up to the order count. False when it can be none. */
export function readHevcHead(reader: BitReader, header: number, slice: BlindSlice): boolean {
  const start = reader.at;
  const type = header >> 9;
  slice.type = type;
  slice.sync = type >= 16;
  slice.first = reader.flag();
  const isLeading = type >= 6 && type <= 9;
  // Pictures of even types below 16 are referred to by none of their layer.
  slice.referenced = (header & 7) === 1 && !isLeading && (type >= 16 || type % 2 === 1);
  if (slice.sync) reader.skip(1);
  if (reader.ue() > mostSetId) return false;
  if (!slice.first) return true;
  const sliceType = reader.ue();
  slice.numbersAt = reader.at - start;
  return sliceType <= 2 && (!slice.sync || sliceType === 2);
}

/** The low bits of a picture's order count; 0 where the format has none. */
export function readOrderBits(
  reader: BitReader,
  head: Uint8Array,
  slice: BlindSlice,
  format: BlindFormat,
): number {
  const { codec, frameNumBits, orderBits } = format;
  if (orderBits === 0) return 0;
  if (codec === 'hevc' && (slice.type === 19 || slice.type === 20)) return 0;
  reader.reset(head);
  reader.skip(slice.numbersAt);
  if (codec === 'h264') {
    reader.skip(frameNumBits);
    if (slice.sync) reader.ue(); // idr_pic_id
  }
  return reader.bits(orderBits);
}

/** The order count with these low bits that is nearest to the one before. */
export function nearest(low: number, previous: number, bits: number, restarts: boolean): number {
  if (restarts) return low;
  const range = 2 ** bits;
  const previousLow = ((previous % range) + range) % range;
  const high = previous - previousLow;
  if (low < previousLow && previousLow - low >= range / 2) return high + range + low;
  if (low > previousLow && low - previousLow > range / 2) return high - range + low;
  return high + low;
}
