/**
 * Samples of tracks that no codec measures: texts, time codes, and what a hole makes of others.
 */
import type { MediaModel } from './media-model.ts';
import { unknownCodec } from './sample-entry-writer.ts';
import type { ScanWindow } from './scan-window.ts';

// A caption is a line or two; and they follow each other where one ends as the next begins.
const longestText = 4096;
const mostTexts = 3;

/**
 * Where the text sample that begins at `at` ends; -1 when none does. A text is believed when samples
 * go on behind it, or behind a few texts in a row.
 *
 * @param goesOn  says whether samples that can be measured follow each other from a place
 */
export function textsEnd(
  window: ScanWindow,
  at: number,
  goesOn: (at: number) => boolean,
  most = mostTexts,
): number {
  const end = at + textBytes(window, at);
  if (end - at > longestText || end >= window.to) return -1;
  if (goesOn(end)) return end;
  return most > 1 && textsEnd(window, end, goesOn, most - 1) >= 0 ? end : -1;
}

/** A text sample begins with the length of its text in two bytes (3GPP TS 26.245 §5.17). */
function textBytes(window: ScanWindow, at: number): number {
  return 2 + (window.byte(at) << 8) + window.byte(at + 1);
}

/** Whether a run of bytes can be one sample of a text or time code track. */
export function fitsOpaque(
  model: MediaModel,
  track: number,
  window: ScanWindow,
  at: number,
  length: number,
): boolean {
  const entry = model.tracks[track]?.layout.entry;
  if (entry?.codec === unknownCodec) return true;
  if (entry?.kind === 'timecode') return length === 4;
  if (entry?.codec === 'mov_text') return length >= textBytes(window, at);
  return false;
}

/** True when the last bytes of a sample are zeros: it was cut off by a hole. */
export function endsInZeros(window: ScanWindow, at: number, length: number): boolean {
  window.cover(at, length);
  const from = Math.max(at, at + length - 32);
  for (let place = from; place < at + length; place += 1) {
    if (window.byte(place) !== 0) return false;
  }
  return true;
}
