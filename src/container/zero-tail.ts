/**
 * Where a file's written bytes end: a power cut leaves a file whose size was on disk and whose last
 * bytes were not, and they read as zeros.
 */
import type { ByteSource } from './bytes.ts';

/** Fewer zeros than this at the end are taken for media: packets and padding do end in zeros. */
export const shortestZeroTail = 512;

/** What a file system leaves unwritten begins at a multiple of this. */
const sector = 512;
/** Written bytes may end in so many zeros of their own before the first unwritten sector. */
const ownZeros = 2;

const step = 1024 * 1024;

/**
 * Finds the end of the written bytes: just behind the last byte that is not zero, or the end of the
 * source when fewer than {@link shortestZeroTail} zeros follow it. Where that is just before the end
 * of a sector, the few zeros up to there were written: a frame may end in zeros.
 *
 * Reads 512 bytes of a file without zero tail, otherwise the tail backwards.
 */
export function writtenEnd(source: ByteSource): number {
  const { size } = source;
  const probe = source.read(Math.max(0, size - shortestZeroTail), shortestZeroTail);
  if (size < shortestZeroTail || !isAllZero(probe)) return size;
  const end = lastNonZero(source, size) + 1;
  const border = Math.ceil(end / sector) * sector;
  return border - end <= ownZeros ? border : end;
}

/** Offset of the last byte before `end` that is not zero; -1 when all are. */
export function lastNonZero(source: ByteSource, end: number): number {
  for (let high = end; high > 0; high -= step) {
    const low = Math.max(0, high - step);
    const view = source.read(low, high - low);
    if (isAllZero(view)) continue;
    for (let i = view.length - 1; i >= 0; i -= 1) if (view[i] !== 0) return low + i;
  }
  return -1;
}

/** Whether every byte is zero: eight at a time where the view allows. */
export function isAllZero(view: Uint8Array): boolean {
  const lead = Math.min(view.length, (8 - (view.byteOffset % 8)) % 8);
  for (let i = 0; i < lead; i += 1) if (view[i] !== 0) return false;
  const words = Math.floor((view.length - lead) / 8);
  // A few bytes need not reach a place where a word may begin.
  if (words === 0) return view.subarray(lead).every((byte) => byte === 0);
  const wide = new BigUint64Array(view.buffer, view.byteOffset + lead, words);
  for (let i = 0; i < words; i += 1) if (wide[i] !== 0n) return false;
  for (let i = lead + words * 8; i < view.length; i += 1) if (view[i] !== 0) return false;
  return true;
}
