/**
 * Ogg pages (RFC 3533): read, checked by their CRC, and written anew.
 */
import { ByteWriter } from '../byte-writer.ts';
import type { Window } from '../window.ts';

export const continued = 1;
export const beginsStream = 2;
export const endsStream = 4;

/** The longest page: 27 bytes, 255 lacing values, 255 segments of 255 bytes. */
export const longestPage = 27 + 255 + 255 * 255;

export interface Page {
  readonly at: number;
  readonly flags: number;
  /** -1 on a page on which no packet ends. */
  readonly granule: number;
  readonly serial: number;
  readonly sequence: number;
  /** Lacing values: a packet ends with the first below 255. */
  readonly lacing: Uint8Array;
  readonly body: number;
  readonly end: number;
}

/** The page header at `at`, whether or not the page is there whole; null when there is none. */
export function pageAt(window: Window, at: number): Page | null {
  if (window.u32(at) !== 0x4f676753 || window.u8(at + 4) !== 0) return null;
  const flags = window.u8(at + 5);
  const count = window.u8(at + 26);
  if (flags < 0 || flags > 7 || count < 0 || at + 27 + count > window.end) return null;
  const lacing = window.bytes(at + 27, count);
  const body = at + 27 + count;
  const length = lacing.reduce((sum, value) => sum + value, 0);
  return {
    at,
    flags,
    granule: granuleAt(window, at + 6),
    serial: window.u32le(at + 14),
    sequence: window.u32le(at + 18),
    lacing,
    body,
    end: body + length,
  };
}

function granuleAt(window: Window, at: number): number {
  const [low, high] = [window.u32le(at), window.u32le(at + 4)];
  return high >= 0x80000000 ? -1 : Math.min(high * 2 ** 32 + low, Number.MAX_SAFE_INTEGER);
}

/** Whether the page is there whole and its CRC is right. */
export function isSound(window: Window, page: Page): boolean {
  if (page.end > window.end) return false;
  const bytes = window.bytes(page.at, page.end - page.at);
  return pageChecksum(bytes) === window.u32le(page.at + 22);
}

/** Segments `from` up to `to` of a page as a page of their own, with a right CRC. */
export function pageOf(
  window: Window,
  page: Page,
  change: { from: number; to: number; flags: number; granule: number },
): Uint8Array {
  const { from, to, flags, granule } = change;
  const sum = (values: Uint8Array) => values.reduce((total, value) => total + value, 0);
  const skip = sum(page.lacing.subarray(0, from));
  const lacing = page.lacing.subarray(from, to);
  const writer = new ByteWriter().ascii('OggS').u8(0).u8(flags);
  if (granule < 0) writer.be(0xffffffff, 4).be(0xffffffff, 4);
  else writer.le(granule, 8);
  writer.le(page.serial, 4).le(page.sequence, 4).zeros(4).u8(lacing.length).add(lacing);
  const bytes = writer.add(window.bytes(page.body + skip, sum(lacing))).take();
  bytes.set(new ByteWriter().le(pageChecksum(bytes), 4).take(), 22);
  return bytes;
}

/** Tables for four bytes at a time; polynomial 0x04c11db7, nothing reversed (RFC 3533 §6). */
const tables = makeTables();

function makeTables(): readonly Uint32Array[] {
  const first = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    let crc = i << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
    first[i] = crc >>> 0;
  }
  const all = [first];
  for (let n = 1; n < 4; n += 1) {
    const before = all[n - 1] ?? first;
    all.push(before.map((value) => ((value << 8) ^ (first[value >>> 24] ?? 0)) >>> 0));
  }
  return all;
}

/** The CRC over a page whose own CRC field counts as zero. */
function pageChecksum(page: Uint8Array): number {
  const [t0, t1, t2, t3] = tables;
  if (!t0 || !t1 || !t2 || !t3) return 0;
  let crc = 0;
  const step = (byte: number) => {
    crc = (crc << 8) ^ (t0[((crc >>> 24) ^ byte) & 0xff] ?? 0);
  };
  for (let i = 0; i < 22; i += 1) step(page[i] ?? 0);
  for (let i = 0; i < 4; i += 1) step(0);
  let at = 26;
  for (; at + 4 <= page.length; at += 4) {
    const [a, b, c, d] = [page[at] ?? 0, page[at + 1] ?? 0, page[at + 2] ?? 0, page[at + 3] ?? 0];
    crc ^= (a << 24) | (b << 16) | (c << 8) | d;
    crc =
      (t3[crc >>> 24] ?? 0) ^
      (t2[(crc >>> 16) & 0xff] ?? 0) ^
      (t1[(crc >>> 8) & 0xff] ?? 0) ^
      (t0[crc & 0xff] ?? 0);
  }
  for (; at < page.length; at += 1) step(page[at] ?? 0);
  return crc >>> 0;
}
