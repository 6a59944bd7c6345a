/**
 * Every write, fsync and rename of a recovery fails once, with each error a disk gives: the command says
 * so and ends with 1, nothing is left behind, and the original is what it was.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { mainFile } from '../story/roomtape-command.ts';
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';

const folder = temporaryFolder('injected');
const whole = join(folder, 'whole.mp4');
const original = join(folder, 'take.mp4');
const out = join(folder, 'out');

function tracing(): boolean {
  const traced = spawnSync('strace', ['-f', '-e', 'trace=fsync', 'true']);
  return traced.status === 0;
}

/** What writes bytes, makes them last, and gives them their name. */
const faulty = ['pwrite64', 'fsync', 'link', 'rename'];

const sha256 = () => createHash('sha256').update(readFileSync(original)).digest('hex');

function recover(injections: readonly string[], trace = '/dev/null') {
  const argv = ['recover', original, '--reference', whole, '--no-verify', '--out', out];
  const inject = injections.flatMap((injection) => ['-e', `inject=${injection}`]);
  const watched = ['-f', '-y', '-qq', '-o', trace, '-e', `trace=${faulty.join(',')}`, ...inject];
  const command = [process.execPath, mainFile, ...argv];
  return spawnSync('strace', [...watched, ...command], { encoding: 'utf8' });
}

/**
 * The calls that a recovery makes on its output, each with its number among its thread's calls of that
 * name: strace counts for each thread by itself.
 */
function callsOfRecovery(always: readonly string[]): { call: string; nth: number }[] {
  const trace = join(folder, 'trace');
  const { status, stderr } = recover(always, trace);
  expect(status, stderr).toBe(0);
  rmSync(join(out, 'take.recovered.mp4'));
  const numbers = new Map<string, number>();
  return readFileSync(trace, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, thread = '', call = ''] = line.match(/^(\d+) +(\w+)\(/) ?? [];
      const nth = (numbers.get(thread + call) ?? 0) + 1;
      numbers.set(thread + call, nth);
      return line.includes(out) ? [{ call, nth }] : [];
    });
}

describe.runIf(process.platform === 'linux' && tracing())('given a disk that fails', () => {
  beforeAll(() => {
    // Noise, for a file of several writes.
    const noise = ['-vf', 'noise=alls=100:allf=t', '-qp', '24'];
    runFfmpeg(...pictureAndTone(2), ...h264AndAac, ...noise, whole);
    copyFileSync(whole, original);
    truncateSync(original, Math.floor(statSync(whole).size * 0.8));
    mkdirSync(out);
  });

  // By a link where names may be linked, else by a rename: both ways to the name are taken.
  test.each(
    ['ENOSPC', 'EIO', 'EROFS', 'EXDEV'].flatMap((error) => [
      [error, 'link', []] as const,
      [error, 'rename', ['link:error=EPERM:when=1']] as const,
    ]),
  )(
    'when any write, fsync or naming answers %s (by %s), then it is said, nothing is left, and the original is intact',
    (error, way, always) => {
      const before = sha256();
      const all = callsOfRecovery(always);
      const calls = way === 'rename' ? all.filter(({ call }) => call === way) : all;
      const needed = way === 'rename' ? [way] : ['pwrite64', 'pwrite64', 'fsync', 'fsync', way];
      expect(calls.map(({ call }) => call)).toEqual(expect.arrayContaining(needed));
      expect(calls.length).toBeGreaterThanOrEqual(needed.length);
      for (const { call, nth } of calls) {
        const ended = recover([...always, `${call}:error=${error}:when=${nth}`]);
        const told = `${call} ${nth}: ${ended.stderr}`;
        expect(ended.stderr, told).toMatch(/^roomtape: /m);
        expect(ended.stderr, told).toMatch(/^next: /m);
        expect(ended.stderr, told).not.toMatch(/ at .*\.js:\d+/);
        expect(ended.status, told).toBe(1);
        expect(readdirSync(out), told).toEqual([]);
        expect(sha256(), told).toBe(before);
      }
    },
    120_000,
  );

  test('when nothing fails, then the same command leaves the recovered file', () => {
    expect(recover([]).status).toBe(0);
    expect(readdirSync(out)).toEqual(['take.recovered.mp4']);
  });
});
