/**
 * What accepting a signed line means: the commands it leads to, in the session it is about.
 */
import type { SessionCommand } from './command.ts';
import type { Line } from './line.ts';
import type { SignedLine } from './line-signature.ts';
import { type Refusal, refuse } from './refusal.ts';
import { folded, type SessionState } from './state.ts';
import { rowOf } from './table.ts';

/** In what order several lines are taken: who may speak before what they say. */
const order: Record<Line['kind'], number> = {
  invitation: 0,
  rooms: 1,
  approval: 6,
  delegation: 2,
  revocations: 3,
  request: 4,
  grant: 5,
};

export function inOrder(lines: readonly SignedLine[]): SignedLine[] {
  return [...lines].sort((a, b) => order[a.line.kind] - order[b.line.kind]);
}

/** Who this machine's person is, for joining. */
export interface Own {
  readonly key: string;
  readonly name: string | undefined;
  /** A person has compared the host's new key by voice. */
  readonly trustNewKey: boolean;
}

/**
 * The commands that carry a line out, one after the other.
 *
 * @param state  the session the line names, if it is known here
 */
export function commandsFor(
  { text, line }: SignedLine,
  state: SessionState | undefined,
  own: Own,
): readonly SessionCommand[] | Refusal {
  if (line.kind === 'invitation') return join(text, line, state, own);
  if (!state) {
    const problem = 'This line is about a session that was not joined here.';
    return refuse('line-refused', problem, 'roomtape join LINE, with the invitation of its host');
  }
  switch (line.kind) {
    case 'request':
      return takeRequest(text, line, state);
    case 'grant': {
      const { kind: _, session: __, key: issuerKey, at: issuedAt, actions: ___, ...rest } = line;
      return [{ type: 'take-grant', ...rest, issuerKey, issuedAt, line: text }];
    }
    case 'revocations': {
      const { kind: _, session: __, key: issuerKey, at: issuedAt, ...rest } = line;
      return [{ type: 'take-revocations', ...rest, issuerKey, issuedAt, line: text }];
    }
    case 'delegation': {
      const { kind: _, session: __, key: issuerKey, at: issuedAt, ...rest } = line;
      return [{ type: 'take-delegation', ...rest, issuerKey, issuedAt, line: text }];
    }
    case 'approval': {
      const { recording, key: issuerKey, at: issuedAt } = line;
      return [{ type: 'take-approval', recording, issuerKey, issuedAt }];
    }
    case 'rooms': {
      const { key: issuerKey, at: issuedAt, rooms, sequence, closed: sessionClosed } = line;
      const said = { rooms, sequence, sessionClosed, issuerKey, issuedAt, line: text };
      return [{ type: 'take-rooms', ...said }];
    }
  }
}

function join(
  text: string,
  line: Line & { kind: 'invitation' },
  state: SessionState | undefined,
  own: Own,
): readonly SessionCommand[] | Refusal {
  const { session, topic, hostName, key: hostKey, sequence, rooms, at: issuedAt } = line;
  if (state?.home === 'here') {
    const problem = 'This invitation is your own; it is for the others.';
    return refuse('line-refused', problem, 'roomtape session show');
  }
  if (own.name === undefined) {
    const problem = 'Say by which name the others know you.';
    return refuse('usage', problem, 'roomtape join LINE --name NAME');
  }
  const joined: SessionCommand = {
    type: 'join-session',
    session,
    topic,
    hostName,
    hostKey,
    selfName: own.name,
    selfKey: own.key,
    line: text,
  };
  if (state && own.trustNewKey && hostKey !== state.hostKey) {
    return [{ type: 'rekey-host', key: hostKey }];
  }
  if (state || rooms.length === 0) return [joined];
  const told = { rooms, sequence, issuerKey: hostKey, issuedAt, line: text };
  return [joined, { type: 'take-rooms', ...told }];
}

function takeRequest(
  text: string,
  { id, key, name, room, reason }: Line & { kind: 'request' },
  state: SessionState,
): readonly SessionCommand[] | Refusal {
  const commands: SessionCommand[] = [];
  const byKey = rowOf(state.names, key);
  if (byKey === undefined) {
    const byName = rowOf(state.names, folded(name));
    commands.push(
      byName === undefined
        ? { type: 'add-participants', participants: [{ name, key }] }
        : { type: 'pin-key', participant: byName, key },
    );
  }
  const request = { type: 'request', participant: key, room, id, line: text } as const;
  return [...commands, reason === undefined ? request : { ...request, reason }];
}
