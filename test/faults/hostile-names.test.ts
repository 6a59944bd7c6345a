/**
 * Names and files made to hurt, in a watched folder and on the command line.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { mainFile } from '../story/roomtape-command.ts';
import { Ground, until } from './daemon-under-fault.ts';

const seed = readFileSync(
  join(import.meta.dirname, '..', '..', 'fixtures', 'seeds', 'h264-aac.mkv'),
);

/** Names that a file can have and a person would rather not see raw. */
const names = [
  'line\nbreak.mkv',
  'carriage\rreturn.mkv',
  'tab\there.mkv',
  'red \u001b[31mtext\u001b[0m.mkv',
  'title \u001b]0;owned\u0007.mkv',
  'right-to-left \u202Egpj.mkv',
  'zero\u200Bwidth.mkv',
  'c1 \u009b31m.mkv',
  'r\u043e\u043em.mkv',
  'room.mkv',
  '-rf.mkv',
  'quote\'"$(touch owned)`.mkv',
  `${'n'.repeat(251)}.mkv`,
  `${'\u00e4'.repeat(125)}.mkv`,
];

// Everything that moves the cursor, colours, or turns the direction of writing; no line end.
const raw = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2066-\u2069]/;

const opened: Ground[] = [];
afterEach(async () => {
  for (const ground of opened.splice(0)) await ground.end();
});

describe.runIf(process.platform === 'linux')('given a folder full of hostile names', () => {
  test('each file is a take of its own, printed escaped, and found by inspect', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    for (const name of names) writeFileSync(ground.path(name), seed);
    // Invalid UTF-8: no string of ours can name it.
    writeFileSync(
      Buffer.concat([
        Buffer.from(`${ground.watched}/bad `),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('.mkv'),
      ]),
      seed,
    );
    execFileSync('mkfifo', [ground.path('pipe.mkv')]);
    symlinkSync('/etc/passwd', ground.path('link.mkv'));
    symlinkSync('/', ground.path('everything'));
    mkdirSync(ground.path('folder.mkv'));
    const takes = await until(async () => {
      const found = await ground.takes();
      return (
        found.length >= names.length && found.every(({ stage }) => stage === 'indexed') && found
      );
    });
    const known = takes.map(({ path }) => path);
    for (const name of names) expect(known).toContain(ground.path(name));
    for (const name of ['pipe.mkv', 'link.mkv', 'everything', 'folder.mkv']) {
      expect(known.some((path) => path.startsWith(ground.path(name)))).toBe(false);
    }
    for (const words of [
      ['list'],
      ['status'],
      ['watch', 'list'],
      ['search', 'mkv'],
      ['doctor'],
      ['logs'],
    ]) {
      const { out, err } = await ground.machine.run(...words);
      expect(`${out}${err}`.replaceAll('\t', '')).not.toMatch(raw);
    }
    const { code, out, err } = await ground.machine.run(
      'inspect',
      ...names.map((name) => ground.path(name)),
    );
    expect(code).toBe(0);
    expect(`${out}${err}`.replaceAll('\t', '')).not.toMatch(raw);
  });

  test('a name that is no UTF-8 is told with its folder, and on the command line with what to do', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    const bytes = Buffer.concat([
      Buffer.from(`${ground.watched}/bad `),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('.mkv'),
    ]);
    writeFileSync(bytes, seed);
    writeFileSync(ground.path('good.mkv'), seed);
    await ground.indexed(ground.path('good.mkv'));
    const listed = await until(async () => {
      const { out } = await ground.machine.run('watch', 'list');
      return out.includes('valid UTF-8') && out;
    });
    expect(listed).toContain(
      `${ground.watched}/bad \uFFFD\uFFFD.mkv: the name is not valid UTF-8, rename`,
    );
    // A shell hands on the bytes as they are.
    const words = `"${process.execPath}" "${mainFile}" inspect ${ground.watched}/bad*`;
    const { status, stderr } = spawnSync('sh', ['-c', words], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('may not be valid UTF-8');
    expect(stderr).toMatch(/^next: +mv /m);
    expect(readFileSync(bytes).equals(seed)).toBe(true);
    renameSync(bytes, ground.path('mended.mkv'));
    expect((await ground.indexed(ground.path('mended.mkv'))).verdict).toBe('whole');
    expect((await ground.machine.run('watch', 'list')).out).not.toContain('valid UTF-8');
  });

  test('a sparse file of 8 TB is judged in bounded time, in the folder and on the command line', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    const paths = ['zeros.mp4', 'head.mkv', 'zeros.wav'].map((name) => ground.path(name));
    for (const path of paths) {
      writeFileSync(path, path.includes('head') ? seed : '');
      truncateSync(path, 8e12);
    }
    const began = Date.now();
    for (const path of paths) {
      const { code, err } = await ground.machine.run('inspect', path);
      expect([0, 5]).toContain(code);
      expect(err).not.toMatch(/ at .*\.js:\d+/);
    }
    expect(Date.now() - began).toBeLessThan(30_000);
    const { client } = ground;
    const asked = Date.now();
    await client.call('daemon.status', {});
    expect(Date.now() - asked).toBeLessThan(2_000);
  });

  test('a pipe, a device and a folder on the command line are refused at once', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    execFileSync('mkfifo', [ground.path('pipe.mp4')]);
    for (const path of [ground.path('pipe.mp4'), '/dev/zero', ground.watched]) {
      for (const word of ['inspect', 'recover']) {
        const { code, err } = await ground.machine.run(word, path);
        expect(code).toBe(1);
        expect(err).toMatch(/^roomtape: /m);
        expect(err).toMatch(/^next: /m);
      }
    }
  });
});
