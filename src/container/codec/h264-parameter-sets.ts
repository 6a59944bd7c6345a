/**
 * H.264 sequence and picture parameter sets (ISO/IEC 14496-10 §7.3.2.1 and §7.3.2.2), and the
 * `avcC` box that carries them.
 */
import { BitReader } from './bit-reader.ts';
import { rawPayload } from './nal.ts';

export interface H264Sps {
  readonly id: number;
  readonly profile: number;
  readonly level: number;
  readonly chromaFormat: number;
  readonly separatePlanes: boolean;
  readonly bitDepth: number;
  readonly frameNumBits: number;
  readonly orderType: number;
  readonly orderLsbBits: number;
  readonly deltaAlwaysZero: boolean;
  readonly offsetForNonRef: number;
  readonly offsetTopToBottom: number;
  readonly offsetsForRefFrames: readonly number[];
  readonly refFrames: number;
  readonly gapsAllowed: boolean;
  readonly framesOnly: boolean;
  readonly widthInMbs: number;
  /** Of a frame. */
  readonly heightInMbs: number;
  readonly width: number;
  readonly height: number;
  /** `max_num_reorder_frames`; null when there is no such restriction in the set. */
  readonly reorderDepth: number | null;
  /** Frames per second by the timing information; 0 without. */
  readonly frameRate: number;
}

export interface H264Pps {
  readonly id: number;
  readonly spsId: number;
  readonly cabac: boolean;
  readonly bottomOrderPresent: boolean;
  readonly sliceGroups: number;
  readonly refIdxL0: number;
  readonly refIdxL1: number;
  readonly weightedPrediction: boolean;
  readonly weightedBiprediction: number;
  /** Initial quantiser, 26 + pic_init_qp_minus26. */
  readonly initialQp: number;
  readonly deblockingControl: boolean;
  readonly redundantPictures: boolean;
}

/** What `avcC` says (ISO/IEC 14496-15 §5.3.3.1). Units are whole NAL units with their header. */
export interface AvcConfig {
  readonly lengthBytes: number;
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

/** Reads the payload of `avcC`. Sets that are cut off are left out; null when it is none. */
export function parseAvcConfig(payload: Uint8Array): AvcConfig | null {
  if (payload.length < 6 || payload[0] !== 1) return null;
  const lengthBytes = ((payload[4] ?? 0) & 3) + 1;
  let at = 6;
  const take = (count: number): Uint8Array[] => {
    const units: Uint8Array[] = [];
    for (let n = 0; n < count && at + 2 <= payload.length; n++) {
      const length = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
      at += 2;
      if (at + length <= payload.length && length > 0)
        units.push(payload.subarray(at, at + length));
      at += length;
    }
    return units;
  };
  const sps = take((payload[5] ?? 0) & 31);
  const pps = take(payload[at++] ?? 0);
  return { lengthBytes, sps, pps };
}

/** Profiles whose sets have the fields on chroma and scaling (§7.3.2.1.1). */
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * Reads a whole SPS unit, header included; null when it is none or breaks a rule.
 *
 * @param known  it is known to be an SPS (from `avcC`): what is wrong or cut off behind the picture's
 *   size is forgiven, as decoders do
 */
export function parseH264Sps(unit: Uint8Array, known = false): H264Sps | null {
  const payload = rawPayload(unit);
  if (!payload || payload.length < 4 || (payload[0] ?? 0) % 32 !== 7) return null;
  const reader = new BitReader().reset(payload, 1);
  const profile = reader.bits(8);
  reader.skip(8);
  const level = reader.bits(8);
  const id = reader.ue();
  let chromaFormat = 1;
  let separatePlanes = false;
  let bitDepth = 8;
  if (highProfiles.has(profile)) {
    chromaFormat = reader.ue();
    if (chromaFormat === 3) separatePlanes = reader.flag();
    bitDepth = 8 + reader.ue();
    const chromaDepth = 8 + reader.ue();
    reader.skip(1);
    if (chromaFormat > 3 || bitDepth > 14 || chromaDepth > 14) return null;
    if (reader.flag()) skipScalingLists(reader, chromaFormat === 3 ? 12 : 8);
  }
  const frameNumBits = reader.ue() + 4;
  const orderType = reader.ue();
  let orderLsbBits = 0;
  let deltaAlwaysZero = false;
  let offsetForNonRef = 0;
  let offsetTopToBottom = 0;
  const offsetsForRefFrames: number[] = [];
  if (orderType === 0) {
    orderLsbBits = reader.ue() + 4;
  } else if (orderType === 1) {
    deltaAlwaysZero = reader.flag();
    offsetForNonRef = reader.se();
    offsetTopToBottom = reader.se();
    const cycle = reader.ue();
    if (cycle > 255) return null;
    for (let n = 0; n < cycle; n++) offsetsForRefFrames.push(reader.se());
  }
  const refFrames = reader.ue();
  const gapsAllowed = reader.flag();
  const widthInMbs = reader.ue() + 1;
  const mapUnits = reader.ue() + 1;
  const framesOnly = reader.flag();
  if (!framesOnly) reader.skip(1);
  reader.skip(1);
  const heightInMbs = mapUnits * (framesOnly ? 1 : 2);
  const crop = reader.flag() ? [reader.ue(), reader.ue(), reader.ue(), reader.ue()] : [0, 0, 0, 0];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  if (reader.overrun) return null;
  let usage = reader.flag() ? readUsage(reader) : noUsage;
  const ended = !reader.overrun && reader.atTrailingBits();
  if (!ended && known) usage = reader.overrun ? noUsage : usage;
  else if (!ended) return null;
  const xUnit = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const yUnit = (chromaFormat === 1 ? 2 : 1) * (framesOnly ? 1 : 2);
  const width = widthInMbs * 16 - (left + right) * xUnit;
  const height = heightInMbs * 16 - (top + bottom) * yUnit;
  const sane =
    id < 32 &&
    frameNumBits <= 16 &&
    orderType <= 2 &&
    orderLsbBits <= 16 &&
    refFrames <= 16 &&
    widthInMbs <= 1024 &&
    heightInMbs <= 1024 &&
    width > 0 &&
    height > 0;
  if (!sane) return null;
  return {
    id,
    profile,
    level,
    chromaFormat,
    separatePlanes,
    bitDepth,
    frameNumBits,
    orderType,
    orderLsbBits,
    deltaAlwaysZero,
    offsetForNonRef,
    offsetTopToBottom,
    offsetsForRefFrames,
    refFrames,
    gapsAllowed,
    framesOnly,
    widthInMbs,
    heightInMbs,
    width,
    height,
    ...usage,
  };
}

const noUsage = { reorderDepth: null as number | null, frameRate: 0 };

/** `vui_parameters` (Annex E): timing and reordering. */
function readUsage(reader: BitReader): typeof noUsage {
  if (reader.flag() && reader.bits(8) === 255) reader.skip(32); // aspect ratio
  if (reader.flag()) reader.skip(1); // overscan
  if (reader.flag()) {
    reader.skip(4);
    if (reader.flag()) reader.skip(24); // colour description
  }
  if (reader.flag()) {
    reader.ue();
    reader.ue(); // chroma location
  }
  let frameRate = 0;
  if (reader.flag()) {
    const unitsInTick = reader.bits(32);
    const timeScale = reader.bits(32);
    reader.skip(1);
    if (unitsInTick > 0) frameRate = timeScale / unitsInTick / 2;
  }
  const nal = reader.flag();
  if (nal) skipHypotheticalDecoder(reader);
  const vcl = reader.flag();
  if (vcl) skipHypotheticalDecoder(reader);
  if (nal || vcl) reader.skip(1);
  reader.skip(1); // pic_struct_present_flag
  let reorderDepth: number | null = null;
  if (reader.flag()) {
    reader.skip(1);
    for (let n = 0; n < 4; n++) reader.ue();
    const depth = reader.ue();
    reader.ue();
    reorderDepth = depth <= 16 ? depth : null;
  }
  return { reorderDepth, frameRate };
}

function skipHypotheticalDecoder(reader: BitReader): void {
  const count = reader.ue() + 1;
  reader.skip(8);
  for (let n = 0; n < count && n < 32 && !reader.overrun; n++) {
    reader.ue();
    reader.ue();
    reader.skip(1);
  }
  reader.skip(20);
}

function skipScalingLists(reader: BitReader, count: number): void {
  for (let list = 0; list < count; list++) {
    if (!reader.flag()) continue;
    const size = list < 6 ? 16 : 64;
    let last = 8;
    for (let n = 0; n < size && !reader.overrun; n++) {
      const next = (last + reader.se() + 256) % 256;
      if (next === 0) break;
      last = next;
    }
  }
}

/**
 * Reads a whole PPS unit, header included; null when it is none or breaks a rule.
 *
 * @param chromaFormatOf  chroma format of the SPS with an id, which the scaling lists depend on
 * @param known  it is known to be a PPS: what follows its fields is not looked at
 */
export function parseH264Pps(
  unit: Uint8Array,
  chromaFormatOf: (spsId: number) => number = () => 1,
  known = false,
): H264Pps | null {
  const payload = rawPayload(unit);
  if (!payload || payload.length < 2 || (payload[0] ?? 0) % 32 !== 8) return null;
  const reader = new BitReader().reset(payload, 1);
  const id = reader.ue();
  const spsId = reader.ue();
  const cabac = reader.flag();
  const bottomOrderPresent = reader.flag();
  const sliceGroups = reader.ue() + 1;
  if (sliceGroups > 8) return null;
  if (sliceGroups > 1) skipSliceGroups(reader, sliceGroups);
  const refIdxL0 = reader.ue() + 1;
  const refIdxL1 = reader.ue() + 1;
  const weightedPrediction = reader.flag();
  const weightedBiprediction = reader.bits(2);
  const initialQp = 26 + reader.se();
  reader.se();
  const chromaQpOffset = reader.se();
  const deblockingControl = reader.flag();
  reader.skip(1);
  const redundantPictures = reader.flag();
  if (reader.overrun) return null;
  if (reader.moreData()) {
    const transform8x8 = reader.flag();
    if (reader.flag()) {
      skipScalingLists(reader, 6 + (transform8x8 ? (chromaFormatOf(spsId) === 3 ? 6 : 2) : 0));
    }
    reader.se();
  }
  const sane =
    id < 256 &&
    spsId < 32 &&
    refIdxL0 <= 32 &&
    refIdxL1 <= 32 &&
    weightedBiprediction <= 2 &&
    initialQp <= 51 &&
    initialQp >= -36 &&
    Math.abs(chromaQpOffset) <= 12;
  if (!sane || (!known && (reader.overrun || !reader.atTrailingBits()))) return null;
  return {
    id,
    spsId,
    cabac,
    bottomOrderPresent,
    sliceGroups,
    refIdxL0,
    refIdxL1,
    weightedPrediction,
    weightedBiprediction,
    initialQp,
    deblockingControl,
    redundantPictures,
  };
}

// Slice groups (§7.3.2.2): only Baseline and Extended have them, and no recorder we know of.
function skipSliceGroups(reader: BitReader, groups: number): void {
  const type = reader.ue();
  if (type === 0) {
    for (let n = 0; n < groups; n++) reader.ue();
  } else if (type === 2) {
    for (let n = 0; n < 2 * (groups - 1); n++) reader.ue();
  } else if (type >= 3 && type <= 5) {
    reader.skip(1);
    reader.ue();
  } else if (type === 6) {
    const units = reader.ue() + 1;
    const bits = groups > 4 ? 3 : groups > 2 ? 2 : 1;
    reader.skip(Math.min(units * bits, reader.left + 1));
  }
}
