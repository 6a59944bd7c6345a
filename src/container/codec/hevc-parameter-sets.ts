/**
 * HEVC parameter sets (ITU-T H.265 §7.3.2) as far as slice headers and picture order need them, and
 * the `hvcC` box that carries them.
 */
import { BitReader } from './bit-reader.ts';
import { rawPayload } from './nal.ts';

export interface HevcSps {
  readonly id: number;
  readonly subLayers: number;
  readonly chromaFormat: number;
  readonly separatePlanes: boolean;
  readonly lumaDepth: number;
  readonly chromaDepth: number;
  readonly width: number;
  readonly height: number;
  readonly orderLsbBits: number;
  readonly reorderDepth: number;
  /** Coding tree blocks in a picture. */
  readonly treeBlocks: number;
  /** Differences of picture order in each short-term reference picture set. */
  readonly shortTermSets: readonly (readonly number[])[];
  readonly longTermPresent: boolean;
  /** Long-term candidates listed in the set. */
  readonly longTermCount: number;
  readonly temporalPrediction: boolean;
  readonly adaptiveOffset: boolean;
  readonly frameRate: number;
}

export interface HevcPps {
  readonly id: number;
  readonly spsId: number;
  readonly dependentSlices: boolean;
  readonly outputFlagPresent: boolean;
  readonly extraBits: number;
  readonly refIdxL0: number;
  readonly refIdxL1: number;
}

export interface HevcConfig {
  readonly lengthBytes: number;
  /** VPS, SPS, PPS and SEI units, whole, in the order of the box. */
  readonly units: readonly Uint8Array[];
}

/** Reads the payload of `hvcC` (ISO/IEC 14496-15 §8.3.3.1); null when it is none. */
export function parseHevcConfig(payload: Uint8Array): HevcConfig | null {
  if (payload.length < 23 || (payload[0] ?? 0) > 1) return null;
  const units: Uint8Array[] = [];
  let at = 23;
  for (let array = payload[22] ?? 0; array > 0 && at + 3 <= payload.length; array--) {
    const count = ((payload[at + 1] ?? 0) << 8) | (payload[at + 2] ?? 0);
    at += 3;
    for (let n = 0; n < count && at + 2 <= payload.length; n++) {
      const length = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
      at += 2;
      if (length > 2 && at + length <= payload.length) {
        units.push(payload.subarray(at, at + length));
      }
      at += length;
    }
  }
  return { lengthBytes: ((payload[21] ?? 0) & 3) + 1, units };
}

/** True for a VPS unit that keeps the rules of its fixed fields. */
export function isHevcVps(unit: Uint8Array): boolean {
  const payload = rawPayload(unit);
  if (!payload || payload.length < 8) return false;
  const reader = new BitReader().reset(payload, 2);
  reader.skip(4);
  if (reader.bits(2) !== 3) return false;
  reader.skip(6);
  return reader.bits(3) < 7 && reader.skip(1) === undefined && reader.bits(16) === 0xffff;
}

/** Reads a whole SPS unit; null when it is none or breaks a rule. */
export function parseHevcSps(unit: Uint8Array): HevcSps | null {
  const payload = rawPayload(unit);
  if (!payload || payload.length < 8) return null;
  const reader = new BitReader().reset(payload, 2);
  reader.skip(4);
  const subLayers = reader.bits(3) + 1;
  reader.skip(1);
  if (subLayers > 7) return null;
  skipProfile(reader, subLayers);
  const id = reader.ue();
  const chromaFormat = reader.ue();
  const separatePlanes = chromaFormat === 3 && reader.flag();
  const fullWidth = reader.ue();
  const fullHeight = reader.ue();
  const crop = reader.flag() ? [reader.ue(), reader.ue(), reader.ue(), reader.ue()] : [0, 0, 0, 0];
  const lumaDepth = reader.ue() + 8;
  const chromaDepth = reader.ue() + 8;
  const orderLsbBits = reader.ue() + 4;
  const allLayers = reader.flag();
  let reorderDepth = 0;
  for (let n = allLayers ? 0 : subLayers - 1; n < subLayers; n++) {
    reader.ue();
    reorderDepth = reader.ue();
    reader.ue();
  }
  const minBlockLog = reader.ue() + 3;
  const treeLog = minBlockLog + reader.ue();
  for (let n = 0; n < 4; n++) reader.ue(); // transform sizes and depths
  const sane =
    id < 16 &&
    chromaFormat <= 3 &&
    Math.max(lumaDepth, chromaDepth) <= 16 &&
    fullWidth > 0 &&
    fullWidth <= 16384 &&
    fullHeight > 0 &&
    fullHeight <= 16384 &&
    orderLsbBits <= 16 &&
    reorderDepth <= 16 &&
    treeLog <= 6;
  if (!sane || reader.overrun) return null;
  if (reader.flag() && reader.flag()) skipScalingLists(reader);
  reader.skip(1); // amp
  const adaptiveOffset = reader.flag();
  if (reader.flag()) {
    reader.skip(8);
    reader.ue();
    reader.ue();
    reader.skip(1);
  }
  const shortTermSets = readShortTermSets(reader);
  if (!shortTermSets) return null;
  const longTermPresent = reader.flag();
  const longTermCount = longTermPresent ? reader.ue() : 0;
  if (longTermCount > 32) return null;
  reader.skip(longTermCount * (orderLsbBits + 1));
  const temporalPrediction = reader.flag();
  reader.skip(1);
  const frameRate = reader.flag() ? readFrameRate(reader) : 0;
  if (reader.overrun) return null;
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  const xUnit = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const yUnit = chromaFormat === 1 ? 2 : 1;
  return {
    id,
    subLayers,
    chromaFormat,
    separatePlanes,
    lumaDepth,
    chromaDepth,
    width: fullWidth - (left + right) * xUnit,
    height: fullHeight - (top + bottom) * yUnit,
    orderLsbBits,
    reorderDepth,
    treeBlocks: Math.ceil(fullWidth / 2 ** treeLog) * Math.ceil(fullHeight / 2 ** treeLog),
    shortTermSets,
    longTermPresent,
    longTermCount,
    temporalPrediction,
    adaptiveOffset,
    frameRate,
  };
}

/** Reads a whole PPS unit as far as slice headers need it; null when it is none. */
export function parseHevcPps(unit: Uint8Array): HevcPps | null {
  const payload = rawPayload(unit);
  if (!payload || payload.length < 4) return null;
  const reader = new BitReader().reset(payload, 2);
  const id = reader.ue();
  const spsId = reader.ue();
  const dependentSlices = reader.flag();
  const outputFlagPresent = reader.flag();
  const extraBits = reader.bits(3);
  reader.skip(2);
  const refIdxL0 = reader.ue() + 1;
  const refIdxL1 = reader.ue() + 1;
  const qp = 26 + reader.se();
  const sane = id < 64 && spsId < 16 && refIdxL0 <= 15 && refIdxL1 <= 15 && qp <= 51 && qp >= -22;
  if (!sane || reader.overrun) return null;
  return { id, spsId, dependentSlices, outputFlagPresent, extraBits, refIdxL0, refIdxL1 };
}

/**
 * Reads a `st_ref_pic_set` (§7.3.7).
 *
 * @param index  its index; equal to `earlier.length` in the SPS, and the SPS's count in a slice
 * @returns differences of picture order, negative ones first; null when it breaks a rule
 */
export function readShortTermSet(
  reader: BitReader,
  index: number,
  earlier: readonly (readonly number[])[],
  inSlice: boolean,
): number[] | null {
  if (index > 0 && reader.flag()) return predictSet(reader, index, earlier, inSlice);
  const negative = reader.ue();
  const positive = reader.ue();
  if (negative > 16 || positive > 16) return null;
  const differences: number[] = [];
  for (const [count, sign] of [
    [negative, -1],
    [positive, 1],
  ] as const) {
    let difference = 0;
    for (let n = 0; n < count; n++) {
      difference += sign * (reader.ue() + 1);
      reader.skip(1);
      differences.push(difference);
    }
  }
  return reader.overrun ? null : differences;
}

function predictSet(
  reader: BitReader,
  index: number,
  earlier: readonly (readonly number[])[],
  inSlice: boolean,
): number[] | null {
  const distance = inSlice ? reader.ue() + 1 : 1;
  const source = earlier[index - distance];
  if (!source) return null;
  const sign = reader.flag() ? -1 : 1;
  const shift = sign * (reader.ue() + 1);
  const differences: number[] = [];
  for (let n = 0; n <= source.length; n++) {
    const used = reader.flag() || reader.flag();
    const difference = (source[n] ?? 0) + shift;
    if (used && difference !== 0) differences.push(difference);
  }
  if (reader.overrun || differences.length > 16) return null;
  const before = differences.filter((value) => value < 0).sort((a, b) => b - a);
  const after = differences.filter((value) => value > 0).sort((a, b) => a - b);
  return [...before, ...after];
}

function readShortTermSets(reader: BitReader): number[][] | null {
  const count = reader.ue();
  if (count > 64) return null;
  const sets: number[][] = [];
  for (let index = 0; index < count; index++) {
    const set = readShortTermSet(reader, index, sets, false);
    if (!set) return null;
    sets.push(set);
  }
  return sets;
}

function skipProfile(reader: BitReader, subLayers: number): void {
  reader.skip(88 + 8);
  const present: [boolean, boolean][] = [];
  for (let n = 1; n < subLayers; n++) present.push([reader.flag(), reader.flag()]);
  if (subLayers > 1) reader.skip(2 * (9 - subLayers));
  for (const [profile, level] of present) reader.skip((profile ? 88 : 0) + (level ? 8 : 0));
}

function skipScalingLists(reader: BitReader): void {
  for (let size = 0; size < 4; size++) {
    for (let matrix = 0; matrix < 6; matrix += size === 3 ? 3 : 1) {
      if (!reader.flag()) {
        reader.ue();
        continue;
      }
      if (size > 1) reader.se();
      const coefficients = Math.min(64, 1 << (4 + 2 * size));
      for (let n = 0; n < coefficients && !reader.overrun; n++) reader.se();
    }
  }
}

/** The start of `vui_parameters` (Annex E), up to the timing information. */
function readFrameRate(reader: BitReader): number {
  if (reader.flag() && reader.bits(8) === 255) reader.skip(32);
  if (reader.flag()) reader.skip(1);
  if (reader.flag()) {
    reader.skip(4);
    if (reader.flag()) reader.skip(24);
  }
  if (reader.flag()) {
    reader.ue();
    reader.ue();
  }
  reader.skip(3);
  if (reader.flag()) for (let n = 0; n < 4; n++) reader.ue();
  if (!reader.flag()) return 0;
  const unitsInTick = reader.bits(32);
  const timeScale = reader.bits(32);
  return unitsInTick > 0 ? timeScale / unitsInTick : 0;
}
