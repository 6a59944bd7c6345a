/**
 * Rooms, people, permission and recordings, decided one command at a time.
 */
import { describe, expect, test } from 'vitest';
import { board } from '../../src/session/board.ts';
import { due } from '../../src/session/due.ts';
import { evolveAll } from '../../src/session/evolve.ts';
import { findParticipant, findRoom } from '../../src/session/find.ts';
import { idsMatching, instant, newId, parseId, shortId } from '../../src/session/ids.ts';
import { openRequests } from '../../src/session/permission.ts';
import { parsePreAssignment } from '../../src/session/pre-assignment.ts';
import { isRefusal } from '../../src/session/refusal.ts';
import type { Participant } from '../../src/session/state.ts';
import { Evening } from './evening.ts';

const minute = 60_000;

function person(night: Evening, name: string): Participant {
  const found = findParticipant(night.session, name);
  if (isRefusal(found)) throw new Error(found.problem);
  return found;
}

describe('given ids', () => {
  const id = newId('rec', instant(1_700_000_000_000), new Uint8Array(16).fill(7));

  test('an id is its kind and 26 letters and digits, and reads back', () => {
    expect(id).toMatch(/^rec_[0-9a-z]{26}$/);
    expect(parseId('rec', id)).toBe(id);
    expect(parseId('take', id)).toBeUndefined();
    expect(parseId('rec', `${id}0`)).toBeUndefined();
  });

  test('ids of the same moment differ at once, and a unique beginning is enough', () => {
    const ids = Array.from({ length: 200 }, (_, at) =>
      newId(
        'rec',
        instant(1_700_000_000_000),
        new Uint8Array(16).map((__, i) => at * 31 + i * at),
      ),
    );
    expect(new Set(ids.map(shortId)).size).toBeGreaterThan(190);
    const [first = ''] = ids;
    expect(idsMatching(ids, first.slice(4, 24))).toEqual([first]);
    expect(idsMatching(ids, first.toUpperCase())).toEqual([first]);
    expect(idsMatching(ids, 'rec_').length).toBe(200);
    expect(idsMatching(ids, ' ')).toEqual([]);
  });
});

describe('given rooms', () => {
  test('a room is found by number, name, and either with the word room', () => {
    const { session } = new Evening();
    for (const text of ['2', 'green', 'GREEN ', 'room 2', '2.1']) {
      expect(findRoom(session, text)).toMatchObject({ number: 2, name: 'Green' });
    }
    expect(findRoom(session, 'main')).toMatchObject({ number: 0 });
    expect(findRoom(session, '9')).toMatchObject({ code: 'unknown-id', exit: 2 });
  });

  test('when more than 100 rooms or too long a name are asked for, it is refused', () => {
    const night = new Evening([]);
    night.do({ type: 'add-rooms', names: Array.from({ length: 100 }, () => '') });
    expect(night.refused({ type: 'add-rooms', names: ['one more'] }).exit).toBe(2);
    const long = night.refused({ type: 'rename-room', room: '1', name: 'x'.repeat(33) });
    expect(long.problem).toContain('32');
    night.do({ type: 'rename-room', room: '1', name: 'ß'.repeat(32) });
  });

  test('when a room is recreated, people assigned follow and grants for the old one do not', () => {
    const night = new Evening();
    night.do({ type: 'assign', participants: ['Ada'], room: 'Blue' });
    night.do({ type: 'grant', to: 'Ada', rooms: ['Blue'] });
    night.do({ type: 'record', participant: 'Ada' });
    night.do({ type: 'recreate-room', room: 'Blue' });
    expect(findRoom(night.session, 'Blue')).toMatchObject({ generation: 2, number: 1 });
    expect(person(night, 'Ada').assigned).toBe('1.2');
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'room-recreated' }]);
    expect(night.refused({ type: 'record', participant: 'Ada', room: '1' }).exit).toBe(4);
  });

  test('when rooms close with a countdown, recordings end when it ends, and everybody is back', () => {
    const night = new Evening();
    night.do({ type: 'open-rooms' });
    night.do({ type: 'grant', rooms: 'all' });
    night.do({ type: 'record', room: 'Blue' }, 'Ada');
    night.do({ type: 'close-rooms', countdownMs: minute });
    expect(night.recordings('Ada')).toMatchObject([{ state: 'recording' }]);
    const next = due(night.session, night.now);
    expect(next).toEqual({ next: night.now + minute, commands: [] });
    night.pass(minute);
    for (const command of due(night.session, night.now).commands) night.do(command);
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'room-closed' }]);
    expect(person(night, 'Ada').room).toBe('0.1');
    expect(night.refused({ type: 'record', room: 'Blue' }, 'Ada')).toMatchObject({
      code: 'not-permitted',
      next: 'roomtape room open 1',
    });
  });

  test('when rooms are opened for 20 minutes, the countdown begins then', () => {
    const night = new Evening();
    night.do({ type: 'open-rooms', afterMs: 20 * minute, countdownMs: minute });
    night.pass(20 * minute);
    night.do({ type: 'tick' });
    expect(findRoom(night.session, '1')).toMatchObject({ phase: 'closing' });
    night.pass(minute);
    night.do({ type: 'tick' });
    expect(findRoom(night.session, '1')).toMatchObject({ phase: 'closed' });
    expect(due(night.session, night.now)).toEqual({ commands: [] });
  });
});

describe('given people', () => {
  test('everybody is spread evenly, by chance or in order, and nobody twice', () => {
    for (const how of ['evenly', 'random'] as const) {
      const names = Array.from({ length: 31 }, (_, at) => `P${at}`);
      const night = new Evening(['A', 'B', 'C', 'D'], names);
      night.do({ type: 'assign-all', how });
      const sizes = board(night.session, night.now).map((room) => room.people.length);
      expect(sizes.slice(1).sort()).toEqual([7, 8, 8, 8]);
    }
  });

  test('when moved while recording, one recording ends and the next begins if it may', () => {
    const night = new Evening();
    night.do({ type: 'grant', to: 'Ada', rooms: ['Blue', 'Green'] });
    night.do({ type: 'record', room: 'Blue' }, 'Ada');
    night.pass(minute);
    night.do({ type: 'move', participant: 'Ada', room: 'Green' });
    const [first, second] = night.recordings('Ada');
    expect(first).toMatchObject({ state: 'stopped', cause: 'moved', next: second?.id });
    expect(second).toMatchObject({ state: 'recording', room: '2.1' });
    night.do({ type: 'move', participant: 'Ada', room: 'Red' });
    expect(night.recordings('Ada')).toMatchObject([
      {},
      { state: 'stopped', cause: 'moved', flags: [{ reason: 'moved' }] },
    ]);
  });

  test('when two are exchanged, each is where the other was', () => {
    const night = new Evening();
    night.do({ type: 'enter', room: 'Blue' }, 'Ada');
    night.do({ type: 'enter', room: 'Red' }, 'Ben');
    night.do({ type: 'exchange', one: 'Ada', other: 'Ben' });
    expect([person(night, 'Ada').room, person(night, 'Ben').room]).toEqual(['3.1', '1.1']);
  });

  test('a participant may not manage rooms or people', () => {
    const night = new Evening();
    expect(night.refused({ type: 'add-rooms', names: ['x'] }, 'Ada').exit).toBe(4);
    expect(night.refused({ type: 'move', participant: 'Ben', room: '1' }, 'Ada').exit).toBe(4);
    expect(night.refused({ type: 'grant', to: 'Ada', rooms: 'all' }, 'Ada').exit).toBe(4);
  });

  test('names that a program might trip over are only names', () => {
    const night = new Evening([], ['__proto__', 'constructor', 'toString']);
    expect(person(night, '__proto__').name).toBe('__proto__');
    expect(findParticipant(night.session, 'hasOwnProperty')).toMatchObject({ code: 'unknown-id' });
    expect(findRoom(night.session, '__proto__')).toMatchObject({ code: 'unknown-id' });
  });

  test("Zoom's pre-assignment file makes rooms, people and assignments, twice the same", () => {
    const night = new Evening(['Blue'], []);
    const text =
      '\uFEFFPre-assign Room Name,Email Address\r\nBlue,ada@example.org\r\n"Gr""een, 2",ben@example.org\r\n';
    const assignments = parsePreAssignment(text);
    night.do({ type: 'import-assignments', assignments });
    night.do({ type: 'import-assignments', assignments });
    expect(person(night, 'ada@example.org').assigned).toBe('1.1');
    expect(findRoom(night.session, 'Gr"een, 2')).toMatchObject({ number: 2 });
  });

  test('the pre-assignment file is read leniently', () => {
    const expected = [{ name: 'Blue', emails: ['a@b.org'] }];
    for (const text of [
      'Email address;Pre-Assign Room Name\na@b.org;Blue\n',
      'PRE-ASSIGN ROOM NAME\tEMAIL\nBlue\ta@b.org',
      'Blue,a@b.org\n\n,\n',
      'a@b.org,Blue',
      'Room name,Email address\nBlue,a@b.org\nBlue,a@b.org\nBlue,nonsense\n',
    ]) {
      expect(parsePreAssignment(text).rooms).toEqual(expected);
    }
    expect(parsePreAssignment('Blue,nonsense\n').notes).toMatchObject([{ line: 1 }]);
    expect(parsePreAssignment(`R,"${'x'.repeat(2_000_000)}`).rooms).toEqual([]);
  });
});

describe('given permission', () => {
  test('without a grant, record is refused with the command that asks for one', () => {
    const night = new Evening();
    expect(night.refused({ type: 'record', participant: 'Ada', room: '2' })).toMatchObject({
      exit: 4,
      problem: 'Ada may not record in room 2 (Green): no grant covers it.',
      next: 'roomtape request --room 2 --as Ada',
    });
    night.do({ type: 'record' });
    expect(night.recordings('Hana')).toMatchObject([{ permission: { kind: 'host' } }]);
  });

  test('when a grant is revoked or expires, what is controlled stops and the rest is flagged', () => {
    const night = new Evening();
    night.do({ type: 'grant', rooms: 'all', forMs: minute });
    night.do({ type: 'record', room: '1', control: 'roomtape' }, 'Ada');
    night.do({ type: 'record', room: '1' }, 'Ben');
    night.do({ type: 'observe', participant: 'Cem', room: '1' });
    expect(due(night.session, night.now).next).toBe(night.now + minute);
    night.pass(minute);
    night.do({ type: 'tick' });
    expect(night.recordings('Ada')).toMatchObject([
      { state: 'stopped', cause: 'expired', flags: [] },
    ]);
    expect(night.recordings('Ben')).toMatchObject([
      { state: 'stopped', cause: 'expired', flags: [{ reason: 'expired', at: night.now }] },
    ]);
    expect(night.recordings('Cem')).toMatchObject([
      { state: 'recording', flags: [{ reason: 'expired' }] },
    ]);
    expect(night.do({ type: 'tick' })).toEqual([]);
    night.now = instant(night.now - 10 * minute);
    expect(night.refused({ type: 'record', room: '1' }, 'Ada').problem).toContain('expired');
  });

  test('when one of two grants ends, the recording goes on under the other', () => {
    const night = new Evening();
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'], forMs: minute });
    night.do({ type: 'record', room: '1', control: 'roomtape' }, 'Ada');
    night.do({ type: 'grant', to: 'Ada', rooms: 'all', forMs: 5 * minute });
    night.pass(minute);
    night.do({ type: 'tick' });
    expect(night.recordings('Ada')).toMatchObject([{ state: 'recording' }]);
    expect(night.journal.at(-2)?.type).toBe('recording-covered');
    night.do({ type: 'revoke', participant: 'Ada' });
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
  });

  test('when the clock was set back, a grant that would be over already is refused by that name', () => {
    const night = new Evening();
    night.pass(60 * minute);
    night.do({ type: 'rename-room', room: '1', name: 'Later' });
    night.pass(-60 * minute);
    const brief = night.refused({ type: 'grant', rooms: 'all', forMs: 5 * minute });
    expect(brief.problem).toContain('set back by 60 minutes');
    night.do({ type: 'grant', rooms: 'all', forMs: 90 * minute });
    night.do({ type: 'record', room: '1' }, 'Ada');
  });

  test('a recording ends for what became of its own grant, not of an earlier one', () => {
    const night = new Evening();
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'] });
    night.do({ type: 'revoke', participant: 'Ada' });
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'], forMs: minute });
    night.do({ type: 'record', room: '1', control: 'roomtape' }, 'Ada');
    night.pass(minute);
    night.do({ type: 'tick' });
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'expired' }]);
  });

  test('a request is asked, granted, denied or times out, as the policy and the host say', () => {
    const night = new Evening();
    night.do({ type: 'request', room: '1', reason: 'minutes' }, 'Ada');
    expect(night.refused({ type: 'request', room: '1' }, 'Ada').problem).toContain('already');
    const [open] = openRequests(night.session);
    night.do({ type: 'answer', request: shortId(open?.id ?? ''), answer: 'granted' });
    night.do({ type: 'record', room: '1' }, 'Ada');
    night.do({ type: 'set-policy', policy: 'auto-deny', room: '2' });
    night.do({ type: 'set-policy', policy: 'auto-grant' });
    night.do({ type: 'request', room: '2' }, 'Ben');
    expect(night.refused({ type: 'record', room: '2' }, 'Ben').exit).toBe(4);
    night.do({ type: 'request', room: '3' }, 'Ben');
    night.do({ type: 'record', room: '3' }, 'Ben');
    night.do({ type: 'set-policy', policy: 'ask' });
    night.do({ type: 'request', room: '1' }, 'Cem');
    night.pass(60 * minute);
    night.do({ type: 'tick' });
    expect(openRequests(night.session)).toEqual([]);
  });

  test('a co-host records without a grant and grants within bounds, until removed', () => {
    const night = new Evening();
    night.do({ type: 'name-cohost', participant: 'Ben', rooms: ['1'], forMs: 60 * minute });
    night.do({ type: 'record', room: '1' }, 'Ben');
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'], forMs: minute }, 'Ben');
    night.do({ type: 'record', room: '1' }, 'Ada');
    expect(night.refused({ type: 'grant', to: 'Ada', rooms: ['2'] }, 'Ben').exit).toBe(4);
    const long = { type: 'grant', to: 'Ada', rooms: ['1'], forMs: 90 * minute } as const;
    expect(night.refused(long, 'Ben').exit).toBe(4);
    expect(night.refused({ type: 'name-cohost', participant: 'Cem' }, 'Ben').exit).toBe(4);
    night.do({ type: 'remove-cohost', participant: 'Ben' });
    expect(night.recordings('Ben')).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
  });

  test('what was recorded without leave is approved by the host only, and stays told so', () => {
    const night = new Evening();
    night.do({ type: 'observe', participant: 'Ada', room: '1' });
    const [seen] = night.recordings('Ada');
    expect(seen?.permission).toEqual({ kind: 'unpermitted', reason: 'no-grant' });
    night.do({ type: 'grant', to: 'Ada', rooms: 'all' });
    expect(night.recordings('Ada')[0]?.permission.kind).toBe('unpermitted');
    const approve = { type: 'approve-recording', recording: seen?.id ?? '' } as const;
    expect(night.refused(approve, 'Ada').exit).toBe(4);
    night.do(approve);
    expect(night.recordings('Ada')[0]?.permission).toMatchObject({ kind: 'approved' });
  });
});

describe('given a recording', () => {
  test('a file that was seen first is the recording that is declared after, if it was permitted', () => {
    const night = new Evening();
    night.do({ type: 'observe', participant: 'Ada', room: '1', recorder: 'zoom' });
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'] });
    night.do({ type: 'record', room: '1' }, 'Ada');
    expect(night.recordings('Ada')).toMatchObject([
      { control: 'observed', permission: { kind: 'unpermitted' } },
      { control: 'declared', permission: { kind: 'grant' } },
    ]);
    night.do({ type: 'stop' }, 'Ada');
    expect(night.recordings('Ada')).toMatchObject([{ state: 'recording' }, { state: 'stopped' }]);
    night.do({ type: 'observe', participant: 'Hana', room: '0', recorder: 'zoom' });
    night.do({ type: 'record', room: '0' });
    night.do({ type: 'stop' });
    expect(night.recordings('Hana')).toMatchObject([{ control: 'declared', state: 'stopped' }]);
  });

  test('pause, resume and stop come only from the right state, and intervals are kept', () => {
    const night = new Evening();
    const exits = (type: 'pause' | 'resume' | 'stop') => night.refused({ type }).exit;
    expect([exits('pause'), exits('resume'), exits('stop')]).toEqual([1, 1, 1]);
    const began = night.now;
    night.do({ type: 'record' });
    expect(night.refused({ type: 'record' }).next).toBe('roomtape stop');
    expect(exits('resume')).toBe(1);
    night.pass(1000);
    night.do({ type: 'pause' });
    expect(exits('pause')).toBe(1);
    night.pass(1000);
    night.do({ type: 'resume' });
    night.pass(1000);
    night.do({ type: 'stop' });
    expect(night.refused({ type: 'stop' }).problem).toContain('stopped');
    expect(night.recordings('Hana')).toMatchObject([
      {
        state: 'stopped',
        intervals: [
          { from: began, to: began + 1000 },
          { from: began + 2000, to: began + 3000 },
        ],
      },
    ]);
  });

  test('when the recorder dies it is interrupted with a cause, and may go on with another take', () => {
    const night = new Evening();
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'], forMs: 10 * minute });
    night.do({ type: 'record', room: '1' }, 'Ada');
    const [recording] = night.recordings('Ada');
    if (!recording) throw new Error('nothing was recorded');
    night.do({ type: 'interrupt', recording: recording.id, cause: 'recorder-died' });
    expect(night.refused({ type: 'resume' }, 'Ada').next).toBe('roomtape record --continue');
    night.do({ type: 'continue' }, 'Ada');
    expect(night.recordings('Ada')).toMatchObject([{ id: recording.id, state: 'recording' }]);
    night.do({ type: 'interrupt', recording: recording.id, cause: 'disk-full' });
    night.pass(10 * minute);
    expect(night.refused({ type: 'continue' }, 'Ada').exit).toBe(4);
  });

  test('leaving the room ends it, and nobody speaks for another but the host', () => {
    const night = new Evening();
    night.do({ type: 'grant', rooms: 'all' });
    night.do({ type: 'record', room: '1' }, 'Ada');
    expect(night.refused({ type: 'stop', participant: 'Ada' }, 'Ben').exit).toBe(4);
    night.do({ type: 'leave' }, 'Ada');
    expect(night.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'left-room' }]);
    night.do({ type: 'record', room: '1' }, 'Ben');
    night.do({ type: 'close-session' });
    expect(night.recordings('Ben')).toMatchObject([{ state: 'stopped', cause: 'session-closed' }]);
    expect(night.refused({ type: 'record' }).problem).toContain('closed');
  });

  test('a recorder that only its file shows goes on in the main room when its person leaves theirs', () => {
    const night = new Evening();
    night.do({ type: 'enter', room: '1', participant: 'Ada' });
    night.do({ type: 'observe', participant: 'Ada', room: '1', recorder: 'zoom' });
    night.do({ type: 'leave' }, 'Ada');
    expect(night.recordings('Ada')).toMatchObject([
      { state: 'stopped', cause: 'moved' },
      { state: 'recording', room: '0.1', control: 'observed' },
    ]);
    night.do({ type: 'leave', meeting: true }, 'Ada');
    expect(night.recordings('Ada')[1]).toMatchObject({ state: 'stopped', cause: 'left-room' });
  });

  test('the journal makes the same state again, through JSON', () => {
    const night = new Evening();
    night.do({ type: 'grant', rooms: 'all' });
    night.do({ type: 'record', room: '1' }, 'Ada');
    night.do({ type: 'pause' }, 'Ada');
    const again = evolveAll(undefined, JSON.parse(JSON.stringify(night.journal)));
    expect(again).toEqual(night.state);
    expect(JSON.parse(JSON.stringify(night.state))).toEqual(night.state);
  });
});
