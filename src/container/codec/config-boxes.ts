/**
 * Makes the configuration boxes of HEVC and AV1 from parameter sets found in band. Those of H.264
 * are in h264-writer.ts.
 */
import { BitReader } from './bit-reader.ts';
import { parseHevcSps } from './hevc-parameter-sets.ts';
import { rawPayload } from './nal.ts';

/**
 * The payload of `hvcC` (ISO/IEC 14496-15 §8.3.3.1); null without a readable SPS among the units.
 *
 * @param units  whole VPS, SPS and PPS units
 */
export function buildHevcConfig(
  units: readonly Uint8Array[],
  lengthBytes: number,
): Uint8Array | null {
  const ofType = (type: number): Uint8Array[] =>
    units.filter((unit) => (((unit[0] ?? 0) >> 1) & 63) === type);
  const sps = ofType(33).find((unit) => parseHevcSps(unit));
  const read = sps && parseHevcSps(sps);
  const payload = sps && rawPayload(sps);
  if (!read || !payload) return null;
  // General profile, tier, level: twelve bytes behind the header and the first byte of the SPS.
  const out: number[] = [1, ...payload.subarray(3, 15), 0xf0, 0, 0xfc];
  out.push(0xfc | read.chromaFormat, 0xf8 | (read.lumaDepth - 8), 0xf8 | (read.chromaDepth - 8));
  const nested = (payload[2] ?? 0) & 1;
  out.push(0, 0, (read.subLayers << 3) | (nested << 2) | (lengthBytes - 1), 3);
  for (const type of [32, 33, 34]) {
    const sets = ofType(type);
    out.push(0x80 | type, sets.length >> 8, sets.length & 255);
    for (const set of sets) out.push(set.length >> 8, set.length & 255, ...set);
  }
  return Uint8Array.from(out);
}

/**
 * The payload of `av1C` (AV1 ISOBMFF §2.3.3); null when the payload is no sequence header.
 *
 * @param header  payload of a sequence header OBU
 */
export function buildAv1Config(header: Uint8Array): Uint8Array | null {
  const colour = readAv1Colour(header);
  if (!colour || header.length > 127) return null;
  const { profile, level, tier, flags } = colour;
  return Uint8Array.from([
    0x81,
    (profile << 5) | level,
    (tier << 7) | flags,
    0,
    0x0a,
    header.length,
    ...header,
  ]);
}

interface Av1Colour {
  readonly profile: number;
  readonly level: number;
  readonly tier: number;
  /** Depth, monochrome, subsampling and chroma position, as `av1C` packs them. */
  readonly flags: number;
}

/** Reads a sequence header (AV1 §5.5.1) through to `color_config`. */
function readAv1Colour(header: Uint8Array): Av1Colour | null {
  const bits = new BitReader().reset(header);
  const profile = bits.bits(3);
  bits.skip(1);
  const reduced = bits.flag();
  const { level, tier } = reduced
    ? { level: bits.bits(5), tier: 0 }
    : readFirstOperatingPoint(bits);
  const widthBits = bits.bits(4) + 1;
  const heightBits = bits.bits(4) + 1;
  bits.skip(widthBits + heightBits);
  if (!reduced && bits.flag()) bits.skip(7); // frame ids
  bits.skip(3);
  if (!reduced) skipTools(bits);
  bits.skip(3);
  const flags = readColourFlags(bits, profile);
  return bits.overrun || profile > 2 ? null : { profile, level, tier, flags };
}

function readFirstOperatingPoint(bits: BitReader): { level: number; tier: number } {
  let delayBits = 0;
  if (bits.flag()) {
    bits.skip(64);
    if (bits.flag()) bits.ue();
    if (bits.flag()) {
      delayBits = bits.bits(5) + 1;
      bits.skip(32 + 5 + 5);
    }
  }
  const delayPresent = bits.flag();
  const points = bits.bits(5) + 1;
  let first = { level: 0, tier: 0 };
  for (let n = 0; n < points; n++) {
    bits.skip(12);
    const level = bits.bits(5);
    const tier = level > 7 ? bits.bit() : 0;
    if (n === 0) first = { level, tier };
    if (delayBits > 0 && bits.flag()) bits.skip(2 * delayBits + 1);
    if (delayPresent && bits.flag()) bits.skip(4);
  }
  return first;
}

function skipTools(bits: BitReader): void {
  bits.skip(4);
  const hints = bits.flag();
  if (hints) bits.skip(2);
  const choosesScreen = bits.flag();
  const screen = choosesScreen || bits.flag();
  if (screen && !bits.flag()) bits.skip(1);
  if (hints) bits.skip(3);
}

function readColourFlags(bits: BitReader, profile: number): number {
  const high = bits.bit();
  const twelve = profile === 2 && high === 1 ? bits.bit() : 0;
  const mono = profile === 1 ? 0 : bits.bit();
  const described = bits.flag() ? bits.bits(24) : 0;
  let [x, y, position] = [1, 1, 0];
  if (mono === 0 && described === 0x010d00) {
    [x, y] = [0, 0]; // sRGB
  } else if (mono === 0) {
    bits.skip(1);
    if (profile === 1) [x, y] = [0, 0];
    else if (profile === 2) {
      x = twelve === 1 ? bits.bit() : 1;
      y = twelve === 1 && x === 1 ? bits.bit() : 0;
    }
    if (x === 1 && y === 1) position = bits.bits(2);
  }
  return (high << 6) | (twelve << 5) | (mono << 4) | (x << 3) | (y << 2) | position;
}
