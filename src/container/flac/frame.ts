/**
 * FLAC frames (RFC 9639 §9): header with its own CRC-8, body, and a CRC-16 over all of it.
 *
 * A frame does not say how long it is: it ends where a fitting header follows and its CRC-16 is
 * right there.
 */
import { flacDuration } from '../ogg/mapping.ts';
import type { Window } from '../window.ts';

export interface FrameStart {
  readonly at: number;
  readonly headerLength: number;
  /** Samples in the frame. */
  readonly samples: number;
  /** Number of the frame, or, with variable block size, of its first sample. */
  readonly number: number;
  readonly isVariable: boolean;
  /** Bits that all frames of a stream share: sample rate and size where coded. */
  readonly channels: number;
}

/** The longest frame this reader waits for: eight channels of 65,535 samples of 32 bits. */
export const longestFrame = 2 ** 22;

const longestHeader = 16;

function isSync(window: Window, at: number): boolean {
  return (window.u16(at) & 0xfffe) === 0xfff8;
}

/** Reads the frame header at `at`, CRC-8 checked; null when there is none. */
export function frameStart(window: Window, at: number): FrameStart | null {
  const bytes = window.bytes(at, 16);
  const [a, b, c, d, lead] = bytes;
  if (a !== 0xff || b === undefined || (b & 0xfe) !== 0xf8) return null;
  if (c === undefined || d === undefined || lead === undefined) return null;
  if (c >> 4 === 0 || (c & 15) === 15 || d >> 4 > 10 || (d & 1) === 1) return null;
  const extra = lead < 0x80 ? 0 : Math.clz32(~(lead << 24)) - 1;
  if (lead >= 0x80 && (extra < 1 || extra > 6)) return null;
  let number = extra === 0 ? lead : lead & (0x3f >> extra);
  for (let i = 0; i < extra; i += 1) number = number * 64 + ((bytes[5 + i] ?? 0) & 0x3f);
  const sizeBytes = c >> 4 === 6 ? 1 : c >> 4 === 7 ? 2 : 0;
  const rateBytes = (c & 15) === 12 ? 1 : (c & 15) > 12 ? 2 : 0;
  const headerLength = 6 + extra + sizeBytes + rateBytes;
  if (bytes.length < headerLength) return null;
  if (crc8(bytes, headerLength - 1) !== bytes[headerLength - 1]) return null;
  const assignment = d >> 4;
  return {
    at,
    headerLength,
    samples: flacDuration(bytes),
    number,
    isVariable: (b & 1) === 1,
    channels: assignment < 8 ? assignment + 1 : 2,
  };
}

/**
 * Whether `next` may follow `frame`. Frames in between may be missing: behind a hole that was cut
 * out the numbers jump, but never back.
 */
function follows(frame: FrameStart, next: FrameStart): boolean {
  return next.isVariable === frame.isVariable && next.number > frame.number;
}

/**
 * Finds where a frame ends: at the next header that fits and where the CRC-16 is right, or, with
 * the CRC right there, at `end`. -1 when it ends nowhere.
 *
 * @param end    where the written bytes end
 * @param slack  so many bytes behind `end` may still belong to the frame: its CRC may end in zeros
 */
export function frameEnd(window: Window, frame: FrameStart, end: number, slack: number): number {
  const last = Math.min(end + slack, window.end, frame.at + longestFrame);
  let crc = 0;
  let at = frame.at;
  while (at < last) {
    const view = window.bytes(at, Math.min(64 * 1024, last - at));
    if (view.length === 0) return -1;
    for (let i = 0; i < view.length; i += 1) {
      if (crc === 0 && at + i > frame.at + frame.headerLength) {
        const here = at + i;
        if (here >= end) return here;
        if (view[i] === 0xff) {
          const next = frameStart(window, here);
          if (next && follows(frame, next)) return here;
          // A header that is itself cut off cannot be checked: the frame's own checksum has to do.
          const isTorn = end - here < longestHeader && (here + 1 >= end || isSync(window, here));
          if (!next && isTorn) return here;
        }
      }
      crc = ((crc << 8) ^ (crc16Table[(crc >> 8) ^ (view[i] ?? 0)] ?? 0)) & 0xffff;
    }
    at += view.length;
  }
  return crc === 0 && at >= end && at > frame.at + frame.headerLength ? at : -1;
}

function crc8(bytes: Uint8Array, length: number): number {
  let crc = 0;
  for (let i = 0; i < length; i += 1) {
    crc ^= bytes[i] ?? 0;
    for (let bit = 0; bit < 8; bit += 1)
      crc = ((crc << 1) ^ ((crc & 0x80) !== 0 ? 0x107 : 0)) & 0xff;
  }
  return crc;
}

/** Polynomial 0x8005, nothing reversed (RFC 9639 §9.3). */
const crc16Table = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ ((crc & 0x8000) !== 0 ? 0x8005 : 0);
  return crc & 0xffff;
});
