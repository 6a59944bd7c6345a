/**
 * Parameter sets made for a file that lost its own: from the options that x264 writes into its first
 * frame, and from what its pictures tell. None is believed that decoding does not confirm.
 */
import type { ByteSource } from '../bytes.ts';
import type { BlindFormat } from '../codec/blind-nal.ts';
import { IntraPicture } from '../codec/h264-picture-size.ts';
import { type SetCandidate, setsByOptions, setsBySearch } from '../codec/h264-search.ts';
import { buildAvcConfig, type H264Recipe } from '../codec/h264-writer.ts';
import { sampleCodec } from '../codec/sample-codecs.ts';
import { candidateParameterSets, findX264Options, type X264Options } from '../codec/x264.ts';
import type { TrialDecode } from '../format.ts';
import { type HeadSurvey, surveyHead } from './head-survey.ts';
import type { TrackLayout } from './movie.ts';
import { videoLayout } from './sample-entry-writer.ts';
import { errorsPerPicture, parameterSets } from './trial.ts';

export interface MadeSets {
  readonly layout: TrackLayout;
  /** For the report. */
  readonly origin: string;
}

interface MadeSetsContext {
  readonly trialDecode: TrialDecode | undefined;
  /** Called before each trial; throws when the work was cancelled. */
  readonly tell: () => void;
  /** Sizes of pictures in files of the same folder. */
  readonly sizes: readonly (readonly [width: number, height: number])[];
}

// A process each: with more of them the answer comes too late to help.
const mostTrials = 90;
const mostBlindTrials = 24;
// Enough to see errors spread from what only pictures between key frames depend on.
const trialPictures = 10;
const trialBytes = 4 * 1024 * 1024;
const timescale = 90_000;

/** Finds sets with which the pictures of the head decode; null when there are none. */
export function findMadeSets(
  source: ByteSource,
  survey: HeadSurvey,
  head: Uint8Array,
  format: BlindFormat,
  context: MadeSetsContext,
): MadeSets | null {
  const sync = survey.pictures.findIndex((picture) => picture.sync);
  const first = survey.pictures[sync];
  if (!first) return null;
  const options = findX264Options(head.subarray(0, 256 * 1024));
  let pictures: readonly Uint8Array[] | null = null;
  let trials = 0;
  const key = IntraPicture.of(source.read(first.at, first.end - first.at));
  let best: { readonly layout: TrackLayout; readonly candidate: Candidate } | null = null;
  for (const candidate of candidates(key, options, format, context)) {
    const { recipe, sps, pps, isRead } = candidate;
    // Decoders pass over rows that a picture has too many of: the tallest that fits is right.
    if (best && !isTaller(recipe, best.candidate.recipe)) continue;
    const size = [recipe.width, recipe.height] as const;
    const config = buildAvcConfig([sps], [pps], 4);
    const layout = videoLayout(1, 'avc1', size, 'avcC', config, timescale);
    if (!layout) continue;
    context.tell();
    trials += 1;
    if (trials > (options ? mostTrials : mostBlindTrials)) break;
    // Searched sets may refuse slices that are right: theirs are the pictures of the blind survey.
    pictures ??=
      (options && picturesBy(source, first.at, layout)) ?? picturesOf(source, survey, sync);
    // Settings that the encoder told and a size that was read need no decoder: it would object to
    // damage in just these pictures, too. The whole file is decoded in the end.
    const isKnown = options !== null && isRead;
    if (!isKnown && !confirms(layout, pictures, isRead, context)) continue;
    best = { layout, candidate };
    if (isRead) break;
  }
  if (!best) return null;
  return { layout: best.layout, origin: originOf(best.candidate, options !== null) };
}

const isTaller = (one: H264Recipe, other: H264Recipe): boolean =>
  one.width === other.width &&
  one.height > other.height &&
  one.chromaFormat === other.chromaFormat &&
  one.bitDepth === other.bitDepth;

interface Candidate extends SetCandidate {
  /** The key frame was read with it to its last bit, which is a proof of the size. */
  readonly isRead: boolean;
}

function* candidates(
  key: IntraPicture | null,
  options: X264Options | null,
  format: BlindFormat,
  { sizes, trialDecode }: MadeSetsContext,
): Generator<Candidate> {
  if (!options) {
    if (!key) return;
    for (const found of setsBySearch(key, format, sizes)) yield { ...found, isRead: true };
    return;
  }
  const found = key && setsByOptions(options, key, sizes);
  if (found) {
    yield { ...found, isRead: true };
    return;
  }
  // Fields, other sampling than 4:2:0, more than 8 bits: only a decoder tells their size.
  if (!trialDecode) return;
  for (const tried of candidateParameterSets(options, { sizes })) {
    yield { ...tried, isUsualSize: true, isRead: false };
  }
}

const picturesOf = (source: ByteSource, survey: HeadSurvey, first: number): Uint8Array[] =>
  survey.pictures
    .slice(first, first + trialPictures)
    .map(({ at, end }) => source.read(at, end - at));

/**
 * The first pictures as the codec with these sets finds them, which takes fewer other bytes for some;
 * where they begin and end does not depend on their size. Null when there are hardly any.
 */
function picturesBy(source: ByteSource, from: number, layout: TrackLayout): Uint8Array[] | null {
  const codec = sampleCodec(layout.stsd.subarray(16));
  const survey = codec && surveyHead(source, from, from + trialBytes, codec);
  return survey && survey.pictures.length >= 3 ? picturesOf(source, survey, 0) : null;
}

function confirms(
  layout: TrackLayout,
  pictures: readonly Uint8Array[],
  isRead: boolean,
  { trialDecode }: MadeSetsContext,
): boolean {
  if (!trialDecode) return isRead;
  return errorsPerPicture(parameterSets(layout), pictures, trialDecode) === 0;
}

function originOf({ recipe, isUsualSize }: Candidate, hasOptions: boolean): string {
  const from = hasOptions ? 'x264’s options' : 'what its pictures tell';
  const size = `${recipe.width}x${recipe.height}`;
  const border = isUsualSize
    ? ''
    : ', of which up to 15 pixels at the right and below may be border';
  return `parameter sets made from ${from} (${size}${border})`;
}
