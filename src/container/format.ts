/**
 * What a container format offers: recognise it, diagnose it, plan its repair.
 *
 * A new container is one folder here and one line in formats.ts. Every format passes
 * test/container/format-contract.ts.
 */
import type { ByteSource, Progress } from './bytes.ts';
import type { ContainerId, Diagnosis } from './diagnosis.ts';
import type { RepairOutcome } from './repair-plan.ts';

/** Bytes of the head that `recognise` is given: enough for every format. */
export const headLength = 64 * 1024;

/**
 * A small, serialisable description of a whole file from which a broken one of the same recorder
 * learns its codecs. Its `body` is the format's own business and is stored as JSON text.
 */
export interface ReferenceProfile {
  readonly container: ContainerId;
  /** Equal for files that can serve each other: codecs, dimensions, track layout. */
  readonly signature: string;
  /** The file it was taken from, for the report. */
  readonly path: string;
  readonly body: string;
}

/** Decodes candidate output to see whether parameter sets fit; given by the shell (ffmpeg). */
export type TrialDecode = (sample: TrialSample) => TrialResult;

export interface TrialSample {
  /** ffmpeg's name of a raw stream format: h264, hevc, obu, aac, … */
  readonly format: string;
  /** A raw elementary stream (Annex B for h264 and hevc), at most a few megabytes. */
  readonly bytes: Uint8Array;
}

export interface TrialResult {
  /** Frames that were decoded. */
  readonly frames: number;
  /** Errors the decoder reported. */
  readonly errors: number;
}

export interface DiagnoseContext {
  /**
   * Count every sample and find every hole, even when that means reading the whole file. Without it
   * a large file is judged by its head and tail, and `samples` may be null.
   */
  readonly thorough?: boolean;
  /**
   * Compare what an index lists with the bytes that are there, which reads all media. Without it the
   * media of a file with an index is looked at in a few places.
   */
  readonly media?: boolean;
  readonly progress?: Progress;
}

export interface RepairContext {
  /** References in order of preference; empty when there is none. */
  readonly references: readonly ReferenceProfile[];
  readonly trialDecode?: TrialDecode;
  readonly progress?: Progress;
  /** A scan of the same file that was made while it grew: the plan goes on from there. */
  readonly saved?: SavedScan;
  /** Index in front of the media instead of behind it; costs a full copy. */
  readonly faststart?: boolean;
  /** Extract from Zoom's raw recordings, whose layout is not verified: only when asked for. */
  readonly experimentalZoom?: boolean;
}

/** How far a scan beside a growing file has come: to be stored, and handed back with `saved`. */
export interface SavedScan {
  /** A few kilobytes of JSON. */
  readonly state: string;
  /** At most 24 bytes a sample. Only ever grows at its end, so what is new can be appended. */
  readonly samples: Uint8Array;
}

/** Reads a file while it grows, so that its repair is known the moment its recorder dies. */
export interface FileFollower {
  /** Bytes of the file that are read. */
  readonly position: number;
  /** Reads what was added since. Cheap when nothing was; never throws, except `Cancelled`. */
  advance(source: ByteSource, progress?: Progress): void;
  /** What is needed to go on later, or to plan the repair (`RepairContext.saved`). */
  save(): SavedScan;
}

export interface ContainerFormat {
  /** The ids it may report. */
  readonly containers: readonly ContainerId[];
  /**
   * Says how surely a file is of this format, 0 (no) to 100, from its first {@link headLength}
   * bytes. Never throws.
   */
  recognise(head: Uint8Array): number;
  /**
   * Says whether the file is whole, in milliseconds and without reading the media where the format
   * allows. Never throws, whatever the bytes; time and memory are bounded by the file's size.
   */
  diagnose(source: ByteSource, context?: DiagnoseContext): Diagnosis;
  /** Plans the repair. Never throws, whatever the bytes, except `Cancelled`. */
  planRepair(source: ByteSource, context: RepairContext): RepairOutcome;
  /**
   * Follows a file that grows and whose index comes last; null for files that need no following, or
   * while there is too little of it to know its codecs by.
   */
  follow?(source: ByteSource, context: RepairContext): FileFollower | null;
  /**
   * Counts in the file that cannot be true, as sentences: other readers believe them, and hang. Never
   * throws; empty for every sound file.
   */
  falseClaims?(source: ByteSource): readonly string[];
  /** Takes a profile from a whole file; null when the format needs none or the file is not whole. */
  profile?(source: ByteSource, path: string): ReferenceProfile | null;
}
