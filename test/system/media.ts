/**
 * Media made by the real ffmpeg that Roomtape itself would choose, once per test run of a file.
 */
import { spawnSync } from 'node:child_process';
import { type Ffmpeg, findFfmpeg } from '../../src/system/ffmpeg.ts';

export const ffmpeg: Ffmpeg = await findFfmpeg();

/** Runs ffmpeg to its end; throws with its last lines when it fails. */
export function runFfmpeg(...args: string[]): void {
  const run = spawnSync(ffmpeg.path, ['-nostdin', '-y', '-v', 'error', ...args], {
    encoding: 'utf8',
  });
  if (run.status !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ${run.stderr.slice(-500)}`);
}

/** A moving picture and a tone of the given length, as inputs 0 and 1. */
export const pictureAndTone = (seconds: number): string[] => [
  ...['-f', 'lavfi', '-i', `testsrc=size=320x180:rate=25:duration=${seconds}`],
  ...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
];

/** H.264 with B-frames and AAC. */
export const h264AndAac: string[] = [
  ...['-c:v', 'libx264', '-preset', 'veryfast', '-g', '50', '-pix_fmt', 'yuv420p'],
  ...['-c:a', 'aac', '-ac', '2', '-shortest'],
];
