/**
 * Matroska and WebM: what counts as whole, and that a repair moves no block without need.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { matroska } from '../../src/container/matroska/matroska.ts';
import { execute } from './format-contract.ts';

const seeds = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds');
const seed = (name: string) => new Uint8Array(readFileSync(join(seeds, name)));
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const look = (bytes: Uint8Array) => matroska.diagnose(memorySource(bytes), { thorough: true });

/** A live WebM as browsers write it: unknown sizes, no duration, no room for any. */
const liveHead = hex(`
  1a45dfa3 87 4282 84 7765626d
  18538067 01ffffffffffffff
  1549a966 87 2ad7b1 83 0f4240
  1654ae6b 93 ae 91 d7 81 01 83 81 02 86 86 415f4f505553 e1 81 00
`);

/** A cluster at `time` with blocks of 20 ms, its size unknown. */
function liveCluster(time: number, blocks: number): Uint8Array {
  const parts = [
    hex('1f43b675 01ffffffffffffff'),
    hex('e7 82'),
    Uint8Array.of(time >> 8, time & 0xff),
  ];
  for (let i = 0; i < blocks; i += 1) {
    const body = Uint8Array.from({ length: 40 }, (_, index) => 1 + ((index * 7 + i) % 255));
    parts.push(Uint8Array.of(0xa3, 0x80 + 4 + body.length, 0x81, 0, i * 20, 0x80), body);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const live = (...clusters: Uint8Array[]) => new Uint8Array(Buffer.concat([liveHead, ...clusters]));

describe('given a WebM that a browser wrote live', () => {
  const whole = live(liveCluster(0, 10), liveCluster(200, 10), liveCluster(400, 5));

  test('when it ends behind a block, it is whole although nobody wrote its duration', () => {
    expect(look(whole)).toMatchObject({ verdict: 'whole', container: 'webm', durationMs: 500 });
    expect(look(whole).tracks).toMatchObject([{ kind: 'audio', codec: 'opus', samples: 25 }]);
  });

  test('a pause inside does not lengthen it at its end', () => {
    const paused = live(liveCluster(0, 10), liveCluster(5000, 5));
    expect(look(paused)).toMatchObject({ verdict: 'whole', durationMs: 5100 });
  });

  test('when one byte of the next element follows, it is interrupted, and no block is lost', () => {
    const bytes = Uint8Array.from([...whole, 0xa3]);
    expect(look(bytes)).toMatchObject({ verdict: 'interrupted', durationMs: 500 });
    const source = memorySource(bytes);
    const outcome = matroska.planRepair(source, { references: [] });
    if (outcome.kind !== 'plan') throw new Error('there must be a plan');
    const repaired = look(execute(source, outcome));
    expect(repaired).toMatchObject({ verdict: 'whole', durationMs: 500, damage: [] });
    expect(repaired.tracks[0]?.samples).toBe(25);
  });

  test('when a hole swallows the header of a cluster, its blocks keep their place in time', () => {
    const bytes = Uint8Array.from([...whole, 0xa3]);
    const second = liveHead.length + liveCluster(0, 10).length;
    bytes.fill(0, second - 20, second + 20);
    const source = memorySource(bytes);
    const outcome = matroska.planRepair(source, { references: [] });
    if (outcome.kind !== 'plan') throw new Error('there must be a plan');
    // The block before the hole and the one under it are gone.
    expect(outcome.tracks[0]?.samples).toBe(23);
    const repaired = look(execute(source, outcome));
    expect(repaired).toMatchObject({ verdict: 'whole', durationMs: 500 });
    expect(repaired.tracks[0]?.samples).toBe(23);
  });
});

describe('given a live WebM of ffmpeg, which fills in its seek head when it ends', () => {
  const whole = seed('live.webm');

  test('when it ends as it should, it is whole', () => {
    expect(look(whole)).toMatchObject({ verdict: 'whole', damage: [] });
  });
});

describe('given a Matroska file of ffmpeg', () => {
  const whole = seed('h264-aac.mkv');

  test('when its metadata says more than it holds, it is interrupted at the byte where it ends', () => {
    const diagnosis = look(whole.subarray(0, whole.length - 3000));
    expect(diagnosis.verdict).toBe('interrupted');
    expect(diagnosis.damage.map((each) => each.kind)).toContain('torn-tail');
    const quick = matroska.diagnose(memorySource(whole.subarray(0, 6000)), { thorough: false });
    expect(quick.verdict).toBe('interrupted');
  });

  test('when it was never finished, no block moves: the writer can clone the file', () => {
    const killed = whole.slice(0, whole.length - 3000);
    const source = memorySource(killed);
    const outcome = matroska.planRepair(source, { references: [] });
    if (outcome.kind !== 'plan') throw new Error('there must be a plan');
    const moved: number[] = [];
    let at = 0;
    for (const piece of outcome.pieces()) {
      if (piece.kind === 'copy' && piece.offset !== at) moved.push(piece.offset - at);
      at += piece.kind === 'copy' ? piece.length : piece.bytes.length;
    }
    expect(moved).toEqual([]);
  });

  test('when it is encrypted throughout, it says so', () => {
    // ContentEncodings with a ContentEncryption, in place of the audio settings.
    const head = Buffer.from(liveHead).toString('hex');
    const encodings = '6d8086624083503580';
    const encrypted = hex(head.replace('93ae91', '99ae97').replace('e18100', encodings));
    const bytes = new Uint8Array(Buffer.concat([encrypted, liveCluster(0, 3)]));
    const diagnosis = look(bytes);
    expect(diagnosis).toMatchObject({ verdict: 'beyond-repair', recoverable: false });
    expect(diagnosis.damage.map((each) => each.kind)).toEqual(['encrypted']);
  });
});

describe('given block groups whose block does not stand first, as GStreamer writes them', () => {
  test('when duration or padding come before it, every block counts', () => {
    const frame = Uint8Array.from({ length: 40 }, (_, index) => 1 + index);
    const block = Buffer.concat([hex('a1 ac 81 0000 00'), frame]);
    const group = (before: string) => {
      const body = Buffer.concat([hex(before), block]);
      return Buffer.concat([hex('a0'), Uint8Array.of(0x80 + body.length), body]);
    };
    const cluster = Buffer.concat([
      hex('1f43b675 01ffffffffffffff e7 81 00'),
      group('9b 81 14'),
      group('75a2 83 028b0b'),
      group(''),
    ]);
    const found = look(live(new Uint8Array(cluster)));
    expect(found).toMatchObject({ verdict: 'whole', damage: [] });
    expect(found.tracks[0]?.samples).toBe(3);
  });
});

describe('given a laced block that is cut off', () => {
  const frames = [30, 300, 45, 60].map((size) =>
    Uint8Array.from({ length: size }, (_, index) => 1 + ((index + size) % 250)),
  );
  // Sizes of all but the last: as Xiph laces them, and as EBML does (30, +270, -255).
  const lacings = [
    ['Xiph', '82 03 1e ff2d 2d'],
    ['EBML', '86 03 9e 610d 5f00'],
  ] as const;

  test.each(lacings)('wherever it is cut, its complete frames are kept (%s)', (_, sizes) => {
    const head = hex(`81 0000 ${sizes}`);
    const body = Buffer.concat([head, ...frames]);
    const block = Buffer.concat([
      hex('a3'),
      Uint8Array.of(0x40 | (body.length >> 8), body.length),
      body,
    ]);
    const bytes = live(
      new Uint8Array(Buffer.concat([hex('1f43b675 01ffffffffffffff e7 81 00'), block])),
    );
    expect(look(bytes).tracks[0]?.samples).toBe(4);
    const begins = bytes.length - body.length + head.length;
    for (const cut of [begins + 31, begins + 329, begins + 330, begins + 400, bytes.length - 1]) {
      const complete = [30, 330, 375, 435].filter((end) => begins + end <= cut).length;
      const source = memorySource(bytes.subarray(0, cut));
      const outcome = matroska.planRepair(source, { references: [] });
      if (outcome.kind !== 'plan') throw new Error('there must be a plan');
      const repaired = execute(source, outcome);
      expect(look(repaired)).toMatchObject({ verdict: 'whole', damage: [] });
      expect(look(repaired).tracks[0]?.samples, `cut at ${cut}`).toBe(complete);
      const kept = Buffer.concat(frames.slice(0, complete));
      expect(Buffer.from(repaired).includes(kept)).toBe(true);
    }
  });
});
