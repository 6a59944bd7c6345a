/**
 * How grants, delegations and requests change with each event.
 */
import type { SessionEvent } from './events.ts';
import type { GrantId } from './ids.ts';
import { everybody, type PermissionRequest, type SessionState, type Withdrawn } from './state.ts';
import { rowOf, rowsOf, withRow } from './table.ts';

export function evolvePermission(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'granted':
      return addGrant(state, event);
    case 'revoked':
      return revoke(state, event);
    case 'revocations-taken':
      return takeRevocations(state, event);
    case 'expired': {
      let { grants } = state;
      for (const id of event.grants) {
        const grant = rowOf(grants, id);
        if (grant) grants = withRow(grants, id, { ...grant, expiredAt: event.at });
      }
      return { ...state, grants };
    }
    case 'cohost-named': {
      const { delegation } = event;
      return { ...state, cohosts: withRow(state.cohosts, delegation.to, delegation) };
    }
    case 'cohost-removed': {
      const before = rowOf(state.cohosts, event.participant);
      if (!before) return state;
      const ended = { ...before, revokedAt: event.at };
      return { ...state, cohosts: withRow(state.cohosts, event.participant, ended) };
    }
    case 'line-signed':
      return keepLine(state, event);
    case 'requested':
      return { ...state, requests: withRow(state.requests, event.request.id, event.request) };
    case 'request-answered': {
      const asked = rowOf(state.requests, event.request);
      if (!asked) return state;
      const answered: PermissionRequest = {
        ...asked,
        answer: event.answer,
        answeredAt: event.at,
        ...(event.by === undefined ? {} : { answeredBy: event.by }),
        ...(event.grant === undefined ? {} : { grant: event.grant }),
      };
      return { ...state, requests: withRow(state.requests, asked.id, answered) };
    }
    default:
      return state;
  }
}

function addGrant(state: SessionState, event: SessionEvent<'granted'>): SessionState {
  const { grant } = event;
  const known = rowOf(state.grants, grant.id);
  // Accepting the same line twice changes nothing, least of all a revocation.
  if (known) return state;
  const grantee = grant.to ?? everybody;
  const ids = rowOf(state.grantsOf, grantee) ?? [];
  return {
    ...state,
    grants: withRow(state.grants, grant.id, grant),
    grantsOf: withRow(state.grantsOf, grantee, [...ids, grant.id]),
    serial: Math.max(state.serial, grant.serial),
  };
}

function revoke(
  state: SessionState,
  event: SessionEvent<'revoked' | 'revocations-taken'>,
): SessionState {
  let { grants } = state;
  for (const id of event.grants) {
    const grant = rowOf(grants, id);
    if (!grant || grant.revokedAt !== undefined) continue;
    const by = event.type === 'revoked' ? event.by : event.issuer;
    const revoked = { ...grant, revokedAt: event.at };
    grants = withRow(grants, id, by === undefined ? revoked : { ...revoked, revokedBy: by });
  }
  return { ...state, grants };
}

function keepLine(state: SessionState, event: SessionEvent<'line-signed'>): SessionState {
  const { of: id, line } = event;
  const grant = rowOf(state.grants, id);
  if (grant) return { ...state, grants: withRow(state.grants, id, { ...grant, line }) };
  for (const delegation of rowsOf(state.cohosts)) {
    if (delegation.id !== id) continue;
    return { ...state, cohosts: withRow(state.cohosts, delegation.to, { ...delegation, line }) };
  }
  return state;
}

function takeRevocations(
  state: SessionState,
  event: SessionEvent<'revocations-taken'>,
): SessionState {
  const before = state.withdrawn[event.issuer];
  const withdrawn: Withdrawn = {
    sequence: Math.max(before?.sequence ?? 0, event.sequence),
    serials: joinedRanges([...(before?.serials ?? []), ...event.serials]),
    delegations: [...new Set([...(before?.delegations ?? []), ...event.delegations])],
  };
  let { cohosts } = state;
  for (const delegation of rowsOf(state.cohosts)) {
    if (event.delegations.includes(delegation.id) && delegation.revokedAt === undefined) {
      cohosts = withRow(cohosts, delegation.to, { ...delegation, revokedAt: event.at });
    }
  }
  const all = { ...state.withdrawn, [event.issuer]: withdrawn };
  return revoke({ ...state, cohosts, withdrawn: all }, event);
}

/** Ranges in order, with those that touch made one. */
export function joinedRanges(
  ranges: readonly (readonly [number, number])[],
): (readonly [number, number])[] {
  const joined: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

export function isWithin(ranges: readonly (readonly [number, number])[], value: number): boolean {
  return ranges.some(([from, to]) => from <= value && value <= to);
}

/** Ids of all grants that may concern a participant: their own and those for everybody. */
export function grantsConcerning(state: SessionState, participant: string): GrantId[] {
  return [
    ...(rowOf(state.grantsOf, participant) ?? []),
    ...(rowOf(state.grantsOf, everybody) ?? []),
  ];
}
