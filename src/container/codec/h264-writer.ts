/**
 * Makes H.264 parameter sets and the `avcC` that carries them, and elementary streams to try them
 * with: for files whose sets were never written.
 */
import { BitWriter } from './bit-writer.ts';
import { escapePayload } from './nal.ts';

/** Everything in a parameter set that slices depend on, and the picture's size. */
export interface H264Recipe {
  readonly id: number;
  readonly profile: number;
  readonly level: number;
  /** 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  readonly lossless: boolean;
  readonly frameNumBits: number;
  /** 0 or 2. */
  readonly orderType: number;
  readonly orderLsbBits: number;
  readonly refFrames: number;
  readonly width: number;
  readonly height: number;
  readonly framesOnly: boolean;
  readonly adaptiveFrameField: boolean;
  readonly reorderDepth: number;
  readonly bufferedFrames: number;
  readonly cabac: boolean;
  readonly bottomOrderPresent: boolean;
  readonly refIdxL0: number;
  readonly weightedPrediction: boolean;
  readonly weightedBiprediction: number;
  readonly initialQp: number;
  readonly chromaQpOffset: number;
  readonly deblockingControl: boolean;
  readonly constrainedIntra: boolean;
  readonly transform8x8: boolean;
  /** Scaling lists by the standard's defaults instead of flat ones. */
  readonly defaultScaling: boolean;
}

/** A pair of parameter sets as whole NAL units. */
export interface H264SetPair {
  readonly sps: Uint8Array;
  readonly pps: Uint8Array;
}

export function buildH264Sets(recipe: H264Recipe): H264SetPair {
  return { sps: buildSps(recipe), pps: buildPps(recipe) };
}

function buildSps(recipe: H264Recipe): Uint8Array {
  const { chromaFormat, framesOnly, width, height } = recipe;
  const out = new BitWriter().bits(recipe.profile, 8).bits(0, 8).bits(recipe.level, 8);
  out.ue(recipe.id);
  if (recipe.profile >= 100) {
    out.ue(chromaFormat);
    if (chromaFormat === 3) out.flag(false);
    out
      .ue(recipe.bitDepth - 8)
      .ue(recipe.bitDepth - 8)
      .flag(recipe.lossless)
      .flag(false);
  }
  out.ue(recipe.frameNumBits - 4).ue(recipe.orderType);
  if (recipe.orderType === 0) out.ue(recipe.orderLsbBits - 4);
  out.ue(recipe.refFrames).flag(false);
  const widthInMbs = Math.ceil(width / 16);
  // Of a frame that may hold fields, the height counts in pairs of macroblock rows.
  const mapUnits = framesOnly ? Math.ceil(height / 16) : Math.ceil(height / 32);
  out
    .ue(widthInMbs - 1)
    .ue(mapUnits - 1)
    .flag(framesOnly);
  if (!framesOnly) out.flag(recipe.adaptiveFrameField);
  out.flag(true); // direct_8x8_inference
  const xUnit = chromaFormat === 3 ? 1 : 2;
  const yUnit = (chromaFormat === 1 ? 2 : 1) * (framesOnly ? 1 : 2);
  const right = Math.floor((widthInMbs * 16 - width) / xUnit);
  const bottom = Math.floor((mapUnits * (framesOnly ? 16 : 32) - height) / yUnit);
  out.flag(right > 0 || bottom > 0);
  if (right > 0 || bottom > 0) out.ue(0).ue(right).ue(0).ue(bottom);
  writeUsage(out.flag(true), recipe);
  return unit(0x67, out);
}

/** `vui_parameters` with the bitstream restriction only: how many frames wait to be shown. */
function writeUsage(out: BitWriter, recipe: H264Recipe): void {
  for (let absent = 0; absent < 8; absent++) out.flag(false);
  out.flag(true).flag(true).ue(0).ue(0).ue(15).ue(15);
  out.ue(recipe.reorderDepth).ue(recipe.bufferedFrames);
}

function buildPps(recipe: H264Recipe): Uint8Array {
  const out = new BitWriter().ue(recipe.id).ue(recipe.id);
  out.flag(recipe.cabac).flag(recipe.bottomOrderPresent).ue(0);
  out.ue(recipe.refIdxL0 - 1).ue(0);
  out.flag(recipe.weightedPrediction).bits(recipe.weightedBiprediction, 2);
  out
    .se(recipe.initialQp - 26)
    .se(0)
    .se(recipe.chromaQpOffset);
  out.flag(recipe.deblockingControl).flag(recipe.constrainedIntra).flag(false);
  if (recipe.transform8x8 || recipe.defaultScaling) {
    out.flag(recipe.transform8x8).flag(recipe.defaultScaling);
    // Lists that are not sent fall back to the standard's defaults (§7.4.2.2, rule set A).
    const lists = 6 + (recipe.transform8x8 ? (recipe.chromaFormat === 3 ? 6 : 2) : 0);
    if (recipe.defaultScaling) out.bits(0, lists);
    out.se(recipe.chromaQpOffset);
  }
  return unit(0x68, out);
}

function unit(header: number, out: BitWriter): Uint8Array {
  const payload = escapePayload(out.finish());
  const whole = new Uint8Array(1 + payload.length);
  whole[0] = header;
  whole.set(payload, 1);
  return whole;
}

/** The payload of `avcC` for parameter sets (ISO/IEC 14496-15 §5.3.3.1). */
export function buildAvcConfig(
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
  lengthBytes: number,
): Uint8Array {
  const first = sps[0] ?? new Uint8Array(4);
  const [, profile = 0, compatibility = 0, level = 0] = first;
  const parts: number[] = [1, profile, compatibility, level, 0xfc | (lengthBytes - 1)];
  parts.push(0xe0 | sps.length);
  for (const set of sps) parts.push(set.length >> 8, set.length & 255, ...set);
  parts.push(pps.length);
  for (const set of pps) parts.push(set.length >> 8, set.length & 255, ...set);
  return Uint8Array.from(parts);
}

/**
 * An Annex B stream: parameter sets first, then samples with their lengths replaced by start codes.
 *
 * @param samples  length-prefixed access units; what does not fit its own lengths is left out
 */
export function annexB(
  sets: readonly Uint8Array[],
  samples: readonly Uint8Array[],
  lengthBytes: number,
): Uint8Array {
  const units = [...sets];
  for (const sample of samples) {
    for (let at = 0; at + lengthBytes < sample.length; ) {
      let length = 0;
      for (let n = 0; n < lengthBytes; n++) length = length * 256 + (sample[at + n] ?? 0);
      at += lengthBytes;
      if (length === 0 || at + length > sample.length) break;
      units.push(sample.subarray(at, at + length));
      at += length;
    }
  }
  const out = new Uint8Array(units.reduce((sum, one) => sum + 4 + one.length, 0));
  let at = 0;
  for (const one of units) {
    out[at + 3] = 1;
    out.set(one, at + 4);
    at += 4 + one.length;
  }
  return out;
}
