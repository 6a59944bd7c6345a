/**
 * A chain of frames that each say how long they are: MP3 and ADTS.
 *
 * A frame is believed when the next one follows it; behind a hole reading goes on where several
 * chain. The chain itself knows nothing of the format but the reader of one header.
 */
import { type DamageList, KeptRanges, reportHole, reportTorn } from '../survey.ts';
import type { Window } from '../window.ts';

export interface FrameHeader {
  /** Bytes of the frame, header included. */
  readonly length: number;
  /** Samples of sound in it. */
  readonly samples: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** Frames of one stream have the same: version, layer, sampling rate. */
  readonly likeness: number;
}

/** Reads the frame header at an offset; null when there is none. */
export type HeaderReader = (window: Window, at: number) => FrameHeader | null;

/** Frames that must chain before reading goes on behind a hole. */
const chainLength = 4;

export interface Chain {
  readonly kept: KeptRanges;
  readonly frames: number;
  readonly samples: number;
  readonly first: FrameHeader;
  /** Where the first frame lies. */
  readonly start: number;
  /** Where the last complete frame ends. */
  readonly end: number;
  readonly lost: number;
  readonly bitrates: boolean;
  /** Offsets of frames, one for every `stride` frames. */
  readonly marks: readonly number[];
  readonly stride: number;
}

const mostMarks = 4096;

/** Says where something that is no frame and no damage ends (a tag); where it began for all else. */
export type Skipper = (window: Window, at: number) => number;

/**
 * Walks the frames from `from` to the end of the window; null when there is not one.
 *
 * @param skip  what it steps over between two frames is kept and does not count
 */
export function walkFrames(
  window: Window,
  from: number,
  read: HeaderReader,
  damage: DamageList,
  skip: Skipper,
): Chain | null {
  const start = findChain(window, from, read, null);
  const first = start < 0 ? null : read(window, start);
  if (!first) return null;
  const kept = new KeptRanges();
  const found = { frames: 0, samples: 0, lost: 0, bitrates: false, stride: 1 };
  let marks: number[] = [];
  let at = start;
  let previous = -1;
  while (at < window.end) {
    const frame = read(window, at);
    if (frame && frame.likeness === first.likeness && at + frame.length <= window.end) {
      kept.add(at, frame.length);
      if (found.frames % found.stride === 0) marks.push(at);
      if (marks.length > mostMarks) {
        marks = marks.filter((_, index) => index % 2 === 0);
        found.stride *= 2;
      }
      found.frames += 1;
      found.samples += frame.samples;
      if (Math.abs(frame.length - first.length) > 1) found.bitrates = true;
      previous = at;
      at += frame.length;
      continue;
    }
    const behind = skip(window, at);
    if (behind > at && behind <= window.end) {
      kept.add(at, behind - at);
      [at, previous] = [behind, -1];
      continue;
    }
    const next = findChain(window, at + 1, read, first);
    if (next < 0) {
      reportTorn(damage, 'The frame', at, window.end);
      found.lost += window.end - at;
      break;
    }
    // The hole began in the frame before, not by chance exactly at its end.
    const from = previous >= 0 ? previous : at;
    if (previous >= 0) {
      kept.cutAt(previous);
      found.frames -= 1;
      found.samples -= first.samples;
    }
    reportHole(damage, from, next);
    found.lost += next - from;
    [at, previous] = [next, -1];
  }
  return { ...found, kept, first, start, end: kept.end, marks };
}

/** The first offset from `from` and before `to` where frames chain, to the end of the window if it is near. */
export function findChain(
  window: Window,
  from: number,
  read: HeaderReader,
  like: FrameHeader | null,
  to: number = window.end,
): number {
  return window.search(from, to, 0xff, (at) => chains(window, at, read, like));
}

function chains(
  window: Window,
  from: number,
  read: HeaderReader,
  like: FrameHeader | null,
): boolean {
  let at = from;
  let likeness = like?.likeness ?? -1;
  for (let count = 0; count < chainLength; count += 1) {
    // A file may end behind its only frame, but a frame that is cut off proves little.
    if (at === window.end) return count > 0;
    const frame = read(window, at);
    if (!frame) return window.end - at < 8 && count > 0;
    if (likeness >= 0 && frame.likeness !== likeness) return false;
    likeness = frame.likeness;
    at += frame.length;
    if (at > window.end) return count >= 1;
  }
  return true;
}

/** Whether the bytes before `end` are frames that end exactly there, judged by the last few. */
export function endsInFrame(
  window: Window,
  end: number,
  start: number,
  read: HeaderReader,
): boolean {
  const first = read(window, start);
  if (!first) return false;
  const low = Math.max(start, end - 64 * 1024);
  let at = low === start ? start : findChain(window, low, read, first);
  while (at >= 0 && at < end) {
    const frame = read(window, at);
    if (!frame || frame.likeness !== first.likeness) return false;
    at += frame.length;
  }
  return at === end;
}
