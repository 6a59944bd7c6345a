/**
 * What stands before the first cluster: document type, segment, info and tracks.
 */
import type { UnitFormat } from '../codec/nal-chain.ts';
import type { TrackKind } from '../diagnosis.ts';
import type { Window } from '../window.ts';
import {
  childrenOf,
  type Element,
  elementAt,
  floatOf,
  ids,
  textOf,
  topLevel,
  uintOf,
} from './ebml.ts';

/** Nothing before the first cluster is longer: cover pictures are attachments of some megabytes. */
const longestHead = 256 * 1024 * 1024;

export interface MatroskaTrack {
  readonly number: number;
  readonly kind: TrackKind;
  readonly codec: string;
  /** Nanoseconds a frame lasts; 0 when the file does not say. */
  readonly defaultDuration: number;
  readonly isEncrypted: boolean;
  /** How its NAL units are read; absent for other codecs and for blocks that are compressed once more. */
  readonly unitFormat?: UnitFormat;
  /** Blocks may hold several frames. */
  readonly isLaced: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly sampleRate?: number;
  readonly channels?: number;
}

export interface MatroskaHead {
  readonly docType: string;
  readonly ebml: Element;
  readonly segment: Element;
  readonly info: Element | null;
  readonly tracksElement: Element | null;
  readonly tracks: readonly MatroskaTrack[];
  /** Nanoseconds a tick. */
  readonly scale: number;
  /** In ticks; 0 when it was never written. */
  readonly duration: number;
  readonly writer: string | null;
  /** When the file was made, ms since 1970; 0 when it does not say. */
  readonly createdAt: number;
  /** Everything else before the first cluster that is kept: attachments, chapters, tags. */
  readonly extras: readonly Element[];
  /**
   * The recorder meant to come back and did not: there is a duration, or room for a seek head (a
   * void element) and none in it. A live recorder, such as a browser, leaves neither.
   */
  readonly meansToReturn: boolean;
  readonly cues: Element | null;
  /** Where the first cluster begins, or where reading the head had to stop. */
  readonly end: number;
}

/** Reads the head; null when there is no segment of Matroska at the start. */
export function readHead(window: Window): MatroskaHead | null {
  const ebml = elementAt(window, 0);
  if (ebml?.id !== ids.EBML || ebml.size < 0) return null;
  let docType = '';
  for (const child of childrenOf(window, ebml.body, ebml.body + Math.min(ebml.size, 4096))) {
    if (child.id === ids.DocType) docType = textOf(window, child);
  }
  const segment = firstSegment(window, ebml.body + ebml.size);
  if (!segment) return null;
  return { docType, ebml, segment, ...readTopLevel(window, segment) };
}

function firstSegment(window: Window, from: number): Element | null {
  let at = from;
  for (let count = 0; count < 16; count += 1) {
    const next = elementAt(window, at);
    if (next?.id === ids.Segment) return next;
    if (next?.id !== ids.Void || next.size < 0) return null;
    at = next.body + next.size;
  }
  return null;
}

function readTopLevel(window: Window, segment: Element) {
  const found = {
    info: null as Element | null,
    tracksElement: null as Element | null,
    tracks: [] as readonly MatroskaTrack[],
    scale: 1_000_000,
    duration: 0,
    writer: null as string | null,
    createdAt: 0,
    extras: [] as Element[],
    meansToReturn: false,
    cues: null as Element | null,
    end: segment.body,
  };
  let [hasSeekHead, hasRoom] = [false, false];
  for (let count = 0; count < 10_000 && found.end < segment.body + longestHead; count += 1) {
    const next = elementAt(window, found.end);
    if (!next || next.id === ids.Cluster || !topLevel.has(next.id)) break;
    if (next.size < 0 || next.body + next.size > window.end) break;
    if (next.id === ids.Info) {
      const { holdsRoom, ...info } = readInfo(window, next);
      Object.assign(found, info, { info: next });
      found.meansToReturn ||= holdsRoom;
    } else if (next.id === ids.Tracks) {
      found.tracksElement = next;
      found.tracks = readTracks(window, next);
    } else if (next.id === ids.SeekHead) hasSeekHead = true;
    else if (next.id === ids.Void) hasRoom = true;
    else if (next.id === ids.Cues) found.cues = next;
    else if (next.id !== ids.Crc32) found.extras.push(next);
    found.end = next.body + next.size;
  }
  found.meansToReturn ||= hasRoom && !hasSeekHead;
  return found;
}

const millennium = Date.UTC(2001, 0, 1);

function readInfo(window: Window, info: Element) {
  const read = {
    scale: 1_000_000,
    duration: 0,
    writer: null as string | null,
    holdsRoom: false,
    createdAt: 0,
  };
  let muxer = '';
  for (const child of childrenOf(window, info.body, info.body + info.size)) {
    if (child.id === ids.TimestampScale) read.scale = uintOf(window, child) || 1_000_000;
    if (child.id === ids.Duration) read.duration = Math.max(0, floatOf(window, child)) || 0;
    // Nanoseconds since 2001 (§5.1.2.11).
    if (child.id === ids.DateUTC)
      read.createdAt = millennium + Math.floor(uintOf(window, child) / 1e6);
    if (child.id === ids.Duration) read.holdsRoom = true;
    if (child.id === ids.MuxingApp) muxer = textOf(window, child);
    if (child.id === ids.WritingApp) read.writer = textOf(window, child) || null;
  }
  if (!Number.isFinite(read.duration)) read.duration = 0;
  return { ...read, writer: read.writer ?? (muxer || null) };
}

function readTracks(window: Window, tracks: Element): MatroskaTrack[] {
  const read: MatroskaTrack[] = [];
  for (const entry of childrenOf(window, tracks.body, tracks.body + tracks.size)) {
    if (entry.id === ids.TrackEntry && read.length < 127) read.push(readTrack(window, entry));
  }
  return read.filter((track) => track.number > 0);
}

const kinds: Record<number, TrackKind> = { 1: 'video', 2: 'audio', 17: 'text', 18: 'text' };

function readTrack(window: Window, entry: Element): MatroskaTrack {
  const track = { number: 0, defaultDuration: 0, isEncrypted: false, isLaced: true };
  const sizes: { width?: number; height?: number; sampleRate?: number; channels?: number } = {};
  let [type, codecId, bits, fourcc, isPlain] = [0, '', 0, '', true];
  let setup: Uint8Array = new Uint8Array(0);
  for (const child of childrenOf(window, entry.body, entry.body + entry.size)) {
    if (child.id === ids.TrackNumber) track.number = uintOf(window, child);
    if (child.id === ids.FlagLacing) track.isLaced = uintOf(window, child) !== 0;
    if (child.id === ids.TrackType) type = uintOf(window, child);
    if (child.id === ids.CodecID) codecId = textOf(window, child);
    if (child.id === ids.DefaultDuration) track.defaultDuration = uintOf(window, child);
    if (child.id === ids.CodecPrivate && child.size >= 20)
      fourcc = window.ascii(child.body + 16, 4);
    if (child.id === ids.CodecPrivate) setup = window.bytes(child.body, Math.min(child.size, 64));
    if (child.id === ids.ContentEncodings) {
      track.isEncrypted = holdsEncryption(window, child);
      isPlain = false;
    }
    if (child.id === ids.Video || child.id === ids.Audio) {
      for (const field of childrenOf(window, child.body, child.body + child.size)) {
        if (field.id === ids.PixelWidth) sizes.width = uintOf(window, field);
        if (field.id === ids.PixelHeight) sizes.height = uintOf(window, field);
        if (field.id === ids.SamplingFrequency) sizes.sampleRate = floatOf(window, field);
        if (field.id === ids.Channels) sizes.channels = uintOf(window, field);
        if (field.id === ids.BitDepth) bits = uintOf(window, field);
      }
    }
  }
  const codec = codecName(codecId, bits, fourcc);
  const unitFormat = isPlain ? unitFormatOf(codecId, setup) : undefined;
  return {
    ...track,
    ...sizes,
    ...(unitFormat ? { unitFormat } : {}),
    kind: kinds[type] ?? 'data',
    codec,
  };
}

/** By the `avcC` or `hvcC` that stands in front of the stream (ISO/IEC 14496-15 §5.3.3, §8.3.3). */
function unitFormatOf(codecId: string, setup: Uint8Array): UnitFormat | undefined {
  if (codecId === 'V_MPEG4/ISO/AVC' && setup[0] === 1 && setup.length > 6) {
    return { codec: 'h264', lengthBytes: ((setup[4] ?? 0) & 3) + 1 };
  }
  if (codecId === 'V_MPEGH/ISO/HEVC' && setup.length > 22) {
    return { codec: 'hevc', lengthBytes: ((setup[21] ?? 0) & 3) + 1 };
  }
  return undefined;
}

function holdsEncryption(window: Window, encodings: Element): boolean {
  for (const encoding of childrenOf(window, encodings.body, encodings.body + encodings.size)) {
    for (const child of childrenOf(window, encoding.body, encoding.body + encoding.size)) {
      if (child.id === ids.ContentEncryption) return true;
    }
  }
  return false;
}

const codecs: readonly (readonly [id: RegExp, codec: string])[] = [
  [/^V_MPEG4\/ISO\/AVC/, 'h264'],
  [/^V_MPEGH\/ISO\/HEVC/, 'hevc'],
  [/^V_MPEG4\//, 'mpeg4'],
  [/^V_(VP8|VP9|AV1|MJPEG|PRORES|FFV1|THEORA|UNCOMPRESSED|MPEG1|MPEG2)/, ''],
  [/^A_AAC/, 'aac'],
  [/^A_MPEG\/L3/, 'mp3'],
  [/^A_MPEG\/L2/, 'mp2'],
  [/^A_PCM\/FLOAT/, 'pcm_f32le'],
  [/^A_(OPUS|VORBIS|FLAC|ALAC|EAC3|AC3|DTS|TRUEHD)/, ''],
  [/^S_TEXT\/UTF8/, 'subrip'],
  [/^S_TEXT\/(WEBVTT|ASS|SSA)/, ''],
];

/** ffmpeg's name of a codec id: V_VP9 → vp9; unknown ids stay what they are, in lower case. */
function codecName(id: string, bits: number, fourcc: string): string {
  if (id === 'V_MS/VFW/FOURCC') return fourcc === 'H264' ? 'h264' : fourcc.trim().toLowerCase();
  if (id === 'A_PCM/INT/LIT') return bits === 8 ? 'pcm_u8' : `pcm_s${bits || 16}le`;
  if (id === 'A_PCM/INT/BIG') return `pcm_s${bits || 16}be`;
  for (const [pattern, name] of codecs) {
    const match = pattern.exec(id);
    if (match) return name || (match[1] ?? '').toLowerCase().replace(/^mpeg([12])$/, 'mpeg$1video');
  }
  return id.toLowerCase();
}
