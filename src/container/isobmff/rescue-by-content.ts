/**
 * Rescues a file without an index: its samples are found by their content, with the codec set-up of a
 * reference.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { ReferenceProfile, RepairContext } from '../format.ts';
import type { NoRepair } from '../repair-plan.ts';
import type { FileOutline } from './file-index.ts';
import type { Hole } from './found-samples.ts';
import type { MediaModel } from './media-model.ts';
import { modelFrom } from './profile.ts';
import { describeFound, noRepair, type RescuedMedia } from './repair.ts';
import { SampleScanner } from './sample-scanner.ts';
import { timeSamples } from './timing.ts';

/** A model that might fit, and where it comes from. */
export interface Candidate {
  readonly model: MediaModel;
  /** For the report: `the settings of take.mp4`, … */
  readonly origin: string;
}

// The head of a file in which candidates are tried: some seconds of any recording.
const trialBytes = 4 * 1024 * 1024;

/** Finds the samples of a file without index with the reference that explains its head best. */
export function rescueByContent(
  source: ByteSource,
  found: FileOutline,
  context: RepairContext,
): RescuedMedia | NoRepair {
  const from = found.media[0]?.from ?? found.stop;
  const candidates = referenceCandidates(context.references);
  if (candidates.length === 0) {
    const detail =
      'The codec set-up is nowhere in the file, and there is no whole recording to learn it from.';
    return noRepair(
      'no-parameter-sets',
      detail,
      'roomtape recover FILE --reference <a whole recording of the same recorder>',
    );
  }
  const best = bestCandidate(source, from, candidates);
  if (!best) {
    const detail = `None of ${candidates.length} references fits the bytes of this file.`;
    return noRepair(
      'nothing-found',
      detail,
      'roomtape recover FILE --reference <a whole recording of the same recorder>',
    );
  }
  return scanWith(source, from, best, context.progress);
}

function referenceCandidates(references: readonly ReferenceProfile[]): Candidate[] {
  return references.flatMap((reference) => {
    const model = modelFrom(reference);
    return model ? [{ model, origin: `the set-up of ${reference.path}` }] : [];
  });
}

/** The candidate that turns most bytes of the file's head into samples; the first one of equals. */
export function bestCandidate(
  source: ByteSource,
  from: number,
  candidates: readonly Candidate[],
): Candidate | null {
  let best: Candidate | null = null;
  let most = 0;
  for (const candidate of candidates) {
    const score = candidates.length === 1 ? 1 : fitOf(source, from, candidate.model);
    if (score > most * 1.001) [best, most] = [candidate, score];
  }
  return best;
}

/** Bytes of a file's head that become samples with a model, less what lies in holes. */
function fitOf(source: ByteSource, from: number, model: MediaModel): number {
  const scanner = new SampleScanner(model, from);
  if (scanner.lanes.length === 0) return 0;
  scanner.scan(source, Math.min(source.size, from + trialBytes), false);
  const { samples } = scanner;
  let bytes = 0;
  for (let index = 0; index < samples.count; index += 1) bytes += samples.size[index] ?? 0;
  const missing = samples.perTrack(model.tracks.length).filter((count) => count === 0).length;
  return samples.count === 0 ? 0 : (bytes / (1 + samples.holes.length)) * 0.9 ** missing;
}

/** Scans the whole file with one model. */
export function scanWith(
  source: ByteSource,
  from: number,
  candidate: Candidate,
  progress?: Progress,
): RescuedMedia | NoRepair {
  const { model, origin } = candidate;
  const scanner = new SampleScanner(model, from);
  scanner.scan(source, source.size, true, progress);
  const { samples, lanes } = scanner;
  if (samples.count === 0) {
    return noRepair('nothing-found', `No sample was found with ${origin}.`);
  }
  const timed = timeSamples(samples, model, lanes);
  const tornFrom = scanner.tornFrom >= 0 ? scanner.tornFrom : source.size;
  const findings = [
    `Found by content, with ${origin}: ${describeFound(samples, model)} samples.`,
    ...timingFinding(timed.method),
    ...samples.holes.slice(0, 20).map(holeFinding),
  ];
  const tail = source.size - tornFrom;
  if (tail > 0) findings.push(`The last ${tail} bytes hold no complete sample.`);
  return {
    tracks: timed.tracks,
    timescale: timed.timescale,
    method: 'tables rebuilt from the bitstream',
    findings,
    mediaBytes: source.size - from,
    lostMs: Math.round(timed.lostSeconds * 1000),
  };
}

function timingFinding(method: ReturnType<typeof timeSamples>['method']): string[] {
  if (method === 'constant') return ['The picture rate is constant and agrees with the sound.'];
  if (method === 'grid')
    return ['Pictures were left out of a constant rate; the sound tells which.'];
  return method === 'sound'
    ? ['The picture rate varies; times follow the clock of the sound.']
    : [];
}

function holeFinding(hole: Hole): string {
  const what = hole.zeros ? 'zeros' : 'unreadable bytes';
  return `Hole at byte ${hole.from}: ${hole.to - hole.from} ${what}; its time is kept as a gap.`;
}
