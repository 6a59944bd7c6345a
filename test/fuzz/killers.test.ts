/**
 * Hostile files that made some reader spin or die, ours or another's: none does any more.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { recogniseFormat } from '../../src/container/formats.ts';
import { mutated } from './mutation.ts';
import { loadSeeds, readAll, type Seed, seedsByReader } from './readers.ts';

const killers = join(import.meta.dirname, '..', '..', 'fixtures', 'killers');
const seeds = loadSeeds();

function seedNamed(name: string): Seed {
  const seed = seeds.find((one) => one.name === name);
  if (!seed) throw new Error(`no seed ${name}`);
  return seed;
}

/** Puts a 32-bit value at an offset from each place where a four-character code stands. */
function withValueAt(bytes: Uint8Array, code: string, offset: number, value: number): Uint8Array {
  const result = bytes.slice();
  const view = new DataView(result.buffer);
  for (let at = 0; at + offset + 4 <= result.length; at += 1) {
    if ([...code].every((letter, i) => result[at + i] === letter.charCodeAt(0))) {
      view.setUint32(at + offset, value);
    }
  }
  return result;
}

function tookMs(bytes: Uint8Array, seed: Seed): number {
  const began = performance.now();
  expect(readAll(bytes, seed.profile)).toBeNull();
  return performance.now() - began;
}

describe('given an MP4 whose tables claim billions of entries', () => {
  test.each([
    ['stts', 8],
    ['stts', 12],
    ['ctts', 8],
    ['ctts', 12],
    ['stsc', 8],
    ['stsc', 16],
    ['stsz', 12],
    ['stco', 8],
    ['stss', 8],
    ['stsd', 8],
    ['elst', 8],
    ['trun', 8],
  ])('a false count in %s at %i is bounded by the bytes that are there', (box, offset) => {
    for (const name of ['h264-aac.mp4', 'h264-aac-fragmented.mp4', 'h264-pcm.mov']) {
      const seed = seedNamed(name);
      for (const value of [0xffffffff, 0x7fffffff, 0x10000000]) {
        expect(tookMs(withValueAt(seed.bytes, box, offset, value), seed)).toBeLessThan(2_000);
      }
    }
  });
});

describe('given sound files', () => {
  test('none of their counts is called false', () => {
    for (const { name, bytes } of seeds) {
      const source = memorySource(bytes);
      expect(recogniseFormat(source)?.falseClaims?.(source) ?? [], name).toEqual([]);
    }
  });
});

describe('given the killers found so far', () => {
  const found = existsSync(killers) ? readdirSync(killers) : [];

  test('each is survived within 2 s', () => {
    for (const name of found) {
      const seed = seedNamed(name.slice(name.indexOf('-') + 1));
      expect(tookMs(new Uint8Array(readFileSync(join(killers, name))), seed), name).toBeLessThan(
        2_000,
      );
    }
  });
});

describe('given damaged files of every kind', () => {
  test.each([...seedsByReader(seeds)])(
    'the reader of %s answers each without a throw',
    (_, own) => {
      for (let number = 0; number < 150; number += 1) {
        const seed = own[number % own.length];
        const other = seeds[number % seeds.length];
        if (!seed || !other) throw new Error('no seeds');
        const bytes = mutated(seed.bytes, other.bytes, 7_000_000 + number);
        expect(readAll(bytes, seed.profile), `input ${7_000_000 + number}`).toBeNull();
      }
    },
  );
});
