/**
 * Changing rooms, and how recordings end that nobody stopped: by moving, leaving, a room closing, or
 * permission that ends.
 *
 * Recordings that Roomtape controls are never in state `recording` without permission: they end
 * before the event that takes it away. Those it does not control end in its books and are flagged,
 * because their recorder may run on.
 */
import type { Story } from './command.ts';
import { judgedNow, liveRecordings } from './evolve.ts';
import type { Instant, ParticipantId, RoomId } from './ids.ts';
import { type DenialReason, denialBy, permits } from './permits.ts';
import { type Refusal, refuse } from './refusal.ts';
import {
  type EndCause,
  isLive,
  mainRoom,
  type Participant,
  type Recording,
  type RecordingPermission,
  type SessionState,
  spokenRoom,
} from './state.ts';
import { rowOf } from './table.ts';

/** Brings a participant into a room, with what they are recording. */
export function goTo(story: Story, person: Participant, room: RoomId): Refusal | undefined {
  const { state, context } = story;
  const target = state.rooms[room];
  if (!target || target.phase === 'closed') {
    const place = spokenRoom(state, room);
    const problem = `${place.charAt(0).toUpperCase()}${place.slice(1)} is closed.`;
    return refuse('wrong-state', problem, `roomtape room open ${target?.number ?? ''}`.trim());
  }
  if (person.present && person.room === room) return undefined;
  relocateRecordings(story, person.id, room, context.now);
  story.add('went', { moves: [[person.id, room]] });
  return undefined;
}

/** Ends every live recording of a participant, all of them for one cause. */
export function stopRecordings(story: Story, participant: ParticipantId, cause: EndCause): void {
  for (const id of liveRecordings(story.state, participant)) {
    const recording = rowOf(story.state.recordings, id);
    if (recording) end(story, recording, cause);
  }
}

/**
 * A participant goes back to the main room: its recordings end, but for those that only files show. Their
 * recorder knows nothing of rooms and records the main room from now on.
 */
export function returnToMainRoom(story: Story, participant: ParticipantId): void {
  for (const id of liveRecordings(story.state, participant)) {
    const recording = rowOf(story.state.recordings, id);
    if (recording && recording.control !== 'observed') end(story, recording, 'left-room');
  }
  relocateRecordings(story, participant, mainRoom, story.context.now, true);
}

/** What a participant records ends with the old room and begins anew in the next, if it may. */
function relocateRecordings(
  story: Story,
  participant: ParticipantId,
  room: RoomId,
  now: Instant,
  onlyObserved = false,
): void {
  for (const id of liveRecordings(story.state, participant)) {
    const recording = rowOf(story.state.recordings, id);
    if (!recording || recording.room === room) continue;
    if (onlyObserved && recording.control !== 'observed') continue;
    const verdict = permits(story.state, { participant, room }, now);
    if (!verdict.allowed && recording.control !== 'observed') {
      end(story, recording, 'moved');
      continue;
    }
    const next = story.context.newId('rec');
    story.add('recording-stopped', { recording: id, cause: 'moved', next });
    story.add('recording-started', {
      recording: next,
      participant,
      room,
      control: recording.control,
      permission: verdict.allowed
        ? verdict.permission
        : { kind: 'unpermitted', reason: verdict.reason },
      ...(recording.recorder === undefined ? {} : { recorder: recording.recorder }),
    });
    if (recording.state === 'paused') story.add('recording-paused', { recording: next });
  }
}

export const endCauses: Record<DenialReason, EndCause> = {
  'session-closed': 'session-closed',
  'participant-unknown': 'removed',
  'room-unknown': 'room-removed',
  'room-closed': 'room-closed',
  'no-grant': 'revoked',
  'other-room': 'revoked',
  'not-yet': 'revoked',
  expired: 'expired',
  revoked: 'revoked',
  'delegation-ended': 'revoked',
};

/**
 * Ends what may not go on in `after`, the state that is about to come. Told before it comes, so that
 * there is no moment at which a controlled recording runs without permission.
 */
export function endUnpermitted(story: Story, after: SessionState): void {
  const now = judgedNow(after, story.context.now);
  for (const id of liveRecordings(story.state)) {
    const recording = rowOf(story.state.recordings, id);
    const then = rowOf(after.recordings, id);
    if (!recording || !then || !isLive(then)) continue;
    const { participant, room, permission } = then;
    const verdict = permits(after, { participant, room }, now);
    const lost =
      permission.kind === 'grant'
        ? denialBy(after, permission.grant, { participant, room }, now)
        : undefined;
    if (!verdict.allowed) {
      // It ends for what became of its own grant, not of another that it never ran under.
      const reason = grantReasons.has(verdict.reason) ? (lost ?? verdict).reason : verdict.reason;
      end(story, recording, spokenCause(story.state, after, room, endCauses[reason]));
    } else if (lost || isOtherDelegation(permission, verdict.permission)) {
      story.add('recording-covered', { recording: id, permission: verdict.permission });
    }
  }
}

function spokenCause(
  before: SessionState,
  after: SessionState,
  room: RoomId,
  cause: EndCause,
): EndCause {
  if (cause !== 'room-removed' || !before.rooms[room]) return cause;
  const number = before.rooms[room].number;
  const again = Object.values(after.rooms).some((one) => one.number === number);
  return again ? 'room-recreated' : cause;
}

/** A co-host's delegation was replaced, or ended where a grant covers the rest. */
function isOtherDelegation(before: RecordingPermission, now: RecordingPermission): boolean {
  if (before.kind !== 'co-host') return false;
  return now.kind !== 'co-host' || now.delegation !== before.delegation;
}

const grantReasons: ReadonlySet<DenialReason> = new Set([
  'no-grant',
  'other-room',
  'not-yet',
  'expired',
  'revoked',
  'delegation-ended',
]);

/** Ends one recording, and flags it where its recorder is not ours to stop. */
export function end(story: Story, recording: Recording, cause: EndCause): void {
  const { id } = recording;
  const flagged = recording.flags.some((flag) => flag.reason === cause);
  // What only the files show goes on until they say otherwise; it is flagged, once.
  if (recording.control !== 'observed' || cause === 'left-room' || cause === 'removed') {
    story.add('recording-stopped', { recording: id, cause });
  }
  const known = recording.permission.kind === 'unpermitted' || flagged;
  if (recording.control === 'roomtape' || cause === 'left-room' || known) return;
  story.add('recording-flagged', { recording: id, reason: cause });
}
