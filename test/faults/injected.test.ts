/**
 * Every write, fsync and rename of a recovery fails once, with each error a disk gives: the command says
 * so and ends with 1, nothing is left behind, and the original is what it was.
 */
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
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';
import { callsOn, canInject, type FaultyCall, runInjected } from './failing-disk.ts';

const folder = temporaryFolder('injected');
const whole = join(folder, 'whole.mp4');
const original = join(folder, 'take.mp4');
const out = join(folder, 'out');

const sha256 = () => createHash('sha256').update(readFileSync(original)).digest('hex');

function recover(injections: readonly string[], trace?: string) {
  const words = ['recover', original, '--reference', whole, '--no-verify', '--out', out];
  return runInjected(words, injections, trace);
}

/** The calls that a recovery makes on its output. */
function callsOfRecovery(always: readonly string[]): FaultyCall[] {
  const trace = join(folder, 'trace');
  const { status, stderr } = recover(always, trace);
  expect(status, stderr).toBe(0);
  rmSync(join(out, 'take.recovered.mp4'));
  return callsOn(out, trace);
}

describe.runIf(canInject())('given a disk that fails', () => {
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
