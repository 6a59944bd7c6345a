/**
 * What verified lines say, taken into the session on a participant's machine.
 *
 * Signatures were checked where the line was read (line-verification.ts). Here it is decided whether
 * the issuer may say so and whether it concerns this machine's person; what came before, was withdrawn
 * or is over is refused with its reason.
 */
import type { ReportCommand, Story } from './command.ts';
import { judgedNow } from './evolve.ts';
import type { Instant, ParticipantId, RecordingId, RoomId } from './ids.ts';
import { unlessApprovable } from './permission.ts';
import { isWithin, joinedRanges } from './permission-events.ts';
import { clockToleranceMs, covers, holds } from './permits.ts';
import { type Refusal, refuse } from './refusal.ts';
import { folded, type Participant, type SessionState } from './state.ts';
import { rowOf, rowsOf } from './table.ts';

export function decideReport(story: Story, command: ReportCommand): Refusal | undefined {
  const { state, context } = story;
  if (state.home === 'here') {
    return refused('This line was made here; it is for the other machines.', 'roomtape room show');
  }
  if (hostOnly.has(command.type) && command.issuerKey !== state.hostKey) return unknownIssuer();
  if (command.issuedAt > context.now + clockToleranceMs) {
    const minutes = Math.ceil((command.issuedAt - context.now) / 60_000);
    const problem = `This line was signed ${minutes} minutes in the future: a clock is wrong.`;
    return refused(problem, 'roomtape doctor');
  }
  const refusal = take(story, command);
  // The host's clock is a witness against ours being set back; a co-host's is not.
  const fromHost = command.issuerKey === state.hostKey;
  if (!refusal && fromHost && command.issuedAt > state.watermark) {
    story.add('host-time-seen', { hostAt: smaller(command.issuedAt, context.now) });
  }
  return refusal;
}

const hostOnly: ReadonlySet<ReportCommand['type']> = new Set([
  'take-delegation',
  'take-rooms',
  'take-approval',
]);

function take(story: Story, command: ReportCommand): Refusal | undefined {
  switch (command.type) {
    case 'take-grant':
      return takeGrant(story, command);
    case 'take-revocations':
      return takeRevocations(story, command);
    case 'take-delegation':
      return takeDelegation(story, command);
    case 'take-rooms':
      return takeRooms(story, command);
    case 'take-approval':
      return takeApproval(story, command.recording);
  }
}

function smaller(one: Instant, other: Instant): Instant {
  return one < other ? one : other;
}

function refused(problem: string, next: string): Refusal {
  return refuse('line-refused', problem, next);
}

function takeGrant(
  story: Story,
  command: ReportCommand & { type: 'take-grant' },
): Refusal | undefined {
  const { state, context } = story;
  const now = judgedNow(state, context.now);
  const issuer = issuerOf(state, command.issuerKey);
  if (!issuer) return unknownIssuer();
  const outside = beyondDelegation(state, command, issuer, now);
  if (outside) return outside;
  const self = rowOf(state.participants, state.self);
  if (!self || !concerns(self, command)) {
    const whose = command.toName ?? 'another key';
    return refused(`This grant is for ${whose}, not for ${self?.name}.`, 'roomtape request');
  }
  if (rowOf(state.grants, command.id)) {
    return refused('This grant was accepted already.', 'roomtape session show');
  }
  if (isWithin(state.withdrawn[issuer.id]?.serials ?? [], command.serial)) {
    return refused('This grant was revoked.', 'roomtape request');
  }
  if (now >= command.until) {
    const end = new Date(command.until).toISOString();
    return refused(`This grant expired at ${end}.`, 'roomtape request');
  }
  nameRooms(story, command);
  const shared = command.toKey === undefined && command.toName === undefined;
  const { id, serial, rooms, from, until, issuedAt, line, via } = command;
  story.add('granted', {
    grant: {
      id,
      serial,
      ...(shared ? {} : { to: self.id }),
      rooms,
      from,
      until,
      issuedAt,
      by: issuer.id,
      line,
      ...(via === undefined ? {} : { via }),
    },
  });
  for (const request of rowsOf(story.state.requests)) {
    if (request.answer !== undefined || !covers(rooms, request.room)) continue;
    story.add('request-answered', { request: request.id, answer: 'granted', grant: id });
  }
  return undefined;
}

function concerns(
  self: Participant,
  { toKey, toName }: { readonly toKey?: string; readonly toName?: string },
): boolean {
  if (toKey !== undefined) return toKey === self.key;
  return toName === undefined || folded(toName) === folded(self.name);
}

function issuerOf(state: SessionState, key: string): Participant | undefined {
  if (key === state.hostKey) return rowOf(state.participants, state.host);
  for (const delegation of rowsOf(state.cohosts)) {
    const cohost = rowOf(state.participants, delegation.to);
    if (cohost?.key === key) return cohost;
  }
  return undefined;
}

function unknownIssuer(): Refusal {
  const problem =
    'This line is signed by ANOTHER KEY than the host’s, and by no co-host known here. Somebody may be pretending.';
  const next =
    'accept the line that names the co-host first, or compare keys by voice: roomtape session show';
  return refused(problem, next);
}

function beyondDelegation(
  state: SessionState,
  grant: ReportCommand & { type: 'take-grant' },
  issuer: Participant,
  now: Instant,
): Refusal | undefined {
  if (issuer.id === state.host) return undefined;
  const delegation = rowOf(state.cohosts, issuer.id);
  if (!delegation || delegation.id !== grant.via) return unknownIssuer();
  if (!holds(state, delegation, now)) {
    return refused(`${issuer.name} is no co-host any more.`, 'ask the host for the permission');
  }
  const { rooms, longestGrantMs: longest = Number.POSITIVE_INFINITY } = delegation;
  const within =
    rooms === 'all' || (grant.rooms !== 'all' && grant.rooms.every((room) => covers(rooms, room)));
  const inTime =
    grant.until <= delegation.until &&
    grant.until - grant.from <= longest &&
    grant.from >= delegation.from - clockToleranceMs;
  if (within && inTime) return undefined;
  const problem = `${issuer.name} may not give this much permission as a co-host.`;
  return refused(problem, 'ask the host for the permission');
}

function nameRooms(
  story: Story,
  { rooms, roomNames = {} }: ReportCommand & { type: 'take-grant' },
): void {
  if (rooms === 'all') return;
  const { state } = story;
  const news = rooms
    .filter((id) => isNewer(state, id))
    .map((id) => {
      const name = roomNames[id];
      const [number = 0, generation = 1] = id.split('.').map(Number);
      const known = { number, generation, phase: 'unopened' } as const;
      return name === undefined ? known : { ...known, name };
    });
  if (news.length === 0) return;
  const seen = news.map(({ number }) => state.sequences[`room ${number}`] ?? 0);
  story.add('rooms-reported', { rooms: news, sequence: Math.max(...seen) });
}

function isNewer(state: SessionState, id: RoomId): boolean {
  const [number = 0, generation = 1] = id.split('.').map(Number);
  const known = Object.values(state.rooms).find((room) => room.number === number);
  return !known || known.generation < generation;
}

function takeRevocations(
  story: Story,
  command: ReportCommand & { type: 'take-revocations' },
): Refusal | undefined {
  const { state, context } = story;
  const issuer = issuerOf(state, command.issuerKey);
  if (!issuer) return unknownIssuer();
  if (judgedNow(state, context.now) >= command.until) {
    return refused('All that this list names has ended by itself.', 'roomtape session show');
  }
  const known = state.withdrawn[issuer.id];
  const news =
    command.delegations.some((id) => !known?.delegations.includes(id)) ||
    JSON.stringify(joinedRanges([...(known?.serials ?? []), ...command.serials])) !==
      JSON.stringify(known?.serials ?? []);
  if (!news) {
    return refused(
      'This or a later revocation list was accepted already.',
      'roomtape session show',
    );
  }
  const grants = [...rowsOf(state.grants)]
    .filter((grant) => grant.by === issuer.id && isWithin(command.serials, grant.serial))
    .filter((grant) => grant.revokedAt === undefined)
    .map((grant) => grant.id);
  const { sequence, serials, line } = command;
  const delegations = issuer.id === state.host ? command.delegations : [];
  story.add('revocations-taken', {
    issuer: issuer.id,
    sequence,
    serials,
    delegations,
    grants,
    line,
  });
  return undefined;
}

function takeDelegation(
  story: Story,
  command: ReportCommand & { type: 'take-delegation' },
): Refusal | undefined {
  const { state, context } = story;
  const { id, toKey, toName, rooms, from, until, longestGrantMs, line } = command;
  if (judgedNow(state, context.now) >= until) {
    return refused(`The delegation of ${toName} has expired.`, 'ask the host for a new one');
  }
  if (state.withdrawn[state.host]?.delegations.includes(id)) {
    return refused(`${toName} is no co-host any more.`, 'roomtape session show');
  }
  const known = rowOf(state.names, toKey);
  const before = known === undefined ? undefined : rowOf(state.cohosts, known);
  if (before?.id === id) return refused('This delegation was accepted already.', 'roomtape grant');
  const cohost = known ?? newCohost(story, toName, toKey);
  const delegation = { id, to: cohost, rooms, from, until, line };
  story.add('cohost-named', {
    delegation: longestGrantMs === undefined ? delegation : { ...delegation, longestGrantMs },
  });
  return undefined;
}

function newCohost(story: Story, name: string, key: string): ParticipantId {
  const id = story.context.newId('par');
  // Somebody of that name may be known without this key; the key is who they are.
  const taken = rowOf(story.state.names, folded(name)) !== undefined;
  const shown = taken ? `${name} (${key.slice(0, 6)})` : name;
  story.add('participants-added', { participants: [{ id, name: shown, key }] });
  return id;
}

function takeApproval(story: Story, id: RecordingId): Refusal | undefined {
  const recording = rowOf(story.state.recordings, id);
  if (!recording) {
    return refused('This approves a recording that was not made here.', 'roomtape list');
  }
  const refusal = unlessApprovable(recording);
  if (refusal) return refused(refusal.problem, refusal.next);
  story.add('recording-approved', { recording: id, approver: story.state.host });
  return undefined;
}

function takeRooms(
  story: Story,
  { rooms, sequence, sessionClosed, line }: ReportCommand & { type: 'take-rooms' },
): Refusal | undefined {
  const { state } = story;
  const news = rooms.filter(({ number }) => (state.sequences[`room ${number}`] ?? 0) < sequence);
  if (news.length === 0 && !sessionClosed) {
    return refused('This or later news of the rooms was accepted already.', 'roomtape room show');
  }
  if (news.length > 0) story.add('rooms-reported', { rooms: news, sequence, line });
  if (sessionClosed && state.closedAt === undefined) story.add('session-closed', {});
  return undefined;
}
