/**
 * Whatever is commanded, in whatever order: what Roomtape controls never runs without permission.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { board } from '../../src/session/board.ts';
import type { SessionCommand } from '../../src/session/command.ts';
import { due } from '../../src/session/due.ts';
import { parseEvent, type SessionEvent } from '../../src/session/events.ts';
import { evolve, evolveAll, liveRecordings } from '../../src/session/evolve.ts';
import { shortId } from '../../src/session/ids.ts';
import { permits } from '../../src/session/permits.ts';
import { proofSteps } from '../../src/session/proof.ts';
import { isRefusal } from '../../src/session/refusal.ts';
import { spokenEvent } from '../../src/session/spoken-event.ts';
import { isLive, type SessionState } from '../../src/session/state.ts';
import { rowOf, rowsOf } from '../../src/session/table.ts';
import { Evening } from './evening.ts';

const minute = 60_000;
const people = ['Hana', 'Ada', 'Ben', 'Cem', 'Nobody'];

/** The controlled recordings that run although they may not. */
function offences(state: SessionState, now: number): string[] {
  const found: string[] = [];
  for (const id of liveRecordings(state)) {
    const recording = rowOf(state.recordings, id);
    if (recording?.control !== 'roomtape') continue;
    const { participant, room } = recording;
    const verdict = permits(state, { participant, room }, now as never);
    if (!verdict.allowed) found.push(`${id} in ${room}: ${verdict.reason}`);
  }
  return found;
}

const name = fc.constantFrom(...people);
const room = fc.constantFrom('0', '1', '2', '3', 'Blue', '7');
const some = <Type>(arbitrary: fc.Arbitrary<Type>) => fc.option(arbitrary, { nil: undefined });
const briefMs = fc.constantFrom(1, 1000, minute, 5 * minute, 60 * minute);

const command: fc.Arbitrary<SessionCommand> = fc.oneof(
  fc.record({ type: fc.constant('add-rooms' as const), names: fc.constantFrom([''], ['Blue']) }),
  fc.record({ type: fc.constantFrom('remove-room' as const, 'recreate-room' as const), room }),
  fc.record({ type: fc.constant('open-rooms' as const), afterMs: briefMs, countdownMs: briefMs }),
  fc.record({ type: fc.constant('close-rooms' as const), countdownMs: fc.constantFrom(0, minute) }),
  fc.record({ type: fc.constant('move' as const), participant: name, room }),
  fc.record({ type: fc.constant('exchange' as const), one: name, other: name }),
  fc.record({ type: fc.constant('assign' as const), participants: fc.tuple(name), room }),
  fc.record({ type: fc.constant('enter' as const), participant: name, room }),
  fc.record({ type: fc.constant('leave' as const), participant: name, meeting: fc.boolean() }),
  fc
    .record({ to: some(name), rooms: fc.tuple(room), forMs: briefMs })
    .map(({ to, ...rest }) => ({ type: 'grant' as const, ...rest, ...(to ? { to } : {}) })),
  fc.record({ type: fc.constant('grant' as const), rooms: fc.constant('all' as const) }),
  fc.record({ type: fc.constant('revoke' as const), participant: name }),
  fc.record({ type: fc.constant('revoke' as const), all: fc.constant(true) }),
  fc.record({ type: fc.constant('request' as const), participant: name, room }),
  fc.record({
    type: fc.constant('set-policy' as const),
    policy: fc.constantFrom('ask' as const, 'auto-grant' as const, 'auto-deny' as const),
  }),
  fc.record({ type: fc.constant('name-cohost' as const), participant: name, forMs: briefMs }),
  fc.record({ type: fc.constant('remove-cohost' as const), participant: name }),
  fc.record({ type: fc.constant('remove-participant' as const), participant: name }),
  ...Array.from({ length: 14 }, () =>
    fc.record({
      type: fc.constant('record' as const),
      participant: name,
      room,
      control: fc.constantFrom('roomtape' as const, 'roomtape' as const, 'declared' as const),
    }),
  ),
  fc.record({
    type: fc.constantFrom('pause' as const, 'resume' as const, 'stop' as const),
    participant: name,
  }),
  fc.record({ type: fc.constant('continue' as const), participant: name }),
  fc.record({ type: fc.constant('observe' as const), participant: name, room }),
  fc.record({ type: fc.constant('rename-room' as const), room, name: fc.constantFrom('', 'New') }),
  fc.record({
    type: fc.constant('add-participants' as const),
    participants: fc.tuple(
      fc.record({ name: fc.constantFrom('Ada', 'Dora', ''), email: fc.constant('d@x.org') }),
    ),
  }),
  fc.record({
    type: fc.constant('pin-key' as const),
    participant: name,
    key: fc.constantFrom('k1', 'k2'),
    replace: fc.boolean(),
  }),
  fc.record({ type: fc.constant('assign-all' as const), how: fc.constant('evenly' as const) }),
  fc.record({ type: fc.constant('assign' as const), participants: fc.tuple(name) }),
  fc.constant({
    type: 'import-assignments' as const,
    assignments: { rooms: [{ name: 'Blue', emails: ['d@x.org'] }], notes: [] },
  }),
  fc.record({
    type: fc.constant('set-policy' as const),
    policy: fc.constantFrom('ask' as const, 'auto-grant' as const),
    room,
  }),
  fc.record({ type: fc.constant('revoke' as const), room }),
  fc.record({ type: fc.constant('rekey-self' as const), key: fc.constantFrom('h1', 'h2') }),
  fc.constant({ type: 'close-session' as const }),
);

/** Commands about something that is there already, by its place among its like. */
function aboutWhatIsThere(state: SessionState, nth: number): SessionCommand[] {
  const commands: SessionCommand[] = [];
  const request = [...rowsOf(state.requests)][nth];
  if (request) {
    const answer = nth % 2 === 0 ? 'granted' : 'denied';
    commands.push({ type: 'answer', request: request.id, answer });
  }
  const recording = [...rowsOf(state.recordings)][nth];
  if (recording) {
    commands.push({ type: 'approve-recording', recording: recording.id });
    const take = 'take_00000000000000000000000000';
    commands.push({ type: nth > 2 ? 'attach-take' : 'detach-take', recording: recording.id, take });
  }
  const grant = [...rowsOf(state.grants)][nth];
  if (grant) commands.push({ type: 'revoke', grant: shortId(grant.id) });
  return commands;
}

/** A command, or one about a recording that is there, asked by somebody a while later. */
const step = fc.record({
  command,
  actor: some(name),
  waitMs: fc.constantFrom(0, 0, 1, minute, 7 * minute, -30 * minute),
  ticks: fc.boolean(),
  recorder: fc.constantFrom('', '', 'interrupt', 'recorder-paused', 'recorder-resumed'),
  nth: fc.nat(5),
});

describe('given any evening', () => {
  test('whatever is commanded, no controlled recording runs without permission, at no event', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), (steps) => {
        const night = new Evening();
        night.do({ type: 'grant', to: 'Ada', rooms: 'all' });
        night.do({ type: 'name-cohost', participant: 'Ben' });
        for (const { command, actor, waitMs, ticks, recorder, nth } of steps) {
          night.pass(waitMs);
          const told: SessionEvent[] = [];
          const before = night.session;
          const run = (one: SessionCommand, who?: string) => {
            const decision = night.try(one, who);
            if (!isRefusal(decision)) told.push(...decision);
            else {
              expect(decision.problem).toMatch(/^.{5,}[.:!]$/u);
              expect(decision.next).toMatch(/\S{3}/);
            }
          };
          // A daemon asks what is due before anything else, so that time alone ends what must end.
          for (const one of due(night.session, night.now).commands) run(one);
          expect(due(night.session, night.now).commands).toEqual([]);
          const recording = [...rowsOf(night.session.recordings)][nth];
          if (recorder !== '' && recording) {
            if (recorder === 'interrupt') {
              run({ type: 'interrupt', recording: recording.id, cause: 'recorder-died' });
            } else run({ type: recorder as 'recorder-paused', recording: recording.id });
          }
          run(command, actor);
          if (nth > 1) for (const one of aboutWhatIsThere(night.session, nth - 2)) run(one, actor);
          if (ticks) run({ type: 'tick' });
          expect(offences(night.session, night.now)).toEqual([]);
          // At each single event too: were the last ones lost, nothing forbidden would be running.
          let each: SessionState = before;
          for (const event of told) {
            const previous = each;
            each = evolve(each, event) ?? each;
            expect(spokenEvent(each, event)).toMatch(/^\S.*\.$/u);
            expect(spokenEvent(previous, event)).toMatch(/\.$/u);
            expect(parseEvent(JSON.parse(JSON.stringify(event)))).toEqual(event);
            // What time alone ends, ends with the first event after it, and what was given just now
            // does not hold before: an offence is one by the clock before and by the clock after.
            const then = { ...each, watermark: before.watermark };
            const offended = (state: SessionState, at: number) =>
              new Set(offences(state, at).map((one) => one.slice(0, one.indexOf(' '))));
            const after = offended(each, night.now);
            const both = [...offended(then, before.watermark)].filter((one) => after.has(one));
            expect(both).toEqual([]);
          }
        }
        const again = evolveAll(undefined, JSON.parse(JSON.stringify(night.journal)));
        expect(again).toEqual(night.state);
        expect(board(night.session, night.now).length).toBeGreaterThan(0);
        for (const one of rowsOf(night.session.recordings)) {
          expect(proofSteps(night.session, one).length).toBeGreaterThan(0);
          expect(isLive(one)).toBe(one.endedAt === undefined);
          for (const { from, to } of one.intervals) if (to) expect(to).toBeGreaterThanOrEqual(from);
        }
      }),
      { numRuns: Number(process.env['ROOMTAPE_TEST_RUNS'] ?? 250) },
    );
  }, 900_000);

  test('permits always answers, whatever is asked of whom and when', () => {
    const night = new Evening();
    night.do({ type: 'grant', rooms: 'all', forMs: minute });
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.double(), (who, where, when) => {
        const wish = { participant: who, room: where } as never;
        const verdict = permits(night.session, wish, when as never);
        expect(verdict.allowed).toBe(false);
      }),
    );
  });
});

describe('given 1,000 participants in 100 rooms', () => {
  test('adding, assigning, granting, recording, moving and closing stay quick', () => {
    const rooms = Array.from({ length: 100 }, (_, at) => `R${at + 1}`);
    const names = Array.from({ length: 1000 }, (_, at) => `P${at + 1}`);
    const began = performance.now();
    const night = new Evening(rooms, names);
    night.do({ type: 'assign-all', how: 'random' });
    for (const to of names) night.do({ type: 'grant', to, rooms: ['all'], forMs: 60 * minute });
    for (const who of names) night.do({ type: 'record', control: 'roomtape' }, who);
    for (const who of names) night.do({ type: 'pause' }, who);
    for (const who of names) night.do({ type: 'resume' }, who);
    const shown = board(night.session, night.now);
    expect(shown[1]?.people).toHaveLength(10);
    expect(shown.flatMap((one) => one.people).filter((one) => one.mayRecord)).toHaveLength(1001);
    for (const [at, participant] of names.entries()) {
      night.do({ type: 'move', participant, room: String((at % 100) + 1) });
    }
    night.do({ type: 'revoke', all: true });
    expect(liveRecordings(night.session)).toEqual([]);
    const again = evolveAll(undefined, night.journal);
    expect(again?.recordings.size).toBe(night.session.recordings.size);
    const spentMs = performance.now() - began;
    console.log(`${night.journal.length} events decided and folded twice in ${spentMs | 0} ms`);
    expect(spentMs).toBeLessThan(20_000);
  });
});
