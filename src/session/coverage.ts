/**
 * Coverage: which minutes of which room were recorded, by whom, and which were not.
 *
 * Each room's time is cut where anything changes; every stretch between two cuts gets one cover,
 * the best that holds there. What a file is worth (recovered, broken) is handed in, since this
 * folder knows nothing of files.
 */
import type { Instant, ParticipantId, RecordingId, RoomId } from './ids.ts';
import { grantsConcerning } from './permission-events.ts';
import { covers } from './permits.ts';
import type { Delegation, Grant, Interval, Recording, SessionState } from './state.ts';
import { rowOf, rowsOf } from './table.ts';
import type { RoomStory, Stay, Timeline } from './timeline.ts';

/**
 * What a stretch of a room's time is, best first.
 *
 * - `recorded`    with permission, into a file that is whole or still grows
 * - `recovered`   with permission; the file was interrupted and repaired
 * - `interrupted` with permission; the file was interrupted and is not repaired
 * - `unpermitted` recorded, but by nobody who was allowed to
 * - `paused`      somebody's recording was paused, and nobody else recorded
 * - `permitted`   somebody in the room was allowed to record and did not
 * - `gap`         there were people and no recording, and nobody who was allowed to
 * - `empty`       nobody was there
 */
export const coverKinds = [
  'recorded',
  'recovered',
  'interrupted',
  'unpermitted',
  'paused',
  'permitted',
  'gap',
  'empty',
] as const;
export type Cover = (typeof coverKinds)[number];

export interface Stretch {
  readonly from: Instant;
  readonly to: Instant;
  readonly cover: Cover;
  /** Names of those who recorded with permission, then without, who had paused, who could have. */
  readonly by: readonly string[];
  readonly without: readonly string[];
  readonly paused: readonly string[];
  readonly could: readonly string[];
}

export interface RoomCoverage {
  readonly room: { readonly id: RoomId; readonly number: number; readonly name: string };
  readonly stretches: readonly Stretch[];
  /** Milliseconds of each cover. */
  readonly ms: Readonly<Record<Cover, number>>;
}

export interface Coverage {
  readonly from: Instant;
  readonly to: Instant;
  /** Rooms by number, then by age. */
  readonly rooms: readonly RoomCoverage[];
}

/** What became of a recording's files: whole as they are, repaired, or not repaired. */
export type FileFate = 'whole' | 'recovered' | 'interrupted';

/** Coverage of a whole session up to `now`, or to its end. */
export function coverage(
  state: SessionState,
  timeline: Timeline,
  fates: ReadonlyMap<RecordingId, FileFate>,
  now: Instant,
): Coverage {
  const end = (timeline.endedAt ?? now) as Instant;
  const recordings = groupedByRoom(state, timeline);
  const rooms = [...timeline.rooms.values()]
    .map((room) =>
      roomCoverage({ state, timeline, fates, end }, room, recordings.get(room.id) ?? []),
    )
    .filter((one) => one.stretches.length > 0)
    .sort((a, b) => a.room.number - b.room.number || (a.room.id < b.room.id ? -1 : 1));
  const all = rooms.flatMap(({ stretches }) => stretches);
  return {
    from: Math.min(end, ...all.map(({ from }) => from)) as Instant,
    to: Math.max(...all.map(({ to }) => to), all.length === 0 ? end : 0) as Instant,
    rooms,
  };
}

interface Whole {
  readonly state: SessionState;
  readonly timeline: Timeline;
  readonly fates: ReadonlyMap<RecordingId, FileFate>;
  readonly end: Instant;
}

function groupedByRoom(state: SessionState, timeline: Timeline): Map<RoomId, Recording[]> {
  const byRoom = new Map<RoomId, Recording[]>();
  for (const recording of rowsOf(state.recordings)) {
    if (!timeline.rooms.has(recording.room)) continue;
    byRoom.set(recording.room, [...(byRoom.get(recording.room) ?? []), recording]);
  }
  return byRoom;
}

/** One thing that holds for a while in a room. */
interface Fact extends Interval {
  readonly to: Instant;
  readonly what: 'open' | 'there' | 'could' | 'by' | 'without' | 'paused';
  readonly who: string;
  readonly fate?: FileFate;
}

function roomCoverage(
  whole: Whole,
  room: RoomStory,
  recordings: readonly Recording[],
): RoomCoverage {
  const stays = whole.timeline.stays.filter((stay) => stay.room === room.id);
  const facts = [
    ...openFacts(room, stays, whole.end),
    ...stays.flatMap((stay) => stayFacts(whole, stay)),
    ...recordings.flatMap((recording) => recordingFacts(whole, recording)),
  ].filter((fact) => fact.to > fact.from);
  const stretches = swept(facts, stays.length > 0);
  const ms = Object.fromEntries(coverKinds.map((cover) => [cover, 0])) as Record<Cover, number>;
  for (const { from, to, cover } of stretches) ms[cover] += to - from;
  const { id, number, name } = room;
  return { room: { id, number, name }, stretches, ms };
}

// The main room is open for the whole session: it counts only while somebody is there.
function openFacts(room: RoomStory, stays: readonly Stay[], end: Instant): Fact[] {
  if (room.number === 0 && stays.length > 0) return [];
  return room.open.map(({ from, to }) => ({ from, to: to ?? end, what: 'open', who: '' }));
}

function stayFacts(whole: Whole, stay: Stay): Fact[] {
  const who = nameOf(whole.state, stay.participant);
  const [from, to] = [stay.from, stay.to ?? whole.end];
  const there: Fact = { from, to, what: 'there', who };
  const allowed = permittedTimes(whole.state, stay.participant, stay.room, whole.end);
  return [
    there,
    ...allowed.map(
      (one): Fact => ({
        from: Math.max(from, one.from) as Instant,
        to: Math.min(to, one.to) as Instant,
        what: 'could',
        who,
      }),
    ),
  ];
}

function recordingFacts({ state, fates, end }: Whole, recording: Recording): Fact[] {
  const who = nameOf(state, recording.participant);
  const fate =
    fates.get(recording.id) ?? (recording.state === 'interrupted' ? 'interrupted' : 'whole');
  const withoutFrom = unpermittedFrom(recording);
  const facts: Fact[] = [];
  let pausedFrom: Instant | undefined;
  for (const interval of recording.intervals) {
    const to = interval.to ?? end;
    if (pausedFrom !== undefined) {
      facts.push({ from: pausedFrom, to: interval.from, what: 'paused', who });
    }
    pausedFrom = to;
    const cut = Math.min(to, Math.max(interval.from, withoutFrom)) as Instant;
    const shared = { who, fate };
    facts.push({ from: interval.from, to: cut, what: 'by', ...shared });
    facts.push({ from: cut, to, what: 'without', ...shared });
  }
  const over = recording.endedAt ?? end;
  if (pausedFrom !== undefined && recording.state !== 'recording') {
    facts.push({ from: pausedFrom, to: over, what: 'paused', who });
  }
  return facts;
}

function unpermittedFrom({ permission, flags, startedAt }: Recording): number {
  if (permission.kind === 'approved') return Number.POSITIVE_INFINITY;
  if (permission.kind === 'unpermitted') return startedAt;
  return Math.min(Number.POSITIVE_INFINITY, ...flags.map(({ at }) => at));
}

/** When a person was allowed to record in a room. */
function permittedTimes(
  state: SessionState,
  participant: ParticipantId,
  room: RoomId,
  end: Instant,
): { readonly from: Instant; readonly to: Instant }[] {
  if (participant === state.host) return [{ from: state.createdAt, to: end }];
  const delegation = rowOf(state.cohosts, participant);
  const times = delegation && covers(delegation.rooms, room) ? [timeOf(delegation, end)] : [];
  for (const id of grantsConcerning(state, participant)) {
    const grant = rowOf(state.grants, id);
    if (grant && covers(grant.rooms, room)) times.push(timeOf(grant, end));
  }
  return times;
}

function timeOf(given: Grant | Delegation, end: Instant) {
  const expiredAt = 'expiredAt' in given ? given.expiredAt : undefined;
  const issuedAt = 'issuedAt' in given ? given.issuedAt : given.from;
  const to = Math.min(given.until, given.revokedAt ?? end, expiredAt ?? end, end) as Instant;
  return { from: Math.max(given.from, issuedAt) as Instant, to };
}

function nameOf(state: SessionState, participant: ParticipantId): string {
  return rowOf(state.participants, participant)?.name ?? participant;
}

/** Cuts time where a fact begins or ends; stretches that say the same are joined. */
function swept(facts: readonly Fact[], knowsWhoWasThere: boolean): Stretch[] {
  const begins = facts.toSorted((a, b) => a.from - b.from);
  const cuts = [...new Set(facts.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  const stretches: Stretch[] = [];
  let next = 0;
  let holding: Fact[] = [];
  for (const [index, from] of cuts.entries()) {
    const to = cuts[index + 1];
    if (to === undefined) break;
    holding = holding.filter((fact) => fact.to > from);
    for (let fact = begins[next]; fact && fact.from <= from; fact = begins[next]) {
      holding.push(fact);
      next += 1;
    }
    if (holding.length > 0) join(stretches, judged(holding, from, to, knowsWhoWasThere));
  }
  return stretches;
}

function judged(facts: readonly Fact[], from: Instant, to: Instant, knows: boolean): Stretch {
  const names = (what: Fact['what']) =>
    [...new Set(facts.filter((fact) => fact.what === what).map(({ who }) => who))].sort();
  const by = facts.filter((fact) => fact.what === 'by');
  const said = { by: names('by'), without: names('without'), paused: names('paused') };
  const cover = (): Cover => {
    if (by.some(({ fate }) => fate === 'whole')) return 'recorded';
    if (by.some(({ fate }) => fate === 'recovered')) return 'recovered';
    if (by.length > 0) return 'interrupted';
    if (said.without.length > 0) return 'unpermitted';
    if (said.paused.length > 0) return 'paused';
    if (facts.some(({ what }) => what === 'could')) return 'permitted';
    return knows && !facts.some(({ what }) => what === 'there') ? 'empty' : 'gap';
  };
  return { from, to, cover: cover(), ...said, could: names('could') };
}

function join(stretches: Stretch[], next: Stretch): void {
  const last = stretches.at(-1);
  const same =
    last &&
    last.to === next.from &&
    last.cover === next.cover &&
    lists.every((key) => last[key].join('\n') === next[key].join('\n'));
  if (same) stretches[stretches.length - 1] = { ...last, to: next.to };
  else stretches.push(next);
}

const lists = ['by', 'without', 'paused', 'could'] as const;
