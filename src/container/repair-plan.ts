/**
 * A repair plan: what a repaired file will consist of, before a byte of it is written.
 *
 * The output is a list of pieces, each either bytes made by the plan (headers, indexes) or a range
 * copied from the source. The plan only computes; system/ writes it. When every copied range keeps
 * its offset the writer can clone the source and patch it, which costs no copy at all.
 */
import type { ContainerId, TrackSummary } from './diagnosis.ts';

export type OutputPiece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'copy'; readonly offset: number; readonly length: number };

export interface RepairPlan {
  /** Same container as the source unless it cannot carry the codecs. */
  readonly container: ContainerId;
  /** Extension of the output with its dot, e.g. `.mp4`. */
  readonly extension: string;
  /** How it is done, in a few words: `tables rebuilt from the bitstream`, `hidden index`, … */
  readonly method: string;
  /** Path of the reference whose codec set-up it uses; absent or null when it needs none. */
  readonly reference?: string | null;
  readonly tracks: readonly TrackSummary[];
  /**
   * True when a whole track is known to be in the file and could not be had (no set-up for its
   * codec); a torn end or a hole does not count. `recover` then ends with exit code 5.
   */
  readonly incomplete?: boolean;
  /** Size of the source. */
  readonly bytesTotal: number;
  /** Bytes of the source's media that the output carries. */
  readonly bytesKept: number;
  /** Bytes of the source that carried media, or may have, and are not in the output. */
  readonly bytesLost: number;
  /** Best estimate of the media time lost, in milliseconds; null when it cannot be known. */
  readonly lostMs: number | null;
  /** Sentences for a person: what was found where, what is kept, what is lost and why. */
  readonly findings: readonly string[];
  /** Exact size of the output. */
  readonly outputSize: number;
  /** The output, in order. May be called more than once; each call starts anew. */
  pieces(): Iterable<OutputPiece>;
}

/** Why there is no plan. */
export interface NoRepair {
  readonly kind: 'none';
  readonly reason:
    | 'whole' // nothing to repair
    | 'empty'
    | 'foreign'
    | 'all-zeros'
    | 'encrypted'
    | 'no-parameter-sets'
    | 'unconverted' // complete or not, its own recorder has to convert it first
    | 'nothing-found';
  /** One sentence for a person. */
  readonly detail: string;
  /** The next command, if one helps. */
  readonly next?: string;
}

export type RepairOutcome = ({ readonly kind: 'plan' } & RepairPlan) | NoRepair;
