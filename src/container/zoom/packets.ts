/**
 * Packets of a `.zoom` media file (`double_click_to_convert_01.zoom`, `_03`).
 *
 * Little-endian: a file header, then packets to the end, each with the magic number in front and a
 * trailer behind. Layout from public notes on files up to 2024; that of 2025 and later media files
 * is not verified, which is why salvage is experimental. Lengths are signed 32-bit numbers from an
 * untrusted file: a packet counts only when it fits into the file and its trailer is in place.
 */
import type { Window } from '../window.ts';

export const recordMagic = 0x2c05f158;
export const trailerMagic = 0x84ad52e2;

/** Header of a packet; property and data follow, each padded to four bytes, then the trailer. */
export const packetHeader = 52;
const trailerLength = 4;
/** Where data begins when the header says nothing plausible. */
const usualDataOffset = 1024;
/** One packet is a frame or a block of sound: longer ones are damage. */
const longestData = 64 * 1024 * 1024;
const longestProperty = 1024 * 1024;

export const packetTypes = {
  audio: 4,
  camera: 0x10,
  share: 0x20,
  avatar: 0x40,
  cursor: 0x1000,
} as const;

export interface Packet {
  readonly at: number;
  /** First byte behind the trailer. */
  readonly end: number;
  readonly type: number;
  /** Milliseconds on the recorder's own clock; NaN when the field holds no such number. */
  readonly timestamp: number;
  /** Milliseconds; -1 where there is none. */
  readonly duration: number;
  readonly propertyAt: number;
  readonly propertySize: number;
  readonly dataAt: number;
  readonly dataSize: number;
}

/** True when the first bytes are those of a media file rather than of a control file. */
export function isMediaHead(window: Window): boolean {
  return window.u32le(0) === recordMagic && window.u32le(4) === trailerMagic;
}

/** Where the first packet lies; `window.end` when there is none. */
export function firstPacket(window: Window): number {
  const said = window.u32le(36);
  for (const at of [said, usualDataOffset]) {
    if (at >= 40 && at < window.end && window.u32le(at) === recordMagic) return at;
  }
  const found = nextPacket(window, 40, window.end);
  // A file cut inside its header or its first packet has its data where it always is.
  return found >= 0 ? found : Math.min(window.end, usualDataOffset);
}

/** The packet at `at`, or null when it is torn or not one. */
export function packetAt(window: Window, at: number): Packet | null {
  // The header is read at once: looking at the trailer may move the window away from it.
  const header = window.bytes(at, packetHeader);
  if (header.length < packetHeader) return null;
  const view = new DataView(header.buffer, header.byteOffset, packetHeader);
  if (view.getUint32(0, true) !== recordMagic) return null;
  const type = view.getUint32(4, true);
  const timestamp = milliseconds(view, 12);
  const duration = milliseconds(view, 20);
  const dataSize = view.getInt32(36, true);
  const propertySize = view.getInt32(40, true);
  if (dataSize < 0 || dataSize > longestData) return null;
  if (propertySize < 0 || propertySize > longestProperty) return null;
  const propertyAt = at + packetHeader;
  const dataAt = propertyAt + padded(propertySize);
  const trailerAt = dataAt + padded(dataSize);
  const end = trailerAt + trailerLength;
  if (end > window.end || window.u32le(trailerAt) !== trailerMagic) return null;
  return { at, end, type, timestamp, duration, propertyAt, propertySize, dataAt, dataSize };
}

/** A hostile file can promise a packet every few bytes: after so many false ones the search ends. */
const mostPromises = 20_000;

/** The next whole packet at or after `from` and before `to`; -1 when there is none. */
export function nextPacket(
  window: Window,
  from: number,
  to: number,
  promises = { left: mostPromises },
): number {
  const found = window.search(from, to, recordMagic & 0xff, (at) => {
    if (window.u32le(at) !== recordMagic) return false;
    promises.left -= 1;
    return promises.left < 0 || packetAt(window, at) !== null;
  });
  return promises.left < 0 ? -1 : found;
}

/** A stretch between whole packets that cannot be read as packets. */
export interface Gap {
  readonly at: number;
  readonly end: number;
}

/**
 * All whole packets from `from` on, in file order; `onGap` is told of what lies between them. Reads
 * headers and trailers only; linear in the size of the file.
 */
export function* packetsFrom(
  window: Window,
  from: number,
  onGap: (gap: Gap) => void,
): Iterable<Packet> {
  const promises = { left: mostPromises };
  let at = from;
  while (at < window.end) {
    const packet = packetAt(window, at);
    if (packet) {
      yield packet;
      at = packet.end;
      continue;
    }
    const next = nextPacket(window, at + 1, window.end, promises);
    onGap({ at, end: next < 0 ? window.end : next });
    if (next < 0) return;
    at = next;
  }
}

const padded = (size: number) => Math.ceil(size / 4) * 4;

// Times are milliseconds since some start: beyond 2^53, or below -1, the field is damaged.
function milliseconds(view: DataView, at: number): number {
  const low = view.getUint32(at, true);
  const high = view.getUint32(at + 4, true);
  if (high === 0xffffffff && low === 0xffffffff) return -1;
  return high < 0x200000 ? high * 2 ** 32 + low : Number.NaN;
}
