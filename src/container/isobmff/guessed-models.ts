/**
 * Models for a file that nobody has a reference for: its pictures by parameter sets in band, by sets
 * made for it that decoding confirms, or without any; its sound by what its bytes are.
 */
import { type ByteSource, Cancelled } from '../bytes.ts';
import { type BlindFormat, blindCodec } from '../codec/blind-nal.ts';
import { findBlindOrder } from '../codec/blind-order.ts';
import type { SampleCodec } from '../codec/codec.ts';
import { sampleCodec } from '../codec/sample-codecs.ts';
import { type FoundSound, usualSounds } from '../codec/sound-search.ts';
import type { RepairContext } from '../format.ts';
import { type GuessedSound, guessSound, soundTracks } from './guessed-sound.ts';
import {
  type GuessHints,
  hasUnknownSound,
  headBytes,
  modelOfHead,
  withUnknownSound,
} from './head-model.ts';
import { leastShown, scanHead } from './head-scan.ts';
import { type HeadSurvey, pictureShare, surveyBytes, surveyHead, surveyOf } from './head-survey.ts';
import { layoutsInBand } from './in-band-sets.ts';
import { findMadeSets } from './made-sets.ts';
import { type MediaModel, plainTrack, type TrackModel } from './media-model.ts';
import type { TrackLayout } from './movie.ts';
import { blindLayout, soundLayout } from './sample-entry-writer.ts';
import { SampleScanner } from './sample-scanner.ts';

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
  /**
   * The parameter sets were confirmed by decoding, or come from the stream itself, and the kind of the
   * sound is known.
   */
  readonly isCertain: boolean;
}

type GuessContext = Pick<RepairContext, 'trialDecode' | 'progress'>;

/** Guesses a model from a file's first bytes; null when not even sound can be made out. */
export function guessModel(
  source: ByteSource,
  from: number,
  hints: GuessHints,
  context: GuessContext,
): Guess | null {
  const head = source.read(from, headBytes);
  return (
    guessInBand(source, from, head, hints, context) ??
    guessBlind(source, from, head, hints, context) ??
    guessSoundAlone(source, from, hints)
  );
}

function tell(context: GuessContext, position: number): void {
  if (context.progress && !context.progress(position)) throw new Cancelled();
}

/** Pictures whose set-up stands in the stream. */
function guessInBand(
  source: ByteSource,
  from: number,
  head: Uint8Array,
  hints: GuessHints,
  context: GuessContext,
): Guess | null {
  let byEnds = 0;
  for (const { layout, place } of layoutsInBand(head)) {
    tell(context, from);
    const codec = sampleCodec(layout.stsd.subarray(16));
    if (!codec) continue;
    let survey = surveyHead(source, from, from + surveyBytes, codec);
    if (codec.codec === 'av1' && survey.pictures.length < leastPictures) {
      // Its header stands at the very beginning of the first picture.
      if (place > earliest) continue;
      survey = surveyByTrial(source, from, layout);
    }
    if (codec.framing === 'guessed') {
      if (place > earliest || byEnds >= mostByEnds) continue;
      byEnds += 1;
      survey = surveyByEnds(source, from, layout, codec);
    }
    if (!startsEarly(survey, from) || !beginsWith(survey, from + place)) continue;
    const model = coveringModel(source, from, survey, plainTrack(layout), codec.frameRate, hints);
    if (!model) continue;
    const isCertain = !hasUnknownSound(model);
    return { model, origin: 'the codec set-up found in the stream itself', isCertain };
  }
  return null;
}

/**
 * AV1's shortest pictures occur among any bytes by chance. Where no order hints confirm them what lies
 * between pictures is only known with the sound: the likely kinds are tried.
 */
function surveyByTrial(source: ByteSource, from: number, layout: TrackLayout): HeadSurvey {
  let best: HeadSurvey = { pictures: [], runs: [], end: from };
  let most = 0;
  for (const sound of [null, ...usualSounds]) {
    const { share, scanner } = coverWith(source, from, layout, sound);
    if (share <= most * 1.01) continue;
    [best, most] = [surveyOf(scanner.samples, scanner.position), share];
    if (share >= enoughShare) break;
  }
  return best;
}

/** VP9's pictures end where their sound begins: with the right sound they end as pictures do. */
function surveyByEnds(
  source: ByteSource,
  from: number,
  layout: TrackLayout,
  codec: SampleCodec,
): HeadSurvey {
  let best: HeadSurvey = { pictures: [], runs: [], end: from };
  for (const sound of [...usualSounds, null]) {
    // Opus has no length either: without a clock it would fit anywhere.
    if (sound?.frameTicks === 0 || (!sound && best.pictures.length > 0)) continue;
    const { scanner } = coverWith(source, from, layout, sound);
    const survey = surveyOf(scanner.samples, scanner.position);
    if (survey.pictures.length < leastPictures || endsWell(source, survey, codec) < 0.9) continue;
    if (sound && survey.runs.length < survey.pictures.length * leastRuns) continue;
    if (best.pictures.length === 0 || survey.runs.length > best.runs.length) best = survey;
  }
  return best;
}

/** The share of pictures that may end where they do: half of them would by chance. */
function endsWell(source: ByteSource, { pictures }: HeadSurvey, codec: SampleCodec): number {
  const good = pictures.filter(({ at, end }) => {
    const bytes = source.read(at, end - at);
    return (codec.endSurprise?.(bytes, 0, bytes.length) ?? 0) < Number.POSITIVE_INFINITY;
  });
  return good.length / Math.max(1, pictures.length);
}

// Sound that is written a second at a time leaves long stretches without any.
const leastRuns = 0.02;

// Each costs a trial of every sound.
const mostByEnds = 2;

// Recorders begin with a picture, or with the sound that was there before the first one.
const earliest = 64 * 1024;

const startsEarly = (survey: HeadSurvey, from: number): boolean =>
  (survey.pictures[0]?.at ?? Number.POSITIVE_INFINITY) - from <= earliest;

/** Bytes that only look like a set-up stand anywhere; a recorder begins with a key frame and its own. */
const beginsWith = ({ pictures: [first] }: HeadSurvey, place: number): boolean =>
  first?.sync === true && first.at <= place && place < first.end;

/** Pictures whose sets are nowhere: they are made where that can be confirmed. */
function guessBlind(
  source: ByteSource,
  from: number,
  head: Uint8Array,
  hints: GuessHints,
  context: GuessContext,
): Guess | null {
  const found = surveyBlind(source, from);
  if (!found) return null;
  const { format, survey } = found;
  tell(context, from);
  const made =
    format.codec === 'h264'
      ? findMadeSets(source, survey, head, format, {
          trialDecode: context.trialDecode,
          sizes: hints.sizes,
          tell: () => tell(context, from),
        })
      : null;
  if (made) {
    const { layout, origin } = made;
    const codec = sampleCodec(layout.stsd.subarray(16));
    const sharper = codec ? surveyHead(source, from, from + surveyBytes, codec) : survey;
    const rate = codec?.frameRate ?? 0;
    const model = coveringModel(source, from, sharper, plainTrack(layout), rate, hints);
    if (model) return { model, origin, isCertain: !hasUnknownSound(model) };
  }
  const layout = blindLayout(1, format.codec, hints.sizes[0] ?? [0, 0]);
  if (!layout) return null;
  const video = { ...plainTrack(layout), blind: format };
  const model = coveringModel(source, from, survey, video, 0, hints);
  if (!model) return null;
  return { model, origin: 'the chain of its units', isCertain: false };
}

/** The model that turns most of the head into samples; null when none does. */
function coveringModel(
  source: ByteSource,
  from: number,
  survey: HeadSurvey,
  video: TrackModel,
  frameRate: number,
  hints: GuessHints,
): MediaModel | null {
  const model = modelOfHead(source, survey, video, frameRate, hints);
  if (coverage(source, from, model) >= leastShare) return model;
  // Sound that was mistaken for another kind, or of several kinds, is passed over.
  const without = withUnknownSound(survey, video);
  return coverage(source, from, without) >= leastShare ? without : null;
}

// Chance makes no chain of so many pictures.
const leastPictures = 8;

/** The pictures of a stream without sets, with the order in which they are shown. */
function surveyBlind(
  source: ByteSource,
  from: number,
): { format: BlindFormat; survey: HeadSurvey } | null {
  let best: { codec: 'h264' | 'hevc'; survey: HeadSurvey } | null = null;
  for (const codec of ['h264', 'hevc'] as const) {
    const plain = blindCodec({ codec, frameNumBits: 0, orderBits: 0 });
    const survey = surveyHead(source, from, from + surveyBytes, plain);
    if (survey.pictures.length < leastPictures || !startsEarly(survey, from)) continue;
    const share = pictureShare(survey, from);
    if (!best || share > pictureShare(best.survey, from)) best = { codec, survey };
  }
  if (!best) return null;
  const { codec, survey } = best;
  const first = survey.pictures.findIndex(({ sync }) => sync);
  if (first < 0) return null;
  const pictures = survey.pictures
    .slice(first, first + 90)
    .map(({ at, end }) => source.read(at, Math.min(end - at, 4096)));
  return { format: findBlindOrder(codec, pictures), survey };
}

function hasPictures(source: ByteSource, from: number): boolean {
  return (['h264', 'hevc'] as const).some((codec) => {
    const plain = blindCodec({ codec, frameNumBits: 0, orderBits: 0 });
    const survey = surveyHead(source, from, from + surveyBytes, plain);
    return survey.pictures.length >= leastPictures;
  });
}

/** Sound between bytes of which nothing is known, or with nothing else. */
function guessSoundAlone(source: ByteSource, from: number, hints: GuessHints): Guess | null {
  const to = Math.min(source.size, from + 256 * 1024);
  const runs = [{ at: from, end: to }];
  // Any bytes may be PCM: where there are pictures that could not be had, it is not all of the file.
  const mayBePcm = hints.isQuickTime && !hasPictures(source, from);
  const guess = guessSound(source, runs, mayBePcm);
  if (!isSoundThroughout(source, guess, from, to, hints)) return null;
  const tracks = soundTracks(guess, { pictures: [], runs, end: to }, 0);
  const model = { timescale: 1000, writer: null, tracks };
  if (tracks.length === 0 || coverage(source, from, model) < 0.9) return null;
  const name = tracks[0]?.layout.entry.codec ?? '';
  return { model, origin: `${name} found by its syntax`, isCertain: true };
}

const parts = 8;
// A whole frame of any layout of PCM.
const partStep = 48;

/** Any bytes may be PCM, pictures between it too: what is sound alone is so in each of its parts. */
function isSoundThroughout(
  source: ByteSource,
  { sounds: [sound] }: GuessedSound,
  from: number,
  to: number,
  { isQuickTime }: GuessHints,
): boolean {
  if (sound?.frameTicks !== 1) return true;
  const length = Math.floor((to - from) / parts / partStep) * partStep;
  return Array.from({ length: parts }, (_, part) => from + part * length).every((at) => {
    const [found] = guessSound(source, [{ at, end: at + length }], isQuickTime).sounds;
    return found?.format === sound.format && found.channels === sound.channels;
  });
}

// A right model turns nearly all of a file's head into samples, a wrong one little.
const leastShare = 0.6;
const enoughShare = 0.98;
const coverageBytes = 2 * 1024 * 1024;
const trialLimits = { holes: 2, holeBytes: 4 * 1024 };
const damageLimits = { holes: 3, holeBytes: 1024 * 1024 };

/** How much of a file's head a model covers; one hole of damage in it is forgiven. */
function coverage(source: ByteSource, from: number, model: MediaModel): number {
  const { share, scanner } = cover(source, from, model, false);
  // Wrong models stumble at once. Where many samples followed each other there is damage.
  const before = scanner.samples.holes[0]?.samplesBefore ?? scanner.samples.count;
  return share >= leastShare || before < leastShown
    ? share
    : cover(source, from, model, true).share;
}

interface Coverage {
  /** The share of a file's head that becomes samples, less what lies in holes: 0 to 1. */
  readonly share: number;
  readonly scanner: SampleScanner;
}

/** Tries pictures beside one kind of sound, or alone. */
function coverWith(
  source: ByteSource,
  from: number,
  layout: TrackLayout,
  sound: FoundSound | null,
): Coverage {
  const track = sound && soundLayout(2, sound, sound.rates[0] ?? 48_000);
  const tracks = [plainTrack(layout), ...(track ? [plainTrack(track)] : [])];
  return cover(source, from, { timescale: 1000, writer: null, tracks }, false);
}

/** @param isDamaged  the largest hole is damage, and not the model's fault */
function cover(source: ByteSource, from: number, model: MediaModel, isDamaged: boolean): Coverage {
  const scanner = new SampleScanner(model, from);
  scanner.limits = isDamaged ? damageLimits : trialLimits;
  const to = scanHead(scanner, source, from, coverageBytes);
  const { samples } = scanner;
  if (samples.count < 2) return { share: 0, scanner };
  let bytes = 0;
  for (let index = 0; index < samples.count; index += 1) bytes += samples.size[index] ?? 0;
  const { holes } = samples;
  const forgiven = isDamaged ? Math.max(0, ...holes.map(({ from, to }) => to - from)) : 0;
  const counted = holes.length - (forgiven > 0 ? 1 : 0);
  // A sample that the trial's end cuts off is nobody's fault.
  const read = Math.max(1, holes.length > 0 ? to - from - forgiven : scanner.position - from);
  const reach = Math.min(1, (scanner.position - from) / Math.max(1, (to - from) * 0.5));
  return { share: (bytes / read / (1 + counted)) * reach, scanner };
}
