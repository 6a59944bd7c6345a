/**
 * RIFF: chunks of a four-character code, a 32-bit little-endian size, and a body padded to even.
 */
import type { Window } from '../window.ts';

export interface Chunk {
  readonly id: string;
  /** Offset of its four-character code. */
  readonly at: number;
  /** Offset of its body. */
  readonly body: number;
  /** As declared; not to be believed. */
  readonly size: number;
}

/** The chunk header at `at`; null when none is there whole. */
export function chunkAt(window: Window, at: number): Chunk | null {
  if (at + 8 > window.end) return null;
  const id = window.ascii(at, 4);
  // Codes are printable; AVI stream numbers are digits, RIFF pads short codes with blanks.
  for (let i = 0; i < 4; i += 1) {
    const code = id.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return null;
  }
  return { id, at, body: at + 8, size: window.u32le(at + 4) };
}

/** Where the next chunk begins: chunks begin at even offsets. */
export function chunkEnd(chunk: Chunk): number {
  return chunk.body + chunk.size + (chunk.size % 2);
}

/** Whether chunks chain from `at` to the end of the window, give or take the last pad byte. */
export function chainsToEnd(window: Window, at: number): boolean {
  let next = at;
  for (let count = 0; count < 1000; count += 1) {
    if (next === window.end || next === window.end + 1) return true;
    const chunk = chunkAt(window, next);
    if (!chunk || chunk.body + chunk.size > window.end) return false;
    next = chunkEnd(chunk);
  }
  return false;
}
