/**
 * What an ISO base media file is: whole, interrupted or empty, judged by its boxes alone.
 *
 * Reads headers and the ends of the sample tables; the media only where an index leaves some of it out.
 */
import type { ByteSource } from '../bytes.ts';
import type { ContainerId, Damage, Diagnosis, FileVerdict, TrackSummary } from '../diagnosis.ts';
import type { DiagnoseContext } from '../format.ts';
import { fourcc } from './fields.ts';
import {
  type FileOutline,
  type IndexedMedia,
  type MediaRange,
  outline,
  readIndex,
  unindexed,
} from './file-index.ts';
import { holesTold, samplesLeft } from './hole-losses.ts';
import { withLostFragments } from './lost-fragments.ts';
import { findHoles, hasHoleNearEnd, listedBy } from './media-holes.ts';
import { modelOf } from './media-model.ts';
import { isKeptBlind, type Movie, playedMs, type Track } from './movie.ts';
import { SampleScanner } from './sample-scanner.ts';
import { declaredEnd } from './sample-table.ts';

/** A diagnosis with what it was made from, for the plan that may follow. */
export interface FileState {
  readonly outline: FileOutline;
  readonly diagnosis: Diagnosis;
}

/** Reads the state of a file. */
export function fileState(source: ByteSource): FileState {
  const found = outlineToZeros(source);
  const { movie } = found;
  const base = {
    container: containerOf(source, found),
    writer: movie?.writer ?? null,
    ...(movie?.createdAt === undefined ? {} : { createdAt: movie.createdAt }),
  };
  if (!movie) return { outline: found, diagnosis: { ...base, ...withoutIndex(source, found) } };
  const judged =
    found.fragments > 0 ? fragmented(source, found, movie) : indexed(source, found, movie);
  return { outline: found, diagnosis: { ...base, ...judged } };
}

/**
 * The diagnosis with the holes in what the index lists: all of them when the media is to be read, or
 * when a few places near its end already show one.
 */
export function withHolesTold(
  source: ByteSource,
  { outline: found, diagnosis }: FileState,
  { media = false, progress }: DiagnoseContext,
): Diagnosis {
  if (!found.movie || diagnosis.verdict === 'empty') return diagnosis;
  const written = limited(source, zeroTailFrom(source, found.movie));
  const index = () => readIndex(written, found, progress);
  if (!media && !hasHoleNearEnd(written, found.media, index)) return diagnosis;
  const listed = index();
  const tracks = listed ? listedBy(listed) : [];
  const holes = findHoles(written, tracks, progress);
  // Media that no index lists is damage where samples are found in it, as the repair finds them.
  const isDamaged = listed !== null && withLostFragments(written, listed, progress).added > 0;
  const unlisted = isDamaged ? listed.unlisted : [];
  if (holes.length === 0 && unlisted.length === 0) return diagnosis;
  const left = samplesLeft(tracks, holes).some(({ count }) => count > 0);
  const lost = (place: number) => new Set(holes.flatMap((hole) => hole.lost[place] ?? [])).size;
  const told = holesTold(tracks, holes).map(({ at, detail }): Damage => {
    return { kind: 'hole', at, detail };
  });
  return {
    ...diagnosis,
    verdict: 'interrupted',
    tracks: diagnosis.tracks.map((track, place) => {
      return track.samples === null ? track : { ...track, samples: track.samples - lost(place) };
    }),
    damage: [...diagnosis.damage, ...told, ...unlisted.slice(0, 1).map(unlistedTold)].toSorted(
      (a, b) => a.at - b.at,
    ),
    recoverable: left,
  };
}

function unlistedTold({ from, to }: MediaRange): Damage {
  const detail = `The index of the fragment in front of byte ${from} is damaged: ${to - from} bytes of media are in none.`;
  return { kind: 'hole', at: from, detail };
}

// Zeros that end a file may cover half an index, which would be read as one with empty tables.
function outlineToZeros(source: ByteSource): FileOutline {
  const found = outline(source);
  const zeros = zeroTailFrom(source, found.movie);
  return zeros < source.size ? outline(limited(source, zeros)) : found;
}

type Judgement = Omit<Diagnosis, 'container' | 'writer' | 'createdAt'>;

/** `mp4`, `mov` or `m4a`, by the brand and, where there is none, by what came before brands. */
export function containerOf(source: ByteSource, found: FileOutline): ContainerId {
  const { brand } = found;
  if (brand === 'qt  ') return 'mov';
  if (brand.startsWith('M4A') || brand.startsWith('M4B')) return 'm4a';
  if (brand !== '') return 'mp4';
  const first = fourcc(source.read(4, 4), 0);
  return first === 'wide' || first === 'moov' || first === 'mdat' ? 'mov' : 'mp4';
}

function withoutIndex(source: ByteSource, found: FileOutline): Judgement {
  const media = found.media.reduce((sum, range) => sum + range.to - range.from, 0);
  const first = found.media[0];
  const shared = { durationMs: null, tracks: [] } as const;
  const zeros = zeroTailFrom(source, null);
  if ((!first || media === 0) && zeros < source.size) {
    return nothingButZeros(zeros, source.size - zeros);
  }
  if (!first || media === 0) {
    const detail = 'The file ends before its first sample: nothing was recorded into it yet.';
    return {
      ...shared,
      verdict: found.stop < source.size ? 'interrupted' : 'empty',
      damage: [{ kind: 'no-media', at: Math.min(found.stop, source.size), detail }],
      recoverable: found.stop < source.size,
      needsReference: true,
    };
  }
  if (isAllZero(source, first.from, source.size)) return nothingButZeros(first.from, media);
  const detail = `The index (moov) was never written; ${media} bytes of media are there.`;
  return {
    ...shared,
    verdict: 'interrupted',
    damage: [{ kind: 'no-index', at: source.size, detail }],
    recoverable: true,
    needsReference: true,
  };
}

function nothingButZeros(at: number, bytes: number): Judgement {
  const detail = `The ${bytes} bytes of media are all zero: they were never written to the disk.`;
  return {
    durationMs: null,
    tracks: [],
    verdict: 'beyond-repair',
    damage: [{ kind: 'zero-tail', at, detail }],
    recoverable: false,
    needsReference: false,
  };
}

/** True when every byte is zero. Looks at samples of it first, so that the usual answer is quick. */
export function isAllZero(source: ByteSource, from: number, to: number): boolean {
  const step = Math.max(1, Math.floor((to - from) / 64));
  for (let at = from; at < to; at += step) {
    if (source.read(at, Math.min(256, to - at)).some((byte) => byte !== 0)) return false;
  }
  for (let at = from; at < to; at += 1024 * 1024) {
    if (source.read(at, Math.min(1024 * 1024, to - at)).some((byte) => byte !== 0)) return false;
  }
  return true;
}

// PCM may end in silence; no coded sample ends in this many zeros.
const leastZeroTail = 4096;

/** Where the zeros begin that end a file; its size when it does not end in zeros. */
export function zeroTailFrom(source: ByteSource, movie: Movie | null): number {
  const mayBeSilent = movie?.tracks.some((track) => track.entry.frameBytes > 0) ?? false;
  let from = source.size;
  if (source.read(Math.max(0, from - 64), 64).some((byte) => byte !== 0)) return from;
  const step = 64 * 1024;
  while (from > 0) {
    const at = Math.max(0, from - step);
    const block = source.read(at, from - at);
    const last = block.findLastIndex((byte) => byte !== 0);
    from = at + last + 1;
    if (last >= 0) break;
  }
  const least = mayBeSilent ? 1024 * 1024 : leastZeroTail;
  return source.size - from >= least ? from : source.size;
}

/** A file with an index and no fragments. */
function indexed(source: ByteSource, found: FileOutline, movie: Movie): Judgement {
  const samples = movie.tracks.reduce((sum, track) => sum + track.samples, 0);
  const media = found.media.reduce((sum, range) => sum + range.to - range.from, 0);
  if (samples === 0 && media === 0) {
    const detail = 'The index lists no sample and no media follows it.';
    return {
      verdict: 'empty',
      durationMs: 0,
      tracks: [],
      damage: [{ kind: 'no-media', at: movie.end, detail }],
      recoverable: false,
      needsReference: false,
    };
  }
  const end = Math.max(0, ...movie.tracks.map((track) => declaredEnd(source, track)));
  const zeros = zeroTailFrom(source, movie);
  if (end > zeros || found.torn?.type === 'mdat') return cutShort(source, found, end, zeros);
  const rest = unindexed(found, end);
  const stale = rest && samples > 0 ? readsOn(source, found, rest.to) : 0;
  const damage: Damage[] = encryption(movie);
  if (stale > 0 || (samples === 0 && media > 0)) {
    const detail = `The index is older than the file: media goes on for ${(rest?.to ?? end) - end} bytes behind its last sample.`;
    damage.push({ kind: 'stale-header', at: end, detail });
  }
  return {
    ...shownBy(movie, (track) => ({
      samples: track.samples,
      durationMs: Math.round(playedMs(movie, track, track.duration)),
    })),
    verdict: damage.some(({ kind }) => kind === 'stale-header') ? 'interrupted' : 'whole',
    damage,
    recoverable: true,
    needsReference: false,
  };
}

function encryption(movie: Movie): Damage[] {
  if (!movie.encrypted) return [];
  const detail = 'The samples are encrypted: they can be kept, not looked into.';
  return [{ kind: 'encrypted', at: movie.start, detail }];
}

/** Index in front, media cut short: what a faststart file looks like whose copy was interrupted. */
function cutShort(source: ByteSource, found: FileOutline, end: number, zeros: number): Judgement {
  const index = readIndex(limited(source, zeros), found);
  const kept = index?.tracks.reduce((sum, { samples }) => sum + samples.count, 0) ?? 0;
  const damage: Damage[] = found.movie ? encryption(found.movie) : [];
  if (zeros < source.size) {
    const detail = `The last ${source.size - zeros} bytes are zero: they were never written to the disk.`;
    damage.push({ kind: 'zero-tail', at: zeros, detail });
  } else {
    const detail = `The index expects media up to byte ${end}, the file ends at ${source.size}: ${index?.missing ?? 0} samples are missing.`;
    damage.push({ kind: 'torn-tail', at: source.size, detail });
  }
  return {
    ...shownIndex(index),
    verdict: 'interrupted',
    damage,
    recoverable: kept > 0,
    needsReference: false,
  };
}

/** The source up to a byte, so that everything behind counts as missing. */
export function limited(source: ByteSource, end: number): ByteSource {
  if (end >= source.size) return source;
  return {
    size: end,
    read: (offset, length) => source.read(offset, Math.max(0, Math.min(length, end - offset))),
  };
}

/** Samples that follow behind the last indexed one, looked for in the first megabytes. */
function readsOn(source: ByteSource, found: FileOutline, to: number): number {
  const index = readIndex(source, found);
  if (!index || to - index.end < 8) return 0;
  const scanner = new SampleScanner(modelOf(index), index.end);
  // Padding in the media is not rare, and random bytes may look like a sample or two.
  scanner.scan(source, Math.min(to, index.end + 2 * 1024 * 1024), false);
  const { samples } = scanner;
  return samples.count >= 2 && (samples.offset[0] ?? 0) - index.end < 4096 ? samples.count : 0;
}

function fragmented(source: ByteSource, found: FileOutline, movie: Movie): Judgement {
  const zeros = zeroTailFrom(source, movie);
  const index = readIndex(limited(source, zeros), found);
  const damage = [...encryption(movie), ...fragmentDamage(source, found, movie, index, zeros)];
  const kept = index?.tracks.reduce((sum, { samples }) => sum + samples.count, 0) ?? 0;
  const isWhole = damage.every(({ kind }) => kind === 'encrypted');
  const verdict: FileVerdict = isWhole ? (kept > 0 ? 'whole' : 'empty') : 'interrupted';
  return {
    ...shownIndex(index),
    verdict,
    damage,
    recoverable: kept > 0 || verdict === 'interrupted',
    needsReference: false,
    // A recording of fragments may end with any of them, unless an index over all follows or precedes.
    ...(verdict === 'whole' && !found.hasRandomAccess && !found.hasSegmentIndex
      ? { openEnded: true }
      : {}),
  };
}

function fragmentDamage(
  source: ByteSource,
  found: FileOutline,
  movie: Movie,
  index: IndexedMedia | null,
  zeros: number,
): Damage[] {
  const size = source.size;
  if (zeros < size) {
    const detail = `The last ${size - zeros} bytes are zero: they were never written to the disk.`;
    return [{ kind: 'zero-tail', at: zeros, detail }];
  }
  if (found.stop < size) {
    const detail = `At byte ${found.stop} the boxes of the file end; ${size - found.stop} bytes follow.`;
    return [{ kind: 'hole', at: found.stop, detail }];
  }
  if (index && index.unwrittenAt >= 0) {
    const at = index.unwrittenAt;
    const detail = `The index of a fragment was never written from byte ${at} on: its samples behind that are lost.`;
    return [{ kind: 'hole', at, detail }];
  }
  if (found.torn) {
    const { type, start } = found.torn;
    const missing = index?.missing ?? 0;
    const detail = `The last ${type === 'moof' ? 'fragment is cut off inside its index' : `box (${type}) is cut off`}: ${missing} of its samples are incomplete.`;
    return [{ kind: 'torn-tail', at: start, detail }];
  }
  if (index && index.missing > 0) {
    const detail = `${index.missing} listed samples lie beyond the end of the file.`;
    return [{ kind: 'torn-tail', at: size, detail }];
  }
  const rest = index ? unindexed(found, index.reach) : null;
  if (rest && rest.to - rest.from >= 8) {
    const detail = `The last ${rest.to - rest.from} bytes of media are in no fragment's index.`;
    return [{ kind: 'unfinished', at: rest.from, detail }];
  }
  // libavformat closes a fragmented file with `mfra`; other writers end with any fragment.
  if (!found.hasRandomAccess && !found.hasSegmentIndex && /^Lavf/.test(movie.writer ?? '')) {
    const detail = 'The recorder did not close the file; every fragment in it is complete.';
    return [{ kind: 'unfinished', at: size, detail }];
  }
  return [];
}

function shownIndex(index: IndexedMedia | null): Pick<Diagnosis, 'tracks' | 'durationMs'> {
  if (!index) return { tracks: [], durationMs: null };
  const { movie, tracks } = index;
  return shownBy(movie, (track) => {
    const samples = tracks.find((indexedTrack) => indexedTrack.track === track)?.samples;
    const ticks = samples?.ticks() ?? 0;
    const skipped = track.edits.find((edit) => edit.mediaTime >= 0)?.mediaTime ?? 0;
    const start = Math.min(skipped, samples?.start ?? 0);
    const cut = track.entry.kind === 'video' ? 0 : Math.max(0, skipped - start);
    return {
      samples: samples?.count ?? 0,
      durationMs: Math.round((Math.max(0, ticks - cut) * 1000) / track.timescale),
    };
  });
}

function shownBy(
  movie: Movie,
  measured: (track: Track) => Pick<TrackSummary, 'samples' | 'durationMs'>,
): Pick<Diagnosis, 'tracks' | 'durationMs'> {
  const tracks = movie.tracks.map((track): TrackSummary => {
    const { kind, codec, width, height, sampleRate, channels } = track.entry;
    return {
      kind,
      codec,
      ...measured(track),
      ...(width > 0 ? { width, height } : {}),
      ...(sampleRate > 0 ? { sampleRate } : {}),
      ...(channels > 0 ? { channels } : {}),
      ...(isKeptBlind(track) ? { plays: false } : {}),
    };
  });
  return { tracks, durationMs: Math.max(0, ...tracks.map((track) => track.durationMs ?? 0)) };
}
