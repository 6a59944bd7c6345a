/**
 * The board: each room with its people, who may record there and who does. Made to be shown.
 */
import { judgedNow } from './evolve.ts';
import type { Instant, ParticipantId, RecordingId, RoomId } from './ids.ts';
import { peopleInOrder } from './people.ts';
import { permits } from './permits.ts';
import { recordedMs } from './recording-events.ts';
import {
  type Assignment,
  assignmentOf,
  isLive,
  mainRoom,
  type Participant,
  type Policy,
  type Recording,
  type RecordingFlag,
  type RecordingState,
  type RoomPhase,
  roomsInOrder,
  type SessionState,
} from './state.ts';
import { rowOf, rowsOf } from './table.ts';

export interface BoardRecording {
  readonly id: RecordingId;
  readonly state: RecordingState;
  readonly control: Recording['control'];
  readonly permission: Recording['permission']['kind'];
  readonly recordedMs: number;
  readonly flags: readonly RecordingFlag[];
  readonly cause?: string;
}

export interface BoardPerson {
  readonly id: ParticipantId;
  readonly name: string;
  readonly role: 'host' | 'co-host' | 'participant';
  readonly assignment: Assignment;
  readonly present: boolean;
  readonly mayRecord: boolean;
  readonly mayRecordUntil?: Instant;
  /** The live recording, or else the latest one in this room. */
  readonly recording?: BoardRecording;
}

export interface BoardRoom {
  readonly id: RoomId;
  readonly number: number;
  readonly name: string;
  readonly phase: RoomPhase;
  readonly closesAt?: Instant;
  readonly policy: Policy;
  readonly people: readonly BoardPerson[];
}

/** Everybody in the room they are in, or are assigned to; all others in the main room. */
export function board(state: SessionState, now: Instant): BoardRoom[] {
  const latest = latestRecordings(state);
  const places = new Map<RoomId, BoardPerson[]>();
  for (const person of peopleInOrder(state)) {
    const place = placeOf(state, person);
    const people = places.get(place) ?? [];
    people.push(boardPerson(state, person, place, latest, now));
    places.set(place, people);
  }
  return roomsInOrder(state).map(({ id, number, name, phase, closesAt, policy }) => ({
    id,
    number,
    name,
    phase,
    ...(closesAt === undefined ? {} : { closesAt }),
    policy: policy ?? state.policy,
    people: places.get(id) ?? [],
  }));
}

function placeOf(state: SessionState, person: Participant): RoomId {
  if (person.room !== undefined && person.room !== mainRoom) return person.room;
  const assigned = person.assigned === undefined ? undefined : state.rooms[person.assigned];
  return assigned && assigned.phase !== 'closed' ? assigned.id : mainRoom;
}

function latestRecordings(state: SessionState): Map<string, Recording> {
  const latest = new Map<string, Recording>();
  for (const recording of rowsOf(state.recordings)) {
    const key = `${recording.participant} ${recording.room}`;
    const other = latest.get(key);
    const wins =
      !other ||
      (isLive(recording) && !isLive(other)) ||
      (isLive(recording) === isLive(other) && recording.startedAt >= other.startedAt);
    if (wins) latest.set(key, recording);
  }
  return latest;
}

function boardPerson(
  state: SessionState,
  person: Participant,
  room: RoomId,
  latest: Map<string, Recording>,
  now: Instant,
): BoardPerson {
  const { id, name, present } = person;
  const verdict = permits(state, { participant: id, room }, now);
  const recording = latest.get(`${id} ${room}`);
  const cohost = rowOf(state.cohosts, id);
  const inForce = cohost && cohost.revokedAt === undefined && cohost.until > judgedNow(state, now);
  return {
    id,
    name,
    role: id === state.host ? 'host' : inForce ? 'co-host' : 'participant',
    assignment: assignmentOf(person),
    present,
    mayRecord: verdict.allowed,
    ...(verdict.allowed && verdict.until !== undefined ? { mayRecordUntil: verdict.until } : {}),
    ...(recording ? { recording: boardRecording(recording, now) } : {}),
  };
}

function boardRecording(recording: Recording, now: Instant): BoardRecording {
  const { id, state, control, permission, flags, cause } = recording;
  return {
    id,
    state,
    control,
    permission: permission.kind,
    recordedMs: recordedMs(recording, now),
    flags,
    ...(cause === undefined ? {} : { cause }),
  };
}
