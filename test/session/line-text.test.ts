/**
 * What lines say, as JSON: every statement reads back, and no other JSON is taken for one.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instant, instant, type RoomId } from '../../src/session/ids.ts';
import { type Line, lineJson, parseLineJson, type RoomLine } from '../../src/session/line.ts';
import { joinedRanges } from '../../src/session/permission-events.ts';

const code = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyz'),
    minLength: length,
    maxLength: length,
  });
const key = fc.string({
  unit: fc.constantFrom(...'ABCxyz019-_'),
  minLength: 43,
  maxLength: 43,
});
const moment = fc.integer({ min: 0, max: 9_999_999_999_000 }).map(instant);
const name = fc.stringMatching(/^[A-Za-zäöü][A-Za-zäöü0-9]{0,20}$/);
const number = fc.integer({ min: 1, max: 100 });
const head = fc.record({ session: code(26).map((id) => `ses_${id}` as const), key, at: moment });
const span = fc.tuple(moment, fc.integer({ min: 1, max: 1e9 })).map(([from, length]) => ({
  from,
  until: instant(Math.min(from + length, 9_999_999_999_999)) as Instant,
}));
const roomId = fc
  .tuple(number, fc.integer({ min: 1, max: 9 }))
  .map(([room, generation]) => `${room}.${generation}` as RoomId);
const scope = fc.oneof(
  fc.constant('all' as const),
  fc.uniqueArray(roomId, { minLength: 1, maxLength: 5 }).map((ids) => inLineOrder(ids)),
);
const room: fc.Arbitrary<RoomLine> = fc
  .record({
    number,
    generation: fc.integer({ min: 1, max: 9 }),
    phase: fc.constantFrom('unopened', 'open', 'closing', 'closed', 'removed'),
    name: fc.option(name, { nil: undefined }),
    closesAt: fc.option(moment, { nil: undefined }),
  })
  .map((one) => defined(one) as RoomLine);
const ranges = fc
  .uniqueArray(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 60 })
  .map((serials) => joinedRanges(serials.map((one) => [one, one] as const)));

const line: fc.Arbitrary<Line> = fc
  .oneof(
    fc.record({
      kind: fc.constant('invitation'),
      topic: name,
      hostName: name,
      sequence: fc.nat(),
      rooms: fc.array(room, { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('request'),
      id: code(26).map((id) => `req_${id}`),
      name,
      room: roomId,
      reason: fc.option(name, { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant('grant'),
      id: code(26).map((id) => `grant_${id}`),
      serial: fc.nat(),
      toKey: fc.option(key, { nil: undefined }),
      toName: fc.option(name, { nil: undefined }),
      rooms: scope,
      roomNames: fc.dictionary(roomId, name, { maxKeys: 3 }),
      actions: fc.constant(['record']),
      span,
      via: fc.option(
        code(26).map((id) => `del_${id}`),
        { nil: undefined },
      ),
    }),
    fc.record({
      kind: fc.constant('revocations'),
      sequence: fc.nat(),
      serials: ranges,
      delegations: fc.array(
        code(26).map((id) => `del_${id}`),
        { maxLength: 2 },
      ),
      until: moment,
    }),
    fc.record({
      kind: fc.constant('rooms'),
      sequence: fc.nat(),
      rooms: fc.array(room, { maxLength: 3 }),
      closed: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('approval'), recording: code(26).map((id) => `rec_${id}`) }),
    fc.record({
      kind: fc.constant('delegation'),
      id: code(26).map((id) => `del_${id}`),
      toKey: key,
      toName: name,
      rooms: scope,
      span,
      longestGrantMs: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
    }),
  )
  .chain((body) =>
    head.map((first) => {
      const { span: time, ...rest } = body as typeof body & { span?: object };
      return defined({ ...first, ...rest, ...time }) as unknown as Line;
    }),
  );

function defined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
}

/** As a line lists them: by generation, then by number. */
function inLineOrder(ids: readonly RoomId[]): RoomId[] {
  const parts = (id: RoomId) => id.split('.').map(Number);
  return [...ids].sort((a, b) => {
    const [[one = 0, first = 0], [other = 0, second = 0]] = [parts(a), parts(b)];
    return first - second || one - other;
  });
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', '*', '1-0', '0-', '1+1.A', [], [[]], {}, -1, 1.5, 1e20),
  fc.jsonValue({ maxDepth: 2 }),
);

describe('given any statement', () => {
  test('whatever it says, its JSON says the same again', () => {
    fc.assert(
      fc.property(line, (one) => {
        const json = lineJson(one);
        expect(parseLineJson(json)).toEqual(one);
        expect(lineJson(parseLineJson(json) ?? one)).toBe(json);
      }),
      { numRuns: 1000 },
    );
  });

  test('whatever field is exchanged for something else, it is refused or well formed', () => {
    fc.assert(
      fc.property(line, fc.nat(20), junk, (one, place, value) => {
        const json = JSON.parse(lineJson(one)) as Record<string, unknown>;
        const field = Object.keys(json)[place % Object.keys(json).length] ?? 't';
        const back = parseLineJson(JSON.stringify({ ...json, [field]: value }));
        if (back) expect(parseLineJson(lineJson(back))).toEqual(back);
      }),
      { numRuns: 3000 },
    );
  });

  test('whatever JSON it is, nothing throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(parseLineJson(text)).toBeUndefined();
      }),
    );
  });
});
