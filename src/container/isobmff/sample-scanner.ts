/**
 * Finds the samples of a file that has no index, by what the codecs say of their lengths.
 *
 * From one sample to the next: a sample is taken when what follows it begins a sample, too. The scan
 * can stop anywhere and go on later from its state, over a file that has grown meanwhile. What it
 * finds is in file order; times are told later (timing.ts). Samples without a length of their own
 * (PCM, Opus, VP9) are cut out of the run between two that have one (sample-runs.ts).
 */
import { type ByteSource, Cancelled, type Progress } from '../bytes.ts';
import { needsMore, notASample } from '../codec/codec.ts';
import { ZerosMet } from '../zero-sectors.ts';
import { betweenSamples } from './boxes.ts';
import type { Anchor, RunContext } from './due-packets.ts';
import { FoundSamples, foundFlags } from './found-samples.ts';
import { countRun, countSample, type Lane, lanesOf, realign, runHabit } from './lanes.ts';
import type { MediaModel } from './media-model.ts';
import { endsInZeros, type OpaqueSample, OpaqueSamples } from './opaque-samples.ts';
import { findNextSample, zeroRun } from './resync.ts';
import { isChained, type RunPart, splitRun } from './sample-runs.ts';
import { laneStates, restoreLanes, type ScanState } from './scan-state.ts';
import { ScanWindow } from './scan-window.ts';

export class SampleScanner {
  readonly samples = new FoundSamples();
  /** Zeros that were read on the way: holes may lie inside of samples. */
  readonly zeros: ZerosMet;
  /** Offset of the first byte that is not yet part of a sample, a hole or a box. */
  position: number;
  /** A trial gives up at a hole of more bytes, or at more holes; a repair does not. */
  limits = { holes: Number.POSITIVE_INFINITY, holeBytes: Number.POSITIVE_INFINITY };
  /** The media was closed where the source ends: its last sample is not cut off. */
  isClosed = false;
  /** Why the scan stopped: at the end, inside a sample that is cut off, or waiting for more. */
  tornFrom = -1;
  readonly #lanes: Lane[];
  readonly #measured: Lane[];
  readonly #lengthless: Lane[];
  /** Lanes without lengths whose samples are unmistakable where they begin. */
  readonly #sure: Lane[];
  readonly #bounding: Lane[];
  readonly #model: MediaModel;
  /** Tracks whose samples nobody can measure (text, time codes) lie between the others. */
  readonly #others: OpaqueSamples;
  /** The time code track until its only sample is found. */
  #timecode: number;
  #holeFrom = -1;
  #isInHole = false;
  #searchedTo = -1;
  /** When pictures and packets without a length were level. */
  #anchor: Anchor | null;
  /** Number of the first sample behind the last hole until the turn of the tracks is known. */
  #realignFrom = -1;
  /** The codecs' facts are no longer those of the sample at `position`. */
  #isDisturbed = false;

  constructor(model: MediaModel, from: number) {
    this.#model = model;
    this.position = from;
    this.zeros = new ZerosMet(from);
    this.#lanes = lanesOf(model);
    this.#measured = this.#lanes.filter((lane) => lane.codec.framing === 'measured');
    this.#lengthless = this.#lanes.filter((lane) => lane.codec.framing !== 'measured');
    this.#sure = this.#lengthless.filter((lane) => lane.codec.isSureStart);
    this.#bounding = [...this.#measured, ...this.#sure];
    const pictures = model.tracks.find(({ layout }) => layout.entry.kind === 'video');
    this.#anchor = { pictures: 0, seconds: pictures?.shownFrom ?? 0, slack: 0 };
    const known = new Set(this.#lanes.flatMap((lane) => lane.tracks));
    this.#timecode = model.tracks.findIndex(({ layout }) => layout.entry.kind === 'timecode');
    const unknown = model.tracks.map((_, place) => place).filter((place) => !known.has(place));
    this.#others = new OpaqueSamples(model, unknown, this.#measured, (...asked) =>
      this.#chain(...asked),
    );
  }

  /** Begins with what a scan of the same file has learned of packets that do not say how long they are. */
  learnFrom(other: SampleScanner): void {
    this.#lanes.forEach(({ codec }, place) => {
      const { taught } = other.#lanes[place]?.codec ?? {};
      if (taught) codec.learnFrom?.(taught);
    });
  }

  /** What `position` lies in is no sample: the first is looked for. */
  beginInHole(): void {
    this.#isInHole = true;
  }

  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  /**
   * Reads on from `position`.
   *
   * @param to       offset to stop at
   * @param isFinal  nothing will be added at `to`: what is cut off there is torn
   * @throws Cancelled when `progress` says so
   */
  scan(source: ByteSource, to: number, isFinal: boolean, progress?: Progress): void {
    const window = new ScanWindow(source, this.position, to, isFinal, this.zeros);
    this.tornFrom = -1;
    if (this.#isInHole && !this.#passHole(window, progress)) return;
    this.#isInHole = false;
    for (let steps = 0; this.position < window.to; steps += 1) {
      if (steps % 256 === 0 && progress && !progress(this.position)) throw new Cancelled();
      if (this.#passBox(window)) continue;
      if (this.#takeText(window) || this.#takeTimecode(window)) continue;
      const step = this.#takeSample(window);
      if (step === 'taken') continue;
      if (step === 'ends') {
        this.#end(window);
        return;
      }
      if (this.#lengthless.length > 0) {
        const run = this.#takeRun(window);
        if (run === 'taken') continue;
        if (run === 'ends') {
          this.#end(window);
          return;
        }
      }
      if (this.#takeOpaque(window)) continue;
      if (!this.#passHole(window, progress)) return;
    }
  }

  state(): ScanState {
    return {
      position: this.position,
      samples: this.samples.count,
      holeFrom: this.#holeFrom,
      searchedTo: this.#searchedTo,
      realignFrom: this.#realignFrom,
      anchor: this.#anchor,
      holes: [...this.samples.holes],
      timecode: this.#timecode,
      zeros: this.zeros.state(),
      lanes: laneStates(this.#lanes),
    };
  }

  /** Puts back what `state` returned and the bytes of its samples. False when they do not fit. */
  restore(state: ScanState, samples: Uint8Array): boolean {
    if (samples.length < state.samples * 18 || !restoreLanes(this.#lanes, state.lanes))
      return false;
    this.samples.clear();
    this.samples.deserialise(samples.subarray(0, state.samples * 18));
    for (const hole of state.holes) this.samples.addHole(hole);
    this.position = state.position;
    this.zeros.restore(state.zeros);
    this.#holeFrom = state.holeFrom;
    this.#searchedTo = state.searchedTo;
    this.#realignFrom = state.realignFrom;
    this.#anchor = state.anchor;
    this.#timecode = state.timecode;
    return true;
  }

  /** Steps over a box that stands between samples. */
  #passBox(window: ScanWindow): boolean {
    const at = this.position;
    window.cover(at);
    const type = betweenSamples.get(window.u32(at + 4));
    if (type === undefined) return false;
    const size = window.u32(at);
    if (type === 'mdat') {
      if (size !== 0 && size !== 1 && size < 8) return false;
      this.position = at + (size === 1 ? 16 : 8);
      this.#meetMedia(window);
      return true;
    }
    if (size < 8 || at + size > window.to) return false;
    this.position = at + size;
    return true;
  }

  // ffmpeg's second pass for `+faststart` copies the whole file, header included, towards the end.
  // Killed there, it leaves the beginning twice: what was found before the copy is dropped.
  #meetMedia(window: ScanWindow): void {
    const first = this.samples.offset[0] ?? 0;
    if (this.samples.count === 0 || !window.isSame(first, this.position, 64)) return;
    this.samples.clear();
    for (const lane of this.#lanes) {
      lane.codec.discontinue();
      lane.epoch = 0;
      lane.taken = 0;
    }
    this.#resetClocks();
  }

  #resetClocks(): void {
    const fresh = lanesOf(this.#model);
    this.#lanes.forEach((lane, place) => {
      const clocks = fresh[place]?.clocks.state();
      if (clocks) lane.clocks.restore(clocks);
    });
  }

  #takeSample(window: ScanWindow): 'taken' | 'ends' | 'nothing' {
    const at = this.position;
    let found: Lane | null = null;
    let length = 0;
    let torn: Lane | null = null;
    this.#isDisturbed = false;
    if (this.#sure.some((lane) => window.isSureStart(lane.codec, at))) return 'nothing';
    for (const lane of this.#measured) {
      const measured = window.measure(lane.codec, at);
      if (measured === needsMore) torn = lane;
      if (measured === notASample || measured === needsMore) continue;
      if (found) {
        const rival = this.#chain(window, at, lane, 4);
        if (rival <= this.#chain(window, at, found, 4)) continue;
      }
      [found, length] = [lane, measured];
    }
    if (found && torn && !this.#continues(window, at + length)) found = null;
    if (!found) {
      if (!torn) return 'nothing';
      // A length that reaches far beyond the end is more likely a wrong one, unless nothing is behind.
      return this.#isTornHere(window, torn) ? 'ends' : 'nothing';
    }
    return this.#judge(window, found, length);
  }

  #judge(window: ScanWindow, lane: Lane, length: number): 'taken' | 'ends' | 'nothing' {
    const at = this.position;
    const next = at + length;
    if (next >= window.to) {
      // At the end of what is there: whole only if it cannot go on.
      if (!window.isFinal) return 'ends';
      if (this.#looksCut(lane)) return 'ends';
    } else if (!this.#continues(window, next)) {
      if (window.to - next < 16 && !window.isFinal) return 'ends';
      if (!this.#standsAlone(window, lane, length)) return 'nothing';
    }
    // What was asked about the samples behind has overwritten the facts of this one.
    if (this.#isDisturbed && window.measure(lane.codec, at) !== length) return 'nothing';
    this.#accept(lane, length);
    return 'taken';
  }

  /** A picture with fewer slices than all others was cut between two of them. */
  #looksCut(lane: Lane): boolean {
    if (lane.codec.kind !== 'video' || lane.taken === 0) return false;
    if (lane.fewestSlices === 1 && lane.mostSlices <= 1) return false;
    return lane.codec.last.slices < lane.mostSlices;
  }

  /** A sample behind which nothing begins: complete, or run into a hole? */
  #standsAlone(window: ScanWindow, lane: Lane, length: number): boolean {
    const at = this.position;
    if (this.#lengthless.length > this.#sure.length || !this.#others.areNone)
      return !endsInZeros(window, at, length);
    // Sound was read bit by bit to its end; a picture only has its own word for its length.
    if (lane.codec.kind === 'audio') return true;
    return false;
  }

  #accept(lane: Lane, length: number): void {
    const { codec } = lane;
    codec.accept();
    const { last } = codec;
    const isVideo = codec.kind === 'video';
    let flags = last.sync || last.recoveryPoint ? foundFlags.sync : 0;
    if (lane.taken === 0 || last.epoch !== lane.epoch) flags |= foundFlags.epochStart;
    if (this.#holeFrom >= 0) flags |= foundFlags.afterHole;
    this.#closeHole();
    if (isVideo) {
      lane.fewestSlices = lane.taken === 0 ? last.slices : Math.min(lane.fewestSlices, last.slices);
      lane.mostSlices = Math.max(lane.mostSlices, last.slices);
    }
    lane.epoch = last.epoch;
    if (isVideo && !this.#anchor) this.#anchor = this.#anchorAt(lane);
    countSample(lane, length);
    if (isVideo && this.#realignFrom >= 0) {
      realign(this.samples, this.#lanes, this.#model, this.#realignFrom);
      this.#realignFrom = -1;
    }
    const track = isVideo ? (lane.tracks[0] ?? 0) : lane.clocks.next();
    const duration = isVideo ? 0 : this.#soundOf(lane, track);
    if (!isVideo) lane.clocks.advance(duration);
    this.samples.push(this.position, length, track, flags, isVideo ? last.order : duration);
    this.position += length;
  }

  /** Behind a hole: the first picture is shown about when the sound before it is. */
  #anchorAt(lane: Lane): Anchor | null {
    const sound = this.#lengthless.find(({ codec }) => codec.kind === 'audio');
    if (!sound) return null;
    const seconds = Math.max(...sound.clocks.allSeconds(sound.codec.rate || 1));
    return { pictures: lane.taken, seconds, slack: 1 };
  }

  /** Ticks of the sound measured last, on a track of its lane. */
  #soundOf(lane: Lane, track: number): number {
    const { codec } = lane;
    const { firstDuration = 0, layout } = this.#model.tracks[track] ?? {};
    const isFirst = lane.taken <= lane.tracks.length && this.samples.holes.length === 0;
    if (firstDuration > 0 && layout && codec.framing === 'guessed' && isFirst) {
      return Math.round((firstDuration * codec.rate) / layout.timescale);
    }
    return codec.last.duration || codec.usualDuration;
  }

  /** True when a sample, a box or the end comes at `at`. */
  #continues(window: ScanWindow, at: number): boolean {
    if (at >= window.to) return true;
    window.cover(at);
    if (betweenSamples.has(window.u32(at + 4))) return true;
    for (const lane of this.#measured) {
      if (window.isStart(lane.codec, at)) return true;
    }
    for (const lane of this.#lengthless) {
      if (lane.codec.framing === 'fixed' || window.isStart(lane.codec, at)) return true;
    }
    this.#isDisturbed = true;
    for (const lane of this.#measured) {
      const length = window.measure(lane.codec, at);
      if (length > 0 || (length === needsMore && this.#mayBeTorn(window, at, lane))) return true;
    }
    return window.to - at < 5;
  }

  /** How many samples follow each other from `at`, the first one of `lane`; at most `depth`. */
  #chain(window: ScanWindow, at: number, lane: Lane, depth: number): number {
    this.#isDisturbed = true;
    const length = window.measure(lane.codec, at);
    if (length === needsMore) return 1;
    if (length === notASample) return 0;
    const next = at + length;
    if (depth <= 1 || next >= window.to) return depth;
    window.cover(next);
    if (betweenSamples.has(window.u32(next + 4))) return depth;
    if (this.#sure.some(({ codec }) => window.isSureStart(codec, next))) return depth;
    let best = 0;
    for (const other of this.#measured) {
      best = Math.max(best, this.#chain(window, next, other, depth - 1));
      if (best >= depth - 1) break;
    }
    return 1 + best;
  }

  /** What the end cuts off is no longer than other samples are. */
  #mayBeTorn(window: ScanWindow, at: number, lane: Lane): boolean {
    const sizes = lane.tracks.map((track) => this.#model.tracks[track]?.largestSample ?? 0);
    const largest = Math.max(...sizes) || 1024 * 1024;
    return window.to - at <= Math.max(64 * 1024, largest * 2);
  }

  #isTornHere(window: ScanWindow, lane: Lane): boolean {
    const left = window.to - this.position;
    if (!window.isFinal) return left <= lane.codec.maxSampleBytes + 64 * 1024;
    // More bytes than any sample is long: the length was wrong.
    if (left > lane.codec.maxSampleBytes) return false;
    if (this.#mayBeTorn(window, this.position, lane)) return true;
    // A long rest: torn only if no chain begins in it.
    return (
      findNextSample(window, this.position + 1, this.#bounding, this.#chainTest, window.to) < 0
    );
  }

  // Four samples that follow each other are no chance. Where samples without a length lie between
  // them there are no such chains: one that goes on somehow has to do.
  #chainTest = (window: ScanWindow, at: number, lane: Lane): boolean => {
    if (lane.codec.isSureStart) return window.isSureStart(lane.codec, at);
    if (this.#lengthless.length === this.#sure.length) return this.#chain(window, at, lane, 4) >= 4;
    const fixed = this.#lengthless.find(({ codec }) => codec.framing === 'fixed');
    if (fixed && runHabit(fixed) > 0) return isChained(window, at, fixed, this.#context(window));
    const length = window.measure(lane.codec, at);
    return length > 0 && this.#continues(window, at + length);
  };

  /** Cuts a run without lengths, up to the next sample that has one, into samples. */
  #takeRun(window: ScanWindow): 'taken' | 'ends' | 'nothing' {
    const run = splitRun(window, this.position, this.#context(window));
    if (run === 'ends') return 'ends';
    if (run.length === 0) return 'nothing';
    const [{ lane }] = run as readonly [RunPart, ...RunPart[]];
    const bytes = run.reduce((sum, part) => sum + part.length, 0);
    if (lane.codec.framing === 'fixed' && this.position + bytes < window.to) countRun(lane, bytes);
    window.cover(this.position, bytes);
    const from = this.position - window.start;
    lane.codec.teach?.(window.bytes, from, from + bytes);
    for (const part of run) {
      const { codec } = part.lane;
      if (codec.framing === 'guessed') {
        window.cover(this.position, part.length + 64);
        const place = this.position - window.start;
        codec.measure(window.bytes, place, place + part.length, true);
        this.#accept(part.lane, part.length);
      } else this.#acceptFixed(part.lane, part.length);
    }
    return 'taken';
  }

  #context({ atSourceEnd, isFinal }: ScanWindow): RunContext {
    return {
      isCutOff: isFinal && atSourceEnd && !this.isClosed,
      lengthless: this.#lengthless,
      bounding: this.#bounding,
      model: this.#model,
      anchor: this.#anchor,
    };
  }

  #acceptFixed(lane: Lane, length: number): void {
    const duration = Math.floor(length / Math.max(1, lane.codec.fixedBytes));
    const flags = foundFlags.sync | (this.#holeFrom >= 0 ? foundFlags.afterHole : 0);
    this.#closeHole();
    this.samples.push(this.position, length, lane.clocks.next(), flags, duration);
    lane.clocks.advance(duration);
    countSample(lane, length);
    this.position += length;
  }

  /** Takes the one sample of a time code track. */
  #takeTimecode(window: ScanWindow): boolean {
    const at = this.position;
    if (this.#timecode < 0 || this.#holeFrom >= 0 || !this.#others.isTimecode(window, at)) {
      return false;
    }
    this.#takeOther({ track: this.#timecode, end: at + 4 });
    this.#timecode = -1;
    return true;
  }

  #takeText(window: ScanWindow): boolean {
    return this.#holeFrom < 0 && this.#takeOther(this.#others.text(window, this.position));
  }

  #takeOpaque(window: ScanWindow): boolean {
    return this.#holeFrom < 0 && this.#takeOther(this.#others.upToNext(window, this.position));
  }

  #takeOther(sample: OpaqueSample | null): boolean {
    if (!sample) return false;
    const { track, end } = sample;
    if (track !== undefined) {
      this.samples.push(this.position, end - this.position, track, foundFlags.sync, 0);
    }
    this.position = end;
    return true;
  }

  /** The scan came to a sample that is cut off, or that may still grow. */
  #end(window: ScanWindow): void {
    this.tornFrom = this.position;
    if (!window.isFinal) return;
    this.#takeTornPicture(window);
    if (this.position < window.to) this.tornFrom = this.position;
  }

  /** The last picture is whole although its file is cut off when all its slices are there. */
  #takeTornPicture(window: ScanWindow): void {
    const at = this.position;
    for (const lane of this.#measured) {
      if (lane.codec.kind !== 'video' || lane.taken === 0) continue;
      if (window.measure(lane.codec, at) !== needsMore) continue;
      const { soFar } = lane.codec.last;
      if (soFar <= 0) continue;
      const place = at - window.start;
      const length = lane.codec.measure(window.bytes, place, place + soFar, true);
      const { slices } = lane.codec.last;
      const isWhole = lane.fewestSlices === lane.mostSlices && slices === lane.mostSlices;
      if (length !== soFar || slices === 0 || !isWhole) continue;
      this.#accept(lane, length);
      return;
    }
  }

  /** Nothing begins here: looks for a place where samples follow each other again. */
  #passHole(window: ScanWindow, progress?: Progress): boolean {
    if (this.#holeFrom < 0) this.#holeFrom = this.position;
    if (this.samples.holes.length >= this.limits.holes) return false;
    for (const lane of this.#lanes) lane.codec.discontinue();
    const from = Math.max(this.position + 1, this.#searchedTo);
    const to = Math.min(window.to, this.#holeFrom + this.limits.holeBytes);
    const next = findNextSample(window, from, this.#bounding, this.#chainTest, to, progress);
    if (next < 0) {
      // Bytes near the end may become a sample when the file grows.
      this.#searchedTo = window.isFinal ? window.to : Math.max(from, window.to - 64 * 1024);
      if (window.isFinal) {
        this.tornFrom = this.#holeFrom;
        this.position = this.#holeFrom;
      }
      return false;
    }
    this.#searchedTo = -1;
    const from0 = this.#holeFrom;
    const zeros = zeroRun(window, from0, next) >= (next - from0) * 0.9;
    this.samples.addHole({ from: from0, to: next, samplesBefore: this.samples.count, zeros });
    for (const lane of this.#lanes) lane.clocks.equalise();
    this.#realignFrom = this.samples.count;
    this.#anchor = null;
    this.position = next;
    return true;
  }

  #closeHole(): void {
    this.#holeFrom = -1;
  }
}
