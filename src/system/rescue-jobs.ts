/**
 * What the rescue worker can be asked, and what it answers: plain values that cross a thread border.
 */
import type { Diagnosis, TrackSummary } from '../container/diagnosis.ts';
import type { ReferenceProfile } from '../container/format.ts';
import type { NoRepair, RepairPlan } from '../container/repair-plan.ts';
import type { ObstacleCode } from '../errors.ts';
import type { FileIdentity } from './files.ts';
import type { Written } from './plan-writer.ts';

/** A plan without its bytes. */
export type PlanSummary = Omit<RepairPlan, 'pieces'> & { readonly kind: 'plan' };

interface OnFile {
  readonly path: string;
  /** Whether a person named the path, so that a symbolic link may be followed. */
  readonly followLink: boolean;
}

export interface DiagnoseJob extends OnFile {
  readonly kind: 'diagnose';
  /** Count every sample and find every hole, which reads the whole file. */
  readonly thorough: boolean;
  /** Also compare the index of a file that has one with its media. */
  readonly media: boolean;
}

/** Many files in one go, by head and tail: for each alone the way to the thread takes longest. */
export interface DiagnoseAllJob {
  readonly kind: 'diagnose-all';
  readonly paths: readonly string[];
  readonly followLink: boolean;
  readonly thorough: boolean;
}

/** An obstacle as it crosses a thread border. */
export interface Obstacle {
  readonly code: ObstacleCode;
  readonly problem: string;
  readonly next: string | undefined;
}

export interface ProfileJob extends OnFile {
  readonly kind: 'profile';
}

export interface RepairJob extends OnFile {
  readonly kind: 'repair';
  readonly references: readonly ReferenceProfile[];
  /** For trial decodes; null when there is no ffmpeg. */
  readonly ffmpeg: string | null;
  readonly faststart: boolean;
  /** Extract from Zoom's raw recordings. */
  readonly experimentalZoom: boolean;
  /** Store of a scan that was made while the file grew; null when there is none. */
  readonly scan: string | null;
  /** Null plans only. */
  readonly write: {
    /** Null: beside the source. */
    readonly folder: string | null;
    readonly existing: 'refuse' | 'overwrite' | 'adopt';
    readonly reserve: number;
  } | null;
}

/** Reads on in a growing file, so that its repair is known the moment its recorder dies. */
export interface FollowJob extends OnFile {
  readonly kind: 'follow';
  readonly references: readonly ReferenceProfile[];
  /** Where the scan is stored (scan-store.ts); names it, too. */
  readonly store: string;
}

export interface ForgetJob {
  readonly kind: 'forget';
  readonly store: string;
}

export interface Follows {
  /** `later`: too little is known yet; `never`: such a file needs no following. */
  readonly state: 'follows' | 'later' | 'never';
  /** Bytes of the file that are read. */
  readonly position: number;
}

export interface ReadBackJob extends OnFile {
  readonly kind: 'read-back';
  /** What the file was made to hold; null when it was not made by us. */
  readonly expected: readonly TrackSummary[] | null;
  readonly hash: boolean;
}

export interface HashJob extends OnFile {
  readonly kind: 'hash';
}

export interface Diagnosed {
  readonly identity: FileIdentity;
  readonly diagnosis: Diagnosis;
}

/** Also the first bytes, by which a recorder may be told. */
export interface Sampled extends Diagnosed {
  readonly head: Uint8Array;
}

export interface Repaired extends Diagnosed {
  readonly outcome: PlanSummary | NoRepair;
  readonly written: Written | null;
}

export interface ReadBack extends Diagnosed {
  /** What our own reader and the independent one object to; empty when the structure is sound. */
  readonly problems: readonly string[];
  readonly sha256: string | null;
}

/** Which answer belongs to which job. */
export interface JobAnswers {
  readonly diagnose: Sampled;
  readonly 'diagnose-all': readonly (Sampled | Obstacle)[];
  readonly profile: ReferenceProfile | null;
  readonly repair: Repaired;
  readonly 'read-back': ReadBack;
  readonly hash: string;
  readonly follow: Follows;
  readonly forget: null;
}

export type FileJob = DiagnoseJob | ProfileJob | RepairJob | ReadBackJob | HashJob | FollowJob;
export type Job = FileJob | DiagnoseAllJob | ForgetJob;
export type JobKind = Job['kind'];

export type Phase = 'reading' | 'planning' | 'writing' | 'reading back';

export interface ToWorker {
  readonly id: number;
  readonly job: Job;
  /** One number that is not 0 once the job shall end. */
  readonly stop: Int32Array;
}

export type FromWorker =
  | {
      readonly id: number;
      readonly kind: 'progress';
      readonly phase: Phase;
      readonly done: number;
      readonly total: number;
    }
  | { readonly id: number; readonly kind: 'done'; readonly answer: unknown }
  | ({ readonly id: number; readonly kind: 'obstacle' } & Obstacle)
  | { readonly id: number; readonly kind: 'bug'; readonly stack: string };

/** How a thread of rescue jobs is started. */
export interface WorkerSettings {
  /** It gives way to everything else. */
  readonly isBackground: boolean;
}
