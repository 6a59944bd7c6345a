/**
 * What the repairs of all containers give back, judged by ffmpeg: it decodes without an error, and
 * its packets are those of the whole file, in order, byte for byte.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { recogniseFormat } from '../../src/container/formats.ts';
import { searchFfmpeg } from '../../src/system/ffmpeg.ts';
import { execute } from './format-contract.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const seeds = join(fixtures, 'seeds');
const ends: Record<string, readonly (readonly number[])[]> = JSON.parse(
  readFileSync(join(fixtures, 'packet-ends.json'), 'utf8'),
);
const folder = mkdtempSync(join(tmpdir(), 'roomtape-repairs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { chosen } = await searchFfmpeg();
const ffmpeg = chosen?.path ?? 'ffmpeg';
const local = ['-nostdin', '-v', 'error', '-protocol_whitelist', 'file,pipe'];

/** Sizes and hashes of the packets of each stream, in order. */
function packetsOf(path: string): Map<string, string[]> {
  const args = [...local, '-i', `file:${path}`, '-map', '0', '-c', 'copy', '-f', 'framemd5', '-'];
  const text = execFileSync(ffmpeg, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const streams = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') continue;
    const fields = line.split(',').map((field) => field.trim());
    const stream = fields[0] ?? '';
    streams.set(stream, [...(streams.get(stream) ?? []), `${fields[4]} ${fields[5]}`]);
  }
  return streams;
}

function decodeErrors(path: string): string {
  const args = [...local, '-err_detect', 'explode', '-i', `file:${path}`, '-f', 'null', '-'];
  const run = spawnSync(ffmpeg, args, { encoding: 'utf8' });
  return run.status === 0 ? run.stderr : `exit ${run.status}: ${run.stderr}`;
}

const files = [
  'h264-aac.mkv',
  'vp8-opus.webm',
  'h264-aac.flv',
  'mpeg4-mp3.avi',
  'h264-aac.ts',
  'opus.ogg',
  'vorbis.ogg',
  'flac.flac',
  'mp3.mp3',
  'aac.aac',
];

describe.runIf(chosen)('given a whole file that is cut off and repaired', () => {
  for (const name of files) {
    test(`${name}: wherever it was cut, ffmpeg decodes the repair without an error`, () => {
      const whole = new Uint8Array(readFileSync(join(seeds, name)));
      const truth = packetsOf(join(seeds, name));
      const borders = (ends[name] ?? []).flat().sort((a, b) => a - b);
      for (const part of [0.5, 0.9]) {
        // A few bytes into the packet behind the border.
        const cut = (borders[Math.floor(borders.length * part)] ?? 0) + 5;
        const source = memorySource(whole.slice(0, cut));
        const outcome = recogniseFormat(source)?.planRepair(source, { references: [] });
        if (outcome?.kind !== 'plan') throw new Error('there must be a plan');
        const path = join(folder, `${part}${extname(name)}`);
        writeFileSync(path, execute(source, outcome));
        expect(decodeErrors(path)).toBe('');
        const kept = packetsOf(path);
        expectPrefix(kept, truth, name.endsWith('.ts'));
        const counts = [...kept.keys()].sort().map((stream) => kept.get(stream)?.length);
        expect(counts).toEqual(outcome.tracks.map((track) => track.samples));
      }
    });
  }
});

function expectPrefix(
  kept: ReadonlyMap<string, readonly string[]>,
  truth: ReadonlyMap<string, readonly string[]>,
  isParsed: boolean,
): void {
  for (const [stream, packets] of kept) {
    // Where ffmpeg splits a stream itself, the last packet lacks the zero before the next one.
    const end = isParsed ? packets.length - 1 : packets.length;
    expect(packets.slice(0, end)).toEqual(truth.get(stream)?.slice(0, end));
  }
}
