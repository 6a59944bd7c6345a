/**
 * What the daemon answers about sessions, rooms, people and permission.
 */
import type {
  DelegationView,
  Done,
  GrantView,
  OutgoingLine,
  PersonView,
  peopleRoutes,
  RequestView,
  SessionSummary,
} from '../api/people-routes.ts';
import { RoomtapeError } from '../errors.ts';
import { board } from '../session/board.ts';
import { judgedNow, liveRecordings } from '../session/evolve.ts';
import { fingerprint } from '../session/fingerprint.ts';
import type { Instant } from '../session/ids.ts';
import { peopleInOrder } from '../session/people.ts';
import { openRequests, spokenScope } from '../session/permission.ts';
import { delegationOf, permittedRooms } from '../session/permits.ts';
import { parsePreAssignment } from '../session/pre-assignment.ts';
import { assignmentOf, type Grant, type SessionState } from '../session/state.ts';
import { rowOf, rowsOf } from '../session/table.ts';
import { ownName } from '../system/own-name.ts';
import type { Area, DaemonContext } from './area.ts';
import { peopleStatus } from './people-status.ts';
import type { Applied, Sessions } from './sessions.ts';

/** Makes the signed lines that the others need to hear of what was done. */
export type LineMaker = (applied: Applied) => Promise<readonly OutgoingLine[]>;

export interface PeopleOptions {
  readonly sessions: Sessions;
  readonly linesOf: LineMaker;
  /** This machine's public key. */
  readonly ownKey: () => string;
}

export function openPeople(
  context: DaemonContext,
  { sessions, linesOf, ownKey }: PeopleOptions,
): Area<keyof typeof peopleRoutes> {
  const done = async (applied: Applied): Promise<Done> => ({
    session: applied.state.id,
    topic: applied.state.topic,
    told: applied.told,
    events: applied.events,
    lines: await linesOf(applied),
  });
  return {
    handlers: {
      'session.create': ({ topic, hostName = ownName(context.config), rooms, policy }) => {
        const command = {
          type: 'create-session',
          topic,
          hostName,
          hostKey: ownKey(),
          ...(rooms === undefined ? {} : { rooms }),
          ...(policy === undefined ? {} : { policy }),
        } as const;
        return done(sessions.apply(undefined, command));
      },
      'session.do': async ({ session, as, command }) =>
        done(await sessions.carryOut(sessions.find(session).id, command, as)),
      'session.import': async ({ session, as, text }) => {
        const assignments = parsePreAssignment(text);
        const { notes } = assignments;
        if (assignments.rooms.length === 0) {
          const [first] = notes;
          const problem = first
            ? `Line ${first.line}: ${first.problem}`
            : 'The file names no rooms.';
          throw new RoomtapeError('usage', problem, { next: 'roomtape import --help' });
        }
        const command = { type: 'import-assignments', assignments } as const;
        return { ...(await done(sessions.apply(sessions.find(session).id, command, as))), notes };
      },
      'session.list': ({ closed = false }) =>
        (closed ? sessions.all() : sessions.open()).map(summaryOf),
      'session.board': ({ session }) => {
        const state = sessions.find(session);
        return { session: summaryOf(state), rooms: board(state, sessions.now()) };
      },
      'session.people': ({ session }) => peopleOf(sessions.find(session), sessions.now()),
      'session.cohosts': ({ session }) => cohostsOf(sessions.find(session), sessions.now()),
      'session.grants': ({ session }) => grantsOf(sessions.find(session), sessions.now()),
      'session.requests': ({ session, all = false }) =>
        requestsOf(session === undefined ? sessions.open() : [sessions.find(session)], all),
      'session.proof': ({ recording: text }) => {
        const { recording, steps } = sessions.proof(text);
        const { id, state, permission } = recording;
        return { recording: id, state, permission, steps };
      },
    },
    status: () => peopleStatus(sessions.open(), sessions.now()),
    start: () => sessions.load(),
    close: () => sessions.close(),
  };
}

function summaryOf(state: SessionState): SessionSummary {
  const name = (id: string) => rowOf(state.participants, id)?.name ?? '';
  const { id, topic, home, createdAt, closedAt = null, policy, hostKey } = state;
  return {
    id,
    topic,
    host: name(state.host),
    self: name(state.self),
    home,
    createdAt,
    closedAt,
    rooms: Object.keys(state.rooms).length - 1,
    participants: state.participants.size,
    recording: liveRecordings(state).length,
    openRequests: openRequests(state).length,
    policy,
    hostFingerprint: hostKey === undefined ? null : fingerprint(hostKey),
  };
}

function peopleOf(state: SessionState, now: Instant): PersonView[] {
  return peopleInOrder(state).map((person) => {
    const cohost = delegationOf(state, person.id, now) !== undefined;
    const place = person.room ?? person.assigned;
    return {
      id: person.id,
      name: person.name,
      email: person.email ?? null,
      role: person.id === state.host ? 'host' : cohost ? 'co-host' : 'participant',
      assignment: assignmentOf(person),
      room: place === undefined ? null : (state.rooms[place]?.name ?? null),
      fingerprint: person.key === undefined ? null : fingerprint(person.key),
      mayRecordIn: permittedRooms(state, person.id, now).map((room) => Number.parseInt(room, 10)),
    };
  });
}

function cohostsOf(state: SessionState, now: Instant): DelegationView[] {
  return [...rowsOf(state.cohosts)].map((delegation) => ({
    id: delegation.id,
    participant: rowOf(state.participants, delegation.to)?.name ?? '',
    rooms: spokenScope(state, delegation.rooms),
    from: delegation.from,
    until: delegation.until,
    longestGrantMs: delegation.longestGrantMs ?? null,
    inForce: delegationOf(state, delegation.to, now) !== undefined,
  }));
}

function grantsOf(state: SessionState, now: Instant): GrantView[] {
  return [...rowsOf(state.grants)]
    .sort((a, b) => a.issuedAt - b.issuedAt || a.serial - b.serial)
    .map((grant) => ({
      id: grant.id,
      participant:
        grant.to === undefined ? null : (rowOf(state.participants, grant.to)?.name ?? ''),
      rooms: spokenScope(state, grant.rooms),
      from: grant.from,
      until: grant.until,
      state: grantState(grant, judgedNow(state, now)),
      by: rowOf(state.participants, grant.by)?.name ?? '',
    }));
}

function grantState(grant: Grant, now: Instant): GrantView['state'] {
  if (grant.revokedAt !== undefined) return 'revoked';
  if (grant.expiredAt !== undefined || grant.until <= now) return 'expired';
  return grant.from > now ? 'not-yet' : 'in-force';
}

function requestsOf(states: readonly SessionState[], all: boolean): RequestView[] {
  return states.flatMap((state) =>
    (all ? [...rowsOf(state.requests)].sort((a, b) => a.at - b.at) : openRequests(state)).map(
      (request) => ({
        id: request.id,
        session: state.id,
        participant: rowOf(state.participants, request.participant)?.name ?? '',
        room: Number.parseInt(request.room, 10),
        roomName: state.rooms[request.room]?.name ?? '',
        reason: request.reason ?? null,
        at: request.at,
        answer: request.answer ?? null,
      }),
    ),
  );
}
