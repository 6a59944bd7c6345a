/**
 * Samples of tracks that no codec measures: texts, time codes, and what a hole makes of others.
 */
import { notASample } from '../codec/codec.ts';
import type { Lane } from './lanes.ts';
import type { MediaModel } from './media-model.ts';
import { findNextSample } from './resync.ts';
import { unknownCodec } from './sample-entry-writer.ts';
import type { ScanWindow } from './scan-window.ts';

/** How many samples that can be measured follow each other from a place, the first of a lane; at most `depth`. */
type Chain = (window: ScanWindow, at: number, lane: Lane, depth: number) => number;

/** A sample that nobody can measure: its track, if one fits, and where samples go on. */
export interface OpaqueSample {
  readonly track: number | undefined;
  readonly end: number;
}

/** Finds samples that nobody can measure, by those that follow them. */
export class OpaqueSamples {
  readonly #model: MediaModel;
  /** Tracks of them; none where all can be measured. */
  readonly #tracks: readonly number[];
  readonly #measured: readonly Lane[];
  readonly #chain: Chain;

  constructor(
    model: MediaModel,
    tracks: readonly number[],
    measured: readonly Lane[],
    chain: Chain,
  ) {
    this.#model = model;
    this.#tracks = tracks;
    this.#measured = measured;
    this.#chain = chain;
  }

  get areNone(): boolean {
    return this.#tracks.length === 0;
  }

  /** A text: a length, and behind that many bytes samples go on. */
  text(window: ScanWindow, at: number): OpaqueSample | null {
    const track = this.#tracks.find(
      (place) => this.#model.tracks[place]?.layout.entry.codec === 'mov_text',
    );
    if (track === undefined) return null;
    // The length of a picture's unit looks like an empty text and a full one.
    const isPicture = this.#measured.some(
      (lane) => lane.codec.kind === 'video' && window.measure(lane.codec, at) !== notASample,
    );
    if (isPicture) return null;
    const end = textsEnd(window, at, (place) =>
      this.#measured.some((lane) => this.#chain(window, place, lane, 3) >= 3),
    );
    return end < 0 ? null : { track, end };
  }

  /** Whether four bytes in front of a sample that is measured are a time code, and none of its own. */
  isTimecode(window: ScanWindow, at: number): boolean {
    if (!this.#measured.some((lane) => this.#chain(window, at + 4, lane, 1) > 0)) return false;
    return this.#measured.every((lane) => window.measure(lane.codec, at) === notASample);
  }

  /** What lies before the next sample, as one of a track that nobody can measure. */
  upToNext(window: ScanWindow, at: number): OpaqueSample | null {
    if (this.areNone) return null;
    const sizes = this.#tracks.map((track) => this.#model.tracks[track]?.largestSample ?? 0);
    const limit = at + Math.max(1024, 2 * Math.max(...sizes));
    const end = findNextSample(window, at + 1, this.#measured, this.#isPair, limit);
    if (end < 0) return null;
    const track = this.#tracks.find((place) =>
      fitsOpaque(this.#model, place, window, at, end - at),
    );
    return { track, end };
  }

  #isPair = (window: ScanWindow, at: number, lane: Lane): boolean => {
    if (lane.codec.kind !== 'video') return this.#chain(window, at, lane, 2) >= 2;
    return this.#chain(window, at, lane, 1) >= 1 && lane.codec.last.follows;
  };
}

// A caption is a line or two; and they follow each other where one ends as the next begins.
const longestText = 4096;
const mostTexts = 3;

/**
 * Where the text sample that begins at `at` ends; -1 when none does. A text is believed when samples
 * go on behind it, or behind a few texts in a row.
 *
 * @param goesOn  says whether samples that can be measured follow each other from a place
 */
function textsEnd(
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
function fitsOpaque(
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
