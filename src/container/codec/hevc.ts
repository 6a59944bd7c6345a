/**
 * HEVC as a sample codec: access units of length-prefixed NAL units (ITU-T H.265 §7.4.2.4.4), with
 * the order in which pictures are shown (§8.3.1).
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
import {
  type HevcPps,
  type HevcSps,
  isHevcVps,
  parseHevcConfig,
  parseHevcPps,
  parseHevcSps,
  readShortTermSet,
} from './hevc-parameter-sets.ts';
import { fromHex, toHex } from './hex.ts';
import { readSei, type SeiFacts, unescapeUnit, unitLength } from './nal.ts';

const radlN = 6;
const raslN = 8;
const raslR = 9;
const firstIrap = 16;
const lastIrap = 21;
const idrWithLeading = 19;
const idrAlone = 20;
const craType = 21;
const setType = { vps: 32, sps: 33, pps: 34 } as const;
const delimiter = 35;
const endOfSequence = 36;
const endOfStream = 37;
const fillerType = 38;
const prefixSei = 39;
const suffixSei = 40;

const longestSet = 8192;
const headBytes = 512;
/** Units before the first slice of a picture: delimiter, a few sets, a few SEI. */
const mostLeadingUnits = 64;

/** Makes the codec from `hvcC`; null when that is damaged beyond use. */
export function hevcFromConfig(hvcC: Uint8Array): SampleCodec | null {
  const config = parseHevcConfig(hvcC);
  return config ? hevcCodec(config.lengthBytes, config.units) : null;
}

/**
 * Makes the codec from parameter sets.
 *
 * @param lengthBytes  bytes of a NAL unit's length, 1 to 4
 * @param units  whole VPS, SPS and PPS units; may be empty when the stream carries them in band
 */
export function hevcCodec(lengthBytes: number, units: readonly Uint8Array[]): SampleCodec {
  return new HevcCodec(lengthBytes, units);
}

/** Of the first slice segment of a picture. */
interface Picture {
  type: number;
  temporalId: number;
  spsId: number;
  orderLsb: number;
  shown: boolean;
}

// Pictures that structures of any encoder have between two anchors, and as many that were left out.
const mostReordered = 64;

type Seen = 'more' | 'no' | 'picture' | 'slice' | 'before' | 'after';

class HevcCodec implements SampleCodec {
  readonly codec = 'hevc';
  readonly kind = 'video';
  readonly framing = 'measured';
  readonly fixedBytes = 0;
  readonly rate = 0;
  readonly usualDuration = 0;
  readonly channels = 0;
  readonly last: SampleFacts = noFacts();

  private readonly prefix: number;
  private readonly spsById = new Map<number, HevcSps>();
  private readonly ppsById = new Map<number, HevcPps>();
  private readonly setUnits = new Map<string, Uint8Array>();
  private readonly pendingSps = new Map<number, HevcSps>();
  private readonly pendingPps = new Map<number, HevcPps>();
  private readonly pendingUnits: Uint8Array[] = [];

  private readonly reader = new BitReader();
  private readonly head = new Uint8Array(headBytes);
  private readonly sei: SeiFacts = { fits: false, recoveryPoint: false };
  private readonly picture: Picture = {
    type: 0,
    temporalId: 0,
    spsId: 0,
    orderLsb: 0,
    shown: true,
  };
  private readonly first: Picture = { ...this.picture };
  private unitBytes = 0;
  private endsSequence = false;
  /** `slice_segment_address` of the unit looked at last, and of the slice before. */
  private address = 0;
  private previousAddress = -1;

  // Picture order between samples.
  private epoch = 0;
  private previousOrder = 0;
  private fresh = true;

  constructor(lengthBytes: number, units: readonly Uint8Array[]) {
    this.prefix = lengthBytes;
    // In the order VPS, SPS, PPS whatever the order of the box.
    for (const type of Object.values(setType)) {
      for (const unit of units) if (unitType(unit) === type) this.takeSet(unit);
    }
    this.commitSets();
  }

  private get anySps(): HevcSps | undefined {
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
    return this.anySps?.reorderDepth ?? null;
  }

  /** Uncompressed 4:2:0 at 16 bits is 3 bytes a pixel; no picture takes more. */
  get maxSampleBytes(): number {
    return Math.max(1 << 20, 3 * (this.width || 4096) * (this.height || 2304));
  }

  measure(bytes: Uint8Array, at: number, end: number, atEnd = false): number {
    const { last } = this;
    this.clear();
    const limit = at + this.maxSampleBytes;
    let position = at;
    let leading = 0;
    for (;;) {
      if (position > limit) return notASample;
      const seen = this.look(bytes, position, end, atEnd);
      if (seen === 'more') {
        if (atEnd && position === end && last.slices > 0) return this.end(position - at);
        last.soFar = position - at;
        last.wanted = position - at + this.prefix + headBytes;
        return needsMore;
      }
      // Delimiters, sets and SEI before the first slice are a handful; a flood of them is none.
      if (last.slices === 0 && ++leading > mostLeadingUnits) return notASample;
      if (seen === 'slice' && this.address <= this.previousAddress) return this.end(position - at);
      if (seen === 'no') return last.slices > 0 ? this.end(position - at) : notASample;
      if ((seen === 'before' || seen === 'picture') && last.slices > 0) {
        return this.end(position - at);
      }
      if ((seen === 'slice' || seen === 'after') && last.slices === 0) return notASample;
      if (seen === 'picture') Object.assign(this.first, this.picture);
      if (seen === 'picture' || seen === 'slice') {
        last.slices++;
        this.previousAddress = this.address;
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
    return seen === 'before' || seen === 'picture';
  }

  accept(): void {
    const { last, first } = this;
    this.commitSets();
    const sps = this.spsById.get(first.spsId);
    if (!sps) return;
    const irap = first.type >= firstIrap && first.type <= lastIrap;
    // IDR and BLA, and a CRA that nothing precedes, restart the count (NoRaslOutputFlag, §8.1.3).
    const restarts = this.fresh || (irap && first.type !== craType);
    const range = 2 ** sps.orderLsbBits;
    let msb = 0;
    if (restarts) {
      this.epoch++;
    } else {
      const previousLsb = ((this.previousOrder % range) + range) % range;
      msb = this.previousOrder - previousLsb;
      if (first.orderLsb < previousLsb && previousLsb - first.orderLsb >= range / 2) msb += range;
      else if (first.orderLsb > previousLsb && first.orderLsb - previousLsb > range / 2) {
        msb -= range;
      }
    }
    last.order = msb + first.orderLsb;
    last.epoch = this.epoch;
    // Leading pictures and those that no other of their layer refers to are no anchors.
    const leading = first.type >= radlN && first.type <= raslR;
    const unreferenced = first.type <= 14 && first.type % 2 === 0;
    const isAnchor = first.temporalId === 0 && !leading && !unreferenced;
    // Behind a hole the first picture is as near to the next ones as any.
    if (isAnchor || this.fresh) this.previousOrder = last.order;
    this.fresh = this.endsSequence;
  }

  discontinue(): void {
    this.fresh = true;
  }

  state(): CodecState {
    const units = [...this.setUnits.values()].map(toHex);
    return [this.epoch, this.previousOrder, this.fresh ? 1 : 0, ...units];
  }

  restore(state: CodecState): boolean {
    const [epoch, order, fresh, ...texts] = state;
    const units = texts.map((text) => (typeof text === 'string' ? fromHex(text) : null));
    if (units.includes(null)) return false;
    if (typeof epoch !== 'number' || typeof order !== 'number') return false;
    if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(order)) return false;
    this.clear();
    for (const unit of units) if (unit) this.takeSet(unit);
    this.commitSets();
    this.epoch = epoch;
    this.previousOrder = order;
    this.fresh = fresh === 1;
    return true;
  }

  private clear(): void {
    const { last } = this;
    last.length = 0;
    last.soFar = 0;
    last.wanted = 0;
    last.sync = false;
    last.recoveryPoint = false;
    last.skippedLeading = false;
    last.slices = 0;
    last.parameterSets = false;
    this.endsSequence = false;
    this.previousAddress = -1;
    this.dropPending();
  }

  private end(length: number): number {
    const { last, first } = this;
    last.length = length;
    last.sync = first.type >= firstIrap && first.type <= lastIrap;
    last.skippedLeading = first.type === raslN || first.type === raslR;
    last.follows = last.sync || this.fresh || this.isNear(first);
    last.shown = first.shown;
    last.parameterSets = this.pendingUnits.length > 0;
    return length;
  }

  /** Shown no further from the last anchor than encoders reorder. */
  private isNear({ spsId, orderLsb }: Picture): boolean {
    const range = 2 ** (this.spsById.get(spsId)?.orderLsbBits ?? 16);
    const apart = (((orderLsb - this.previousOrder) % range) + range) % range;
    return Math.min(apart, range - apart) <= mostReordered;
  }

  private noteUnit(bytes: Uint8Array, at: number): void {
    const from = at + this.prefix;
    const type = ((bytes[from] ?? 0) >> 1) & 63;
    if (type === prefixSei && this.sei.recoveryPoint) this.last.recoveryPoint = true;
    if (type === endOfSequence || type === endOfStream) this.endsSequence = true;
    if (type >= setType.vps && type <= setType.pps) {
      this.takeSet(bytes.slice(from, at + this.unitBytes));
    }
  }

  private look(bytes: Uint8Array, at: number, end: number, atEnd: boolean): Seen {
    const from = at + this.prefix;
    this.unitBytes = 0;
    if (from + 1 >= end) return 'more';
    const length = unitLength(bytes, at, this.prefix);
    if (length < 2 || length > this.maxSampleBytes) return 'no';
    this.unitBytes = this.prefix + length;
    const header = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    const type = header >> 9;
    const layer = (header >> 3) & 63;
    const temporalId = (header & 7) - 1;
    // Only the base layer; no recorder stores others.
    if (header >= 0x8000 || layer !== 0 || temporalId < 0) return 'no';
    const to = Math.min(end, from + length);
    const whole = from + length <= end;
    if (type <= raslR || (type >= firstIrap && type <= lastIrap)) {
      if (type >= firstIrap && temporalId !== 0) return 'no';
      return this.lookAtSlice(bytes, from, to, whole, type, temporalId);
    }
    if (type >= setType.vps && type <= setType.pps) {
      if (length > longestSet || temporalId !== 0) return 'no';
      if (!whole) return atEnd ? 'no' : 'more';
      return isSet(bytes.subarray(from, to), type) ? 'before' : 'no';
    }
    if (type === delimiter) {
      if (length !== 3) return 'no';
      return whole ? (((bytes[from + 2] ?? 0) & 31) === 16 ? 'before' : 'no') : 'more';
    }
    if (type === endOfSequence || type === endOfStream) return length === 2 ? 'after' : 'no';
    if (type === prefixSei || type === suffixSei) {
      const bytesOfHead = unescapeUnit(bytes, from + 2, to, this.head);
      if (bytesOfHead < 0) return 'no';
      readSei(this.head, bytesOfHead, whole && bytesOfHead < headBytes, this.sei);
      if (!this.sei.fits) return 'no';
      return type === prefixSei ? 'before' : 'after';
    }
    if (type === fillerType) return bytes[from + 2] === 255 || length === 3 ? 'after' : 'no';
    return 'no';
  }

  private lookAtSlice(
    bytes: Uint8Array,
    from: number,
    to: number,
    whole: boolean,
    type: number,
    temporalId: number,
  ): Seen {
    const length = unescapeUnit(bytes, from + 2, Math.min(to, from + 2 + headBytes), this.head);
    if (length < 0) return 'no';
    const reader = this.reader.reset(this.head, 0, length);
    const isFirst = reader.flag();
    const picture = this.picture;
    picture.type = type;
    picture.temporalId = temporalId;
    const fits = this.readSlice(reader, isFirst, type, picture);
    if (reader.overrun) return whole || length === headBytes ? 'no' : 'more';
    if (!fits) return 'no';
    return isFirst ? 'picture' : 'slice';
  }

  /** `slice_segment_header` (§7.3.6.1) up to the reference counts. */
  private readSlice(reader: BitReader, isFirst: boolean, type: number, picture: Picture): boolean {
    const irap = type >= firstIrap && type <= lastIrap;
    if (irap) reader.skip(1);
    const ppsId = reader.ue();
    const pps = this.pendingPps.get(ppsId) ?? this.ppsById.get(ppsId);
    const sps = pps && (this.pendingSps.get(pps.spsId) ?? this.spsById.get(pps.spsId));
    if (!pps || !sps || picture.temporalId >= sps.subLayers) return false;
    let dependent = false;
    this.address = 0;
    if (!isFirst) {
      if (pps.dependentSlices) dependent = reader.flag();
      const address = reader.bits(Math.ceil(Math.log2(sps.treeBlocks)));
      if (address === 0 || address >= sps.treeBlocks) return false;
      this.address = address;
    }
    if (dependent) return true;
    picture.spsId = sps.id;
    reader.skip(pps.extraBits);
    const sliceType = reader.ue();
    if (sliceType > 2 || (irap && sliceType !== 2)) return false;
    picture.shown = pps.outputFlagPresent ? reader.flag() : true;
    if (sps.separatePlanes && reader.bits(2) > 2) return false;
    picture.orderLsb = 0;
    if (type !== idrWithLeading && type !== idrAlone) {
      picture.orderLsb = reader.bits(sps.orderLsbBits);
      if (!readReferenceSets(reader, sps)) return false;
    }
    if (sps.adaptiveOffset) {
      reader.skip(1);
      if (sps.chromaFormat !== 0 && !sps.separatePlanes) reader.skip(1);
    }
    if (sliceType === 2) return true;
    if (reader.flag()) {
      if (reader.ue() > 14) return false;
      if (sliceType === 0 && reader.ue() > 14) return false;
    }
    return true;
  }

  private takeSet(unit: Uint8Array): void {
    const type = unitType(unit);
    if (type === setType.sps) {
      const sps = parseHevcSps(unit);
      if (!sps) return;
      this.pendingSps.set(sps.id, sps);
    } else if (type === setType.pps) {
      const pps = parseHevcPps(unit);
      if (!pps) return;
      this.pendingPps.set(pps.id, pps);
    }
    this.pendingUnits.push(unit);
  }

  private commitSets(): void {
    for (const [id, sps] of this.pendingSps) this.spsById.set(id, sps);
    for (const [id, pps] of this.pendingPps) this.ppsById.set(id, pps);
    for (const unit of this.pendingUnits) this.setUnits.set(setKey(unit), unit);
    this.dropPending();
  }

  private dropPending(): void {
    this.pendingSps.clear();
    this.pendingPps.clear();
    this.pendingUnits.length = 0;
  }
}

function readReferenceSets(reader: BitReader, sps: HevcSps): boolean {
  const sets = sps.shortTermSets;
  if (!reader.flag()) {
    if (!readShortTermSet(reader, sets.length, sets, true)) return false;
  } else if (sets.length > 1) {
    if (reader.bits(Math.ceil(Math.log2(sets.length))) >= sets.length) return false;
  }
  if (sps.longTermPresent) {
    const listed = sps.longTermCount > 0 ? reader.ue() : 0;
    const own = reader.ue();
    if (listed > 32 || own > 32) return false;
    const indexBits = sps.longTermCount > 1 ? Math.ceil(Math.log2(sps.longTermCount)) : 0;
    for (let n = 0; n < listed + own; n++) {
      reader.skip(n < listed ? indexBits : sps.orderLsbBits + 1);
      if (reader.flag()) reader.ue();
    }
  }
  if (sps.temporalPrediction) reader.skip(1);
  return true;
}

function unitType(unit: Uint8Array): number {
  return ((unit[0] ?? 0) >> 1) & 63;
}

function isSet(unit: Uint8Array, type: number): boolean {
  if (type === setType.vps) return isHevcVps(unit);
  return type === setType.sps ? parseHevcSps(unit) !== null : parseHevcPps(unit) !== null;
}

function setKey(unit: Uint8Array): string {
  const type = unitType(unit);
  if (type === setType.sps) return `s${parseHevcSps(unit)?.id}`;
  return type === setType.pps ? `p${parseHevcPps(unit)?.id}` : 'v';
}
