/**
 * Lanes: tracks whose samples look alike, so that a sample could be of any of them.
 */
import { blindCodec } from '../codec/blind-nal.ts';
import type { SampleCodec } from '../codec/codec.ts';
import { sampleCodec } from '../codec/sample-codecs.ts';
import type { FoundSamples } from './found-samples.ts';
import type { MediaModel, TrackModel } from './media-model.ts';
import type { TrackLayout } from './movie.ts';
import { TrackClocks } from './track-clocks.ts';

export interface Lane {
  readonly codec: SampleCodec;
  /** Indices of the tracks in the model. */
  readonly tracks: readonly number[];
  readonly clocks: TrackClocks;
  epoch: number;
  /** Samples taken. */
  taken: number;
  /** Mean bytes of the last samples; of the reference's at first. */
  usualBytes: number;
  /** Runs of uncompressed sound, and the bytes that all of them are a multiple of. */
  runs: number;
  runUnit: number;
  /** Slices of the pictures: fewest and most, and those of the picture taken last. */
  fewestSlices: number;
  mostSlices: number;
}

/**
 * Groups the tracks of a model into lanes. Tracks of codecs that nobody can measure are left out, and
 * beside pictures of that kind uncompressed sound, too: any bytes may be some.
 */
export function lanesOf(model: MediaModel): Lane[] {
  const lanes = new Map<string, { codec: SampleCodec; tracks: number[] }>();
  const mayBePcm = unfindable(model).every(({ entry }) => entry.kind !== 'video');
  model.tracks.forEach((track, place) => {
    const codec = codecOf(track);
    if (!codec || (codec.framing === 'fixed' && !mayBePcm)) return;
    const alike =
      codec.kind === 'audio'
        ? `${codec.codec} ${codec.rate} ${codec.channels} ${codec.usualDuration} ${codec.fixedBytes}`
        : `video ${place}`;
    const lane = lanes.get(alike);
    if (lane) lane.tracks.push(place);
    else lanes.set(alike, { codec, tracks: [place] });
  });
  return [...lanes.values()].map(({ codec, tracks }) => ({
    codec,
    tracks,
    clocks: new TrackClocks(tracks, model.tracks, codec.rate || 1),
    epoch: 0,
    taken: 0,
    usualBytes: model.tracks[tracks[0] ?? 0]?.meanSample ?? 0,
    runs: 0,
    runUnit: 0,
    fewestSlices: 0,
    mostSlices: 0,
  }));
}

function codecOf({ layout: { stsd, entry }, blind }: TrackModel): SampleCodec | null {
  if (entry.encrypted || stsd.length < 24) return null;
  return blind ? blindCodec(blind) : sampleCodec(stsd.subarray(16));
}

/** Tracks of pictures and sound whose codec nobody can measure. */
export function unfindable(model: MediaModel): TrackLayout[] {
  return model.tracks
    .filter(({ layout }) => layout.entry.kind === 'video' || layout.entry.kind === 'audio')
    .filter((track) => codecOf(track) === null)
    .map(({ layout }) => layout);
}

/** A lane has taken a run of uncompressed sound, up to a sample behind it. */
export function countRun(lane: Lane, bytes: number): void {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  lane.runs += 1;
  lane.runUnit = divisor(lane.runUnit, bytes);
}

// Runs of fewer frames are a multiple of anything, and few runs of much by chance.
const leastFrames = 64;
const leastRuns = 8;

/** What the runs of uncompressed sound of this file are a multiple of; 0 while that is not known, and of other sound. */
export function runHabit({ codec, runs, runUnit }: Lane): number {
  return runs >= leastRuns && runUnit >= leastFrames * codec.fixedBytes ? runUnit : 0;
}

/** A lane has taken a sample of so many bytes. */
export function countSample(lane: Lane, bytes: number): void {
  lane.taken += 1;
  lane.usualBytes += (bytes - lane.usualBytes) / Math.min(lane.taken, 64);
}

/**
 * Behind a hole: muxers write the packets of equal time of several sound tracks together, never a picture
 * between them. So the run up to the first picture tells where in the turn it began.
 *
 * @param from  number of the first sample behind the hole
 */
export function realign(
  samples: FoundSamples,
  lanes: readonly Lane[],
  model: MediaModel,
  from: number,
): void {
  for (const { codec, tracks, clocks } of lanes) {
    const isFine = tracks.every((track) => (model.tracks[track]?.usualRun ?? 1) <= tracks.length);
    if (codec.kind !== 'audio' || tracks.length < 2 || !isFine) continue;
    const run: number[] = [];
    for (let index = from; index < samples.count; index += 1) {
      if (tracks.includes(samples.track[index] ?? 0)) run.push(index);
    }
    const first = (tracks.length - (run.length % tracks.length)) % tracks.length;
    run.forEach((index, place) => {
      samples.track[index] = tracks[(first + place) % tracks.length] ?? 0;
    });
    clocks.equalise();
  }
}
