/** `list`, `search`, `show`, `open`, `tag`, `export` and `recover` by id, against a real daemon. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Machine } from '../story/roomtape-command.ts';
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';

interface Listed {
  readonly id: string;
  readonly session: { readonly topic: string } | null;
  readonly room: { readonly name: string } | null;
  readonly participant: { readonly name: string } | null;
  readonly state: string;
  readonly permission: string;
  readonly intervals: readonly (readonly [number, number | null])[];
  readonly takes: readonly {
    readonly id: string;
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
    readonly durationMs: number | null;
    readonly bytes: number;
    readonly sha256: string | null;
    readonly stage: string;
  }[];
}

const folder = temporaryFolder('recordings');
const watched = join(folder, 'Videos');
const machine = new Machine();
const whole = join(watched, 'budget talk.mp4');
const torn = join(watched, 'retrospective.mp4');

beforeAll(async () => {
  mkdirSync(watched);
  const made = join(folder, 'made.mp4');
  runFfmpeg(...pictureAndTone(4), ...h264AndAac, made);
  const bytes = Buffer.from(readFileSync(made));
  const mdat = bytes.indexOf('mdat') - 4;
  const part = bytes.subarray(0, Math.floor(mdat + bytes.readUInt32BE(mdat) * 0.8));
  part.writeUInt32BE(0, mdat);
  await machine.json('watch', 'add', watched);
  copyFileSync(made, whole);
  writeFileSync(torn, part);
  // A file that grows while a session is open belongs to it: the session comes later.
  for (;;) {
    const takes = (await machine.json<Listed>('list')).flatMap((one) => one.takes);
    if (takes.filter(({ stage }) => stage === 'indexed').length === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await machine.json(
    'session',
    'create',
    '=Team day',
    '--room',
    'Alpha',
    'Beta',
    '--host',
    'Grace',
  );
});
afterAll(() => machine.end());

const takeOf = async (path: string) => {
  const found = (await machine.json<Listed>('list')).find(({ takes }) => takes[0]?.path === path);
  const take = found?.takes[0];
  if (!found || !take) throw new Error(`${path} is not listed`);
  return { recording: found, take };
};

describe('given a whole and an interrupted recording in a watched folder', () => {
  test('list has every field of the contract', async () => {
    const { recording, take } = await takeOf(torn);
    expect(recording).toMatchObject({
      id: expect.stringMatching(/^rec_/),
      session: null,
      room: null,
      participant: null,
      state: 'interrupted',
      permission: expect.any(String),
      intervals: [[expect.any(Number), expect.any(Number)]],
    });
    expect(take).toMatchObject({
      id: expect.stringMatching(/^take_/),
      verdict: 'interrupted',
      recoveredPath: join(watched, 'retrospective.recovered.mp4'),
      durationMs: expect.any(Number),
      bytes: readFileSync(torn).length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test('filters choose by verdict, state and time, and a filter that nothing fits is no error', async () => {
    const paths = async (...words: string[]) =>
      (await machine.json<Listed>('list', ...words)).flatMap(({ takes }) => takes[0]?.path);
    expect(await paths('--verdict', 'interrupted')).toEqual([torn]);
    expect(await paths('--verdict', 'whole')).toEqual([whole]);
    expect(await paths('--state', 'interrupted')).toEqual([torn]);
    expect(await paths('--since', '2h')).toHaveLength(2);
    expect(await paths('--since', '2h', '--until', '1h')).toEqual([]);
    expect(await paths('--session', 'nobody knows it')).toEqual([]);
    expect((await machine.run('list', '--since', 'yesterdayish')).code).toBe(2);
    expect((await machine.run('list', '--limit', '0')).code).toBe(2);
    expect((await machine.run('list', '--verdict', 'broken')).code).toBe(2);
  });

  test('a list longer than its limit goes on where it ended', async () => {
    const first = JSON.parse((await machine.run('list', '--limit', '1', '--json')).out);
    expect(first.results).toHaveLength(1);
    const rest = await machine.json<Listed>('list', '--limit', '1', '--from', first.next);
    expect(rest).toHaveLength(1);
    expect(rest[0]?.id).not.toBe(first.results[0].id);
  });

  test('search finds by a word of the file name, and takes whatever is typed', async () => {
    const found = await machine.json<Listed>('search', 'retrospective');
    expect(found.map(({ takes }) => takes[0]?.path)).toEqual([torn]);
    for (const text of ['"', "'; DROP TABLE takes; --", 'a AND OR NOT (', '*', 'NEAR(']) {
      expect((await machine.run('search', text)).code).toBe(0);
    }
  });

  test('show takes the id of a recording or a take, shortened where unique', async () => {
    const { recording, take } = await takeOf(torn);
    for (const id of [recording.id, take.id, take.id.slice(0, 10), take.id.slice(5, 10)]) {
      const [shown] = await machine.json<Listed>('show', id);
      expect(shown?.id).toBe(recording.id);
    }
    const { out } = await machine.run('show', take.id);
    expect(out).toContain(take.sha256 ?? 'a digest');
    expect(out).toContain('retrospective.recovered.mp4');
  });

  test('an unknown id is wrong usage and names the next command', async () => {
    for (const words of [
      ['show', 'rec_zzzzz'],
      ['recover', 'take_zzzzz'],
      ['verify', 'zzzzz'],
    ]) {
      const { code, err } = await machine.run(...words);
      expect(code).toBe(2);
      expect(err).toContain('next:     roomtape list');
    }
    const { code, err } = await machine.run('show', 'rec_');
    expect(code).toBe(2);
    expect(err).toContain('may mean 2');
  });

  test('open names the recovered file, and says when it is gone', async () => {
    const { take } = await takeOf(torn);
    const { out } = await machine.run('open', take.id, '--print');
    expect(out.trim()).toBe(join(watched, 'retrospective.recovered.mp4'));
  });

  test('recover and verify by id end like those on files', async () => {
    const { take } = await takeOf(torn);
    const [recovered] = await machine.json('recover', take.id);
    expect(recovered).toMatchObject({
      id: take.id,
      verdict: 'interrupted',
      output: take.recoveredPath,
      verification: { structure: 'ok', decode: 'ok', errors: 0 },
    });
    const [verified] = await machine.json('verify', take.id);
    expect(verified).toMatchObject({ path: take.recoveredPath, verdict: 'whole' });
    const sound = await takeOf(whole);
    expect((await machine.run('recover', sound.take.id)).code).toBe(0);
  });

  test('tag puts a take under a session, a room and a person, and it can be found there', async () => {
    const { take } = await takeOf(whole);
    const none = await machine.run('tag', take.id);
    expect(none.code).toBe(2);
    const [tagged] = await machine.json<Listed>(
      ...['tag', take.id, '--session', '=Team day', '--room', 'Alpha', '--participant', 'Grace'],
    );
    expect(tagged).toMatchObject({
      session: { topic: '=Team day' },
      room: { name: 'Alpha' },
      participant: { name: 'Grace' },
    });
    const inRoom = await machine.json<Listed>('list', '--room', 'Alpha');
    expect(inRoom.flatMap(({ takes }) => takes.map(({ id }) => id))).toEqual([take.id]);
    expect(await machine.json<Listed>('search', 'Team')).toHaveLength(1);
    const wrong = await machine.run('tag', take.id, '--room', 'Gamma');
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('has no room');
  });

  test('export writes every take as CSV that no spreadsheet runs, or as JSON, never over a file', async () => {
    const { out } = await machine.run('export', '--format', 'csv');
    const rows = out.trim().split('\r\n');
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(/^recording,session,room,participant,state,permission/);
    expect(out).toContain(torn);
    expect(out).toContain(",'=Team day,");
    const file = join(folder, 'list.json');
    expect((await machine.run('export', '--format', 'json', '--out', file)).code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).results).toHaveLength(2);
    const again = await machine.run('export', '--format', 'json', '--out', file);
    expect(again.code).toBe(1);
    expect(again.err).toContain('exists already');
    expect((await machine.run('export', '--format', 'xml')).code).toBe(2);
    expect(existsSync(whole)).toBe(true);
  });
});
