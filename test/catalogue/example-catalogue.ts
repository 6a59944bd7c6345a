/**
 * A catalogue in a temporary folder, and records to put into it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CatalogueOptions, openCatalogue } from '../../src/catalogue/catalogue.ts';
import type { RecordingRecord } from '../../src/catalogue/recording-table.ts';
import type { TakeRecord } from '../../src/catalogue/take-table.ts';

export const noon = Date.UTC(2026, 2, 1, 12);
export const minute = 60_000;

export function exampleOptions(): CatalogueOptions & { readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-catalogue-'));
  return {
    path: join(folder, 'catalogue.db'),
    backups: join(folder, 'backups'),
    newMachineId: 'machine-1',
    now: noon,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const openExample = (options: CatalogueOptions) => openCatalogue(options);

/** The n-th recording of a session; every second one minute after the one before. */
export function recording(n: number, more: Partial<RecordingRecord> = {}): RecordingRecord {
  const startedAt = noon + n * minute;
  return {
    id: `rec_${String(n).padStart(4, '0')}`,
    session: { id: 'ses_a', topic: 'Marine biology' },
    room: { id: '2.1', number: 2, name: 'Blue whales' },
    participant: { id: 'par_ada', name: 'Ada' },
    state: 'stopped',
    permission: 'permitted',
    startedAt,
    endedAt: startedAt + minute,
    intervals: [[startedAt, startedAt + minute]],
    ...more,
  };
}

export function take(n: number, more: Partial<TakeRecord> = {}): TakeRecord {
  return {
    id: `take_${String(n).padStart(4, '0')}`,
    recording: `rec_${String(n).padStart(4, '0')}`,
    path: `/home/ada/Videos/2026-03-01 blue-${n}.mkv`,
    identity: `2049:${1000 + n}`,
    container: 'matroska',
    recorder: 'obs',
    stage: 'indexed',
    verdict: 'whole',
    recoveredPath: null,
    durationMs: minute,
    bytes: 1_000_000,
    sha256: 'ab'.repeat(32),
    sightedAt: noon + n * minute,
    startedAt: noon + n * minute,
    endedAt: noon + (n + 1) * minute,
    attribution: 'declared',
    detail: {},
    ...more,
  };
}
