/**
 * What `roomtape status` says: the daemon, what is recorded now, and what needs care.
 *
 * Each area of the daemon gives its part.
 */
import type { DeclaredRecording, Disagreement, ObservedFile } from '../session/disagreement.ts';

/** A recording that goes on, in a session this machine takes part in. */
export interface StatusRecording extends DeclaredRecording {
  readonly session: string;
  readonly room: string;
  readonly participant: string;
  readonly permission: string;
  /** False for what nobody said, and only a file or a recorder's own button shows. */
  readonly declared: boolean;
  /** Milliseconds recorded so far, without pauses. */
  readonly recordedMs: number;
}

/** A file that has not come to the end of its journey, or grows. */
export interface StatusTake extends ObservedFile {
  readonly recorder: string;
  readonly stage: string;
  readonly verdict: string;
  readonly bytes: number;
}

export interface StatusSession {
  readonly id: string;
  readonly topic: string;
  readonly rooms: number;
  readonly participants: number;
  /** How many rooms are being recorded now. */
  readonly recordedRooms: number;
  /** How many requests wait for an answer. */
  readonly openRequests: number;
}

/** Something a person should know, with what to do about it. */
export interface StatusNotice {
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
  readonly next?: string;
}

/** What one area knows. */
export interface StatusPart {
  readonly sessions?: readonly StatusSession[];
  /** Live recordings, and those that ended within the last minute. */
  readonly recordings?: readonly StatusRecording[];
  readonly takes?: readonly StatusTake[];
  readonly notices?: readonly StatusNotice[];
}

export interface DaemonStatus extends Required<StatusPart> {
  readonly pid: number;
  readonly version: string;
  readonly home: string;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly disagreements: readonly Disagreement[];
}
