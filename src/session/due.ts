/**
 * What time alone brings about: grants expire, countdowns end, limits are reached, requests go
 * unanswered. Pure: the daemon sets one timer for the next moment and asks again then.
 */
import type { SessionCommand, Story } from './command.ts';
import { judgedNow } from './evolve.ts';
import { type GrantId, type Instant, later, type RoomId } from './ids.ts';
import { openRequests, requestLifetimeMs } from './permission.ts';
import { withSafeUntil } from './recording-events.ts';
import { beginClosing } from './rooms.ts';
import type { Grant, SessionState } from './state.ts';
import { rowsOf } from './table.ts';

export interface Due {
  /** When to ask again; absent when nothing is waiting. Never in the past once `commands` are done. */
  readonly next?: Instant;
  /** To be decided now. */
  readonly commands: readonly SessionCommand[];
}

export function due(state: SessionState, now: Instant): Due {
  const moment = judgedNow(state, now);
  let next: Instant | undefined;
  let late = false;
  for (const at of appointments(state, moment)) {
    if (at <= moment) late = true;
    else if (next === undefined || at < next) next = at;
  }
  const commands: SessionCommand[] = late ? [{ type: 'tick' }] : [];
  return next === undefined ? { commands } : { next, commands };
}

function* appointments(state: SessionState, now: Instant): Generator<Instant> {
  if (state.closedAt !== undefined) return;
  for (const room of Object.values(state.rooms)) {
    if (room.closesAt !== undefined) yield room.closesAt;
    if (room.limitAt !== undefined) yield room.limitAt;
  }
  for (const grant of rowsOf(state.grants)) if (isStanding(grant)) yield grant.until;
  for (const request of openRequests(state)) yield later(request.at, requestLifetimeMs);
  if (state.safeUntil === undefined) return;
  // The bound may speak of a recording that has ended since: look again before calling it late.
  const bound = state.safeUntil > now ? state.safeUntil : withSafeUntil(state).safeUntil;
  if (bound !== undefined) yield bound;
}

function isStanding(grant: Grant): boolean {
  return grant.revokedAt === undefined && grant.expiredAt === undefined;
}

/** Tells what time has brought about; recordings that lose their permission are ended in decide.ts. */
export function passTime(story: Story): void {
  const { state, context } = story;
  if (state.closedAt !== undefined) return;
  const now = judgedNow(state, context.now);
  const closed: RoomId[] = [];
  for (const room of Object.values(state.rooms)) {
    if (room.closesAt !== undefined && room.closesAt <= now) closed.push(room.id);
    if (room.limitAt !== undefined && room.limitAt <= now) {
      beginClosing(story, [room.id], room.countdownMs ?? 0);
    }
  }
  if (closed.length > 0) story.add('rooms-closed', { rooms: closed });
  const expired: GrantId[] = [];
  for (const grant of rowsOf(state.grants)) {
    if (isStanding(grant) && grant.until <= now) expired.push(grant.id);
  }
  if (expired.length > 0) story.add('expired', { grants: expired });
  for (const request of openRequests(state)) {
    if (later(request.at, requestLifetimeMs) > now) continue;
    story.add('request-answered', { request: request.id, answer: 'timeout' });
  }
}
