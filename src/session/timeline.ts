/**
 * Where everybody was, and when rooms were open: a session's events read as intervals.
 *
 * The state of a session knows only the present; attribution and coverage need the evening.
 */
import type { NewRoom, SessionEvent } from './events.ts';
import type { Instant, ParticipantId, RoomId } from './ids.ts';
import { type Interval, mainRoom } from './state.ts';

/** A participant's time in one room. */
export interface Stay extends Interval {
  readonly participant: ParticipantId;
  readonly room: RoomId;
}

export interface RoomStory {
  readonly id: RoomId;
  readonly number: number;
  /** Its last name. */
  readonly name: string;
  readonly open: readonly Interval[];
}

export interface Timeline {
  readonly stays: readonly Stay[];
  /** By id; rooms that were removed are among them. */
  readonly rooms: ReadonlyMap<RoomId, RoomStory>;
  readonly endedAt?: Instant;
}

/** Reads the events of one session, in order. */
export function timelineOf(events: Iterable<SessionEvent>): Timeline {
  const telling = new Telling();
  for (const event of events) telling.take(event);
  return telling.told();
}

/** The rooms a participant was in during a time, in order; parts outside of any stay are left out. */
export function staysDuring(
  timeline: Timeline,
  participant: ParticipantId,
  from: Instant,
  to: Instant,
): Stay[] {
  const parts: Stay[] = [];
  for (const stay of timeline.stays) {
    if (stay.participant !== participant) continue;
    const begin = Math.max(stay.from, from) as Instant;
    const end = Math.min(stay.to ?? to, to) as Instant;
    if (begin >= end) continue;
    const last = parts.at(-1);
    if (last && last.room === stay.room && last.to === begin) {
      parts[parts.length - 1] = { ...last, to: end };
    } else {
      parts.push({ ...stay, from: begin, to: end });
    }
  }
  return parts;
}

class Telling {
  readonly #stays: Stay[] = [];
  readonly #here = new Map<ParticipantId, { room: RoomId; from: Instant }>();
  readonly #rooms = new Map<RoomId, { number: number; name: string; open: Interval[] }>();
  #ended: Instant | undefined;

  take(event: SessionEvent): void {
    const { at } = event;
    switch (event.type) {
      case 'session-created':
      case 'session-joined':
        this.#rooms.set(mainRoom, { number: 0, name: 'Main room', open: [{ from: at }] });
        return;
      case 'rooms-added':
        for (const room of event.rooms) this.#add(room);
        return;
      case 'room-renamed':
        this.#rename(event.room, event.name);
        return;
      case 'room-recreated':
        this.#add(event.as);
        this.#endRoom(event.room, at, `${event.as.number}.${event.as.generation}`);
        return;
      case 'room-removed':
        this.#endRoom(event.room, at, mainRoom);
        return;
      case 'rooms-opened':
        for (const room of event.rooms) this.#open(room, at);
        return;
      case 'rooms-closed':
        for (const room of event.rooms) this.#endRoom(room, at, mainRoom);
        return;
      case 'rooms-reported':
        for (const news of event.rooms) {
          const id: RoomId = `${news.number}.${news.generation}`;
          if (!this.#rooms.has(id)) this.#add({ ...news, name: news.name ?? '' });
          else if (news.name !== undefined) this.#rename(id, news.name);
          if (news.phase === 'open') this.#open(id, at);
          if (news.phase === 'closed' || news.phase === 'removed') this.#endRoom(id, at, mainRoom);
        }
        return;
      case 'went':
        for (const [person, room] of event.moves) this.#go(person, room, at);
        return;
      case 'participant-removed':
        this.#go(event.participant, null, at);
        return;
      case 'session-closed':
        this.#end(at);
        return;
      default:
        return;
    }
  }

  told(): Timeline {
    const going = [...this.#here].map(([participant, stay]) => ({ participant, ...stay }));
    const stays = [...this.#stays, ...going].sort((a, b) => a.from - b.from);
    const rooms = new Map([...this.#rooms].map(([id, room]) => [id, { id, ...room }]));
    return { stays, rooms, ...(this.#ended === undefined ? {} : { endedAt: this.#ended }) };
  }

  #add({ number, generation, name }: NewRoom): void {
    this.#rooms.set(`${number}.${generation}`, { number, name, open: [] });
  }

  #rename(id: RoomId, name: string): void {
    const room = this.#rooms.get(id);
    if (room) room.name = name;
  }

  #open(id: RoomId, at: Instant): void {
    const room = this.#rooms.get(id);
    if (room && room.open.at(-1)?.to !== undefined) room.open.push({ from: at });
    else if (room && room.open.length === 0) room.open.push({ from: at });
  }

  #endRoom(id: RoomId, at: Instant, then: RoomId): void {
    const room = this.#rooms.get(id);
    const last = room?.open.at(-1);
    if (room && last && last.to === undefined)
      room.open[room.open.length - 1] = { ...last, to: at };
    for (const [person, { room: where }] of this.#here) {
      if (where === id) this.#go(person, then, at);
    }
  }

  #go(participant: ParticipantId, room: RoomId | null, at: Instant): void {
    const before = this.#here.get(participant);
    if (before?.room === room) return;
    if (before && at > before.from) this.#stays.push({ participant, ...before, to: at });
    if (room === null) this.#here.delete(participant);
    else this.#here.set(participant, { room, from: at });
  }

  #end(at: Instant): void {
    for (const person of [...this.#here.keys()]) this.#go(person, null, at);
    for (const id of this.#rooms.keys()) this.#endRoom(id, at, mainRoom);
    this.#ended = at;
  }
}
