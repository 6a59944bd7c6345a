/**
 * May this person record in this room now? Pure, total, and always with a reason.
 *
 * When in doubt the answer is no: what is not covered by a grant in time, in this room and for this
 * person is not permitted. Hosts need no grant, co-hosts only their delegation.
 */
import { judgedNow } from './evolve.ts';
import type { DelegationId, GrantId, Instant, ParticipantId, RoomId } from './ids.ts';
import { grantsConcerning } from './permission-events.ts';
import {
  type Delegation,
  type Grant,
  type RecordingPermission,
  type RoomScope,
  type SessionState,
  spokenRoom,
} from './state.ts';
import { rowOf } from './table.ts';

/**
 * How far the host's clock may be ahead of ours: a grant given "from now" must not be refused as too
 * early. The end has no tolerance: a grant never lasts longer than it says.
 */
export const clockToleranceMs = 120_000;

export interface Wish {
  readonly participant: ParticipantId;
  readonly room: RoomId;
}

export type DenialReason =
  | 'session-closed'
  | 'participant-unknown'
  | 'room-unknown'
  | 'room-closed'
  | 'no-grant'
  | 'other-room'
  | 'not-yet'
  | 'expired'
  | 'revoked'
  | 'delegation-ended';

export type Verdict =
  | {
      readonly allowed: true;
      readonly permission: Exclude<RecordingPermission, { kind: 'unpermitted' | 'approved' }>;
      /** When this permission ends by itself; absent for the host. */
      readonly until?: Instant;
    }
  | {
      readonly allowed: false;
      readonly reason: DenialReason;
      /** The grant that comes nearest. */
      readonly grant?: GrantId;
      /** When it ended or begins, where that is the reason. */
      readonly at?: Instant;
    };

/**
 * Judges a wish to record.
 *
 * @param now  this machine's clock; anything earlier than what is already known to have happened
 *   counts as that later moment
 */
export function permits(state: SessionState, wish: Wish, now: Instant): Verdict {
  const moment = judgedNow(state, now);
  if (state.closedAt !== undefined) return { allowed: false, reason: 'session-closed' };
  if (!rowOf(state.participants, wish.participant)) {
    return { allowed: false, reason: 'participant-unknown' };
  }
  const room = state.rooms[wish.room];
  if (!room) return { allowed: false, reason: 'room-unknown' };
  if (room.phase === 'closed' || (room.closesAt !== undefined && room.closesAt <= moment)) {
    return { allowed: false, reason: 'room-closed' };
  }
  if (wish.participant === state.host) return { allowed: true, permission: { kind: 'host' } };
  const delegation = rowOf(state.cohosts, wish.participant);
  if (delegation && covers(delegation.rooms, room.id) && holds(state, delegation, moment)) {
    const permission = { kind: 'co-host', delegation: delegation.id } as const;
    return { allowed: true, permission, until: delegation.until };
  }
  return bestGrant(state, wish, moment);
}

function bestGrant(state: SessionState, wish: Wish, now: Instant): Verdict {
  let best: Grant | undefined;
  let nearest: (Verdict & { allowed: false }) | undefined;
  for (const id of grantsConcerning(state, wish.participant)) {
    const grant = rowOf(state.grants, id);
    if (!grant) continue;
    const denial = against(state, grant, wish, now);
    if (!denial) {
      if (!best || grant.until > best.until) best = grant;
    } else if (!nearest || nearness[denial.reason] > nearness[nearest.reason]) {
      nearest = denial;
    }
  }
  if (best) {
    const permission = { kind: 'grant', grant: best.id } as const;
    return { allowed: true, permission, until: best.until };
  }
  return nearest ?? { allowed: false, reason: 'no-grant' };
}

/** Which denial tells a person most about what is missing. */
const nearness: Record<DenialReason, number> = {
  'session-closed': 0,
  'participant-unknown': 0,
  'room-unknown': 0,
  'room-closed': 0,
  'no-grant': 0,
  'other-room': 1,
  expired: 2,
  'delegation-ended': 3,
  revoked: 4,
  'not-yet': 5,
};

function against(
  state: SessionState,
  grant: Grant,
  wish: Wish,
  now: Instant,
): (Verdict & { allowed: false }) | undefined {
  const denied = (reason: DenialReason, at?: Instant) =>
    ({ allowed: false, reason, grant: grant.id, ...(at === undefined ? {} : { at }) }) as const;
  if (!covers(grant.rooms, wish.room)) return denied('other-room');
  if (grant.revokedAt !== undefined) return denied('revoked', grant.revokedAt);
  if (grant.expiredAt !== undefined || now >= grant.until) return denied('expired', grant.until);
  if (now < grant.from - earliness(state)) return denied('not-yet', grant.from);
  if (grant.via !== undefined) {
    const delegation = rowOf(state.cohosts, grant.by);
    if (delegation?.id !== grant.via || !holds(state, delegation, now)) {
      return denied('delegation-ended', delegation?.revokedAt ?? delegation?.until);
    }
  }
  return undefined;
}

/** Why one grant no longer permits a wish; `undefined` when it still does. */
export function denialBy(
  state: SessionState,
  id: GrantId,
  wish: Wish,
  now: Instant,
): (Verdict & { allowed: false }) | undefined {
  const grant = rowOf(state.grants, id);
  return grant && against(state, grant, wish, judgedNow(state, now));
}

export function covers(scope: RoomScope, room: RoomId): boolean {
  return scope === 'all' || scope.includes(room);
}

/** Whether a delegation is in force. */
export function holds(state: SessionState, delegation: Delegation, now: Instant): boolean {
  if (delegation.revokedAt !== undefined || now >= delegation.until) return false;
  return now >= delegation.from - earliness(state);
}

// Where grants are made and used on one machine there is one clock, and nothing to tolerate.
function earliness(state: SessionState): number {
  return state.home === 'here' ? 0 : clockToleranceMs;
}

/** The delegation under which this person acts as a co-host now. */
export function delegationOf(
  state: SessionState,
  participant: ParticipantId,
  now: Instant,
): (Delegation & { id: DelegationId }) | undefined {
  const delegation = rowOf(state.cohosts, participant);
  return delegation && holds(state, delegation, judgedNow(state, now)) ? delegation : undefined;
}

/** What is missing, as one would say it. */
export function spokenDenial(
  state: SessionState,
  wish: Wish,
  denial: Verdict & { allowed: false },
): string {
  const name = rowOf(state.participants, wish.participant)?.name ?? 'this person';
  const room = spokenRoom(state, wish.room);
  const moment = denial.at === undefined ? '' : ` ${new Date(denial.at).toISOString()}`;
  switch (denial.reason) {
    case 'session-closed':
      return `The session “${state.topic}” is closed.`;
    case 'participant-unknown':
      return 'Nobody of this name takes part in the session.';
    case 'room-unknown':
      return `There is no ${room.replace(/, which is gone$/, '')} in this session any more.`;
    case 'room-closed':
      return `${capital(room)} is closed.`;
    case 'no-grant':
      return `${name} may not record in ${room}: no grant covers it.`;
    case 'other-room':
      return `${name} may not record in ${room}: the grant covers other rooms only.`;
    case 'not-yet':
      return `${name} may not record in ${room} yet: the grant begins at${moment}.`;
    case 'expired':
      return `${name} may not record in ${room}: the grant expired at${moment}.`;
    case 'revoked':
      return `${name} may not record in ${room}: the grant was revoked at${moment}.`;
    case 'delegation-ended':
      return `${name} may not record in ${room}: the co-host who granted it is no longer one.`;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Every room in which this person may record now. */
export function permittedRooms(
  state: SessionState,
  participant: ParticipantId,
  now: Instant,
): RoomId[] {
  const rooms: RoomId[] = [];
  for (const room of Object.values(state.rooms)) {
    if (permits(state, { participant, room: room.id }, now).allowed) rooms.push(room.id);
  }
  return rooms.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
}
