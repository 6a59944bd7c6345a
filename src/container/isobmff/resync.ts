/**
 * Behind a hole: where do samples follow each other again?
 */
import { Cancelled, type Progress } from '../bytes.ts';
import type { Lane } from './lanes.ts';
import type { ScanWindow } from './scan-window.ts';

/** `mdat` as a number. */
const mediaBox = 0x6d646174;

/** Says whether several samples follow each other from a place, the first one of a lane. */
export type ChainTest = (window: ScanWindow, at: number, lane: Lane) => boolean;

/**
 * Searches for the first place at or behind `from` where a chain of samples begins.
 *
 * The header of an `mdat` counts as well. Runs of zeros are stepped over at once. Linear in the bytes searched.
 *
 * @param to  where to stop
 * @returns -1 when there is none before `to` or the end of the window's range
 * @throws Cancelled when `progress` says so
 */
export function findNextSample(
  window: ScanWindow,
  from: number,
  lanes: readonly Lane[],
  chains: ChainTest,
  to: number,
  progress?: Progress,
): number {
  for (let at = from, steps = 0; at < Math.min(to, window.to); at += 1, steps += 1) {
    if (steps % 65_536 === 0 && progress && !progress(at)) throw new Cancelled();
    window.cover(at, 4096);
    if (window.u32(at) === 0 && window.u32(at + 4) === 0) {
      const end = window.nonZeroFrom(at, progress);
      if (end >= window.to) return -1;
      // The length in front of a unit begins with up to three zeros.
      at = Math.max(at, end - 4);
      window.cover(at, 4096);
    }
    if (window.u32(at + 4) === mediaBox) return at;
    for (const lane of lanes) {
      if (window.isStart(lane.codec, at) && chains(window, at, lane)) return at;
    }
  }
  return -1;
}

/** How many bytes at the start of a hole are zeros. */
export function zeroRun(window: ScanWindow, from: number, to: number): number {
  return Math.min(window.nonZeroFrom(from), to) - from;
}
