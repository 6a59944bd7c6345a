/**
 * Transport packets (ISO/IEC 13818-1 §2.4.3): 188 bytes from 0x47 on, in files of 188, 192 (with a
 * time before each) or 204 bytes (with a checksum behind each).
 */
import { ByteWriter } from '../byte-writer.ts';
import type { Window } from '../window.ts';

export const packetBytes = 188;
const strides = [188, 192, 204] as const;

/** How packets lie in a file. */
export interface Grid {
  readonly stride: number;
  /** Offset of the first packet's sync byte. */
  readonly first: number;
  /** Bytes before the sync byte that belong to the packet. */
  readonly lead: number;
}

/** Packets that must be in a row before a grid is believed. */
const chainLength = 5;

/** Finds the grid from the first sync byte at or behind `from`; null when there is none. */
export function findGrid(window: Window, from: number, within: number): Grid | null {
  for (let at = from; at < Math.min(from + within, window.end); at += 1) {
    if (window.u8(at) !== 0x47) continue;
    const stride = strides.find((each) => isChain(window, at, each));
    if (stride) return { stride, first: at, lead: stride === 192 && at >= 4 ? 4 : 0 };
  }
  return null;
}

/** Whether sync bytes follow at the stride, or as far as the window goes but at least two. */
export function isChain(window: Window, at: number, stride: number): boolean {
  for (let count = 0; count < chainLength; count += 1) {
    const place = at + count * stride;
    if (place >= window.end) return count > 1;
    if (window.u8(place) !== 0x47) return false;
  }
  return true;
}

export interface Packet {
  readonly at: number;
  readonly pid: number;
  /** A PES packet or a table begins here. */
  readonly begins: boolean;
  /** Where its payload lies; equal when it has none. */
  readonly payload: number;
  readonly end: number;
  /** The adaptation field was made longer than needed: only the last packet of a PES is. */
  readonly isStuffed: boolean;
  readonly isScrambled: boolean;
}

/** The packet at `at`; null when it is not there whole. */
export function packetAt(window: Window, at: number): Packet | null {
  const bytes = window.bytes(at, packetBytes);
  if (bytes.length < packetBytes || bytes[0] !== 0x47) return null;
  const [b1, b2, b3, length, flags] = [
    bytes[1] ?? 0,
    bytes[2] ?? 0,
    bytes[3] ?? 0,
    bytes[4] ?? 0,
    bytes[5] ?? 0,
  ];
  const hasField = (b3 & 0x20) !== 0;
  const hasPayload = (b3 & 0x10) !== 0 && (b1 & 0x80) === 0;
  const payload = hasField ? Math.min(5 + length, packetBytes) : 4;
  return {
    at,
    pid: (b1 & 0x1f) * 256 + b2,
    begins: (b1 & 0x40) !== 0,
    payload: at + (hasPayload ? payload : packetBytes),
    end: at + packetBytes,
    isStuffed: hasField && hasPayload && length !== usedBytes(bytes, length, flags),
    isScrambled: (b3 & 0xc0) !== 0,
  };
}

/** Bytes the adaptation field needs for what its flags announce. */
function usedBytes(bytes: Uint8Array, length: number, flags: number): number {
  // A field of length 0 is one byte of stuffing.
  if (length === 0) return -1;
  let used = 1;
  if ((flags & 0x10) !== 0) used += 6;
  if ((flags & 0x08) !== 0) used += 6;
  if ((flags & 0x04) !== 0) used += 1;
  if ((flags & 0x02) !== 0) used += 1 + (bytes[5 + used] ?? 0);
  if ((flags & 0x01) !== 0) used += 1 + (bytes[5 + used] ?? 0);
  return used;
}

/** The packet with only `keep` bytes of its payload, its adaptation field longer by the rest. */
export function shortened(bytes: Uint8Array, keep: number): Uint8Array {
  const hasField = ((bytes[3] ?? 0) & 0x20) !== 0;
  const field = hasField ? (bytes[4] ?? 0) + 1 : 0;
  const payload = packetBytes - 4 - field;
  const more = payload - keep;
  if (more <= 0) return bytes.slice();
  const writer = new ByteWriter().add(bytes.subarray(0, 3)).u8((bytes[3] ?? 0) | 0x20);
  const length = field + more - 1;
  writer.u8(length);
  // An empty field has no flags; one that grows gets them.
  if (field > 1) writer.add(bytes.subarray(5, 4 + field));
  else if (length > 0) writer.u8(0);
  while (writer.length < 5 + length) writer.u8(0xff);
  return writer.add(bytes.subarray(4 + field, 4 + field + keep)).take();
}
