/**
 * How a recording came to be permitted: from the recording through its grant, and a co-host's delegation
 * where there is one, to the host's key.
 */
import { fingerprint } from './fingerprint.ts';
import type { Recording, SessionState } from './state.ts';
import { rowOf } from './table.ts';

/** The steps, one line each; the last is the host, unless nobody permitted it. */
export function proofSteps(
  state: SessionState,
  { permission, participant, flags }: Recording,
): string[] {
  const name = (id: string) => rowOf(state.participants, id)?.name ?? 'somebody';
  const key = state.hostKey === undefined ? 'no key' : fingerprint(state.hostKey);
  const host = `host ${name(state.host)}, key ${key}`;
  const time = (at: number) => new Date(at).toISOString();
  const delegated = (cohost: string) => {
    const delegation = rowOf(state.cohosts, cohost);
    return delegation ? [`co-host ${name(cohost)} by delegation ${delegation.id}`] : [];
  };
  switch (permission.kind) {
    case 'host':
      return [`recorded by the host`, host];
    case 'co-host':
      return [...delegated(participant), host];
    case 'grant': {
      const grant = rowOf(state.grants, permission.grant);
      if (!grant) return [`grant ${permission.grant}`, host];
      const signed = grant.line === undefined ? '' : ', signed';
      const span = `from ${time(grant.from)} until ${time(grant.until)}`;
      const via = grant.via === undefined ? [] : delegated(grant.by);
      return [`grant ${grant.id} ${span}, by ${name(grant.by)}${signed}`, ...via, host];
    }
    case 'unpermitted':
      return [`recorded without permission (${permission.reason})`];
    case 'approved': {
      const [flag] = flags;
      const lost = flag && flag.reason !== 'unpermitted';
      const how = lost ? `lost its permission (${flag.reason})` : 'recorded without permission';
      return [`${how}, approved by ${name(permission.by)} at ${time(permission.at)}`, host];
    }
  }
}
