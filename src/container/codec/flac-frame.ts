/**
 * FLAC frames (RFC 9639 §9): their length by reading them to the end, confirmed by both checksums.
 */
import { BitReader } from './bit-reader.ts';
import { BitWriter } from './bit-writer.ts';
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { crc8, crc16 } from './crc.ts';
import { soundCodec } from './sound-codec.ts';

/** What STREAMINFO says (RFC 9639 §8.2). */
export interface FlacStreamInfo {
  readonly maxBlock: number;
  readonly maxFrameBytes: number;
  readonly rate: number;
  readonly channels: number;
  readonly bits: number;
}

/** Reads the 34 bytes of STREAMINFO; null when they are none. */
export function parseFlacStreamInfo(bytes: Uint8Array): FlacStreamInfo | null {
  if (bytes.length < 34) return null;
  const reader = new BitReader().reset(bytes);
  reader.skip(16);
  const maxBlock = reader.bits(16);
  reader.skip(24);
  const maxFrameBytes = reader.bits(24);
  const rate = reader.bits(20);
  const channels = reader.bits(3) + 1;
  const bits = reader.bits(5) + 1;
  return rate === 0 || maxBlock < 16 || bits < 4
    ? null
    : { maxBlock, maxFrameBytes, rate, channels, bits };
}

/** Makes the codec from `dfLa` (version and flags, then metadata blocks); null when it is none. */
export function flacFromConfig(dfLa: Uint8Array): SampleCodec | null {
  // The first block is STREAMINFO: type 0, with or without the flag of the last block.
  if (((dfLa[4] ?? 255) & 127) !== 0) return null;
  const info = parseFlacStreamInfo(dfLa.subarray(8));
  return info ? flacCodec(info) : null;
}

export function flacCodec(info: FlacStreamInfo): SampleCodec {
  const raw = Math.ceil((info.maxBlock * info.channels * (info.bits + 1)) / 8) + 64;
  const maxSampleBytes = Math.max(raw, info.maxFrameBytes);
  return soundCodec({
    codec: 'flac',
    framing: 'measured',
    maxSampleBytes,
    rate: info.rate,
    usualDuration: info.maxBlock,
    channels: info.channels,
    measure(bytes, at, end, facts) {
      const length = flacFrameLength(bytes, at, Math.min(end, at + maxSampleBytes), info, facts);
      return length === needsMore && end - at >= maxSampleBytes ? notASample : length;
    },
    isStart: (bytes, at, end) => readHeader(bytes, at, end, info) === 'header',
  });
}

const header = { block: 0, channels: 0, bits: 0, side: -1, length: 0 };
const reader = new BitReader();

/**
 * Measures the frame at `at`.
 *
 * @param facts  `duration` is set to the samples in the frame
 * @returns bytes, `notASample`, or `needsMore`
 */
export function flacFrameLength(
  bytes: Uint8Array,
  at: number,
  end: number,
  info: FlacStreamInfo | null,
  facts: { duration: number },
): number {
  const start = readHeader(bytes, at, end, info);
  if (start !== 'header') return start === 'more' ? needsMore : notASample;
  const { block, channels, bits, side } = header;
  reader.reset(bytes.subarray(at, end), header.length);
  for (let channel = 0; channel < channels; channel++) {
    if (!skipSubframe(block, bits + (channel === side ? 1 : 0))) {
      return reader.overrun ? needsMore : notASample;
    }
  }
  reader.align();
  const length = reader.at / 8 + 2;
  if (length > end - at) return needsMore;
  if (crc16(bytes, at, at + length) !== 0) return notASample;
  facts.duration = block;
  return length;
}

/** What the frame at `at` says of its stream; null when there is none, or it leaves it to STREAMINFO. */
export function flacInfoOfFrame(bytes: Uint8Array, at: number): FlacStreamInfo | null {
  if (readHeader(bytes, at, bytes.length, null) !== 'header') return null;
  const rate = rates[(bytes[at + 2] ?? 0) & 15] ?? 0;
  const bits = depths[((bytes[at + 3] ?? 0) >> 1) & 7] ?? 0;
  if (rate === 0 || bits === 0) return null;
  return { maxBlock: header.block, maxFrameBytes: 0, rate, channels: header.channels, bits };
}

/** STREAMINFO for a stream that lost it; lengths and checksums are left unknown (RFC 9639 §8.2). */
export function buildFlacStreamInfo(info: FlacStreamInfo): Uint8Array {
  const out = new BitWriter().bits(info.maxBlock, 16).bits(info.maxBlock, 16);
  out.bits(0, 24).bits(0, 24).bits(info.rate, 20);
  out
    .bits(info.channels - 1, 3)
    .bits(info.bits - 1, 5)
    .bits(0, 36);
  const bytes = new Uint8Array(34);
  bytes.set(out.finish().subarray(0, 18));
  return bytes;
}

const rates = [0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000];
const depths = [0, 8, 12, 0, 16, 20, 24, 32];

/** Reads a frame header (RFC 9639 §9.1) into `header`. */
function readHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  info: FlacStreamInfo | null,
): 'header' | 'more' | 'no' {
  if (at + 1 >= end) return 'more';
  if (bytes[at] !== 0xff || ((bytes[at + 1] ?? 0) & 0xfe) !== 0xf8) return 'no';
  if (at + 16 > end) return 'more';
  const blockCode = (bytes[at + 2] ?? 0) >> 4;
  const rateCode = (bytes[at + 2] ?? 0) & 15;
  const channelCode = (bytes[at + 3] ?? 0) >> 4;
  const depthCode = ((bytes[at + 3] ?? 0) >> 1) & 7;
  if (blockCode === 0 || rateCode === 15 || channelCode > 10 || depthCode === 3) return 'no';
  if ((bytes[at + 3] ?? 0) & 1) return 'no';
  const lead = Math.clz32(~((bytes[at + 4] ?? 0) << 24)); // ones that open the coded number
  if (lead === 1 || lead > 7) return 'no';
  let position = at + 4 + Math.max(1, lead);
  header.block = 256 << (blockCode - 8);
  if (blockCode === 1) header.block = 192;
  else if (blockCode < 6) header.block = 576 << (blockCode - 2);
  else if (blockCode === 6) header.block = (bytes[position++] ?? 0) + 1;
  else if (blockCode === 7) {
    header.block = ((bytes[position] ?? 0) << 8) + (bytes[position + 1] ?? 0) + 1;
    position += 2;
  }
  position += rateCode === 12 ? 1 : rateCode > 12 ? 2 : 0;
  if (position >= end || crc8(bytes, at, position + 1) !== 0) return 'no';
  header.length = position + 1 - at;
  header.channels = channelCode < 8 ? channelCode + 1 : 2;
  // Left and side, side and right, mid and side: the side channel has one bit more.
  header.side = channelCode === 9 ? 0 : channelCode >= 8 ? 1 : -1;
  header.bits = depths[depthCode] || (info?.bits ?? 16);
  const rate = rates[rateCode] ?? 0;
  if (info && (header.channels !== info.channels || header.block > info.maxBlock)) return 'no';
  if (info && rate !== 0 && rate !== info.rate) return 'no';
  return info && header.bits !== info.bits ? 'no' : 'header';
}

/** Skips one subframe (RFC 9639 §9.2); false when it breaks a rule or is cut off. */
function skipSubframe(block: number, depth: number): boolean {
  if (reader.bit() === 1) return false;
  const type = reader.bits(6);
  let bits = depth;
  if (reader.flag()) {
    let wasted = 1;
    while (!reader.overrun && reader.bit() === 0) wasted++;
    bits -= wasted;
    if (bits < 1) return false;
  }
  if (type === 0) reader.skip(bits);
  else if (type === 1) reader.skip(bits * block);
  else if (type >= 8 && type <= 12) return skipPredicted(block, bits, type - 8, false);
  else if (type >= 32) return skipPredicted(block, bits, type - 31, true);
  else return false;
  return !reader.overrun;
}

function skipPredicted(block: number, bits: number, order: number, linear: boolean): boolean {
  if (order > block) return false;
  reader.skip(order * bits);
  if (linear) {
    const precision = reader.bits(4) + 1;
    if (precision === 16) return false;
    reader.skip(5 + order * precision);
  }
  const method = reader.bits(2);
  if (method > 1) return false;
  const parameterBits = method === 0 ? 4 : 5;
  const partitions = 1 << reader.bits(4);
  if (block % partitions !== 0 || block / partitions < order) return false;
  for (let partition = 0; partition < partitions; partition++) {
    const samples = block / partitions - (partition === 0 ? order : 0);
    const parameter = reader.bits(parameterBits);
    if (parameter === (1 << parameterBits) - 1) reader.skip(samples * reader.bits(5));
    else if (!reader.skipRice(samples, parameter)) return false;
    if (reader.overrun) return false;
  }
  return true;
}
