/**
 * Permission given and withdrawn: grants, revocations, requests and their answers, co-hosts.
 */
import type { GrantTime, PermissionCommand, Story } from './command.ts';
import { judgedNow } from './evolve.ts';
import { findGrant, findParticipant, findRecording, findRequest, findRoom } from './find.ts';
import {
  type DelegationId,
  type GrantId,
  type Instant,
  later,
  parseId,
  type RoomId,
} from './ids.ts';
import { covers, delegationOf, permits } from './permits.ts';
import { isRefusal, type Refusal, refuse, typed } from './refusal.ts';
import { closedSession, unlessManaging } from './rooms.ts';
import {
  everybody,
  type Grant,
  isLive,
  limits,
  mainRoom,
  type Participant,
  type PermissionRequest,
  type Recording,
  type RoomScope,
  type SessionState,
  spokenRoom,
} from './state.ts';
import { rowOf, rowsOf } from './table.ts';

/** Short, because a machine without a connection learns late of a revocation. */
export const usualGrantMs = 4 * 3_600_000;
export const longestGrantMs = 31 * 24 * 3_600_000;
/** After this time a request counts as unanswered. */
export const requestLifetimeMs = 3_600_000;

export function decidePermission(story: Story, command: PermissionCommand): Refusal | undefined {
  const { state } = story;
  if (command.type === 'approve-recording') return approveRecording(story, command.recording);
  if (state.closedAt !== undefined && command.type !== 'revoke') return closedSession(state.topic);
  switch (command.type) {
    case 'grant':
      return decideGrant(story, command);
    case 'revoke':
      return decideRevoke(story, command);
    case 'request':
      return decideRequest(story, command);
    case 'answer':
      return decideAnswer(story, command);
    case 'name-cohost':
      return nameCohost(story, command);
    case 'remove-cohost':
      return removeCohost(story, command.participant);
  }
}

/** Where the permission to give permission comes from: nothing for the host, a delegation else. */
interface Authority {
  readonly via?: DelegationId;
}

interface Extent {
  readonly rooms: RoomScope;
  readonly from: Instant;
  readonly until: Instant;
}

/** Whether the one who asks may give or take permission to this extent. */
function authority(story: Story, extent: Extent): Authority | Refusal {
  const { state, actor, context } = story;
  if (actor === state.host) return {};
  const delegation = delegationOf(state, actor, context.now);
  const name = rowOf(state.participants, actor)?.name ?? 'This person';
  if (!delegation) {
    const problem = `${name} is neither host nor co-host of “${state.topic}” and cannot give permission.`;
    return refuse('not-permitted', problem, 'roomtape request');
  }
  const within =
    delegation.rooms === 'all' ||
    (extent.rooms !== 'all' && extent.rooms.every((room) => covers(delegation.rooms, room)));
  if (!within) {
    const problem = `${name} is co-host for ${spokenScope(state, delegation.rooms)} only.`;
    return refuse('not-permitted', problem, 'roomtape cohost list');
  }
  const longest = delegation.longestGrantMs ?? Number.POSITIVE_INFINITY;
  if (extent.until > delegation.until || extent.until - extent.from > longest) {
    const end = new Date(delegation.until).toISOString();
    const bound = longest === Number.POSITIVE_INFINITY ? '' : `, for ${longest / 60_000} min`;
    const problem = `${name} may give permission until ${end}${bound} at most.`;
    return refuse('not-permitted', problem, 'roomtape grant PARTICIPANT --room ROOM --for 10m');
  }
  return { via: delegation.id };
}

export function spokenScope(state: SessionState, scope: RoomScope): string {
  if (scope === 'all') return 'all rooms';
  return scope.map((room) => spokenRoom(state, room)).join(', ');
}

function decideGrant(
  story: Story,
  command: PermissionCommand & { type: 'grant' },
): Refusal | undefined {
  const { state } = story;
  const person = command.to === undefined ? undefined : findParticipant(state, command.to);
  if (isRefusal(person)) return person;
  const rooms = findScope(state, command.rooms);
  if (isRefusal(rooms)) return rooms;
  const grant = newGrant(story, person, rooms, command);
  if (isRefusal(grant)) return grant;
  story.add('granted', { grant });
  answerRequestsCovered(story, grant);
  return undefined;
}

function findScope(state: SessionState, texts: 'all' | readonly string[]): RoomScope | Refusal {
  if (texts === 'all') return 'all';
  const rooms: RoomId[] = [];
  for (const text of texts) {
    if (text.trim().toLowerCase() === 'all') return 'all';
    const room = findRoom(state, text);
    if (isRefusal(room)) return room;
    if (!rooms.includes(room.id)) rooms.push(room.id);
  }
  if (rooms.length > 0) return rooms;
  return refuse('usage', 'Say for which room.', 'roomtape grant PARTICIPANT --room ROOM');
}

function newGrant(
  story: Story,
  person: Participant | undefined,
  rooms: RoomScope,
  time: GrantTime,
): Grant | Refusal {
  const { state, context, actor } = story;
  const bounds = findBounds(story, time);
  if (isRefusal(bounds)) return bounds;
  const allowed = authority(story, { rooms, ...bounds });
  if (isRefusal(allowed)) return allowed;
  return {
    id: context.newId('grant'),
    serial: state.serial + 1,
    ...(person === undefined ? {} : { to: person.id }),
    rooms,
    ...bounds,
    issuedAt: context.now,
    by: actor,
    ...allowed,
  };
}

function findBounds(story: Story, time: GrantTime): { from: Instant; until: Instant } | Refusal {
  const { state, context, actor } = story;
  const from = time.from ?? context.now;
  const delegation = delegationOf(state, actor, context.now);
  const usual = Math.min(
    usualGrantMs,
    delegation ? delegation.until - from : usualGrantMs,
    delegation?.longestGrantMs ?? usualGrantMs,
  );
  const until = time.until ?? later(from, time.forMs ?? usual);
  const sound = Number.isFinite(from) && Number.isFinite(until);
  if (sound && until > context.now && until <= judgedNow(state, context.now)) {
    const minutes = Math.ceil((judgedNow(state, context.now) - context.now) / 60_000);
    const problem = `This clock was set back by ${minutes} minutes; until it catches up, permission must last longer than that.`;
    return refuse('wrong-state', problem, 'roomtape doctor');
  }
  if (!sound || until <= from || until <= judgedNow(state, context.now)) {
    const problem = 'A permission must end after it begins, and not in the past.';
    return refuse('usage', problem, 'roomtape grant PARTICIPANT --room ROOM --for 2h');
  }
  if (until - from > longestGrantMs) {
    const problem = 'A permission lasts at most 31 days.';
    return refuse('usage', problem, 'roomtape grant PARTICIPANT --room ROOM --for 2h');
  }
  return { from, until };
}

function decideRevoke(
  story: Story,
  command: PermissionCommand & { type: 'revoke' },
): Refusal | undefined {
  const { state, actor, context } = story;
  const chosen = grantsToRevoke(state, command);
  if (isRefusal(chosen)) return chosen;
  const now = judgedNow(state, context.now);
  const standing = chosen.filter(
    (grant) => grant.revokedAt === undefined && grant.expiredAt === undefined && grant.until > now,
  );
  const grants: GrantId[] = [];
  for (const grant of standing) {
    const extent = { rooms: grant.rooms, from: later(grant.until, -1), until: grant.until };
    const refusal = grant.by === actor ? undefined : authority(story, extent);
    if (isRefusal(refusal)) return refusal;
    if (state.home === 'elsewhere' && grant.by !== actor) {
      const problem = 'This grant was not given here: only the machine that gave it withdraws it.';
      return refuse('not-permitted', problem, 'ask the host to revoke it');
    }
    grants.push(grant.id);
  }
  if (grants.length === 0) {
    const all = authority(story, { rooms: [], from: now, until: now });
    if (isRefusal(all)) return all;
    const problem = 'There is no grant in force that this would withdraw.';
    return refuse('wrong-state', problem, 'roomtape room show');
  }
  story.add('revoked', { grants });
  return undefined;
}

function grantsToRevoke(
  state: SessionState,
  { grant, participant, room, all }: PermissionCommand & { type: 'revoke' },
): Grant[] | Refusal {
  if (grant !== undefined) {
    const one = findGrant(state, grant);
    return isRefusal(one) ? one : [one];
  }
  const place = room === undefined ? undefined : findRoom(state, room);
  if (isRefusal(place)) return place;
  const inRoom = (one: Grant) => place === undefined || covers(one.rooms, place.id);
  if (participant === undefined) {
    if (all === true || place !== undefined) return [...rowsOf(state.grants)].filter(inRoom);
    return refuse('usage', 'Say whose permission to withdraw.', 'roomtape revoke PARTICIPANT');
  }
  const person = findParticipant(state, participant);
  if (isRefusal(person)) return person;
  const own = (rowOf(state.grantsOf, person.id) ?? []).flatMap((id) => {
    const one = rowOf(state.grants, id);
    return one ? [one] : [];
  });
  const shared = (rowOf(state.grantsOf, everybody) ?? []).some((id) => {
    const one = rowOf(state.grants, id);
    return one !== undefined && one.revokedAt === undefined && inRoom(one);
  });
  const chosen = own.filter(inRoom);
  if (chosen.length === 0 && shared) {
    const problem = `${person.name} may record by a grant for everybody; withdrawing it withdraws it for all.`;
    return refuse('wrong-state', problem, 'roomtape revoke --all');
  }
  return chosen;
}

function decideRequest(
  story: Story,
  command: PermissionCommand & { type: 'request' },
): Refusal | undefined {
  const { state, context, actor } = story;
  const person = findParticipant(state, command.participant ?? actor);
  if (isRefusal(person)) return person;
  const room = findRoom(state, command.room ?? person.room ?? person.assigned ?? mainRoom);
  if (isRefusal(room)) return room;
  if (permits(state, { participant: person.id, room: room.id }, context.now).allowed) {
    const problem = `${person.name} may record in ${spokenRoom(state, room.id)} already.`;
    return refuse('wrong-state', problem, `roomtape record --room ${room.number}`);
  }
  const id = command.id ?? context.newId('req');
  const known = rowOf(state.requests, id);
  if (known) {
    const problem = `This request came already and was ${known.answer ?? 'taken down'}.`;
    return refuse('wrong-state', problem, 'roomtape requests');
  }
  for (const open of openRequests(state)) {
    if (open.participant !== person.id || open.room !== room.id) continue;
    // A denial does not travel and a line may get lost: who asks from elsewhere may ask again.
    if (state.home === 'elsewhere') {
      story.add('request-answered', { request: open.id, answer: 'timeout' });
    } else {
      const problem = `${person.name} has asked for ${spokenRoom(state, room.id)} already.`;
      return refuse('wrong-state', problem, `roomtape approve ${open.id}`);
    }
  }
  const reason = command.reason?.slice(0, limits.reason);
  const request: PermissionRequest = {
    id,
    participant: person.id,
    room: room.id,
    at: context.now,
    ...(reason === undefined ? {} : { reason }),
    ...(command.line === undefined ? {} : { line: command.line }),
  };
  story.add('requested', { request });
  answerByPolicy(story, request, room.policy ?? state.policy, person);
  return undefined;
}

function answerByPolicy(
  story: Story,
  request: PermissionRequest,
  policy: SessionState['policy'],
  person: Participant,
): void {
  const { state, context } = story;
  if (state.home === 'elsewhere' || policy === 'ask') return;
  if (policy === 'auto-deny') {
    story.add('request-answered', { request: request.id, answer: 'denied' });
    return;
  }
  // The policy is the host's word, whoever asks: the grant is the host's.
  const grant: Grant = {
    id: context.newId('grant'),
    serial: state.serial + 1,
    to: person.id,
    rooms: [request.room],
    from: context.now,
    until: later(context.now, usualGrantMs),
    issuedAt: context.now,
    by: state.host,
  };
  story.add('granted', { grant });
  story.add('request-answered', { request: request.id, answer: 'granted', grant: grant.id });
}

export function openRequests(state: SessionState): PermissionRequest[] {
  return [...rowsOf(state.requests)]
    .filter((one) => one.answer === undefined)
    .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

function answerRequestsCovered(story: Story, grant: Grant): void {
  if (grant.to === undefined) return;
  for (const open of openRequests(story.state)) {
    if (open.participant !== grant.to || !covers(grant.rooms, open.room)) continue;
    story.add('request-answered', { request: open.id, answer: 'granted', grant: grant.id });
  }
}

function decideAnswer(
  story: Story,
  command: PermissionCommand & { type: 'answer' },
): Refusal | undefined {
  const { state, context } = story;
  const request = findRequest(state, command.request);
  if (isRefusal(request)) return request;
  if (state.home === 'elsewhere' && !delegationOf(state, story.actor, context.now)) {
    return unlessManaging(story);
  }
  if (request.answer === 'granted' || request.answer === 'denied') {
    const problem = `This request was ${request.answer} already.`;
    return refuse('wrong-state', problem, 'roomtape requests');
  }
  const person = rowOf(state.participants, request.participant);
  if (command.answer === 'denied') {
    const now = judgedNow(state, context.now);
    const allowed = authority(story, { rooms: [request.room], from: now, until: now });
    if (isRefusal(allowed)) return allowed;
    story.add('request-answered', { request: request.id, answer: 'denied' });
    return undefined;
  }
  if (!state.rooms[request.room]) {
    const problem = `${spokenRoom(state, request.room)} cannot be granted any more.`;
    return refuse('wrong-state', problem, `roomtape deny ${request.id}`);
  }
  const grant = newGrant(story, person, [request.room], command);
  if (isRefusal(grant)) return grant;
  story.add('granted', { grant });
  story.add('request-answered', { request: request.id, answer: 'granted', grant: grant.id });
  return undefined;
}

function approveRecording(story: Story, which: string): Refusal | undefined {
  const { state, actor, context } = story;
  const recording = findRecording(state, which);
  const elsewhere = parseId('rec', which.trim());
  if (isRefusal(recording)) {
    // Made on another machine: the host's word goes there as a line.
    if (elsewhere === undefined || actor !== state.host || state.home === 'elsewhere') {
      return recording;
    }
    story.add('recording-approved', { recording: elsewhere });
    return undefined;
  }
  const now = judgedNow(state, context.now);
  const allowed = authority(story, { rooms: [recording.room], from: now, until: now });
  if (isRefusal(allowed)) return allowed;
  if (state.home === 'elsewhere') {
    const problem = 'Only the host approves a recording made without permission.';
    const next = `on the host's machine: roomtape approve --recording ${recording.id}`;
    return refuse('not-permitted', problem, next);
  }
  const refusal = unlessApprovable(recording);
  if (refusal) return refusal;
  story.add('recording-approved', { recording: recording.id });
  return undefined;
}

export function unlessApprovable(recording: Recording): Refusal | undefined {
  const next = `roomtape show ${recording.id}`;
  if (recording.permission.kind === 'approved') {
    return refuse('wrong-state', 'It was approved already.', next);
  }
  if (recording.permission.kind !== 'unpermitted' && recording.flags.length === 0) {
    return refuse('wrong-state', 'This recording was permitted from the start.', next);
  }
  if (recording.control === 'roomtape' && isLive(recording)) {
    return refuse('wrong-state', 'This recording still runs under its own permission.', next);
  }
  return undefined;
}

function nameCohost(
  story: Story,
  command: PermissionCommand & { type: 'name-cohost' },
): Refusal | undefined {
  const { state, context } = story;
  const refusal = unlessHost(story);
  if (refusal) return refusal;
  const person = findParticipant(state, command.participant);
  if (isRefusal(person)) return person;
  if (person.id === state.host) {
    return refuse('usage', `${person.name} is the host.`, 'roomtape cohost list');
  }
  const rooms = findScope(state, command.rooms ?? 'all');
  if (isRefusal(rooms)) return rooms;
  const bounds = findBounds(story, command);
  if (isRefusal(bounds)) return bounds;
  const delegation = {
    id: context.newId('del'),
    to: person.id,
    rooms,
    ...bounds,
    ...(command.longestGrantMs === undefined ? {} : { longestGrantMs: command.longestGrantMs }),
  };
  story.add('cohost-named', { delegation });
  return undefined;
}

function removeCohost(story: Story, which: string): Refusal | undefined {
  const refusal = unlessHost(story);
  if (refusal) return refusal;
  const person = findParticipant(story.state, which);
  if (isRefusal(person)) return person;
  const delegation = rowOf(story.state.cohosts, person.id);
  if (!delegation || delegation.revokedAt !== undefined) {
    const next = `roomtape cohost add ${typed(person.name)}`;
    return refuse('wrong-state', `${person.name} is no co-host.`, next);
  }
  story.add('cohost-removed', { participant: person.id });
  return undefined;
}

function unlessHost(story: Story): Refusal | undefined {
  const refusal = unlessManaging(story);
  if (refusal) return refusal;
  if (story.actor === story.state.host) return undefined;
  return refuse('not-permitted', 'Only the host names co-hosts.', 'roomtape cohost list');
}
