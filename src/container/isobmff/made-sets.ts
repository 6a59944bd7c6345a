/**
 * Parameter sets made for a file that lost its own: from the options that x264 writes into its first
 * frame, and what the pictures themselves tell. None is believed that decoding does not confirm.
 */
import type { ByteSource } from '../bytes.ts';
import type { BlindFormat } from '../codec/blind-nal.ts';
import { buildAvcConfig } from '../codec/h264-writer.ts';
import { candidateParameterSets, findX264Options } from '../codec/x264.ts';
import type { RepairContext } from '../format.ts';
import type { HeadSurvey } from './head-survey.ts';
import type { TrackLayout } from './movie.ts';
import { videoLayout } from './sample-entry-writer.ts';
import { parameterSets, tryPictures } from './trial.ts';

export interface MadeSets {
  readonly layout: TrackLayout;
  /** For the report. */
  readonly origin: string;
}

interface MadeSetsContext extends Pick<RepairContext, 'trialDecode'> {
  /** Called before each trial; throws when the work was cancelled. */
  readonly tell: () => void;
}

// 130 ms each: more than a minute of trying is no help any more.
const mostTrials = 150;
const timescale = 90_000;

/** Finds sets with which the first pictures decode; null when there are none. */
export function findMadeSets(
  source: ByteSource,
  survey: HeadSurvey,
  head: Uint8Array,
  _format: BlindFormat,
  sizes: readonly (readonly [width: number, height: number])[],
  context: MadeSetsContext,
): MadeSets | null {
  const decode = context.trialDecode;
  const options = findX264Options(head.subarray(0, 256 * 1024));
  if (!decode || !options) return null;
  const first = survey.pictures.findIndex(({ sync }) => sync);
  const pictures = survey.pictures
    .slice(first, first + 5)
    .map(({ at, end }) => source.read(at, end - at));
  if (first < 0 || pictures.length < 3) return null;
  let trials = 0;
  for (const { sps, pps, recipe } of candidateParameterSets(options, { sizes })) {
    if (trials >= mostTrials) break;
    const size = [recipe.width, recipe.height] as const;
    const layout = videoLayout(1, 'avc1', size, 'avcC', buildAvcConfig([sps], [pps], 4), timescale);
    if (!layout) continue;
    trials += 1;
    context.tell();
    if (tryPictures(parameterSets(layout), pictures, decode) !== 'fits') continue;
    const origin = `parameter sets made from x264's options (${recipe.width}x${recipe.height})`;
    return { layout, origin };
  }
  return null;
}
