/**
 * What the bytes of a media file say about it: its tracks, and what is wrong.
 *
 * A diagnosis is a plain value that can cross a thread border or be stored as JSON.
 */

/** The containers Roomtape tells apart. `unknown` is none of them. */
export const containerIds = [
  'mp4',
  'mov',
  'm4a',
  'matroska',
  'webm',
  'mpegts',
  'flv',
  'avi',
  'wav',
  'aiff',
  'ogg',
  'flac',
  'mp3',
  'adts',
  'zoom',
  'unknown',
] as const;
export type ContainerId = (typeof containerIds)[number];

/**
 * What a file is, judged by its bytes alone.
 *
 * - `whole`         closed by its recorder; every declared byte is there
 * - `interrupted`   the recorder never finished it, or a part of it is gone or unreadable
 * - `empty`         no bytes, or a header and no media
 * - `foreign`       not a media file of a kind Roomtape reads
 * - `beyond-repair` a media file of which nothing can be had (all zeros, encrypted, …)
 */
export type FileVerdict = 'whole' | 'interrupted' | 'empty' | 'foreign' | 'beyond-repair';

export type TrackKind = 'video' | 'audio' | 'text' | 'timecode' | 'data';

/** One track, as far as the container's own tables or the bytes say. */
export interface TrackSummary {
  readonly kind: TrackKind;
  /** ffmpeg's name where it has one: h264, hevc, av1, vp8, vp9, mjpeg, prores, aac, opus, pcm_s16le, … */
  readonly codec: string;
  /** Complete samples (packets, blocks, frames); null when counting needs a scan that was not made. */
  readonly samples: number | null;
  /** Length in milliseconds of the complete samples; null when unknown. */
  readonly durationMs: number | null;
  readonly width?: number;
  readonly height?: number;
  readonly sampleRate?: number;
  readonly channels?: number;
  /** False for pictures that are kept although nothing can show them yet: their set-up is lost. */
  readonly plays?: false;
}

/** What is wrong at a place of the file. */
export type DamageKind =
  | 'no-index' // the index that is written at the end never was (no moov)
  | 'torn-tail' // the last unit is cut off
  | 'hole' // zeros or garbage inside
  | 'zero-tail' // the file ends in zeros that were never written
  | 'stale-header' // sizes or counts in the header are not those of the file
  | 'no-duration' // duration was never written
  | 'no-seek-index' // cues, idx1, seek table were never written
  | 'unfinished' // an unfinished layout of which everything can be read (no final moov)
  | 'no-parameter-sets' // the codec's set-up is nowhere in the file
  | 'encrypted'
  | 'no-media';

export interface Damage {
  readonly kind: DamageKind;
  /** Byte offset in the file where it begins. */
  readonly at: number;
  /** One sentence for a person, with numbers. */
  readonly detail: string;
}

export interface Diagnosis {
  readonly container: ContainerId;
  readonly verdict: FileVerdict;
  /** Length of what can be played once repaired, in milliseconds; null when not known without a scan. */
  readonly durationMs: number | null;
  readonly tracks: readonly TrackSummary[];
  /** In file order. Empty when whole. */
  readonly damage: readonly Damage[];
  /** True when a repair would give back at least one complete sample. True for whole files. */
  readonly recoverable: boolean;
  /** True when a repair needs a reference file (codec set-up is not in the file). */
  readonly needsReference: boolean;
  /** What the file says of the program that wrote it (muxer or writing application), if anything. */
  readonly writer: string | null;
  /** Creation time in the file's header (mvhd, DateUTC), ms since 1970; absent when it has none. */
  readonly createdAt?: number;
  /**
   * Set on a whole file that has no end mark, as live recordings have none: it ends behind a complete
   * unit, and whether its recorder stopped there or was cut off just there cannot be told.
   */
  readonly openEnded?: true;
  /** When the recording began, where the recorder itself wrote it down, ms since 1970. */
  readonly startedAt?: number;
}

/** A diagnosis of a file that is not media, or of none we read. */
export function foreign(detail: string): Diagnosis {
  return {
    container: 'unknown',
    verdict: 'foreign',
    durationMs: null,
    tracks: [],
    damage: [{ kind: 'no-media', at: 0, detail }],
    recoverable: false,
    needsReference: false,
    writer: null,
  };
}
