/**
 * How each event changes the state of a session.
 *
 * Total and quiet: whatever event comes, however late or twice, there is a state afterwards. What
 * may happen is decided in decide.ts; here it has happened.
 */
import type { SessionEvent } from './events.ts';
import type { Instant, ParticipantId, RecordingId, RoomId } from './ids.ts';
import { evolvePermission } from './permission-events.ts';
import { evolveRecordings, withSafeUntil } from './recording-events.ts';
import { folded, mainRoom, type Participant, type Room, type SessionState } from './state.ts';
import { emptyTable, rowOf, rowsOf, type Table, withoutRow, withRow } from './table.ts';

/**
 * The state after an event. Before the first event of a session there is none; an event that tells of
 * no session leaves it so.
 */
export function evolve(
  state: SessionState | undefined,
  event: SessionEvent,
): SessionState | undefined {
  if (event.type === 'session-created' || event.type === 'session-joined') {
    return state ?? firstState(event);
  }
  if (!state || event.session !== state.id) return state;
  const told = counted(evolveRooms(state, event), event);
  const changed = movesEnds.has(event.type) ? withSafeUntil(told) : told;
  return changed.watermark >= event.at ? changed : { ...changed, watermark: event.at };
}

const roomNews: ReadonlySet<SessionEvent['type']> = new Set([
  'rooms-added',
  'room-renamed',
  'room-removed',
  'room-recreated',
  'rooms-opened',
  'rooms-closing',
  'rooms-closed',
  'session-closed',
]);

/** Lines are numbered by what they tell of, so that an older one never undoes a later. */
function counted(state: SessionState, { type }: SessionEvent): SessionState {
  if (roomNews.has(type)) return { ...state, roomNews: state.roomNews + 1 };
  if (type === 'revoked' || type === 'cohost-removed') {
    return { ...state, revocations: state.revocations + 1 };
  }
  return state;
}

/** Events after which permission of live recordings may end at another moment than before. */
const movesEnds: ReadonlySet<SessionEvent['type']> = new Set([
  'rooms-closing',
  'rooms-opened',
  'rooms-closed',
  'rooms-reported',
  'expired',
  'cohost-named',
]);

export function evolveAll(
  state: SessionState | undefined,
  events: Iterable<SessionEvent>,
): SessionState | undefined {
  let latest = state;
  for (const event of events) latest = evolve(latest, event);
  return latest;
}

function firstState(event: SessionEvent<'session-created' | 'session-joined'>): SessionState {
  const joined = event.type === 'session-joined';
  const self = joined ? event.self : event.host;
  const hostKey = joined ? event.hostKey : event.host.key;
  let state: SessionState = {
    v: 1,
    id: event.session,
    topic: event.topic,
    home: joined ? 'elsewhere' : 'here',
    self: self.id,
    host: event.host.id,
    ...(hostKey === undefined ? {} : { hostKey }),
    createdAt: event.at,
    watermark: event.at,
    policy: joined ? 'ask' : event.policy,
    rooms: { [mainRoom]: newRoom(0, 1, 'Main room') },
    generations: { 0: 1 },
    participants: emptyTable(),
    names: emptyTable(),
    cohosts: emptyTable(),
    grants: emptyTable(),
    grantsOf: emptyTable(),
    serial: 0,
    revocations: 0,
    roomNews: 0,
    withdrawn: {},
    sequences: {},
    requests: emptyTable(),
    recordings: emptyTable(),
    live: emptyTable(),
  };
  state = addParticipants(state, joined ? [event.host, event.self] : [event.host]);
  const present = rowOf(state.participants, self.id);
  return present ? put(state, { ...present, present: true, room: mainRoom }) : state;
}

function evolveRooms(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'session-closed':
      return { ...state, closedAt: event.at };
    case 'rooms-added':
      return addRooms(state, event.rooms);
    case 'room-renamed':
      return changeRooms(state, [event.room], (room) => ({ ...room, name: event.name }));
    case 'room-removed':
      return removeRoom(state, event.room, undefined);
    case 'room-recreated': {
      const added = addRooms(state, [event.as]);
      return removeRoom(added, event.room, `${event.as.number}.${event.as.generation}`);
    }
    case 'rooms-opened':
      return changeRooms(state, event.rooms, (room) => ({
        ...withPhase(room, 'open'),
        ...(event.limitAt === undefined ? {} : { limitAt: event.limitAt }),
        ...(event.countdownMs === undefined ? {} : { countdownMs: event.countdownMs }),
      }));
    case 'rooms-closing':
      return changeRooms(state, event.rooms, (room) => ({
        ...withPhase(room, 'closing'),
        closesAt: event.closesAt,
      }));
    case 'rooms-closed':
      return emptyRooms(
        changeRooms(state, event.rooms, (room) => withPhase(room, 'closed')),
        new Set(event.rooms),
      );
    case 'rooms-reported':
      return reportRooms(state, event);
    case 'policy-set':
      return event.room === undefined
        ? { ...state, policy: event.policy }
        : changeRooms(state, [event.room], (room) => ({ ...room, policy: event.policy }));
    default:
      return evolvePeople(state, event);
  }
}

function evolvePeople(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'participants-added':
      return addParticipants(state, event.participants);
    case 'participant-removed': {
      const gone = rowOf(state.participants, event.participant);
      if (!gone) return state;
      let names = withoutRow(state.names, folded(gone.name));
      if (gone.email !== undefined) names = withoutRow(names, folded(gone.email));
      if (gone.key !== undefined) names = withoutRow(names, gone.key);
      return { ...state, names, participants: withoutRow(state.participants, gone.id) };
    }
    case 'participant-keyed': {
      const person = rowOf(state.participants, event.participant);
      if (!person) return state;
      const names = withRow(state.names, event.key, person.id);
      return put({ ...state, names }, { ...person, key: event.key });
    }
    case 'assigned':
      return changePeople(state, event.assignments, (person, room) => {
        const { assigned: _, ...rest } = person;
        return room === null ? rest : { ...rest, assigned: room };
      });
    case 'went':
      return changePeople(state, event.moves, (person, room) => {
        const { room: _, ...rest } = person;
        return room === null ? { ...rest, present: false } : { ...rest, present: true, room };
      });
    case 'host-rekeyed': {
      const host = rowOf(state.participants, state.host);
      const names = withRow(state.names, event.key, state.host);
      const rekeyed = { ...state, names, hostKey: event.key };
      return host ? put(rekeyed, { ...host, key: event.key }) : rekeyed;
    }
    case 'host-time-seen':
      return event.hostAt > state.watermark ? { ...state, watermark: event.hostAt } : state;
    default:
      return evolveRecordings(evolvePermission(state, event), event);
  }
}

function newRoom(number: number, generation: number, name: string): Room {
  return { id: `${number}.${generation}`, number, generation, name, phase: 'unopened' };
}

function withPhase(room: Room, phase: Room['phase']): Room {
  const { closesAt: _, limitAt: __, countdownMs: ___, ...rest } = room;
  return { ...rest, phase };
}

function addRooms(
  state: SessionState,
  added: readonly { number: number; generation: number; name: string }[],
): SessionState {
  const rooms: Record<RoomId, Room> = { ...state.rooms };
  const generations: Record<number, number> = { ...state.generations };
  for (const { number, generation, name } of added) {
    const room = newRoom(number, generation, name);
    rooms[room.id] = room;
    generations[number] = Math.max(generations[number] ?? 0, generation);
  }
  return { ...state, rooms, generations };
}

function changeRooms(
  state: SessionState,
  ids: readonly RoomId[],
  change: (room: Room) => Room,
): SessionState {
  const rooms: Record<RoomId, Room> = { ...state.rooms };
  for (const id of ids) {
    const room = rooms[id];
    if (room) rooms[id] = change(room);
  }
  return { ...state, rooms };
}

/** Takes a room away; those assigned to it are assigned to `heir`, those in it go to the main room. */
function removeRoom(state: SessionState, gone: RoomId, heir: RoomId | undefined): SessionState {
  const rooms: Record<RoomId, Room> = { ...state.rooms };
  delete rooms[gone];
  let participants = state.participants;
  for (const person of rowsOf(state.participants)) {
    if (person.assigned !== gone) continue;
    const { assigned: _, ...rest } = person;
    const heired = heir === undefined ? rest : { ...rest, assigned: heir };
    participants = withRow(participants, person.id, heired);
  }
  return emptyRooms({ ...state, rooms, participants }, new Set([gone]));
}

function emptyRooms(state: SessionState, emptied: ReadonlySet<RoomId>): SessionState {
  let participants = state.participants;
  for (const person of rowsOf(state.participants)) {
    if (person.room === undefined || !emptied.has(person.room)) continue;
    participants = withRow(participants, person.id, { ...person, room: mainRoom });
  }
  return { ...state, participants };
}

function reportRooms(state: SessionState, event: SessionEvent<'rooms-reported'>): SessionState {
  const rooms: Record<RoomId, Room> = { ...state.rooms };
  const sequences: Record<string, number> = { ...state.sequences };
  const left = new Set<RoomId>();
  for (const news of event.rooms) {
    const id: RoomId = `${news.number}.${news.generation}`;
    // Lines come in any order: what a room was told later is not undone by an older line.
    if ((sequences[`room ${news.number}`] ?? -1) > event.sequence) continue;
    sequences[`room ${news.number}`] = event.sequence;
    for (const room of Object.values(rooms)) {
      if (room.number === news.number && room.id !== id) {
        delete rooms[room.id];
        left.add(room.id);
      }
    }
    if (news.phase === 'removed' || news.phase === 'closed') left.add(id);
    if (news.phase === 'removed') delete rooms[id];
    else {
      const before = rooms[id] ?? newRoom(news.number, news.generation, `Room ${news.number}`);
      rooms[id] = {
        ...withPhase(before, news.phase),
        name: news.name ?? before.name,
        ...(news.closesAt === undefined ? {} : { closesAt: news.closesAt }),
      };
    }
  }
  return emptyRooms({ ...state, rooms, sequences }, left);
}

function addParticipants(
  state: SessionState,
  added: readonly { id: ParticipantId; name: string; email?: string; key?: string }[],
): SessionState {
  let { participants, names } = state;
  for (const { id, name, email, key } of added) {
    const person: Participant = {
      id,
      name,
      present: false,
      ...(email === undefined ? {} : { email }),
      ...(key === undefined ? {} : { key }),
    };
    participants = withRow(participants, id, person);
    names = withRow(names, folded(name), id);
    if (email !== undefined) names = withRow(names, folded(email), id);
    if (key !== undefined) names = withRow(names, key, id);
  }
  return { ...state, participants, names };
}

function changePeople(
  state: SessionState,
  changes: readonly (readonly [ParticipantId, RoomId | null])[],
  change: (person: Participant, room: RoomId | null) => Participant,
): SessionState {
  let participants: Table<Participant> = state.participants;
  for (const [id, room] of changes) {
    const person = rowOf(participants, id);
    if (person) participants = withRow(participants, id, change(person, room));
  }
  return { ...state, participants };
}

function put(state: SessionState, person: Participant): SessionState {
  return { ...state, participants: withRow(state.participants, person.id, person) };
}

/** The moment to judge by: never earlier than anything already known to have happened. */
export function judgedNow(state: SessionState, now: Instant): Instant {
  return now > state.watermark ? now : state.watermark;
}

/** Ids of the recordings that run or pause, of one participant or of all. */
export function liveRecordings(state: SessionState, participant?: ParticipantId): RecordingId[] {
  if (participant !== undefined) return [...(rowOf(state.live, participant) ?? [])];
  const ids: RecordingId[] = [];
  for (const some of rowsOf(state.live)) ids.push(...some);
  return ids.sort();
}
