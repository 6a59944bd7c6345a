/**
 * FLV tags (Video File Format Specification 10.1, Annex E, and Enhanced RTMP for newer codecs).
 */
import type { Window } from '../window.ts';

export interface Tag {
  readonly at: number;
  readonly type: 'audio' | 'video' | 'script';
  readonly size: number;
  /** Milliseconds. */
  readonly time: number;
  readonly body: number;
  /** Where its last byte is followed by its size, which the next tag follows. */
  readonly end: number;
}

const types: Record<number, Tag['type']> = { 8: 'audio', 9: 'video', 18: 'script' };

/** The tag header at `at`; null when there is none. Its body may be cut off. */
export function tagAt(window: Window, at: number): Tag | null {
  const bytes = window.bytes(at, 11);
  if (bytes.length < 11) return null;
  const type = types[bytes[0] ?? 0];
  // The stream id is always zero.
  if (!type || bytes[8] !== 0 || bytes[9] !== 0 || bytes[10] !== 0) return null;
  const size = window.u24(at + 1);
  const time = window.u24(at + 4) + (bytes[7] ?? 0) * 2 ** 24;
  return { at, type, size, time: time >= 2 ** 31 ? 0 : time, body: at + 11, end: at + 11 + size };
}

/** Whether the size behind a tag is its own: this checks it from behind. */
export function isConfirmed(window: Window, tag: Tag): boolean {
  return window.u32(tag.end) === tag.size + 11;
}

/** What a tag of sound or picture carries. */
export interface TagContent {
  readonly codec: string;
  readonly isMedia: boolean;
  readonly isKey: boolean;
  readonly sampleRate?: number;
  readonly channels?: number;
}

const videoCodecs: Record<number, string> = {
  2: 'flv1',
  3: 'flashsv',
  4: 'vp6f',
  5: 'vp6a',
  7: 'h264',
  12: 'hevc',
};
const audioCodecs: Record<number, string> = {
  0: 'pcm_s16le',
  1: 'adpcm_swf',
  2: 'mp3',
  3: 'pcm_s16le',
  4: 'nellymoser',
  5: 'nellymoser',
  6: 'nellymoser',
  7: 'pcm_alaw',
  8: 'pcm_mulaw',
  10: 'aac',
  11: 'speex',
  14: 'mp3',
};
const fourCodes: Record<string, string> = {
  avc1: 'h264',
  hvc1: 'hevc',
  av01: 'av1',
  vp08: 'vp8',
  vp09: 'vp9',
  mp4a: 'aac',
  Opus: 'opus',
  fLaC: 'flac',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
  '.mp3': 'mp3',
};

export function contentOf(window: Window, tag: Tag): TagContent {
  const first = Math.max(0, window.u8(tag.body));
  const second = window.u8(tag.body + 1);
  return tag.type === 'video'
    ? videoContent(window, tag, first, second)
    : audioContent(window, tag, first, second);
}

function videoContent(window: Window, tag: Tag, first: number, second: number): TagContent {
  const frame = (first >> 4) & 7;
  const isKey = frame === 1;
  if ((first & 0x80) !== 0) {
    const packet = first & 15;
    const codec = fourCodes[window.ascii(tag.body + 1, 4)] ?? 'unknown';
    // 1 and 3 carry frames; 0, 2, 4 and 5 set-up, end and metadata.
    return { codec, isMedia: packet === 1 || packet === 3, isKey };
  }
  const codec = videoCodecs[first & 15] ?? 'unknown';
  const hasPackets = codec === 'h264' || codec === 'hevc';
  return { codec, isMedia: tag.size > 1 && frame !== 5 && (!hasPackets || second === 1), isKey };
}

function audioContent(window: Window, tag: Tag, first: number, second: number): TagContent {
  const format = first >> 4;
  if (format === 9) {
    const codec = fourCodes[window.ascii(tag.body + 1, 4)] ?? 'unknown';
    return { codec, isMedia: (first & 15) === 1, isKey: true };
  }
  const codec = audioCodecs[format] ?? 'unknown';
  const isMedia = tag.size > 1 && (codec !== 'aac' || second === 1);
  const sampleRate = 44100 / 2 ** (3 - ((first >> 2) & 3));
  return { codec, isMedia, isKey: true, sampleRate, channels: (first & 1) + 1 };
}
