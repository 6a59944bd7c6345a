/**
 * The configuration of AAC that nobody wrote down: found by measuring with each that is likely.
 *
 * Frames of one configuration rarely parse with another's tables, and never for long. What the
 * bytes cannot tell apart are rates that share their tables (44.1 and 48 kHz, 22.05 and 24 kHz, 11.025
 * to 16 kHz): the clock of another track decides, by how many frames fill a known time.
 */
import { AacFrameParser } from './aac-frame.ts';
import { samplingRates } from './aac-tables.ts';
import { type AudioConfig, buildAudioConfig, parseAudioConfig } from './audio-config.ts';

export interface AudioCandidate {
  readonly config: AudioConfig;
  /** The AudioSpecificConfig itself. */
  readonly bytes: Uint8Array;
  /** Rates that fit as well, this one included, the likeliest first. */
  readonly rates: readonly number[];
  /** Frames measured in the runs that it fits. */
  readonly frames: number;
  /** Runs that are a whole number of frames, of all runs given: 0 to 1. */
  readonly fits: number;
}

/** One rate for each set of tables, with those that share it; the likeliest first. */
const families: readonly (readonly number[])[] = [
  [48000, 44100],
  [32000],
  [24000, 22050],
  [16000, 12000, 11025],
  [96000, 88200],
  [8000, 7350],
  [64000],
];

/** Channel configurations: stereo, mono, 5.1, then the others. */
const layouts = [2, 1, 6, 3, 4, 5, 7];

/**
 * Tries the likely configurations on runs of frames.
 *
 * @param runs  places where AAC frames begin, and where they end; a run whose end is not known ends
 *   at the end of what is known, and its last frame may be torn
 * @returns configurations that fit at least half of the runs, the best first
 */
export function searchAudioConfig(
  bytes: Uint8Array,
  runs: readonly (readonly [at: number, end: number])[],
): AudioCandidate[] {
  const found: AudioCandidate[] = [];
  for (const rates of families) {
    for (const layout of layouts) {
      const asc = buildAudioConfig(rates[0] ?? 48000, layout);
      const config = parseAudioConfig(asc);
      if (!config) continue;
      const { fitting, frames } = tryRuns(new AacFrameParser(config), bytes, runs);
      const fits = runs.length > 0 ? fitting / runs.length : 0;
      if (fits >= 0.5 && frames > 0) found.push({ config, bytes: asc, rates, frames, fits });
    }
  }
  return found.sort((a, b) => b.fits - a.fits || b.frames - a.frames);
}

function tryRuns(
  parser: AacFrameParser,
  bytes: Uint8Array,
  runs: readonly (readonly [at: number, end: number])[],
): { fitting: number; frames: number } {
  let fitting = 0;
  let frames = 0;
  for (const [at, end] of runs) {
    let position = at;
    let here = 0;
    while (position < end) {
      const length = parser.measure(bytes, position, end);
      if (length <= 0) break;
      position += length;
      here++;
    }
    const torn = here > 0 && position < end && parser.measure(bytes, position, end) < 0;
    if (here > 0 && (position === end || torn)) {
      fitting++;
      frames += here;
    }
  }
  return { fitting, frames };
}

/**
 * The rate of a family by which so many frames fill a known time best.
 *
 * @param seconds  time that the frames fill, by another track's clock
 */
export function rateByClock(rates: readonly number[], frames: number, seconds: number): number {
  const measured = seconds > 0 ? (frames * 1024) / seconds : 0;
  let best = rates[0] ?? samplingRates[3] ?? 48000;
  for (const rate of rates) {
    if (measured > 0 && Math.abs(rate - measured) < Math.abs(best - measured)) best = rate;
  }
  return best;
}
