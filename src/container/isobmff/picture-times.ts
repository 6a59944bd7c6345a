/**
 * When each picture is decoded: told from where it stands among the sounds.
 *
 * Sound has an exact clock. A muxer writes packets in the order of their times, so the sounds before
 * and behind a picture in the file bound its time. A constant rate that agrees with every bound is
 * exact; pictures on a grid of such a rate (some were dropped) are placed on it; anything else
 * follows the clock of the sound.
 */
import type { TrackModel } from './media-model.ts';
import { type Rate, rateOf, usualRates } from './picture-rates.ts';

/** What is known of a track's pictures, in decoding order. Times are seconds of the movie. */
export interface PictureBounds {
  readonly count: number;
  /** Time of the sound before each picture; -Infinity where there is none in its stretch. */
  readonly before: Float64Array;
  /** Time of the sound behind it; Infinity where there is none. */
  readonly behind: Float64Array;
  /** Number of the hole each picture comes after: 0 before the first. */
  readonly stretch: Uint16Array;
  /** Seconds lost in each hole by its size, from hole 1 on. */
  readonly lost: readonly number[];
  /** How far a muxer may stray from what its reference showed, in seconds. */
  readonly slack: number;
}

export interface PictureTimes {
  /** Decoding times in ticks of `timescale`, ascending, the first one 0. */
  readonly ticks: Float64Array;
  readonly timescale: number;
  /** Ticks of one picture, for the duration of the last. */
  readonly usual: number;
  /** Second of the movie at which the first picture is shown. */
  readonly shownFrom: number;
  readonly method: 'constant' | 'grid' | 'sound' | 'assumed';
  /** Pictures a second where no sound confirms them. */
  readonly unconfirmedRate?: number;
  /** Seconds by which the sound behind each hole is late against the pictures there, from hole 1 on. */
  readonly soundLate?: readonly number[];
}

/**
 * Places the pictures of a track in time.
 *
 * @param frameRate  by the bitstream's own timing; 0 when it has none
 */
export function pictureTimes(
  bounds: PictureBounds,
  reference: TrackModel,
  frameRate: number,
): PictureTimes {
  const model = reference.usualDuration > 0 ? reference : loosened(bounds, reference);
  const known = referenceRate(model);
  if (!hasBounds(bounds)) {
    const isAssumed = !known && frameRate <= 0;
    const rate = known ?? (isAssumed ? { timescale: 30000, ticks: 1000 } : rateOf(frameRate));
    const times = constantTimes(bounds, model, rate, model.shownFrom);
    const unconfirmedRate = rate.timescale / rate.ticks;
    return { ...times, unconfirmedRate, method: isAssumed ? 'assumed' : 'constant' };
  }
  const fitting = candidateRates(bounds, model, frameRate);
  for (const rate of fitting) {
    const start = constantStart(bounds, model, rate);
    if (start !== null) return constantTimes(bounds, model, rate, start);
  }
  if (model.onGrid && known) {
    const times = gridTimes(bounds, model, known);
    if (times) return times;
  }
  return soundTimes(bounds, model);
}

/** Without a reference nobody knows how the muxer ordered its tracks: by runs as long as it wrote. */
function loosened(bounds: PictureBounds, model: TrackModel): TrackModel {
  let longest = 0;
  let run = 0;
  for (let index = 0; index < bounds.count; index += 1) {
    run = index > 0 && bounds.behind[index] === bounds.behind[index - 1] ? run + 1 : 1;
    if (isBounded(bounds, index)) longest = Math.max(longest, run);
  }
  const play = longest * meanDuration(bounds).mean + 0.1;
  return { ...model, early: model.early - play, late: model.late + play };
}

function referenceRate(model: TrackModel): Rate | null {
  if (model.usualDuration <= 0) return null;
  return { timescale: model.layout.timescale, ticks: model.usualDuration };
}

function hasBounds(bounds: PictureBounds): boolean {
  for (let index = 0; index < bounds.count; index += 1) {
    if (Number.isFinite(bounds.before[index]) && Number.isFinite(bounds.behind[index])) return true;
  }
  return false;
}

function* candidateRates(
  bounds: PictureBounds,
  model: TrackModel,
  frameRate: number,
): Generator<Rate> {
  const reference = referenceRate(model);
  if (reference) yield reference;
  const { mean, off } = meanDuration(bounds);
  if (frameRate > 0 && (mean === 0 || Math.abs(1 / frameRate / mean - 1) < 0.02 + off)) {
    yield rateOf(frameRate);
  }
  if (mean <= 0) return;
  const near = (rate: Rate) => Math.abs(rate.ticks / rate.timescale / mean - 1);
  if (!reference) {
    // 29.97 and 30 are 14 ms apart after 14 s: the one that strays least from the sounds is it.
    const room = (rate: Rate) => {
      const [low, high] = startRange(bounds, model, rate, 0, stretchEnd(bounds, 0));
      return high - low;
    };
    const close = usualRates.filter((rate) => near(rate) < 0.005 + off);
    yield* close.sort((a, b) => room(b) - room(a));
  }
  yield* usualRates.filter((rate) => near(rate) < 0.05).sort((a, b) => near(a) - near(b));
}

/**
 * Mean seconds from picture to picture by the sound, in the longest stretch, and the part by which
 * that may be off: pictures that are written in runs between runs of sound all have the same bounds.
 * The mean is 0 when it is unknown.
 */
function meanDuration(bounds: PictureBounds): { mean: number; off: number } {
  let best = 0;
  let found = { mean: 0, off: 0 };
  for (let from = 0; from < bounds.count; ) {
    const to = stretchEnd(bounds, from);
    let first = from;
    let last = to - 1;
    while (first < last && !isBounded(bounds, first)) first += 1;
    while (last > first && !isBounded(bounds, last)) last -= 1;
    if (last - first > best) {
      best = last - first;
      const mean = (middle(bounds, last) - middle(bounds, first)) / best;
      const unsure = alikeAround(bounds, first) + alikeAround(bounds, last) - 2;
      found = { mean, off: Math.min(0.2, unsure / best) };
    }
    from = to;
  }
  return found;
}

/** How many pictures stand between the same two sounds as this one, itself included. */
function alikeAround(bounds: PictureBounds, index: number): number {
  let [from, to] = [index, index];
  while (from > 0 && bounds.behind[from - 1] === bounds.behind[index]) from -= 1;
  while (to + 1 < bounds.count && bounds.behind[to + 1] === bounds.behind[index]) to += 1;
  return to - from + 1;
}

function isBounded(bounds: PictureBounds, index: number): boolean {
  return Number.isFinite(bounds.before[index]) && Number.isFinite(bounds.behind[index]);
}

function middle(bounds: PictureBounds, index: number): number {
  return ((bounds.before[index] ?? 0) + (bounds.behind[index] ?? 0)) / 2;
}

/**
 * The start at which a constant rate agrees with all bounds of the first stretch (and, by whole
 * pictures lost, of the others); null when there is none. The reference's start is kept where it fits.
 */
function constantStart(bounds: PictureBounds, model: TrackModel, rate: Rate): number | null {
  const [low, high] = startRange(bounds, model, rate, 0, stretchEnd(bounds, 0));
  const wanted = model.shownFrom;
  if (wanted >= low - bounds.slack && wanted <= high + bounds.slack) return wanted;
  if (low > high + 2 * bounds.slack) return null;
  if (!Number.isFinite(low) || !Number.isFinite(high)) return Number.isFinite(low) ? low : high;
  return (low + high) / 2;
}

function stretchEnd(bounds: PictureBounds, from: number): number {
  let to = from;
  while (to < bounds.count && bounds.stretch[to] === bounds.stretch[from]) to += 1;
  return to;
}

/** The range of start times of pictures `from` … `to` that agrees with their bounds. */
function startRange(
  bounds: PictureBounds,
  model: TrackModel,
  rate: Rate,
  from: number,
  to: number,
): readonly [low: number, high: number] {
  const step = rate.ticks / rate.timescale;
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (let index = from; index < to; index += 1) {
    const passed = (index - from) * step;
    // Behind the last sound a picture is bounded on one side. In front of the first it is not at all:
    // how a muxer begins says nothing of how it goes on.
    const [before = 0, behind = 0] = [bounds.before[index], bounds.behind[index]];
    if (!Number.isFinite(before)) continue;
    low = Math.max(low, before + model.early - passed);
    high = Math.min(high, behind + model.late - passed);
  }
  return [low, high];
}

function constantTimes(
  bounds: PictureBounds,
  model: TrackModel,
  rate: Rate,
  start: number,
): PictureTimes {
  const ticks = new Float64Array(bounds.count);
  const soundLate: number[] = [];
  const step = rate.ticks / rate.timescale;
  // How the first stretch stands among its sounds is how the others do.
  const habit = middleStart(bounds, model, rate, 0);
  const stray = habit === null ? 0 : start - habit;
  let place = 0;
  for (let from = 0; from < bounds.count; ) {
    const to = stretchEnd(bounds, from);
    if (from > 0) {
      const hole = (bounds.stretch[from] ?? 1) - 1;
      const begins = middleStart(bounds, model, rate, from);
      const lost =
        begins === null ? (bounds.lost[hole] ?? 0) : begins + stray - (start + place * step);
      const pictures = Math.max(0, Math.round(lost / step));
      // Holes without a picture between them are one to the pictures.
      while (soundLate.length < hole) soundLate.push(soundLate.at(-1) ?? 0);
      soundLate[hole] = begins === null ? (soundLate[hole - 1] ?? 0) : lost - pictures * step;
      place += pictures;
    }
    for (let index = from; index < to; index += 1, place += 1) ticks[index] = place * rate.ticks;
    from = to;
  }
  return {
    ticks,
    timescale: rate.timescale,
    usual: rate.ticks,
    shownFrom: start,
    method: 'constant',
    soundLate,
  };
}

/** Where by the sounds around it the stretch begins whose first picture is `from`; null when nothing tells. */
function middleStart(
  bounds: PictureBounds,
  model: TrackModel,
  rate: Rate,
  from: number,
): number | null {
  const [low, high] = startRange(bounds, model, rate, from, stretchEnd(bounds, from));
  return Number.isFinite(low) && Number.isFinite(high) ? (low + high) / 2 : null;
}

// Where the clock of the sound is off by more, no picture finds its place on a grid.
const gridSlack = 0.006;

/** A constant rate of which pictures were left out: those between two sounds stand evenly on its grid. */
function gridTimes(bounds: PictureBounds, model: TrackModel, rate: Rate): PictureTimes | null {
  const step = rate.ticks / rate.timescale;
  const start = model.shownFrom;
  const slack = Math.min(bounds.slack, gridSlack);
  const ticks = new Float64Array(bounds.count);
  let place = -1;
  let misfits = 0;
  for (let from = 0; from < bounds.count; ) {
    const to = runEnd(bounds, from);
    const pictures = to - from;
    const [before = 0, behind = 0] = [bounds.before[from], bounds.behind[from]];
    const low = Math.ceil((before + model.early - slack - start) / step);
    const high = Math.floor((behind + model.late + slack - start) / step);
    const first = Number.isFinite(low) ? Math.max(place + 1, low) : place + 1;
    const places = Number.isFinite(low) && Number.isFinite(high) ? high - first + 1 : pictures;
    misfits += Math.max(0, pictures - Math.max(0, places));
    for (let index = from; index < to; index += 1) {
      const even = Math.floor(((index - from + 0.5) * Math.max(places, pictures)) / pictures);
      place = Math.max(place + 1, first + even);
      ticks[index] = place * rate.ticks;
    }
    from = to;
  }
  const first = ticks[0] ?? 0;
  if (misfits > bounds.count * 0.02 || first < 0) return null;
  for (let index = 0; index < bounds.count; index += 1) ticks[index] = (ticks[index] ?? 0) - first;
  return {
    ticks,
    timescale: rate.timescale,
    usual: rate.ticks,
    shownFrom: start + first / rate.timescale,
    method: 'grid',
  };
}

/** The end of the run of pictures that stand between the same two sounds. */
function runEnd(bounds: PictureBounds, from: number): number {
  let to = from + 1;
  while (to < bounds.count && bounds.behind[to] === bounds.behind[from]) to += 1;
  return to;
}

/**
 * A variable rate: the first picture of each run stands against the sound as the reference's do, the
 * others evenly up to the next run.
 */
function soundTimes(bounds: PictureBounds, model: TrackModel): PictureTimes {
  const { timescale } = model.layout;
  const usual = Math.max(1, model.usualDuration || Math.round(timescale / 30));
  const seconds = new Float64Array(bounds.count);
  const anchors: number[] = [];
  for (let index = 0; index < bounds.count; index += 1) {
    const isRunStart = index === 0 || bounds.behind[index] !== bounds.behind[index - 1];
    // Pictures in front of the first sound have nothing to stand against.
    if (isRunStart && isBounded(bounds, index)) {
      seconds[index] = runStart(bounds, model, index);
      anchors.push(index);
    }
  }
  const firstAnchor = anchors[0];
  const lastAnchor = anchors.at(-1);
  const isKnown = firstAnchor !== undefined && lastAnchor !== undefined && lastAnchor > firstAnchor;
  const mean = isKnown
    ? ((seconds[lastAnchor] ?? 0) - (seconds[firstAnchor] ?? 0)) / (lastAnchor - firstAnchor)
    : usual / timescale;
  fillBetween(seconds, anchors, mean);
  const first = seconds[0] ?? 0;
  const ticks = new Float64Array(bounds.count);
  for (let index = 0; index < bounds.count; index += 1) {
    const wanted = Math.round(((seconds[index] ?? 0) - first) * timescale);
    ticks[index] = index === 0 ? 0 : Math.max(wanted, (ticks[index - 1] ?? 0) + 1);
  }
  const each = Math.max(1, Math.round(mean * timescale));
  return { ticks, timescale, usual: each, shownFrom: first, method: 'sound' };
}

/** When the first picture of a run is decoded: as the reference's are, else evenly between two sounds. */
function runStart(bounds: PictureBounds, model: TrackModel, index: number): number {
  const [before = 0, behind = 0] = [bounds.before[index], bounds.behind[index]];
  if (model.usualDuration > 0) return behind + model.lead;
  return before + (behind - before) / (runEnd(bounds, index) - index + 1);
}

function fillBetween(seconds: Float64Array, anchors: readonly number[], step: number): void {
  const first = anchors[0] ?? 0;
  for (let index = first - 1; index >= 0; index -= 1) {
    seconds[index] = (seconds[index + 1] ?? 0) - step;
  }
  anchors.forEach((anchor, place) => {
    const next = anchors[place + 1];
    const to = next ?? seconds.length;
    const from = seconds[anchor] ?? 0;
    const each = next === undefined ? step : ((seconds[next] ?? 0) - from) / (next - anchor);
    for (let index = anchor + 1; index < to; index += 1) {
      seconds[index] = from + (index - anchor) * each;
    }
  });
}
