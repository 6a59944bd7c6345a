/**
 * Plans the repair of an ISO base media file: by its index as far as that goes, by its samples
 * beyond it.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { ContainerId, TrackSummary } from '../diagnosis.ts';
import type { RepairContext } from '../format.ts';
import type { NoRepair, RepairOutcome } from '../repair-plan.ts';
import type { ZerosMet } from '../zero-sectors.ts';
import { editsFor, startOf } from './edits.ts';
import {
  type FileOutline,
  type IndexedMedia,
  type IndexedTrack,
  type MediaRange,
  unindexed,
} from './file-index.ts';
import type { FoundSamples } from './found-samples.ts';
import { holesTold, lostMs, samplesLeft } from './hole-losses.ts';
import type { Completed } from './lost-fragments.ts';
import {
  findHoles,
  findHolesIn,
  type ListedTrack,
  listedBy,
  type MediaHole,
} from './media-holes.ts';
import { type MediaModel, modelOf } from './media-model.ts';
import { type Edit, isKeptBlind } from './movie.ts';
import type { OutputTrack } from './movie-writer.ts';
import { layOut } from './output-layout.ts';
import { SampleColumns } from './sample-columns.ts';
import { unknownCodec } from './sample-entry-writer.ts';
import { SampleScanner } from './sample-scanner.ts';
import { type TimedMedia, timeSamples } from './timing.ts';

/** What a plan is made from, whichever way the samples were found. */
export interface RescuedMedia {
  /** Path of the reference whose set-up was used; null when none was needed. */
  readonly reference: string | null;
  readonly tracks: readonly OutputTrack[];
  readonly timescale: number;
  /** A track of the file could not be had, or not so that it plays. */
  readonly incomplete: boolean;
  readonly method: string;
  readonly findings: readonly string[];
  /** Bytes that carried media, or may have. */
  readonly mediaBytes: number;
  readonly lostMs: number | null;
  /** Runs of zero sectors in the media, where all of it was read for the samples; else it is read again. */
  readonly zeros?: ReturnType<ZerosMet['upTo']>;
}

/** Turns rescued media into a plan. */
export function planFor(
  source: ByteSource,
  rescued: RescuedMedia,
  container: ContainerId,
  faststart: boolean,
): RepairOutcome {
  const layout = layOut(source, rescued.tracks, rescued.timescale, faststart, container);
  const bytesOfSamples = rescued.tracks.reduce((sum, track) => sum + track.samples.bytes(), 0);
  // A damaged index may list the same bytes for several samples: they are in the file once.
  const bytesKept = Math.min(bytesOfSamples, source.size);
  const bytesLost = Math.max(0, rescued.mediaBytes - bytesKept);
  return {
    kind: 'plan',
    container,
    extension: container === 'mov' ? '.mov' : container === 'm4a' ? '.m4a' : '.mp4',
    method: rescued.method,
    reference: rescued.reference,
    ...(rescued.incomplete ? { incomplete: true } : {}),
    tracks: rescued.tracks.map((track) => summaryOf(track)),
    bytesTotal: source.size,
    bytesKept,
    bytesLost,
    lostMs: rescued.lostMs,
    findings: rescued.findings,
    outputSize: layout.size,
    pieces: () => layout.pieces(),
  };
}

/** A track as the report shows it. */
export function summaryOf(track: OutputTrack): TrackSummary {
  const { layout, samples } = track;
  const { kind, codec, width, height, sampleRate, channels, frameBytes } = layout.entry;
  const skipped = track.edits.find((edit) => edit.mediaTime >= 0)?.mediaTime ?? 0;
  const reordering = kind === 'video' ? skipped : 0;
  const ticks = samples.ticks() - skipped + reordering;
  return {
    kind,
    codec,
    samples: frameBytes > 0 ? Math.floor(samples.bytes() / frameBytes) : samples.count,
    durationMs: Math.round((Math.max(0, ticks) * 1000) / layout.timescale),
    ...(width > 0 ? { width, height } : {}),
    ...(sampleRate > 0 ? { sampleRate } : {}),
    ...(channels > 0 ? { channels } : {}),
    ...(isKeptBlind(layout) ? { plays: false } : {}),
  };
}

/** An indexed track as it goes into the new file: its samples as they are, its edit list renewed. */
export function indexedOutput(indexed: IndexedTrack, movieTimescale: number): OutputTrack {
  const { track, samples } = indexed;
  const [skipped, begins] = startOf(indexed, movieTimescale);
  const delayed = begins + stretchOf(indexed);
  const hasEdits = track.edits.length > 0 || delayed > 0;
  const start = {
    skipped: Math.round(skipped * track.timescale),
    delayed,
    timescale: track.timescale,
  };
  const isVideo = track.entry.kind === 'video';
  const end = isVideo ? Math.max(samples.shownTicks(), start.skipped) : samples.ticks();
  return {
    layout: track,
    samples,
    edits: hasEdits ? editsFor(end, start, movieTimescale) : [],
  };
}

/**
 * Seconds by which uncompressed sound is late: where an edit list would have come too early, ffmpeg
 * lets the first sample last longer. In tables of frames of one tick each there is no room for that.
 */
function stretchOf({ track, samples }: IndexedTrack): number {
  const { frameBytes, sampleRate } = track.entry;
  if (frameBytes === 0 || samples.count === 0 || sampleRate !== track.timescale) return 0;
  const frames = Math.floor((samples.size[0] ?? 0) / frameBytes);
  return Math.max(0, (samples.duration[0] ?? 0) - frames) / track.timescale;
}

/**
 * Plans by the index that is there, and reads on behind its last sample where media follows.
 *
 * @param holes  in the media that the index lists
 */
export function rescueByIndex(
  source: ByteSource,
  found: FileOutline,
  completed: Completed,
  holes: readonly MediaHole[],
  context: RepairContext,
): RescuedMedia {
  const { index: listed } = completed;
  const tracks = listedBy(listed);
  const left = samplesLeft(tracks, holes);
  const index = {
    ...listed,
    tracks: listed.tracks.map(({ track, samples }, place) => ({
      track,
      samples: left[place] ?? samples,
    })),
  };
  const rest = unindexed(found, index.reach);
  const read = rest ? readOn(source, index, rest, context.progress) : null;
  const outputs =
    read?.tracks ??
    index.tracks
      .filter((indexed) => indexed.samples.count > 0)
      .map((indexed) => indexedOutput(indexed, index.movie.timescale));
  const media = found.media.reduce((sum, range) => sum + range.to - range.from, 0);
  const findings = [
    ...indexFindings(found, listed, completed.added),
    ...holeFindings(tracks, holes),
  ];
  if (completed.added > 0) {
    findings.push(
      `In fragments whose index is damaged ${completed.added} samples were found by their content.`,
    );
  }
  if (read && read.added > 0) {
    findings.push(
      `Behind the last indexed sample at byte ${index.end}, ${read.added} more were found by their content.`,
    );
  }
  return {
    reference: null,
    incomplete: false,
    tracks: outputs,
    timescale: index.movie.timescale,
    method: methodOf(found, (read?.added ?? 0) + completed.added),
    findings,
    mediaBytes: Math.max(media, index.end > 0 ? 0 : media),
    lostMs: Math.round(
      index.missingMs + lostMs(tracks, holes) + completed.lostMs + (read?.lostMs ?? 0),
    ),
  };
}

function methodOf(found: FileOutline, added: number): string {
  const way = found.hidden ? 'hidden index' : found.fragments > 0 ? 'fragments' : 'index';
  return added > 0 ? `${way}, read on by content` : way;
}

/** @param added  samples that the index does not list itself */
function indexFindings(found: FileOutline, index: IndexedMedia, added: number): string[] {
  const kept = index.tracks.reduce((sum, { samples }) => sum + samples.count, -added);
  const findings: string[] = [];
  const where = found.hidden ? 'hidden inside the media data' : 'in the file';
  if (found.fragments > 0) {
    findings.push(`${found.fragments} fragments ${where} list ${kept} samples that are there.`);
  } else findings.push(`The index ${where} lists ${kept} samples that are there.`);
  if (index.missing > 0) {
    findings.push(`${index.missing} listed samples lie beyond the end of the file and are lost.`);
  }
  return findings;
}

function holeFindings(tracks: readonly ListedTrack[], holes: readonly MediaHole[]): string[] {
  const told = holesTold(tracks, holes).map(({ at, detail }) => `Hole at byte ${at}: ${detail}`);
  if (told.length > 0) told.push('The time of what holes took is kept as a gap.');
  const tookPictures = tracks.some(({ layout }, place) => {
    return (
      layout.entry.kind === 'video' && holes.some(({ lost }) => (lost[place] ?? []).length > 0)
    );
  });
  if (tookPictures) {
    told.push(
      'Pictures that refer to a lost one are kept: they may be distorted up to the next key frame.',
    );
  }
  return told;
}

/** Media whose samples were found by their beginnings, without those that turn out to have a hole inside. */
export function withoutTorn(
  source: ByteSource,
  rescued: RescuedMedia,
  progress?: Progress,
): RescuedMedia {
  const holes = rescued.zeros
    ? findHolesIn(source, rescued.tracks, rescued.zeros)
    : findHoles(source, rescued.tracks, progress);
  if (holes.length === 0) return rescued;
  const left = samplesLeft(rescued.tracks, holes);
  const tracks = rescued.tracks.map((track, place) => {
    const samples = left[place] ?? track.samples;
    return { ...track, samples, edits: laterEdits(track, samples, rescued.timescale) };
  });
  return {
    ...rescued,
    tracks: tracks.filter(({ samples }) => samples.count > 0),
    findings: [...rescued.findings, ...holeFindings(rescued.tracks, holes)],
    lostMs:
      rescued.lostMs === null ? null : rescued.lostMs + Math.round(lostMs(rescued.tracks, holes)),
  };
}

/** The edit list of a track that has lost samples at its beginning or end. */
function laterEdits(
  before: OutputTrack,
  samples: SampleColumns,
  timescale: number,
): readonly Edit[] {
  const late = samples.start - before.samples.start;
  const cut = before.samples.ticks() - late - samples.ticks();
  if (late === 0 && cut === 0) return before.edits;
  const delayed = before.edits.reduce(
    (sum, one) => sum + (one.mediaTime < 0 ? one.duration : 0),
    0,
  );
  const skipped = before.edits.find(({ mediaTime }) => mediaTime >= 0)?.mediaTime ?? 0;
  const start = {
    skipped: Math.max(0, skipped - late),
    delayed: delayed / timescale + Math.max(0, late - skipped) / before.layout.timescale,
    timescale: before.layout.timescale,
  };
  const isVideo = before.layout.entry.kind === 'video';
  return editsFor(isVideo ? samples.shownTicks() : samples.ticks(), start, timescale);
}

interface ReadOn {
  readonly tracks: readonly OutputTrack[];
  readonly added: number;
  readonly lostMs: number;
}

/**
 * Reads on behind an index. The scan begins at the last sync sample the index knows, so that the
 * display order of what follows is known from a picture that resets it.
 */
function readOn(
  source: ByteSource,
  index: IndexedMedia,
  rest: MediaRange,
  progress?: Progress,
): ReadOn | null {
  const model = modelOf(index);
  const from = lastSync(index) ?? rest.from;
  const kept = index.tracks.map((indexed) => samplesBefore(indexed.samples, from));
  const continued = continueModel(model, index, kept);
  const scanner = new SampleScanner(continued, from);
  if (scanner.lanes.length === 0) return null;
  scanner.scan(source, rest.to, true, progress);
  const before = index.tracks.reduce((sum, { samples }) => sum + samples.count, 0);
  const keptCount = kept.reduce((sum, samples) => sum + samples.count, 0);
  const added = scanner.samples.count + keptCount - before;
  if (added <= 0) return null;
  const timed = timeSamples(scanner.samples, continued, scanner.lanes);
  return {
    tracks: index.tracks.flatMap((indexed, place) =>
      joined(indexed, kept[place], timed, index.movie.timescale),
    ),
    added,
    lostMs: timed.lostSeconds * 1000,
  };
}

/** Offset of the last sync sample of the pictures; null when there are none. */
function lastSync(index: IndexedMedia): number | null {
  const video = index.tracks.find(({ track }) => track.entry.kind === 'video');
  if (!video) return null;
  const { samples } = video;
  for (let at = samples.count - 1; at >= 0; at -= 1) {
    if (samples.sync[at] === 1) return samples.offset[at] ?? null;
  }
  return null;
}

function samplesBefore(samples: SampleColumns, offset: number): SampleColumns {
  const kept = new SampleColumns(samples.count);
  kept.start = samples.start;
  for (let at = 0; at < samples.count && (samples.offset[at] ?? 0) < offset; at += 1) {
    kept.take(samples, at);
  }
  return kept;
}

/** The same model, its tracks beginning where the kept samples end. */
function continueModel(
  model: MediaModel,
  index: IndexedMedia,
  kept: readonly SampleColumns[],
): MediaModel {
  return {
    ...model,
    tracks: model.tracks.map((track, place) => {
      const timescale = index.tracks[place]?.track.timescale ?? 1;
      const passed = (kept[place]?.ticks() ?? 0) / timescale;
      return { ...track, delayed: track.delayed + passed, shownFrom: track.shownFrom + passed };
    }),
  };
}

function joined(
  indexed: IndexedTrack,
  kept: SampleColumns | undefined,
  timed: TimedMedia,
  movieTimescale: number,
): OutputTrack[] {
  const more = timed.tracks.find((track) => track.layout.id === indexed.track.id);
  const { timescale } = indexed.track;
  const samples = kept ?? new SampleColumns();
  if (more) {
    const factor = timescale / more.layout.timescale;
    for (let at = 0; at < more.samples.count; at += 1) {
      samples.push(
        more.samples.offset[at] ?? 0,
        more.samples.size[at] ?? 0,
        Math.round((more.samples.duration[at] ?? 0) * factor),
        Math.round((more.samples.shift[at] ?? 0) * factor),
        more.samples.sync[at] === 1,
      );
    }
  }
  if (samples.count === 0) return [];
  return [indexedOutput({ track: indexed.track, samples }, movieTimescale)];
}

/** Samples by their kind, for a finding. */
export function describeFound(found: FoundSamples, model: MediaModel): string {
  const counts = found.perTrack(model.tracks.length);
  return model.tracks
    .map(({ layout }, place) => ({ codec: layout.entry.codec, count: counts[place] ?? 0 }))
    .filter(({ codec }) => codec !== unknownCodec)
    .map(({ codec, count }) => `${count} of ${codec}`)
    .join(', ');
}

/** A refusal, with its reason. */
export function noRepair(reason: NoRepair['reason'], detail: string, next?: string): NoRepair {
  return { kind: 'none', reason, detail, ...(next ? { next } : {}) };
}
