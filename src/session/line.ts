/**
 * Lines: what host and participants send each other through a chat, each a signed statement.
 *
 * A line is `rt1.` and a compact JWS (RFC 7515) of at most 1,000 characters. This file says what
 * lines say and how that is written as JSON; signatures are in line-signature.ts. Everything read
 * here was signed by somebody, but by whom is not yet known: it is parsed as strictly as any file.
 */
import {
  type DelegationId,
  type GrantId,
  type Id,
  type IdKind,
  type Instant,
  instant,
  parseId,
  parseRoomId,
  type RecordingId,
  type RequestId,
  type RoomId,
  type SessionId,
} from './ids.ts';
import { personName } from './people.ts';
import { roomName } from './pre-assignment.ts';
import { limits, type RoomPhase, type RoomScope } from './state.ts';

export const linePrefix = 'rt1.';
export const longestLine = 1_000;
/** Bytes of JSON that fit: a line is prefix, 20 of header, 86 of signature, two dots, base64url. */
export const longestPayload = 666;

interface LineHead {
  readonly session: SessionId;
  /** Public key of who signed: Ed25519, base64url. */
  readonly key: string;
  readonly at: Instant;
}

export interface RoomLine {
  readonly number: number;
  readonly generation: number;
  readonly phase: RoomPhase | 'removed';
  readonly name?: string;
  readonly closesAt?: Instant;
}

export interface InvitationLine extends LineHead {
  readonly kind: 'invitation';
  readonly topic: string;
  readonly hostName: string;
  /** Which news of rooms it includes. */
  readonly sequence: number;
  readonly rooms: readonly RoomLine[];
}

export interface RequestLine extends LineHead {
  readonly kind: 'request';
  readonly id: RequestId;
  readonly name: string;
  readonly room: RoomId;
  readonly reason?: string;
}

export interface GrantLine extends LineHead {
  readonly kind: 'grant';
  readonly id: GrantId;
  readonly serial: number;
  readonly toKey?: string;
  readonly toName?: string;
  readonly rooms: RoomScope;
  readonly roomNames: Readonly<Record<RoomId, string>>;
  /** Only `record` so far; a line that allows more is refused by programs that know no more. */
  readonly actions: readonly ['record'];
  readonly from: Instant;
  readonly until: Instant;
  readonly via?: DelegationId;
}

export interface RevocationLine extends LineHead {
  readonly kind: 'revocations';
  readonly sequence: number;
  readonly serials: readonly (readonly [number, number])[];
  readonly delegations: readonly DelegationId[];
  /** After this everything it names has ended anyway. */
  readonly until: Instant;
}

export interface RoomsLine extends LineHead {
  readonly kind: 'rooms';
  readonly sequence: number;
  readonly rooms: readonly RoomLine[];
  readonly closed: boolean;
}

export interface DelegationLine extends LineHead {
  readonly kind: 'delegation';
  readonly id: DelegationId;
  readonly toKey: string;
  readonly toName: string;
  readonly rooms: RoomScope;
  readonly from: Instant;
  readonly until: Instant;
  readonly longestGrantMs?: number;
}

/** The host allows a recording to be kept that was made without permission. */
export interface ApprovalLine extends LineHead {
  readonly kind: 'approval';
  readonly recording: RecordingId;
}

export type Line =
  | InvitationLine
  | RequestLine
  | GrantLine
  | RevocationLine
  | RoomsLine
  | ApprovalLine
  | DelegationLine;

export type LineKind = Line['kind'];

type Json = Readonly<Record<string, unknown>>;

const kindCodes = {
  invitation: 'inv',
  request: 'req',
  grant: 'grt',
  revocations: 'rev',
  rooms: 'rms',
  delegation: 'del',
  approval: 'apr',
} as const satisfies Record<LineKind, string>;

const phaseCodes = {
  unopened: 'u',
  open: 'o',
  closing: 'c',
  closed: 'x',
  removed: 'r',
} as const satisfies Record<RoomLine['phase'], string>;

/** The statement as JSON; short keys, because a chat carries 1,000 characters. */
export function lineJson(line: Line): string {
  const head = { t: kindCodes[line.kind], s: line.session.slice(4), k: line.key, a: line.at };
  return JSON.stringify({ ...head, ...lineBody(line) });
}

function lineBody(line: Line): Json {
  switch (line.kind) {
    case 'invitation':
      return { o: line.topic, h: line.hostName, q: line.sequence, r: line.rooms.map(roomJson) };
    case 'request':
      return {
        i: line.id.slice(4),
        n: line.name,
        r: line.room,
        ...(line.reason === undefined ? {} : { w: line.reason }),
      };
    case 'grant':
      return {
        i: line.id.slice(6),
        q: line.serial,
        ...(line.toKey === undefined ? {} : { tk: line.toKey }),
        ...(line.toName === undefined ? {} : { tn: line.toName }),
        r: scopeText(line.rooms),
        ...(Object.keys(line.roomNames).length === 0 ? {} : { rn: line.roomNames }),
        c: line.actions,
        f: line.from,
        u: line.until,
        ...(line.via === undefined ? {} : { v: line.via.slice(4) }),
      };
    case 'revocations':
      return {
        q: line.sequence,
        r: serialsText(line.serials),
        ...(line.delegations.length === 0 ? {} : { d: line.delegations.map((id) => id.slice(4)) }),
        u: line.until,
      };
    case 'rooms':
      return {
        q: line.sequence,
        r: line.rooms.map(roomJson),
        ...(line.closed ? { x: 1 } : {}),
      };
    case 'approval':
      return { i: line.recording.slice(4) };
    case 'delegation':
      return {
        i: line.id.slice(4),
        tk: line.toKey,
        tn: line.toName,
        r: scopeText(line.rooms),
        f: line.from,
        u: line.until,
        ...(line.longestGrantMs === undefined ? {} : { m: line.longestGrantMs }),
      };
  }
}

function roomJson({ number, generation, phase, name, closesAt }: RoomLine): readonly unknown[] {
  const parts: unknown[] = [number, generation, phaseCodes[phase]];
  if (name !== undefined || closesAt !== undefined) parts.push(name ?? '');
  if (closesAt !== undefined) parts.push(closesAt);
  return parts;
}

/** Rooms as `*`, or as ranges of numbers, with the generation where it is not the first: `1-9,12.2`. */
export function scopeText(scope: RoomScope): string {
  if (scope === 'all') return '*';
  const rooms = scope
    .map((id) => id.split('.').map(Number))
    .sort((a, b) => (a[1] ?? 0) - (b[1] ?? 0) || (a[0] ?? 0) - (b[0] ?? 0));
  const ranges: { from: number; to: number; generation: number }[] = [];
  for (const [number = 0, generation = 1] of rooms) {
    const last = ranges.at(-1);
    if (last && last.generation === generation && last.to + 1 === number) last.to = number;
    else ranges.push({ from: number, to: number, generation });
  }
  return ranges
    .map(({ from, to, generation }) => {
      const numbers = from === to ? `${from}` : `${from}-${to}`;
      return generation === 1 ? numbers : `${numbers}.${generation}`;
    })
    .join(',');
}

export function parseScope(text: unknown): RoomScope | undefined {
  if (text === '*') return 'all';
  if (typeof text !== 'string') return undefined;
  const rooms: RoomId[] = [];
  for (const part of text.split(',')) {
    const found = /^(\d{1,3})(?:-(\d{1,3}))?(?:\.([1-9]\d{0,5}))?$/.exec(part);
    if (!found) return undefined;
    const [, from = '', to = from, generation = '1'] = found;
    if (Number(to) < Number(from) || Number(to) > limits.rooms) return undefined;
    for (let number = Number(from); number <= Number(to); number++) {
      const id = parseRoomId(`${number}.${generation}`);
      if (id === undefined || rooms.includes(id)) return undefined;
      rooms.push(id);
    }
  }
  return rooms;
}

/** Serials as ranges: `1-40,57`. */
export function rangesText(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/**
 * Serials as ranges, or the first range and a bit for each serial after it (`1-40+42.gQE`) where that
 * is shorter: whatever the pattern, some 3,000 serials fit into a line.
 */
export function serialsText(ranges: readonly (readonly [number, number])[]): string {
  const plain = rangesText(ranges);
  const [first, ...rest] = ranges;
  const start = rest[0]?.[0];
  const end = rest.at(-1)?.[1];
  if (!first || start === undefined || end === undefined || end - start > 100_000) return plain;
  const bits = Buffer.alloc(((end - start) >> 3) + 1);
  for (const [from, to] of rest) {
    for (let at = from - start; at <= to - start; at++) {
      bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
    }
  }
  const dense = `${rangesText([first])}+${start}.${bits.toString('base64url')}`;
  return dense.length < plain.length ? dense : plain;
}

function parseSerials(text: unknown): (readonly [number, number])[] | undefined {
  if (typeof text !== 'string' || !text.includes('+')) return parseRanges(text);
  const found = /^([^+]*)\+([1-9]\d{0,8})\.([\w-]{1,1000})$/.exec(text);
  const ranges: [number, number][] = [];
  for (const [from, to] of parseRanges(found?.[1]) ?? []) ranges.push([from, to]);
  const start = Number(found?.[2]);
  if (!found || ranges.length !== 1 || start <= (ranges[0]?.[1] ?? 0) + 1) return undefined;
  for (const [place, byte] of Buffer.from(found[3] ?? '', 'base64url').entries()) {
    for (let bit = 0; bit < 8; bit++) {
      if (((byte >> bit) & 1) === 0) continue;
      const serial = start + place * 8 + bit;
      const last = ranges.at(-1);
      if (last && last[1] + 1 === serial) last[1] = serial;
      else ranges.push([serial, serial]);
    }
  }
  return ranges;
}

function parseRanges(text: unknown): (readonly [number, number])[] | undefined {
  if (text === '') return [];
  if (typeof text !== 'string') return undefined;
  const ranges: (readonly [number, number])[] = [];
  let least = 1;
  for (const part of text.split(',')) {
    const found = /^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$/.exec(part);
    if (!found) return undefined;
    const from = Number(found[1]);
    const to = Number(found[2] ?? found[1]);
    if (from < least || to < from) return undefined;
    ranges.push([from, to]);
    least = to + 1;
  }
  return ranges;
}

/** Reads a statement; `undefined` when it is not exactly one this program knows. */
export function parseLineJson(text: string): Line | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Not JSON: not a statement.
    return undefined;
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  const body = { ...json } as Json;
  const session = parseTail('ses', body['s']);
  const key = parseKey(body['k']);
  const at = parseInstant(body['a']);
  if (!session || !key || at === undefined) return undefined;
  const head = { session, key, at };
  switch (body['t']) {
    case kindCodes.invitation:
      return parseInvitation(head, body);
    case kindCodes.request:
      return parseRequest(head, body);
    case kindCodes.grant:
      return parseGrant(head, body);
    case kindCodes.revocations:
      return parseRevocations(head, body);
    case kindCodes.rooms:
      return parseRooms(head, body);
    case kindCodes.delegation:
      return parseDelegation(head, body);
    case kindCodes.approval: {
      const recording = parseTail('rec', body['i']);
      return recording && { kind: 'approval', ...head, recording };
    }
    default:
      return undefined;
  }
}

function parseInvitation(head: LineHead, body: Json): InvitationLine | undefined {
  const topic = parseText(body['o'], limits.topic);
  const hostName = parseText(body['h'], limits.participantName);
  const sequence = parseCount(body['q']);
  const rooms = parseRoomList(body['r']);
  if (!topic || !hostName || sequence === undefined || !rooms) return undefined;
  return { kind: 'invitation', ...head, topic, hostName, sequence, rooms };
}

function parseRequest(head: LineHead, body: Json): RequestLine | undefined {
  const id = parseTail('req', body['i']);
  const name = parseText(body['n'], limits.participantName);
  const room = parseRoomId(body['r']);
  const reason = body['w'] === undefined ? '' : parseText(body['w'], limits.reason);
  if (!id || !name || !room || reason === undefined) return undefined;
  const request = { kind: 'request', ...head, id, name, room } as const;
  return reason === '' ? request : { ...request, reason };
}

function parseGrant(head: LineHead, body: Json): GrantLine | undefined {
  const id = parseTail('grant', body['i']);
  const serial = parseCount(body['q']);
  const toKey = body['tk'] === undefined ? null : parseKey(body['tk']);
  const toName = body['tn'] === undefined ? null : parseText(body['tn'], limits.participantName);
  const rooms = parseScope(body['r']);
  const roomNames = parseRoomNames(body['rn']);
  const from = parseInstant(body['f']);
  const until = parseInstant(body['u']);
  const via = body['v'] === undefined ? null : parseTail('del', body['v']);
  if (!id || serial === undefined || !rooms || !roomNames) return undefined;
  if (toKey === undefined || toName === undefined || toName === '') return undefined;
  if (from === undefined || until === undefined || until <= from || via === undefined) {
    return undefined;
  }
  if (JSON.stringify(body['c']) !== '["record"]') return undefined;
  return {
    kind: 'grant',
    ...head,
    id,
    serial,
    ...(toKey === null ? {} : { toKey }),
    ...(toName === null ? {} : { toName }),
    rooms,
    roomNames,
    actions: ['record'],
    from,
    until,
    ...(via === null ? {} : { via }),
  };
}

function parseRevocations(head: LineHead, body: Json): RevocationLine | undefined {
  const sequence = parseCount(body['q']);
  const serials = parseSerials(body['r']);
  const until = parseInstant(body['u']);
  const listed = body['d'] ?? [];
  if (sequence === undefined || !serials || until === undefined || !Array.isArray(listed)) {
    return undefined;
  }
  const delegations: DelegationId[] = [];
  for (const one of listed.slice(0, 100)) {
    const id = parseTail('del', one);
    if (!id) return undefined;
    delegations.push(id);
  }
  return { kind: 'revocations', ...head, sequence, serials, delegations, until };
}

function parseRooms(head: LineHead, body: Json): RoomsLine | undefined {
  const sequence = parseCount(body['q']);
  const rooms = parseRoomList(body['r']);
  const closed = body['x'];
  if (sequence === undefined || !rooms || (closed !== undefined && closed !== 1)) return undefined;
  return { kind: 'rooms', ...head, sequence, rooms, closed: closed === 1 };
}

function parseDelegation(head: LineHead, body: Json): DelegationLine | undefined {
  const id = parseTail('del', body['i']);
  const toKey = parseKey(body['tk']);
  const toName = parseText(body['tn'], limits.participantName);
  const rooms = parseScope(body['r']);
  const from = parseInstant(body['f']);
  const until = parseInstant(body['u']);
  const longest = body['m'] === undefined ? 0 : parseCount(body['m']);
  if (!id || !toKey || !toName || !rooms) return undefined;
  if (from === undefined || until === undefined || until <= from || longest === undefined) {
    return undefined;
  }
  const line = { kind: 'delegation', ...head, id, toKey, toName, rooms, from, until } as const;
  return longest === 0 ? line : { ...line, longestGrantMs: longest };
}

function parseRoomList(value: unknown): RoomLine[] | undefined {
  if (!Array.isArray(value) || value.length > limits.rooms + 1) return undefined;
  const rooms: RoomLine[] = [];
  for (const one of value) {
    const room = parseRoom(one);
    if (!room) return undefined;
    rooms.push(room);
  }
  return rooms;
}

function parseRoom(value: unknown): RoomLine | undefined {
  if (!Array.isArray(value) || value.length > 5) return undefined;
  const [number, generation, code, named = '', closing] = value as unknown[];
  if (typeof number !== 'number' || typeof generation !== 'number') return undefined;
  const id = parseRoomId(`${number}.${generation}`);
  const phase = Object.entries(phaseCodes).find(([, one]) => one === code)?.[0];
  const name = parseText(named, limits.roomName);
  const closesAt = closing === undefined ? null : parseInstant(closing);
  if (!id || number > limits.rooms || !phase || name === undefined || closesAt === undefined) {
    return undefined;
  }
  return {
    number,
    generation,
    phase: phase as RoomLine['phase'],
    ...(name === '' ? {} : { name: roomName(name) }),
    ...(closesAt === null ? {} : { closesAt }),
  };
}

function parseRoomNames(value: unknown): Record<RoomId, string> | undefined {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const names: Record<RoomId, string> = {};
  for (const [id, text] of Object.entries(value).slice(0, limits.rooms)) {
    const room = parseRoomId(id);
    const name = parseText(text, limits.roomName);
    if (!room || name === undefined) return undefined;
    names[room] = roomName(name);
  }
  return names;
}

/** Text of so many characters, without what could disturb a terminal. */
function parseText(value: unknown, most: number): string | undefined {
  if (typeof value !== 'string' || [...value].length > most) return undefined;
  return most === limits.participantName ? personName(value) : value.replaceAll(/\p{Cc}/gu, ' ');
}

/** An id that is written without its kind. Only a string: anything else may not even become text. */
function parseTail<Kind extends IdKind>(kind: Kind, value: unknown): Id<Kind> | undefined {
  return typeof value === 'string' ? parseId(kind, `${kind}_${value}`) : undefined;
}

function parseKey(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w-]{43}$/.test(value) ? value : undefined;
}

function parseCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

// Up to the year 2286: more digits are no moment of ours.
function parseInstant(value: unknown): Instant | undefined {
  const count = parseCount(value);
  return count !== undefined && count < 1e13 ? instant(count) : undefined;
}
