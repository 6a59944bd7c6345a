/**
 * What a whole file teaches about a broken one: how its tracks are described, timed and interleaved.
 *
 * A model holds no sample of its file and none of its times: only what stays the same from one
 * recording to the next. It is made from a file's index, here, and stored as JSON by profile.ts.
 */
import type { BlindFormat } from '../codec/blind-nal.ts';
import { startOf } from './edits.ts';
import type { IndexedMedia, IndexedTrack } from './file-index.ts';
import type { TrackLayout } from './movie.ts';
import type { SampleColumns } from './sample-columns.ts';

export interface TrackModel {
  readonly layout: TrackLayout;
  /** Seconds of media before the movie's time 0: what the edit list skips (priming, reordering). */
  readonly skipped: number;
  /** Seconds of the movie that pass before the track begins: its empty edit. */
  readonly delayed: number;
  /** Second of the movie at which the first sample is shown. */
  readonly shownFrom: number;
  /** Seconds from decoding the first sample to showing it: room for reordering. */
  readonly reordering: number;
  /** Samples that are decoded in that time; absent in profiles of old. */
  readonly heldBack?: number;
  /** Whether the file had an edit list at all. */
  readonly hasEdits: boolean;
  /** Ticks between samples that occur most. */
  readonly usualDuration: number;
  /** Ticks of the first sample where only that differs: shortened by what the decoder needs to start. */
  readonly firstDuration?: number;
  /** Every duration (but the last) is the usual one. */
  readonly constantRate: boolean;
  /** Every duration is a multiple of the usual one: a constant rate with dropped pictures. */
  readonly onGrid: boolean;
  /** Samples the muxer wrote in one go before turning to another track; 1 where it interleaves finely. */
  readonly usualRun: number;
  /** What the bytes of every run are a multiple of (PCM); else 0. */
  readonly runBytes: number;
  readonly largestSample: number;
  /** Mean bytes of a sample. */
  readonly meanSample: number;
  /** Seconds by which a sample was decoded after the sound before it, at least, and … */
  readonly early: number;
  /** … seconds by which it was decoded after the sound behind it, at most (mostly negative). */
  readonly late: number;
  /** Seconds by which the first sample of a run was decoded after the sound behind it, on average. */
  readonly lead: number;
  /** Pictures whose parameter sets are unknown: they are found, and kept without being understood. */
  readonly blind?: BlindFormat;
}

export interface MediaModel {
  readonly timescale: number;
  readonly tracks: readonly TrackModel[];
  readonly writer: string | null;
}

/** A track of which nothing but its description is known. */
export function plainTrack(layout: TrackLayout): TrackModel {
  const isSound = layout.entry.kind === 'audio';
  return {
    layout,
    skipped: 0,
    delayed: 0,
    shownFrom: 0,
    reordering: 0,
    hasEdits: false,
    usualDuration: isSound ? 1024 : 0,
    constantRate: isSound,
    onGrid: false,
    usualRun: 1,
    runBytes: 0,
    largestSample: 0,
    meanSample: 0,
    early: 0,
    late: 0,
    lead: 0,
  };
}

/** Makes a model from a file's index. */
export function modelOf(index: IndexedMedia): MediaModel {
  const { movie } = index;
  const lead = leadTrack(index.tracks);
  const clock = lead ? soundClock(lead, movie.timescale) : null;
  const runs = runsOf(index.tracks);
  return {
    timescale: movie.timescale,
    writer: movie.writer,
    tracks: index.tracks.map((indexed, place) => {
      const { track, samples } = indexed;
      const [skipped, delayed] = startOf(indexed, movie.timescale);
      const isLead = indexed === lead;
      const first = firstComposition(samples) / track.timescale;
      const shownFrom = first + delayed - skipped;
      const order = clock && !isLead ? bounds(indexed, shownFrom, clock) : noBounds;
      const run = runs[place] ?? [];
      return {
        layout: withoutTables(track),
        skipped,
        delayed,
        shownFrom,
        reordering: Math.max(0, first),
        heldBack: heldBack(samples),
        hasEdits: track.edits.length > 0,
        ...rateOf(samples),
        ...shortened(samples),
        usualRun: track.entry.frameBytes > 0 ? 1 : Math.max(1, mostCommon(run)),
        runBytes: track.entry.frameBytes > 0 ? runUnit(samples) : 0,
        largestSample: samples.size.subarray(0, samples.count).reduce((a, b) => Math.max(a, b), 0),
        meanSample: samples.count === 0 ? 0 : samples.bytes() / samples.count,
        ...order,
      };
    }),
  };
}

function withoutTables(layout: TrackLayout): TrackLayout {
  const { id, handler, handlerName, timescale, language, flags, presentation } = layout;
  const { mediaHeader, stsd, references, userData, entry } = layout;
  return {
    id,
    handler,
    handlerName,
    timescale,
    language,
    flags,
    presentation,
    mediaHeader,
    stsd,
    references,
    userData,
    entry,
  };
}

/** The audio track whose clock tells the time of the others: the one with most samples. */
function leadTrack(tracks: readonly IndexedTrack[]): IndexedTrack | null {
  let lead: IndexedTrack | null = null;
  for (const indexed of tracks) {
    if (indexed.track.entry.kind !== 'audio') continue;
    if (!lead || indexed.samples.count > lead.samples.count) lead = indexed;
  }
  return lead;
}

interface SoundClock {
  /** PCM comes in runs of any length: only where a run ends tells the time. */
  readonly isPcm: boolean;
  readonly offsets: Float64Array;
  /** Time of each sample, and of the end of the last, on the movie's clock in seconds. */
  readonly times: Float64Array;
}

function soundClock(lead: IndexedTrack, movieTimescale: number): SoundClock {
  const { samples, track } = lead;
  const [skipped, delayed] = startOf(lead, movieTimescale);
  const times = new Float64Array(samples.count + 1);
  let ticks = 0;
  for (let index = 0; index < samples.count; index += 1) {
    times[index] = ticks / track.timescale + delayed - skipped;
    ticks += samples.duration[index] ?? 0;
  }
  times[samples.count] = ticks / track.timescale + delayed - skipped;
  const isPcm = track.entry.frameBytes > 0;
  return { isPcm, offsets: samples.offset.subarray(0, samples.count), times };
}

/**
 * How a muxer orders a track against the sound: the range of (time of a sample) − (time of the sound
 * written before it), and − (time of the sound behind it). Times of samples are those of decoding,
 * counted from where the first one is shown.
 */
function bounds(indexed: IndexedTrack, start: number, clock: SoundClock) {
  const { samples, track } = indexed;
  let early = Number.POSITIVE_INFINITY;
  let late = Number.NEGATIVE_INFINITY;
  let leads = 0;
  let runs = 0;
  let ticks = 0;
  let behind = 0;
  for (let index = 0; index < samples.count; index += 1) {
    const time = start + ticks / track.timescale;
    ticks += samples.duration[index] ?? 0;
    const offset = samples.offset[index] ?? 0;
    const before = behind;
    while (behind < clock.offsets.length && (clock.offsets[behind] ?? 0) < offset) behind += 1;
    // Before the first and behind the last sound there is nothing to compare with.
    if (behind === 0 || behind >= clock.offsets.length) continue;
    early = Math.min(early, time - (clock.times[clock.isPcm ? behind : behind - 1] ?? 0));
    late = Math.max(late, time - (clock.times[behind] ?? 0));
    if (behind === before) continue;
    leads += time - (clock.times[behind] ?? 0);
    runs += 1;
  }
  return runs === 0 ? noBounds : { early, late, lead: leads / runs };
}

const noBounds = { early: 0, late: 0, lead: 0 };

/** Composition time of the sample shown first, in ticks from the decoding of the first. */
function firstComposition(samples: SampleColumns): number {
  let first = Number.POSITIVE_INFINITY;
  let ticks = 0;
  for (let index = 0; index < Math.min(samples.count, 64); index += 1) {
    first = Math.min(first, ticks + (samples.shift[index] ?? 0));
    ticks += samples.duration[index] ?? 0;
  }
  return Number.isFinite(first) ? first : 0;
}

/** Samples that are decoded before the first one is shown. */
function heldBack(samples: SampleColumns): number {
  const first = firstComposition(samples);
  let count = 0;
  for (let ticks = 0; count < Math.min(samples.count, 64) && ticks < first; count += 1) {
    ticks += samples.duration[count] ?? 0;
  }
  return count;
}

/** GStreamer takes the pre-skip of Opus from the first packet's duration instead of an edit list. */
function shortened(samples: SampleColumns): { readonly firstDuration?: number } {
  const [first = 0, second = 0, third = 0] = samples.duration;
  const isShort = samples.count > 3 && first < second && second === third;
  return isShort ? { firstDuration: first } : {};
}

function rateOf(samples: SampleColumns) {
  const counts = new Map<number, number>();
  // The last duration is often made up by the muxer.
  const end = Math.max(1, samples.count - 1);
  for (let index = 0; index < Math.min(end, samples.count); index += 1) {
    const duration = samples.duration[index] ?? 0;
    if (counts.size < 4096 || counts.has(duration)) {
      counts.set(duration, (counts.get(duration) ?? 0) + 1);
    }
  }
  let usualDuration = 0;
  let most = 0;
  for (const [duration, count] of counts) {
    if (count > most) [usualDuration, most] = [duration, count];
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  let near = 0;
  let multiples = 0;
  for (const [duration, count] of counts) {
    // Times rounded to a coarse timescale waver by one tick around a constant rate.
    if (Math.abs(duration - usualDuration) <= (usualDuration > 20 ? 1 : 0)) near += count;
    const steps = Math.round(duration / Math.max(1, usualDuration));
    if (steps >= 1 && Math.abs(duration - steps * usualDuration) <= 1) multiples += count;
  }
  return {
    usualDuration,
    constantRate: total > 0 && near === total,
    onGrid: total > 0 && multiples >= total * 0.98,
  };
}

/** Lengths of the runs each track's samples stand in, in samples. */
function runsOf(tracks: readonly IndexedTrack[]): number[][] {
  const runs: number[][] = tracks.map(() => []);
  const next = tracks.map(() => 0);
  let current = -1;
  let length = 0;
  // Enough to know a habit, whatever the length of the file.
  for (let steps = 0; steps < 200_000; steps += 1) {
    let first = -1;
    let offset = Number.POSITIVE_INFINITY;
    for (let place = 0; place < tracks.length; place += 1) {
      const samples = tracks[place]?.samples;
      const index = next[place] ?? 0;
      if (!samples || index >= samples.count) continue;
      if ((samples.offset[index] ?? 0) < offset)
        [first, offset] = [place, samples.offset[index] ?? 0];
    }
    if (first !== current) {
      if (current >= 0) runs[current]?.push(length);
      [current, length] = [first, 0];
    }
    if (first < 0) break;
    length += 1;
    next[first] = (next[first] ?? 0) + 1;
  }
  return runs;
}

function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best = 0;
  let most = 0;
  for (const [value, count] of counts) if (count > most) [best, most] = [value, count];
  return best;
}

/** What every run of PCM is a multiple of (the last one aside): what the muxer was given at once. */
function runUnit(samples: SampleColumns): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let unit = 0;
  for (let index = 0; index < Math.min(samples.count - 1, 10_000); index += 1) {
    unit = divisor(unit, samples.size[index] ?? 0);
  }
  return unit;
}
