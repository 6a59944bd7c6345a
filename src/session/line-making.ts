/**
 * Which lines the others need: made from the state, cut so that each fits into 1,000 characters.
 */
import type { SessionEvent } from './events.ts';
import { judgedNow } from './evolve.ts';
import type { DelegationId, Instant, RoomId } from './ids.ts';
import {
  type DelegationLine,
  type GrantLine,
  type InvitationLine,
  type Line,
  lineJson,
  longestPayload,
  type RequestLine,
  type RevocationLine,
  type RoomLine,
  type RoomsLine,
} from './line.ts';
import { joinedRanges } from './permission-events.ts';
import {
  type Delegation,
  type Grant,
  mainRoom,
  type PermissionRequest,
  type Room,
  roomsInOrder,
  type SessionState,
} from './state.ts';
import { rowOf, rowsOf } from './table.ts';

/** Who signs, and when. */
export interface Signer {
  readonly key: string;
  readonly now: Instant;
}

function fits(line: Line): boolean {
  return new TextEncoder().encode(lineJson(line)).length <= longestPayload;
}

/** What a host gives to everybody: the session, the host's key, and as many rooms as fit. */
export function invitation(state: SessionState, { key, now }: Signer): InvitationLine {
  const rooms = roomsInOrder(state)
    .filter((room) => room.id !== mainRoom)
    .map(roomLine);
  const hostName = rowOf(state.participants, state.host)?.name ?? 'Host';
  const topic = [...state.topic];
  let line: InvitationLine = {
    kind: 'invitation',
    session: state.id,
    key,
    at: now,
    topic: state.topic,
    hostName,
    sequence: state.roomNews,
    rooms,
  };
  while (!fits(line) && line.rooms.length > 0) line = { ...line, rooms: line.rooms.slice(0, -1) };
  while (!fits(line)) line = { ...line, topic: topic.splice(0, topic.length - 8).join('') };
  return line;
}

function roomLine(room: Room): RoomLine {
  const { number, generation, phase, name, closesAt } = room;
  const usual = name === `Room ${number}`;
  return {
    number,
    generation,
    phase,
    ...(usual ? {} : { name }),
    ...(closesAt === undefined ? {} : { closesAt }),
  };
}

/** @returns `undefined` when the rooms cannot be named in one line */
export function grantLine(
  state: SessionState,
  grant: Grant,
  { key }: Signer,
): GrantLine | undefined {
  const person = grant.to === undefined ? undefined : rowOf(state.participants, grant.to);
  const names: Record<RoomId, string> = {};
  if (grant.rooms !== 'all') {
    for (const id of grant.rooms) {
      const room = state.rooms[id];
      if (room && room.id !== mainRoom) names[id] = room.name;
    }
  }
  const line: GrantLine = {
    kind: 'grant',
    session: state.id,
    key,
    at: grant.issuedAt,
    id: grant.id,
    serial: grant.serial,
    ...(person?.key === undefined ? {} : { toKey: person.key }),
    ...(person === undefined ? {} : { toName: person.name }),
    rooms: grant.rooms,
    roomNames: names,
    actions: ['record'],
    from: grant.from,
    until: grant.until,
    ...(grant.via === undefined || state.home === 'here' ? {} : { via: grant.via }),
  };
  if (fits(line)) return line;
  const unnamed = { ...line, roomNames: {} };
  return fits(unnamed) ? unnamed : undefined;
}

/** @returns `undefined` when the participant has no key yet, or the rooms do not fit */
export function delegationLine(
  state: SessionState,
  delegation: Delegation,
  { key, now }: Signer,
): DelegationLine | undefined {
  const person = rowOf(state.participants, delegation.to);
  if (person?.key === undefined) return undefined;
  const { id, rooms, from, until, longestGrantMs } = delegation;
  const line: DelegationLine = {
    kind: 'delegation',
    session: state.id,
    key,
    at: now,
    id,
    toKey: person.key,
    toName: person.name,
    rooms,
    from,
    until,
    ...(longestGrantMs === undefined ? {} : { longestGrantMs }),
  };
  return fits(line) ? line : undefined;
}

export function requestLine(
  state: SessionState,
  request: PermissionRequest,
  { key }: Signer,
): RequestLine {
  const name = rowOf(state.participants, request.participant)?.name ?? '';
  const reason = [...(request.reason ?? '')];
  let line: RequestLine = {
    kind: 'request',
    session: state.id,
    key,
    at: request.at,
    id: request.id,
    name,
    room: request.room,
    ...(request.reason === undefined ? {} : { reason: request.reason }),
  };
  while (!fits(line)) {
    reason.splice(-8);
    line = { ...line, reason: reason.join('') };
  }
  return line;
}

/**
 * Everything this machine has withdrawn that would still hold. Short, because grants are: what has
 * ended by itself is left out, or swallowed where that makes the list shorter.
 *
 * @returns usually one line; each of several says a part and holds alone
 */
export function revocationLines(state: SessionState, { key, now }: Signer): RevocationLine[] {
  const moment = judgedNow(state, now);
  const mine = (by: string) => state.home === 'here' || by === state.self;
  const revoked: [number, number][] = [];
  let until = moment;
  for (const grant of rowsOf(state.grants)) {
    if (!mine(grant.by)) continue;
    const over = grant.expiredAt !== undefined || grant.until <= moment;
    if (grant.revokedAt === undefined && !over) continue;
    revoked.push([grant.serial, grant.serial]);
    if (!over && grant.until > until) until = grant.until;
  }
  const delegations: DelegationId[] = [];
  for (const delegation of rowsOf(state.cohosts)) {
    if (delegation.revokedAt === undefined || state.home === 'elsewhere') continue;
    if (delegation.until <= moment) continue;
    delegations.push(delegation.id);
    if (delegation.until > until) until = delegation.until;
  }
  if (until <= moment) return [];
  return splitRevocations(joinedRanges(revoked), delegations, {
    kind: 'revocations',
    session: state.id,
    key,
    at: now,
    sequence: state.revocations,
    serials: [],
    delegations: [],
    until,
  });
}

/** The lists that say all of it; each but the last is as full as it gets. */
export function splitRevocations(
  serials: (readonly [number, number])[],
  delegations: DelegationId[],
  empty: RevocationLine,
): RevocationLine[] {
  const lines: RevocationLine[] = [];
  let line = empty;
  const add = (longer: RevocationLine) => {
    if (fits(longer)) {
      line = longer;
      return true;
    }
    lines.push(line);
    line = empty;
    return false;
  };
  for (const id of delegations) {
    const longer = () => ({ ...line, delegations: [...line.delegations, id] });
    if (!add(longer())) line = longer();
  }
  // Halved until it fits: nearly always it does at once.
  const rest = [serials];
  for (let part = rest.pop(); part; part = rest.pop()) {
    const longer = { ...line, serials: [...line.serials, ...part] };
    if (fits(longer)) {
      line = longer;
    } else if (part.length > 1) {
      const half = part.length >> 1;
      rest.push(part.slice(half), part.slice(0, half));
    } else {
      lines.push(line);
      line = { ...empty, serials: part };
    }
  }
  if (line !== empty) lines.push(line);
  return lines;
}

/** What events did to rooms, for those who do not see them happen. */
export function roomsLines(
  state: SessionState,
  events: readonly SessionEvent[],
  { key, now }: Signer,
): RoomsLine[] {
  const news = new Map<number, RoomLine>();
  let told = false;
  for (const event of events) {
    for (const id of roomsIn(event)) {
      told = true;
      const [number = 0, generation = 1] = id.split('.').map(Number);
      const room = Object.values(state.rooms).find((one) => one.number === number);
      news.set(number, room ? roomLine(room) : { number, generation, phase: 'removed' });
    }
  }
  const closed = state.closedAt !== undefined;
  if (!told && !events.some((event) => event.type === 'session-closed')) return [];
  const empty: RoomsLine = {
    kind: 'rooms',
    session: state.id,
    key,
    at: now,
    sequence: state.roomNews,
    rooms: [],
    closed,
  };
  const lines: RoomsLine[] = [];
  let line = empty;
  for (const room of news.values()) {
    const longer = { ...line, rooms: [...line.rooms, room] };
    if (!fits(longer)) {
      lines.push(line);
      line = { ...empty, rooms: [room] };
    } else line = longer;
  }
  return [...lines, line];
}

/** The rooms of a session as lines, for somebody who joins late. */
export function allRoomsLines(state: SessionState, signer: Signer, from: number): RoomsLine[] {
  const rooms = roomsInOrder(state)
    .filter((room) => room.id !== mainRoom)
    .slice(from);
  if (rooms.length === 0) return [];
  const opened = { type: 'rooms-opened', rooms: rooms.map((room) => room.id) } as const;
  const event = { ...opened, v: 1, session: state.id, at: signer.now } as const;
  return roomsLines(state, [event], signer);
}

function roomsIn(event: SessionEvent): readonly RoomId[] {
  switch (event.type) {
    case 'rooms-added':
      return event.rooms.map(({ number, generation }) => `${number}.${generation}` as const);
    case 'room-renamed':
    case 'room-removed':
    case 'room-recreated':
      return [event.room];
    case 'rooms-opened':
    case 'rooms-closing':
    case 'rooms-closed':
      return event.rooms;
    default:
      return [];
  }
}
