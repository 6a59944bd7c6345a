/**
 * Holes in media that an index lists: the index says where samples are, not that they were written.
 *
 * After a power cut, blocks of a file that were on their way read as zeros, or as what lay on the disk
 * before. Decision 0305 says when that is believed; torn-samples.ts asks the samples.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import {
  beginsLikeAHole,
  holdsPage,
  inBlocks,
  sector,
  wholeRun,
  withZerosBeside,
  type ZeroRun,
  ZeroSectors,
} from '../zero-sectors.ts';
import type { IndexedMedia, MediaRange } from './file-index.ts';
import type { TrackLayout } from './movie.ts';
import type { SampleColumns } from './sample-columns.ts';
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

/**
 * The same for samples that were found by their beginnings: they chain up, and the zeros in them were met on
 * the way.
 */
export function findHolesIn(
  source: ByteSource,
  tracks: readonly ListedTrack[],
  runs: readonly (readonly [from: number, to: number])[],
): readonly MediaHole[] {
  const search = new HoleSearch(source, tracks);
  for (const [from, to] of runs) {
    if (!search.touches(from, to)) continue;
    // While a file grows its writer may come back to what it left out.
    const sectors = new ZeroSectors((start, end) => search.take(start, end));
    inBlocks(source, from, to, 0, (block, at) => sectors.take(block, at));
    sectors.end();
  }
  return search.judge(new Map());
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

  /** Whether a sample lies there that can prove anything. */
  touches(from: number, to: number): boolean {
    return this.#touched(from, to).length > 0;
  }

  #touched(from: number, to: number): (TornSamples | null)[] {
    return this.#torn.filter((torn) => torn !== null && holdsAny(torn, from, to));
  }

  /** Takes zero sectors into account, if a sample lies in them that can prove anything. */
  take(from: number, to: number, runAround = withZerosBeside): void {
    const touched = this.#touched(from, to);
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
      const places = torn?.places ?? new SamplePlaces(samples);
      const hit = [...places.within(run.from, run.to)].filter((sample) => {
        return !torn?.isComplete(sample) && !torn?.endedBefore(sample, run);
      });
      // What begins in the zeros behind the last sector is lost, too, where zeros cannot begin it.
      const more = torn ? [...places.within(run.to, run.zerosTo)] : [];
      const begun = more.filter((sample) => torn?.beginsIn(sample, run) && !hit.includes(sample));
      return [...hit, ...begun].toSorted((a, b) => a - b);
    });
  }

  /**
   * What is lost with pictures that do not chain up and stand in a row: the sound around them that cannot
   * be read, and the picture before them, if the garbage must have begun in it.
   */
  #garbage(place: number, row: readonly number[], known: ReadonlySet<number>): MediaHole {
    const torn = this.#torn[place];
    const [first = 0, last = 0] = [row[0], row.at(-1)];
    const [start] = torn?.range(first) ?? [0];
    const [, to] = torn?.range(last) ?? [0, 0];
    const before = first > 0 && !known.has(first - 1) ? torn?.range(first - 1) : undefined;
    const from = before && before[1] <= start ? before[1] : start;
    const sound = this.#torn.map((other, at) => {
      return at === place || !other ? [] : other.unreadable(from, to);
    });
    const begins = before !== undefined && this.#beginsBefore(from, start, sound);
    const lost = sound.map((samples, at) => {
      if (at !== place) return samples;
      return begins ? [first - 1, ...row] : [...row];
    });
    return { from: begins ? before[0] : start, to, zeros: false, lost };
  }

  /**
   * Whether garbage that reaches to `start` began before `from`: nothing complete lies between, and if
   * anything does, no page begins in the first of it.
   */
  #beginsBefore(from: number, start: number, lost: readonly (readonly number[])[]): boolean {
    let firstEnd = from;
    for (const [place, { samples }] of this.#tracks.entries()) {
      const places = this.#torn[place]?.places ?? new SamplePlaces(samples);
      for (const sample of places.within(from, start)) {
        const offset = samples.offset[sample] ?? 0;
        if (offset < from) continue;
        if (!lost[place]?.includes(sample)) return false;
        if (offset === from) firstEnd = offset + (samples.size[sample] ?? 0);
      }
    }
    return firstEnd === from || !holdsPage(from, firstEnd);
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
