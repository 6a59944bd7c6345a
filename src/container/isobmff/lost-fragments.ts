/**
 * Fragments whose index is damaged and whose media is not: its samples are found by their content and
 * put back between those of the fragments around it.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { IndexedMedia, UnlistedRange } from './file-index.ts';
import { type MediaModel, modelOf } from './media-model.ts';
import { SampleColumns } from './sample-columns.ts';
import { SampleScanner } from './sample-scanner.ts';
import { timeSamples } from './timing.ts';

/** The index with what was found, and how much that is. */
export interface Completed {
  readonly index: IndexedMedia;
  readonly added: number;
  /** Milliseconds that are still missing, of the track that misses most. */
  readonly lostMs: number;
}

// A disk that fails everywhere leaves nothing that is worth more.
const mostRanges = 64;
/** Looks for samples in the ranges that the index does not list. */
export function withLostFragments(
  source: ByteSource,
  index: IndexedMedia,
  progress?: Progress,
): Completed {
  let tracks = index.tracks;
  const model = index.unlisted.length > 0 ? modelOf(index) : null;
  let [added, lostMs] = [0, 0];
  for (const range of model ? index.unlisted.slice(0, mostRanges) : []) {
    if (!model) break;
    const found = samplesIn(source, model, range, progress);
    const lost = tracks.map(() => 0);
    tracks = tracks.map(({ track, samples }, place) => {
      const more = found.get(track.id) ?? noSamples;
      const put = between(samples, more, range.from, track.timescale);
      added += more.samples.count;
      lost[place] = put.lostMs;
      return { track, samples: put.samples };
    });
    lostMs += Math.max(0, ...lost);
  }
  return { index: { ...index, tracks }, added, lostMs };
}

/** Samples of one track, in ticks of a timescale that may be another than the track's. */
interface Found {
  readonly samples: SampleColumns;
  readonly timescale: number;
}

const noSamples: Found = { samples: new SampleColumns(0), timescale: 1 };

/** The samples of each track in a range, by the track's number. */
function samplesIn(
  source: ByteSource,
  model: MediaModel,
  range: UnlistedRange,
  progress?: Progress,
): ReadonlyMap<number, Found> {
  const scanner = new SampleScanner(model, range.from);
  if (!range.isSure) scanner.beginInHole();
  if (scanner.lanes.length > 0) scanner.scan(source, range.to, true, progress);
  const { tracks } = timeSamples(scanner.samples, model, scanner.lanes);
  return new Map(
    tracks.map(({ layout, samples }) => [layout.id, { samples, timescale: layout.timescale }]),
  );
}

/**
 * Puts found samples between those before and behind a place. What comes behind says when it is decoded, so
 * they are counted back from there: what is damaged of a fragment is mostly its beginning.
 */
function between(
  samples: SampleColumns,
  found: Found,
  place: number,
  timescale: number,
): { readonly samples: SampleColumns; readonly lostMs: number } {
  const joined = new SampleColumns(samples.count + found.samples.count);
  joined.start = samples.start;
  let at = 0;
  let now = samples.start;
  for (; at < samples.count && (samples.offset[at] ?? 0) < place; at += 1) {
    joined.take(samples, at);
    now += samples.duration[at] ?? 0;
  }
  const gap = at > 0 ? spareTicks(samples, at - 1) : 0;
  const factor = timescale / found.timescale;
  const length = Math.round(found.samples.ticks() * factor);
  if (found.samples.count > 0) {
    // Without anything behind, they follow what is before.
    const isLast = at === samples.count;
    const begins = isLast ? now : Math.max(now - gap, now - length);
    if (joined.count > 0) shortenLast(joined, now - begins);
    else joined.start = Math.max(0, begins);
    // Lost pictures that were decoded before the first found one make all of them seem to be shown later.
    const late = Math.max(0, leastShift(found.samples) * factor - leastShift(samples));
    append(joined, found.samples, factor, late, isLast ? length : now - begins);
  }
  for (; at < samples.count; at += 1) joined.take(samples, at);
  return { samples: joined, lostMs: (Math.max(0, gap - length) * 1000) / timescale };
}

/** Ticks that a sample in front of a gap lasts longer than the one before it. */
function spareTicks(samples: SampleColumns, last: number): number {
  const usual = samples.duration[Math.max(0, last - 1)] ?? 0;
  return Math.max(0, (samples.duration[last] ?? 0) - Math.max(1, usual));
}

function shortenLast(samples: SampleColumns, ticks: number): void {
  const last = samples.count - 1;
  samples.duration[last] = Math.max(1, (samples.duration[last] ?? 0) - ticks);
}

function leastShift({ shift, count }: SampleColumns): number {
  return count > 0 ? shift.subarray(0, count).reduce((a, b) => Math.min(a, b)) : 0;
}

/** Adds samples that last so many ticks together and are shown `late` too late. */
function append(
  into: SampleColumns,
  found: SampleColumns,
  factor: number,
  late: number,
  length: number,
): void {
  const description = into.description[Math.max(0, into.count - 1)] || 1;
  let [passed, written] = [0, 0];
  for (let at = 0; at < found.count; at += 1) {
    passed += found.duration[at] ?? 0;
    const isLast = at === found.count - 1;
    const end = isLast ? length : Math.min(Math.round(passed * factor), length);
    into.push(
      found.offset[at] ?? 0,
      found.size[at] ?? 0,
      Math.max(1, end - written),
      Math.round((found.shift[at] ?? 0) * factor - late),
      found.sync[at] === 1,
      description,
    );
    written = Math.max(end, written + 1);
  }
}
