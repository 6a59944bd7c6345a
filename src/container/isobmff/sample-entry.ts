/**
 * Sample entries: which codec a track carries, by the first entry of its `stsd` (ISO/IEC 14496-12
 * §8.5.2, ISO/IEC 14496-14 and -15, QuickTime File Format).
 *
 * What the codec's own configuration means is the business of codec/.
 */

import { memorySource } from '../bytes.ts';
import {
  type AudioConfig,
  parseAudioConfig,
  parseElementaryStream,
} from '../codec/audio-config.ts';
import type { TrackKind } from '../diagnosis.ts';
import { childBoxes } from './boxes.ts';
import { fourcc, u16, u32 } from './fields.ts';

export interface SampleEntry {
  /** Four-character code of the entry. */
  readonly format: string;
  /** ffmpeg's name of the codec, or the four-character code where it has none. */
  readonly codec: string;
  readonly kind: TrackKind;
  /** `encv`, `enca`, …: the samples are encrypted (ISO/IEC 14496-12 §8.12). */
  readonly encrypted: boolean;
  readonly width: number;
  readonly height: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** Bytes of one PCM frame of all channels; 0 for other codecs. */
  readonly frameBytes: number;
}

const videoCodecs: Readonly<Record<string, string>> = {
  avc1: 'h264',
  avc2: 'h264',
  avc3: 'h264',
  avc4: 'h264',
  dva1: 'h264',
  dvav: 'h264',
  hvc1: 'hevc',
  hev1: 'hevc',
  dvh1: 'hevc',
  dvhe: 'hevc',
  av01: 'av1',
  vp08: 'vp8',
  vp09: 'vp9',
  s263: 'h263',
  jpeg: 'mjpeg',
  mjpa: 'mjpeg',
  mjpb: 'mjpegb',
  mjp2: 'jpeg2000',
  apch: 'prores',
  apcn: 'prores',
  apcs: 'prores',
  apco: 'prores',
  ap4h: 'prores',
  ap4x: 'prores',
  vvc1: 'vvc',
  vvi1: 'vvc',
  'png ': 'png',
  'rle ': 'qtrle',
  'raw ': 'rawvideo',
  FFV1: 'ffv1',
  AVdn: 'dnxhd',
  AVdh: 'dnxhd',
  CFHD: 'cfhd',
  'dvc ': 'dvvideo',
  dvcp: 'dvvideo',
};

const audioCodecs: Readonly<Record<string, string>> = {
  mp4a: 'aac',
  Opus: 'opus',
  alac: 'alac',
  fLaC: 'flac',
  '.mp3': 'mp3',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
  samr: 'amr_nb',
  sawb: 'amr_wb',
  ulaw: 'pcm_mulaw',
  alaw: 'pcm_alaw',
  sowt: 'pcm_s16le',
  twos: 'pcm_s16be',
  'ms\u0000U': 'mp3',
  'ms\u0000\u0002': 'adpcm_ms',
};

const otherKinds: Readonly<Record<string, readonly [TrackKind, string]>> = {
  tmcd: ['timecode', 'tmcd'],
  tx3g: ['text', 'mov_text'],
  text: ['text', 'mov_text'],
  wvtt: ['text', 'webvtt'],
  stpp: ['text', 'ttml'],
  c608: ['text', 'eia_608'],
};

/** The kind of a track by its handler (§8.4.3). */
function kindByHandler(handler: string): TrackKind {
  if (handler === 'vide') return 'video';
  if (handler === 'soun') return 'audio';
  if (handler === 'tmcd') return 'timecode';
  if (['text', 'sbtl', 'subt', 'clcp'].includes(handler)) return 'text';
  return 'data';
}

/**
 * Describes the first entry of a sample description box.
 *
 * @param stsd     the whole box with its header
 * @param handler  handler type of the track
 * @returns null when there is no entry
 */
export function firstSampleEntry(stsd: Uint8Array, handler: string): SampleEntry | null {
  if (stsd.length < 32 || u32(stsd, 12) === 0) return null;
  const size = Math.min(u32(stsd, 16), stsd.length - 16);
  if (size < 16) return null;
  const entry = stsd.subarray(16, 16 + size);
  const kind = kindByHandler(handler);
  if (kind === 'video') return videoEntry(entry);
  if (kind === 'audio') return audioEntry(entry);
  const format = fourcc(entry, 4);
  const other = otherKinds[format];
  return { ...blank, format, codec: other?.[1] ?? format, kind: other?.[0] ?? kind };
}

const blank = {
  encrypted: false,
  width: 0,
  height: 0,
  sampleRate: 0,
  channels: 0,
  frameBytes: 0,
} as const;

function videoEntry(entry: Uint8Array): SampleEntry {
  const format = fourcc(entry, 4);
  const encrypted = format === 'encv';
  const real = encrypted ? (originalFormat(entry, 86) ?? format) : format;
  const codec = real === 'mp4v' ? objectTypeCodec(entry, 86, 'mpeg4') : (videoCodecs[real] ?? real);
  return {
    ...blank,
    format,
    codec,
    kind: 'video',
    encrypted,
    width: u16(entry, 32),
    height: u16(entry, 34),
  };
}

function audioEntry(entry: Uint8Array): SampleEntry {
  const format = fourcc(entry, 4);
  const version = u16(entry, 16);
  const encrypted = format === 'enca';
  const boxesAt = version === 1 ? 52 : version === 2 ? 72 : 36;
  const real = encrypted ? (originalFormat(entry, boxesAt) ?? format) : format;
  let channels = u16(entry, 24);
  let bits = u16(entry, 26);
  let sampleRate = u32(entry, 32) >>> 16;
  if (version === 2) {
    const rate = new DataView(entry.buffer, entry.byteOffset, entry.length);
    if (entry.length >= 72) sampleRate = Math.round(rate.getFloat64(40));
    channels = u32(entry, 48);
    bits = u32(entry, 56);
  }
  if (!(sampleRate > 0 && sampleRate <= 0x7fffffff)) sampleRate = 0;
  const codec =
    real === 'mp4a'
      ? objectTypeCodec(entry, boxesAt, 'aac')
      : pcmOrOther(entry, real, bits, boxesAt);
  if (codec === 'aac') {
    // Muxers write 2 channels and a rate cut to 16 bits here: the decoder's own set-up is right.
    const config = aacConfig(entry, boxesAt);
    if (config) {
      channels = config.extension === 29 ? 2 : config.channels;
      sampleRate = config.extension > 0 && sampleRate > 0 ? sampleRate : config.rate;
    }
  }
  const frameBytes = codec.startsWith('pcm_') ? pcmSampleBytes(codec) * channels : 0;
  return { ...blank, format, codec, kind: 'audio', encrypted, sampleRate, channels, frameBytes };
}

/** The four-character code that encryption replaced: `sinf`/`frma`. */
function originalFormat(entry: Uint8Array, boxesAt: number): string | null {
  const source = memorySource(entry);
  const sinf = childBoxes(source, boxesAt, entry.length).find((box) => box.type === 'sinf');
  if (!sinf) return null;
  const frma = childBoxes(source, sinf.body, sinf.end).find((box) => box.type === 'frma');
  return frma ? fourcc(entry, frma.body) : null;
}

// Object type indications of ISO/IEC 14496-1 as registered at mp4ra.org.
const objectTypes: Readonly<Record<number, string>> = {
  32: 'mpeg4',
  64: 'aac',
  96: 'mpeg2video',
  97: 'mpeg2video',
  98: 'mpeg2video',
  99: 'mpeg2video',
  100: 'mpeg2video',
  101: 'mpeg2video',
  102: 'aac',
  103: 'aac',
  104: 'aac',
  105: 'mp3',
  106: 'mpeg1video',
  107: 'mp3',
  108: 'mjpeg',
  109: 'png',
  165: 'ac3',
  166: 'eac3',
  169: 'dts',
  173: 'opus',
  221: 'vorbis',
};

function objectTypeCodec(entry: Uint8Array, boxesAt: number, usual: string): string {
  const esds = descriptorBox(entry, boxesAt);
  const stream = esds && parseElementaryStream(esds);
  return (stream && objectTypes[stream.objectType]) || usual;
}

function aacConfig(entry: Uint8Array, boxesAt: number): AudioConfig | null {
  const esds = descriptorBox(entry, boxesAt);
  const stream = esds && parseElementaryStream(esds);
  return stream && parseAudioConfig(stream.setup);
}

/** The content of `esds`, also where QuickTime hides it in `wave`. */
function descriptorBox(entry: Uint8Array, boxesAt: number): Uint8Array | null {
  const source = memorySource(entry);
  for (const box of childBoxes(source, boxesAt, entry.length)) {
    if (box.type === 'esds') return entry.subarray(box.body, box.end);
    if (box.type !== 'wave') continue;
    const inner = childBoxes(source, box.body, box.end).find((child) => child.type === 'esds');
    if (inner) return entry.subarray(inner.body, inner.end);
  }
  return null;
}

function pcmOrOther(entry: Uint8Array, format: string, bits: number, boxesAt: number): string {
  const width = bits === 0 ? 16 : bits;
  switch (format) {
    case 'sowt':
      return bits === 8 ? 'pcm_s8' : 'pcm_s16le';
    case 'twos':
      return bits === 8 ? 'pcm_s8' : 'pcm_s16be';
    case 'raw ':
      return bits === 8 ? 'pcm_u8' : 'pcm_s16be';
    case 'in24':
    case 'in32':
      return `pcm_s${format.slice(2)}${isLittleEndian(entry, boxesAt) ? 'le' : 'be'}`;
    case 'fl32':
    case 'fl64':
      return `pcm_f${format.slice(2)}${isLittleEndian(entry, boxesAt) ? 'le' : 'be'}`;
    case 'lpcm': {
      const flags = u32(entry, 60);
      const kind = flags & 1 ? 'f' : flags & 4 ? 's' : 'u';
      return width === 8 ? `pcm_${kind}8` : `pcm_${kind}${width}${flags & 2 ? 'be' : 'le'}`;
    }
    case 'ipcm':
    case 'fpcm':
      return uncompressed(entry, format, boxesAt);
    default:
      return audioCodecs[format] ?? format;
  }
}

/** `enda` in `wave`: little endian (QuickTime). */
function isLittleEndian(entry: Uint8Array, boxesAt: number): boolean {
  const source = memorySource(entry);
  const wave = childBoxes(source, boxesAt, entry.length).find((box) => box.type === 'wave');
  const inner = wave ? childBoxes(source, wave.body, wave.end) : [];
  const enda = inner.find((box) => box.type === 'enda');
  return enda !== undefined && u16(entry, enda.body) === 1;
}

/** ISO/IEC 23003-5: `pcmC` holds the byte order and the sample size. */
function uncompressed(entry: Uint8Array, format: string, boxesAt: number): string {
  const boxes = childBoxes(memorySource(entry), boxesAt, entry.length);
  const config = boxes.find((box) => box.type === 'pcmC');
  const flags = config ? (entry[config.body + 4] ?? 0) : 0;
  const bits = config ? (entry[config.body + 5] ?? 16) : 16;
  return `pcm_${format === 'fpcm' ? 'f' : 's'}${bits}${flags & 1 ? 'le' : 'be'}`;
}

function pcmSampleBytes(codec: string): number {
  if (codec === 'pcm_mulaw' || codec === 'pcm_alaw') return 1;
  const bits = Number(/\d+/.exec(codec)?.[0] ?? 0);
  return bits >= 8 && bits <= 64 ? bits >> 3 : 1;
}
