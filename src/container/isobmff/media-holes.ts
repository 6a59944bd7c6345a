/**
 * Holes in media that an index lists: the index says where samples are, not that they were written.
 *
 * After a power cut, blocks of a file that were on their way read as zeros, or as what lay on the disk
 * before. Decision 0305 says when that is believed; torn-samples.ts asks the samples.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import {
  beginsLikeAHole,
  inBlocks,
  sector,
  wholeRun,
  withZerosBeside,
  type ZeroRun,
  ZeroSectors,
} from '../zero-sectors.ts';
import type { IndexedMedia, MediaRange } from './file-index.ts';
import type { TrackLayout } from './movie.ts';
import { SampleColumns } from './sample-columns.ts';
import { SamplePlaces } from './sample-places.ts';
import { TornSamples } from './torn-samples.ts';
import { UnitChains } from './unit-chains.ts';

/** A hole and the samples it took. */
export interface MediaHole {
  readonly from: number;
  readonly to: number;
  /** Bytes that were never written; else something that is not what the index lists. */
  readonly zeros: boolean;
  /** Numbers of the lost samples of each track, ascending. */
  readonly lost: readonly (readonly number[])[];
}

/** A track, and where its samples are said to be: by an index, or by their beginnings. */
export interface ListedTrack {
  readonly layout: TrackLayout;
  readonly samples: SampleColumns;
}

/** The tracks of an index. */
export const listedBy = (index: IndexedMedia): ListedTrack[] =>
  index.tracks.map(({ track, samples }) => ({ layout: track, samples }));

/**
 * Looks through all media that is listed.
 *
 * @returns the holes in file order
 * @throws Cancelled when `progress` says so
 */
export function findHoles(
  source: ByteSource,
  tracks: readonly ListedTrack[],
  progress?: Progress,
): readonly MediaHole[] {
  const search = new HoleSearch(source, tracks);
  if (!search.canTell) return [];
  const chains = search.chains;
  const sectors = new ZeroSectors((from, to) => search.take(from, to));
  const show = (block: Uint8Array, at: number) => {
    for (const chain of chains.values()) chain.take(block, at);
    sectors.take(block.subarray(0, block.length - (block.length % sector)), at);
  };
  // Up to the end of the sector that the last sample ends in.
  const end = Math.max(0, ...tracks.map(({ samples }) => samples.end()));
  const to = Math.min(source.size, end + sector);
  inBlocks(source, firstByte(tracks), to, UnitChains.overlap, show, progress);
  sectors.end();
  return search.judge(chains);
}

// Distances from the end of the media at which is looked for zeros: what was written last was on its way.
const probes = [4 * 1024, 64 * 1024, 512 * 1024, 4 * 1024 * 1024];
const probeLength = 4 * 1024;

/**
 * Whether there is a hole at one of a few places near the end of the media, which is quick to tell.
 *
 * @param readIndex  asked only where there are zeros at all
 */
export function hasHoleNearEnd(
  source: ByteSource,
  media: readonly MediaRange[],
  readIndex: () => IndexedMedia | null,
): boolean {
  const end = media.at(-1)?.to ?? 0;
  const runs: (readonly [from: number, to: number])[] = [];
  for (const probe of probes) {
    const at = end - probe;
    const from = at - (at % sector);
    if (!media.some((range) => range.from <= from && range.to >= from + probeLength)) break;
    const sectors = new ZeroSectors((start, stop) => {
      runs.push([start, stop]);
    });
    sectors.take(source.read(from, probeLength), from);
    sectors.end();
  }
  const index = runs.length > 0 ? readIndex() : null;
  if (!index) return false;
  const search = new HoleSearch(source, listedBy(index));
  for (const [start, stop] of runs) search.take(start, stop, wholeRun);
  return search.judge(new Map()).length > 0;
}

function firstByte(tracks: readonly ListedTrack[]): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { samples } of tracks) {
    for (let at = 0; at < samples.count; at += 1) first = Math.min(first, samples.offset[at] ?? 0);
  }
  return first;
}

class HoleSearch {
  readonly #source: ByteSource;
  readonly #tracks: readonly ListedTrack[];
  /** By track; null where a track proves nothing. */
  readonly #torn: readonly (TornSamples | null)[];
  readonly #runs: ZeroRun[] = [];

  constructor(source: ByteSource, tracks: readonly ListedTrack[]) {
    this.#source = source;
    this.#tracks = tracks;
    this.#torn = tracks.map((track) => TornSamples.of(source, track));
  }

  get canTell(): boolean {
    return this.#torn.some((torn) => torn !== null);
  }

  /** A check of the lengths of each track of NAL units, by the place of the track. */
  get chains(): ReadonlyMap<number, UnitChains> {
    const chains = new Map<number, UnitChains>();
    this.#torn.forEach((torn, place) => {
      if (torn?.format) chains.set(place, new UnitChains(torn.samples, torn.format));
    });
    return chains;
  }

  /** Takes zero sectors into account, if a sample lies in them that can prove anything. */
  take(from: number, to: number, runAround = withZerosBeside): void {
    const touched = this.#torn.filter((torn) => torn !== null && holdsAny(torn, from, to));
    if (touched.length === 0) return;
    const run = runAround(this.#source, from, to);
    for (const torn of touched) torn?.note(run);
    if (beginsLikeAHole(run) || touched.some((torn) => torn?.beginsWithin(run))) {
      this.#runs.push(run);
    }
  }

  judge(chains: ReadonlyMap<number, UnitChains>): MediaHole[] {
    const holes: MediaHole[] = this.#runs
      .filter((run) => this.#torn.some((torn) => torn?.proveHole(run)))
      .map((run) => ({ from: run.from, to: run.to, zeros: true, lost: this.#lostIn(run) }));
    for (const [place, { broken }] of chains) {
      const known = new Set(holes.flatMap(({ lost }) => lost[place] ?? []));
      const more = broken.filter((sample) => !known.has(sample));
      for (const group of inRows(more)) holes.push(this.#garbage(place, group, known));
    }
    return holes.toSorted((a, b) => a.from - b.from);
  }

  /** Samples of which a byte lies in a hole, but those that turn out to be complete, and silence. */
  #lostIn(run: ZeroRun): number[][] {
    return this.#tracks.map(({ layout, samples }, place) => {
      if (layout.entry.frameBytes > 0) return [];
      const torn = this.#torn[place];
      const within = (torn?.places ?? new SamplePlaces(samples)).within(run.from, run.to);
      return [...within]
        .filter((sample) => !torn?.isComplete(sample) && !torn?.endedBefore(sample, run))
        .toSorted((a, b) => a - b);
    });
  }

  /**
   * What is lost with pictures that do not chain up and stand in a row: the sound around them that cannot
   * be read, and the picture before them where nothing complete lies between, for the garbage begins in it.
   */
  #garbage(place: number, row: readonly number[], known: ReadonlySet<number>): MediaHole {
    const torn = this.#torn[place];
    const [first = 0, last = 0] = [row[0], row.at(-1)];
    const [start] = torn?.range(first) ?? [0];
    const [, to] = torn?.range(last) ?? [0, 0];
    const before = first > 0 && !known.has(first - 1) ? torn?.range(first - 1) : undefined;
    const from = before && before[1] <= start ? before[1] : start;
    const sound = this.#torn.map((other, at) =>
      at === place || !other ? [] : other.unreadable(from, to),
    );
    const between = this.#tracks.map(({ samples }, at) => {
      const places = this.#torn[at]?.places ?? new SamplePlaces(samples);
      return at === place ? 0 : [...places.within(from, start)].length;
    });
    const begins =
      before !== undefined && between.every((count, at) => count <= (sound[at] ?? []).length);
    const pictures = begins ? [first - 1, ...row] : [...row];
    const lost = sound.map((samples, at) => (at === place ? pictures : samples));
    return { from: begins ? before[0] : start, to, zeros: false, lost };
  }
}

function holdsAny(torn: TornSamples, from: number, to: number): boolean {
  return torn.places.within(from, to).next().done === false;
}

/** Numbers that follow each other, put together. */
function inRows(numbers: readonly number[]): number[][] {
  const rows: number[][] = [];
  for (const number of numbers) {
    const row = rows.at(-1);
    if (row && row.at(-1) === number - 1) row.push(number);
    else rows.push([number]);
  }
  return rows;
}

/**
 * The samples of each track without those that holes took. Their time is kept: the sample before each
 * lasts longer, and a track whose first ones are lost begins later.
 */
export function samplesLeft(
  tracks: readonly ListedTrack[],
  holes: readonly MediaHole[],
): readonly SampleColumns[] {
  return tracks.map(({ samples }, place) => {
    const lost = new Set(holes.flatMap((hole) => hole.lost[place] ?? []));
    return lost.size > 0 ? samplesWithout(samples, lost) : samples;
  });
}

function samplesWithout(samples: SampleColumns, lost: ReadonlySet<number>): SampleColumns {
  const kept = new SampleColumns(samples.count - lost.size);
  kept.start = samples.start;
  let pending = 0;
  for (let at = 0; at < samples.count; at += 1) {
    const duration = samples.duration[at] ?? 0;
    if (lost.has(at)) {
      pending += duration;
      continue;
    }
    if (kept.count === 0) kept.start += pending;
    else kept.duration[kept.count - 1] = (kept.duration[kept.count - 1] ?? 0) + pending;
    pending = 0;
    kept.push(
      samples.offset[at] ?? 0,
      samples.size[at] ?? 0,
      duration,
      samples.shift[at] ?? 0,
      samples.sync[at] === 1,
      samples.description[at] ?? 1,
    );
  }
  return kept;
}

/** Milliseconds that holes took, of the track that lost most. */
export function lostMs(tracks: readonly ListedTrack[], holes: readonly MediaHole[]): number {
  return Math.max(0, ...lostSeconds(tracks, holes)) * 1000;
}

function lostSeconds(tracks: readonly ListedTrack[], holes: readonly MediaHole[]): number[] {
  return tracks.map(({ layout, samples }, place) => {
    const lost = new Set(holes.flatMap((hole) => hole.lost[place] ?? []));
    const ticks = [...lost].reduce((sum, sample) => sum + (samples.duration[sample] ?? 0), 0);
    return ticks / layout.timescale;
  });
}

/** What a hole is and took, for a person: part of a sentence. */
export function describeHole(tracks: readonly ListedTrack[], hole: MediaHole): string {
  const seconds = lostSeconds(tracks, [hole]);
  const takes = tracks.flatMap(({ layout }, place) => {
    const count = hole.lost[place]?.length ?? 0;
    if (count === 0) return [];
    return [`${count} of ${layout.entry.codec} (${(seconds[place] ?? 0).toFixed(2)} s)`];
  });
  const from = Math.min(...tracks.map((track, place) => beginsAt(track, hole.lost[place])));
  const bytes = hole.to - hole.from;
  const what = hole.zeros
    ? `${bytes} bytes are zero that were never written`
    : `in ${bytes} bytes there is not what the index lists`;
  const when = `from second ${from.toFixed(2)} on`;
  return takes.length > 0
    ? `${what}: of the samples ${takes.join(' and ')} ${when} are lost`
    : `${what}: no sample is lost`;
}

/** When the first of these samples is decoded, in seconds; Infinity without any. */
function beginsAt({ layout, samples }: ListedTrack, lost: readonly number[] = []): number {
  const [first] = lost;
  if (first === undefined) return Number.POSITIVE_INFINITY;
  let ticks = samples.start;
  for (let at = 0; at < first; at += 1) ticks += samples.duration[at] ?? 0;
  return ticks / layout.timescale;
}
