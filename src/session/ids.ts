/**
 * Names and units: the ids of everything in a session, and moments in time.
 *
 * An id is a UUID v7 (RFC 9562) in Crockford's base 32, written backwards behind the name of its
 * kind: the random end comes first, so that four or five characters tell two ids apart, and the time
 * is still in it. Random numbers and the clock come in as arguments.
 */
import { v7 as uuidV7 } from 'uuid';

/** A moment: milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number & { readonly unit: 'ms since the epoch' };

export function instant(ms: number): Instant {
  return ms as Instant;
}

/** The moment `ms` milliseconds later (or earlier, when negative). */
export function later(moment: Instant, ms: number): Instant {
  return (moment + ms) as Instant;
}

export const idKinds = ['ses', 'par', 'grant', 'del', 'req', 'rec', 'take'] as const;
export type IdKind = (typeof idKinds)[number];

export type Id<Kind extends IdKind> = `${Kind}_${string}`;
export type SessionId = Id<'ses'>;
export type ParticipantId = Id<'par'>;
export type GrantId = Id<'grant'>;
/** A co-host's delegation. */
export type DelegationId = Id<'del'>;
export type RequestId = Id<'req'>;
export type RecordingId = Id<'rec'>;
export type TakeId = Id<'take'>;

/** A room in one of its generations: `2.1` is room 2 as first made, `0.1` the main room. */
export type RoomId = `${number}.${number}`;

const digits = '0123456789abcdefghjkmnpqrstvwxyz';
const idLength = 26;
const leastShown = 5;

/**
 * Makes an id.
 *
 * @param random  16 random bytes; the same bytes at the same moment make the same id
 */
export function newId<Kind extends IdKind>(kind: Kind, now: Instant, random: Uint8Array): Id<Kind> {
  const bytes = uuidV7({ msecs: Math.max(0, now), random }, new Uint8Array(16));
  return `${kind}_${backwards(bytes)}`;
}

/** Reads an id that came from outside; `undefined` when it is none of that kind. */
export function parseId<Kind extends IdKind>(kind: Kind, text: unknown): Id<Kind> | undefined {
  if (typeof text !== 'string' || text.length !== kind.length + 1 + idLength) return undefined;
  if (!text.startsWith(`${kind}_`)) return undefined;
  for (const char of text.slice(kind.length + 1)) if (!digits.includes(char)) return undefined;
  return text as Id<Kind>;
}

export function parseRoomId(text: unknown): RoomId | undefined {
  return typeof text === 'string' && /^(?:0|[1-9]\d{0,2})\.[1-9]\d{0,5}$/.test(text)
    ? (text as RoomId)
    : undefined;
}

/**
 * All ids that a short form may mean: `rec_7f3a`, or only `7f3a`. A whole id means itself alone.
 *
 * @param text  at least one character behind the kind; letter case does not matter
 */
export function idsMatching<Some extends string>(ids: Iterable<Some>, text: string): Some[] {
  const wanted = text.trim().toLowerCase();
  const found: Some[] = [];
  if (wanted === '') return found;
  for (const id of ids) {
    if (id === wanted) return [id];
    const body = id.slice(id.indexOf('_') + 1);
    if (wanted.includes('_') ? id.startsWith(wanted) : body.startsWith(wanted)) found.push(id);
  }
  return found;
}

/** The id cut to what is usually enough to tell it apart; `idsMatching` takes it back. */
export function shortId(id: string): string {
  return id.slice(0, id.indexOf('_') + 1 + leastShown);
}

function backwards(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let place = 0; place < idLength; place++) {
    text += digits.charAt(Number(value & 31n));
    value >>= 5n;
  }
  return text;
}
