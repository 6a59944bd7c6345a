import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CeltHead } from '../../../src/container/codec/celt-head.ts';
import { opusCodec } from '../../../src/container/codec/opus.ts';
import { opusDuration } from '../../../src/container/codec/opus-packet.ts';
import { makeMedia, tracksOf } from './whole-files.ts';

describe('given Opus packets', () => {
  test.each([
    ['20 ms of music', [0xfc, 1, 2, 3], 960],
    ['2.5 ms', [0xe0, 1], 120],
    ['60 ms of speech', [0x18, 1], 2880],
    ['two frames alike', [0xfd, 1, 2], 1920],
    ['two frames that differ in length', [0xfe, 1, 7, 8, 9], 1920],
    ['three frames with their lengths', [0xff, 0x83, 1, 1, 5, 6, 7], 2880],
    ['three frames alike, padded', [0xff, 0x43, 2, 5, 6, 7, 0, 0], 2880],
    ['nothing but a TOC', [0xfc], 960],
  ])('%s are known by their first bytes', (_name, values, ticks) => {
    const bytes = Uint8Array.from(values);
    expect(opusDuration(bytes, 0, bytes.length)).toBe(ticks);
  });

  test.each([
    ['two frames alike of odd bytes', [0xfd, 1, 2, 3]],
    ['a first frame longer than all', [0xfe, 200, 1]],
    ['no frames', [0xff, 0x80]],
    ['more than 120 ms', [0xff, 0x07, 1, 2, 3, 4, 5, 6, 7]],
    ['lengths that exceed the packet', [0xff, 0x83, 100, 100, 1]],
    ['a frame too long', [0xfc, ...new Array(1300).fill(0)]],
  ])('%s are none', (_name, values) => {
    expect(opusDuration(Uint8Array.from(values), 0, values.length)).toBe(0);
  });

  test('whatever the bytes, a split fills the run or there is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 900 }), fc.nat(8), (bytes, packets) => {
        const lengths = opusCodec(2).splitRun?.(bytes, 0, bytes.length, packets) ?? [];
        if (lengths.length === 0) return;
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
        if (packets > 0) expect(lengths.length).toBe(packets);
      }),
      { numRuns: 800 },
    );
  });

  test('whatever the bytes, a frame has a head of symbols that chance gives', () => {
    const head = new CeltHead();
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 128, max: 255 }),
        (frame, toc) => {
          head.read(frame, 0, frame.length, toc);
          expect(head.count).toBeGreaterThan(0);
          for (const chance of head.chances.subarray(0, head.count)) {
            expect(chance).toBeGreaterThan(0);
            expect(chance).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 800 },
    );
  });

  // Syllables: bursts of a voice's harmonics and of hiss, with pauses, whose packets differ by far in size.
  const syllables =
    'aevalsrc=(0.3*lt(mod(t*2.3\\,1)\\,0.6)*(sin(760*t)+sin(1520*t)/2+sin(3040*t)/4)' +
    '+0.1*random(0)*lt(mod(t*3.1\\,1)\\,0.3)):s=48000:d=12';
  const noise = 'anoisesrc=d=12:c=pink:a=0.2';

  // In the first run nothing is known of the packets yet: it may lose some.
  test.each([
    ['noise', noise, 2, 2, 0.995],
    ['noise', noise, 2, 50, 0.99],
    ['noise', noise, 1, 2, 0.99],
    ['syllables', syllables, 2, 2, 0.995],
    ['syllables', syllables, 2, 50, 0.99],
    ['syllables', syllables, 1, 2, 0.99],
  ])(
    '%s, %#: runs are split where they were joined',
    async (_name, source, channels, perRun, share) => {
      const bytes = await makeMedia('mp4', [
        ...['-f', 'lavfi', '-i', source, '-ac', String(channels)],
        '-strict',
        '-2',
        '-c:a',
        'libopus',
        '-b:a',
        '128k',
      ]);
      const samples = bytes ? (tracksOf(bytes)[0]?.samples ?? []) : [];
      if (!bytes || samples.length < 500) return;
      const codec = opusCodec(channels);
      let right = 0;
      for (let n = 0; n + perRun <= samples.length; n += perRun) {
        const run = samples.slice(n, n + perRun).map(({ offset, size }) => [offset, size] as const);
        const joined = Uint8Array.from(
          run.flatMap(([at, size]) => [...bytes.subarray(at, at + size)]),
        );
        const ends = new Set<number>();
        let end = 0;
        for (const [, size] of run) {
          end += size;
          ends.add(end);
        }
        end = 0;
        for (const length of codec.splitRun?.(joined, 0, joined.length, perRun) ?? []) {
          codec.measure(joined, end, end + length, true);
          end += length;
          if (ends.has(end)) right++;
        }
      }
      expect(right / (samples.length - (samples.length % perRun))).toBeGreaterThan(share);
    },
  );
});
