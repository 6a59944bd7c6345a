import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../../src/container/bytes.ts';
import { diagnose, recogniseFormat } from '../../../src/container/formats.ts';
import type { RepairOutcome, RepairPlan } from '../../../src/container/repair-plan.ts';
import { unitsOf } from '../../../src/container/zoom/streams.ts';
import { zoom } from '../../../src/container/zoom/zoom.ts';
import { findFfmpeg } from '../../../src/system/ffmpeg.ts';
import {
  concatenated,
  controlRecord,
  mediaHeader,
  packet,
  soundPackets,
  videoProperty,
} from './zoom-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'roomtape-zoom-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ffmpeg = (await findFfmpeg()).path;
const run = (...args: string[]) =>
  execFileSync(ffmpeg, ['-v', 'error', ...args], { maxBuffer: 1 << 26 });
const hasX264 = /libx264/.test(String(execFileSync(ffmpeg, ['-v', 'quiet', '-encoders'])));

const sound = soundPackets(50);
const soundFile = concatenated([mediaHeader(), ...sound]);

const experimental = { references: [], experimentalZoom: true } as const;

function planned(outcome: RepairOutcome): RepairPlan {
  if (outcome.kind === 'none') throw new Error(`no plan: ${outcome.detail}`);
  return outcome;
}

function written(plan: RepairPlan, source: ByteSource): Uint8Array {
  const parts = [...plan.pieces()].map((piece) =>
    piece.kind === 'bytes' ? piece.bytes : source.read(piece.offset, piece.length),
  );
  return concatenated(parts);
}

function extracted(bytes: Uint8Array): { plan: RepairPlan; output: Uint8Array } {
  const source = memorySource(bytes);
  const plan = planned(zoom.planRepair(source, experimental));
  const output = written(plan, source);
  expect(output.length).toBe(plan.outputSize);
  return { plan, output };
}

describe('given a .zoom media file', () => {
  test('when it is complete, then it is whole and its length is known', () => {
    const source = memorySource(soundFile);
    expect(recogniseFormat(source)).toBe(zoom);
    const seen = diagnose(source);
    expect(seen).toMatchObject({ container: 'zoom', verdict: 'whole', durationMs: 1000 });
    expect(seen.tracks[0]).toMatchObject({
      codec: 'pcm_s16le',
      samples: 50,
      sampleRate: 32_000,
      channels: 1,
    });
  });

  test('wherever it is cut, the whole packets before the cut are counted and nothing else', () => {
    const size = sound[0]?.length ?? 0;
    fc.assert(
      fc.property(fc.integer({ min: 8, max: soundFile.length - 1 }), (cut) => {
        const seen = diagnose(memorySource(soundFile.subarray(0, cut)), { thorough: true });
        const whole = Math.max(0, Math.floor((cut - 1024) / size));
        expect(seen.tracks[0]?.samples ?? 0).toBe(whole);
        const atBorder = whole > 0 && (cut - 1024) % size === 0;
        expect(seen.verdict).toBe(whole === 0 ? 'empty' : atBorder ? 'whole' : 'interrupted');
        if (whole > 0 && !atBorder) {
          expect(seen.damage[0]).toMatchObject({ kind: 'torn-tail', at: 1024 + whole * size });
          expect(seen.damage[0]?.detail).toContain(`${whole * size} of ${cut - 1024} bytes`);
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['negative', -5],
    ['huge', 0x7fffffff],
  ])('when a packet claims a %s length, then reading goes on behind it', (_, length) => {
    const bytes = soundFile.slice();
    const size = sound[0]?.length ?? 0;
    new DataView(bytes.buffer).setInt32(1024 + 10 * size + 36, length, true);
    const seen = diagnose(memorySource(bytes), { thorough: true });
    expect(seen).toMatchObject({ verdict: 'interrupted', recoverable: true });
    expect(seen.tracks[0]?.samples).toBe(49);
    expect(seen.damage[0]).toMatchObject({ kind: 'hole', at: 1024 + 10 * size });
  });

  test('when a trailer is torn or the end is zeros, then that packet does not count', () => {
    const bytes = soundFile.slice();
    bytes.fill(0, bytes.length - 1000);
    const seen = diagnose(memorySource(bytes), { thorough: true });
    expect(seen.tracks[0]?.samples).toBe(49);
    expect(seen.damage.map((damage) => damage.kind)).toEqual(['torn-tail', 'zero-tail']);
  });

  test('when its times are damaged, then its length stays believable', () => {
    const bytes = soundFile.slice();
    const size = sound[0]?.length ?? 0;
    new DataView(bytes.buffer).setBigInt64(1024 + 20 * size + 12, 2n ** 62n, true);
    expect(diagnose(memorySource(bytes)).durationMs).toBe(1000);
  });

  test('when it is large, then head and tail tell the same without reading it all', () => {
    const bytes = concatenated([mediaHeader(), ...soundPackets(9000, 48_000)]).subarray(0, -100);
    let read = 0;
    const memory = memorySource(bytes);
    const counted: ByteSource = {
      size: memory.size,
      read: (offset, length) => {
        const view = memory.read(offset, length);
        read += view.length;
        return view;
      },
    };
    const glimpse = diagnose(counted);
    const all = diagnose(memory, { thorough: true });
    expect(glimpse).toMatchObject({ verdict: all.verdict, durationMs: all.durationMs });
    expect(glimpse.damage.map(({ kind, at }) => [kind, at])).toEqual(
      all.damage.map(({ kind, at }) => [kind, at]),
    );
    expect(read).toBeLessThan(bytes.length);
  });
});

describe('given the control file beside it', () => {
  const began = 1_757_849_791;
  const records = [
    controlRecord(1, 100),
    controlRecord(0x1003, 120, 40, began),
    controlRecord(7, 61_100, 3),
  ];
  const file = concatenated(records);

  test('when it is read, then it tells the wall clock of the start', () => {
    const seen = diagnose(memorySource(file));
    expect(seen).toMatchObject({ verdict: 'whole', startedAt: began * 1000, durationMs: 61_000 });
    expect(zoom.planRepair(memorySource(file), experimental).kind).toBe('none');
  });

  test('wherever it is cut, the cut is found at the right record', () => {
    const ends = [0, 80, 192, file.length];
    for (let cut = 8; cut < file.length; cut += 1) {
      const seen = diagnose(memorySource(file.subarray(0, cut)));
      const end = ends.findLast((one) => one <= cut) ?? 0;
      if (end !== cut) expect(seen.damage[0]?.at).toBe(end);
      if (end === 192) expect(seen.startedAt).toBe(began * 1000);
    }
  });
});

describe('given the wish to extract', () => {
  test('when the option is not set, then nothing is planned and the next step is named', () => {
    const none = zoom.planRepair(memorySource(soundFile), { references: [] });
    expect(none).toMatchObject({ kind: 'none', reason: 'unconverted' });
    expect(none.kind === 'none' && none.next).toContain('--experimental-zoom');
  });

  test('when it is set, then the sound comes out byte for byte', () => {
    const torn = soundFile.subarray(0, soundFile.length - 7);
    const { plan, output } = extracted(torn);
    expect(plan.method).toContain('experimental');
    expect(plan.findings[1]).toContain('Experimental');
    expect(plan).toMatchObject({ container: 'matroska', extension: '.mkv', bytesKept: 49 * 1280 });
    const path = join(folder, 'sound.mkv');
    writeFileSync(path, output);
    const pcm = run('-i', path, '-f', 's16le', '-');
    const truth = concatenated(sound.slice(0, 49).map((one) => one.subarray(56, 56 + 1280)));
    expect(Buffer.compare(pcm, Buffer.from(truth))).toBe(0);
    expect(diagnose(memorySource(output))).toMatchObject({ verdict: 'whole', durationMs: 980 });
  });

  test('when the sound has two channels, then its rate of bytes says so', () => {
    const stereo = soundPackets(50, 48_000).map((_, index) =>
      packet({
        type: 4,
        time: index * 20,
        property: Uint8Array.of(0x80, 0xbb, 0, 0),
        data: new Uint8Array((48_000 / 50) * 4).fill(index),
      }),
    );
    const { plan } = extracted(concatenated([mediaHeader(), ...stereo]));
    expect(plan.tracks[0]).toMatchObject({ channels: 2, sampleRate: 48_000, durationMs: 1000 });
  });

  test.runIf(hasX264)(
    'when there is video too, then every frame from the first IDR on plays',
    () => {
      const stream = join(folder, 'picture.h264');
      const options = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '10', '-bf', '0'];
      run(
        '-f',
        'lavfi',
        '-i',
        'testsrc=s=160x120:r=25:d=2',
        '-pix_fmt',
        'yuv420p',
        ...options,
        '-y',
        stream,
      );
      const pictures = accessUnits(readFileSync(stream));
      expect(pictures).toHaveLength(50);
      const property = videoProperty(16778240, 160, 120);
      const packets = pictures.map((data, index) =>
        packet({ type: 0x20, time: 5000 + index * 40, property, data }),
      );
      // The first ten pictures lose their start: nothing can be shown before the next IDR.
      const mixed = packets.flatMap((one, index) => [
        one,
        ...soundPackets(2, 32_000, 5000 + index * 40),
      ]);
      const cursor = packet({
        type: 0x1000,
        time: 5000,
        property: new Uint8Array(3),
        data: new Uint8Array(9),
      });
      const { plan, output } = extracted(concatenated([mediaHeader(), cursor, ...mixed.slice(3)]));
      expect(plan.tracks.map(({ kind, samples }) => [kind, samples])).toEqual([
        ['video', 40],
        ['audio', 98],
      ]);
      const path = join(folder, 'both.mkv');
      writeFileSync(path, output);
      const frames = run(
        '-xerror',
        '-err_detect',
        'explode',
        '-i',
        path,
        '-map',
        '0:v',
        '-f',
        'framemd5',
        '-',
      );
      const truth = run('-i', stream, '-f', 'framemd5', '-');
      expect(hashes(frames)).toEqual(hashes(truth).slice(10));
      expect(diagnose(memorySource(output))).toMatchObject({ verdict: 'whole' });
    },
  );

  test('whatever bytes are flipped or cut, nothing throws and the plan keeps its word', () => {
    const small = concatenated([mediaHeader(), ...soundPackets(6)]);
    const flip = fc.tuple(fc.nat(small.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(flip, { maxLength: 12 }), fc.nat(small.length), (flips, cut) => {
        const bytes = small.slice();
        for (const [at, value] of flips) bytes[at] = value;
        const source = memorySource(bytes.subarray(0, cut));
        zoom.diagnose(source, { thorough: true });
        const outcome = zoom.planRepair(source, experimental);
        if (outcome.kind === 'plan') {
          expect(written(outcome, source).length).toBe(outcome.outputSize);
          expect(outcome.bytesKept + outcome.bytesLost).toBeLessThanOrEqual(source.size);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

/** Pictures of an x264 stream: a new one begins with SPS, SEI or a slice after a slice. */
function accessUnits(bytes: Uint8Array): Uint8Array[] {
  const units = [...unitsOf(bytes)];
  const pictures: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (const { at, end, type } of units) {
    parts.push(Uint8Array.of(0, 0, 0, 1), bytes.subarray(at, end));
    if (type === 1 || type === 5) {
      pictures.push(concatenated(parts));
      parts = [];
    }
  }
  return pictures;
}

const hashes = (text: Buffer) =>
  String(text)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim());
