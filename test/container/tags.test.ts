/**
 * Tags around sound, and files that were put behind each other: whole, and nothing of them is lost.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { diagnose, recogniseFormat } from '../../src/container/formats.ts';
import { execute } from './format-contract.ts';

const seeds = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds');
const seed = (name: string) => readFileSync(join(seeds, name));
const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const look = (bytes: Uint8Array) => diagnose(memorySource(bytes), { thorough: true });

const id3 = Buffer.concat([
  Buffer.from([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 2, 0]),
  Buffer.alloc(256),
]);
const id3v1 = Buffer.from(`TAG${'x'.repeat(125)}`);
const lyrics = Buffer.from('LYRICSBEGININD0000200000021LYRICS200');
const size = Buffer.from([35 + 32, 0, 0, 0]);
const ape = (flag: number) =>
  Buffer.concat([
    Buffer.from('APETAGEX'),
    Buffer.from([0xd0, 7, 0, 0]),
    size,
    Buffer.from([1, 0, 0, 0, 0, 0, 0, flag]),
    Buffer.alloc(8),
  ]);
const apeTag = Buffer.concat([ape(0xa0), Buffer.alloc(35, 0x61), ape(0x80)]);

const wholes: readonly (readonly [what: string, bytes: Uint8Array, like: string, times: number])[] =
  [
    ['ADTS behind an ID3 tag', joined(id3, seed('aac.aac')), 'aac.aac', 1],
    ['FLAC behind an ID3 tag', joined(id3, seed('flac.flac')), 'flac.flac', 1],
    ['FLAC before an ID3v1 tag', joined(seed('flac.flac'), id3v1), 'flac.flac', 1],
    ['MP3 before Lyrics3 and ID3v1', joined(seed('mp3.mp3'), lyrics, id3v1), 'mp3.mp3', 1],
    ['MP3 before an APE tag', joined(seed('mp3.mp3'), apeTag, id3v1), 'mp3.mp3', 1],
    ['MP3 before padding', joined(seed('mp3.mp3'), Buffer.alloc(100)), 'mp3.mp3', 1],
    ['two ADTS with tags', joined(id3, seed('aac.aac'), id3, seed('aac.aac')), 'aac.aac', 2],
  ];

describe('given whole sound with tags around it', () => {
  test.each(wholes)('%s is whole, with every frame', (_, bytes, like, times) => {
    const found = look(bytes);
    const samples = look(new Uint8Array(seed(like))).tracks[0]?.samples ?? 0;
    expect(found).toMatchObject({ verdict: 'whole', damage: [] });
    expect(found.tracks[0]?.samples).toBe(samples * times);
  });

  test.each(wholes)('%s, its end torn, keeps what stands before', (_, bytes) => {
    const source = memorySource(bytes.subarray(0, Math.floor(bytes.length * 0.93)));
    const outcome = recogniseFormat(source)?.planRepair(source, { references: [] });
    if (outcome?.kind !== 'plan') throw new Error('there must be a plan');
    const repaired = look(execute(source, outcome));
    expect(repaired).toMatchObject({ verdict: 'whole', damage: [] });
    expect(repaired.tracks[0]?.samples).toBe(outcome.tracks[0]?.samples);
    const head = bytes.subarray(0, 3);
    expect(execute(source, outcome).subarray(0, 3)).toEqual(head);
  });
});

describe('given two MP3 put behind each other', () => {
  test('the second one’s tag and count are no damage', () => {
    const one = seed('mp3.mp3');
    const samples = look(new Uint8Array(one)).tracks[0]?.samples ?? 0;
    const found = look(joined(one, one));
    expect(found).toMatchObject({ verdict: 'whole', damage: [] });
    expect(found.tracks[0]?.samples).toBeGreaterThanOrEqual(2 * samples);
  });
});
