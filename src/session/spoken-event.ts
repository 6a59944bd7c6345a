/**
 * Events as a person would tell them, one line each: for the event stream, the audit, and what a
 * command answers.
 */
import type { SessionEvent } from './events.ts';
import type { ParticipantId, RecordingId, RoomId } from './ids.ts';
import { spokenScope } from './permission.ts';
import { type SessionState, spokenRoom } from './state.ts';
import { rowOf } from './table.ts';

/** @param state  the session after the event, so that all it names is known */
export function spokenEvent(state: SessionState, event: SessionEvent): string {
  const name = (id: ParticipantId | undefined) =>
    (id === undefined ? undefined : rowOf(state.participants, id)?.name) ?? 'somebody';
  const room = (id: RoomId) => spokenRoom(state, id);
  const rooms = (ids: readonly RoomId[]) =>
    ids.length > 3 ? `${ids.length} rooms` : ids.map(room).join(', ');
  switch (event.type) {
    case 'session-created':
      return `Session “${event.topic}” created by ${event.host.name}.`;
    case 'session-joined':
      return `Joined “${event.topic}” of ${event.host.name} as ${event.self.name}.`;
    case 'session-closed':
      return `Session “${state.topic}” closed.`;
    case 'rooms-added': {
      const first = event.rooms[0];
      if (event.rooms.length === 1 && first) return `Room ${first.number} (${first.name}) added.`;
      return `${event.rooms.length} rooms added.`;
    }
    case 'room-renamed':
      return `Room ${numberOf(event.room)} is now called ${event.name}.`;
    case 'room-removed':
      return `Room ${numberOf(event.room)} removed.`;
    case 'room-recreated':
      return `Room ${event.as.number} (${event.as.name}) recreated; grants for the old one do not cover it.`;
    case 'rooms-opened': {
      const limit = event.limitAt === undefined ? '' : ` until ${clock(event.limitAt)}`;
      return `Opened ${rooms(event.rooms)}${limit}.`;
    }
    case 'rooms-closing':
      return `Closing ${rooms(event.rooms)} at ${clock(event.closesAt)}.`;
    case 'rooms-closed':
      return `Closed ${rooms(event.rooms)}.`;
    case 'rooms-reported':
      return `The host told of ${event.rooms.length} rooms.`;
    case 'policy-set': {
      const where = event.room === undefined ? 'the session' : room(event.room);
      return `Requests in ${where}: ${event.policy}.`;
    }
    default:
      return spokenOfPeople(state, event, name, room) ?? spokenOfRecordings(state, event, name);
  }
}

type Naming = (id: ParticipantId | undefined) => string;

function spokenOfPeople(
  state: SessionState,
  event: SessionEvent,
  name: Naming,
  room: (id: RoomId) => string,
): string | undefined {
  switch (event.type) {
    case 'participants-added': {
      const names = event.participants.map((person) => person.name);
      return names.length > 3
        ? `${names.length} participants added.`
        : `${names.join(', ')} added.`;
    }
    case 'participant-removed':
      return 'A participant was removed.';
    case 'participant-keyed':
      return `The key of ${name(event.participant)} is pinned.`;
    case 'assigned': {
      const [only] = event.assignments;
      if (event.assignments.length !== 1 || !only) {
        return `${event.assignments.length} participants assigned.`;
      }
      const [id, place] = only;
      return place === null
        ? `${name(id)} is assigned to no room.`
        : `${name(id)} is assigned to ${room(place)}.`;
    }
    case 'went': {
      const [only] = event.moves;
      if (event.moves.length !== 1 || !only) return `${event.moves.length} participants moved.`;
      const [id, place] = only;
      return place === null ? `${name(id)} left.` : `${name(id)} is in ${room(place)}.`;
    }
    case 'cohost-named': {
      const { to, rooms, until } = event.delegation;
      return `${name(to)} is co-host for ${spokenScope(state, rooms)} until ${clock(until)}.`;
    }
    case 'cohost-removed':
      return `${name(event.participant)} is no co-host any more.`;
    case 'granted': {
      const { to, rooms, until, by } = event.grant;
      const who = to === undefined ? 'Everybody' : name(to);
      return `${who} may record in ${spokenScope(state, rooms)} until ${clock(until)}, granted by ${name(by)}.`;
    }
    case 'revoked':
    case 'revocations-taken': {
      const people = event.grants.map((id) => {
        const grant = rowOf(state.grants, id);
        return grant?.to === undefined ? 'everybody' : name(grant.to);
      });
      const named =
        people.length > 3 ? `${people.length} grants` : `the grant of ${people.join(', ')}`;
      return people.length === 0 ? 'Revocations taken down.' : `Revoked: ${named}.`;
    }
    case 'expired':
      return event.grants.length === 1
        ? 'A grant expired.'
        : `${event.grants.length} grants expired.`;
    case 'requested': {
      const { participant, room: place, reason } = event.request;
      const why = reason === undefined ? '' : `: ${reason}`;
      return `${name(participant)} asks to record in ${room(place)}${why}.`;
    }
    case 'request-answered': {
      const asked = rowOf(state.requests, event.request);
      return `The request of ${name(asked?.participant)} was ${answers[event.answer]}.`;
    }
    default:
      return undefined;
  }
}

const answers = { granted: 'granted', denied: 'denied', timeout: 'not answered in time' } as const;

function spokenOfRecordings(state: SessionState, event: SessionEvent, name: Naming): string {
  if (event.type === 'line-signed') return 'A line was signed.';
  if (event.type === 'host-rekeyed') return "The host's new key is pinned.";
  if (event.type === 'host-time-seen') return "The host's clock was noted.";
  if (!('recording' in event)) return `${event.type}.`;
  const recording = rowOf(state.recordings, event.recording as RecordingId);
  if (!recording && event.type === 'recording-approved') {
    return `The recording ${event.recording} was approved by ${name(event.by)}.`;
  }
  const who = name(recording?.participant);
  const where = recording ? spokenRoom(state, recording.room) : 'a room';
  switch (event.type) {
    case 'recording-started': {
      const leave = event.permission.kind === 'unpermitted' ? ' WITHOUT PERMISSION' : '';
      return `${who} records in ${where}${leave}.`;
    }
    case 'recording-declared':
      return `${who} says to be recording in ${where}.`;
    case 'recording-paused':
      return `${who} paused in ${where}.`;
    case 'recording-resumed':
      return `${who} records again in ${where}.`;
    case 'recording-stopped':
      return `${who} stopped recording in ${where}${because(event.cause)}.`;
    case 'recording-interrupted':
      return `The recording of ${who} in ${where} was interrupted${because(event.cause)}.`;
    case 'recording-continued':
      return `The recording of ${who} in ${where} goes on.`;
    case 'recording-covered':
      return `The recording of ${who} in ${where} goes on under another grant.`;
    case 'recording-flagged':
      return `${who} may still be recording in ${where} without permission${because(event.reason)}.`;
    case 'recording-approved':
      return `The recording of ${who} in ${where} was approved by ${name(event.approver ?? event.by)}.`;
    case 'take-attached':
      return `A file belongs to the recording of ${who} in ${where}.`;
    case 'take-detached':
      return `A file no longer belongs to the recording of ${who} in ${where}.`;
  }
}

function because(cause: string): string {
  return cause === 'asked' ? '' : ` (${cause.replaceAll('-', ' ')})`;
}

function numberOf(room: RoomId): string {
  return room.slice(0, room.indexOf('.'));
}

function clock(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}
