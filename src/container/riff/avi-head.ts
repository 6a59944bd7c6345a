/**
 * What stands before the pictures in an AVI: main header, and for each stream its header and format.
 */
import type { TrackKind } from '../diagnosis.ts';
import type { Window } from '../window.ts';
import { type Chunk, chunkAt, chunkEnd } from './riff.ts';

const longestHead = 64 * 1024 * 1024;
const mostStreams = 100;

export interface AviStream {
  readonly kind: TrackKind;
  readonly codec: string;
  /** Of the format or, where that is empty, of the handler: `H264`, `MJPG`. */
  readonly fourcc: string;
  readonly scale: number;
  readonly rate: number;
  /** Bytes of the smallest unit of sound; 0 where a chunk is the unit. */
  readonly sampleSize: number;
  /** As declared: frames, or units of sound. */
  readonly length: number;
  readonly header: Chunk;
  /** Everything in the list but the header and old indexes. */
  readonly rest: readonly Chunk[];
  readonly hasIndex: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly sampleRate?: number;
  readonly channels?: number;
}

export interface AviHead {
  readonly main: Chunk;
  readonly frames: number;
  readonly streams: readonly AviStream[];
  /** Lists before the pictures that are kept: titles, programs. */
  readonly extras: readonly Chunk[];
  readonly movi: Chunk;
  readonly writer: string | null;
}

/** Reads the head; null when it is cut off before the pictures begin. */
export function readAviHead(window: Window): AviHead | null {
  let main: Chunk | null = null;
  let streams: readonly AviStream[] = [];
  let writer: string | null = null;
  const extras: Chunk[] = [];
  let at = 12;
  for (let count = 0; count < 1000 && at < longestHead; count += 1) {
    const chunk = chunkAt(window, at);
    if (!chunk || (chunk.id !== 'LIST' && chunk.body + chunk.size > window.end)) {
      // A hole behind the headers: the chunks of pictures and sound are found without their list.
      const movi = { id: 'LIST', at, body: at, size: 0 };
      return main && streams.length > 0 ? { main, frames: 0, streams, extras, movi, writer } : null;
    }
    const type = chunk.id === 'LIST' ? window.ascii(chunk.body, 4) : '';
    if (type === 'movi') {
      if (!main) return null;
      const frames = Math.max(0, window.u32le(main.body + 16));
      return { main, frames, streams, extras, movi: chunk, writer };
    }
    if (chunk.body + chunk.size > window.end) return null;
    if (type === 'hdrl') {
      main = childrenOf(window, chunk).find((child) => child.id === 'avih') ?? null;
      streams = readStreams(window, chunk);
    } else if (type === 'INFO') {
      extras.push(chunk);
      const software = childrenOf(window, chunk).find((child) => child.id === 'ISFT');
      const text = software && window.ascii(software.body, Math.min(software.size, 256));
      writer = text?.split('\0')[0] || null;
    }
    at = chunkEnd(chunk);
  }
  return null;
}

function childrenOf(window: Window, list: Chunk): Chunk[] {
  const children: Chunk[] = [];
  const end = list.body + list.size;
  let at = list.body + 4;
  while (at < end && children.length < 1000) {
    const child = chunkAt(window, at);
    if (!child || child.body + child.size > end) break;
    children.push(child);
    at = chunkEnd(child);
  }
  return children;
}

function readStreams(window: Window, hdrl: Chunk): AviStream[] {
  const streams: AviStream[] = [];
  for (const list of childrenOf(window, hdrl)) {
    if (list.id !== 'LIST' || window.ascii(list.body, 4) !== 'strl') continue;
    const children = childrenOf(window, list);
    const header = children.find((child) => child.id === 'strh' && child.size >= 48);
    const format = children.find((child) => child.id === 'strf');
    if (!header || streams.length >= mostStreams) continue;
    const isIndex = (child: Chunk) => child.id === 'indx' || /^ix/.test(child.id);
    const rest = children.filter(
      (child) => child !== header && !isIndex(child) && child.id !== 'JUNK',
    );
    streams.push({
      ...describe(window, header, format),
      header,
      rest,
      hasIndex: children.some(isIndex),
    });
  }
  return streams;
}

function describe(window: Window, header: Chunk, format: Chunk | undefined) {
  const type = window.ascii(header.body, 4);
  const handler = window.ascii(header.body + 4, 4);
  const shared = {
    scale: window.u32le(header.body + 20),
    rate: window.u32le(header.body + 24),
    length: window.u32le(header.body + 32),
    sampleSize: window.u32le(header.body + 44),
  };
  if (type === 'vids') {
    const compression = format && format.size >= 20 ? window.ascii(format.body + 16, 4) : '';
    const fourcc = compression.charCodeAt(0) > 0x20 ? compression : handler;
    const width = format ? window.u32le(format.body + 4) : 0;
    const height = format ? Math.abs(window.u32le(format.body + 8) | 0) : 0;
    return {
      ...shared,
      kind: 'video' as const,
      codec: pictureCodec(fourcc),
      fourcc,
      width,
      height,
    };
  }
  if (type === 'auds' && format && format.size >= 14) {
    const tag = window.u16le(format.body);
    const bits = format.size >= 16 ? window.u16le(format.body + 14) : 16;
    return {
      ...shared,
      kind: 'audio' as const,
      codec: soundCodec(tag, bits),
      fourcc: '',
      channels: window.u16le(format.body + 2),
      sampleRate: window.u32le(format.body + 4),
    };
  }
  const kind: TrackKind = type === 'txts' ? 'text' : 'data';
  return { ...shared, kind, codec: type.trim(), fourcc: handler };
}

function pictureCodec(fourcc: string): string {
  const name = fourcc.toUpperCase();
  if (/^(H264|X264|AVC1)$/.test(name)) return 'h264';
  if (/^(HEVC|H265|HVC1|X265)$/.test(name)) return 'hevc';
  if (/^(MJPG|JPEG|AVRN)$/.test(name)) return 'mjpeg';
  if (/^(FMP4|XVID|DIVX|DX50|MP4V)$/.test(name)) return 'mpeg4';
  if (/^(VP80|VP90|AV01|FFV1|HFYU|MPNG|ULRG|ULY2)$/.test(name)) {
    return (
      { VP80: 'vp8', VP90: 'vp9', AV01: 'av1', HFYU: 'huffyuv', MPNG: 'png' }[name] ??
      name.toLowerCase()
    );
  }
  return fourcc.charCodeAt(0) <= 0x20 ? 'rawvideo' : name.trim().toLowerCase();
}

function soundCodec(tag: number, bits: number): string {
  const names: Record<number, string> = {
    1: bits === 8 ? 'pcm_u8' : `pcm_s${bits}le`,
    2: 'adpcm_ms',
    3: bits === 64 ? 'pcm_f64le' : 'pcm_f32le',
    6: 'pcm_alaw',
    7: 'pcm_mulaw',
    17: 'adpcm_ima_wav',
    80: 'mp2',
    85: 'mp3',
    255: 'aac',
    5648: 'aac',
    8192: 'ac3',
    22127: 'vorbis',
    61868: 'flac',
  };
  return names[tag] ?? `wav_0x${tag.toString(16)}`;
}

/** Whether a picture can be decoded on its own, judged by its first bytes; for `idx1`. */
export function isKeyPicture(codec: string, bytes: Uint8Array): boolean {
  switch (codec) {
    case 'h264':
      return hasUnit(bytes, (byte) => (byte & 0x1f) === 5 || (byte & 0x1f) === 7);
    case 'hevc':
      return hasUnit(bytes, (byte) => (byte >> 1) % 64 >= 16 && (byte >> 1) % 64 <= 34);
    case 'mpeg4':
      return hasUnit(bytes, (byte, next) => byte === 0xb6 && next >> 6 === 0);
    case 'vp8':
      return ((bytes[0] ?? 1) & 1) === 0;
    default:
      return true;
  }
}

function hasUnit(bytes: Uint8Array, test: (byte: number, next: number) => boolean): boolean {
  for (let i = 0; i + 4 < bytes.length; i += 1) {
    if (bytes[i] === 0 && bytes[i + 1] === 0 && bytes[i + 2] === 1) {
      if (test(bytes[i + 3] ?? 0, bytes[i + 4] ?? 0)) return true;
    }
  }
  return false;
}
