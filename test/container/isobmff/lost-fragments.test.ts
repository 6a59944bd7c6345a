/**
 * Fragments whose index is damaged: their media is still there, and comes back at its time.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import { type Box, walkFile } from '../../../src/container/isobmff/boxes.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { runFfmpeg } from '../../system/media.ts';
import { temporaryFolder } from '../../system/temporary-folder.ts';
import { plan, tracksOf, written } from './movies.ts';

const folder = temporaryFolder('lost-fragments');

function made(name: string, video: readonly string[], audio: readonly string[]): Uint8Array {
  const path = join(folder, name);
  runFfmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30:duration=8,noise=alls=15:allf=t'],
    ...['-f', 'lavfi', '-i', 'anoisesrc=color=brown:sample_rate=48000:duration=8:amplitude=0.3'],
    ...['-c:v', ...video, '-g', '30', '-b:v', '2M', '-pix_fmt', 'yuv420p', '-c:a', ...audio],
    ...['-movflags', '+frag_keyframe+empty_moov', path],
  );
  return new Uint8Array(readFileSync(path));
}

const kinds = [
  ['H.264 + AAC', 'a.mp4', ['libx264', '-preset', 'veryfast', '-bf', '2'], ['aac']],
  [
    'HEVC + MP3',
    'b.mp4',
    ['libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error'],
    ['libmp3lame'],
  ],
  ['H.264 + Opus', 'c.mp4', ['libx264', '-preset', 'veryfast'], ['libopus', '-ac', '2']],
] as const;

/** What is damaged of a fragment's index: from where, and how many bytes. */
const damages: readonly (readonly [what: string, (moof: Box) => readonly [number, number]])[] = [
  ['all of it', ({ start, end }) => [start, end]],
  ['its name', ({ start }) => [start + 4, start + 8]],
  ['its tracks', ({ start, end }) => [start + 24, end - 8]],
  ['it and 16 KB around it', ({ start }) => [Math.max(0, start - 8192), start + 8192]],
];

const fillings: readonly (readonly [what: string, (at: number) => number])[] = [
  ['zeros', () => 0],
  ['noise', (at) => Math.imul(at ^ (at >>> 7), 2654435761) >>> 24],
];

describe.each(kinds)('given fragments of %s', (_, name, video, audio) => {
  const whole = made(name, video, audio);
  const truth = tracksOf(memorySource(whole));
  const moofs: Box[] = [];
  walkFile(memorySource(whole), 0, (box) => {
    if (box.type === 'moof') moofs.push(box);
    return true;
  });

  test.each(
    damages.flatMap(([what, range]) =>
      fillings.map(([fill, byte]) => [what, fill, range, byte] as const),
    ),
  )(
    'when %s of the index of one is %s, its media comes back at its time',
    (_what, _fill, range, byte) => {
      for (const moof of [moofs[2], moofs[5]]) {
        if (!moof) throw new Error('too few fragments');
        const [from, to] = range(moof);
        const bytes = whole.slice();
        for (let at = from; at < to; at += 1) bytes[at] = byte(at);
        const source = memorySource(bytes);
        const repair = plan(isobmff.planRepair(source, { references: [] }));
        const got = tracksOf(memorySource(written(source, repair)));
        truth.forEach(({ samples }, place) => {
          const kept = new Map(got[place]?.samples.map((one) => [one.offset, one]));
          const there = samples.filter(({ offset, size }) => offset >= to || offset + size <= from);
          const found = there.filter(({ offset, size }) => kept.get(offset)?.size === size);
          const known = new Set(samples.map(({ offset, size }) => `${offset}+${size}`));
          const wrong = got[place]?.samples.filter(
            ({ offset, size }) => !known.has(`${offset}+${size}`),
          );
          const off = found.map((one) => (kept.get(one.offset)?.shown ?? 0) - one.shown);
          // How many packets of Opus there are is told by what they are like.
          const unsure = audio[0] === 'libopus' ? 3 : 0;
          expect(there.length - found.length).toBeLessThanOrEqual(unsure);
          expect(wrong?.length).toBeLessThanOrEqual(unsure);
          expect(Math.max(...off.map(Math.abs))).toBeLessThan(unsure ? 0.041 : 0.001);
        });
      }
    },
  );
});
