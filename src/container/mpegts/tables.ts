/**
 * Program tables (ISO/IEC 13818-1 §2.4.4): which packet numbers carry which streams.
 */
import { memorySource } from '../bytes.ts';
import type { TrackKind } from '../diagnosis.ts';
import { Window } from '../window.ts';

export interface ElementaryStream {
  readonly pid: number;
  readonly kind: TrackKind;
  readonly codec: string;
}

/** Packet numbers of the program maps, from a section of the association table. */
export function programMaps(section: Uint8Array): number[] {
  const window = new Window(memorySource(section));
  if (window.u8(0) !== 0) return [];
  const end = sectionEnd(window);
  const maps: number[] = [];
  for (let at = 8; at + 4 <= end; at += 4) {
    if (window.u16(at) !== 0) maps.push(window.u16(at + 2) & 0x1fff);
  }
  return maps;
}

/** The streams of a program, from a section of its map. */
export function streamsOf(section: Uint8Array): ElementaryStream[] {
  const window = new Window(memorySource(section));
  if (window.u8(0) !== 2) return [];
  const end = sectionEnd(window);
  const streams: ElementaryStream[] = [];
  let at = 12 + (window.u16(10) & 0x0fff);
  while (at + 5 <= end) {
    const type = window.u8(at);
    const pid = window.u16(at + 1) & 0x1fff;
    const length = window.u16(at + 3) & 0x0fff;
    const descriptors = section.subarray(at + 5, at + 5 + length);
    const [kind, codec] = codecs[type] ?? (type === 6 ? privateCodec(descriptors) : unknown);
    streams.push({ pid, kind, codec });
    at += 5 + length;
  }
  return streams;
}

function sectionEnd(window: Window): number {
  const length = window.u16(1) & 0x0fff;
  return Math.min(window.end, 3 + length - 4);
}

const unknown: readonly [TrackKind, string] = ['data', 'unknown'];

const codecs: Record<number, readonly [TrackKind, string]> = {
  1: ['video', 'mpeg1video'],
  2: ['video', 'mpeg2video'],
  3: ['audio', 'mp3'],
  4: ['audio', 'mp3'],
  15: ['audio', 'aac'],
  16: ['video', 'mpeg4'],
  17: ['audio', 'aac_latm'],
  27: ['video', 'h264'],
  36: ['video', 'hevc'],
  51: ['video', 'vvc'],
  129: ['audio', 'ac3'],
  // As Blu-ray discs and the camcorders of AVCHD number them.
  128: ['audio', 'pcm_bluray'],
  130: ['audio', 'dts'],
  131: ['audio', 'truehd'],
  132: ['audio', 'eac3'],
  134: ['audio', 'dts'],
  135: ['audio', 'eac3'],
  144: ['text', 'hdmv_pgs_subtitle'],
  234: ['video', 'vc1'],
};

/** Private streams say in a descriptor what they are. */
function privateCodec(descriptors: Uint8Array): readonly [TrackKind, string] {
  let at = 0;
  while (at + 2 <= descriptors.length) {
    const [tag, length] = [descriptors[at] ?? 0, descriptors[at + 1] ?? 0];
    const text = String.fromCharCode(...descriptors.subarray(at + 2, at + 6));
    if (tag === 0x05 && text === 'Opus') return ['audio', 'opus'];
    if (tag === 0x05 && text === 'AV01') return ['video', 'av1'];
    if (tag === 0x05 && text === 'HEVC') return ['video', 'hevc'];
    if (tag === 0x05 && text === 'AC-3') return ['audio', 'ac3'];
    if (tag === 0x6a) return ['audio', 'ac3'];
    if (tag === 0x7a) return ['audio', 'eac3'];
    if (tag === 0x59) return ['text', 'dvb_subtitle'];
    at += 2 + length;
  }
  return unknown;
}
