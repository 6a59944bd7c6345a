/**
 * A host and two participants on three machines: permission goes from one to the other as pasted
 * text, and every machine decides for itself.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Machine } from './roomtape-command.ts';

interface Outgoing {
  readonly kind: string;
  readonly line: string;
}

interface Done {
  readonly session: string;
  readonly lines: readonly Outgoing[];
}

interface BoardRoom {
  readonly number: number;
  readonly name: string;
  readonly people: readonly {
    readonly name: string;
    readonly mayRecord: boolean;
    readonly recording?: { readonly state: string; readonly cause?: string };
  }[];
}

const machines: Machine[] = [];
const newMachine = () => {
  const machine = new Machine();
  machines.push(machine);
  return machine;
};
afterEach(async () => {
  await Promise.all(machines.splice(0).map((machine) => machine.end()));
});

/** The last line of a kind that a command gives out. */
async function lineFrom(machine: Machine, kind: string, ...words: string[]): Promise<string> {
  const results = await machine.json<Done & Outgoing>(...words);
  const lines = results.flatMap((one) => one.lines ?? [one]);
  const found = lines.filter((one) => one.kind === kind).at(-1);
  if (!found) throw new Error(`roomtape ${words.join(' ')} gave no ${kind}`);
  expect(found.line.length).toBeLessThanOrEqual(1000);
  return found.line;
}

async function refused(machine: Machine, ...words: string[]): Promise<string> {
  const { code, err } = await machine.run(...words);
  expect(code).toBe(4);
  expect(err).toMatch(/^roomtape: .+\nnext: {5}\S/);
  return err;
}

/** What is shown of one person in one room. */
async function shown(machine: Machine, room: number, name: string) {
  const rooms = await machine.json<BoardRoom>('room', 'show');
  return rooms.find((one) => one.number === room)?.people.find((person) => person.name === name);
}

/** Asks until something is so: the daemon acts by itself when time is due. */
async function until<Value>(
  ask: () => Promise<Value>,
  so: (value: Value) => boolean,
): Promise<Value> {
  for (;;) {
    const value = await ask();
    if (so(value)) return value;
  }
}

describe('given a host and two participants on three machines', () => {
  test('grant, expiry, withdrawal, request, co-host and key change', async () => {
    const [hana, ada, ben] = [newMachine(), newMachine(), newMachine()];
    const invitation = await lineFrom(
      hana,
      'invitation',
      ...['session', 'create', 'Seminar', '--room', 'Blue', 'Green', '--host', 'Hana'],
    );

    // Joined out of a chat, with words around the line.
    const chat = `18:01 Hana: please join:\n> ${invitation}, thanks!\n`;
    expect((await ada.runWith(chat, 'accept', '--name', 'Ada')).code).toBe(0);
    expect((await ben.run('join', invitation, '--name', 'Ben')).code).toBe(0);

    // Request, and its answer, as lines.
    const first = await refused(ada, 'record', '--room', '2');
    expect(first).toContain('next:     roomtape request --room 2');
    const request = await lineFrom(ada, 'request', 'request', '--room', '2', '--reason', 'minutes');
    const grant = await lineFrom(hana, 'grant', 'approve', request, '--for', '1h');
    expect(await refused(hana, 'accept', request)).toContain('already');
    expect(await refused(ben, 'accept', grant)).toContain('for Ada');
    const bent = grant.replace(/.$/, grant.endsWith('A') ? 'Q' : 'A');
    expect(await refused(ada, 'accept', bent)).toMatch(/signature|whole/);
    expect((await ada.run('accept', grant)).code).toBe(0);
    expect(await refused(ada, 'accept', grant)).toContain('already');
    expect((await ada.run('record', '--room', '2')).code).toBe(0);

    // Withdrawal reaches a machine that records.
    const withdrawal = await lineFrom(hana, 'revocations', 'revoke', 'Ada');
    expect((await ada.run('accept', withdrawal)).code).toBe(0);
    expect(await shown(ada, 2, 'Ada')).toMatchObject({ recording: { cause: 'revoked' } });
    expect(await refused(ada, 'record')).toContain('revoked');

    // A short grant ends a recording by itself.
    const brief = await lineFrom(hana, 'grant', 'grant', 'Ada', '--room', '2', '--for', '12s');
    expect((await ada.run('accept', brief)).code).toBe(0);
    expect((await ada.run('record')).code).toBe(0);
    const expired = await until(
      () => shown(ada, 2, 'Ada'),
      (person) => person?.recording?.state === 'stopped',
    );
    expect(expired).toMatchObject({ mayRecord: false, recording: { cause: 'expired' } });

    // A co-host, known to the host by a request, grants to everybody in one room.
    const asking = await lineFrom(ben, 'request', 'request', '--room', '1');
    expect((await hana.run('accept', asking)).code).toBe(0);
    const delegation = await lineFrom(
      hana,
      'delegation',
      ...['cohost', 'add', 'Ben', '--room', '1', '--for', '1h'],
    );
    expect((await ben.run('accept', delegation)).code).toBe(0);
    expect((await ben.run('record', '--room', '1')).code).toBe(0);
    const [fromBen] = await ben.json<Done>('grant', '--all', '--room', '1', '--for', '30m');
    const pasted = fromBen?.lines.map(({ line }) => line).join('\n') ?? '';
    expect((await ada.runWith(pasted, 'accept')).code).toBe(0);
    expect((await ada.run('record', '--room', '1')).code).toBe(0);
    expect((await ben.run('grant', '--all', '--room', '2')).code).toBe(4);

    // The host's key changes: refused loudly, until a person has compared it.
    await hana.json('identity', 'rotate');
    const anew = await lineFrom(hana, 'invitation', 'session', 'invite');
    expect(await refused(ada, 'accept', anew)).toContain('ANOTHER HOST KEY');
    const foreign = await lineFrom(hana, 'grant', 'grant', 'Ada', '--room', '2');
    expect(await refused(ada, 'accept', foreign)).toContain('ANOTHER KEY');
    expect((await ada.run('join', anew, '--trust-new-key')).code).toBe(0);
    expect((await ada.run('accept', foreign)).code).toBe(0);

    // What the host tells of rooms ends what is recorded there.
    const news = await lineFrom(hana, 'rooms', 'room', 'close', '1');
    expect((await ada.run('accept', news)).code).toBe(0);
    expect(await shown(ada, 0, 'Ada')).toMatchObject({ mayRecord: false });
    expect((await ada.run('record', '--room', '1')).err).toContain('Room 1 (Blue) is closed');
  }, 120_000);

  test('the journal of a machine is a chain, and an altered copy is found out', async () => {
    const hana = newMachine();
    await hana.json('session', 'create', 'Seminar', '--rooms', '2', '--host', 'Hana');
    await hana.json('participant', 'add', 'Ada', 'Ben');
    await hana.json('grant', 'Ada', '--room', '1');
    const file = join(hana.home, 'evening.audit');
    expect((await hana.run('audit', '--file', file)).code).toBe(0);
    const [good] = await hana.json<{ holds: boolean; entries: number }>('audit', 'verify', file);
    expect(good).toMatchObject({ holds: true });
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('"Ben', '"Bob').replace('\\"Ben', '\\"Bob'),
    );
    const bad = await hana.run('audit', 'verify', file);
    expect(bad.code).toBe(5);
    expect(bad.out).toMatch(/Entry \d+ was altered/);
    const { out } = await hana.run('audit', '--json');
    writeFileSync(join(hana.home, 'audit.json'), out);
    expect((await hana.run('audit', 'verify', join(hana.home, 'audit.json'))).code).toBe(0);
  }, 60_000);

  test('identity: shown, private, exported to a new file and taken over elsewhere', async () => {
    const [one, other] = [newMachine(), newMachine()];
    const [first] = await one.json<{ key: string; fingerprint: string }>('identity', 'show');
    expect(first?.fingerprint).toMatch(/^([a-z]{5}-){4}[a-z]{5}$/);
    const file = join(one.home, 'me.pem');
    expect((await one.run('identity', 'export', file)).code).toBe(0);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await one.run('identity', 'export', file)).code).toBe(1);
    const [taken] = await other.json<{ key: string }>('identity', 'import', file);
    expect(taken?.key).toBe(first?.key);
    const [rotated] = await other.json<{ key: string }>('identity', 'rotate');
    expect(rotated?.key).not.toBe(first?.key);
  }, 60_000);
});

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' });

describe.runIf(/OpenSSL [3-9]/.test(openssl.stdout ?? ''))('given evidence of a recording', () => {
  test('openssl and a shell find it sound, and find every change', async () => {
    const [hana, ada] = [newMachine(), newMachine()];
    const invitation = await lineFrom(hana, 'invitation', 'session', 'create', 'S', '--rooms', '1');
    await ada.run('join', invitation, '--name', 'Ada');
    const request = await lineFrom(ada, 'request', 'request', '--room', '1');
    await ada.run('accept', await lineFrom(hana, 'grant', 'approve', request));
    const [recorded] = await ada.json<{ events: { type: string; recording?: string }[] }>(
      ...['record', '--room', '1'],
    );
    await ada.run('stop');
    const id = recorded?.events.find((event) => event.recording)?.recording ?? '';
    const folder = join(ada.home, 'evidence');
    const made = await ada.run('export', id, '--evidence', '--out', folder);
    expect(made).toMatchObject({ code: 0 });
    const check = () => spawnSync('sh', [join(folder, 'verify.sh')], { encoding: 'utf8' });
    const sound = check();
    expect(sound.stdout).not.toContain('FAILED');
    expect(sound.stdout).toContain('ok      lines/grant was signed by its key');
    expect(sound.stdout).toContain("ok      the head was signed by this machine's key");
    expect(sound.status).toBe(0);
    for (const name of ['lines/grant.txt', 'head.txt', 'chain.txt', 'journal/2.txt']) {
      const path = join(folder, name);
      const whole = readFileSync(path, 'utf8');
      const at = whole.length >> 1;
      const changed = whole.charAt(at) === '0' ? '1' : '0';
      chmodSync(path, 0o600);
      writeFileSync(path, whole.slice(0, at) + changed + whole.slice(at + 1));
      expect(check()).toMatchObject({ status: 1 });
      writeFileSync(path, whole);
    }
    mkdirSync(join(folder, 'media'), { recursive: true });
    expect(check().status).toBe(0);
    expect((await ada.run('export', id, '--evidence', '--out', folder)).code).toBe(1);
  }, 60_000);
});
