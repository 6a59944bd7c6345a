/**
 * Runs of samples that have no length of their own: PCM, Opus, VP9 between two samples that have one.
 */
import { packetsByClock, type RunContext } from './due-packets.ts';
import { type Lane, runHabit } from './lanes.ts';
import type { MediaModel } from './media-model.ts';
import type { ScanWindow } from './scan-window.ts';
import { pictureEnd } from './sure-starts.ts';

export interface RunPart {
  readonly lane: Lane;
  readonly length: number;
}

// A run is at most what a muxer holds back: some seconds of sound.
const longestFixedRun = 8 * 1024 * 1024;
const longestGuessedRun = 1024 * 1024;
// Without anything measurable the whole file is one run, which is taken piece by piece.
const piece = 256 * 1024;
const guessedPiece = 64 * 1024;

/**
 * Cuts the run that begins at `at` into samples.
 *
 * @returns nothing when no sample of these lanes can begin there; `ends` when the run is not over
 *   at the end of what is there and more may come
 */
export function splitRun(
  window: ScanWindow,
  at: number,
  context: RunContext,
): readonly RunPart[] | 'ends' {
  window.cover(at);
  const guessed = context.lengthless.find(
    (lane) => lane.codec.framing === 'guessed' && window.mayStart(lane.codec, at),
  );
  const lane = guessed ?? context.lengthless.find((other) => other.codec.framing === 'fixed');
  if (!lane) return [];
  const end = lane.codec.isSureStart
    ? pictureEnd(window, at, lane, context)
    : runEnd(window, at, lane, context);
  if (end === 'ends') return 'ends';
  if (end >= window.to && !window.isFinal && context.bounding.length > 0) return 'ends';
  if (end < 0 || holdsHole(window, at, end, lane, context)) return [];
  return lane.codec.framing === 'fixed'
    ? fixedParts(at, end, lane, context.model)
    : guessedParts(window, at, end, lane, context);
}

/** Where the run ends: at the next sample that can be measured, or at the end. */
function runEnd(window: ScanWindow, at: number, lane: Lane, context: RunContext): number {
  const isFixed = lane.codec.framing === 'fixed';
  const longest = isFixed ? longestFixedRun : longestGuessedRun;
  const step = isFixed ? lane.codec.fixedBytes : 1;
  if (context.bounding.length === 0) {
    const length = isFixed ? piece - (piece % step) : guessedPiece;
    return Math.min(window.to, at + length);
  }
  const begins = (place: number) => sampleBegins(window, at, place, lane, context);
  for (const length of likelyRuns(lane, context.model)) {
    if (at + length < window.to && begins(at + length) !== 'none') return at + length;
  }
  const limit = Math.min(window.to, at + longest);
  const reach = isFixed ? shortestReach + lane.usualBytes * 3 : expectedBytes(lane, context) * 4;
  // Until there is a start that is sure the likeliest of the others is kept.
  let [best, lowest, until] = [-1, Number.POSITIVE_INFINITY, limit];
  let largeEnd = -1;
  for (let place = at + step; place < until; place += step) {
    const found = begins(place);
    if (found === 'none') continue;
    if (largeEnd >= 0) {
      // A likelier start lies inside of the large picture, and is not the last of its frames.
      if (found === 'sure' && place + lengthAt(window, place, context) !== largeEnd) return place;
      continue;
    }
    if (found === 'sure') return place;
    if (found === 'large') {
      [best, largeEnd] = [place, place + lengthAt(window, place, context)];
      until = Math.min(limit, largeEnd, at + reach + 2048);
      continue;
    }
    if (place - at > mostWeak) continue;
    const surprise = runSurprise(window, at, place, lane, context);
    // Of two the first is likelier: the other may lie inside the picture that begins there.
    if (surprise + (best < 0 ? 0 : laterIsOdd) >= lowest) continue;
    [best, lowest, until] = [place, surprise, Math.min(limit, Math.max(place + 1, at + reach))];
  }
  if (best >= 0) return best;
  return limit >= window.to ? window.to : -1;
}

// Runs are seldom longer than so many usual ones.
const mostUsual = 4;

/**
 * Whether an unusual run of uncompressed sound, of which any bytes may be some, has a hole in it: a sample
 * begins for certain where no frame ends, or where runs of this file do not if it is far too long. An odd
 * run that is not is kept: recorders write some when they pause.
 */
function holdsHole(
  window: ScanWindow,
  at: number,
  end: number,
  lane: Lane,
  context: RunContext,
): boolean {
  const { framing, fixedBytes } = lane.codec;
  const habit = runHabit(lane);
  const length = end - at;
  const isUsual = habit > 0 ? length % habit === 0 : length <= mostUsual * lane.usualBytes;
  if (framing !== 'fixed' || context.bounding.length === 0 || isUsual) return false;
  for (let place = at + 1; place < end; place += 1) {
    const isFrame = (place - at) % fixedBytes === 0;
    if (!isFrame && isChained(window, place, lane, context)) return true;
  }
  return habit > 0 && length > mostUsual * habit && isChained(window, end, lane, context);
}

const laterIsOdd = 1.5;
// Uncompressed sound is written in runs of some kilobytes.
const shortestReach = 32 * 1024;
// Behind so many bytes a start that may be chance is none.
const mostWeak = 64 * 1024;

/** How unusual it is for the bytes `at` … `end` to be the packets that are due. */
function runSurprise(
  window: ScanWindow,
  at: number,
  end: number,
  lane: Lane,
  context: RunContext,
): number {
  window.cover(at, end - at + 64);
  let from = at - window.start;
  const packets = packetsIn(end - at, lane, context);
  const lengths = lane.codec.splitRun?.(window.bytes, from, end - window.start, packets) ?? [];
  if (lengths.length === 0) return Number.MAX_VALUE;
  let surprise = 0;
  for (const length of lengths) {
    surprise += lane.codec.surprise?.(window.bytes, from, from + length) ?? 0;
    from += length;
  }
  return surprise;
}

/** Bytes a run probably has: its packets by the clock, of the mean size of the reference's. */
function expectedBytes(lane: Lane, context: RunContext): number {
  const [fewest, most] = packetsByClock(lane, context);
  return lane.usualBytes * Math.max(1, (fewest + most) / 2);
}

/** What the bytes of a run of uncompressed sound are a multiple of; 0 when that is not known. */
function unitOf(lane: Lane, model: MediaModel): number {
  return model.tracks[lane.tracks[0] ?? 0]?.runBytes ?? 0;
}

/** Lengths a muxer's habit suggests: multiples of what it writes in one go. */
function* likelyRuns(lane: Lane, model: MediaModel): Generator<number> {
  const bytes = unitOf(lane, model);
  if (bytes <= 0) return;
  for (let count = 1; count <= mostUnits; count += 1) yield bytes * count;
}

/**
 * Whether a measurable sample begins at `at` and something fits behind it. A picture may be so large that
 * it is likelier chance (four bytes of sound that look like a length), or so weak, of AV1's whose
 * shortest are three bytes, where its order hint does not confirm it.
 */
function sampleBegins(
  window: ScanWindow,
  runStart: number,
  at: number,
  run: Lane,
  context: RunContext,
): 'sure' | 'large' | 'weak' | 'none' {
  let found: 'large' | 'weak' | 'none' = 'none';
  window.cover(at, 4096);
  for (const lane of context.bounding) {
    if (lane.codec.isSureStart) {
      if (window.isSureStart(lane.codec, at)) return 'sure';
      continue;
    }
    if (!window.isStart(lane.codec, at)) continue;
    const length = window.measure(lane.codec, at);
    if (!isPlausible(window, at, length, lane, context)) continue;
    const { follows } = lane.codec.last;
    if (length < 0 || goesOn(window, at + length, lane, runStart, run, context)) {
      const isConfirmed = lane.codec.codec !== 'av1' || follows;
      if (isConfirmed && !isLarge(length, lane, context.model)) return 'sure';
      found = isConfirmed ? 'large' : 'weak';
    }
  }
  return found;
}

/**
 * Whether a measured sample begins at `at` for certain, wherever that is: one that says who it is and is read
 * to its end, or one that another follows, at once or behind a usual run of uncompressed sound.
 */
export function isChained(window: ScanWindow, at: number, run: Lane, context: RunContext): boolean {
  const { bounding } = context;
  const measured = (place: number) => {
    for (const { codec } of bounding) {
      if (codec.isSureStart || !window.isStart(codec, place)) continue;
      const length = window.measure(codec, place);
      if (length > 0) return { length, isSure: unmistakable.has(codec.codec) };
    }
    return null;
  };
  const found = measured(at);
  if (!found || found.isSure) return found !== null;
  const next = at + found.length;
  if (next >= window.to || measured(next)) return true;
  const unit = runHabit(run);
  for (let count = 1; count <= mostUnits && unit > 0; count += 1) {
    const end = next + count * unit;
    if (end >= window.to) return false;
    if (measured(end)) return true;
  }
  return false;
}

/** Pictures with a name of their own, and JPEG's chain of markers to its end. */
const unmistakable: ReadonlySet<string> = new Set(['prores', 'mjpeg']);
// A muxer writes at most so many of its units in one go.
const mostUnits = 64;

/** Bytes of the longest sample that can be measured at `at`. */
function lengthAt(window: ScanWindow, at: number, { bounding }: RunContext): number {
  return Math.max(0, ...bounding.map(({ codec }) => window.measure(codec, at)));
}

function isPlausible(
  window: ScanWindow,
  at: number,
  length: number,
  lane: Lane,
  { model }: RunContext,
): boolean {
  const track = model.tracks[lane.tracks[0] ?? 0];
  if (lane.codec.codec === 'av1' && !isUsualTemporalUnit(window, at)) return false;
  // A sample the end cuts off is no longer than others are.
  if (length < 0) {
    const longest = Math.max(16_384, 1.5 * (track?.largestSample ?? 0), 4 * lane.usualBytes);
    return window.to - at <= longest;
  }
  if (length === 0) return false;
  // Bytes of a picture parse as a short sound now and then, hardly ever as one of usual length.
  if (lane.codec.kind === 'audio') {
    return length >= Math.min(lane.usualBytes, track?.meanSample ?? 0) / 3;
  }
  return lane.taken > 0 || lane.codec.last.sync;
}

/** Behind the sample that was measured last, other samples follow. */
function goesOn(
  window: ScanWindow,
  next: number,
  lane: Lane,
  runStart: number,
  run: Lane,
  { bounding, lengthless }: RunContext,
): boolean {
  const hasFixed = lengthless.some((other) => other.codec.framing === 'fixed');
  if (next >= window.to || hasFixed || window.to - next < 64) return true;
  if (bounding.some((other) => window.isStart(other.codec, next))) return true;
  // A picture that said its length, and that it goes on where the last one ended.
  const follows = lane.codec.kind === 'video' && lane.codec.last.follows;
  if (run.codec.kind === 'audio' && window.byte(next) === window.byteAt(runStart)) return true;
  return lengthless.some(({ codec }) =>
    follows ? window.mayStart(codec, next) : window.isStart(codec, next),
  );
}

/**
 * A picture larger than the reference's and those before it, or one that no other begins with and that
 * is much larger than most.
 */
function isLarge(length: number, lane: Lane, model: MediaModel): boolean {
  if (lane.codec.kind !== 'video') return false;
  const { largestSample = 0 } = model.tracks[lane.tracks[0] ?? 0] ?? {};
  if (length > Math.max(4096, 2 * largestSample, 12 * lane.usualBytes)) return true;
  return !lane.codec.last.sync && length > 3 * lane.usualBytes;
}

/**
 * How temporal units of recorders begin (AV1 §5.3.2): a sequence header, a frame, or one byte that
 * shows an existing frame; never with the layers of a conference.
 */
function isUsualTemporalUnit(window: ScanWindow, at: number): boolean {
  const header = window.byte(at);
  if (header === 0x1a) return window.byte(at + 1) === 1 && window.byte(at + 2) >= 0x80;
  return header === 0x0a || header === 0x32;
}

function fixedParts(at: number, end: number, lane: Lane, model: MediaModel): RunPart[] {
  const { fixedBytes } = lane.codec;
  const total = Math.floor((end - at) / fixedBytes) * fixedBytes;
  if (total <= 0) return [];
  const usual = unitOf(lane, model);
  const [wholeRuns, lastShare] = shares(total, usual, lane);
  const parts: RunPart[] = [];
  for (let run = 0; run < wholeRuns; run += 1) parts.push({ lane, length: usual });
  let left = total - wholeRuns * usual;
  for (; left > 0; left -= lastShare) parts.push({ lane, length: Math.min(left, lastShare) });
  return parts;
}

/**
 * How a run of PCM is shared out: so many runs of the usual length, then shorter ones, of which every
 * track has one (the last of a recording).
 */
function shares(
  total: number,
  usual: number,
  lane: Lane,
): readonly [wholeRuns: number, lastShare: number] {
  const { fixedBytes } = lane.codec;
  const tracks = lane.tracks.length;
  const equal = Math.max(fixedBytes, Math.floor(total / tracks / fixedBytes) * fixedBytes);
  if (usual <= 0) return [0, equal];
  const most = Math.floor(total / usual);
  if (total % usual === 0 || tracks === 1) return [most, usual];
  for (let runs = most; runs >= Math.max(0, most - tracks); runs -= 1) {
    const rest = total - runs * usual;
    // Tracks that were level before are level behind it.
    if (lane.clocks.isLevel && runs % tracks !== 0) continue;
    if (rest % (tracks * fixedBytes) === 0 && rest / tracks < usual) return [runs, rest / tracks];
  }
  return [most, usual];
}

function guessedParts(
  window: ScanWindow,
  at: number,
  end: number,
  lane: Lane,
  context: RunContext,
): RunPart[] | 'ends' {
  const { codec } = lane;
  window.cover(at, end - at);
  const place = at - window.start;
  const length = Math.min(end, window.end) - at;
  if (!codec.splitRun) return [{ lane, length }];
  // Where only the piece ends and not the run, the last cuts are not to be trusted.
  const isPiece = end < window.to && context.bounding.length === 0;
  const isTorn = end >= window.to && context.isCutOff;
  const packets = isPiece || end >= window.to ? 0 : packetsIn(length, lane, context);
  // Far more bytes than the packets that are due have: a hole begins here.
  if (lane.taken > 16 && packets > 0 && length > packets * (lane.usualBytes * 4 + 1024)) return [];
  let lengths = codec.splitRun(window.bytes, place, place + length, packets);
  if (lengths.length === 0 && packets > 0) {
    lengths = codec.splitRun(window.bytes, place, place + length, 0);
  }
  // What a cut leaves of a packet looks like a whole one, but where all have the same size.
  const last = isTorn && lengths.at(-1) !== lane.usualBytes ? 1 : 0;
  const kept = lengths.slice(0, Math.max(0, lengths.length - (isPiece ? 3 : last)));
  if (isTorn && kept.length === 0 && lengths.length > 0) return 'ends';
  return kept.map((bytes) => ({ lane, length: bytes }));
}

/** How many packets a run holds: the clock of the pictures bounds it, their size decides. 0 without a clock. */
function packetsIn(length: number, lane: Lane, context: RunContext): number {
  const { usualBytes } = lane;
  const [fewest, most] = packetsByClock(lane, context);
  if (most === 0) return 0;
  const bySize = usualBytes > 0 ? Math.max(1, Math.round(length / usualBytes)) : 0;
  return Math.min(most, Math.max(fewest, bySize));
}
