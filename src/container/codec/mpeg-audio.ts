/**
 * MPEG audio (MP3 and layers I and II; ISO/IEC 11172-3 §2.4, 13818-3) and Dolby's AC-3 and E-AC-3
 * (ETSI TS 102 366): frames whose header says how long they are.
 */
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { soundCodec } from './sound-codec.ts';

// Kilobits a second by layer (III, II, I), for MPEG-1 and for the lower rates of MPEG-2 and 2.5.
// biome-ignore format: a table of the standard
const kilobits: readonly (readonly number[])[] = [
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
];

const mpegRates = [44100, 48000, 32000];

export interface MpegAudioFrame {
  length: number;
  rate: number;
  channels: number;
  samples: number;
  layer: number;
}

/** Reads the four bytes of an MPEG audio header into `frame`; false when they are none. */
export function readMpegAudioHeader(bytes: Uint8Array, at: number, frame: MpegAudioFrame): boolean {
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  const fourth = bytes[at + 3] ?? 0;
  if (bytes[at] !== 0xff || (second & 0xe0) !== 0xe0) return false;
  const version = (second >> 3) & 3; // 3 MPEG-1, 2 MPEG-2, 0 MPEG-2.5
  const layer = 4 - ((second >> 1) & 3);
  const bitrateIndex = third >> 4;
  const rateIndex = (third >> 2) & 3;
  // Free format has no length in its header, and nobody records it.
  if (version === 1 || layer === 4 || bitrateIndex === 0 || bitrateIndex === 15) return false;
  if (rateIndex === 3 || (fourth & 3) === 2) return false;
  const low = version !== 3;
  const rate = (mpegRates[rateIndex] ?? 0) / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const bitrate = (kilobits[(low ? 3 : 0) + 3 - layer]?.[bitrateIndex] ?? 0) * 1000;
  const padding = (third >> 1) & 1;
  frame.samples = layer === 1 ? 384 : layer === 3 && low ? 576 : 1152;
  frame.length =
    layer === 1
      ? (Math.floor((12 * bitrate) / rate) + padding) * 4
      : Math.floor((frame.samples / 8) * (bitrate / rate)) + padding;
  frame.rate = rate;
  frame.channels = fourth >> 6 === 3 ? 1 : 2;
  frame.layer = layer;
  return true;
}

/** MP3 frames of a stream with a known rate and number of channels (0 where not known). */
export function mp3Codec(rate: number, channels: number): SampleCodec {
  const frame: MpegAudioFrame = { length: 0, rate: 0, channels: 0, samples: 0, layer: 0 };
  return soundCodec({
    codec: 'mp3',
    framing: 'measured',
    maxSampleBytes: 2880,
    rate: rate || 44100,
    usualDuration: rate > 0 && rate < 32000 ? 576 : 1152,
    channels,
    measure(bytes, at, end, facts) {
      if (at + 4 > end) return needsMore;
      if (!readMpegAudioHeader(bytes, at, frame) || frame.layer === 1) return notASample;
      if (rate > 0 && frame.rate !== rate) return notASample;
      facts.duration = frame.samples;
      return at + frame.length <= end ? frame.length : needsMore;
    },
  });
}

// AC-3 data rates in kbit/s by frmsizecod / 2 (table 4.13).
const ac3Kilobits = [
  32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];
const ac3Rates = [48000, 44100, 32000];

/** AC-3 frames (§4.4.1): 1536 samples each. */
export function ac3Codec(rate: number, channels: number): SampleCodec {
  return soundCodec({
    codec: 'ac3',
    framing: 'measured',
    maxSampleBytes: 3840,
    rate: rate || 48000,
    usualDuration: 1536,
    channels,
    measure(bytes, at, end) {
      if (at + 7 > end) return needsMore;
      const length = ac3Length(bytes, at, rate);
      return length === 0 ? notASample : at + length <= end ? length : needsMore;
    },
  });
}

function ac3Length(bytes: Uint8Array, at: number, rate: number): number {
  if (bytes[at] !== 0x0b || bytes[at + 1] !== 0x77) return 0;
  const rateCode = (bytes[at + 4] ?? 0) >> 6;
  const sizeCode = (bytes[at + 4] ?? 0) & 63;
  const id = (bytes[at + 5] ?? 0) >> 3;
  if (rateCode === 3 || sizeCode > 37 || id > 8) return 0;
  const frameRate = ac3Rates[rateCode] ?? 0;
  if (rate > 0 && frameRate !== rate) return 0;
  const kbits = ac3Kilobits[sizeCode >> 1] ?? 0;
  const words = Math.floor((kbits * 96000) / frameRate) + (rateCode === 1 ? sizeCode & 1 : 0);
  return 2 * words;
}

/**
 * E-AC-3: a sample is one independent frame with those that depend on it, or as many short frames as
 * make six blocks (§E.1.2, and ETSI TS 102 366 Annex F.6).
 */
export function eac3Codec(rate: number, channels: number): SampleCodec {
  return soundCodec({
    codec: 'eac3',
    framing: 'measured',
    maxSampleBytes: 4096 * 6 * 2,
    rate: rate || 48000,
    usualDuration: 1536,
    channels,
    measure(bytes, at, end, facts, atEnd) {
      let position = at;
      let blocks = 0;
      for (;;) {
        if (position + 7 > end) {
          const done = blocks === 6 && (position === end ? atEnd : false);
          facts.soFar = position - at;
          return done ? position - at : needsMore;
        }
        const frame = eac3Frame(bytes, position);
        if (!frame || (position === at && frame.dependent)) {
          return blocks === 6 ? position - at : notASample;
        }
        if (!frame.dependent) {
          if (blocks === 6) return position - at;
          blocks += frame.blocks;
        }
        if (blocks > 6) return notASample;
        position += frame.length;
        if (position > end) return needsMore;
      }
    },
  });
}

function eac3Frame(
  bytes: Uint8Array,
  at: number,
): { length: number; blocks: number; dependent: boolean } | null {
  if (bytes[at] !== 0x0b || bytes[at + 1] !== 0x77) return null;
  const type = (bytes[at + 2] ?? 0) >> 6;
  const size = (((bytes[at + 2] ?? 0) & 7) << 8) | (bytes[at + 3] ?? 0);
  const rateCode = (bytes[at + 4] ?? 0) >> 6;
  const id = (bytes[at + 5] ?? 0) >> 3;
  if (type === 3 || id < 11 || id > 16) return null;
  const blocks = rateCode === 3 ? 6 : ([1, 2, 3, 6][((bytes[at + 4] ?? 0) >> 4) & 3] ?? 6);
  return { length: 2 * (size + 1), blocks, dependent: type === 1 };
}

/** A frame of AC-3 or E-AC-3, by its header alone. */
export interface DolbyFrame {
  readonly codec: 'ac3' | 'eac3';
  readonly length: number;
  readonly samples: number;
  readonly rate: number;
  /** More channels of the frame before (E-AC-3): no frame of its own. */
  readonly dependent: boolean;
}

/** Reads the header of a frame of either kind, of which 7 bytes must be there; null for all else. */
export function dolbyFrame(bytes: Uint8Array): DolbyFrame | null {
  const code = (bytes[4] ?? 0) >> 6;
  const length = ac3Length(bytes, 0, 0);
  if (length > 0) {
    return { codec: 'ac3', length, samples: 1536, rate: ac3Rates[code] ?? 0, dependent: false };
  }
  const frame = eac3Frame(bytes, 0);
  // Without a rate code of its own a frame has half the rate that the next two bits name (§E.1.3.1.4).
  const low = (ac3Rates[((bytes[4] ?? 0) >> 4) & 3] ?? 0) / 2;
  const rate = code === 3 ? low : (ac3Rates[code] ?? 0);
  return frame && rate > 0 ? { ...frame, codec: 'eac3', samples: 256 * frame.blocks, rate } : null;
}
