/**
 * Tags around and between frames of sound: ID3v2 in front, ID3v1, APEv2 and Lyrics3 behind.
 *
 * Files that were put together with `cat` have them in the middle, too.
 */
import type { Window } from '../window.ts';
import { isAllZero } from '../zero-tail.ts';

const id3v1 = 128;
/** Lyrics3 before version 2 has no size; it is at most so long. */
const longestLyrics = 5100;
/** Fewer zeros than this at the end may be padding; more were never written (zero-tail.ts). */
const mostPadding = 512;

/**
 * Where the ID3v2 tags that begin at `from` end: sizes of 7 bits a byte (ID3v2.4 §3.1); `from` when
 * there are none.
 */
export function id3End(window: Window, from = 0): number {
  let at = from;
  for (let count = 0; count < 16 && window.ascii(at, 3) === 'ID3'; count += 1) {
    const sizes = window.bytes(at + 6, 4);
    if (sizes.length < 4 || sizes.some((byte) => byte > 0x7f)) return at;
    const size = sizes.reduce((sum, byte) => sum * 128 + byte, 0);
    const hasFooter = (window.u8(at + 5) & 0x10) !== 0;
    at += 10 + size + (hasFooter ? 10 : 0);
  }
  return at;
}

/** Where a tag, or padding up to the end, that begins at `at` ends; `at` when there is none. */
export function tagEnd(window: Window, at: number): number {
  const id3 = id3End(window, at);
  if (id3 > at) return id3;
  if (window.ascii(at, 3) === 'TAG' && at + id3v1 <= window.end) return at + id3v1;
  if (window.ascii(at, 8) === 'APETAGEX') {
    // In front of its items stands a header, which does not count itself.
    const isHeader = (window.u8(at + 23) & 0x20) !== 0;
    const size = window.u32le(at + 12);
    const end = at + 32 + (isHeader ? Math.max(0, size) : 0);
    return end <= window.end ? end : at;
  }
  const isPadding = window.end - at < mostPadding && isAllZero(window.bytes(at, mostPadding));
  return isPadding ? window.end : at;
}

/** Where the tags at the end begin; the end where there are none. */
export function trailingTags(window: Window, floor: number): number {
  let end = window.end;
  for (let count = 0; count < 8; count += 1) {
    const begin = tagBefore(window, end);
    if (begin <= floor || begin === end) break;
    end = begin;
  }
  return end;
}

function tagBefore(window: Window, end: number): number {
  if (window.ascii(end - id3v1, 3) === 'TAG') return end - id3v1;
  if (window.ascii(end - 32, 8) === 'APETAGEX') {
    const hasHeader = window.u8(end - 9) >= 0x80;
    const size = window.u32le(end - 20) + (hasHeader ? 32 : 0);
    return size >= 32 ? end - size : end;
  }
  if (window.ascii(end - 9, 9) === 'LYRICS200') {
    const size = Number(window.ascii(end - 15, 6));
    return Number.isInteger(size) && size > 0 ? end - 15 - size : end;
  }
  if (window.ascii(end - 9, 9) !== 'LYRICSEND') return end;
  const begin = window.searchBack(end, end - longestLyrics, 0x4c, (at) => {
    return window.ascii(at, 11) === 'LYRICSBEGIN';
  });
  return begin < 0 ? end : begin;
}
