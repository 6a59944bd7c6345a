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

const sha256 = () => createHash('sha256').update(readFileSync(original)).digest('hex');

function recover(injections: readonly string[]) {
  const argv = ['recover', original, '--reference', whole, '--no-verify', '--out', out];
  const inject = injections.flatMap((injection) => ['-e', `inject=${injection}`]);
  const traced = ['-f', '-qq', '-o', '/dev/null', ...inject, process.execPath, mainFile, ...argv];
  return spawnSync('strace', traced, { encoding: 'utf8' });
}

describe.runIf(process.platform === 'linux' && tracing())('given a disk that fails', () => {
  beforeAll(() => {
    runFfmpeg(...pictureAndTone(4), ...h264AndAac, whole);
    copyFileSync(whole, original);
    truncateSync(original, Math.floor(statSync(whole).size * 0.8));
    mkdirSync(out);
  });

  // The calls a recovery makes on its output: bytes, fsync, the name, the folder's fsync.
  test.each([
    [['pwrite64:error=ENOSPC:when=1']],
    [['pwrite64:error=EIO:when=1']],
    [['fsync:error=EIO:when=1']],
    [['fsync:error=ENOSPC:when=1']],
    [['fsync:error=EIO:when=2']],
    [['link:error=EIO:when=1']],
    [['link:error=EROFS:when=1']],
    [['link:error=EXDEV:when=1']],
    [['link:error=EPERM:when=1', 'rename:error=EIO:when=1']],
    [['link:error=EPERM:when=1', 'rename:error=EXDEV:when=1']],
  ])('when %s, then it is said and nothing is left', (injections) => {
    const before = sha256();
    const ended = recover(injections);
    expect(ended.stderr).toMatch(/^roomtape: /m);
    expect(ended.stderr).toMatch(/^next: /m);
    expect(ended.stderr).not.toMatch(/ at .*\.js:\d+/);
    expect(ended.status).toBe(1);
    expect(readdirSync(out)).toEqual([]);
    expect(sha256()).toBe(before);
  });

  test('when nothing fails, then the same command leaves the recovered file', () => {
    expect(recover([]).status).toBe(0);
    expect(readdirSync(out)).toEqual(['take.recovered.mp4']);
  });
});
