/**
 * What lies in a file's head when only its pictures can be told: the pictures, and the runs of bytes
 * between them, which are sound of a kind yet to be found (sound-search.ts).
 */
import type { ByteSource } from '../bytes.ts';
import { needsMore, notASample, type SampleCodec } from '../codec/codec.ts';
import { type FoundSamples, foundFlags } from './found-samples.ts';
import { ScanWindow } from './scan-window.ts';

export interface Place {
  readonly at: number;
  readonly end: number;
}

export interface SurveyedPicture extends Place {
  readonly sync: boolean;
}

export interface HeadSurvey {
  readonly pictures: readonly SurveyedPicture[];
  /** What lies between pictures, or in front of the first, in the order of the file. */
  readonly runs: readonly Place[];
  /** Where the survey ended. */
  readonly end: number;
}

/** Where a survey ends at the latest: key frames of 4K may have megabytes each. */
export const surveyBytes = 64 * 1024 * 1024;

// Some seconds of any recording; a run is at most what a muxer holds back of several tracks.
const mostPictures = 400;
const longestRun = 2 * 1024 * 1024;

/** Walks the head of a file with the codec of its pictures. */
export function surveyHead(
  source: ByteSource,
  from: number,
  to: number,
  codec: SampleCodec,
): HeadSurvey {
  const window = new ScanWindow(source, from, to, to >= source.size);
  const pictures: SurveyedPicture[] = [];
  const runs: Place[] = [];
  let at = from;
  const sizes = { largest: 0, mean: 0, furtherOn: leastFurther };
  let between = 0;
  let logs = 0;
  while (at < window.to && pictures.length < mostPictures) {
    const length = window.measure(codec, at);
    if (length > 0) {
      const { sync } = codec.last;
      codec.accept();
      pictures.push({ at, end: at + length, sync });
      sizes.largest = Math.max(sizes.largest, length);
      // Of pictures: three bytes that show one from before (AV1) say nothing of them.
      logs += Math.log(Math.max(length, 256));
      sizes.mean = Math.exp(logs / pictures.length);
      at += length;
      continue;
    }
    if (length === needsMore && window.to - at < codec.maxSampleBytes) break;
    const next = nextPicture(window, at + 1, codec, sizes);
    if (next < 0) break;
    runs.push({ at, end: next });
    between += next - at;
    sizes.furtherOn = Math.max(leastFurther, (3 * between) / runs.length);
    at = next;
  }
  return { pictures, runs, end: at };
}

// A chance picture in bytes that may be anything is mostly far longer than pictures are.
const mostLarger = 8;
const larger = 3;
const leastFurther = 4096;

interface Sizes {
  readonly largest: number;
  /** Geometric: a few key frames do not count for much. */
  readonly mean: number;
  /** Bytes within which the right picture begins where a wrong one was found: three runs or so. */
  readonly furtherOn: number;
}

/**
 * The next place where a picture begins, among bytes that may be anything: its numbers go on where
 * those before it ended. One that is longer than most, and no key frame, or that nothing goes on from,
 * gives way to a usual one that begins a little further on, inside it.
 */
function nextPicture(window: ScanWindow, from: number, codec: SampleCodec, sizes: Sizes): number {
  let to = Math.min(window.to, from + longestRun);
  // One that is large, with its end; and one that leads nowhere.
  let [large, largeEnd, stray] = [-1, -1, -1];
  for (let at = from; at < to; at += 1) {
    if (!window.isStart(codec, at)) continue;
    const length = window.measure(codec, at);
    const { follows, sync } = codec.last;
    // The last frame of a large picture is no likelier one.
    if (length <= 0 || !follows || at + length === largeEnd) continue;
    const isUsual = sizes.largest === 0 || length <= sizes.largest * mostLarger;
    if (!isUsual && !window.isStart(codec, at + length)) continue;
    const isPlain = sizes.mean === 0 || sync || length <= larger * sizes.mean;
    if (!leadsOn(window, at, length, codec)) {
      if (stray < 0) stray = at;
      if (large < 0) to = Math.min(to, stray + sizes.furtherOn);
    } else if (isPlain) return at;
    else if (large < 0) {
      [large, largeEnd] = [at, at + length];
      to = Math.min(to, at + Math.min(length, sizes.furtherOn));
    }
  }
  return large >= 0 ? large : stray;
}

/**
 * Another picture goes on from the one at `at`. Asked of AV1 only, where chance makes one that fits in every
 * fiftieth run of sound.
 */
function leadsOn(window: ScanWindow, at: number, length: number, codec: SampleCodec): boolean {
  if (codec.codec !== 'av1') return true;
  const from = at + length;
  const to = Math.min(window.to, from + leastFurther * 2);
  const state = codec.state();
  window.measure(codec, at);
  codec.accept();
  let found = to === window.to;
  for (let place = from; place < to && !found; place += 1) {
    if (!window.isStart(codec, place)) continue;
    found = window.measure(codec, place) !== notASample && codec.last.follows;
  }
  codec.restore(state);
  return found;
}

/** What a trial scan found, as a survey: samples of the first track are the pictures. */
export function surveyOf(samples: FoundSamples, end: number): HeadSurvey {
  const pictures: SurveyedPicture[] = [];
  const runs: Place[] = [];
  let run: { at: number; end: number } | null = null;
  for (let index = 0; index < samples.count; index += 1) {
    const at = samples.offset[index] ?? 0;
    const place = { at, end: at + (samples.size[index] ?? 0) };
    if (samples.track[index] === 0) {
      if (run) runs.push(run);
      run = null;
      pictures.push({ ...place, sync: ((samples.flags[index] ?? 0) & foundFlags.sync) !== 0 });
    } else if (run && run.end === at) run.end = place.end;
    else run = place;
  }
  return { pictures, runs, end };
}

/** Bytes of the pictures and the runs, as a share of what was surveyed that is pictures: 0 to 1. */
export function pictureShare({ pictures, end }: HeadSurvey, from: number): number {
  const bytes = pictures.reduce((sum, picture) => sum + picture.end - picture.at, 0);
  return end > from ? bytes / (end - from) : 0;
}
