/**
 * Who or what a person means by the words they typed: a participant by name, email, key or id, a room
 * by number or name, a grant, request or recording by the beginning of its id.
 */
import { idsMatching, type ParticipantId, shortId } from './ids.ts';
import { isRefusal, type Refusal, refuse, typed } from './refusal.ts';
import {
  folded,
  type Grant,
  mainRoom,
  type Participant,
  type PermissionRequest,
  type Recording,
  type Room,
  type SessionState,
} from './state.ts';
import { keysOf, rowOf, rowsOf, type Table } from './table.ts';

export function findParticipant(state: SessionState, text: string): Participant | Refusal {
  const byName = rowOf(state.names, folded(text)) ?? rowOf(state.names, text.trim());
  const known = byName === undefined ? undefined : rowOf(state.participants, byName);
  if (known) return known;
  const next =
    state.home === 'here' ? `roomtape participant add ${typed(text)}` : 'roomtape room show';
  return (
    byId(state.participants, text, text.startsWith('par_')) ??
    refuse('unknown-id', `Nobody called “${text}” takes part in “${state.topic}”.`, next)
  );
}

export function findRoom(state: SessionState, text: string): Room | Refusal {
  const wanted = folded(text).replace(/^room /, '');
  if (wanted === 'main' || wanted === 'main room') {
    const main = state.rooms[mainRoom];
    if (main) return main;
  }
  const rooms = Object.values(state.rooms);
  const named = rooms.filter((room) => folded(room.name) === folded(text));
  const found =
    rooms.find((room) => room.id === wanted || String(room.number) === wanted) ?? named[0];
  if (found && !(found === named[0] && named.length > 1)) return found;
  if (found) {
    const numbers = named.map((room) => room.number).join(' and ');
    const problem = `Rooms ${numbers} are all called “${text}”.`;
    return refuse('ambiguous-id', problem, 'roomtape room show');
  }
  const problem = `“${state.topic}” has no room “${text}”.`;
  return refuse('unknown-id', problem, 'roomtape room show');
}

export function findGrant(state: SessionState, text: string): Grant | Refusal {
  return (
    byId(state.grants, text) ??
    refuse('unknown-id', `There is no grant “${text}”.`, 'roomtape audit')
  );
}

export function findRequest(state: SessionState, text: string): PermissionRequest | Refusal {
  return (
    byId(state.requests, text) ??
    openRequestOf(state, text) ??
    refuse('unknown-id', `There is no request “${text}”.`, 'roomtape requests')
  );
}

/** The open request of the participant with this name; of several nobody is meant more than the others. */
function openRequestOf(state: SessionState, name: string): PermissionRequest | Refusal | undefined {
  const person = rowOf(state.names, folded(name));
  const open = [...rowsOf(state.requests)].filter(
    (request) => request.participant === person && request.answer === undefined,
  );
  if (open.length < 2) return open[0];
  const ids = open.slice(0, 3).map(({ id }) => shortId(id));
  const problem = `${name} has ${open.length} open requests: ${ids.join(', ')}.`;
  return refuse('ambiguous-id', problem, 'roomtape requests');
}

export function findRecording(state: SessionState, text: string): Recording | Refusal {
  return (
    byId(state.recordings, text) ??
    refuse('unknown-id', `There is no recording “${text}”.`, 'roomtape list')
  );
}

function byId<Row>(table: Table<Row>, text: string, allowed = true): Row | Refusal | undefined {
  if (!allowed) return undefined;
  const whole = rowOf(table, text.trim());
  if (whole) return whole;
  const ids = idsMatching(keysOf(table), text);
  const [first] = ids;
  if (first === undefined) return undefined;
  if (ids.length === 1) return rowOf(table, first);
  const problem = `“${text}” may mean ${ids.length} things, ${ids.slice(0, 3).map(shortId).join(', ')} among them.`;
  return refuse('ambiguous-id', problem, 'Type more of the id.');
}

/** Who speaks: the one named, or else the person of this machine. */
export function findActor(state: SessionState, name: string | undefined): ParticipantId | Refusal {
  if (name === undefined) return state.self;
  const person = findParticipant(state, name);
  if (isRefusal(person)) return person;
  if (state.home === 'elsewhere' && person.id !== state.self) {
    const problem = `This machine speaks for ${rowOf(state.participants, state.self)?.name}, not for ${person.name}.`;
    return refuse('not-permitted', problem, 'roomtape session show');
  }
  return person.id;
}
