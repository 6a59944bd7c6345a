/**
 * H.264 as a sample codec: access units of length-prefixed NAL units.
 *
 * Where one access unit ends and the next begins is told by ISO/IEC 14496-10 §7.4.1.2.3 and
 * §7.4.1.2.4. Two fields of one frame share a sample, as recorders and muxers store them.
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
import { H264Order } from './h264-order.ts';
import {
  type H264Pps,
  type H264Sps,
  parseAvcConfig,
  parseH264Pps,
  parseH264Sps,
} from './h264-parameter-sets.ts';
import {
  beginsPicture,
  completesFrame,
  emptySlice,
  type H264Slice,
  readH264Slice,
} from './h264-slice.ts';
import { fromHex, toHex } from './hex.ts';
import { readSei, type SeiFacts, unescapeUnit, unitLength } from './nal.ts';

const nal = { slice: 1, partitionA: 2, idr: 5, sei: 6, sps: 7, pps: 8, delimiter: 9 } as const;
const endOfSequence = 10;
const endOfStream = 11;
const filler = 12;
/** The profile that may part the data of a slice. */
const extended = 88;
const auxiliary = 19;

/** Parameter sets are never longer; a unit that says so is none. */
const longestSet = 4096;
/** A slice header with every table at its longest fits in this; nearly all fit in a tenth. */
const headBytes = 1024;
/** Units before the first slice of a picture: delimiter, a few sets, a few SEI. */
const mostLeadingUnits = 64;
const usualHeadBytes = 96;

/** Makes the codec from `avcC`; null when that is damaged beyond use. */
export function h264FromConfig(avcC: Uint8Array): SampleCodec | null {
  const config = parseAvcConfig(avcC);
  if (!config) return null;
  return h264Codec(config.lengthBytes, config.sps, config.pps);
}

/**
 * Makes the codec from parameter sets.
 *
 * @param lengthBytes  bytes of a NAL unit's length, 1 to 4
 * @param sps  whole units; may be empty when the stream carries its sets in band
 */
export function h264Codec(
  lengthBytes: number,
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
): SampleCodec {
  return new H264Codec(lengthBytes, sps, pps);
}

type Seen = 'more' | 'no' | 'slice' | 'before' | 'after';

class H264Codec implements SampleCodec {
  readonly codec = 'h264';
  readonly kind = 'video';
  readonly framing = 'measured';
  readonly fixedBytes = 0;
  readonly rate = 0;
  readonly usualDuration = 0;
  readonly channels = 0;
  readonly last: SampleFacts = noFacts();

  private readonly prefix: number;
  private readonly spsById = new Map<number, H264Sps>();
  private readonly ppsById = new Map<number, H264Pps>();
  private readonly setUnits = new Map<string, Uint8Array>();
  private readonly sets = {
    sps: (id: number) => this.pendingSps.get(id) ?? this.spsById.get(id),
    pps: (id: number) => this.pendingPps.get(id) ?? this.ppsById.get(id),
  };

  // Sets seen in the sample being measured; they take effect with accept().
  private readonly pendingSps = new Map<number, H264Sps>();
  private readonly pendingPps = new Map<number, H264Pps>();
  private readonly pendingUnits: Uint8Array[] = [];

  private readonly order = new H264Order();
  private readonly reader = new BitReader();
  private readonly head = new Uint8Array(headBytes);
  private readonly sei: SeiFacts = { fits: false, recoveryPoint: false };

  // The unit looked at last.
  private unitBytes = 0;
  private wanted = 0;
  private candidate: H264Slice = emptySlice();

  // Slices of the sample being measured: its first, the one before, the first of its second field.
  private first: H264Slice = emptySlice();
  private previous: H264Slice = emptySlice();
  private second: H264Slice = emptySlice();

  constructor(lengthBytes: number, sps: readonly Uint8Array[], pps: readonly Uint8Array[]) {
    this.prefix = lengthBytes;
    for (const unit of sps) this.takeSet(unit);
    for (const unit of pps) this.takeSet(unit);
    this.commitSets();
  }

  private get anySps(): H264Sps | undefined {
    for (const sps of this.spsById.values()) return sps;
    return undefined;
  }

  get width(): number {
    return this.anySps?.width ?? 0;
  }

  get height(): number {
    return this.anySps?.height ?? 0;
  }

  get frameRate(): number {
    return this.anySps?.frameRate ?? 0;
  }

  get reorderDepth(): number | null {
    const sps = this.anySps;
    if (!sps) return null;
    return sps.orderType === 2 || sps.profile === 66 ? 0 : sps.reorderDepth;
  }

  /** A macroblock takes at most 3200 bits (§A.3.1), more at greater depths; twice that is safe. */
  get maxSampleBytes(): number {
    const sps = this.anySps;
    const mbs = sps ? sps.widthInMbs * sps.heightInMbs : 36864;
    return Math.max(1 << 20, mbs * (sps && sps.bitDepth > 8 ? 1600 : 800));
  }

  measure(bytes: Uint8Array, at: number, end: number, atEnd = false): number {
    const { last } = this;
    blank(last);
    this.dropPending();
    const limit = at + this.maxSampleBytes;
    let position = at;
    // Where the sample ends if what was seen since belongs to the next one.
    let tentative = 0;
    let leading = 0;
    for (;;) {
      if (position > limit) return last.slices > 0 && tentative > 0 ? this.end(tentative, at) : 0;
      const seen = this.look(bytes, position, end, atEnd);
      if (seen === 'more') {
        // A next unit that is torn and may be anything: the scanner knows how many slices to expect.
        if (atEnd && position === end && last.slices > 0)
          return this.end(tentative || position, at);
        last.soFar = (tentative || position) - at;
        last.wanted = Math.max(this.wanted, position - at + 1);
        return needsMore;
      }
      // Delimiters, sets and SEI before the first slice are a handful; a flood of them is none.
      const flooded = last.slices === 0 && ++leading > mostLeadingUnits;
      if (seen === 'no' || flooded || (seen === 'after' && last.slices === 0)) {
        return last.slices > 0 ? this.end(tentative || position, at) : notASample;
      }
      if (seen === 'before' && last.slices > 0 && tentative === 0) {
        // Delimiter, parameter sets or SEI after a slice: the next picture, unless a field is due.
        if (!this.first.field || last.fields === 2) return this.end(position, at);
        tentative = position;
      }
      if (seen === 'slice') {
        if (!this.takeSlice(tentative > 0)) return this.end(tentative || position, at);
        tentative = 0;
      }
      if (position + this.unitBytes > end) {
        last.soFar = position - at;
        last.wanted = position + this.unitBytes - at;
        return needsMore;
      }
      this.noteUnit(bytes, position);
      position += this.unitBytes;
    }
  }

  isStart(bytes: Uint8Array, at: number, end: number): boolean {
    // Sets that came with the sample before hold for what begins here, those of a refused one do not.
    if (this.last.length === 0) this.dropPending();
    const seen = this.look(bytes, at, end, false);
    return seen === 'before' || (seen === 'slice' && this.candidate.firstMb === 0);
  }

  accept(): void {
    const { last, first } = this;
    this.commitSets();
    const sps = this.sets.sps(first.spsId);
    if (!sps) return;
    const order = this.order.take(first, sps);
    last.epoch = this.order.epoch;
    last.order = order;
    if (first.field && last.fields === 2) {
      last.order = Math.min(order, this.order.take(this.second, sps, true));
      last.epoch = this.order.epoch;
    }
  }

  discontinue(): void {
    this.order.discontinue();
  }

  state(): CodecState {
    return [...this.order.state(), ...[...this.setUnits.values()].map(toHex)];
  }

  restore(state: CodecState): boolean {
    const units = state.slice(7).map((text) => (typeof text === 'string' ? fromHex(text) : null));
    if (units.includes(null) || !this.order.restore(state.slice(0, 7))) return false;
    this.pendingUnits.length = 0;
    for (const unit of units) if (unit) this.takeSet(unit);
    this.commitSets();
    return true;
  }

  private end(position: number, at: number): number {
    const { last } = this;
    last.length = position - at;
    last.sync = this.first.idr;
    const sps = this.sets.sps(this.first.spsId);
    last.follows = sps === undefined || this.order.follows(this.first, sps);
    last.parameterSets = this.pendingUnits.length > 0;
    return last.length;
  }

  /** Adds the slice looked at to the sample; false when it begins the next sample. */
  private takeSlice(afterDelimiter: boolean): boolean {
    const { last, candidate } = this;
    if (last.slices === 0) {
      this.swapInto('first');
      this.copyPrevious();
      last.slices = 1;
      last.fields = this.first.field ? 1 : 2;
      return true;
    }
    const another = afterDelimiter || this.isAnother(candidate);
    if (another) {
      if (last.fields !== 1 || !completesFrame(this.first, candidate)) return false;
      last.fields = 2;
      this.swapInto('second');
      this.copyPrevious();
      last.slices++;
      return true;
    }
    this.swapInto('previous');
    last.slices++;
    return true;
  }

  private isAnother(next: H264Slice): boolean {
    if (beginsPicture(this.previous, next)) return true;
    // Only Baseline and Extended may send slices in any order; elsewhere their addresses grow, also
    // when pictures between were lost that the header would tell apart.
    const profile = this.sets.sps(next.spsId)?.profile ?? 0;
    const inOrder = profile !== 66 && profile !== 88 && next.redundant === 0;
    return inOrder && next.firstMb <= this.previous.firstMb;
  }

  private swapInto(place: 'first' | 'second' | 'previous'): void {
    const taken = this.candidate;
    this.candidate = this[place];
    this[place] = taken;
  }

  private copyPrevious(): void {
    Object.assign(
      this.previous,
      this.last.fields === 2 && this.first.field ? this.second : this.first,
    );
  }

  private noteUnit(bytes: Uint8Array, at: number): void {
    const from = at + this.prefix;
    const type = (bytes[from] ?? 0) & 31;
    if (type === nal.sei && this.sei.recoveryPoint) this.last.recoveryPoint = true;
    if (type === nal.sps || type === nal.pps) {
      this.takeSet(bytes.slice(from, at + this.unitBytes));
    }
  }

  /** Looks at the unit at a position: what it is to the access unit, or that it is none. */
  private look(bytes: Uint8Array, at: number, end: number, atEnd: boolean): Seen {
    const from = at + this.prefix;
    this.wanted = 0;
    if (from >= end) return 'more';
    const length = unitLength(bytes, at, this.prefix);
    if (length === 0 || length > this.maxSampleBytes) return 'no';
    this.unitBytes = this.prefix + length;
    const header = bytes[from] ?? 0;
    if (header >= 128) return 'no';
    const type = header & 31;
    const refIdc = header >> 5;
    const to = Math.min(end, from + length);
    const whole = from + length <= end;
    if (type === nal.slice || type === nal.idr || type === nal.partitionA) {
      if (type === nal.idr && refIdc === 0) return 'no';
      if (type === nal.partitionA && this.anySps?.profile !== extended) return 'no';
      return this.lookAtSlice(bytes, from, to, whole);
    }
    if (type === nal.sps || type === nal.pps) {
      if (refIdc === 0 || length > longestSet) return 'no';
      if (!whole) return atEnd ? 'no' : 'more';
      const unit = bytes.subarray(from, to);
      return (type === nal.sps ? parseH264Sps(unit) : parseH264Pps(unit)) ? 'before' : 'no';
    }
    if (refIdc !== 0 && type !== auxiliary && type !== 3 && type !== 4) return 'no';
    if (type === nal.sei) return this.lookAtSei(bytes, from, to, whole);
    if (type === nal.delimiter) {
      if (length !== 2) return 'no';
      if (!whole) return 'more';
      return ((bytes[from + 1] ?? 0) & 31) === 16 ? 'before' : 'no';
    }
    if (type === endOfSequence || type === endOfStream) return length === 1 ? 'after' : 'no';
    if (type === filler) return isFiller(bytes, from + 1, to) ? 'after' : 'no';
    // Partitions B and C and auxiliary pictures follow the slice they belong to. Quiet PCM would pass
    // for either, were it not for the profile (only Extended has partitions) and the slice header.
    if (this.last.slices === 0) return 'no';
    if (type === 3 || type === 4) return this.anySps?.profile === extended ? 'after' : 'no';
    if (type !== auxiliary) return 'no';
    const seen = this.lookAtSlice(bytes, from, to, whole);
    return seen === 'slice' ? 'after' : seen;
  }

  private lookAtSlice(bytes: Uint8Array, from: number, to: number, whole: boolean): Seen {
    for (const size of [usualHeadBytes, headBytes]) {
      const stop = Math.min(to, from + 1 + size);
      const length = unescapeUnit(bytes, from + 1, stop, this.head);
      if (length < 0) return 'no';
      const reader = this.reader.reset(this.head, 0, length);
      const fits = readH264Slice(reader, bytes[from] ?? 0, this.sets, this.candidate);
      // Slice data follows the header: a header that reaches the end of its unit is none.
      if (!reader.overrun) return fits ? 'slice' : 'no';
      if (stop === to) return whole ? 'no' : 'more';
    }
    return 'no';
  }

  private lookAtSei(bytes: Uint8Array, from: number, to: number, whole: boolean): Seen {
    const length = unescapeUnit(bytes, from + 1, to, this.head);
    if (length < 0) return 'no';
    // One that is longer than we keep (x264 lists its options, about 700 bytes) is judged by its start.
    readSei(this.head, length, whole && length < this.head.length, this.sei);
    return this.sei.fits ? 'before' : 'no';
  }

  private takeSet(unit: Uint8Array): void {
    const type = (unit[0] ?? 0) & 31;
    if (type === nal.sps) {
      const sps = parseH264Sps(unit, true);
      if (sps) this.pendingSps.set(sps.id, sps);
      if (sps) this.pendingUnits.push(unit);
    } else if (type === nal.pps) {
      const pps = parseH264Pps(unit, (id) => this.sets.sps(id)?.chromaFormat ?? 1, true);
      if (pps) this.pendingPps.set(pps.id, pps);
      if (pps) this.pendingUnits.push(unit);
    }
  }

  private commitSets(): void {
    if (this.pendingUnits.length === 0) return;
    for (const [id, sps] of this.pendingSps) this.spsById.set(id, sps);
    for (const [id, pps] of this.pendingPps) this.ppsById.set(id, pps);
    for (const unit of this.pendingUnits) this.setUnits.set(setKey(unit), unit);
    this.dropPending();
  }

  // Clearing a map makes garbage even when it is empty, and most samples bring no sets.
  private dropPending(): void {
    if (this.pendingUnits.length === 0) return;
    this.pendingSps.clear();
    this.pendingPps.clear();
    this.pendingUnits.length = 0;
  }
}

function blank(facts: SampleFacts): void {
  facts.length = 0;
  facts.soFar = 0;
  facts.wanted = 0;
  facts.sync = false;
  facts.recoveryPoint = false;
  facts.slices = 0;
  facts.fields = 2;
  facts.parameterSets = false;
}

/** Units of the same set share a key: a later one replaces an earlier one. */
function setKey(unit: Uint8Array): string {
  const type = (unit[0] ?? 0) & 31;
  if (type === nal.sps) return `s${parseH264Sps(unit, true)?.id}`;
  return `p${parseH264Pps(unit, () => 1, true)?.id}`;
}

// Filler is bytes of 0xFF and the trailing bits; its ends are looked at, so that time stays constant.
function isFiller(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < Math.min(to - 1, from + 64); at++) if (bytes[at] !== 255) return false;
  return true;
}
