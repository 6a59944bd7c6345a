/**
 * What the samples of a track prove of a run of zeros that lies in them: that it was never written, that
 * it is their own, or nothing.
 *
 * A false alarm would cost good media, so a run proves a hole only by what no encoder writes, and where
 * the zeros are of a kind that encoders do write, only if this track has none of its own elsewhere.
 */
import type { ByteSource } from '../bytes.ts';
import type { SampleCodec } from '../codec/codec.ts';
import { type UnitFormat, zerosInUnits } from '../codec/nal-chain.ts';
import { sampleCodec } from '../codec/sample-codecs.ts';
import {
  beginsLikeAHole,
  endsLikeAHole,
  endsWith,
  fillsPages,
  type ZeroRun,
} from '../zero-sectors.ts';
import type { TrackLayout } from './movie.ts';
import type { SampleColumns } from './sample-columns.ts';
import { SamplePlaces } from './sample-places.ts';
import { parameterSets } from './trial.ts';

/**
 * How a track's samples can be asked.
 *
 * - `units`   chains of NAL units, without runs of zeros inside
 * - `frames`  sound that is read to its end bit by bit
 * - `bytes`   compressed without such marks, so that only where the zeros lie tells
 */
type Kind = 'units' | 'frames' | 'bytes';

const readToTheEnd = new Set(['aac', 'flac', 'alac']);
const compressed = new Set(
  'opus mp3 ac3 eac3 av1 vp8 vp9 mjpeg prores mpeg4 mpeg2video'.split(' '),
);

/** Zeros with which no sample of any of these begins: a length, a sync word, a header come first. */
const leastZeros = 8;

/** Samples of a track that are read to see whether they can be. */
const mostAsked = 64;
/** How often all bytes of a file may be asked: samples of a damaged index share theirs. */
const mostRead = { times: 4, more: 64 * 1024 * 1024 };

export class TornSamples {
  readonly samples: SampleColumns;
  readonly places: SamplePlaces;
  readonly format: UnitFormat | null;
  readonly #source: ByteSource;
  readonly #kind: Kind;
  readonly #codec: SampleCodec | null;
  /** Samples of this track have long runs of zeros of their own. */
  #hasOwnZeros = false;
  /** Such runs reach the ends of samples. */
  #endsInZeros = false;
  #readable: boolean | undefined;
  /** Bytes of samples that may still be read. */
  #left: number;

  private constructor(
    source: ByteSource,
    samples: SampleColumns,
    kind: Kind,
    format: UnitFormat | null,
    codec: SampleCodec | null,
  ) {
    this.#source = source;
    this.#left = mostRead.times * source.size + mostRead.more;
    this.samples = samples;
    this.places = new SamplePlaces(samples);
    this.#kind = kind;
    this.format = format;
    this.#codec = codec;
  }

  /** Null for a track that proves nothing: uncompressed, encrypted, or of a codec nobody here reads. */
  static of(
    source: ByteSource,
    { layout, samples }: { readonly layout: TrackLayout; readonly samples: SampleColumns },
  ): TornSamples | null {
    const { entry, stsd } = layout;
    if (entry.encrypted || entry.frameBytes > 0 || stsd.length < 24) return null;
    const sets = parameterSets(layout);
    if (sets && (entry.codec === 'h264' || entry.codec === 'hevc')) {
      const format = { codec: sets.format, lengthBytes: sets.lengthBytes };
      return new TornSamples(source, samples, 'units', format, null);
    }
    if (readToTheEnd.has(entry.codec)) {
      const codec = sampleCodec(stsd.subarray(16));
      return codec && new TornSamples(source, samples, 'frames', null, codec);
    }
    return compressed.has(entry.codec)
      ? new TornSamples(source, samples, 'bytes', null, null)
      : null;
  }

  /** Notes a run that begins or ends in a sample and not as a hole would: this encoder writes zeros. */
  note(run: ZeroRun): void {
    for (const sample of this.places.within(run.zerosFrom, run.to)) {
      const [start, end] = this.range(sample);
      if (start >= run.zerosFrom) return;
      const isWithin = run.zerosTo < end || endsWith(run, end);
      const isOwn = !beginsLikeAHole(run) || (isWithin && !endsLikeAHole(run));
      this.#hasOwnZeros ||= isOwn;
      this.#endsInZeros ||= isOwn && endsWith(run, end);
      return;
    }
  }

  /** Whether a sample begins in these zeros, and with more of them than any does. */
  beginsIn(sample: number, run: ZeroRun): boolean {
    const [start, end] = this.range(sample);
    return start >= run.zerosFrom && Math.min(run.zerosTo, end) - start >= leastZeros;
  }

  /** Whether any sample does. */
  beginsWithin(run: ZeroRun): boolean {
    for (const sample of this.places.within(run.from, run.to)) {
      if (this.beginsIn(sample, run)) return true;
    }
    return false;
  }

  /** Whether a sample ended in zeros of its own before a hole began in them, as this encoder's do. */
  endedBefore(sample: number, run: ZeroRun): boolean {
    const [start, end] = this.range(sample);
    const isOwn = this.#endsInZeros && start < run.zerosFrom && !beginsLikeAHole(run);
    return isOwn && end <= run.zerosTo;
  }

  /** Whether one of the samples proves that these zeros were never written. */
  proveHole(run: ZeroRun): boolean {
    for (const sample of this.places.within(run.from, run.to)) {
      // Only the first sample description is known.
      const isKnown = (this.samples.description[sample] ?? 1) === 1;
      if (isKnown && this.#proves(sample, run)) return true;
    }
    return false;
  }

  #proves(sample: number, run: ZeroRun): boolean {
    const [start, end] = this.range(sample);
    if (!this.beginsIn(sample, run) && !this.#mayEndIn(start, end, run)) return false;
    if (this.#kind === 'frames') return this.#isUnreadable(sample);
    const isInside = start < run.zerosFrom && run.zerosTo < end;
    if (this.format && isInside) {
      this.#left -= end - start;
      if (this.#left < 0) return false;
      const bytes = this.#source.read(start, end - start);
      return zerosInUnits(bytes, this.format, run.from - start, run.to - start) !== 'padding';
    }
    return true;
  }

  /** Sound in `from` … `to` that cannot be read to its end, and what follows it up to a sample that can. */
  unreadable(from: number, to: number): number[] {
    const found: number[] = [];
    for (const sample of this.places.within(from, Number.POSITIVE_INFINITY)) {
      const isLost = this.#isUnreadable(sample);
      if (isLost) found.push(sample);
      else if (this.range(sample)[0] >= to) break;
    }
    return found;
  }

  /** Whether it is sound that should be read to its end, and cannot be. */
  #isUnreadable(sample: number): boolean {
    return this.#kind === 'frames' && !this.isComplete(sample) && this.#isReadable();
  }

  /** Whether sound that is read to its end is all there. False for what cannot be asked so. */
  isComplete(sample: number): boolean {
    if (this.#kind !== 'frames' || !this.#codec) return false;
    const [start, end] = this.range(sample);
    const size = end - start;
    this.#left -= size;
    if (size > this.#codec.maxSampleBytes || this.#left < 0) return false;
    return this.#codec.measure(this.#source.read(start, size), 0, size, true) === size;
  }

  range(sample: number): readonly [start: number, end: number] {
    const start = this.samples.offset[sample] ?? 0;
    return [start, start + (this.samples.size[sample] ?? 0)];
  }

  /** By where the zeros lie in a sample that begins before them. */
  #mayEndIn(start: number, end: number, run: ZeroRun): boolean {
    if (start >= run.zerosFrom) return false;
    if (this.#hasOwnZeros || !beginsLikeAHole(run)) return false;
    if (run.zerosTo < end) return endsLikeAHole(run) && (this.#kind !== 'bytes' || fillsPages(run));
    return !endsWith(run, end) && end - run.from >= leastZeros;
  }

  /** Whether this track's samples can be read to their end: there are ways to write that are not known here. */
  #isReadable(): boolean {
    this.#readable ??= this.#readsMost();
    return this.#readable;
  }

  #readsMost(): boolean {
    const step = Math.max(1, Math.floor(this.samples.count / mostAsked));
    let [asked, complete] = [0, 0];
    for (let sample = 0; sample < this.samples.count; sample += step) {
      asked += 1;
      if (this.isComplete(sample)) complete += 1;
    }
    return complete * 2 > asked;
  }
}
