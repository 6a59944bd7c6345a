/**
 * `inspect`, `recover` and `verify` on files, by the built command: the fields of `--json`, the exit
 * codes, and what every bad input comes to.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ffmpeg, h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const folder = temporaryFolder('rescue');
const home = join(folder, 'home');

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function roomtape(...words: string[]): Ran {
  const run = spawnSync(process.execPath, [main, ...words], {
    encoding: 'utf8',
    env: { ...process.env, ROOMTAPE_HOME: home },
  });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

function asJson(...words: string[]) {
  const { code, out, err } = roomtape(...words, '--json');
  const document = JSON.parse(out);
  expect(document.schemaVersion).toBe(1);
  return { code, err, results: document.results, document };
}

function place(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

const whole = join(place('media'), 'evening-01.mp4');
runFfmpeg(...pictureAndTone(6), ...h264AndAac, whole);

/** What a recorder that is killed leaves of an MP4: everything up to the index it never wrote. */
function interrupted(path: string, share = 0.8): string {
  const bytes = Buffer.from(readFileSync(whole));
  const mdat = bytes.indexOf('mdat') - 4;
  const end = mdat + bytes.readUInt32BE(mdat);
  bytes.writeUInt32BE(0, mdat);
  writeFileSync(path, bytes.subarray(0, Math.floor(mdat + (end - mdat) * share)));
  return path;
}

describe('given a whole recording', () => {
  test('inspect says so with every field of the contract, and ends with 0', () => {
    const { code, results } = asJson('inspect', whole);
    expect(code).toBe(0);
    expect(results).toEqual([
      {
        path: whole,
        container: 'mp4',
        recorder: 'ffmpeg',
        verdict: 'whole',
        durationMs: expect.any(Number),
        tracks: [
          { kind: 'video', codec: 'h264', samples: 150, durationMs: 6000 },
          {
            kind: 'audio',
            codec: 'aac',
            samples: expect.any(Number),
            durationMs: expect.any(Number),
          },
        ],
        damage: [],
        recoverable: true,
        note: null,
        next: null,
      },
    ]);
  });

  test('when its kind has no end mark, inspect says that a cut just there would look the same', () => {
    const recordings = join(import.meta.dirname, '..', '..', 'fixtures', 'recorders');
    for (const name of ['chromium.mp4', 'chromium-vp8.webm', 'obs.ts']) {
      const [found] = asJson('inspect', join(recordings, name)).results;
      expect(found).toMatchObject({
        verdict: 'whole',
        note: expect.stringContaining('no end mark'),
      });
    }
    const [closed] = asJson('inspect', join(recordings, 'obs.mkv')).results;
    expect(closed).toMatchObject({ verdict: 'whole', note: null });
  });

  test('recover writes nothing and ends with 0', () => {
    const { code, results } = asJson('recover', whole);
    expect(code).toBe(0);
    expect(results[0]).toMatchObject({ verdict: 'whole', output: null, bytesLost: 0, lostMs: 0 });
    expect(readdirSync(join(folder, 'media'))).toEqual(['evening-01.mp4']);
  });

  test('verify reads and decodes all of it', () => {
    const { code, results } = asJson('verify', whole);
    expect(code).toBe(0);
    expect(results[0].verification).toMatchObject({ structure: 'ok', decode: 'ok', errors: 0 });
  });

  test('when its bytes are wrong inside, then verify ends with 5', () => {
    const bytes = Buffer.from(readFileSync(whole));
    const at = Math.floor(bytes.length / 2);
    for (let n = at; n < at + 4000; n += 5) bytes[n] = (bytes[n] ?? 0) ^ 0x5a;
    const path = join(place('wrong'), 'wrong.mp4');
    writeFileSync(path, bytes);
    const { code, results } = asJson('verify', path);
    expect(code).toBe(5);
    expect(results[0].verification.decode).toBe('errors');
    expect(results[0].verification.errors).toBeGreaterThan(0);
  });
});

describe('given an interrupted recording beside a whole one', () => {
  const evening = place('evening');
  copyFileSync(whole, join(evening, 'evening-01.mp4'));
  const broken = interrupted(join(evening, 'evening-02.mp4'));
  const before = digest(broken);

  test('inspect names the damage and the next command, and ends with 5', () => {
    const { code, results } = asJson('inspect', broken);
    expect(code).toBe(5);
    const [{ verdict, damage, recoverable, next }] = results;
    expect({ verdict, recoverable }).toEqual({ verdict: 'interrupted', recoverable: true });
    expect(damage[0]).toEqual({
      kind: 'no-index',
      at: expect.any(Number),
      detail: expect.any(String),
    });
    expect(next).toBe(`roomtape recover ${broken}`);
  });

  test('a dry run tells the plan and writes nothing', () => {
    const { code, results } = asJson('recover', broken, '--dry-run');
    expect(code).toBe(0);
    expect(results[0]).toMatchObject({ output: null, method: expect.any(String) });
    expect(results[0].bytesKept).toBeGreaterThan(0);
    expect(readdirSync(evening).sort()).toEqual(['evening-01.mp4', 'evening-02.mp4']);
  });

  test('recover chooses the reference, writes a new file, verifies it and ends with 0', () => {
    const { code, results } = asJson('recover', broken);
    expect(code).toBe(0);
    const [result] = results;
    const output = join(evening, 'evening-02.recovered.mp4');
    expect(result).toMatchObject({
      path: broken,
      verdict: 'interrupted',
      output,
      bytesTotal: statSync(broken).size,
      verification: { structure: 'ok', decode: 'ok', errors: 0 },
    });
    for (const key of [
      'method',
      'reference',
      'tracks',
      'bytesKept',
      'bytesLost',
      'lostMs',
      'note',
    ]) {
      expect(result).toHaveProperty(key);
    }
    expect(result.bytesKept + result.bytesLost).toBeLessThanOrEqual(result.bytesTotal);
    const video = result.tracks.find(({ kind }: { kind: string }) => kind === 'video');
    expect(video.samples).toBeGreaterThan(110);
    expect(digest(broken)).toBe(before);
    expect(asJson('inspect', output).results[0].verdict).toBe('whole');
  });

  test('the output is never overwritten unless told', () => {
    const again = roomtape('recover', broken);
    expect(again.code).toBe(1);
    expect(again.err).toContain('exists already');
    expect(again.err).toMatch(/^next: {5}roomtape /m);
    expect(roomtape('recover', broken, '--overwrite', '--no-verify').code).toBe(0);
  });

  test('--out puts it elsewhere, and a folder that is not there is made', () => {
    const out = join(folder, 'elsewhere', 'deep');
    expect(roomtape('recover', broken, '--out', out, '--no-verify').code).toBe(0);
    expect(readdirSync(out)).toEqual(['evening-02.recovered.mp4']);
  });

  test.runIf(process.platform === 'linux')(
    'a file that somebody still writes is left alone, and who writes it is told',
    () => {
      const open = openSync(broken, 'a');
      const run = roomtape('recover', broken, '--overwrite');
      closeSync(open);
      expect(run.code).toBe(1);
      expect(run.err).toContain(`process ${process.pid}`);
    },
  );

  test('a reference may be named, and one that is broken itself is passed over and told', () => {
    const out = join(folder, 'named');
    const { code, results } = asJson('recover', broken, '--reference', whole, '--out', out);
    expect(code).toBe(0);
    expect(results[0].output).toBe(join(out, 'evening-02.recovered.mp4'));
    const unfit = asJson('recover', broken, '--reference', broken, '--out', `${out}-unfit`);
    expect(unfit.code).toBe(0);
    expect(unfit.results[0]).toMatchObject({
      verdict: 'interrupted',
      bytesLost: results[0].bytesLost,
    });
    expect(unfit.results[0].note).toContain(`${broken} was not used`);
    const before = asJson('recover', '--reference', whole, broken, '--out', `${out}-before`);
    expect(before.results[0]).toMatchObject({ path: broken, reference: whole });
    const missing = roomtape('recover', broken, '--reference', join(out, 'none.mp4'));
    expect(missing.code).toBe(1);
    expect(missing.err).toContain('There is no file');
  });

  test('the report for a person names what was kept, lost and verified, without escapes', () => {
    const { out } = roomtape('recover', broken, '--overwrite');
    for (const word of ['kept', 'lost', 'output', 'decodes to the end without an error']) {
      expect(out).toContain(word);
    }
    expect(out).not.toContain('\u001b');
  });
});

describe('given several files', () => {
  test('each is told, obstacles among them, and the worst decides the exit code', () => {
    const missing = join(folder, 'none.mp4');
    const broken = interrupted(join(place('several'), 'torn.mp4'));
    const all = asJson('inspect', whole, broken, missing);
    expect(all.code).toBe(1);
    expect(all.results.map(({ verdict }: { verdict: string }) => verdict)).toEqual([
      'whole',
      'interrupted',
    ]);
    expect(all.document.errors).toEqual([
      expect.objectContaining({ path: missing, code: 'file-missing' }),
    ]);
    expect(asJson('inspect', whole, broken).code).toBe(5);
  });
});

describe('given bad input', () => {
  const bad = place('bad');
  const file = (name: string, bytes: string | Uint8Array) => {
    const path = join(bad, name);
    writeFileSync(path, bytes);
    return path;
  };
  const text = file('notes.mp4', 'This is a shopping list and no film at all.\n'.repeat(50));
  const empty = file('empty.mp4', '');
  const zeros = file('zeros.mp4', Buffer.alloc(300_000));
  const link = join(bad, 'link.mp4');
  symlinkSync(whole, link);
  const dangling = join(bad, 'dangling.mp4');
  symlinkSync(join(bad, 'nowhere'), dangling);
  const pipe = join(bad, 'pipe.mp4');
  const hasPipe = spawnSync('mkfifo', [pipe]).status === 0;

  test.each([
    ['a folder', bad, 1, /is a folder/],
    ['a missing file', join(bad, 'none.mp4'), 1, /There is no file/],
    ['a link to nothing', dangling, 1, /There is no file/],
    ['a device', '/dev/null', 1, /is a device/],
    ...(hasPipe ? [['a pipe', pipe, 1, /is a pipe/] as const] : []),
  ] as const)('%s ends with a clear message and no stack trace', (_, path, code, message) => {
    for (const command of ['inspect', 'recover', 'verify']) {
      const run = roomtape(command, path);
      expect(run.code).toBe(code);
      expect(run.err).toMatch(message);
      expect(run.err).toMatch(/^next: {5}\S/m);
      expect(run.err).not.toMatch(/^\s+at /m);
      expect(run.out).toBe('');
    }
  });

  test.each([
    ['a text called .mp4', text, 'foreign'],
    ['an empty file', empty, 'empty'],
    ['a file of zeros', zeros, 'beyond-repair'],
  ])('%s gets a verdict that says why, exit code 5, and nothing is written', (_, path, verdict) => {
    const inspected = asJson('inspect', path);
    expect(inspected.code).toBe(5);
    expect(inspected.results[0]).toMatchObject({ verdict, recoverable: false });
    expect(inspected.results[0].next).toMatch(/^roomtape (preflight|inspect --help)$/);
    const recovered = asJson('recover', path);
    expect(recovered.code).toBe(5);
    expect(recovered.results[0]).toMatchObject({ verdict, output: null, note: expect.any(String) });
    expect(existsSync(path.replace('.mp4', '.recovered.mp4'))).toBe(false);
    expect(asJson('verify', path).code).toBe(5);
  });

  test('a link that a person names is followed', () => {
    expect(asJson('inspect', link).results[0].verdict).toBe('whole');
  });

  test('control characters in a name reach no terminal, and the file is read', () => {
    const name = 'odd\n\u001b[31m\u202Eevil\u0007.mp4';
    const odd = interrupted(join(bad, name));
    const run = roomtape('recover', odd, '--reference', whole);
    expect(run.code).toBe(0);
    expect(`${run.out}${run.err}`).not.toMatch(/[\u001b\u0007\u202e]/);
    expect(readdirSync(bad)).toContain(basename(odd, '.mp4').concat('.recovered.mp4'));
  });

  test('a name that looks like an option or an address is a file all the same', () => {
    copyFileSync(whole, join(bad, '-x.mp4'));
    copyFileSync(whole, join(bad, 'http:x.mp4'));
    const run = spawnSync(process.execPath, [main, 'verify', './-x.mp4', 'http:x.mp4', '--json'], {
      cwd: bad,
      encoding: 'utf8',
      env: { ...process.env, ROOMTAPE_HOME: home },
    });
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout).results).toHaveLength(2);
  });

  test('a name of 255 bytes still gets a recovered file', () => {
    const long = interrupted(join(bad, `${'ü'.repeat(125)}x.mp4`));
    const { code, results } = asJson('recover', long, '--reference', whole);
    expect(code).toBe(0);
    expect(existsSync(results[0].output)).toBe(true);
  });

  test.skipIf(process.getuid?.() === 0)('no right to read or to write is said as it is', () => {
    const secret = file('secret.mp4', 'x');
    chmodSync(secret, 0);
    expect(roomtape('inspect', secret).err).toContain('You may not read');
    const locked = place('locked');
    const broken = interrupted(join(locked, 'torn.mp4'));
    chmodSync(locked, 0o500);
    const run = roomtape('recover', broken, '--reference', whole);
    chmodSync(locked, 0o700);
    expect(run.code).toBe(1);
    expect(run.err).toContain('you may not write there');
  });

  test('no file at all, or an option that is none, is wrong usage', () => {
    expect(roomtape('inspect').code).toBe(2);
    expect(roomtape('recover', '--frobnicate', text).code).toBe(2);
  });

  const small = join(folder, 'small');
  const mounted =
    process.getuid?.() === 0 &&
    process.platform === 'linux' &&
    spawnSync('mkdir', [small]).status === 0 &&
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [small]);
  });
  test.runIf(mounted)('a disk without room is told before a byte is written', () => {
    const broken = interrupted(join(place('roomless'), 'torn.mp4'));
    const run = roomtape('recover', broken, '--reference', whole, '--out', small);
    expect(run.code).toBe(1);
    expect(run.err).toMatch(/needs \d+ MB more/);
    expect(run.err).toContain('--out');
    expect(readdirSync(small)).toEqual([]);
  });
});

describe('given a recovery that is cancelled, ended or whose terminal is closed', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'on %s nothing is left behind and the original is as it was',
    async (signal) => {
      const busy = place(`busy-${signal}`);
      const broken = interrupted(join(busy, 'torn.mp4'), 1);
      // An ffmpeg that never ends keeps the command in its last phase until the signal comes.
      const slow = join(folder, 'slow-ffmpeg');
      writeFileSync(
        slow,
        `#!/bin/sh\ncase "$*" in *-stats*) echo decoding >&2; sleep 60;; *) exec '${ffmpeg.path}' "$@";; esac\n`,
      );
      chmodSync(slow, 0o755);
      const before = digest(broken);
      const child = spawn(process.execPath, [main, 'recover', broken, '--reference', whole], {
        env: { ...process.env, ROOMTAPE_HOME: home, ROOMTAPE_FFMPEG: slow },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const output = join(busy, 'torn.recovered.mp4');
      const look = setInterval(() => {
        if (!existsSync(output)) return;
        clearInterval(look);
        child.kill(signal);
      }, 20);
      const code = await new Promise((done) => child.on('exit', done));
      expect(code).toBe(1);
      expect(readdirSync(busy)).toEqual(['torn.mp4']);
      expect(digest(broken)).toBe(before);
    },
  );
});
