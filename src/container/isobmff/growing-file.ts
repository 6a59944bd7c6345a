/**
 * Follows a file that grows: the scanner of its repair, run beside the recorder.
 *
 * What it knows can be saved at any moment and taken up again by another run, or by the repair itself,
 * which then has only the last seconds left to read.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { FileFollower, SavedScan } from '../format.ts';
import type { Candidate } from './guessed-models.ts';
import { readModel, writeModel } from './profile.ts';
import { SampleScanner } from './sample-scanner.ts';
import { isScanState } from './scan-state.ts';

/** A scan and what it was made with. */
export interface ResumedScan {
  readonly candidate: Candidate;
  readonly scanner: SampleScanner;
}

/** Begins to follow a file whose media begins at `from`. */
export function followWith(candidate: Candidate, from: number): FileFollower {
  return follower({ candidate, scanner: new SampleScanner(candidate.model, from) });
}

/** Follows on from a saved scan; null when it does not fit. */
export function followOn(saved: SavedScan): FileFollower | null {
  const resumed = resume(saved);
  return resumed && follower(resumed);
}

function follower({ candidate, scanner }: ResumedScan): FileFollower {
  return {
    get position() {
      return scanner.position;
    },
    advance(source: ByteSource, progress?: Progress) {
      scanner.scan(source, source.size, false, progress);
    },
    save() {
      const { model, origin, path } = candidate;
      const state = { version, model: writeModel(model), origin, path, scan: scanner.state() };
      return { state: JSON.stringify(state), samples: scanner.samples.serialise() };
    },
  };
}

const version = 3;

/** Puts a saved scan back on its feet; null when it is of another version or damaged. */
export function resume(saved: SavedScan): ResumedScan | null {
  let state: unknown;
  try {
    state = JSON.parse(saved.state);
  } catch {
    return null;
  }
  if (typeof state !== 'object' || state === null) return null;
  const fields = state as Readonly<Record<string, unknown>>;
  const { model: json, origin, path, scan } = fields;
  if (fields['version'] !== version || typeof json !== 'string' || !isScanState(scan)) return null;
  const model = readModel(json);
  if (!model || typeof origin !== 'string') return null;
  const scanner = new SampleScanner(model, scan.position);
  if (!scanner.restore(scan, saved.samples)) return null;
  return {
    candidate: { model, origin, ...(typeof path === 'string' ? { path } : {}) },
    scanner,
  };
}
