/**
 * How a codec lies in Ogg: what its first packet says, how many headers it has, and how many
 * granules a packet lasts.
 */
import { memorySource } from '../bytes.ts';
import type { TrackKind } from '../diagnosis.ts';
import { Window } from '../window.ts';

export interface Mapping {
  readonly kind: TrackKind;
  readonly codec: string;
  /** Packets before the first of media; for FLAC the least there are. */
  readonly headers: number;
  /** Granules a second. */
  readonly rate: number;
  /** Granules before the first that is heard. */
  readonly preSkip: number;
  /** Bits of a granule that count frames since the key frame (Theora); 0 for all others. */
  readonly shift: number;
  readonly width?: number;
  readonly height?: number;
  readonly sampleRate?: number;
  readonly channels?: number;
  /** Reads a header packet behind the first. */
  header?(packet: Uint8Array): void;
  /** Granules a packet lasts; 0 when it does not say. Packets are given in order. */
  duration(packet: Uint8Array): number;
  /** A header packet although the headers should be through (FLAC of unknown number). */
  isHeader?(packet: Uint8Array): boolean;
  /** Whether a frame can be decoded on its own; only for codecs with a `shift`. */
  isKey?(packet: Uint8Array): boolean;
}

/** Chooses the mapping by the first packet of a stream. */
export function mappingOf(packet: Uint8Array): Mapping {
  const window = new Window(memorySource(packet));
  for (const [magic, read] of mappings) {
    if (window.ascii(0, magic.length) === magic) return read(window);
  }
  return { ...silent, kind: 'data', codec: 'unknown', headers: 1 };
}

const silent = { rate: 0, preSkip: 0, shift: 0, duration: () => 0 };

const mappings: readonly (readonly [magic: string, read: (window: Window) => Mapping])[] = [
  ['OpusHead', opus],
  ['\x01vorbis', vorbis],
  ['\x7fFLAC', flac],
  ['\x80theora', theora],
  ['Speex   ', speex],
  ['OVP80', vp8],
  ['fishead\0', () => ({ ...silent, kind: 'data', codec: 'skeleton', headers: 1 })],
  ['\x80kate', () => ({ ...silent, kind: 'text', codec: 'kate', headers: 1 })],
];

function opus(window: Window): Mapping {
  return {
    kind: 'audio',
    codec: 'opus',
    headers: 2,
    rate: 48000,
    preSkip: Math.max(0, window.u16le(10)),
    shift: 0,
    sampleRate: 48000,
    channels: window.u8(9),
    duration: opusDuration,
  };
}

/** Samples at 48 kHz by the table of contents byte (RFC 6716 §3.1). */
export function opusDuration(packet: Uint8Array): number {
  const [toc, second] = packet;
  if (toc === undefined) return 0;
  const configuration = toc >> 3;
  const silk = [480, 960, 1920, 2880][configuration & 3] ?? 0;
  const hybrid = [480, 960][configuration & 1] ?? 0;
  const celt = [120, 240, 480, 960][configuration & 3] ?? 0;
  const frame = configuration < 12 ? silk : configuration < 16 ? hybrid : celt;
  const code = toc & 3;
  return frame * (code === 0 ? 1 : code < 3 ? 2 : (second ?? 0) & 63);
}

function vorbis(window: Window): Mapping {
  const sizes = Math.max(0, window.u8(28));
  const [short, long] = [2 ** (sizes & 15), 2 ** (sizes >> 4)];
  let modes: readonly boolean[] = [];
  let previous = 0;
  return {
    kind: 'audio',
    codec: 'vorbis',
    headers: 3,
    rate: window.u32le(12),
    preSkip: 0,
    shift: 0,
    sampleRate: window.u32le(12),
    channels: window.u8(11),
    header: (packet) => {
      if (packet[0] === 5) modes = vorbisModes(packet);
    },
    duration: (packet) => {
      const first = packet[0] ?? 1;
      if ((first & 1) !== 0 || modes.length === 0) return 0;
      const bits = 32 - Math.clz32(modes.length - 1);
      const size = modes[(first >> 1) & ((1 << bits) - 1)] ? long : short;
      const lasts = previous === 0 ? 0 : (previous + size) / 4;
      previous = size;
      return lasts;
    },
  };
}

/**
 * Which modes use long blocks. The modes are the last thing in the setup header, before a framing
 * bit (Vorbis I §4.2.4), and are read backwards from there: each is 41 bits of which 32 are zero,
 * and their number less one stands in the six bits before the first.
 */
function vorbisModes(packet: Uint8Array): readonly boolean[] {
  const bit = (at: number) => ((packet[at >> 3] ?? 0) >> (at & 7)) & 1;
  const number = (at: number, count: number) => {
    let value = 0;
    for (let i = count - 1; i >= 0; i -= 1) value = value * 2 + bit(at + i);
    return value;
  };
  let framing = packet.length * 8 - 1;
  while (framing > 0 && bit(framing) === 0) framing -= 1;
  let modes: boolean[] = [];
  const read: boolean[] = [];
  for (let count = 1; count <= 64; count += 1) {
    const at = framing - 41 * count;
    if (at < 64 || number(at + 1, 32) !== 0 || number(at + 33, 8) > 63) break;
    read.unshift(bit(at) === 1);
    if (number(at - 6, 6) === count - 1) modes = [...read];
  }
  return modes;
}

function flac(window: Window): Mapping {
  const sampleRate = window.u24(27) >> 4;
  return {
    kind: 'audio',
    codec: 'flac',
    headers: 1 + Math.max(0, window.u16(7)),
    rate: sampleRate,
    preSkip: 0,
    shift: 0,
    sampleRate,
    channels: ((window.u8(29) >> 1) & 7) + 1,
    isHeader: (packet) => packet[0] !== 0xff,
    duration: flacDuration,
  };
}

/** Samples in a FLAC frame by the four bits in its header (RFC 9639 §9.1.1). */
export function flacDuration(packet: Uint8Array): number {
  const code = (packet[2] ?? 0) >> 4;
  if (code === 1) return 192;
  if (code >= 2 && code <= 5) return 576 << (code - 2);
  if (code >= 8) return 256 << (code - 8);
  // The number behind the coded frame number, which is as long as its first byte's leading ones.
  const lead = packet[4] ?? 0;
  const at = 4 + (lead < 0x80 ? 1 : Math.clz32(~(lead << 24)));
  if (code === 6) return (packet[at] ?? 0) + 1;
  return code === 7 ? (packet[at] ?? 0) * 256 + (packet[at + 1] ?? 0) + 1 : 0;
}

function theora(window: Window): Mapping {
  return {
    kind: 'video',
    codec: 'theora',
    headers: 3,
    rate: window.u32(22) / Math.max(1, window.u32(26)),
    preSkip: 0,
    shift: ((window.u8(40) & 3) << 3) | (window.u8(41) >> 5),
    width: window.u24(14),
    height: window.u24(17),
    duration: () => 1,
    // A packet of no bytes repeats the frame before (Theora §7).
    isKey: (packet) => packet.length > 0 && ((packet[0] ?? 0) & 0x40) === 0,
  };
}

function speex(window: Window): Mapping {
  const sampleRate = window.u32le(36);
  const lasts = window.u32le(56) * Math.max(1, window.u32le(64));
  return {
    kind: 'audio',
    codec: 'speex',
    headers: 2 + Math.min(16, Math.max(0, window.u32le(68))),
    rate: sampleRate,
    preSkip: 0,
    shift: 0,
    sampleRate,
    channels: window.u32le(48),
    duration: () => lasts,
  };
}

function vp8(window: Window): Mapping {
  return {
    kind: 'video',
    codec: 'vp8',
    headers: 1,
    // The number of the frame stands in the upper half of a granule position.
    rate: (window.u32(18) / Math.max(1, window.u32(22))) * 2 ** 32,
    preSkip: 0,
    shift: 0,
    width: window.u16(8),
    height: window.u16(10),
    isHeader: (packet) => packet[0] === 0x4f && packet[1] === 0x56,
    duration: () => 2 ** 32,
  };
}
