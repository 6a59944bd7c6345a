/**
 * What a take's record and a sighting say, beyond their fields.
 */
import { lstatSync } from 'node:fs';
import type { TakeRecord, TakeStage } from '../catalogue/take-table.ts';
import type { RecorderId } from '../recorders/profile.ts';
import { profileOf } from '../recorders/profiles.ts';
import { trueStart } from '../recorders/start-time.ts';
import { type Recording, type SessionState, spokenRoom } from '../session/state.ts';
import { rowOf } from '../session/table.ts';
import type { Sighting } from '../system/watcher.ts';

const stages: readonly TakeStage[] = [
  'sighted',
  'recognised',
  'attributed',
  'followed',
  'diagnosed',
  'repaired',
  'verified',
  'indexed',
];

export function reached(take: TakeRecord, stage: TakeStage): boolean {
  return stages.indexOf(take.stage) >= stages.indexOf(stage);
}

/** Inodes are used again, often at once; a birth time, where there is one, tells two files apart. */
export function isSameBirth({ detail }: TakeRecord, { born }: Sighting): boolean {
  const known = detail['born'];
  return typeof known !== 'number' || known === 0 || born === 0 || known === born;
}

/** What a sighting of the watcher would say of a file; undefined when it is not there. */
export function lookAt(path: string, at: number): Sighting | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (!found?.isFile()) return undefined;
  return {
    path,
    device: String(found.dev),
    inode: String(found.ino),
    size: Number(found.size),
    modified: Number(found.mtimeMs),
    born: Number(found.birthtimeMs),
    at,
  };
}

/** When a file began, and how that is known. */
export function startOf({ path, born, modified, at }: Sighting, recorder: RecorderId) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const birth = born > 0 ? { birth: born } : {};
  const claim = trueStart(profileOf(recorder), { path, timeZone, modified, ...birth });
  // A name that lies in the future was given in another zone, or by a person.
  if (claim && claim.at <= at + 60_000) return claim;
  // A file system without birth times gives 0, or a time after the last change.
  const seen = Math.min(born > 0 ? born : at, modified, at);
  return { at: seen, source: 'sighting', uncertainMs: 60_000, reason: 'it was seen then' };
}

export function uncertaintyOf(take: TakeRecord): number {
  const start = take.detail['start'];
  if (typeof start !== 'object' || start === null || !('uncertainMs' in start)) return 0;
  return typeof start.uncertainMs === 'number' ? start.uncertainMs : 0;
}

/**
 * What a step of the journey found out about a file. Where the file lies and whose it is may have
 * become known while the step went on, and is not the step's to say.
 */
export function foundOut(take: TakeRecord, change: Partial<TakeRecord>): Partial<TakeRecord> {
  const { path: _, identity: __, recording: ___, attribution: ____, detail, ...found } = change;
  const { reasons, candidates } = take.detail;
  return detail ? { ...found, detail: { ...detail, reasons, candidates } } : found;
}

/** What a replay buffer held when it was saved began before anybody asked for it. */
export function unclaimedReplay(take: TakeRecord): TakeRecord {
  const reasons = ['it is from a replay buffer, and shows what came before it was saved'];
  const detail = { ...take.detail, reasons, candidates: [] };
  return { ...take, attribution: 'unclaimed', detail };
}

export function whoOf(state: SessionState, recording: Recording): string {
  const person = rowOf(state.participants, recording.participant);
  return `${person?.name ?? 'somebody'} in ${spokenRoom(state, recording.room)}`;
}

export function reasonsOf(take: TakeRecord): readonly unknown[] {
  const reasons = take.detail['reasons'];
  return Array.isArray(reasons) ? reasons : [];
}

/** The file from whose set-up the take was repaired; null when none was needed. */
export function referenceOf(take: TakeRecord): string | null {
  const reference = reported(take, 'reference');
  return typeof reference === 'string' ? reference : null;
}

/** Bytes of media that the repair of the take kept; 0 when it was not repaired. */
export function bytesKeptOf(take: TakeRecord): number {
  const kept = reported(take, 'bytesKept');
  return typeof kept === 'number' ? kept : 0;
}

/** A field of the report on the take's repair. */
function reported({ detail }: TakeRecord, field: string): unknown {
  const report = detail['report'];
  return typeof report === 'object' && report !== null ? Reflect.get(report, field) : undefined;
}
