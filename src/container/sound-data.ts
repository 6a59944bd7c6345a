/**
 * How far uncompressed sound reaches when the size in the header cannot be believed.
 *
 * WAV and AIFF put a header in front of sound that has no structure of its own. A recorder that was
 * killed leaves a size of 0, of a placeholder, or of the last time it was brought up to date; then
 * the sound goes on to the end of the file, but for a tail of zeros that was never written.
 */
import type { ByteSource } from './bytes.ts';
import { isAllZero, lastNonZero } from './zero-tail.ts';

/** Blocks of this size are what file systems leave unwritten. */
const page = 4096;
/** How far before the zeros is looked for digital silence. */
const lookBack = 8 * 1024 * 1024;

/**
 * Finds the end of the sound that was written, between `start` and the end of the source.
 *
 * Zeros at the end are silence or were never written. They count as never written when there are at
 * least 4096 and either they begin where a page of the file begins, or no other run of 4096 zeros
 * lies in the 8 MiB before: a muted microphone that gives digital silence gave some before, too.
 *
 * @param floor  zeros before this offset are sound in any case (a size the header vouches for)
 */
export function soundEnd(source: ByteSource, start: number, floor: number): number {
  const { size } = source;
  if (size - start < page || !isAllZero(source.read(size - page, page))) return size;
  const end = Math.max(lastNonZero(source, size) + 1, start, Math.min(floor, size));
  if (size - end < page) return size;
  const aligned = Math.ceil(end / page) * page;
  // A sample may end in zero bytes of its own: up to 8 bytes before the page still is the page.
  if (aligned - end <= 8) return Math.max(aligned, start);
  return hasSilence(source, Math.max(start, end - lookBack), end) ? size : end;
}

function hasSilence(source: ByteSource, from: number, to: number): boolean {
  const step = page / 2;
  let zeros = 0;
  for (let at = from; at + step <= to; at += step) {
    zeros = isAllZero(source.read(at, step)) ? zeros + 1 : 0;
    if (zeros >= 2) return true;
  }
  return false;
}
