/**
 * Rooms: added, named, recreated, opened, closed with a countdown; and who may do that.
 */
import type { RoomCommand, Story } from './command.ts';
import { judgedNow } from './evolve.ts';
import { findRoom } from './find.ts';
import { later, type RoomId } from './ids.ts';
import { delegationOf } from './permits.ts';
import { roomName } from './pre-assignment.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { limits, mainRoom, type Room, roomsInOrder, spokenRoom } from './state.ts';
import { rowOf } from './table.ts';

/** The longest countdown and time limit that are taken for meant. */
const longestMs = 24 * 3_600_000;

export function decideRooms(story: Story, command: RoomCommand): Refusal | undefined {
  const refusal = unlessManaging(story);
  if (refusal) return refusal;
  switch (command.type) {
    case 'close-session':
      return closeSession(story);
    case 'add-rooms':
      return addRooms(story, command.names);
    case 'rename-room':
      return renameRoom(story, command.room, command.name);
    case 'remove-room':
      return changeBreakout(story, command.room, (room) =>
        story.add('room-removed', { room: room.id }),
      );
    case 'recreate-room':
      return changeBreakout(story, command.room, (room) => {
        const { number, name } = room;
        const generation = (story.state.generations[number] ?? room.generation) + 1;
        story.add('room-recreated', { room: room.id, as: { number, generation, name } });
      });
    case 'open-rooms':
      return openRooms(story, command);
    case 'close-rooms':
      return closeRooms(story, command);
    case 'set-policy': {
      if (command.room === undefined) {
        story.add('policy-set', { policy: command.policy });
        return undefined;
      }
      const room = findRoom(story.state, command.room);
      if (isRefusal(room)) return room;
      story.add('policy-set', { room: room.id, policy: command.policy });
      return undefined;
    }
  }
}

/** Refuses unless the one who asks is the host or a co-host, on the machine the session lives on. */
export function unlessManaging({ state, actor, context }: Story): Refusal | undefined {
  if (state.closedAt !== undefined) return closedSession(state.topic);
  if (state.home === 'elsewhere') {
    const problem = `Rooms and people of “${state.topic}” are kept on the host's machine.`;
    return refuse('not-permitted', problem, 'roomtape session show');
  }
  if (actor === state.host || delegationOf(state, actor, context.now)) return undefined;
  const name = rowOf(state.participants, actor)?.name ?? 'This person';
  const problem = `${name} is neither host nor co-host of “${state.topic}”.`;
  return refuse('not-permitted', problem, `roomtape cohost add ${name}`);
}

export function closedSession(topic: string): Refusal {
  return refuse('wrong-state', `The session “${topic}” is closed.`, 'roomtape session create');
}

function closeSession(story: Story): Refusal | undefined {
  if (story.actor !== story.state.host) {
    const problem = 'Only the host closes a session.';
    return refuse('not-permitted', problem, 'roomtape leave');
  }
  story.add('session-closed', {});
  return undefined;
}

export function addRooms(story: Story, names: readonly string[]): Refusal | undefined {
  const { rooms, generations } = story.state;
  const taken = new Set(Object.values(rooms).map((room) => room.number));
  if (taken.size - 1 + names.length > limits.rooms) {
    const problem = `A session has at most ${limits.rooms} breakout rooms.`;
    return refuse('usage', problem, 'roomtape room remove ROOM');
  }
  let number = 1;
  const added = names.map((given) => {
    while (taken.has(number)) number++;
    taken.add(number);
    const name = roomName(given) || `Room ${number}`;
    return { number, generation: (generations[number] ?? 0) + 1, name };
  });
  const tooLong = names.find((name) => [...name.trim()].length > limits.roomName);
  if (tooLong !== undefined) return nameTooLong(tooLong);
  if (added.length > 0) story.add('rooms-added', { rooms: added });
  return undefined;
}

function nameTooLong(name: string): Refusal {
  const problem = `“${name.slice(0, 80)}” is longer than the ${limits.roomName} characters a room's name may have.`;
  return refuse('usage', problem, `roomtape room add '${roomName(name).replaceAll("'", '')}'`);
}

function renameRoom(story: Story, which: string, to: string): Refusal | undefined {
  const room = findRoom(story.state, which);
  if (isRefusal(room)) return room;
  const name = roomName(to);
  if ([...to.trim()].length > limits.roomName) return nameTooLong(to);
  if (name === '') return refuse('usage', 'A room needs a name.', 'roomtape room show');
  if (name !== room.name) story.add('room-renamed', { room: room.id, name });
  return undefined;
}

function changeBreakout(
  story: Story,
  which: string,
  change: (room: Room) => void,
): Refusal | undefined {
  const room = findRoom(story.state, which);
  if (isRefusal(room)) return room;
  if (room.id === mainRoom) {
    return refuse('usage', 'The main room always stays.', 'roomtape session close');
  }
  change(room);
  return undefined;
}

interface Span {
  readonly rooms?: readonly string[];
  readonly afterMs?: number;
  readonly countdownMs?: number;
}

function openRooms(story: Story, span: Span): Refusal | undefined {
  const rooms = breakoutRooms(story, span);
  if (isRefusal(rooms)) return rooms;
  if (rooms.length === 0) {
    return refuse('wrong-state', 'There are no breakout rooms to open.', 'roomtape room add NAME');
  }
  const { afterMs, countdownMs } = span;
  story.add('rooms-opened', {
    rooms: rooms.map((room) => room.id),
    ...(afterMs === undefined
      ? {}
      : { limitAt: later(judgedNow(story.state, story.context.now), afterMs) }),
    ...(countdownMs === undefined ? {} : { countdownMs }),
  });
  return undefined;
}

function closeRooms(story: Story, span: Span): Refusal | undefined {
  const found = breakoutRooms(story, span);
  if (isRefusal(found)) return found;
  const rooms = found.filter((room) => room.phase !== 'closed').map((room) => room.id);
  if (rooms.length === 0) {
    return refuse('wrong-state', 'No breakout room is open.', 'roomtape room open');
  }
  const now = judgedNow(story.state, story.context.now);
  const { afterMs, countdownMs = 0 } = span;
  if (afterMs !== undefined && afterMs > 0) {
    story.add('rooms-opened', { rooms, limitAt: later(now, afterMs), countdownMs });
  } else beginClosing(story, rooms, countdownMs);
  return undefined;
}

/** Starts the countdown, or closes at once when there is none. */
export function beginClosing(story: Story, rooms: readonly RoomId[], countdownMs: number): void {
  const now = judgedNow(story.state, story.context.now);
  if (countdownMs <= 0) story.add('rooms-closed', { rooms });
  else story.add('rooms-closing', { rooms, closesAt: later(now, countdownMs) });
}

function breakoutRooms(story: Story, span: Span): Room[] | Refusal {
  for (const ms of [span.afterMs ?? 0, span.countdownMs ?? 0]) {
    if (!Number.isFinite(ms) || ms < 0 || ms > longestMs) {
      return refuse(
        'usage',
        'A countdown or limit lasts at most 24 hours.',
        'roomtape room --help',
      );
    }
  }
  if (span.rooms === undefined) {
    return roomsInOrder(story.state).filter((room) => room.id !== mainRoom);
  }
  const rooms: Room[] = [];
  for (const text of span.rooms) {
    const room = findRoom(story.state, text);
    if (isRefusal(room)) return room;
    if (room.id === mainRoom) {
      const problem = `${spokenRoom(story.state, room.id)} is open as long as the session.`;
      return refuse('usage', problem.replace(/^t/, 'T'), 'roomtape session close');
    }
    rooms.push(room);
  }
  return rooms;
}
