/**
 * Times for samples that were found without an index: sound by counting, pictures by the sound.
 *
 * Composition offsets come from the bitstream's display order, edit lists are rebuilt for priming and
 * reordering, and no time is ever borrowed from the reference but where a track begins.
 */

import { editsFor } from './edits.ts';
import { type FoundSamples, foundFlags } from './found-samples.ts';
import type { Lane } from './lanes.ts';
import type { MediaModel, TrackModel } from './media-model.ts';
import type { OutputTrack } from './movie-writer.ts';
import { compositionOffsets, displayRanks } from './picture-order.ts';
import { type PictureBounds, type PictureTimes, pictureTimes } from './picture-times.ts';
import { SampleColumns } from './sample-columns.ts';
import { unknownCodec } from './sample-entry-writer.ts';

export interface TimedMedia {
  readonly tracks: readonly OutputTrack[];
  readonly timescale: number;
  /** Seconds that holes took, together. */
  readonly lostSeconds: number;
  /** How the pictures were timed, for the report; null without pictures. */
  readonly method: PictureTimes['method'] | null;
  /** Pictures a second where nothing but the stream's own word, or none, tells; else 0. */
  readonly unconfirmedRate: number;
}

/** Gives every sample its time. Tracks without samples are left out. */
export function timeSamples(
  found: FoundSamples,
  model: MediaModel,
  lanes: readonly Lane[],
): TimedMedia {
  const timescale = Math.max(1000, ...model.tracks.map((track) => track.layout.timescale));
  const lead = leadTrack(found, model);
  const byBytes = lostSeconds(found, model, lanes);
  const roughly = soundClock(found, model, lanes, lead, byBytes);
  const tracks: OutputTrack[] = [];
  const counts = found.perTrack(model.tracks.length);
  const pictures = new Map<number, ShownPictures>();
  model.tracks.forEach((track, place) => {
    if ((counts[place] ?? 0) === 0 || track.layout.entry.kind !== 'video') return;
    const bounds = boundsOf(found, place, roughly);
    const codec = lanes.find((lane) => lane.tracks.includes(place))?.codec;
    const { ticks, ...timing } = pictureTimes(bounds, track, codec?.frameRate ?? 0);
    const depth = codec?.reorderDepth ?? 0;
    pictures.set(place, shownPictures(found, track, place, ticks, timing, depth));
  });
  const early = startsEarly(model, counts, pictures);
  const [first] = pictures.values();
  const lost = lostByPictures(byBytes, first?.timing.soundLate ?? []);
  const clock = found.holes.length > 0 ? soundClock(found, model, lanes, lead, lost) : roughly;
  model.tracks.forEach((track, place) => {
    const { kind, codec } = track.layout.entry;
    if ((counts[place] ?? 0) === 0 || codec === unknownCodec) return;
    const shown = pictures.get(place);
    if (shown) {
      tracks.push(pictureTrack(track, shown, early, timescale));
    } else if (kind === 'audio') {
      const begun = { ...track, delayed: track.delayed + early };
      tracks.push(soundTrack(found, begun, place, clock, timescale));
    } else {
      const bounds = boundsOf(found, place, clock);
      tracks.push(eventTrack(found, track, place, bounds, clock.endTime));
    }
  });
  const ids = new Set(tracks.map((track) => track.layout.id));
  return {
    tracks: tracks.map((track) => withoutLostReferences(track, ids)),
    timescale,
    lostSeconds: clock.lost.reduce((sum, seconds) => sum + seconds, 0),
    method: first?.timing.method ?? null,
    unconfirmedRate: first?.timing.unconfirmedRate ?? 0,
  };
}

/**
 * Seconds by which all tracks have to begin later, negative for earlier, so that the first of them
 * begins when the reference's first does. How far they are apart is this file's own; that one of them
 * was late is not to be learned from another recording.
 */
function startsEarly(
  model: MediaModel,
  counts: readonly number[],
  pictures: ReadonlyMap<number, ShownPictures>,
): number {
  let first = Number.POSITIVE_INFINITY;
  let wanted = Number.POSITIVE_INFINITY;
  model.tracks.forEach((track, place) => {
    const isSound = track.layout.entry.kind === 'audio';
    const shownFrom = pictures.get(place)?.shownFrom ?? (isSound ? track.delayed : null);
    if ((counts[place] ?? 0) === 0 || shownFrom === null) return;
    first = Math.min(first, shownFrom);
    wanted = Math.min(wanted, isSound ? track.delayed : track.shownFrom);
  });
  const early = wanted - first;
  return pictures.size > 0 && Math.abs(early) > leastShift ? early : 0;
}

// Less than a picture is how a muxer strays, and no other beginning.
const leastShift = 0.03;

/** The sound whose clock tells the time of the pictures: that with most samples; -1 without sound. */
function leadTrack(found: FoundSamples, model: MediaModel): number {
  let lead = -1;
  let most = 0;
  found.perTrack(model.tracks.length).forEach((count, place) => {
    if (model.tracks[place]?.layout.entry.kind !== 'audio' || count <= most) return;
    [lead, most] = [place, count];
  });
  return lead;
}

// How far a muxer strays from what its reference showed, in seconds; and how far a sound whose packets
// had to be guessed may be wrong.
const usualSlack = 0.006;
const guessedSlack = 0.15;

interface SoundClock {
  readonly isPcm: boolean;
  readonly slack: number;
  /** The track that leads; -1 without sound. */
  readonly lead: number;
  /** Second at which its first sample begins, and the one at which its last ends. */
  readonly startTime: number;
  readonly endTime: number;
  /** Ticks per second of each sound track. */
  readonly rates: readonly number[];
  /** Extra seconds before the sample with this number, by track: what a hole took. */
  readonly gaps: ReadonlyMap<number, number>;
  /** Seconds lost in each hole. */
  readonly lost: readonly number[];
  /** Hole each found sample lies behind, as boundaries: number of the first sample behind hole n. */
  readonly borders: readonly number[];
}

function soundClock(
  found: FoundSamples,
  model: MediaModel,
  lanes: readonly Lane[],
  lead: number,
  lost: readonly number[],
): SoundClock {
  const rates = ratesOf(model, lanes);
  const isSound = model.tracks.map((track) => track.layout.entry.kind === 'audio');
  const clocks = model.tracks.map((track) => track.delayed - track.skipped);
  const startTime = clocks[lead] ?? 0;
  const gaps = new Map<number, number>();
  const borders = found.holes.map((hole) => hole.samplesBefore);
  const pending = new Map<number, number>();
  let hole = 0;
  for (let number = 0; number < found.count; number += 1) {
    while (hole < borders.length && (borders[hole] ?? 0) <= number) {
      const sound = clocks.filter((_, place) => isSound[place] && (rates[place] ?? 0) > 0);
      const next = Math.max(0, ...sound) + (lost[hole] ?? 0);
      clocks.forEach((time, place) => {
        if (isSound[place]) pending.set(place, (pending.get(place) ?? 0) + next - time);
        if (isSound[place]) clocks[place] = next;
      });
      hole += 1;
    }
    const track = found.track[number] ?? 0;
    if (!isSound[track]) continue;
    const gap = pending.get(track);
    if (gap !== undefined) {
      gaps.set(number, gap);
      pending.delete(track);
    }
    const seconds = (found.order[number] ?? 0) / Math.max(1, rates[track] ?? 1);
    clocks[track] = (clocks[track] ?? 0) + seconds;
  }
  const isPcm = (model.tracks[lead]?.layout.entry.frameBytes ?? 0) > 0;
  const leading = lanes.find((lane) => lane.tracks.includes(lead));
  const slack = leading?.codec.framing === 'guessed' ? guessedSlack : usualSlack;
  const endTime = clocks[lead] ?? 0;
  return { isPcm, slack, lead, startTime, endTime, rates, gaps, lost, borders };
}

/** Ticks per second of each track's lane; 0 without one. */
function ratesOf(model: MediaModel, lanes: readonly Lane[]): number[] {
  return model.tracks.map(
    (_, place) => lanes.find((lane) => lane.tracks.includes(place))?.codec.rate ?? 0,
  );
}

/**
 * Seconds each hole took where pictures of a constant rate stand on both sides: whole pictures are lost,
 * and the sound behind it has to stand against them as it does before.
 *
 * @param soundLate  by how much it does not with `lost`, behind each hole
 */
function lostByPictures(lost: readonly number[], soundLate: readonly number[]): number[] {
  return lost.map((seconds, hole) =>
    Math.max(0, seconds - (soundLate[hole] ?? 0) + (soundLate[hole - 1] ?? 0)),
  );
}

/** Seconds each hole took: its bytes by the mean rate of the file. */
function lostSeconds(found: FoundSamples, model: MediaModel, lanes: readonly Lane[]): number[] {
  if (found.holes.length === 0) return [];
  const rates = ratesOf(model, lanes);
  let bytes = 0;
  const seconds = model.tracks.map(() => 0);
  for (let number = 0; number < found.count; number += 1) {
    bytes += found.size[number] ?? 0;
    const track = found.track[number] ?? 0;
    const model0 = model.tracks[track];
    const step =
      model0?.layout.entry.kind === 'audio'
        ? (found.order[number] ?? 0) / Math.max(1, rates[track] ?? 1)
        : (model0?.usualDuration ?? 0) / (model0?.layout.timescale ?? 1);
    seconds[track] = (seconds[track] ?? 0) + step;
  }
  const length = Math.max(...seconds);
  if (bytes === 0 || length === 0) return found.holes.map(() => 0);
  return found.holes.map((hole) => ((hole.to - hole.from) * length) / bytes);
}

/** The sounds around each sample of a track. Only those of the same stretch: a hole is a jump in time. */
function boundsOf(found: FoundSamples, track: number, clock: SoundClock): PictureBounds {
  const { lead, isPcm, borders, lost, slack } = clock;
  const rate = Math.max(1, clock.rates[lead] ?? 1);
  const count = found.perTrack(track + 1)[track] ?? 0;
  const before = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const behind = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const stretch = new Uint16Array(count);
  let [place, open, hole] = [0, 0, 0];
  let time = clock.startTime;
  let last = Number.NEGATIVE_INFINITY;
  for (let number = 0; number < found.count; number += 1) {
    for (; hole < borders.length && (borders[hole] ?? 0) <= number; hole += 1) {
      [open, last] = [place, Number.NEGATIVE_INFINITY];
    }
    if (found.track[number] === lead) {
      time += clock.gaps.get(number) ?? 0;
      behind.fill(time, open, place);
      // PCM comes in runs of any length: only where a run ends tells the time.
      if (isPcm && Number.isFinite(last)) before.fill(time, open, place);
      [open, last] = [place, time];
      time += (found.order[number] ?? 0) / rate;
    } else if (found.track[number] === track) {
      stretch[place] = hole;
      if (!isPcm) before[place] = last;
      place += 1;
    }
  }
  return { count, before, behind, stretch, lost, slack };
}

/** How pictures were timed; the times themselves are in the samples. */
type Timing = Omit<PictureTimes, 'ticks'>;

/** Pictures with their decoding times and composition offsets. */
interface ShownPictures {
  readonly timing: Timing;
  readonly samples: SampleColumns;
  /** Ticks from decoding the first picture to showing the first. */
  readonly delay: number;
  /** Second of the movie at which the first picture is shown. */
  readonly shownFrom: number;
}

function shownPictures(
  found: FoundSamples,
  model: TrackModel,
  track: number,
  ticks: Float64Array,
  timing: Timing,
  reorderDepth: number,
): ShownPictures {
  const { timescale, usual, method } = timing;
  const count = ticks.length;
  const order = new Int32Array(count);
  const starts = new Uint8Array(count);
  const cuts = new Uint8Array(count);
  const samples = new SampleColumns(count);
  let place = 0;
  let hole = 0;
  for (let number = 0; number < found.count; number += 1) {
    if (found.track[number] !== track) continue;
    const flags = found.flags[number] ?? 0;
    order[place] = found.order[number] ?? 0;
    // The first sample behind a hole may have been a sound.
    for (; (found.holes[hole]?.samplesBefore ?? Number.POSITIVE_INFINITY) <= number; hole += 1) {
      cuts[place] = 1;
    }
    starts[place] = cuts[place] === 1 || flags & foundFlags.epochStart ? 1 : 0;
    const next = ticks[place + 1] ?? (ticks[place] ?? 0) + usual;
    const duration = next - (ticks[place] ?? 0);
    const isSync = (flags & foundFlags.sync) !== 0;
    samples.push(found.offset[number] ?? 0, found.size[number] ?? 0, duration, 0, isSync);
    place += 1;
  }
  const ranks = displayRanks(order, starts, cuts);
  const bySeconds = Math.round((model.reordering * timescale) / usual);
  const atLeast = Math.max(model.heldBack ?? bySeconds, reorderDepth);
  const { shifts, delay } = compositionOffsets(ticks, ranks, usual, atLeast, cuts);
  samples.shift.set(shifts);
  // Placed one by one, the first pictures may be held back for another time than the reference's.
  const held = method === 'constant' ? 0 : delay / timescale - model.reordering;
  return { timing, samples, delay, shownFrom: timing.shownFrom + held };
}

function pictureTrack(
  model: TrackModel,
  { timing: { timescale }, samples, delay, shownFrom }: ShownPictures,
  early: number,
  movieTimescale: number,
): OutputTrack {
  const delayed = shownFrom + early;
  const shown = { skipped: delay, delayed, timescale };
  const isPlain = !model.hasEdits && Math.abs(delayed - delay / timescale) < 0.0005;
  return {
    layout: { ...model.layout, timescale },
    samples,
    edits: isPlain ? [] : editsFor(samples.ticks() + delay, shown, movieTimescale),
  };
}

function soundTrack(
  found: FoundSamples,
  model: TrackModel,
  track: number,
  clock: SoundClock,
  movieTimescale: number,
): OutputTrack {
  const { timescale } = model.layout;
  const rate = clock.rates[track] ?? timescale;
  const samples = new SampleColumns(found.perTrack(track + 1)[track]);
  let sounded = 0;
  let ticks = 0;
  for (let number = 0; number < found.count; number += 1) {
    if (found.track[number] !== track) continue;
    const gap = clock.gaps.get(number) ?? 0;
    if (gap > 0 && samples.count > 0) {
      const last = samples.count - 1;
      const pause = Math.round(gap * timescale);
      samples.duration[last] = (samples.duration[last] ?? 0) + pause;
    }
    sounded += found.order[number] ?? 0;
    // Rounded from the sum, so that a timescale other than the rate does not drift.
    const end =
      rate === timescale ? sounded : Math.round((sounded * timescale) / Math.max(1, rate));
    samples.push(found.offset[number] ?? 0, found.size[number] ?? 0, end - ticks, 0, true);
    ticks = end;
  }
  const start = {
    skipped: Math.round(model.skipped * timescale),
    delayed: model.delayed,
    timescale,
  };
  const isPlain = !model.hasEdits && Math.abs(model.delayed) < 0.0005;
  const edits = isPlain ? [] : editsFor(samples.ticks(), start, movieTimescale);
  return { layout: model.layout, samples, edits };
}

/** Texts and time codes: each is valid from where it stands among the sounds until the next one. */
function eventTrack(
  found: FoundSamples,
  model: TrackModel,
  track: number,
  bounds: PictureBounds,
  endTime: number,
): OutputTrack {
  const { timescale } = model.layout;
  const times: number[] = [];
  for (let place = 0; place < bounds.count; place += 1) {
    const behind = bounds.behind[place] ?? 0;
    const isFirst = bounds.before[place] === Number.NEGATIVE_INFINITY;
    const known = Number.isFinite(behind) ? Math.max(0, behind + model.lead) : endTime;
    times.push(isFirst && place === 0 ? 0 : Math.max(known, times.at(-1) ?? 0));
  }
  times.push(Math.max(endTime, times.at(-1) ?? 0));
  const samples = new SampleColumns(bounds.count);
  for (let number = 0, place = 0; number < found.count; number += 1) {
    if (found.track[number] !== track) continue;
    const from = Math.round((times[place] ?? 0) * timescale);
    const to = Math.round((times[place + 1] ?? 0) * timescale);
    samples.push(found.offset[number] ?? 0, found.size[number] ?? 0, to - from, 0, true);
    place += 1;
  }
  return { layout: model.layout, samples, edits: [] };
}

function withoutLostReferences(track: OutputTrack, ids: ReadonlySet<number>): OutputTrack {
  const { references } = track.layout;
  const view = new DataView(references.buffer, references.byteOffset, references.length);
  for (let at = 16; at + 4 <= references.length; at += 4) {
    if (ids.has(view.getUint32(at))) continue;
    return { ...track, layout: { ...track.layout, references: new Uint8Array(0) } };
  }
  return track;
}
