/**
 * Models for a file that nobody has a reference for: from parameter sets in band, from the options
 * x264 writes into its first frame, from a search over likely ones that decoding confirms.
 */
import { type ByteSource, Cancelled, prefixSource } from '../bytes.ts';
import { buildAvcConfig } from '../codec/h264-writer.ts';
import {
  candidateParameterSets,
  findX264Options,
  parseX264Options,
  type X264Options,
} from '../codec/x264.ts';
import type { RepairContext, TrialDecode } from '../format.ts';
import { layoutsInBand } from './in-band-sets.ts';
import { lanesOf } from './lanes.ts';
import type { MediaModel, TrackModel } from './media-model.ts';
import type { TrackLayout } from './movie.ts';
import { aacLayout, pcmLayout, videoLayout } from './sample-entry-writer.ts';
import { SampleScanner } from './sample-scanner.ts';
import { ScanWindow } from './scan-window.ts';
import { parameterSets, picturesFrom, tryPictures } from './trial.ts';

// Set-up stands at the beginning; a second of the highest rates fits in this.
const headBytes = 8 * 1024 * 1024;
// 130 ms each: more than a minute of trying is no help any more.
const mostTrials = 150;
const leastToGuess = 128 * 1024;

/** A model that might fit, and where it comes from. */
export interface Candidate {
  readonly model: MediaModel;
  /** For the report: `the settings of take.mp4`, … */
  readonly origin: string;
  /** Path of the reference, where it is one. */
  readonly path?: string;
  /** False when nothing confirms the set-up: what it describes may not play. */
  readonly isCertain?: boolean;
}

/** What is known where there is no reference. */
export interface Guess extends Candidate {
  /** The parameter sets were confirmed by decoding, or come from the stream itself. */
  readonly isCertain: boolean;
}

/** What helps to guess. */
export interface GuessHints {
  /** Sizes of pictures in files of the same folder. */
  readonly sizes: readonly (readonly [width: number, height: number])[];
  /** QuickTime's recorders write PCM, others do not. */
  readonly isQuickTime: boolean;
}

/** Guesses a model from a file's first bytes; null when not even sound can be made out. */
export function guessModel(
  source: ByteSource,
  from: number,
  hints: GuessHints,
  context: Pick<RepairContext, 'trialDecode' | 'progress'>,
): Guess | null {
  const head = source.read(from, headBytes);
  for (const layout of layoutsInBand(head)) {
    tell(context, from);
    if (!findsPictures(source, from, layout)) continue;
    const model = withSound(source, from, layout, hints);
    if (coverage(source, from, model).share < leastShare) continue;
    return { model, origin: 'the codec set-up found in the stream itself', isCertain: true };
  }
  const options = findX264Options(head.subarray(0, 256 * 1024));
  let fallback: Guess | null = null;
  // A fraction of a second is not worth the search for settings that nothing confirms.
  const isLong = source.size - from >= leastToGuess;
  for (const recipe of options ? [options] : isLong ? usualOptions() : []) {
    const decode = options ? context.trialDecode : undefined;
    const tried = tryRecipe(source, from, recipe, hints, { ...context, trialDecode: decode });
    if (!tried) continue;
    if (tried.isCertain) return tried;
    fallback ??= tried;
  }
  return fallback ?? soundAlone(source, from);
}

function tell(context: Pick<RepairContext, 'progress'>, position: number): void {
  if (context.progress && !context.progress(position)) throw new Cancelled();
}

/** Settings of common recorders, for a stream that does not say: with B-frames, without, plain. */
function usualOptions(): X264Options[] {
  const texts = [
    'options: cabac=1 ref=3 bframes=3 b_pyramid=2 weightb=1 weightp=2 8x8dct=1 keyint=250',
    'options: cabac=1 ref=1 bframes=0 weightp=0 8x8dct=1 keyint=250',
    'options: cabac=0 ref=1 bframes=0 weightp=0 8x8dct=0 keyint=250',
  ];
  return texts.flatMap((text) => parseX264Options(text) ?? []);
}

function tryRecipe(
  source: ByteSource,
  from: number,
  options: X264Options,
  hints: GuessHints,
  context: { readonly trialDecode: TrialDecode | undefined } & Pick<RepairContext, 'progress'>,
): Guess | null {
  const decode = context.trialDecode;
  let pictures: Uint8Array[] | null = null;
  let fallback: Guess | null = null;
  let trials = 0;
  for (const { sps, pps, recipe } of candidateParameterSets(options, {
    sizes: hints.sizes,
  })) {
    const config = buildAvcConfig([sps], [pps], 4);
    const size = [recipe.width, recipe.height] as const;
    const layout = videoLayout(1, 'avc1', size, 'avcC', config, 90_000);
    if (!layout) continue;
    if (!pictures && !findsPictures(source, from, layout)) return null;
    if (!pictures) {
      // Where pictures begin and end does not depend on their size.
      const model = withSound(source, from, layout, hints);
      const scanner = new SampleScanner(model, from);
      scanner.limits = trialLimits;
      scanner.scan(prefixSource(source, from + headBytes), from + headBytes, false);
      pictures = picturesFrom(source, scanner.samples, 0, 'first');
      if (pictures.length < 3) return null;
      const origin = 'likely settings; the pictures need a sample from this recorder';
      fallback = { model, origin, isCertain: false };
    }
    if (!decode || trials >= mostTrials) break;
    trials += 1;
    tell(context, from);
    if (tryPictures(parameterSets(layout), pictures.slice(0, 5), decode) !== 'fits') continue;
    const origin = `parameter sets made from x264's options (${recipe.width}x${recipe.height})`;
    return { model: withSound(source, from, layout, hints), origin, isCertain: true };
  }
  return fallback;
}

// Rates and channels of AAC by how often recorders use them. 44.1 and 48 kHz share their tables:
// which of them it is follows from the picture rate.
const usualSound: readonly (readonly [rate: number, channels: number])[] = [
  [48_000, 2],
  [48_000, 1],
  [48_000, 6],
  [32_000, 2],
  [24_000, 1],
  [16_000, 1],
];

/** Whether any picture is found with these parameter sets, before sound is looked for as well. */
function findsPictures(source: ByteSource, from: number, layout: TrackLayout): boolean {
  const [lane] = lanesOf(modelWith([plainTrack(layout)]));
  if (!lane) return false;
  const to = Math.min(source.size, from + pictureSearch);
  const window = new ScanWindow(source, from, source.size, true);
  for (let at = from; at < to; at += 1) {
    if (window.isStart(lane.codec, at) && window.measure(lane.codec, at) > 0) return true;
  }
  return false;
}

/** Adds the sound tracks that a trial scan of the head finds beside the pictures. */
function withSound(
  source: ByteSource,
  from: number,
  video: TrackLayout,
  hints: GuessHints,
): MediaModel {
  let best = modelWith([plainTrack(video)]);
  let most = coverage(source, from, best).share;
  // A microphone in mono beside a stereo mix needs a second kind.
  for (let kinds = 0; kinds < 2 && most < enoughShare; kinds += 1) {
    let better: MediaModel | null = null;
    for (const [rate, channels] of kinds === 0 ? usualSound : usualSound.slice(0, 2)) {
      const sound = aacLayout(2 + kinds, rate, channels);
      if (!sound) continue;
      const model = modelWith([...best.tracks, plainTrack(sound)]);
      const { share } = coverage(source, from, model);
      if (share <= most * 1.01) continue;
      [better, most] = [model, share];
      if (share >= enoughShare) break;
    }
    if (!better) break;
    best = better;
  }
  // AV1 begins too often by chance among bytes that may be anything.
  const mayBePcm = hints.isQuickTime && video.entry.codec !== 'av1';
  if (best.tracks.length === 1 && mayBePcm) return withPcm(source, from, video) ?? best;
  return best.tracks.length === 2 ? withCountedSound(source, from, best) : best;
}

/** Stereo PCM of 16 bits, which fits any bytes: it is believed where pictures go on behind it. */
function withPcm(source: ByteSource, from: number, video: TrackLayout): MediaModel | null {
  const alone = coverage(source, from, modelWith([plainTrack(video)])).scanner.samples.count;
  const sound = pcmLayout(2, 48_000, 2);
  const model = sound && modelWith([plainTrack(video), plainTrack(sound)]);
  if (!model) return null;
  const [pictures = 0] = coverage(source, from, model).scanner.samples.perTrack(2);
  return pictures >= Math.max(8, alone * 2) ? model : null;
}

// The share of a file's head that becomes samples: below the one a model is wrong, from the other on
// nothing better can come.
const leastShare = 0.6;
const enoughShare = 0.98;
const coverageBytes = 2 * 1024 * 1024;
// Looking for sound in bytes that hold none is slow: a right model has no need of it.
const trialLimits = { holes: 2, holeBytes: 4 * 1024 };
const pictureSearch = 64 * 1024;

interface Coverage {
  /** 0 to 1; holes count against it. */
  readonly share: number;
  readonly scanner: SampleScanner;
}

function coverage(source: ByteSource, from: number, model: MediaModel): Coverage {
  const scanner = new SampleScanner(model, from);
  scanner.limits = trialLimits;
  const to = Math.min(source.size, from + coverageBytes);
  scanner.scan(source, to, false);
  const { samples } = scanner;
  let bytes = 0;
  for (let index = 0; index < samples.count; index += 1) bytes += samples.size[index] ?? 0;
  // A sample that the trial's end cuts off is nobody's fault.
  const read = Math.max(1, samples.holes.length > 0 ? to - from : scanner.position - from);
  const reach = Math.min(1, (scanner.position - from) / Math.max(1, (to - from) * 0.5));
  return { share: (bytes / read / (1 + samples.holes.length)) * reach, scanner };
}

const usualFrameRates = [30, 60, 25, 24, 50, 29.97, 23.976, 59.94, 15, 20, 48, 120];

/**
 * How many sound tracks there are, and at which rate: tracks of one recorder keep step, so that runs
 * of sound between pictures are multiples of their number, and the picture rate comes out as usual.
 */
function withCountedSound(source: ByteSource, from: number, model: MediaModel): MediaModel {
  const { scanner } = coverage(source, from, model);
  const { samples } = scanner;
  const video = model.tracks[0]?.layout;
  const sound = model.tracks[1]?.layout;
  if (!video || !sound) return model;
  const runs = soundRuns(samples.track.subarray(0, samples.count));
  const [pictures = 0, sounds = 0] = samples.perTrack(2);
  const frameRate = scanner.lanes[0]?.codec.frameRate ?? 0;
  const { sampleRate, channels } = sound.entry;
  let best = { tracks: 1, rate: sampleRate, off: 0.02 };
  for (let tracks = 6; tracks >= 1; tracks -= 1) {
    if (!areMultiples(runs, tracks)) continue;
    for (const rate of sampleRate === 48_000 ? [48_000, 44_100] : [sampleRate]) {
      const seconds = (sounds / tracks) * (1024 / rate);
      const off = offFromUsual(pictures / seconds, frameRate);
      if (off < best.off * 0.8) best = { tracks, rate, off };
    }
  }
  const layouts = Array.from({ length: best.tracks }, (_, place) =>
    aacLayout(2 + place, best.rate, channels),
  );
  return modelWith([
    plainTrack(video),
    ...layouts.flatMap((layout) => (layout ? [plainTrack(layout)] : [])),
  ]);
}

/** How far a picture rate is from the stream's own, or from the nearest usual one. */
function offFromUsual(rate: number, own: number): number {
  const known = own > 0 ? [own] : usualFrameRates;
  return Math.min(...known.map((usual) => Math.abs(rate / usual - 1)));
}

/** How many samples of sound stand between pictures, run by run; the ends are left out. */
function soundRuns(tracks: Uint8Array): number[] {
  const runs: number[] = [];
  let run = 0;
  for (const track of tracks) {
    if (track === 1) run += 1;
    else if (run > 0) {
      runs.push(run);
      run = 0;
    }
  }
  return runs.slice(1);
}

function areMultiples(runs: readonly number[], step: number): boolean {
  if (step === 1) return true;
  const fitting = runs.filter((length) => length % step === 0).length;
  return runs.length >= 8 && fitting >= runs.length * 0.97;
}

/** Sound between bytes of which nothing is known. */
function soundAlone(source: ByteSource, from: number): Guess | null {
  for (const [rate, channels] of usualSound) {
    const sound = aacLayout(1, rate, channels);
    if (!sound) continue;
    const model = modelWith([plainTrack(sound)]);
    const { share, scanner } = coverage(source, from, model);
    if (scanner.samples.count < 8 || share < 0.9) continue;
    return { model, origin: 'AAC found by its syntax', isCertain: true };
  }
  return null;
}

function modelWith(tracks: readonly TrackModel[]): MediaModel {
  return { timescale: 1000, writer: null, tracks };
}

/** A track of which nothing but its description is known. */
function plainTrack(layout: TrackLayout): TrackModel {
  const isSound = layout.entry.kind === 'audio';
  return {
    layout,
    skipped: 0,
    delayed: 0,
    shownFrom: 0,
    reordering: 0,
    hasEdits: false,
    usualDuration: isSound ? 1024 : 0,
    constantRate: isSound,
    onGrid: false,
    usualRun: 1,
    runBytes: 0,
    largestSample: 0,
    meanSample: 0,
    early: 0,
    late: 0,
    lead: 0,
  };
}
