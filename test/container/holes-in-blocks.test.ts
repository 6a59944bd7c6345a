/**
 * Matroska with a hole of zeros inside one block: the block is left out, every other packet is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { matroska } from '../../src/container/matroska/matroska.ts';
import { ffmpeg, runFfmpeg } from '../system/media.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';
import { plan, written } from './isobmff/movies.ts';
import { packetEnds, packetsOf } from './packet-truth.ts';

const folder = temporaryFolder('blocks');
const noisy = [
  ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=4,noise=alls=25:allf=t'],
  ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=4'],
];
const page = 4096;

describe.each([
  [
    'H.264 + AAC',
    'h.mkv',
    ['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '8M', '-c:a', 'aac'],
  ],
  [
    'HEVC + FLAC',
    'e.mkv',
    [
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error'],
      ...['-b:v', '8M', '-c:a', 'flac'],
    ],
  ],
  [
    'VP8 + Opus',
    'v.webm',
    ['-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '8M', '-c:a', 'libopus'],
  ],
] as const)('given %s', (_what, name, args) => {
  const path = join(folder, name);
  runFfmpeg(...noisy, ...args, path);
  const whole = new Uint8Array(readFileSync(path));
  const truth = packetsOf(ffmpeg.path, path);
  const ends = packetEnds(ffmpeg.path, path, truth)[0] ?? [];
  // A page inside one picture, with some of the picture on both sides of it. Without the first picture ffmpeg
  // copies none up to the next key frame.
  const pictures = ends.flatMap((end, number) => {
    const start = end - (truth[0]?.[number]?.size ?? 0);
    const at = Math.ceil((start + 300) / page) * page;
    return number > 0 && at + page + 300 < end ? [{ number, at }] : [];
  });

  test('it is whole, also when its media is read', () => {
    expect(matroska.diagnose(memorySource(whole), { media: true })).toMatchObject({
      verdict: 'whole',
      damage: [],
    });
  });

  test('whichever picture has a hole, that one alone is left out, and it is told', () => {
    expect(pictures.length).toBeGreaterThan(3);
    for (const { number, at } of pictures.slice(0, 8)) {
      const bytes = whole.slice();
      bytes.fill(0, at, at + page);
      const source = memorySource(bytes);
      const diagnosis = matroska.diagnose(source, { media: true });
      expect(diagnosis.verdict).toBe('interrupted');
      expect(diagnosis.damage[0]).toMatchObject({ kind: 'hole' });
      const out = join(folder, `out-${name}`);
      writeFileSync(out, written(source, plan(matroska.planRepair(source, { references: [] }))));
      const got = packetsOf(ffmpeg.path, out).map((packets) => packets.map(({ hash }) => hash));
      const wanted = truth.map((packets) => packets.map(({ hash }) => hash));
      wanted[0]?.splice(number, 1);
      expect(got).toEqual(wanted);
      const again = memorySource(new Uint8Array(readFileSync(out)));
      expect(matroska.diagnose(again, { media: true })).toMatchObject({ verdict: 'whole' });
    }
  });
});
