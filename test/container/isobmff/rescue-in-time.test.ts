/**
 * When samples that were found without an index are shown: at a variable rate, and behind holes, where
 * pictures and sound must stand against each other as they did.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import type { ReferenceProfile } from '../../../src/container/format.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { runFfmpeg } from '../../system/media.ts';
import { temporaryFolder } from '../../system/temporary-folder.ts';
import { plan, profileOf, type TrueSample, tracksOf, withoutIndex, written } from './movies.ts';

const folder = temporaryFolder('rescue-in-time');

interface Made {
  readonly name: string;
  /** Pictures a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Pictures are left out at random by this seed. */
  readonly variable?: number;
  readonly pictures?: string;
  readonly video?: readonly string[];
  readonly audio?: readonly string[];
  /** Tracks of sound. */
  readonly tracks?: number;
}

const h264 = ['libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '250', '-pix_fmt', 'yuv420p'];

/** A recording made by ffmpeg, and its bytes. */
function made({ name, rate, seconds, variable, ...rest }: Made): Uint8Array {
  const path = join(folder, name);
  const tracks = Array.from({ length: rest.tracks ?? 1 }).flatMap(() => ['-map', '1:a']);
  const left = variable ? ['-vf', `select=gt(random(${variable})\\,0.3)`, '-vsync', 'vfr'] : [];
  runFfmpeg(
    ...['-f', 'lavfi', '-i', `${rest.pictures ?? 'testsrc2=size=160x120'}:rate=${rate}`],
    ...['-f', 'lavfi', '-i', 'anoisesrc=color=brown:sample_rate=48000:amplitude=0.3:seed=7'],
    ...[
      '-map',
      '0:v',
      ...tracks,
      '-t',
      String(seconds),
      ...left,
      '-c:v',
      ...(rest.video ?? h264),
      '-threads',
      '1',
    ],
    ...['-c:a', ...(rest.audio ?? ['aac', '-ac', '1', '-b:a', '64k']), path],
  );
  return new Uint8Array(readFileSync(path));
}

interface Shift {
  /** Seconds by which each sample that was found is shown later than it was, in order. */
  readonly shifts: readonly number[];
  readonly missing: number;
}

/** How far each track of a rescued file is off; `isWhole` says of a true sample whether it can be found. */
function shiftsOf(
  whole: Uint8Array,
  left: Uint8Array,
  references: readonly ReferenceProfile[],
  isWhole: (sample: TrueSample) => boolean = () => true,
): Shift[] {
  const source = memorySource(left);
  const repair = plan(isobmff.planRepair(source, { references }));
  const rescued = tracksOf(memorySource(written(source, repair)));
  return tracksOf(memorySource(whole)).map(({ samples }, place) => {
    const found = new Map((rescued[place]?.samples ?? []).map((one) => [one.offset, one]));
    const wanted = samples.filter(isWhole);
    const pairs = wanted.flatMap((one) => {
      const got = found.get(one.offset);
      return got?.size === one.size ? [got.shown - one.shown] : [];
    });
    return { shifts: pairs, missing: wanted.length - pairs.length };
  });
}

const farthest = ({ shifts }: Shift): number => Math.max(...shifts.map(Math.abs));

const middle = ({ shifts }: Shift): number =>
  shifts.toSorted((a, b) => a - b)[shifts.length >> 1] ?? Number.NaN;

describe('given a recording of a variable rate with pictures out of order', () => {
  let whole: Uint8Array;
  let reference: ReferenceProfile;

  beforeAll(() => {
    whole = made({ name: 'variable.mp4', rate: 30, seconds: 30, variable: 5 });
    // Its first pictures are further apart, so that it holds back two of them for a longer time.
    const other = { rate: 30, seconds: 20, pictures: 'mandelbrot=size=160x120', variable: 6 };
    reference = profileOf(made({ name: 'reference.mp4', ...other }));
  });

  test('when another recording of the kind is known, then each picture is shown when it was', () => {
    const [pictures, sound] = shiftsOf(whole, withoutIndex(whole), [reference]);
    expect(pictures?.missing).toBe(0);
    expect(sound?.missing).toBe(0);
    expect(farthest(pictures as Shift)).toBeLessThan(0.001);
    expect(farthest(sound as Shift)).toBeLessThan(0.001);
  });

  test('when none is known, then 95 of 100 are within 22 ms, and on the whole they are on time', () => {
    const [pictures] = shiftsOf(whole, withoutIndex(whole), []);
    const off = (pictures as Shift).shifts.map(Math.abs).toSorted((a, b) => a - b);
    expect(off[Math.floor(off.length * 0.95)]).toBeLessThan(0.022);
    expect(Math.abs(middle(pictures as Shift))).toBeLessThan(0.005);
  });
});

describe('given a recording of a variable rate with Opus, which has no lengths', () => {
  const opus = { rate: 30, audio: ['libopus', '-ac', '2', '-b:a', '96k'] };
  const whole = () => made({ name: 'opus.mp4', seconds: 20, variable: 5, ...opus });
  const other = () => made({ name: 'other-opus.mp4', seconds: 12, variable: 6, ...opus });

  test.each([
    ['with a reference of other pictures', () => [profileOf(other())]],
    ['without a reference', () => []],
  ] as const)('%s its packets come back, and pictures stay with them', (_, references) => {
    const recording = whole();
    const [pictures, sound] = shiftsOf(recording, withoutIndex(recording), references());
    expect(pictures?.missing).toBe(0);
    expect(sound?.missing).toBeLessThanOrEqual(1000 * 0.02);
    const apart = middle(pictures as Shift) - middle(sound as Shift);
    expect(Math.abs(apart)).toBeLessThan(0.022);
  });
});

describe('given a recording with a hole in its middle', () => {
  const mjpeg = ['mjpeg', '-q:v', '3', '-pix_fmt', 'yuvj420p'];
  const pcm = ['pcm_s16le', '-ac', '2'];
  const kinds: readonly (readonly [what: string, Made])[] = [
    ['H.264 + AAC, 15 a second', { name: 'hole15.mp4', rate: 15, seconds: 20 }],
    ['H.264 + AAC, 30 a second', { name: 'hole30.mp4', rate: 30, seconds: 20 }],
    ['H.264 + PCM', { name: 'pcm.mov', rate: 25, seconds: 12, audio: pcm }],
    ['Motion JPEG + PCM', { name: 'mjpeg.mov', rate: 25, seconds: 12, video: mjpeg, audio: pcm }],
  ];
  const damages = ['zeros', 'noise'] as const;

  test.each(
    kinds.flatMap(([what, kind]) => damages.map((damage) => [what, damage, kind] as const)),
  )(
    '%s, %s: what is behind it comes back, and sound and pictures stay together',
    (_, damage, kind) => {
      const whole = made(kind);
      const left = withoutIndex(whole);
      const from = Math.floor(left.length * 0.4) + 1;
      const to = from + Math.floor(left.length * 0.08);
      for (let at = from; at < to; at += 1)
        left[at] = damage === 'zeros' ? 0 : (at * 2_654_435_761) >> 11;
      const isWhole = ({ offset, size }: TrueSample) => offset + size <= from || offset >= to;
      const isBehind = (sample: TrueSample) => isWhole(sample) && sample.offset >= to;
      for (const references of [[profileOf(whole)], []]) {
        const [pictures, sound] = shiftsOf(whole, left, references, isBehind);
        expect(pictures?.shifts.length).toBeGreaterThan(60);
        // The picture that the hole tore may look whole, and one in front of the sound be taken for its rest.
        expect(pictures?.missing).toBeLessThanOrEqual(1);
        expect(sound?.missing).toBeLessThanOrEqual(3);
        const apart = middle(pictures as Shift) - middle(sound as Shift);
        expect(Math.abs(apart)).toBeLessThan(0.025);
      }
    },
  );
});

describe('given no reference and sound that no encoder signed', () => {
  const alac = ['alac', '-sample_fmt', 's16p'];
  const kinds: readonly (readonly [what: string, tracks: number, Made])[] = [
    ['two tracks beside 25 pictures a second', 2, { name: 'two25.mp4', rate: 25, seconds: 8 }],
    ['two tracks beside 24 pictures a second', 2, { name: 'two24.mp4', rate: 24, seconds: 8 }],
    ['one track beside 10 pictures a second', 1, { name: 'one10.mp4', rate: 10, seconds: 12 }],
    [
      'ALAC beside 10 pictures a second',
      1,
      { name: 'alac.mp4', rate: 10, seconds: 12, audio: alac },
    ],
  ];

  test.each(kinds)(
    '%s: the tracks are counted right, and their times are those of the pictures',
    (_, tracks, kind) => {
      const whole = made({ ...kind, tracks });
      const left = withoutIndex(whole);
      // The name of the encoder stands in bits that no decoder reads.
      for (let at = left.indexOf(0x4c); at >= 0; at = left.indexOf(0x4c, at + 1)) {
        if (latin(left.subarray(at, at + 4)) === 'Lavc') left.fill(0x78, at, at + 4);
      }
      const [pictures, ...sounds] = shiftsOf(whole, left, []);
      expect(sounds.map(({ missing }) => missing)).toEqual(Array(tracks).fill(0));
      // Where no encoder signs, the priming is not known.
      for (const sound of [pictures, ...sounds])
        expect(farthest(sound as Shift)).toBeLessThan(0.05);
    },
  );
});

const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

test('when runs of uncompressed sound end odd, as behind a pause, then they are sound and no hole', () => {
  const audio = ['pcm_s24le', '-ac', '2'];
  const once = { name: 'once.mov', rate: 25, seconds: 5.01, audio };
  made(once);
  const path = join(folder, 'paused.mov');
  runFfmpeg('-stream_loop', '3', '-i', join(folder, once.name), '-c', 'copy', path);
  const whole = new Uint8Array(readFileSync(path));
  const left = withoutIndex(whole);
  const soundOf = (bytes: Uint8Array) =>
    tracksOf(memorySource(bytes))[1]?.samples.reduce((sum, { size }) => sum + size, 0);
  for (const references of [[profileOf(whole)], []]) {
    const source = memorySource(left);
    const repair = plan(isobmff.planRepair(source, { references }));
    expect(repair.findings.join(' ')).not.toContain('Hole');
    expect(soundOf(written(source, repair))).toBe(soundOf(whole));
  }
});

test('Motion JPEG under `mp4v` is called what it is, and a reference of it is taken', () => {
  const video = ['mjpeg', '-q:v', '3', '-pix_fmt', 'yuvj420p'];
  const whole = made({ name: 'mjpeg.mp4', rate: 25, seconds: 6, video });
  const source = memorySource(whole);
  expect(isobmff.diagnose(source).tracks[0]?.codec).toBe('mjpeg');
  const [pictures, sound] = shiftsOf(whole, withoutIndex(whole), [profileOf(whole)]);
  expect([pictures?.missing, sound?.missing]).toEqual([0, 0]);
});

test('pictures of megabytes each are found, with a reference and without one', () => {
  const whole = made({
    name: 'large.mp4',
    rate: 25,
    seconds: 0.8,
    pictures: 'testsrc2=size=1920x1080',
    video: [...h264, '-qp', '1', '-vf', 'noise=alls=60:allf=t'],
  });
  const left = withoutIndex(whole);
  const largest = Math.max(
    ...(tracksOf(memorySource(whole))[0]?.samples ?? []).map((one) => one.size),
  );
  expect(largest).toBeGreaterThan(2 * 1024 * 1024);
  for (const references of [[profileOf(whole)], []]) {
    const [pictures, sound] = shiftsOf(whole, left, references);
    expect([pictures?.missing, sound?.missing]).toEqual([0, 0]);
  }
});

test('a file of nothing but Opus comes back with a reference', () => {
  const path = (name: string) => join(folder, name);
  const tone = 'anoisesrc=color=pink:sample_rate=48000:amplitude=0.3';
  for (const [name, seconds] of [
    ['sound.mp4', 20],
    ['sound-reference.mp4', 12],
  ] as const) {
    runFfmpeg('-f', 'lavfi', '-i', tone, '-t', String(seconds), '-c:a', 'libopus', path(name));
  }
  const whole = new Uint8Array(readFileSync(path('sound.mp4')));
  const reference = profileOf(new Uint8Array(readFileSync(path('sound-reference.mp4'))));
  const [sound] = shiftsOf(whole, withoutIndex(whole), [reference]);
  expect(sound?.missing).toBeLessThanOrEqual(1000 * 0.02);
});
