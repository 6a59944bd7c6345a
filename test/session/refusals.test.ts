/**
 * What is refused, with which exit code and which next command.
 */
import { describe, expect, test } from 'vitest';
import type { SessionCommand } from '../../src/session/command.ts';
import { decide } from '../../src/session/decide.ts';
import { parseEvent } from '../../src/session/events.ts';
import { findGrant, findParticipant, findRecording, findRequest } from '../../src/session/find.ts';
import { instant } from '../../src/session/ids.ts';
import { permittedRooms } from '../../src/session/permits.ts';
import { isRefusal, typed } from '../../src/session/refusal.ts';
import { assignmentOf } from '../../src/session/state.ts';
import { rowsOf } from '../../src/session/table.ts';
import { Evening, evening } from './evening.ts';

const minute = 60_000;

interface Case {
  readonly name: string;
  readonly before?: readonly SessionCommand[];
  readonly command: SessionCommand;
  readonly as?: string;
  readonly exit: 1 | 2 | 4;
  readonly says: string | RegExp;
}

const record: SessionCommand = { type: 'record', participant: 'Ada', room: '1' };
const grantAll: SessionCommand = { type: 'grant', rooms: 'all' };
const cohost: SessionCommand = { type: 'name-cohost', participant: 'Ben', rooms: ['1'] };

const cases: readonly Case[] = [
  {
    name: 'to close a session that is not yours',
    before: [cohost],
    command: { type: 'close-session' },
    as: 'Ben',
    exit: 4,
    says: 'Only the host closes',
  },
  {
    name: 'anything after the session was closed',
    before: [{ type: 'close-session' }],
    command: grantAll,
    exit: 1,
    says: 'is closed',
  },
  {
    name: 'to enter a closed session',
    before: [{ type: 'close-session' }],
    command: { type: 'enter', room: '1' },
    exit: 1,
    says: 'is closed',
  },
  {
    name: 'to manage rooms of a closed session',
    before: [{ type: 'close-session' }],
    command: { type: 'add-rooms', names: ['x'] },
    exit: 1,
    says: 'is closed',
  },
  {
    name: 'a room name of 33 characters',
    command: { type: 'add-rooms', names: ['x'.repeat(33)] },
    exit: 2,
    says: '32 characters',
  },
  {
    name: 'to give a room no name',
    command: { type: 'rename-room', room: '1', name: ' \u0000 ' },
    exit: 2,
    says: 'needs a name',
  },
  {
    name: 'to remove the main room',
    command: { type: 'remove-room', room: 'main' },
    exit: 2,
    says: 'always stays',
  },
  {
    name: 'to close the main room',
    command: { type: 'close-rooms', rooms: ['0'] },
    exit: 2,
    says: 'as long as the session',
  },
  {
    name: 'a countdown of a year',
    command: { type: 'close-rooms', countdownMs: 365 * 86_400_000 },
    exit: 2,
    says: '24 hours',
  },
  {
    name: 'to close what is closed',
    before: [{ type: 'close-rooms' }],
    command: { type: 'close-rooms' },
    exit: 1,
    says: 'No breakout room is open',
  },
  {
    name: 'a room by a name that two have',
    before: [{ type: 'add-rooms', names: ['Blue'] }],
    command: { type: 'rename-room', room: 'blue', name: 'x' },
    exit: 2,
    says: 'Rooms 1 and 4',
  },
  {
    name: 'to add somebody twice',
    command: { type: 'add-participants', participants: [{ name: ' ADA ' }] },
    exit: 2,
    says: 'already takes part',
  },
  {
    name: 'to remove the host',
    command: { type: 'remove-participant', participant: 'Hana' },
    exit: 2,
    says: 'cannot be removed',
  },
  {
    name: 'to exchange two in one place',
    command: { type: 'exchange', one: 'Ada', other: 'Ben' },
    exit: 1,
    says: 'same place',
  },
  {
    name: 'to leave without having come',
    command: { type: 'leave', participant: 'Ada' },
    exit: 1,
    says: 'not in the session',
  },
  {
    name: 'to send another into a room',
    command: { type: 'enter', participant: 'Ada', room: '1' },
    as: 'Ben',
    exit: 4,
    says: 'neither host nor co-host',
  },
  {
    name: 'to enter a closed room',
    before: [{ type: 'close-rooms' }],
    command: { type: 'enter', participant: 'Ada', room: '1' },
    exit: 1,
    says: 'is closed',
  },
  {
    name: 'a grant that ends before it begins',
    command: { ...grantAll, type: 'grant', rooms: 'all', until: instant(evening - 1) },
    exit: 2,
    says: 'end after it begins',
  },
  {
    name: 'a grant of a year',
    command: { type: 'grant', rooms: 'all', forMs: 365 * 86_400_000 },
    exit: 2,
    says: '31 days',
  },
  {
    name: 'a grant of no room',
    command: { type: 'grant', rooms: [] },
    exit: 2,
    says: 'for which room',
  },
  { name: 'to revoke nothing', command: { type: 'revoke' }, exit: 2, says: 'whose permission' },
  {
    name: 'to revoke where nothing is granted',
    command: { type: 'revoke', participant: 'Ada' },
    exit: 1,
    says: 'no grant in force',
  },
  {
    name: "to revoke one person's share of a grant for all",
    before: [grantAll],
    command: { type: 'revoke', participant: 'Ada' },
    exit: 1,
    says: 'for everybody',
  },
  {
    name: 'a revocation by a participant',
    before: [{ type: 'grant', to: 'Ada', rooms: ['1'] }],
    command: { type: 'revoke', participant: 'Ada' },
    as: 'Cem',
    exit: 4,
    says: 'neither host nor co-host',
  },
  {
    name: 'a revocation by a co-host beyond the bounds',
    before: [cohost, { type: 'grant', to: 'Ada', rooms: ['2'] }],
    command: { type: 'revoke', participant: 'Ada' },
    as: 'Ben',
    exit: 4,
    says: 'co-host for room 1 (Blue) only',
  },
  {
    name: 'a longer grant than a co-host may give',
    before: [{ type: 'name-cohost', participant: 'Ben', longestGrantMs: minute }],
    command: { type: 'grant', to: 'Ada', rooms: ['1'], forMs: 2 * minute },
    as: 'Ben',
    exit: 4,
    says: 'for 1 min',
  },
  {
    name: 'to ask for what one has',
    before: [grantAll],
    command: { type: 'request', participant: 'Ada', room: '1' },
    exit: 1,
    says: 'already',
  },
  {
    name: 'an answer to no request',
    command: { type: 'answer', request: 'req_zz', answer: 'granted' },
    exit: 2,
    says: 'no request',
  },
  {
    name: 'to make the host co-host',
    command: { type: 'name-cohost', participant: 'Hana' },
    exit: 2,
    says: 'is the host',
  },
  {
    name: 'to remove a co-host who is none',
    command: { type: 'remove-cohost', participant: 'Ada' },
    exit: 1,
    says: 'is no co-host',
  },
  {
    name: 'to approve what was permitted',
    before: [{ type: 'record' }],
    command: { type: 'approve-recording', recording: '' },
    exit: 2,
    says: 'no recording',
  },
  {
    name: 'to record elsewhere while recording',
    before: [grantAll, record],
    command: { ...record, type: 'record', room: '2' },
    exit: 1,
    says: 'is recording in room 1',
  },
  {
    name: 'to record while paused',
    before: [grantAll, record, { type: 'pause', participant: 'Ada' }],
    command: record,
    exit: 1,
    says: 'is paused',
  },
  {
    name: 'to resume what lost its permission while paused',
    before: [{ type: 'observe', participant: 'Ada', room: '1' }],
    command: { type: 'resume', participant: 'Ada' },
    exit: 1,
    says: 'cannot resume',
  },
  {
    name: 'to go on with what was not interrupted',
    before: [grantAll, record],
    command: { type: 'continue', participant: 'Ada' },
    exit: 1,
    says: 'cannot continue',
  },
  {
    name: 'to go on with nothing',
    command: { type: 'continue', participant: 'Ada' },
    exit: 1,
    says: 'nothing to continue',
  },
  {
    name: 'to stop one of two without saying which',
    before: [
      grantAll,
      { ...record, type: 'record', recorder: 'obs' },
      { ...record, type: 'record', recorder: 'zoom' },
    ],
    command: { type: 'stop', participant: 'Ada' },
    exit: 2,
    says: 'has 2 recordings',
  },
  { name: 'a line of an own session', command: takeNothing(), exit: 4, says: 'was made here' },
];

function takeNothing(): SessionCommand {
  const at = { issuerKey: 'x', issuedAt: evening, line: 'rt1.' };
  return { type: 'take-rooms', rooms: [], sequence: 1, ...at };
}

describe('given a session', () => {
  test.each(cases)('when somebody wants $name, it is refused', (one) => {
    const night = new Evening();
    for (const command of one.before ?? []) night.do(command);
    const refusal = night.refused(one.command, one.as);
    expect(refusal.problem).toMatch(one.says);
    expect(refusal.exit).toBe(one.exit);
    expect(refusal.next).toMatch(/\S/);
  });

  test('more than 5,000 participants are refused', () => {
    const participants = Array.from({ length: 5_001 }, (_, at) => ({ name: `P${at}` }));
    expect(new Evening().refused({ type: 'add-participants', participants }).exit).toBe(2);
  });

  test('without a session there is nothing to decide', () => {
    const night = new Evening([], []);
    expect(isRefusal(decide(undefined, { type: 'tick' }, night.context()))).toBe(true);
    const again = { type: 'create-session', topic: 'x', hostName: 'y' } as const;
    expect(night.refused(again)).toMatchObject({ code: 'wrong-state' });
    night.do({ type: 'close-session' });
    expect(night.refused(again).problem).toContain('closed');
  });

  test('things are found by the beginning of their id, where it is unique', () => {
    const night = new Evening();
    night.do(grantAll);
    night.do({ type: 'grant', to: 'Ada', rooms: ['1'] });
    const [first, second] = [...rowsOf(night.session.grants)];
    if (!first || !second) throw new Error('two grants were made');
    expect(findGrant(night.session, first.id)).toBe(first);
    expect(findGrant(night.session, 'grant_')).toMatchObject({ code: 'ambiguous-id' });
    expect(findRequest(night.session, 'nothing')).toMatchObject({ code: 'unknown-id' });
    expect(findRecording(night.session, 'nothing')).toMatchObject({ code: 'unknown-id' });
    expect(findParticipant(night.session, night.session.host)).toMatchObject({ name: 'Hana' });
    expect(permittedRooms(night.session, night.session.host, night.now)).toHaveLength(4);
  });

  test('an open request is found by who asks, unless they ask for several', () => {
    const night = new Evening();
    night.do({ type: 'request', room: '1' }, 'Ada');
    expect(findRequest(night.session, 'ada')).toMatchObject({ room: '1.1' });
    night.do({ type: 'request', room: '2' }, 'Ada');
    expect(findRequest(night.session, 'ada')).toMatchObject({ code: 'ambiguous-id' });
    expect(findRequest(night.session, 'Hana')).toMatchObject({ code: 'unknown-id' });
  });

  test('an assignment is unassigned, assigned, or in the room', () => {
    const night = new Evening();
    const ada = () => {
      const found = findParticipant(night.session, 'Ada');
      return isRefusal(found) ? undefined : assignmentOf(found);
    };
    expect(ada()).toBe('unassigned');
    night.do({ type: 'assign', participants: ['Ada'], room: '1' });
    expect(ada()).toBe('assigned');
    night.do({ type: 'enter' }, 'Ada');
    expect(ada()).toBe('in-room');
    night.do({ type: 'remove-room', room: '1' });
    expect(ada()).toBe('unassigned');
  });

  test('a word is quoted for a shell where it must be', () => {
    expect([typed('Ada'), typed('Ada B'), typed("A'da")]).toEqual(['Ada', "'Ada B'", "'A'\\''da'"]);
  });

  test('what a newer program wrote into the journal is not interpreted', () => {
    const event = { v: 1, type: 'session-closed', at: 1, session: 'ses_x' };
    expect(parseEvent(event)).toEqual(event);
    for (const odd of [null, 7, { ...event, v: 2 }, { ...event, type: 'toString' }, { v: 1 }]) {
      expect(parseEvent(odd)).toBeUndefined();
    }
  });
});
