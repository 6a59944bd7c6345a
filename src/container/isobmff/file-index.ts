/**
 * The index of a file, wherever it hides: `moov` and `moof` at the top level or inside an `mdat`,
 * complete or cut off, current or outdated.
 *
 * Layouts that were seen: a regular movie, index behind or in front; fragments; OBS's hybrid files,
 * whose fragments lie inside a finished `mdat`; GStreamer's `first-moov-then-finalise`, where each
 * `moof` stands behind its media; GStreamer's robust files, whose `moov` is up to a second old.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import { Cancelled } from '../bytes.ts';
import { type Box, boxAt, isFileBox, readAhead, walkFile } from './boxes.ts';
import { FragmentGatherer } from './fragments.ts';
import { type Movie, readMovie, type Track } from './movie.ts';
import type { SampleColumns } from './sample-columns.ts';
import { SamplePlaces } from './sample-places.ts';
import { readSamples } from './sample-table.ts';

/** A run of bytes that holds media, or may. */
export interface MediaRange {
  readonly from: number;
  readonly to: number;
}

/** Media that no index lists. */
export interface UnlistedRange extends MediaRange {
  /** A sample begins where it does; else somewhere in it. */
  readonly isSure: boolean;
}

/** How the top level of a file lies; cheap, reads headers only. */
export interface FileOutline {
  /** The movie with the most to say: the last complete one. */
  readonly movie: Movie | null;
  /** Payloads of `mdat` boxes in file order, cut at the end of the file. */
  readonly media: readonly MediaRange[];
  readonly fragments: number;
  /** First and last `moof`. */
  readonly firstFragment: Box | null;
  readonly lastFragment: Box | null;
  /** The box that the end of the file cuts off; null when none is. */
  readonly torn: Box | null;
  /** Where the bytes stop being boxes; the file's size when they never do. */
  readonly stop: number;
  /** `mfra` is there: the writer of fragments came to its end. */
  readonly hasRandomAccess: boolean;
  /** `sidx` is there: the fragments are segments of a stream, which no `mfra` closes. */
  readonly hasSegmentIndex: boolean;
  /** An `mdat` without size: closed by nobody, or written so on purpose. */
  readonly openMedia: boolean;
  /** The index was found inside an `mdat`. */
  readonly hidden: boolean;
  readonly brand: string;
}

/** Reads the outline of a file. Never throws; bounded by the boxes that are there. */
export function outline(source: ByteSource): FileOutline {
  return new OutlineReader(source).read();
}

class OutlineReader {
  readonly #source: ByteSource;
  #movie: Movie | null = null;
  readonly #media: MediaRange[] = [];
  #fragments = 0;
  #firstFragment: Box | null = null;
  #lastFragment: Box | null = null;
  #torn: Box | null = null;
  #hasRandomAccess = false;
  #hasSegmentIndex = false;
  #openMedia = false;
  #hidden = false;
  #brand = '';

  constructor(source: ByteSource) {
    this.#source = source;
  }

  read(): FileOutline {
    const walk = walkFile(this.#source, 0, (box) => this.#visit(box, false));
    return {
      movie: this.#movie,
      media: this.#media,
      fragments: this.#fragments,
      firstFragment: this.#firstFragment,
      lastFragment: this.#lastFragment,
      torn: this.#torn,
      stop: walk.stop,
      hasRandomAccess: this.#hasRandomAccess,
      hasSegmentIndex: this.#hasSegmentIndex,
      openMedia: this.#openMedia,
      hidden: this.#hidden,
      brand: this.#brand,
    };
  }

  #visit(box: Box, inside: boolean): boolean {
    const { size } = this.#source;
    const isTorn = box.end > size;
    if (isTorn && !inside) this.#torn = box;
    switch (box.type) {
      case 'ftyp':
        this.#brand = String.fromCharCode(...this.#source.read(box.body, 4));
        break;
      case 'moov': {
        const movie = isTorn ? null : readMovie(this.#source, box);
        if (movie && saysMore(movie, this.#movie)) {
          this.#movie = movie;
          this.#hidden = inside;
        }
        break;
      }
      case 'moof':
        this.#fragments += 1;
        this.#firstFragment ??= box;
        this.#lastFragment = box;
        break;
      case 'mfra':
        if (!isTorn) this.#hasRandomAccess = true;
        break;
      case 'sidx':
        this.#hasSegmentIndex = true;
        break;
      case 'mdat':
        if (inside) break;
        if (box.open) this.#openMedia = true;
        this.#addMedia(box.body, Math.min(box.end, size));
        // A finished hybrid file has its real index behind: what is inside is only looked at when
        // nothing follows.
        if (box.open || box.end >= size) this.#lookInside(box);
        break;
      default:
    }
    return true;
  }

  // Fragmented files have one `mdat` per fragment: neighbours are joined so that the list stays short.
  #addMedia(from: number, to: number): void {
    if (to <= from) return;
    const last = this.#media.at(-1);
    if (last && this.#fragments > 0 && this.#media.length > 1000) {
      this.#media[this.#media.length - 1] = { from: last.from, to };
    } else this.#media.push({ from, to });
  }

  #lookInside(box: Box): void {
    const first = boxAt(this.#source, box.body, this.#source.size);
    if (!first || !isFileBox(first.type) || this.#movie) return;
    walkFile(this.#source, box.body, (inner) => this.#visit(inner, true));
  }
}

/** A later movie counts when it knows more samples, or when the one before had none at all. */
function saysMore(movie: Movie, before: Movie | null): boolean {
  const known = (from: Movie) => from.tracks.reduce((sum, track) => sum + track.samples, 0);
  return before === null || known(movie) > known(before);
}

/** One track with the samples its index lists and the file holds. */
export interface IndexedTrack {
  readonly track: Track;
  readonly samples: SampleColumns;
}

export interface IndexedMedia {
  readonly movie: Movie;
  readonly tracks: readonly IndexedTrack[];
  /** Samples that are listed but not (wholly) there. */
  readonly missing: number;
  /** Their time in milliseconds, of the track that misses most. */
  readonly missingMs: number;
  /** End of the last sample that is there; 0 without samples. */
  readonly end: number;
  /**
   * End of the last listed sample of which at least a byte is there. A sample cut off by the end of
   * the file is torn, and not media that the index leaves out.
   */
  readonly reach: number;
  /** Where a fragment's index was never written, so that what it lists from there on is lost; else -1. */
  readonly unwrittenAt: number;
  /** Media between fragments of which nothing, or little, is listed: its fragment's index is damaged. */
  readonly unlisted: readonly UnlistedRange[];
}

/**
 * Reads every sample the index of a file lists, from tables and fragments together.
 *
 * @throws Cancelled when `progress` says so
 */
export function readIndex(
  source: ByteSource,
  found: FileOutline,
  progress?: Progress,
): IndexedMedia | null {
  const { movie } = found;
  if (!movie) return null;
  const gatherer = new FragmentGatherer(source, movie);
  let missing = 0;
  let missingMs = 0;
  let end = 0;
  let reach = 0;
  for (const track of movie.tracks) {
    const isPcm = track.entry.frameBytes > 0;
    const read = readSamples(source, track, source.size, isPcm);
    const gathered = gatherer.tracks.get(track.id);
    if (!gathered) continue;
    gatherer.tracks.set(track.id, { samples: read.samples, next: read.samples.ticks() });
    missing += read.missing;
    missingMs = Math.max(missingMs, (read.missingTicks * 1000) / track.timescale);
    end = Math.max(end, read.samples.end());
    reach = Math.max(reach, read.reach);
  }
  const doubtful = found.fragments > 0 ? gatherFragments(source, found, gatherer, progress) : [];
  const tracks = movie.tracks.flatMap((track) => {
    const gathered = gatherer.tracks.get(track.id);
    return gathered ? [{ track, samples: gathered.samples }] : [];
  });
  return {
    movie,
    tracks,
    missing: missing + gatherer.missing,
    missingMs,
    end: Math.max(end, gatherer.end),
    reach: Math.max(reach, gatherer.reach),
    unwrittenAt: gatherer.unwrittenAt,
    unlisted: unlisted(tracks, doubtful),
  };
}

/** @returns ranges of which the fragment in front of them lists little */
function gatherFragments(
  source: ByteSource,
  found: FileOutline,
  gatherer: FragmentGatherer,
  progress?: Progress,
): UnlistedRange[] {
  const ahead = readAhead(source);
  const doubtful: UnlistedRange[] = [];
  let boxes = 0;
  let listed = 0;
  const visit = (box: Box) => {
    boxes += 1;
    if (boxes % 512 === 0 && progress && !progress(box.start)) throw new Cancelled();
    if (box.type === 'moof') gatherer.add(box, source.size);
    if (box.type === 'mdat' && box.end <= source.size) {
      if (gatherer.listed - listed < (box.end - box.body) / 2) {
        doubtful.push({ from: box.body, to: box.end, isSure: true });
      }
      listed = gatherer.listed;
    }
    return true;
  };
  // Beginning at the first fragment passes over the `mdat` that may hide all of them.
  let at = found.firstFragment?.start ?? 0;
  while (at < source.size) {
    const walk = walkFile(ahead, at, visit);
    if (!walk.broken) break;
    const next = findFragment(source, walk.stop, progress);
    if (next < 0) break;
    const from = mediaBefore(source, walk.stop, next);
    doubtful.push({ from, to: next, isSure: from > walk.stop });
    at = next;
  }
  return doubtful;
}

// What is damaged in front of media is the index of a fragment, of some hundred KB at most.
const longestIndex = 1024 * 1024;

/** Where behind `from` the media begins that ends at `end`; `from` when its header is damaged, too. */
function mediaBefore(source: ByteSource, from: number, end: number): number {
  const bytes = source.read(from, Math.min(longestIndex, end - from));
  for (let m = bytes.indexOf(0x6d, 4); m >= 0; m = bytes.indexOf(0x6d, m + 1)) {
    if (bytes[m + 1] !== 0x64 || bytes[m + 2] !== 0x61 || bytes[m + 3] !== 0x74) continue;
    const media = boxAt(source, from + m - 4, source.size);
    if (media?.end === end) return media.body;
  }
  return from;
}

// Of what an index lists at least so much lies in the media it is for.
const leastListed = 0.5;

/** The ranges of which an index lists little or nothing, from where it ends. */
function unlisted(
  tracks: readonly IndexedTrack[],
  ranges: readonly UnlistedRange[],
): UnlistedRange[] {
  const places = tracks.map(({ samples }) => new SamplePlaces(samples));
  return ranges.flatMap((range) => {
    let [bytes, end] = [0, range.from];
    tracks.forEach(({ samples }, track) => {
      for (const sample of places[track]?.within(range.from, range.to) ?? []) {
        const [offset = 0, size = 0] = [samples.offset[sample], samples.size[sample]];
        bytes += size;
        end = Math.max(end, offset + size);
      }
    });
    const isLost = bytes < (range.to - range.from) * leastListed && end < range.to;
    return isLost ? [{ ...range, from: end }] : [];
  });
}

/** Looks for the next `moof` behind bytes that are no box (a hole). Linear; -1 when there is none. */
function findFragment(source: ByteSource, from: number, progress?: Progress): number {
  const step = 1024 * 1024;
  for (let at = from; at < source.size; at += step) {
    if (progress && !progress(at)) throw new Cancelled();
    const block = source.read(at, step + 8);
    for (let m = block.indexOf(0x6d, 4); m >= 0; m = block.indexOf(0x6d, m + 1)) {
      const isMoof = block[m + 1] === 0x6f && block[m + 2] === 0x6f && block[m + 3] === 0x66;
      if (!isMoof) continue;
      const moof = boxAt(source, at + m - 4, source.size);
      const inner = moof ? boxAt(source, moof.body, source.size) : null;
      if (inner?.type === 'mfhd') return at + m - 4;
    }
  }
  return -1;
}

/**
 * The media bytes that no sample of the index covers, behind its last one: what a stale index has
 * left out. Boxes that stand between are not cut out; the scanner knows them.
 */
export function unindexed(found: FileOutline, end: number): MediaRange | null {
  const behind = found.media.filter((range) => range.to > end);
  const first = behind[0];
  const last = behind.at(-1);
  if (!first || !last) return null;
  return { from: Math.max(first.from, end), to: last.to };
}
