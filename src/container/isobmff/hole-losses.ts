/**
 * What holes took: the samples that are left, how long the lost ones were, and the sentences that say so.
 */
import type { ListedTrack, MediaHole } from './media-holes.ts';
import { SampleColumns } from './sample-columns.ts';
import { SamplePlaces } from './sample-places.ts';

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
    kept.take(samples, at);
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

// A disk that fails here and there leaves hundreds.
const mostTold = 20;

/** The first holes as sentences for a person, and where each begins. */
export function holesTold(
  tracks: readonly ListedTrack[],
  holes: readonly MediaHole[],
): readonly { readonly at: number; readonly detail: string }[] {
  const told = holes.slice(0, mostTold).map((hole) => {
    return { at: hole.from, detail: `${whatItIs(hole)}: ${whatItTook(tracks, hole)}.` };
  });
  const rest = holes.slice(mostTold);
  const [next] = rest;
  if (next) {
    const ms = Math.round(lostMs(tracks, rest));
    told.push({
      at: next.from,
      detail: `${rest.length} more holes took up to ${ms} ms of a track.`,
    });
  }
  return told;
}

function whatItIs({ from, to, zeros }: MediaHole): string {
  return zeros
    ? `${to - from} bytes are zero that were never written`
    : `In ${to - from} bytes there is not what the index lists`;
}

function whatItTook(tracks: readonly ListedTrack[], hole: MediaHole): string {
  const seconds = lostSeconds(tracks, [hole]);
  const takes = tracks.flatMap(({ layout }, place) => {
    const count = hole.lost[place]?.length ?? 0;
    const lasting = (seconds[place] ?? 0).toFixed(2);
    return count > 0 ? [`${layout.entry.codec} (${count}, ${lasting} s)`] : [];
  });
  const silent = tracks.flatMap((track) => {
    const lasting = hole.zeros ? silentSeconds(track, hole) : 0;
    return lasting > 0
      ? [`${lasting.toFixed(2)} s of ${track.layout.entry.codec} are silence`]
      : [];
  });
  const from = Math.min(...tracks.map((track, place) => beginsAt(track, hole.lost[place])));
  const lost = `samples of ${takes.join(' and ')} from second ${from.toFixed(2)} on are lost`;
  return [...(takes.length > 0 ? [lost] : []), ...silent].join('; ') || 'no sample is lost';
}

/** How much uncompressed sound lies in a hole: its zeros are silence, and stay. */
function silentSeconds({ layout, samples }: ListedTrack, { from, to }: MediaHole): number {
  const { frameBytes, sampleRate } = layout.entry;
  if (frameBytes === 0 || sampleRate === 0) return 0;
  let bytes = 0;
  for (const sample of new SamplePlaces(samples).within(from, to)) {
    const start = samples.offset[sample] ?? 0;
    bytes += Math.min(to, start + (samples.size[sample] ?? 0)) - Math.max(from, start);
  }
  return bytes / frameBytes / sampleRate;
}

/** When the first of these samples is decoded, in seconds; Infinity without any. */
function beginsAt({ layout, samples }: ListedTrack, lost: readonly number[] = []): number {
  const [first] = lost;
  if (first === undefined) return Number.POSITIVE_INFINITY;
  let ticks = samples.start;
  for (let at = 0; at < first; at += 1) ticks += samples.duration[at] ?? 0;
  return ticks / layout.timescale;
}
