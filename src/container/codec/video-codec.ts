/**
 * What video codecs have in common whose samples are shown in the order they are stored: AV1, VP8,
 * VP9, Motion JPEG, ProRes.
 */
import {
  type CodecState,
  type Framing,
  noFacts,
  notASample,
  type SampleCodec,
  type SampleFacts,
} from './codec.ts';

/** The part in which they differ. */
export interface VideoFraming {
  readonly codec: string;
  readonly framing: Framing;
  readonly maxSampleBytes: number;
  readonly width: number;
  readonly height: number;
  readonly frameRate?: number;
  /**
   * Bytes of the sample at `at`, `notASample` or `needsMore`. Sets `sync`, and `wanted` and `soFar`
   * when it needs more; all were cleared before.
   */
  measure(bytes: Uint8Array, at: number, end: number, facts: SampleFacts, atEnd: boolean): number;
  isStart?(bytes: Uint8Array, at: number, end: number): boolean;
  /** What the codec remembers beside the number of pictures. */
  readonly memory?: {
    accept(): void;
    discontinue(): void;
    state(): readonly number[];
    restore(state: readonly number[]): boolean;
  };
}

/** Makes a sample codec of a way to measure pictures that are stored as they are shown. */
export function videoCodec(framing: VideoFraming): SampleCodec {
  const last: SampleFacts = noFacts();
  let accepted = 0;

  function measure(bytes: Uint8Array, at: number, end: number, atEnd = false): number {
    last.length = 0;
    last.soFar = 0;
    last.wanted = 0;
    last.sync = false;
    last.shown = true;
    last.slices = 1;
    last.parameterSets = false;
    const length = framing.measure(bytes, at, end, last, atEnd);
    if (length > 0) last.length = length;
    else if (length < 0) last.wanted = Math.max(last.wanted, end - at + 1);
    return length;
  }

  return {
    codec: framing.codec,
    kind: 'video',
    framing: framing.framing,
    fixedBytes: 0,
    maxSampleBytes: framing.maxSampleBytes,
    rate: 0,
    usualDuration: 0,
    width: framing.width,
    height: framing.height,
    channels: 0,
    reorderDepth: 0,
    frameRate: framing.frameRate ?? 0,
    last,
    measure,
    isStart: (bytes, at, end) =>
      framing.isStart ? framing.isStart(bytes, at, end) : measure(bytes, at, end) !== notASample,
    accept() {
      last.order = accepted++;
      framing.memory?.accept();
    },
    discontinue() {
      // Stored order is display order, also after a hole.
      framing.memory?.discontinue();
    },
    state: (): CodecState => [accepted, ...(framing.memory?.state() ?? [])],
    restore(state) {
      const [count, ...rest] = state.map(Number);
      if (count === undefined || !Number.isSafeInteger(count) || count < 0) return false;
      if (framing.memory && !framing.memory.restore(rest)) return false;
      accepted = count;
      return true;
    },
  };
}

/** A bound for one picture: more than it takes uncompressed at 12 bits, and never less than 1 MiB. */
export function pictureBound(width: number, height: number): number {
  return Math.max(1 << 20, 5 * width * height);
}
