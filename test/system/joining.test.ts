import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { joinPlan, roomCuts, timelinePlan } from '../../src/recorders/joining.ts';
import { findFfmpeg } from '../../src/system/ffmpeg.ts';
import { cutFile, joinFiles, layFiles, outputExtension } from '../../src/system/joining.ts';

const folder = mkdtempSync(join(tmpdir(), "roomtape-join's "));
const ffmpeg = await findFfmpeg();
const never = new AbortController().signal;
const at = (name: string) => join(folder, name);
const run = (...words: string[]) =>
  execFileSync(ffmpeg.path, ['-v', 'error', ...words], { maxBuffer: 1 << 26 });

// Codecs that every ffmpeg can encode: MPEG-4 video and PCM or AAC sound.
beforeAll(() => {
  for (const [name, hz, size] of [
    ['one', 440, '64x48'],
    ['two', 880, '64x48'],
    ['three', 660, '96x64'],
  ] as const) {
    const video = ['-f', 'lavfi', '-i', `testsrc=s=${size}:r=10:d=2`];
    const audio = ['-f', 'lavfi', '-i', `sine=f=${hz}:d=2`];
    run(
      ...video,
      ...audio,
      '-c:v',
      'mpeg4',
      '-g',
      '10',
      '-c:a',
      'aac',
      '-shortest',
      at(`${name}.mp4`),
    );
    run('-i', at(`${name}.mp4`), '-c', 'copy', at(`${name}.mkv`));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Times of the packets of one kind, in seconds. */
function times(path: string, kind: 'v' | 'a', stream = 0): number[] {
  const text = run(
    '-i',
    path,
    '-map',
    `0:${kind}:${stream}`,
    '-c',
    'copy',
    '-copyts',
    '-f',
    'framecrc',
    '-',
  );
  const lines = String(text).split('\n');
  const [, over = '1', under = '1'] = /#tb 0: (\d+)\/(\d+)/.exec(String(text)) ?? [];
  return lines
    .filter((line) => /^\d/.test(line))
    .map((line) => (Number(line.split(',')[2]) * Number(over)) / Number(under));
}

describe('given takes of one recording', () => {
  const files = [
    { path: at('two.mkv'), startedAt: 105_000, durationMs: 2000 },
    { path: at('one.mkv'), startedAt: 100_000, durationMs: 2000 },
  ];

  test('when pauses are kept, then the second take begins when it began', async () => {
    const { entries, pausesMs } = joinPlan(files, 'keep');
    expect(pausesMs).toEqual([3000]);
    await joinFiles(ffmpeg, entries, at('kept.mkv'), never);
    const seen = times(at('kept.mkv'), 'v');
    expect(seen).toHaveLength(40);
    expect(seen[20]).toBeCloseTo(5, 1);
  });

  test('when pauses are closed, then it follows at once, and no packet is lost or changed', async () => {
    const { entries } = joinPlan(files, 'close');
    await joinFiles(ffmpeg, entries, at('closed.mkv'), never);
    const seen = times(at('closed.mkv'), 'v');
    expect(seen).toHaveLength(40);
    expect(seen[20]).toBeGreaterThan(1.9);
    expect(seen[20]).toBeLessThan(2.2);
    expect(times(at('closed.mkv'), 'a')).toHaveLength(
      times(at('one.mkv'), 'a').length + times(at('two.mkv'), 'a').length,
    );
    const hash = (path: string) =>
      String(run('-i', path, '-map', '0:v', '-f', 'framemd5', '-')).match(/[0-9a-f]{32}/g);
    expect(hash(at('closed.mkv'))).toEqual([
      ...(hash(at('one.mkv')) ?? []),
      ...(hash(at('two.mkv')) ?? []),
    ]);
  });

  test('when the output exists, then it is refused and nothing is left behind', async () => {
    writeFileSync(at('taken.mkv'), 'mine');
    const { entries } = joinPlan(files, 'close');
    await expect(joinFiles(ffmpeg, entries, at('taken.mkv'), never)).rejects.toMatchObject({
      code: 'output-exists',
    });
    expect(readFileSync(at('taken.mkv'), 'utf8')).toBe('mine');
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  test('when a file is none that ffmpeg reads, then that is told and nothing is left behind', async () => {
    writeFileSync(at('list.mkv'), `ffconcat version 1.0\nfile '${at('one.mkv')}'\n`);
    const output = at('never.mkv');
    await expect(
      cutFile(ffmpeg, at('list.mkv'), { fromMs: 0, toMs: null }, output, never),
    ).rejects.toMatchObject({
      code: 'ffmpeg-failed',
    });
    expect(existsSync(output)).toBe(false);
  });

  test('when takes agree in their container, then the output is of it, unless it cannot keep pauses', () => {
    expect(outputExtension(['a.mp4', 'b.MP4'], false)).toBe('.mp4');
    expect(outputExtension(['a.mp4', 'b.mp4'], true)).toBe('.mkv');
    expect(outputExtension(['a.mp4', 'b.mkv'], false)).toBe('.mkv');
    expect(outputExtension(['a.webm'], true)).toBe('.webm');
    expect(outputExtension(['a.avi'], false)).toBe('.mkv');
  });

  test('whatever the takes, joining keeps each of them and their order', () => {
    const take = fc.record({
      path: fc.string(),
      startedAt: fc.nat(1e9),
      durationMs: fc.oneof(fc.nat(1e7), fc.constant(null)),
    });
    fc.assert(
      fc.property(fc.array(take), fc.constantFrom('keep', 'close'), (takes, pauses) => {
        const { entries, pausesMs } = joinPlan(takes, pauses as 'keep' | 'close');
        expect(entries.map(({ path }) => path).toSorted()).toEqual(
          takes.map(({ path }) => path).toSorted(),
        );
        expect(pausesMs).toHaveLength(Math.max(0, takes.length - 1));
        for (const [index, { atMs }] of entries.entries()) {
          expect(atMs).toBeGreaterThanOrEqual(entries[index - 1]?.atMs ?? 0);
        }
      }),
    );
  });
});

describe('given a file of two rooms', () => {
  test('when it is split, then each part begins at a key frame and together they hold all of it', async () => {
    const spans = [
      { room: '1.1', from: 100_000, to: 101_000 },
      { room: '2.1', from: 101_000, to: 102_000 },
    ];
    const file = { path: at('one.mkv'), startedAt: 99_990, durationMs: 2000 };
    const cuts = roomCuts(file, spans);
    expect(cuts).toEqual([
      { room: '1.1', fromMs: 0, toMs: 1010 },
      { room: '2.1', fromMs: 1010, toMs: null },
    ]);
    for (const [index, cut] of cuts.entries()) {
      await cutFile(ffmpeg, file.path, cut, at(`part${index}.mkv`), never);
    }
    const [first, second] = [times(at('part0.mkv'), 'v'), times(at('part1.mkv'), 'v')];
    // The second begins at the key frame before its moment: at most one group of pictures twice.
    expect(first.length + second.length).toBeGreaterThanOrEqual(20);
    expect(second[0]).toBeCloseTo(0, 1);
    run('-xerror', '-err_detect', 'explode', '-i', at('part1.mkv'), '-f', 'null', '-');
  });
});

describe('given takes of several people in one room', () => {
  test('when they are laid on one timeline, then each is tracks of its own at its own moment', async () => {
    const plan = timelinePlan([
      { path: at('three.mkv'), startedAt: 101_500, durationMs: 2000 },
      { path: at('one.mkv'), startedAt: 100_000, durationMs: 2000 },
    ]);
    expect(plan.map(({ atMs }) => atMs)).toEqual([0, 1500]);
    const inputs = plan.map((one, index) => ({
      ...one,
      who: index === 0 ? 'Ada' : 'Ben',
      tracks: 2,
    }));
    await layFiles(ffmpeg, inputs, at('line.mkv'), never);
    expect(times(at('line.mkv'), 'v', 0)[0]).toBeCloseTo(0, 1);
    expect(times(at('line.mkv'), 'v', 1)[0]).toBeCloseTo(1.5, 1);
    expect(times(at('line.mkv'), 'v', 1)).toHaveLength(20);
    expect(times(at('line.mkv'), 'a', 1)[0]).toBeCloseTo(1.5, 1);
    expect(readFileSync(at('line.mkv')).includes('Ben')).toBe(true);
  });
});
