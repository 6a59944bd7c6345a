/**
 * Signed lines: those the others need are made, those that came are read, checked and taken.
 */

import type { Finding } from '../api/finding.ts';
import type { AcceptedLine, EvidenceBundle, IdentityView, lineRoutes } from '../api/line-routes.ts';
import type { Done, OutgoingLine } from '../api/people-routes.ts';
import { RoomtapeError } from '../errors.ts';
import type { GrantTime } from '../session/command.ts';
import type { SessionEvent } from '../session/events.ts';
import { fingerprint } from '../session/fingerprint.ts';
import type { DelegationId, GrantId } from '../session/ids.ts';
import { type Line, longestLine } from '../session/line.ts';
import { commandsFor, inOrder } from '../session/line-acceptance.ts';
import {
  allRoomsLines,
  delegationLine,
  grantLine,
  invitation,
  requestLine,
  revocationLines,
  roomsLines,
  type Signer,
} from '../session/line-making.ts';
import { findLines, readLine, type SignedLine, signLine } from '../session/line-signature.ts';
import { spokenScope } from '../session/permission.ts';
import { clockToleranceMs } from '../session/permits.ts';
import { isRefusal, type Refusal } from '../session/refusal.ts';
import { type SessionState, spokenRoom } from '../session/state.ts';
import { rowOf } from '../session/table.ts';
import {
  exportIdentity,
  type Identity,
  importIdentity,
  openIdentity,
  rotateIdentity,
} from '../system/keys.ts';
import { ownName } from '../system/own-name.ts';
import type { Area, DaemonContext } from './area.ts';
import { auditTrail } from './audit-trail.ts';
import { evidenceBundle } from './evidence.ts';
import type { Applied, Sessions } from './sessions.ts';

export interface Lines extends Area<keyof typeof lineRoutes> {
  /** The lines that the others need to hear of what was done; what they grant is kept with them. */
  linesOf(applied: Applied): Promise<readonly OutgoingLine[]>;
  identity(): Identity;
}

export function openLines(context: DaemonContext, sessions: Sessions): Lines {
  const folder = context.paths.keys;
  let own: Identity | undefined;
  const identity = () => {
    own ??= openIdentity(folder);
    return own;
  };
  const signer = (): Signer => ({ key: identity().key, now: sessions.now() });
  const signed = async (line: Line, about: string): Promise<OutgoingLine> => ({
    kind: line.kind,
    line: await signLine(line, identity().privateKey),
    about,
  });

  async function linesOf({ state, events }: Applied): Promise<readonly OutgoingLine[]> {
    const lines: OutgoingLine[] = [];
    const keep: { of: GrantId | DelegationId; line: string }[] = [];
    for (const event of events) {
      for (const { line, about, of } of announcements(state, event, signer())) {
        const outgoing =
          typeof line === 'string' ? readyLine(line, about) : await signed(line, about);
        lines.push(outgoing);
        if (of !== undefined) keep.push({ of, line: outgoing.line });
      }
    }
    if (state.home === 'here') {
      for (const line of roomsLines(state, events, signer())) {
        if (events[0]?.type === 'session-created') break;
        lines.push(await signed(line, 'For everybody: what changed about the rooms.'));
      }
    }
    if (events.some(({ type }) => type === 'revoked' || type === 'cohost-removed')) {
      lines.push(...(await revocations(state)));
    }
    if (keep.length > 0) sessions.apply(state.id, { type: 'keep-lines', lines: keep });
    return lines;
  }

  async function revocations(state: SessionState): Promise<OutgoingLine[]> {
    const about = 'For everybody: what is withdrawn.';
    return Promise.all(revocationLines(state, signer()).map((line) => signed(line, about)));
  }

  async function invitationLines(state: SessionState): Promise<OutgoingLine[]> {
    const line = invitation(state, signer());
    const rest = allRoomsLines(state, signer(), line.rooms.length);
    const about = `For everybody, to join “${state.topic}”: roomtape join LINE`;
    return Promise.all([
      signed(line, about),
      ...rest.map((rooms) => signed(rooms, 'For everybody: more rooms.')),
    ]);
  }

  async function acceptAll(
    text: string,
    options: { readonly name?: string; readonly trustNewKey?: boolean },
  ): Promise<AcceptedLine[]> {
    const found = findLines(text);
    if (found.length === 0) {
      throw new RoomtapeError('line-refused', 'There is no line of Roomtape in this text.', {
        next: `paste a whole line: it begins with rt1. and has up to ${longestLine} characters`,
      });
    }
    const results: AcceptedLine[] = [];
    const readable: SignedLine[] = [];
    for (const candidate of found) {
      const read = await readLine(candidate);
      if (isRefusal(read)) results.push(refusedLine('unknown', null, read));
      else readable.push(read);
    }
    for (const line of inOrder(readable)) results.push(await accept(line, options));
    return results;
  }

  async function accept(
    line: SignedLine,
    { name, trustNewKey = false }: { readonly name?: string; readonly trustNewKey?: boolean },
  ): Promise<AcceptedLine> {
    const { kind, session } = line.line;
    noteHostClock(line.line);
    const own = {
      key: identity().key,
      name: name ?? ownName(context.config),
      trustNewKey,
    };
    const commands = commandsFor(line, sessions.byId(session), own);
    if (isRefusal(commands)) return refusedLine(kind, session, commands);
    const told: string[] = [];
    const lines: OutgoingLine[] = [];
    for (const command of commands) {
      const known = sessions.byId(session);
      const applied = sessions.try(known?.id, command);
      if (isRefusal(applied)) {
        if (told.length === 0 || kind !== 'invitation') return refusedLine(kind, session, applied);
        continue;
      }
      told.push(...applied.told.filter((text) => text !== "The host's clock was noted."));
      lines.push(...(await linesOf(applied)));
    }
    return { kind, accepted: true, session, told, problem: null, next: null, lines };
  }

  /** The host's signed time, beside ours when it came: a clock that is behind it is wrong. */
  function noteHostClock({ session, key, at }: Line): void {
    const state = sessions.byId(session);
    if (!state || state.home === 'here' || key !== state.hostKey) return;
    const last = hostClock(context.catalogue.meta('host-clock'));
    if (last && last.hostAt >= at) return;
    context.catalogue.putMeta('host-clock', { hostAt: at, at: sessions.now() });
  }

  async function examine(): Promise<Finding[]> {
    const { key } = identity();
    const text = `The key in ${folder} has the fingerprint ${fingerprint(key)}.`;
    const found: Finding[] = [{ part: 'identity', level: 'ok', text }];
    const last = hostClock(context.catalogue.meta('host-clock'));
    const behindMs = last ? last.hostAt - last.at : 0;
    const backMs = last ? last.hostAt - sessions.now() : 0;
    const mostMs = Math.max(behindMs, backMs);
    if (last && mostMs > clockToleranceMs) {
      const minutes = Math.round(mostMs / 60_000);
      const problem = `This clock is ${minutes} minutes behind what the host signed: grants may be refused.`;
      found.push({
        part: 'clock',
        level: 'warning',
        text: problem,
        next: 'set the clock by the network',
      });
    }
    return found;
  }

  async function answerLine(
    text: string,
    input: {
      readonly session?: string;
      readonly as?: string;
      readonly answer: 'granted' | 'denied';
    } & GrantTime,
  ): Promise<Done> {
    const [candidate, ...more] = findLines(text);
    const read = candidate === undefined ? undefined : await readLine(candidate);
    if (read === undefined || more.length > 0) {
      const problem = 'Give one line of a request.';
      throw new RoomtapeError('line-refused', problem, { next: 'roomtape requests' });
    }
    if (isRefusal(read)) throw obstacle(read);
    if (read.line.kind !== 'request') {
      const problem = `This line is no request (${read.line.kind}).`;
      throw new RoomtapeError('line-refused', problem, { next: 'roomtape accept LINE' });
    }
    const { id, session } = read.line;
    const known = sessions.byId(session);
    const open = known && rowOf(known.requests, id);
    const taken = open ? undefined : await accept(read, {});
    if (taken && !taken.accepted) {
      throw new RoomtapeError('line-refused', taken.problem ?? '', { next: taken.next ?? '' });
    }
    const state = sessions.find(session);
    const answered = rowOf(state.requests, id)?.answer !== undefined;
    const told = taken?.told ?? [];
    if (taken && answered) {
      return { session, topic: state.topic, told, events: [], lines: taken.lines };
    }
    const command = {
      type: 'answer',
      request: id,
      answer: input.answer,
      ...timeIn(input),
    } as const;
    const applied = sessions.apply(state.id, command, input.as);
    const lines = await linesOf(applied);
    const { topic } = state;
    return { session, topic, told: [...told, ...applied.told], events: applied.events, lines };
  }

  function evidenceOf(text: string): EvidenceBundle {
    const { catalogue } = context;
    const found = sessions.proof(text);
    const listed = catalogue.recordings.byId(found.recording.id);
    if (!listed) throw new Error(`${found.recording.id} is not in the catalogue`);
    const now = sessions.now();
    return evidenceBundle({ ...found, catalogue, identity: identity(), now, listed });
  }

  const view = (): IdentityView => {
    const { key } = identity();
    const name = context.config['name'] || null;
    return { key, fingerprint: fingerprint(key), name, folder };
  };
  const rekey = (fresh: Identity) => {
    own = fresh;
    for (const state of sessions.open()) {
      sessions.apply(state.id, { type: 'rekey-self', key: fresh.key });
    }
    return view();
  };

  return {
    linesOf,
    identity,
    examine,
    handlers: {
      'line.accept': ({ text, ...options }) => acceptAll(text, options),
      'line.answer': ({ text, ...input }) => answerLine(text, input),
      'line.invitation': ({ session }) => invitationLines(hosted(sessions.find(session))),
      'line.revocations': ({ session }) => revocations(sessions.find(session)),
      'identity.show': view,
      'identity.export': () => ({ pem: exportIdentity(folder) }),
      'identity.import': ({ pem }) => rekey(importIdentity(folder, pem, sessions.now())),
      'identity.rotate': () => rekey(rotateIdentity(folder, sessions.now())),
      'audit.trail': ({ session, after = 0 }) =>
        auditTrail(context.catalogue, identity(), {
          after,
          now: sessions.now(),
          session: session === undefined ? undefined : sessions.find(session).id,
        }),
      'recording.evidence': ({ recording }) => evidenceOf(recording),
    },
  };
}

function hostClock(value: unknown): { hostAt: number; at: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { hostAt, at } = value as { hostAt?: unknown; at?: unknown };
  return typeof hostAt === 'number' && typeof at === 'number' ? { hostAt, at } : undefined;
}

function hosted(state: SessionState): SessionState {
  if (state.home === 'here') return state;
  throw new RoomtapeError('not-permitted', 'Only the host’s machine invites.', {
    next: 'pass the host’s line on',
  });
}

interface Announcement {
  /** A statement to be signed, or a line that was signed already. */
  readonly line: Line | string;
  readonly about: string;
  /** What it permits, to be kept with it. */
  readonly of?: GrantId | DelegationId;
}

function announcements(
  state: SessionState,
  event: SessionEvent,
  signer: Signer,
): readonly Announcement[] {
  const here = state.home === 'here';
  switch (event.type) {
    case 'session-created': {
      const about = `For everybody, to join “${state.topic}”: roomtape join LINE`;
      return [{ line: invitation(state, signer), about }];
    }
    case 'granted': {
      const grant = rowOf(state.grants, event.grant.id);
      // What was granted elsewhere came by its own line.
      if (!grant || grant.line !== undefined || (!here && grant.by !== state.self)) return [];
      const line = grantLine(state, grant, signer);
      const to = grant.to === undefined ? undefined : rowOf(state.participants, grant.to)?.name;
      if (!line) return [];
      const about = `For ${to ?? 'everybody'}, to record in ${spokenScope(state, grant.rooms)}:`;
      const via = here ? undefined : rowOf(state.cohosts, state.self)?.line;
      const made = { line, about, of: grant.id };
      return via === undefined ? [made] : [{ line: via, about: 'With it: who you are.' }, made];
    }
    case 'cohost-named': {
      if (!here) return [];
      const { delegation } = event;
      const line = delegationLine(state, delegation, signer);
      const name = rowOf(state.participants, delegation.to)?.name ?? '';
      if (!line) return [];
      return [{ line, about: `For everybody: ${name} is co-host.`, of: delegation.id }];
    }
    case 'recording-approved': {
      if (!here || rowOf(state.recordings, event.recording)) return [];
      const { id: session } = state;
      const line = { kind: 'approval', session, key: signer.key, at: signer.now } as const;
      const about = 'For whoever recorded it: it may be kept.';
      return [{ line: { ...line, recording: event.recording }, about }];
    }
    case 'requested': {
      if (here || event.request.participant !== state.self) return [];
      const line = requestLine(state, event.request, signer);
      return [
        { line, about: `For the host, to record in ${spokenRoom(state, event.request.room)}:` },
      ];
    }
    default:
      return [];
  }
}

function readyLine(line: string, about: string): OutgoingLine {
  return { kind: 'delegation', line, about };
}

function refusedLine(kind: string, session: string | null, refusal: Refusal): AcceptedLine {
  const { problem, next } = refusal;
  return { kind, accepted: false, session, told: [], problem, next, lines: [] };
}

function obstacle({ code, problem, next }: Refusal): RoomtapeError {
  return new RoomtapeError(code, problem, { next });
}

function timeIn({ from, until, forMs }: GrantTime): GrantTime {
  return {
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(forMs === undefined ? {} : { forMs }),
  };
}
