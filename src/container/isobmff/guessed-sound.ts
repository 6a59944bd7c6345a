/**
 * The sound tracks of a file without a reference: of what kind, how many, at which rate.
 */
import type { ByteSource } from '../bytes.ts';
import { type FoundSound, findSound, type SoundRun } from '../codec/sound-search.ts';
import type { HeadSurvey, Place } from './head-survey.ts';
import { plainTrack, type TrackModel } from './media-model.ts';
import { soundLayout } from './sample-entry-writer.ts';

/** Kinds of sound, and the seconds of it in front of what was recorded. */
export interface GuessedSound {
  readonly sounds: readonly FoundSound[];
  /** First frames that an encoder signed: one a track; 0 when none did. */
  readonly signed: number;
  readonly priming: (sound: FoundSound, rate: number) => number;
}

// Enough runs to be sure, few enough to be quick.
const mostRuns = 120;
const mostBytes = 2 * 1024 * 1024;
// The first frame or two, where an encoder leaves its name.
const mostSigned = 4096;

/** Recognises what lies in runs between pictures. */
export function guessSound(
  source: ByteSource,
  runs: readonly Place[],
  mayBePcm: boolean,
): GuessedSound {
  const bytes = new Uint8Array(mostBytes);
  const places: SoundRun[] = [];
  let used = 0;
  for (const { at, end } of runs.slice(0, mostRuns)) {
    const length = end - at;
    if (used + length > mostBytes) break;
    bytes.set(source.read(at, length), used);
    places.push([used, used + length]);
    used += length;
  }
  const read = bytes.subarray(0, used);
  const sounds = findSound(read, places, mayBePcm);
  const first = read.subarray(0, mostSigned);
  const signed = latin(first).split('Lavc').length - 1;
  return { sounds, signed, priming: (sound, rate) => primingOf(first, sound, rate) };
}

const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/**
 * Seconds that an encoder puts in front of the sound, where it signs its first frame: libavcodec's
 * AAC 1024 samples, LAME 1105; Opus' are in its set-up. Unsigned ones are not guessed.
 */
function primingOf(first: Uint8Array, sound: FoundSound, rate: number): number {
  const text = latin(first);
  const signs = (name: string): boolean => text.includes(name);
  if (sound.format === 'Opus') return 312 / 48_000;
  if (sound.objectType === 0x40) return signs('Lavc') ? 1024 / rate : 0;
  return sound.objectType === 0x6b && (signs('LAME') || signs('Lavc')) ? 1105 / rate : 0;
}

/** The tracks of these kinds, behind a picture track where there are pictures. */
export function soundTracks(
  { sounds, signed, priming }: GuessedSound,
  survey: HeadSurvey,
  frameRate: number,
): TrackModel[] {
  const tracks: TrackModel[] = [];
  for (const sound of sounds) {
    const isOnly = sounds.length === 1;
    const known = isOnly && sound.objectType === 0x40 ? signed : 0;
    const { count, rate } = countTracks(sound, survey, frameRate, isOnly, known);
    for (let n = 0; n < count; n += 1) {
      const id = tracks.length + (survey.pictures.length > 0 ? 2 : 1);
      const layout = soundLayout(id, sound, rate);
      if (!layout) continue;
      const skipped = priming(sound, rate);
      tracks.push({ ...plainTrack(layout), skipped, hasEdits: skipped > 0 });
    }
  }
  return tracks;
}

const usualFrameRates = [30, 60, 25, 24, 50, 29.97, 23.976, 59.94, 15, 20];
// Half of a usual one: two tracks that are taken for one make such, too.
const slowFrameRates = [10, 12.5, 12, 5];
const mostOff = 0.02;
// Further off than a usual rate that fits, and better than none.
const slowOff = 0.013;
const mostTracks = 6;

/**
 * How many tracks there are of one kind, and at which rate: tracks of one recorder keep step, so that
 * runs of sound between pictures are multiples of their number, and the picture rate comes out as
 * usual.
 */
function countTracks(
  sound: FoundSound,
  survey: HeadSurvey,
  frameRate: number,
  isOnly: boolean,
  known: number,
): { count: number; rate: number } {
  const [first = 48_000] = sound.rates;
  let best = { count: Math.max(1, Math.min(known, mostTracks)), rate: first, off: mostOff };
  const { counts, frameTicks, rates } = sound;
  // From behind the first run to behind the last: what is written before the first picture is no time.
  const [begin, end] = [survey.runs[0]?.end ?? 0, survey.runs[counts.length - 1]?.end ?? 0];
  const pictures = survey.pictures.filter(({ at }) => at >= begin && at < end).length;
  if (pictures < 8 || frameTicks === 0) return best;
  const frames = counts.slice(1).reduce((sum, count) => sum + count, 0);
  const most = known > 0 ? best.count : isOnly && frameTicks > 1 ? mostTracks : 1;
  for (let count = known > 0 ? best.count : 1; count <= most; count += 1) {
    if (known === 0 && !areMultiples(counts, count)) continue;
    const perTick = (pictures * count) / (frames * frameTicks);
    const fit = likeliestRate(rates, perTick, frameRate);
    // Fewer tracks are likelier where both come out alike.
    if (fit.off < best.off * 0.7) best = { count, ...fit };
  }
  return best;
}

/**
 * The sampling rate with which the picture rate is nearest to the stream's own, or to one that recorders use:
 * the first where two are alike (48 kHz before 44.1, and before 96).
 *
 * @param perTick  pictures per tick of the sound
 */
function likeliestRate(
  rates: readonly number[],
  perTick: number,
  own: number,
): { rate: number; off: number } {
  const usual = own > 0 ? [own] : usualFrameRates;
  const slow = own > 0 ? [] : slowFrameRates;
  let best = { rate: rates[0] ?? 48_000, nearest: mostOff, off: mostOff };
  for (const rate of rates) {
    const fromUsual = offFrom(usual, perTick * rate);
    const nearest = Math.min(fromUsual, offFrom(slow, perTick * rate));
    if (nearest >= best.nearest * 0.7) continue;
    best = { rate, nearest, off: Math.min(fromUsual, Math.max(nearest, slowOff)) };
  }
  return best;
}

/** How far a rate is from the nearest of these, as a part of it. */
function offFrom(known: readonly number[], rate: number): number {
  return Math.min(...known.map((one) => Math.abs(rate / one - 1)));
}

function areMultiples(counts: readonly number[], step: number): boolean {
  if (step === 1) return true;
  const runs = counts.slice(1);
  const fitting = runs.filter((length) => length % step === 0).length;
  return runs.length >= 8 && fitting >= runs.length * 0.95;
}
