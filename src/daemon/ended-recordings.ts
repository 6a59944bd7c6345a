/**
 * What a person hears when a recording ends that they did not stop themselves: why it ended, what
 * became of it, and what there is to do.
 */
import { dirname } from 'node:path';
import { describe, type LossCause, type Recorder } from '../capture/recorder.ts';
import type { SessionEvent } from '../session/events.ts';
import type { Refusal } from '../session/refusal.ts';
import { type EndCause, type Recording, type SessionState, spokenRoom } from '../session/state.ts';
import { freeBytes } from '../system/machine.ts';
import type { Warning, WarningDesk } from './warning-desk.ts';

/** So long an ending is told in the status, in ms, unless the next recording begins before. */
const toldForMs = 10 * 60_000;

/** Ends that come from outside, as a clause; what a person did themselves they know. */
const reasons: Partial<Record<EndCause | 'unpermitted', string>> = {
  revoked: 'the permission was withdrawn',
  expired: 'the permission has ended',
  moved: 'you are in another room now',
  'room-closed': 'the room is closed',
  'room-recreated': 'the room was made anew, and needs a new grant',
  'room-removed': 'the room is no more',
  'session-closed': 'the session is closed',
  removed: 'you no longer take part',
};

/**
 * Warns of an end that came from outside.
 *
 * @param recorder  the name of the recorder that Roomtape stops; null where the person has to
 */
export function warnOfEnd(
  warnings: WarningDesk,
  event: SessionEvent,
  recording: Recording,
  state: SessionState,
  recorder: string | null,
): void {
  const isEnd = event.type === 'recording-stopped' && recording.control !== 'observed';
  const isFlag = event.type === 'recording-flagged' && recording.control === 'observed';
  const cause = isEnd ? recording.cause : isFlag ? event.reason : undefined;
  const why = cause === undefined ? undefined : reasons[cause];
  if (cause === undefined || why === undefined) return;
  const key = recorder === null ? `ended:${recording.id}` : `${recorder}:ended`;
  const said =
    recorder === null ? sayStop(recording, state, why) : sayEnded(recorder, recording, state, why);
  warnings.raise(key, { ...said, level: 'warning', body: { recording: recording.id, cause } });
  setTimeout(() => warnings.clear(key), toldForMs).unref();
}

type Words = Pick<Warning, 'kind' | 'text' | 'next'>;

/** Roomtape cannot stop what a person started by hand; it can say that they must. */
function sayStop({ room }: Recording, state: SessionState, why: string): Words {
  const text = `You may no longer record ${spokenRoom(state, room)}: ${why}. Stop your recorder now.`;
  return { kind: 'stop-recording', text, next: 'roomtape status' };
}

function sayEnded(recorder: string, recording: Recording, state: SessionState, why: string): Words {
  const room = spokenRoom(state, recording.room);
  if (recording.next !== undefined) {
    const text = `You went to another room: ${recorder} goes on there in a new file, and that of ${room} is kept.`;
    return { kind: 'recording-moved', text, next: 'roomtape status' };
  }
  const text = `${recorder} is stopped in ${room}: ${why}. What was recorded until then is kept.`;
  const wants = recording.cause === 'revoked' || recording.cause === 'expired';
  const number = state.rooms[recording.room]?.number;
  const ask =
    wants && number !== undefined ? `roomtape request --room ${number}` : 'roomtape room show';
  return { kind: 'recording-ended', text, next: ask };
}

/** Keeps in the status why a recording ended that was begun without permission. */
export function noteEnforced(
  warnings: WarningDesk,
  recorder: string,
  { state, recording }: { readonly state: SessionState; readonly recording: Recording },
  { problem, next }: Refusal,
): void {
  const room = spokenRoom(state, recording.room);
  const text = `${recorder} was stopped in ${room}: ${problem} What was recorded is kept, and flagged.`;
  const body = { recording: recording.id };
  warnings.raise(`${recorder}:ended`, { kind: 'recording-ended', level: 'info', text, next, body });
  setTimeout(() => warnings.clear(`${recorder}:ended`), toldForMs).unref();
}

/** Warns of a recorder that goes on although it may not. */
export function warnOfUnstopped(warnings: WarningDesk, recorder: Recorder, problem: unknown): void {
  const { name, state } = recorder;
  const reason = problem instanceof Error ? problem.message : String(problem);
  warnings.raise(`${name}:unstopped`, {
    kind: 'not-stopped',
    level: 'error',
    text: `${name} may not record and could not be stopped: ${reason}`,
    next: `stop it by hand (it is ${describe(state)})`,
    body: { recorder: name },
  });
}

/** OBS stops by itself when less than 50 MiB are free; what it writes at its end may be a little. */
const obsStopsBelow = 56 * 1024 * 1024;

/** The file that OBS had to end for want of room; null when there is room. */
export async function fullDiskOf(path: string | null): Promise<string | null> {
  const free = path === null ? null : await freeBytes(dirname(path));
  return free !== null && free < obsStopsBelow ? path : null;
}

/** Warns that OBS stopped for want of room; gives the reason in words. */
export function warnOfFullDisk(warnings: WarningDesk, recorder: string, path: string): string {
  const text = `${recorder} stopped by itself: the disk of ${path} is full.`;
  const next = 'free some space, or record to another disk';
  const body = { recorder, path };
  warnings.raise(`${recorder}:disk-full`, { kind: 'disk-full', level: 'error', text, next, body });
  return 'OBS stopped before the disk was full';
}

/** What a recorder's loss is to its recording. */
export const endCauseOf: Readonly<Record<LossCause, EndCause>> = {
  'connection-closed': 'recorder-died',
  'process-ended': 'recorder-died',
  'device-lost': 'device-lost',
  'disk-full': 'disk-full',
  'ended-while-away': 'recorder-died',
};

/** What stays to be read in the status until the recorder begins its next recording. */
export const toldUntilNext = ['lost', 'ended', 'disk-full', 'unpermitted'] as const;
