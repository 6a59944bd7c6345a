/**
 * What all sound codecs have in common as a {@link SampleCodec}: every sample is a place to start,
 * samples are shown in the order they are stored, and the only memory is how many there were.
 */
import {
  type CodecState,
  type Framing,
  needsMore,
  noFacts,
  notASample,
  type SampleCodec,
  type SampleFacts,
} from './codec.ts';

/** The part in which sound codecs differ. */
export interface SoundFraming {
  readonly codec: string;
  readonly framing: Framing;
  readonly fixedBytes?: number;
  readonly maxSampleBytes: number;
  readonly rate: number;
  readonly usualDuration: number;
  readonly channels: number;
  /**
   * Bytes of the sample at `at`, `notASample` or `needsMore`. May set `facts.duration`, which
   * otherwise is `usualDuration`, and `facts.wanted`.
   */
  measure(bytes: Uint8Array, at: number, end: number, facts: SampleFacts, atEnd: boolean): number;
  /** A quick test of the first bytes; without it `measure` decides. */
  isStart?(bytes: Uint8Array, at: number, end: number): boolean;
  mayStart?(bytes: Uint8Array, at: number, end: number): boolean;
  splitRun?(bytes: Uint8Array, at: number, to: number, packets: number): number[];
  runSurprise?(bytes: Uint8Array, at: number, to: number, packets: number): number;
  surprise?(bytes: Uint8Array, at: number, end: number): number;
  teach?(bytes: Uint8Array, at: number, end: number): void;
  readonly taught?: object;
  learnFrom?(taught: object): void;
}

/** Makes a sample codec of a way to measure sound. */
export function soundCodec(framing: SoundFraming): SampleCodec {
  const last: SampleFacts = { ...noFacts(), sync: true };
  let accepted = 0;
  // A scan asks whether a sample begins behind one, and then goes on to that very sample: measuring
  // sound bit by bit is dear, so the last answer is kept. `last` still holds its facts.
  const asked = {
    bytes: new Uint8Array(0) as Uint8Array,
    at: -1,
    end: -1,
    atEnd: false,
    length: notASample,
  };
  const splitRun = framing.splitRun?.bind(framing);
  const runSurprise = framing.runSurprise?.bind(framing);
  const surprise = framing.surprise?.bind(framing);
  const mayStart = framing.mayStart?.bind(framing);
  const teach = framing.teach?.bind(framing);
  const learnFrom = framing.learnFrom?.bind(framing);

  function measure(bytes: Uint8Array, at: number, end: number, atEnd = false): number {
    if (asked.at === at && asked.bytes === bytes && asked.end === end && asked.atEnd === atEnd) {
      return asked.length;
    }
    last.length = 0;
    last.soFar = 0;
    last.wanted = 0;
    last.slices = 1;
    last.duration = framing.usualDuration;
    const length = framing.measure(bytes, at, end, last, atEnd);
    if (length > 0) last.length = length;
    else if (length === needsMore) last.wanted = Math.max(last.wanted, end - at + 1);
    asked.bytes = bytes;
    asked.at = at;
    asked.end = end;
    asked.atEnd = atEnd;
    asked.length = length;
    return length;
  }

  return {
    codec: framing.codec,
    kind: 'audio',
    framing: framing.framing,
    fixedBytes: framing.fixedBytes ?? 0,
    maxSampleBytes: framing.maxSampleBytes,
    rate: framing.rate,
    usualDuration: framing.usualDuration,
    width: 0,
    height: 0,
    channels: framing.channels,
    reorderDepth: 0,
    frameRate: 0,
    last,
    measure,
    isStart: (bytes, at, end) =>
      framing.isStart ? framing.isStart(bytes, at, end) : measure(bytes, at, end) !== notASample,
    accept() {
      last.order = accepted++;
    },
    discontinue() {
      // Sound has no order to lose.
    },
    state: (): CodecState => [accepted],
    restore(state) {
      const [count] = state;
      if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) return false;
      accepted = count;
      return true;
    },
    ...(splitRun ? { splitRun } : {}),
    ...(runSurprise ? { runSurprise } : {}),
    ...(surprise ? { surprise } : {}),
    ...(mayStart ? { mayStart } : {}),
    ...(teach ? { teach } : {}),
    ...(framing.taught ? { taught: framing.taught } : {}),
    ...(learnFrom ? { learnFrom } : {}),
  };
}
