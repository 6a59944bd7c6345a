/**
 * Runs of samples that have no length of their own: PCM, Opus, VP9 between two samples that have one.
 */
import type { Lane } from './lanes.ts';
import type { MediaModel } from './media-model.ts';
import type { ScanWindow } from './scan-window.ts';

export interface RunPart {
  readonly lane: Lane;
  readonly length: number;
}

// A run is at most what a muxer holds back: some seconds of sound.
const longestFixedRun = 8 * 1024 * 1024;
const longestGuessedRun = 1024 * 1024;
// Without anything measurable the whole file is one run, which is taken piece by piece.
const piece = 256 * 1024;

/**
 * Cuts the run that begins at `at` into samples.
 *
 * @returns nothing when no sample of these lanes can begin there; `ends` when the run is not over
 *   at the end of what is there and more may come
 */
export function splitRun(
  window: ScanWindow,
  at: number,
  lengthless: readonly Lane[],
  measured: readonly Lane[],
  model: MediaModel,
): readonly RunPart[] | 'ends' {
  window.cover(at);
  const guessed = lengthless.find(
    (lane) => lane.codec.framing === 'guessed' && window.isStart(lane.codec, at),
  );
  const lane = guessed ?? lengthless.find((other) => other.codec.framing === 'fixed');
  if (!lane) return [];
  const end = runEnd(window, at, lane, measured, lengthless, model);
  if (end < 0) return [];
  if (end >= window.to && !window.isFinal && measured.length > 0) return 'ends';
  return lane.codec.framing === 'fixed'
    ? fixedParts(at, end, lane, model)
    : guessedParts(window, at, end, lane);
}

/** Where the run ends: at the next sample that can be measured, or at the end. */
function runEnd(
  window: ScanWindow,
  at: number,
  lane: Lane,
  measured: readonly Lane[],
  lengthless: readonly Lane[],
  model: MediaModel,
): number {
  const isFixed = lane.codec.framing === 'fixed';
  const longest = isFixed ? longestFixedRun : longestGuessedRun;
  if (measured.length === 0) return Math.min(window.to, at + piece - (piece % stepOf(lane)));
  const begins = (place: number) => sampleBegins(window, place, measured, lengthless);
  for (const length of likelyRuns(lane, model)) {
    if (at + length < window.to && begins(at + length)) return at + length;
  }
  const step = stepOf(lane);
  const limit = Math.min(window.to, at + longest);
  for (let place = at + step; place < limit; place += step) {
    if (begins(place)) return place;
  }
  return limit >= window.to ? window.to : -1;
}

function stepOf(lane: Lane): number {
  return Math.max(1, lane.codec.framing === 'fixed' ? lane.codec.fixedBytes : 1);
}

/** Lengths a muxer's habit suggests: multiples of what it writes in one go. */
function* likelyRuns(lane: Lane, model: MediaModel): Generator<number> {
  const bytes = model.tracks[lane.tracks[0] ?? 0]?.runBytes ?? 0;
  if (bytes <= 0) return;
  for (let count = 1; count <= 64; count += 1) yield bytes * count;
}

/** A measurable sample begins here and something fits behind it. */
function sampleBegins(
  window: ScanWindow,
  at: number,
  measured: readonly Lane[],
  lengthless: readonly Lane[],
): boolean {
  window.cover(at, 4096);
  const hasFixed = lengthless.some((lane) => lane.codec.framing === 'fixed');
  return measured.some((lane) => {
    if (!window.isStart(lane.codec, at)) return false;
    const length = window.measure(lane.codec, at);
    if (length < 0) return window.to - at <= lane.codec.maxSampleBytes;
    if (length === 0) return false;
    const next = at + length;
    if (next >= window.to || hasFixed) return true;
    return (
      [...measured, ...lengthless].some((other) => window.isStart(other.codec, next)) ||
      window.to - next < 64
    );
  });
}

function fixedParts(at: number, end: number, lane: Lane, model: MediaModel): RunPart[] {
  const { fixedBytes } = lane.codec;
  const total = Math.floor((end - at) / fixedBytes) * fixedBytes;
  if (total <= 0) return [];
  const usual = model.tracks[lane.tracks[0] ?? 0]?.runBytes ?? 0;
  const share = Math.floor(total / lane.tracks.length / fixedBytes) * fixedBytes;
  const length = usual > 0 ? usual : share;
  const parts: RunPart[] = [];
  for (let left = total; left > 0; left -= length) {
    parts.push({ lane, length: Math.min(left, Math.max(fixedBytes, length)) });
  }
  return parts;
}

function guessedParts(window: ScanWindow, at: number, end: number, lane: Lane): RunPart[] {
  const { codec } = lane;
  window.cover(at, end - at);
  const place = at - window.start;
  const length = Math.min(end, window.end) - at;
  if (!codec.splitRun) return [{ lane, length }];
  const lengths = codec.splitRun(window.bytes, place, place + length, 0);
  // Where only the piece ends and not the run, the last cuts are not to be trusted.
  const surplus = end < window.to && length >= piece ? 3 : 0;
  return lengths.slice(0, Math.max(0, lengths.length - surplus)).map((bytes) => ({
    lane,
    length: bytes,
  }));
}
