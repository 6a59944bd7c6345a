/**
 * Trials: the head of a file, read with a model that may be wrong.
 */
import type { ByteSource } from '../bytes.ts';
import { surveyBytes } from './head-survey.ts';
import type { SampleScanner } from './sample-scanner.ts';

/** Fewer samples do not show whether a model fits. */
export const leastShown = 48;

/**
 * Scans the first `bytes` from `from`, and more where they hold few samples: key frames of 4K may have
 * megabytes each.
 *
 * @param endsThere  what is cut off where the source ends is torn
 * @returns where the scan stopped looking
 */
export function scanHead(
  scanner: SampleScanner,
  source: ByteSource,
  from: number,
  bytes: number,
  endsThere = false,
): number {
  for (let length = bytes; ; length *= 4) {
    const to = Math.min(source.size, from + Math.min(length, surveyBytes));
    scanner.scan(source, to, endsThere && to === source.size);
    const { count, holes } = scanner.samples;
    // In the middle of a sample, and not of a hole.
    const goesOn = scanner.tornFrom >= 0 && holes.length === 0 && count < leastShown;
    if (!goesOn || to === source.size || length >= surveyBytes) return to;
  }
}
