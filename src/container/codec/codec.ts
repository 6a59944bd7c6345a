/**
 * Where a sample ends: what every codec offers to a scanner that has media bytes and no index.
 *
 * A {@link SampleCodec} is made from a sample entry (`stsd`) and asked "does a sample begin here,
 * and how long is it?". It allocates nothing per sample: facts about the last measured sample are in
 * `last`, which is overwritten by the next call. Choosing the codec for a sample entry is in
 * sample-codecs.ts; each codec has a file of its own.
 */

/** `measure` returns this when no sample of this codec can begin there. */
export const notASample = 0;

/**
 * `measure` returns this when what is there fits, but the end of the window came before the end of
 * the sample was certain. `last.wanted` tells how many bytes from `at` are needed at least,
 * `last.soFar` how many of them are whole units of the sample (NAL units, OBUs).
 */
export const needsMore = -1;

/**
 * How sure a codec is of a sample's length.
 *
 * - `fixed`     every sample has `fixedBytes` bytes and any bytes may be one (PCM)
 * - `measured`  the bytes themselves say where the sample ends, and random bytes are refused
 * - `guessed`   the bytes say how a sample begins, not where it ends (Opus, VP8, VP9): the scanner
 *   finds the end by what comes next (`isStart`, other tracks) or by `splitRun`, and then calls
 *   `measure` with `atEnd` and that end, which judges the sample and gives its facts. Without
 *   `atEnd` a possible start answers `needsMore`
 */
export type Framing = 'fixed' | 'measured' | 'guessed';

/** What is known of the sample measured last. Numbers are integers. */
export interface SampleFacts {
  /** Bytes of the sample; 0 when it was refused or needs more. */
  length: number;
  /** After `needsMore`: bytes from `at` that are whole units of this sample. */
  soFar: number;
  /** After `needsMore`: bytes from `at` that the window must hold at least. */
  wanted: number;
  /** A decoder can start here (IDR, IRAP, key frame; true for all audio). */
  sync: boolean;
  /** A picture from which decoding recovers although it is no IDR (recovery point SEI, open GOP). */
  recoveryPoint: boolean;
  /** A picture that cannot be decoded when decoding starts at the sync sample before (RASL). */
  skippedLeading: boolean;
  /** True when this sample is shown. False for a frame that is decoded and kept back (VP9, AV1). */
  shown: boolean;
  /**
   * Display order, valid once {@link SampleCodec.accept} was called for the sample: pictures are
   * shown in ascending (`epoch`, `order`). `epoch` grows by one at every picture that resets the
   * count. Codecs without reordering count up in decoding order.
   */
  epoch: number;
  order: number;
  /** Slices, tiles groups or frames in the sample: a torn picture has fewer than its neighbours. */
  slices: number;
  /** Fields in the sample: 2 for a frame or a pair of fields, 1 for a single field. */
  fields: number;
  /** Samples of sound at {@link SampleCodec.rate}; 0 for video. */
  duration: number;
  /** The sample carries parameter sets in band. */
  parameterSets: boolean;
  /**
   * The sample's numbers go on where the accepted ones ended (H.264 `frame_num`, HEVC's order count). True
   * for codecs without such numbers, and after a hole. False is a doubt, not a refusal: frames may be
   * missing. Of AV1, whose shortest samples are three bytes, it is true only where its order hint confirms
   * the sample.
   */
  follows: boolean;
}

/** Memory of a codec between samples, as JSON; small (at most a few kilobytes of parameter sets). */
export type CodecState = readonly (number | string)[];

export interface SampleCodec {
  /** ffmpeg's name: h264, hevc, av1, vp9, vp8, mjpeg, prores, aac, opus, mp3, flac, alac, ac3, pcm_… */
  readonly codec: string;
  readonly kind: 'video' | 'audio';
  readonly framing: Framing;
  /** Bytes of every sample where `framing` is `fixed`, else 0. */
  readonly fixedBytes: number;
  /** No sample is longer; a window of this many bytes plus 64 KiB always decides. */
  readonly maxSampleBytes: number;
  /** Ticks per second of `last.duration`: the sampling rate; 0 for video. */
  readonly rate: number;
  /** Ticks of a frame by the configuration, 0 where it varies (Opus) or is not known (video). */
  readonly usualDuration: number;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Frames a decoder must hold back to show them in order; null when the bitstream does not say. */
  readonly reorderDepth: number | null;
  /** Frames per second by the bitstream's own timing information; 0 when it has none. */
  readonly frameRate: number;
  /** Overwritten by every call of `measure`. */
  readonly last: Readonly<SampleFacts>;
  /**
   * Measures the sample that begins at `at`, looking at no byte at or beyond `end`.
   *
   * Changes nothing but `last`; what it read takes effect with `accept`. For NAL video the sample is
   * an access unit: it ends where the next one begins, where what follows is no NAL unit of this
   * stream, or at a unit's end when the window ends exactly there and `atEnd` is true. Time is
   * linear in the number of units, not of bytes, except for AAC, which reads its whole frame.
   *
   * @param atEnd  `end` is the end of all media: a sample whose units are all there is then complete
   * @returns its length in bytes, {@link notASample} or {@link needsMore}
   */
  measure(bytes: Uint8Array, at: number, end: number, atEnd?: boolean): number;
  /**
   * A quick test whether a sample can begin at `at`, for searching: stricter than `measure` about
   * the start, and needs only the first 64 bytes or so. False for anything doubtful at the end.
   */
  isStart(bytes: Uint8Array, at: number, end: number): boolean;
  /** Only codecs without lengths: whether a sample may begin where one must, weaker than `isStart`. */
  mayStart?(bytes: Uint8Array, at: number, end: number): boolean;
  /** Only codecs without lengths whose beginning no other bytes resemble: is it one, for certain? */
  isSureStart?(bytes: Uint8Array, at: number, end: number): boolean;
  /**
   * Only with `isSureStart`: how unusual it is for the sample that begins at `at` to end at `end`, as a
   * negative logarithm of its likelihood against chance. Infinity where it cannot; 0 for hidden frames
   * whose index ends there. After `needsMore`, `last.soFar` are the bytes it has at least.
   */
  endSurprise?(bytes: Uint8Array, at: number, end: number): number;
  /**
   * Only codecs whose packets have no length: a packet begins at `at` for certain, however long it is; it
   * ends at `end` or before. Teaches what beginnings are like.
   */
  teach?(bytes: Uint8Array, at: number, end: number): void;
  /** What beginnings are like, for another codec of the same stream. */
  readonly taught?: object;
  /** Takes over what another one was taught. */
  learnFrom?(taught: object): void;
  /** Only sound: how unusual it is for `at` … `end` to be one packet, as above. */
  surprise?(bytes: Uint8Array, at: number, end: number): number;
  /**
   * Takes the sample measured last into the stream: computes `last.epoch` and `last.order`,
   * remembers parameter sets in band and what the next access unit must be compared with.
   */
  accept(): void;
  /** After a hole: the next sample begins a new epoch and is compared with nothing. */
  discontinue(): void;
  /** What the codec remembers, for a scan that is to be resumed. */
  state(): CodecState;
  /** Puts back what `state` returned. False (and nothing changed) when it is not such a state. */
  restore(state: CodecState): boolean;
  /**
   * Only codecs whose packets have no length: splits the run `at` … `to` into packets.
   *
   * @param packets  how many there must be, 0 when not known; from 16 on there may be one more or less,
   *   above 64 it is only a hint
   * @returns lengths in order; empty when no split is plausible
   */
  splitRun?(bytes: Uint8Array, at: number, to: number, packets: number): number[];
  /**
   * Only with `splitRun`: how unusual it is for `at` … `to` to be so many packets that begin as others
   * did, as `surprise` of them all by the likeliest split. Infinity where no such split is possible.
   */
  runSurprise?(bytes: Uint8Array, at: number, to: number, packets: number): number;
}

/** Facts before anything was measured. */
export function noFacts(): SampleFacts {
  return {
    length: 0,
    soFar: 0,
    wanted: 0,
    sync: false,
    recoveryPoint: false,
    skippedLeading: false,
    shown: true,
    epoch: 0,
    order: 0,
    slices: 0,
    fields: 2,
    duration: 0,
    parameterSets: false,
    follows: true,
  };
}
