/**
 * People: who takes part, who is assigned where, who goes to which room.
 *
 * Whoever changes rooms while recording ends one recording and begins the next, with permission
 * asked again (endings.ts).
 */
import { assignEvenly, shuffled } from './auto-assign.ts';
import type { PeopleCommand, Story } from './command.ts';
import { goTo, returnToMainRoom, stopRecordings } from './endings.ts';
import { findParticipant, findRoom } from './find.ts';
import { fingerprint } from './fingerprint.ts';
import type { ParticipantId, RoomId } from './ids.ts';
import { delegationOf } from './permits.ts';
import type { Assignments } from './pre-assignment.ts';
import { isRefusal, type Refusal, refuse, typed } from './refusal.ts';
import { addRooms, closedSession, unlessManaging } from './rooms.ts';
import {
  folded,
  limits,
  mainRoom,
  type Participant,
  roomsInOrder,
  type SessionState,
} from './state.ts';
import { rowOf, rowsOf } from './table.ts';

export function decidePeople(story: Story, command: PeopleCommand): Refusal | undefined {
  if (command.type === 'enter' || command.type === 'leave') return comeOrGo(story, command);
  const refusal = isOwnAddressBook(story, command) ? undefined : unlessManaging(story);
  if (refusal) return refusal;
  switch (command.type) {
    case 'add-participants':
      return addParticipants(story, command.participants);
    case 'remove-participant':
      return removeParticipant(story, command.participant);
    case 'pin-key':
      return pinKey(story, command);
    case 'assign':
      return assign(story, command);
    case 'assign-all':
      return assignAll(story, command.how);
    case 'import-assignments':
      return importAssignments(story, command.assignments);
    case 'move':
      return move(story, command.participant, command.room);
    case 'exchange':
      return exchange(story, command.one, command.other);
  }
}

/** A co-host grants to people that were told to the host's machine only: they may be noted here. */
function isOwnAddressBook({ state, actor, context }: Story, { type }: PeopleCommand): boolean {
  if (state.home === 'here' || state.closedAt !== undefined) return false;
  const noting = type === 'add-participants' || type === 'pin-key';
  return noting && delegationOf(state, actor, context.now) !== undefined;
}

interface Newcomer {
  readonly name: string;
  readonly email?: string;
  readonly key?: string;
}

export function addParticipants(story: Story, people: readonly Newcomer[]): Refusal | undefined {
  const { state, context } = story;
  if (state.participants.size + people.length > limits.participants) {
    const problem = `A session has at most ${limits.participants} participants.`;
    return refuse('usage', problem, 'roomtape room show');
  }
  const names = new Set<string>();
  const added = [];
  for (const person of people) {
    const name = personName(person.name);
    if (name === '') return refuse('usage', 'A participant needs a name.', 'roomtape room show');
    for (const text of [name, ...(person.email === undefined ? [] : [person.email])]) {
      if (names.has(folded(text)) || rowOf(state.names, folded(text)) !== undefined) {
        const problem = `${text} already takes part in “${state.topic}”.`;
        return refuse('usage', problem, 'roomtape room show');
      }
    }
    names.add(folded(name));
    if (person.email !== undefined) names.add(folded(person.email));
    added.push({ ...person, name, id: context.newId('par') });
  }
  if (added.length > 0) story.add('participants-added', { participants: added });
  return undefined;
}

/** A name without control characters, cut to what is allowed. */
export function personName(text: string): string {
  const clean = text.normalize('NFC').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ');
  return [...clean.trim()].slice(0, limits.participantName).join('').trim();
}

function removeParticipant(story: Story, which: string): Refusal | undefined {
  const person = findParticipant(story.state, which);
  if (isRefusal(person)) return person;
  if (person.id === story.state.host) {
    return refuse('usage', 'The host cannot be removed.', 'roomtape session close');
  }
  stopRecordings(story, person.id, 'removed');
  story.add('participant-removed', { participant: person.id });
  return undefined;
}

function pinKey(
  story: Story,
  { participant, key, replace = false }: PeopleCommand & { type: 'pin-key' },
): Refusal | undefined {
  const person = findParticipant(story.state, participant);
  if (isRefusal(person)) return person;
  if (person.key === key) return undefined;
  const owner = rowOf(story.state.names, key);
  if (owner !== undefined && owner !== person.id) {
    const name = rowOf(story.state.participants, owner)?.name ?? 'somebody else';
    return refuse('line-refused', `This key belongs to ${name}.`, 'roomtape room show');
  }
  if (person.key !== undefined && !replace) {
    const words = fingerprint(key);
    const problem = `${person.name} is known by ANOTHER KEY than this one (${words}). Somebody may be pretending to be ${person.name}.`;
    const next = `compare the words by voice, then: roomtape participant rekey ${typed(person.name)} ${key}`;
    return refuse('line-refused', problem, next);
  }
  story.add('participant-keyed', { participant: person.id, key });
  return undefined;
}

function assign(
  story: Story,
  { participants, room: where }: PeopleCommand & { type: 'assign' },
): Refusal | undefined {
  const room = where === undefined ? undefined : findRoom(story.state, where);
  if (isRefusal(room)) return room;
  const assignments: (readonly [ParticipantId, RoomId | null])[] = [];
  for (const text of participants) {
    const person = findParticipant(story.state, text);
    if (isRefusal(person)) return person;
    if (person.assigned !== room?.id) assignments.push([person.id, room?.id ?? null]);
  }
  if (assignments.length > 0) story.add('assigned', { assignments });
  return undefined;
}

function assignAll(story: Story, how: 'evenly' | 'random'): Refusal | undefined {
  const { state, context } = story;
  const rooms = roomsInOrder(state).filter((room) => room.id !== mainRoom);
  if (rooms.length === 0) {
    return refuse('wrong-state', 'There are no breakout rooms.', 'roomtape room add NAME');
  }
  const sizes = new Map<RoomId, number>(rooms.map((room) => [room.id, 0]));
  const waiting: Participant[] = [];
  for (const person of peopleInOrder(state)) {
    const place = person.assigned;
    if (place !== undefined && sizes.has(place)) sizes.set(place, (sizes.get(place) ?? 0) + 1);
    else if (person.id !== state.host) waiting.push(person);
  }
  const order = how === 'random' ? shuffled(waiting, context.seed ?? context.now) : waiting;
  const assignments = assignEvenly(
    order.map((person) => person.id),
    sizes,
  );
  if (assignments.length > 0) story.add('assigned', { assignments });
  return undefined;
}

/** Everybody by name, the host first. */
export function peopleInOrder(state: SessionState): Participant[] {
  return [...rowsOf(state.participants)]
    .map((person) => ({ person, key: person.id === state.host ? '' : folded(person.name) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ person }) => person);
}

function importAssignments(story: Story, { rooms }: Assignments): Refusal | undefined {
  const byName = new Map(
    Object.values(story.state.rooms).map((room) => [folded(room.name), room.id]),
  );
  const refusedRooms = addRooms(
    story,
    rooms.filter((room) => !byName.has(folded(room.name))).map((room) => room.name),
  );
  if (refusedRooms) return refusedRooms;
  for (const room of Object.values(story.state.rooms)) byName.set(folded(room.name), room.id);
  const emails = rooms.flatMap((room) => room.emails);
  const strangers = emails.filter((email) => !rowOf(story.state.names, folded(email)));
  // The file knows people by email only; the email serves as the name until a better one comes.
  const newcomers = strangers.map((email) => ({ name: email }));
  const refusedPeople = addParticipants(story, newcomers);
  if (refusedPeople) return refusedPeople;
  const assignments: (readonly [ParticipantId, RoomId | null])[] = [];
  for (const room of rooms) {
    const id = byName.get(folded(room.name));
    for (const email of room.emails) {
      const person = rowOf(story.state.names, folded(email));
      if (id !== undefined && person !== undefined) assignments.push([person, id]);
    }
  }
  if (assignments.length > 0) story.add('assigned', { assignments });
  return undefined;
}

function move(story: Story, who: string, where: string): Refusal | undefined {
  const person = findParticipant(story.state, who);
  if (isRefusal(person)) return person;
  const room = findRoom(story.state, where);
  if (isRefusal(room)) return room;
  story.add('assigned', { assignments: [[person.id, room.id === mainRoom ? null : room.id]] });
  return goTo(story, person, room.id);
}

function exchange(story: Story, one: string, other: string): Refusal | undefined {
  const a = findParticipant(story.state, one);
  if (isRefusal(a)) return a;
  const b = findParticipant(story.state, other);
  if (isRefusal(b)) return b;
  const placeOf = (person: Participant) => person.room ?? person.assigned;
  if (placeOf(a) === placeOf(b)) {
    const problem = `${a.name} and ${b.name} are in the same place already.`;
    return refuse('wrong-state', problem, 'roomtape room show');
  }
  story.add('assigned', {
    assignments: [
      [a.id, b.assigned ?? null],
      [b.id, a.assigned ?? null],
    ],
  });
  // Who is in a room goes to the other's; who is only assigned, or not in the meeting, stays put.
  if (a.room === undefined || b.room === undefined) return undefined;
  return goTo(story, a, b.room) ?? goTo(story, b, a.room);
}

function comeOrGo(
  story: Story,
  command: PeopleCommand & { type: 'enter' | 'leave' },
): Refusal | undefined {
  const { state } = story;
  if (state.closedAt !== undefined) return closedSession(state.topic);
  const person = findParticipant(state, command.participant ?? story.actor);
  if (isRefusal(person)) return person;
  if (person.id !== story.actor) {
    const refusal = unlessManaging(story);
    if (refusal) return refusal;
  }
  if (command.type === 'enter') {
    const wanted = command.room ?? person.assigned ?? mainRoom;
    const room = findRoom(state, wanted);
    return isRefusal(room) ? room : goTo(story, person, room.id);
  }
  if (!person.present) {
    const problem = `${person.name} is not in the session.`;
    return refuse('wrong-state', problem, 'roomtape join');
  }
  const out = command.meeting === true || person.room === mainRoom;
  if (out) stopRecordings(story, person.id, 'left-room');
  else returnToMainRoom(story, person.id);
  story.add('went', { moves: [[person.id, out ? null : mainRoom]] });
  return undefined;
}
