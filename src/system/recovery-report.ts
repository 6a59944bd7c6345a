/**
 * What a recovery came to, in the fields of the `--json` contract and as an exit code; the same for
 * the command line and the daemon.
 */
import type { TrackKind, TrackSummary } from '../container/diagnosis.ts';
import type { NoRepair } from '../container/repair-plan.ts';
import { type ExitCode, exitCodes } from '../errors.ts';
import { isSound, type Recovery, type Verification, type VerifiedFile } from './rescue.ts';

export interface RecoveryFields {
  readonly path: string;
  readonly verdict: string;
  /** Null when nothing can be or need be done. */
  readonly method: string | null;
  readonly reference: string | null;
  /** Null when nothing was written. */
  readonly output: string | null;
  readonly tracks: readonly {
    readonly kind: TrackKind;
    readonly codec: string;
    readonly samples: number | null;
    readonly durationMs: number | null;
    /** Only there when the track is kept and cannot be shown. */
    readonly plays?: false;
  }[];
  readonly bytesTotal: number;
  readonly bytesKept: number;
  readonly bytesLost: number;
  readonly lostMs: number | null;
  readonly verification: Verification;
  readonly note: string | null;
}

export function recoveryFields(recovery: Recovery): RecoveryFields {
  const { path, identity, diagnosis, outcome, written, verification } = recovery;
  const { size } = identity;
  if (outcome.kind === 'none') {
    const whole = outcome.reason === 'whole';
    return {
      path,
      verdict: verdictWithout(outcome, diagnosis.verdict),
      method: null,
      reference: null,
      output: null,
      tracks: diagnosis.tracks.map(trackFields),
      bytesTotal: size,
      bytesKept: whole ? size : 0,
      bytesLost: whole ? 0 : size,
      lostMs: whole ? 0 : null,
      verification,
      note: outcome.detail,
    };
  }
  return {
    path,
    verdict: diagnosis.verdict,
    method: outcome.method,
    reference: outcome.reference ?? null,
    output: written?.path ?? null,
    tracks: outcome.tracks.map(trackFields),
    bytesTotal: outcome.bytesTotal,
    bytesKept: outcome.bytesKept,
    bytesLost: outcome.bytesLost,
    lostMs: outcome.lostMs,
    verification,
    note: outcome.findings.join(' ') || null,
  };
}

export const verifiedFields = ({ path, diagnosis, verification }: VerifiedFile) => ({
  path,
  container: diagnosis.container,
  verdict: diagnosis.verdict,
  durationMs: diagnosis.durationMs,
  tracks: diagnosis.tracks.map(trackFields),
  verification,
});

/** Done when whole, or recovered with all its tracks and sound; a dry run that found a plan is done as well. */
export function recoveryCode({ outcome, verification }: Recovery): ExitCode {
  if (outcome.kind === 'none') {
    return outcome.reason === 'whole' ? exitCodes.done : exitCodes.damage;
  }
  return isSound(verification) && !outcome.incomplete ? exitCodes.done : exitCodes.damage;
}

/** An interrupted file of which nothing can be had is beyond repair. */
function verdictWithout(outcome: NoRepair, verdict: string): string {
  return verdict === 'interrupted' && outcome.reason !== 'whole' ? 'beyond-repair' : verdict;
}

const trackFields = ({ kind, codec, samples, durationMs, plays }: TrackSummary) => ({
  kind,
  codec,
  samples,
  durationMs,
  ...(plays === false ? { plays } : {}),
});
