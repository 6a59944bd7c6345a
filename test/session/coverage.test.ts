/**
 * The evening as intervals: who was where, what of it was recorded, and which file belongs to whom.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attributeTake, type Candidate, roomSpans } from '../../src/session/attribution.ts';
import { coverage, type FileFate } from '../../src/session/coverage.ts';
import { type Instant, later, type RecordingId } from '../../src/session/ids.ts';
import type { Recording } from '../../src/session/state.ts';
import { rowsOf } from '../../src/session/table.ts';
import { staysDuring, timelineOf } from '../../src/session/timeline.ts';
import { Evening, evening } from './evening.ts';

const minute = 60_000;

const minutesAfter = (at: Instant) => (at - evening) / minute;

function roomOf(night: Evening, number: number, fates = new Map<RecordingId, FileFate>()) {
  const covered = coverage(night.session, timelineOf(night.journal), fates, night.now);
  const room = covered.rooms.find((one) => one.room.number === number);
  return (room?.stretches ?? []).map(({ from, to, cover, by, without, paused, could }) => ({
    minutes: [minutesAfter(from), minutesAfter(to)],
    cover,
    who: [...by, ...without, ...paused],
    could,
  }));
}

/** Rooms open; Ada is in Blue and may record there. */
function begun(): Evening {
  const night = new Evening();
  night.do({ type: 'open-rooms' });
  night.do({ type: 'grant', to: 'Ada', rooms: ['1', '2'] });
  night.do({ type: 'enter', participant: 'Ada', room: '1' });
  return night;
}

function passing(night: Evening, minutes: number): Evening {
  night.pass(minutes * minute);
  return night;
}

describe('given an evening', () => {
  test('when a recording is paused and stopped, then its room shows each minute of it', () => {
    const night = passing(begun(), 5);
    night.do({ type: 'record', participant: 'Ada' });
    passing(night, 10).do({ type: 'pause', participant: 'Ada' });
    passing(night, 2).do({ type: 'resume', participant: 'Ada' });
    passing(night, 3).do({ type: 'stop', participant: 'Ada' });
    passing(night, 4);
    expect(roomOf(night, 1)).toEqual([
      { minutes: [0, 5], cover: 'permitted', who: [], could: ['Ada'] },
      { minutes: [5, 15], cover: 'recorded', who: ['Ada'], could: ['Ada'] },
      { minutes: [15, 17], cover: 'paused', who: ['Ada'], could: ['Ada'] },
      { minutes: [17, 20], cover: 'recorded', who: ['Ada'], could: ['Ada'] },
      { minutes: [20, 24], cover: 'permitted', who: [], could: ['Ada'] },
    ]);
  });

  test('when a recorder dies, then the room says whether its file was recovered', () => {
    const night = begun();
    night.do({ type: 'record', participant: 'Ada' });
    const [recording] = night.recordings('Ada');
    if (!recording) throw new Error('Ada records');
    passing(night, 7).do({ type: 'interrupt', recording: recording.id, cause: 'recorder-died' });
    expect(roomOf(night, 1)[0]).toMatchObject({ minutes: [0, 7], cover: 'interrupted' });
    const recovered = new Map<RecordingId, FileFate>([[recording.id, 'recovered']]);
    expect(roomOf(night, 1, recovered)[0]).toMatchObject({ cover: 'recovered' });
  });

  test('when somebody records without leave, then that is shown, and the rest is a gap', () => {
    const night = new Evening();
    night.do({ type: 'open-rooms' });
    night.do({ type: 'enter', participant: 'Ben', room: '2' });
    passing(night, 4).do({ type: 'observe', participant: 'Ben', recorder: 'obs' });
    passing(night, 6);
    expect(roomOf(night, 2)).toEqual([
      { minutes: [0, 4], cover: 'gap', who: [], could: [] },
      { minutes: [4, 10], cover: 'unpermitted', who: ['Ben'], could: [] },
    ]);
  });

  test('when permission ends while somebody records on, then from then on it is without leave', () => {
    const night = begun();
    night.do({ type: 'observe', participant: 'Ada', recorder: 'obs' });
    passing(night, 3).do({ type: 'revoke', participant: 'Ada' });
    passing(night, 2);
    expect(roomOf(night, 1).map(({ minutes, cover }) => [minutes, cover])).toEqual([
      [[0, 3], 'recorded'],
      [[3, 5], 'unpermitted'],
    ]);
  });

  test('when rooms close, then their time ends and nobody is in them', () => {
    const night = passing(begun(), 8);
    night.do({ type: 'close-rooms', countdownMs: 0 });
    night.do({ type: 'tick' });
    passing(night, 30);
    expect(roomOf(night, 1)).toEqual([
      { minutes: [0, 8], cover: 'permitted', who: [], could: ['Ada'] },
    ]);
    expect(roomOf(night, 3)[0]).toMatchObject({ minutes: [0, 8], cover: 'gap' });
  });

  test('whatever is done, the stretches of a room follow each other and none is empty', () => {
    const step = fc.constantFrom(
      () => ({ type: 'record', participant: 'Ada' }) as const,
      () => ({ type: 'stop', participant: 'Ada' }) as const,
      () => ({ type: 'pause', participant: 'Ada' }) as const,
      () => ({ type: 'resume', participant: 'Ada' }) as const,
      () => ({ type: 'observe', participant: 'Ben', recorder: 'obs' }) as const,
      () => ({ type: 'move', participant: 'Ada', room: '2' }) as const,
      () => ({ type: 'enter', participant: 'Ben', room: '1' }) as const,
      () => ({ type: 'leave', participant: 'Ben' }) as const,
      () => ({ type: 'revoke', participant: 'Ada' }) as const,
      () => ({ type: 'grant', to: 'Ada', rooms: 'all' }) as const,
      () => ({ type: 'recreate-room', room: '1' }) as const,
      () => ({ type: 'close-rooms', countdownMs: 0 }) as const,
      () => ({ type: 'open-rooms' }) as const,
      () => ({ type: 'close-session' }) as const,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(5)), { maxLength: 30 }), (steps) => {
        const night = begun();
        for (const [make, minutes] of steps) {
          night.try(make());
          passing(night, minutes);
        }
        const covered = coverage(night.session, timelineOf(night.journal), new Map(), night.now);
        for (const { stretches, ms } of covered.rooms) {
          for (const [index, { from, to }] of stretches.entries()) {
            expect(to).toBeGreaterThan(from);
            expect(stretches[index - 1]?.to ?? from).toBeLessThanOrEqual(from);
          }
          const total = stretches.reduce((sum, { from, to }) => sum + to - from, 0);
          expect(Object.values(ms).reduce((sum, one) => sum + one, 0)).toBe(total);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('a thousand people in a hundred rooms are covered in less than a second', () => {
    const rooms = Array.from({ length: 100 }, (_, n) => `Room ${n + 1}`);
    const people = Array.from({ length: 1000 }, (_, n) => `Person ${n + 1}`);
    const night = new Evening(rooms, people);
    night.do({ type: 'open-rooms' });
    night.do({ type: 'grant', rooms: 'all' });
    for (const [n, participant] of people.entries()) {
      night.do({ type: 'enter', participant, room: String((n % 100) + 1) });
      if (n % 3 === 0) night.do({ type: 'record', participant });
      if (n % 50 === 0) passing(night, 1);
    }
    const timeline = timelineOf(night.journal);
    const began = performance.now();
    const covered = coverage(night.session, timeline, new Map(), night.now);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(covered.rooms).toHaveLength(101);
  });
});

describe('given a file and the recordings of that time', () => {
  const candidate = (recording: Recording, ...titles: string[]): Candidate => ({
    recording,
    who: 'Ada in room 1',
    titles,
  });

  function recorded(): { night: Evening; ada: Recording; ben: Recording } {
    const night = begun();
    night.do({ type: 'grant', to: 'Ben', rooms: 'all' });
    night.do({ type: 'enter', participant: 'Ben', room: '2' });
    night.do({ type: 'record', participant: 'Ada' });
    night.do({ type: 'record', participant: 'Ben' });
    passing(night, 20);
    const [ada] = night.recordings('Ada');
    const [ben] = night.recordings('Ben');
    if (!ada || !ben) throw new Error('both record');
    return { night, ada, ben };
  }

  const during = { began: later(evening, 3000), ended: later(evening, 9 * minute) };

  test('when one recording was declared then, then it is declared, with the reason', () => {
    const { ada } = recorded();
    const found = attributeTake(during, [candidate(ada)], null, ada.participant);
    expect(found).toMatchObject({ kind: 'declared', recording: ada.id });
    expect(found.reasons[0]).toContain('while Ada in room 1 was recording');
  });

  test('when two people recorded then, then it is ambiguous, unless folder or machine tell', () => {
    const { ada, ben, night } = recorded();
    const both = [candidate(ada, 'Seminar', 'Blue'), candidate(ben, 'Seminar', 'Green')];
    const found = attributeTake(during, both, null, night.session.host);
    expect(found).toMatchObject({ kind: 'ambiguous', candidates: [ada.id, ben.id] });
    expect(attributeTake(during, both, ben.participant, null).recording).toBe(ben.id);
    expect(attributeTake(during, both, null, ada.participant).recording).toBe(ada.id);
    const titled = attributeTake({ ...during, topic: 'green' }, both, null, null);
    expect(titled).toMatchObject({ kind: 'declared', recording: ben.id });
    expect(titled.reasons[1]).toContain('“green”');
  });

  test('when nobody recorded then, then it is unclaimed', () => {
    const { ada } = recorded();
    const before = { began: later(evening, -60 * minute), ended: later(evening, -50 * minute) };
    const found = attributeTake(before, [candidate(ada)], null, null);
    expect(found).toMatchObject({ kind: 'unclaimed', recording: null });
  });

  test('when it began long before it was declared, then it is matched by time only', () => {
    const { ada } = recorded();
    const early = { began: later(evening, -30 * minute), ended: later(evening, 5 * minute) };
    expect(attributeTake(early, [candidate(ada)], null, null).kind).toBe('matched by time');
  });

  test('when two recordings of one person are near, then the clearly nearer start decides', () => {
    const night = begun();
    night.do({ type: 'record', participant: 'Ada' });
    passing(night, 1).do({ type: 'stop', participant: 'Ada' });
    passing(night, 1).do({ type: 'record', participant: 'Ada' });
    const recordings = night.recordings('Ada').map((one) => candidate(one));
    const second = recordings[1]?.recording.id;
    const began = later(evening, 2 * minute + 1000);
    const found = attributeTake({ began, ended: began }, recordings, null, null);
    expect(found.recording).toBe(second);
    const between = later(evening, minute);
    const unsure = { began: between, ended: between, uncertainMs: 5000 };
    expect(attributeTake(unsure, recordings, null, null).kind).toBe('ambiguous');
  });

  test('when its person was moved while it grew, then it spans two rooms and begins in the first', () => {
    const night = begun();
    night.do({ type: 'observe', participant: 'Ada', recorder: 'zoom' });
    passing(night, 10).do({ type: 'move', participant: 'Ada', room: '2' });
    passing(night, 5);
    const [first] = night.recordings('Ada');
    if (!first) throw new Error('Ada is seen recording');
    const timeline = timelineOf(night.journal);
    const file = { began: later(evening, 1000), ended: night.now };
    const spans = roomSpans(
      file,
      first.participant,
      [...rowsOf(night.session.recordings)],
      timeline,
    );
    expect(spans.map(({ room, from, to }) => [room, from, to])).toEqual([
      ['1.1', later(evening, 1000), later(evening, 10 * minute)],
      ['2.1', later(evening, 10 * minute), night.now],
    ]);
    expect(spans[0]?.recording).toBe(first.id);
    expect(staysDuring(timeline, first.participant, evening, evening)).toEqual([]);
  });
});
