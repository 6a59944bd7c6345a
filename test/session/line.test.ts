/**
 * Lines: what they say survives the way, and nothing else is believed.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/session/fingerprint.ts';
import { instant, type RoomId } from '../../src/session/ids.ts';
import {
  type Line,
  lineJson,
  longestLine,
  longestPayload,
  parseLineJson,
  parseScope,
  type RevocationLine,
  scopeText,
} from '../../src/session/line.ts';
import { commandsFor } from '../../src/session/line-acceptance.ts';
import {
  allRoomsLines,
  delegationLine,
  grantLine,
  invitation,
  requestLine,
  revocationLines,
  roomsLines,
  splitRevocations,
} from '../../src/session/line-making.ts';
import {
  findLines,
  readLine,
  type SignedLine,
  signLine,
} from '../../src/session/line-signature.ts';
import { openRequests } from '../../src/session/permission.ts';
import { joinedRanges } from '../../src/session/permission-events.ts';
import { isRefusal } from '../../src/session/refusal.ts';
import type { Delegation, Grant, PermissionRequest } from '../../src/session/state.ts';
import { rowsOf } from '../../src/session/table.ts';
import { Evening, evening } from './evening.ts';

const minute = 60_000;

interface Person {
  readonly key: string;
  readonly privateKey: KeyObject;
}

function newPerson(): Person {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, key: publicKey.export({ format: 'jwk' }).x ?? '' };
}

const hana = newPerson();
const ada = newPerson();
const ben = newPerson();

/** A host's session that others have joined, each on their own machine. */
class Meeting {
  readonly host = new Evening([], []);
  readonly at = new Map<Person, Evening>();

  constructor(rooms: readonly string[] = ['Blue', 'Green']) {
    this.host.state = undefined;
    this.host.do({
      type: 'create-session',
      topic: 'Seminar',
      hostName: 'Hana',
      hostKey: hana.key,
      rooms,
    });
  }

  async join(person: Person, name: string): Promise<Evening> {
    const evening = new Evening([], []);
    evening.state = undefined;
    this.at.set(person, evening);
    const line = await signLine(invitation(this.host.session, this.signer()), hana.privateKey);
    await this.accept(person, line, name);
    return evening;
  }

  signer(person = hana) {
    return { key: person.key, now: this.host.now };
  }

  /** What became of a line on somebody's machine: undefined when it was taken. */
  async accept(person: Person, text: string, name?: string): Promise<string | undefined> {
    const evening = person === hana ? this.host : this.at.get(person);
    if (!evening) throw new Error('has not joined');
    const line = await readLine(text);
    if (isRefusal(line)) return line.problem;
    const own = { key: person.key, name, trustNewKey: false };
    const known = evening.state?.id === line.line.session ? evening.state : undefined;
    const commands = commandsFor(line, known, own);
    if (isRefusal(commands)) return commands.problem;
    for (const command of commands) {
      const decision = evening.try(command);
      if (isRefusal(decision)) return decision.problem;
    }
    return undefined;
  }

  async grant(
    command: { to?: string; rooms: 'all' | string[]; forMs?: number; from?: number },
    actor?: string,
  ): Promise<string> {
    const { from, ...rest } = command;
    const time = from === undefined ? {} : { from: instant(from) };
    this.host.do({ type: 'grant', ...rest, ...time }, actor);
    const line = grantLine(this.host.session, latestGrant(this.host), this.signer());
    if (!line) throw new Error('the grant does not fit');
    return signLine(line, hana.privateKey);
  }
}

function latestGrant(evening: Evening): Grant {
  const [latest] = [...rowsOf(evening.session.grants)].sort((a, b) => b.serial - a.serial);
  if (!latest) throw new Error('no grant');
  return latest;
}

async function granted(): Promise<{ meeting: Meeting; adas: Evening; line: string }> {
  const meeting = new Meeting();
  const adas = await meeting.join(ada, 'Ada');
  meeting.host.do({ type: 'add-participants', participants: [{ name: 'Ada', key: ada.key }] });
  return {
    meeting,
    adas,
    line: await meeting.grant({ to: 'Ada', rooms: ['Blue'], forMs: minute }),
  };
}

function tokenWith(header: object, payload: string, signature: string): string {
  const code = (text: string) => Buffer.from(text).toString('base64url');
  return `rt1.${code(JSON.stringify(header))}.${code(payload)}.${signature}`;
}

describe('given a grant as a line', () => {
  test('it is found among words, taken, and permits what it says', async () => {
    const { meeting, adas, line } = await granted();
    expect(line.length).toBeLessThanOrEqual(longestLine);
    const chat = `18:02 Hana: here you are:\n> “${line}”, good luck. (rt1 is not one)`;
    expect(findLines(chat)).toEqual([line]);
    expect(adas.refused({ type: 'record', room: 'Blue' }).exit).toBe(4);
    expect(await meeting.accept(ada, line)).toBeUndefined();
    adas.do({ type: 'record', room: 'Blue', control: 'roomtape' });
    expect(adas.refused({ type: 'request', room: 'Blue' }).problem).toContain('already');
    adas.pass(minute);
    adas.do({ type: 'tick' });
    expect(adas.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'expired' }]);
  });

  test('wrong signature, wrong algorithm, wrong version and too long are refused, each by name', async () => {
    const { line } = await granted();
    const [, , payload = '', signature = ''] = line.split('.');
    const json = Buffer.from(payload, 'base64url').toString();
    const problem = async (text: string) => {
      const read = await readLine(text);
      return isRefusal(read) ? `${read.exit} ${read.problem}` : 'taken';
    };
    expect(await problem(tokenWith({ alg: 'none' }, json, ''))).toContain('not whole');
    expect(await problem(tokenWith({ alg: 'none' }, json, signature))).toMatch(/4 .*“none”/);
    expect(await problem(tokenWith({ alg: 'HS256' }, json, signature))).toContain('“HS256”');
    expect(await problem(tokenWith({ alg: 'EdDSA', kid: 'x' }, json, signature))).toContain(
      'header',
    );
    expect(await problem(line.replace('rt1.', 'rt2.'))).toContain('version 2');
    expect(await problem(`${line}${'A'.repeat(1000)}`)).toContain('characters');
    expect(await problem(line.slice(0, -1))).toContain('not whole');
    const other = sign(null, Buffer.from(line.slice(4, line.lastIndexOf('.'))), ben.privateKey);
    const forged = `${line.slice(0, line.lastIndexOf('.'))}.${other.toString('base64url')}`;
    expect(await problem(forged)).toContain('signature');
  });

  test('wrong person, wrong session, too early, expired, revoked and replayed are refused', async () => {
    const { meeting, adas, line } = await granted();
    await meeting.join(ben, 'Ben');
    expect(await meeting.accept(ben, line)).toContain('for Ada');
    const elsewhere = new Meeting();
    elsewhere.at.set(ada, new Evening());
    expect(await elsewhere.accept(ada, line)).toContain('not joined here');
    const early = await meeting.grant({
      to: 'Ada',
      rooms: ['Green'],
      from: meeting.host.now + 10 * minute,
      forMs: 5 * minute,
    });
    expect(await meeting.accept(ada, early)).toBeUndefined();
    expect(adas.refused({ type: 'record', room: 'Green' }).problem).toContain('yet');
    adas.pass(8 * minute);
    adas.do({ type: 'record', room: 'Green' });
    expect(await meeting.accept(ada, line)).toContain('expired');
    expect(await meeting.accept(ada, early)).toContain('already');
    adas.pass(-8 * minute);
    expect(await meeting.accept(ada, line)).toContain('expired');
  });

  test('a revocation that comes before its grant still holds', async () => {
    const { meeting, adas, line } = await granted();
    meeting.host.do({ type: 'revoke', participant: 'Ada' });
    const [list] = revocationLines(meeting.host.session, meeting.signer());
    if (!list) throw new Error('nothing was revoked');
    const text = await signLine(list, hana.privateKey);
    expect(await meeting.accept(ada, text)).toBeUndefined();
    expect(await meeting.accept(ada, line)).toContain('revoked');
    expect(await meeting.accept(ada, text)).toContain('already');
    expect(adas.refused({ type: 'record', room: 'Blue' }).exit).toBe(4);
  });

  test('a line signed in the future is refused, two minutes are forgiven', async () => {
    const { meeting, adas } = await granted();
    meeting.host.pass(minute);
    const soon = await meeting.grant({ to: 'Ada', rooms: ['Green'] });
    expect(await meeting.accept(ada, soon)).toBeUndefined();
    adas.do({ type: 'record', room: 'Green' });
    meeting.host.pass(5 * minute);
    const late = await meeting.grant({ to: 'Ada', rooms: ['Green'] });
    expect(await meeting.accept(ada, late)).toContain('clock');
  });
});

describe('given hosts and co-hosts', () => {
  test("somebody else's key is refused loudly, also for an invitation to the same session", async () => {
    const { meeting } = await granted();
    const eve = newPerson();
    const fake = invitation(meeting.host.session, { key: eve.key, now: meeting.host.now });
    const text = await signLine(fake, eve.privateKey);
    expect(await meeting.accept(ada, text, 'Ada')).toContain('ANOTHER HOST KEY');
    meeting.host.do({ type: 'grant', to: 'Ada', rooms: 'all' });
    const grant = grantLine(meeting.host.session, latestGrant(meeting.host), {
      key: eve.key,
      now: meeting.host.now,
    });
    if (!grant) throw new Error('no line');
    expect(await meeting.accept(ada, await signLine(grant, eve.privateKey))).toContain(
      'ANOTHER KEY',
    );
  });

  test('a co-host grants within the delegation, and beyond it is refused by whoever reads it', async () => {
    const { meeting, adas } = await granted();
    const bens = await meeting.join(ben, 'Ben');
    meeting.host.do({ type: 'add-participants', participants: [{ name: 'Ben', key: ben.key }] });
    meeting.host.do({ type: 'name-cohost', participant: 'Ben', rooms: ['1'], forMs: 60 * minute });
    const [delegation] = [...rowsOf(meeting.host.session.cohosts)] as [Delegation];
    const line = delegationLine(meeting.host.session, delegation, meeting.signer());
    if (!line) throw new Error('no line');
    const text = await signLine(line, hana.privateKey);
    expect(await meeting.accept(ben, text)).toBeUndefined();
    bens.do({ type: 'add-participants', participants: [{ name: 'Ada', key: ada.key }] });
    bens.do({ type: 'grant', to: 'Ada', rooms: ['1'], forMs: minute });
    const signer = meeting.signer(ben);
    const fromBen = grantLine(bens.session, latestGrant(bens), signer);
    if (!fromBen) throw new Error('no line');
    const granting = await signLine(fromBen, ben.privateKey);
    expect(await meeting.accept(ada, granting)).toContain('no co-host known here');
    expect(await meeting.accept(ada, text)).toBeUndefined();
    const greedy: Line = { ...fromBen, rooms: 'all' };
    expect(await meeting.accept(ada, await signLine(greedy, ben.privateKey))).toContain(
      'this much',
    );
    const longer: Line = { ...fromBen, until: instant(delegation.until + 1) };
    expect(await meeting.accept(ada, await signLine(longer, ben.privateKey))).toContain(
      'this much',
    );
    expect(await meeting.accept(ada, granting)).toBeUndefined();
    adas.do({ type: 'record', room: '1', control: 'roomtape' });
    meeting.host.do({ type: 'remove-cohost', participant: 'Ben' });
    const [list] = revocationLines(meeting.host.session, meeting.signer());
    if (!list) throw new Error('nothing was withdrawn');
    expect(await meeting.accept(ada, await signLine(list, hana.privateKey))).toBeUndefined();
    expect(adas.recordings('Ada')).toMatchObject([{ state: 'stopped', cause: 'revoked' }]);
  });

  test('a request travels to the host, who learns the key from it; a second key is refused', async () => {
    const { meeting } = await granted();
    const bens = await meeting.join(ben, 'Ben');
    bens.do({ type: 'request', room: '2' });
    bens.do({ type: 'request', room: '2', reason: 'minutes of the group' });
    const [asked] = openRequests(bens.session) as [PermissionRequest];
    const line = requestLine(bens.session, asked, meeting.signer(ben));
    const text = await signLine(line, ben.privateKey);
    expect(await meeting.accept(hana, text)).toBeUndefined();
    meeting.host.do({ type: 'answer', request: asked.id, answer: 'granted' });
    expect(await meeting.accept(hana, text)).toContain('already');
    const eve = newPerson();
    const again = { ...line, id: 'req_00000000000000000000000000', key: eve.key } as const;
    expect(await meeting.accept(hana, await signLine(again, eve.privateKey))).toContain(
      'ANOTHER KEY',
    );
  });

  test('the longest names, topics and reasons are cut until the line fits', async () => {
    const host = new Evening([], []);
    host.state = undefined;
    const hostName = 'ü'.repeat(64);
    const rooms = Array.from({ length: 30 }, () => 'ö'.repeat(32));
    const topic = '漢'.repeat(200);
    host.do({ type: 'create-session', topic, hostName, hostKey: hana.key, rooms });
    const line = invitation(host.session, { key: hana.key, now: host.now });
    const text = await signLine(line, hana.privateKey);
    expect(text.length).toBeLessThanOrEqual(longestLine);
    expect(topic.startsWith(line.topic)).toBe(true);
    const rest = allRoomsLines(host.session, { key: hana.key, now: host.now }, line.rooms.length);
    const told = [...line.rooms, ...rest.flatMap((one) => one.rooms)];
    expect(new Set(told.map((room) => room.number)).size).toBe(30);
    host.do({ type: 'add-participants', participants: [{ name: '漢'.repeat(64) }] });
    const reason = '漢'.repeat(200);
    host.do({ type: 'request', participant: '漢'.repeat(64), room: '1', reason });
    const [asked] = [...rowsOf(host.session.requests)] as [PermissionRequest];
    const request = requestLine(host.session, asked, { key: ada.key, now: host.now });
    expect((await signLine(request, ada.privateKey)).length).toBeLessThanOrEqual(longestLine);
    const odd = Array.from({ length: 15 }, (_, at) => String(2 * at + 1));
    host.do({ type: 'grant', to: '漢'.repeat(64), rooms: odd });
    const grant = grantLine(host.session, latestGrant(host), { key: hana.key, now: host.now });
    expect(grant).toMatchObject({ roomNames: {} });
  });

  test('a key that a person compared is taken, for the host and for oneself', async () => {
    const { meeting, adas, line } = await granted();
    const fresh = newPerson();
    meeting.host.do({ type: 'rekey-self', key: fresh.key });
    expect(meeting.host.session.hostKey).toBe(fresh.key);
    const signer = { key: fresh.key, now: meeting.host.now };
    const text = await signLine(invitation(meeting.host.session, signer), fresh.privateKey);
    expect(await meeting.accept(ada, text, 'Ada')).toContain('ANOTHER HOST KEY');
    const read = await readLine(text);
    if (isRefusal(read)) throw new Error(read.problem);
    const trusting = { key: ada.key, name: 'Ada', trustNewKey: true };
    expect(commandsFor(read, adas.session, trusting)).toEqual([
      { type: 'rekey-host', key: fresh.key },
    ]);
    adas.do({ type: 'rekey-host', key: fresh.key });
    expect(await meeting.accept(ada, line)).toContain('ANOTHER KEY');
    expect(await meeting.accept(ada, text, 'Ada')).toContain('known here already');
    const nobody = { ...trusting, name: undefined };
    expect(commandsFor(read, undefined, nobody)).toMatchObject({ exit: 2 });
    expect(commandsFor(read, meeting.host.session, nobody)).toMatchObject({ exit: 4 });
    adas.do({ type: 'rekey-self', key: ben.key });
    adas.do({ type: 'rekey-self', key: ben.key });
    const self = [...rowsOf(adas.session.participants)].find(({ name }) => name === 'Ada');
    expect(self?.key).toBe(ben.key);
  });

  test('the line by which a grant went is kept with it', () => {
    const meeting = new Meeting();
    meeting.host.do({ type: 'grant', rooms: 'all' });
    meeting.host.do({ type: 'add-participants', participants: [{ name: 'Ben', key: ben.key }] });
    meeting.host.do({ type: 'name-cohost', participant: 'Ben' });
    const [delegation] = [...rowsOf(meeting.host.session.cohosts)] as [Delegation];
    const lines = [
      { of: latestGrant(meeting.host).id, line: 'rt1.a' },
      { of: delegation.id, line: 'rt1.b' },
      { of: 'grant_00000000000000000000000000', line: 'rt1.c' },
    ] as const;
    meeting.host.do({ type: 'keep-lines', lines });
    expect(latestGrant(meeting.host).line).toBe('rt1.a');
    expect([...rowsOf(meeting.host.session.cohosts)][0]?.line).toBe('rt1.b');
  });

  test('the end of a session and withdrawn co-hosts reach the others', async () => {
    const { meeting, adas } = await granted();
    const list: Line = {
      ...emptyList,
      session: meeting.host.session.id,
      serials: [[7, 9]],
      delegations: ['del_00000000000000000000000000'],
      until: instant(evening + minute),
    };
    expect(await meeting.accept(ada, await signLine(list, hana.privateKey))).toBeUndefined();
    const byBen = { ...list, key: ben.key };
    expect(await meeting.accept(ada, await signLine(byBen, ben.privateKey))).toContain('ANOTHER');
    const over = { ...list, until: evening };
    expect(await meeting.accept(ada, await signLine(over, hana.privateKey))).toContain('by itself');
    const events = meeting.host.do({ type: 'close-session' });
    const [news] = roomsLines(meeting.host.session, events, meeting.signer());
    if (!news) throw new Error('nothing was told');
    const text = await signLine(news, hana.privateKey);
    expect(await meeting.accept(ada, text)).toBeUndefined();
    expect(adas.refused({ type: 'record' }).exit).toBe(4);
    expect(await meeting.accept(ada, text)).toBeUndefined();
  });

  test('the host approves afterwards what another machine recorded, and only the host', async () => {
    const { meeting, adas } = await granted();
    adas.do({ type: 'observe', room: 'Green' });
    const [seen] = adas.recordings('Ada');
    if (!seen) throw new Error('nothing was seen');
    expect(adas.refused({ type: 'approve-recording', recording: seen.id }).exit).toBe(4);
    meeting.host.do({ type: 'approve-recording', recording: seen.id });
    const head = { session: meeting.host.session.id, at: meeting.host.now };
    const approval = (key: string, recording = seen.id): Line => ({
      kind: 'approval',
      ...head,
      key,
      recording,
    });
    const byEve = await signLine(approval(ben.key), ben.privateKey);
    expect(await meeting.accept(ada, byEve)).toContain('ANOTHER KEY');
    const other = approval(hana.key, 'rec_00000000000000000000000000');
    expect(await meeting.accept(ada, await signLine(other, hana.privateKey))).toContain('not made');
    const text = await signLine(approval(hana.key), hana.privateKey);
    expect(await meeting.accept(ada, text)).toBeUndefined();
    expect(await meeting.accept(ada, text)).toContain('already');
    const { host } = adas.session;
    expect(adas.recordings('Ada')[0]?.permission).toMatchObject({ kind: 'approved', by: host });
  });

  test('news of 100 rooms with long names fit into lines, and none undoes a later one', async () => {
    const names = Array.from({ length: 100 }, (_, at) => `${at} ${'ü'.repeat(28)}`);
    const meeting = new Meeting(names);
    const adas = await meeting.join(ada, 'Ada');
    const sign = async (line: Line) => signLine(line, hana.privateKey);
    const news = (type: 'open-rooms' | 'close-rooms') => {
      const events = meeting.host.do({ type });
      const lines = roomsLines(meeting.host.session, events, meeting.signer());
      return Promise.all(lines.map(sign));
    };
    const early = await news('open-rooms');
    const late = await news('close-rooms');
    for (const line of [...late, ...early]) {
      expect(line.length).toBeLessThanOrEqual(longestLine);
      await meeting.accept(ada, line);
    }
    const rooms = Object.values(adas.session.rooms).filter((room) => room.number > 0);
    expect(rooms).toHaveLength(100);
    expect(rooms.every((room) => room.phase === 'closed')).toBe(true);
    expect(rooms.find((room) => room.number === 77)?.name).toBe(names[76]);
  });

  test('a thousand revocations scattered among two thousand grants are one line', async () => {
    const meeting = new Meeting();
    for (let at = 0; at < 2000; at++) meeting.host.do({ type: 'grant', rooms: ['1'] });
    for (const grant of rowsOf(meeting.host.session.grants)) {
      if (grant.serial % 3 === 0) meeting.host.do({ type: 'revoke', grant: grant.id });
    }
    const [list, ...more] = revocationLines(meeting.host.session, meeting.signer());
    if (!list) throw new Error('nothing was withdrawn');
    expect(more).toEqual([]);
    expect(list.serials).toHaveLength(666);
    const read = await readLine(await signLine(list, hana.privateKey));
    expect(read).toMatchObject({ line: list });
  });

  test('however many revocations there are, each line is short and together they say all', () => {
    const serial = fc.integer({ min: 1, max: 30_000 });
    fc.assert(
      fc.property(fc.uniqueArray(serial, { minLength: 1, maxLength: 3000 }), (serials) => {
        const ranges = joinedRanges(serials.map((one) => [one, one] as const));
        const empty = { ...emptyList, serials: [] };
        const lines = splitRevocations(ranges, [], empty);
        const said = lines.flatMap((line) => {
          const json = lineJson(line);
          expect(json.length).toBeLessThanOrEqual(longestPayload);
          const back = parseLineJson(json);
          return back?.kind === 'revocations' ? back.serials : [];
        });
        expect(joinedRanges(said)).toEqual(ranges);
      }),
      { numRuns: 30 },
    );
  });
});

const emptyList: RevocationLine = {
  kind: 'revocations',
  session: 'ses_00000000000000000000000000',
  key: hana.key,
  at: evening,
  sequence: 1,
  serials: [],
  delegations: [],
  until: evening,
};

describe('given any line', () => {
  test('whatever rooms a grant names, they are written and read back', () => {
    const room = fc
      .tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 3 }))
      .map(([number, generation]) => `${number}.${generation}` as RoomId);
    fc.assert(
      fc.property(fc.uniqueArray(room, { minLength: 1 }), (rooms) => {
        const back = parseScope(scopeText(rooms));
        expect(new Set(back)).toEqual(new Set(rooms));
      }),
    );
  });

  test('whatever is changed in a line, it is refused or means exactly the same', async () => {
    const runs = Number(process.env['ROOMTAPE_TEST_RUNS'] ?? 100_000);
    const { meeting, line: grant } = await granted();
    const invite = await signLine(
      invitation(meeting.host.session, meeting.signer()),
      hana.privateKey,
    );
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';
    const originals: SignedLine[] = [];
    for (const text of [grant, invite]) {
      const read = await readLine(text);
      if (isRefusal(read)) throw new Error(read.problem);
      originals.push(read);
    }
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    const outcomes = { refused: 0, same: 0 };
    for (let run = 0; run < runs; run++) {
      const original = originals[run % 2];
      if (!original) break;
      const read = await readLine(mutated(original.text, random, alphabet));
      if (isRefusal(read)) outcomes.refused++;
      else {
        expect(read.line).toEqual(original.line);
        outcomes.same++;
      }
    }
    expect(outcomes.refused + outcomes.same).toBe(runs);
    expect(outcomes.refused).toBeGreaterThan(runs * 0.95);
  });

  test('whatever text is searched or read as a line, nothing throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (text) => {
        for (const line of findLines(`${text} rt1.${text}`)) {
          expect(isRefusal(await readLine(line))).toBe(true);
        }
        expect(isRefusal(await readLine(text))).toBe(true);
      }),
    );
  });

  test('a fingerprint is five speakable groups, and differs between keys', () => {
    expect(fingerprint(hana.key)).toMatch(
      /^([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]-){4}\w{5}$/,
    );
    expect(fingerprint(hana.key)).not.toBe(fingerprint(ada.key));
  });
});

function mutated(text: string, random: (below: number) => number, alphabet: string): string {
  let changed = text;
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(changed.length);
    const char = alphabet.charAt(random(alphabet.length));
    const kind = random(4);
    if (kind === 0) changed = changed.slice(0, at) + char + changed.slice(at + 1);
    else if (kind === 1) changed = changed.slice(0, at) + changed.slice(at + 1);
    else if (kind === 2) changed = changed.slice(0, at) + char + changed.slice(at);
    else {
      // One bit of one character, as a bad copy would.
      const bit = String.fromCharCode(changed.charCodeAt(at) ^ (1 << random(7)));
      changed = changed.slice(0, at) + bit + changed.slice(at + 1);
    }
  }
  return changed;
}
