/**
 * Rescues a file without an index: its samples are found by their content, with the codec set-up of a
 * reference.
 */
import type { ByteSource } from '../bytes.ts';
import type { FileFollower, ReferenceProfile, RepairContext, TrialDecode } from '../format.ts';
import type { NoRepair } from '../repair-plan.ts';
import type { FileOutline } from './file-index.ts';
import type { FoundSamples, Hole } from './found-samples.ts';
import { followOn, followWith, type ResumedScan, resume } from './growing-file.ts';
import { type Candidate, guessModel } from './guessed-models.ts';
import { hasUnknownSound } from './head-model.ts';
import { scanHead } from './head-scan.ts';
import { unfindable } from './lanes.ts';
import type { MediaModel } from './media-model.ts';
import type { TrackLayout } from './movie.ts';
import { modelFrom } from './profile.ts';
import { describeFound, noRepair, type RescuedMedia } from './repair.ts';
import { SampleScanner } from './sample-scanner.ts';
import { type TimedMedia, timeSamples } from './timing.ts';
import { errorsOfModel } from './trial.ts';

// The head of a file in which candidates are tried: some seconds of any recording.
const trialBytes = 4 * 1024 * 1024;
// A file with a hole at its very beginning still has to be recognised.
const trialLimits = { holes: 4, holeBytes: 1024 * 1024 };

/** Finds the samples of a file without index with the set-up that explains it best. */
export function rescueByContent(
  source: ByteSource,
  found: FileOutline,
  context: RepairContext,
): RescuedMedia | NoRepair {
  const from = mediaStart(found);
  const resumed = context.saved ? resume(context.saved) : null;
  if (resumed && resumed.scanner.position <= source.size && resumed.scanner.position >= from) {
    return finishScan(source, found, resumed, context, []);
  }
  const known = referenceCandidates(context.references);
  const ranked = rankCandidates(source, from, known);
  const refused: string[] = [];
  let doubted: Candidate | null = null;
  let fitting: Ranked | null = null;
  for (const one of ranked.filter(({ share }) => share >= leastShare).slice(0, 4)) {
    const verdict = tryHead(source, from, one.candidate.model, context.trialDecode);
    if (verdict === 'fits') fitting = one;
    if (fitting) break;
    if (verdict === 'doubtful') doubted ??= one.candidate;
    refused.push(`The pictures do not decode with ${one.candidate.origin}.`);
  }
  if (fitting && fitting.share >= surelyShare)
    return scanWith(source, found, fitting.candidate, context, refused);
  const sizes = known.flatMap(({ model }) => sizesOf(model));
  const isQuickTime = found.brand === 'qt  ' || found.brand === '';
  const guess = guessModel(source, from, { sizes, isQuickTime }, context);
  if (fitting) {
    // Much of the head is lost with it: to damage, unless the file explains itself better.
    const own = guess?.isCertain ? fitOf(source, from, guess.model).share : 0;
    const better = guess && own > fitting.covered * 1.2 ? guess : fitting.candidate;
    return scanWith(source, found, better, context, refused);
  }
  // A reference with which most pictures decode is better than a guess nothing confirms; one with
  // which none does would only show wrong ones.
  const doubtedOrNone = doubted ?? (guess ? null : (ranked[0]?.candidate ?? null));
  if (doubtedOrNone && !guess?.isCertain)
    return scanWith(source, found, doubtedOrNone, context, refused);
  if (guess) return scanWith(source, found, guess, context, refused);
  return nothingFits(context.references.length, known);
}

const mediaStart = (found: FileOutline): number => found.media[0]?.from ?? found.stop;

// Less than this of a file's media does not show which reference fits.
const leastToFollow = 64 * 1024;

/** Follows a growing file with the reference that explains its head; null while none does. */
export function followGrowing(
  source: ByteSource,
  found: FileOutline,
  context: RepairContext,
): FileFollower | null {
  const resumed = context.saved ? followOn(context.saved) : null;
  if (resumed) return resumed;
  const from = found.media[0]?.from;
  if (from === undefined || found.movie || source.size - from < leastToFollow) return null;
  const [best] = rankCandidates(source, from, referenceCandidates(context.references));
  return best && best.share >= leastShare ? followWith(best.candidate, from) : null;
}

function nothingFits(references: number, known: readonly Candidate[]): NoRepair {
  const what =
    'In its first megabytes there are neither pictures nor sound of a kind that can be told without its index: it may be encrypted, overwritten, or of a codec that says too little of itself.';
  const more = 'A whole recording by the same recorder would tell more.';
  if (references === 0) return noRepair('nothing-found', `${what} ${more}`);
  const codecs = new Set(known.flatMap(({ model }) => unfindable(model)).map(codecName));
  if (codecs.size > 0 && known.every(({ model }) => unfindable(model).length > 0)) {
    const names = [...codecs].join(' and ');
    return noRepair(
      'nothing-found',
      `The ${references === 1 ? 'reference has' : 'references have'} ${names}, whose samples do not say where they end: without an index they cannot be found.`,
    );
  }
  const tried = references === 1 ? 'The reference does' : `None of ${references} references does`;
  return noRepair(
    'nothing-found',
    `${tried}${references === 1 ? ' not' : ''} fit its bytes. ${what}`,
  );
}

const codecName = ({ entry }: TrackLayout): string => entry.codec;

function sizesOf(model: MediaModel): (readonly [width: number, height: number])[] {
  return model.tracks
    .filter(({ layout }) => layout.entry.width > 0)
    .map(({ layout }) => [layout.entry.width, layout.entry.height] as const);
}

/**
 * Decodes the first pictures that a model finds in a file's head; where they fail, which damage may
 * be the reason for, those of its last key frame, too. `doubtful`: some decode.
 */
function tryHead(
  source: ByteSource,
  from: number,
  model: MediaModel,
  decode: TrialDecode | undefined,
): 'fits' | 'doubtful' | 'fails' {
  if (!decode) return 'fits';
  const scanner = new SampleScanner(model, from);
  scanner.limits = trialLimits;
  scanHead(scanner, source, from, trialBytes, true);
  const errors = (where: 'first' | 'last') =>
    errorsOfModel(source, model, scanner.samples, decode, where);
  const first = errors('first');
  if (first === 0) return 'fits';
  const least = Math.min(first, errors('last'));
  return least === 0 ? 'fits' : least < mostErrors ? 'doubtful' : 'fails';
}

// Errors a picture: with wrong parameter sets there are many in each.
const mostErrors = 0.5;

function referenceCandidates(references: readonly ReferenceProfile[]): Candidate[] {
  return references.flatMap((reference) => {
    const model = modelFrom(reference);
    return model
      ? [{ model, origin: `the set-up of ${reference.path}`, path: reference.path }]
      : [];
  });
}

/** The candidates that find anything, those first that turn most of the file's head into samples. */
function rankCandidates(
  source: ByteSource,
  from: number,
  candidates: readonly Candidate[],
): Ranked[] {
  const ranked = candidates.map((candidate) => ({
    candidate,
    ...fitOf(source, from, candidate.model),
  }));
  // One that explains much less than the best is of another recorder, even where the few samples it
  // finds decode.
  const least = 0.5 * Math.max(0, ...ranked.map(({ share }) => share));
  return ranked
    .filter(({ share }) => share > 0 && share >= least)
    .sort((a, b) => (Math.abs(a.share - b.share) > a.share * 0.001 ? b.share - a.share : 0));
}

interface Fit {
  /** The part of a file's head that becomes samples: 0 to 1. */
  readonly covered: number;
  /** The same, less for each hole and for each track of which nothing was found. */
  readonly share: number;
}

interface Ranked extends Fit {
  readonly candidate: Candidate;
}

// The first picture of any encoder fits many a reference: one that turns less than this of the head
// into samples is another recorder's; from so much on nothing better is to be had.
const leastShare = 0.25;
const surelyShare = 0.9;

/** How much of a file's head becomes samples with a model. */
function fitOf(source: ByteSource, from: number, model: MediaModel): Fit {
  const scanner = new SampleScanner(model, from);
  if (scanner.lanes.length === 0) return { covered: 0, share: 0 };
  scanner.limits = trialLimits;
  const to = scanHead(scanner, source, from, trialBytes, true);
  const { samples } = scanner;
  let bytes = 0;
  for (let index = 0; index < samples.count; index += 1) bytes += samples.size[index] ?? 0;
  const missing = samples.perTrack(model.tracks.length).filter((count) => count === 0).length;
  const head = to - from;
  // What the end of a short file cuts off is no fault of the model.
  const read = samples.holes.length === 0 && scanner.tornFrom > 0 ? scanner.tornFrom - from : head;
  const covered = bytes / Math.max(1, read, head / 4);
  return { covered, share: (covered / (1 + samples.holes.length)) * 0.9 ** missing };
}

/** Scans the whole file with one model. */
function scanWith(
  source: ByteSource,
  found: FileOutline,
  candidate: Candidate,
  context: RepairContext,
  refused: readonly string[],
): RescuedMedia | NoRepair {
  const scanner = new SampleScanner(candidate.model, mediaStart(found));
  if (scanner.lanes.some(({ codec }) => codec.taught)) {
    const head = new SampleScanner(candidate.model, mediaStart(found));
    scanHead(head, source, mediaStart(found), trialBytes, true);
    scanner.learnFrom(head);
  }
  return finishScan(source, found, { candidate, scanner }, context, refused);
}

/** Scans to the end, gives every sample its time, and says what was found. */
function finishScan(
  source: ByteSource,
  found: FileOutline,
  { candidate, scanner }: ResumedScan,
  context: RepairContext,
  refused: readonly string[],
): RescuedMedia | NoRepair {
  const { model, origin } = candidate;
  scanner.isClosed = !found.openMedia && !found.torn && found.stop === source.size;
  scanner.scan(source, source.size, true, context.progress);
  const { samples, lanes } = scanner;
  if (samples.count === 0) {
    return noRepair('nothing-found', `No sample was found with ${origin}.`);
  }
  const timed = timeSamples(samples, model, lanes);
  const tornFrom = scanner.tornFrom >= 0 ? scanner.tornFrom : source.size;
  const isBlind = model.tracks.some(({ blind }) => blind !== undefined);
  const lastErrors = isBlind
    ? 0
    : errorsOfModel(source, model, samples, context.trialDecode, 'last');
  const findings = [
    ...refused,
    `Found by content, with ${origin}: ${describeFound(samples, model)} samples.`,
    ...unfindable(model).map(unfindableFinding),
    ...timingFinding(timed),
    ...samples.holes.slice(0, 20).map(holeFinding),
  ];
  if (isBlind) findings.push(keptFinding);
  if (hasUnknownSound(model)) findings.push(unknownSoundFinding);
  if (lastErrors >= mostErrors) {
    findings.push('The last pictures do not decode without errors: the set-up may have changed.');
  }
  const tail = source.size - tornFrom;
  if (tail > 0) findings.push(`The last ${tail} bytes hold no complete sample.`);
  return {
    reference: candidate.path ?? null,
    incomplete: candidate.isCertain === false || missesTrack(samples, model),
    tracks: timed.tracks,
    timescale: timed.timescale,
    method: 'tables rebuilt from the bitstream',
    findings,
    mediaBytes: source.size - mediaStart(found),
    lostMs: Math.round(timed.lostSeconds * 1000),
    zeros: scanner.zeros.upTo(Math.max(0, ...timed.tracks.map((track) => track.samples.end()))),
  };
}

/** A track of pictures or sound of which not a sample was found. */
function missesTrack(samples: FoundSamples, model: MediaModel): boolean {
  const counts = samples.perTrack(model.tracks.length);
  return model.tracks.some(
    ({ layout }, place) =>
      counts[place] === 0 && (layout.entry.kind === 'video' || layout.entry.kind === 'audio'),
  );
}

const keptFinding =
  'Its recorder’s parameter sets are nowhere in the file, and no likely ones fit: the pictures are kept with their times on a track that players pass over. It needs a sample from this recorder: any whole recording by it with the same settings.';

function unfindableFinding({ entry }: TrackLayout): string {
  const what = entry.kind === 'video' ? 'Pictures' : 'Sound';
  return `${what} in ${entry.codec} cannot be found by content, for its samples do not say where they end; that track is left out.`;
}

const unknownSoundFinding =
  'What lies between the pictures is sound of a kind that its bytes do not tell: the pictures are kept without it. It needs a sample from this recorder: any whole recording by it with the same settings.';

function timingFinding({ method, unconfirmedRate }: TimedMedia): string[] {
  const rate = Math.round(unconfirmedRate * 100) / 100;
  if (method === 'assumed') {
    return [
      `Nothing tells the picture rate: ${rate} a second is assumed; the pictures may run too fast or too slow.`,
    ];
  }
  if (rate > 0)
    return [`The picture rate is ${rate} a second by the stream; no sound confirms it.`];
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
