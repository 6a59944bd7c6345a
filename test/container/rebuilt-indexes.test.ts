/**
 * What a repair writes anew: counts, durations, last pages and indexes, read back byte by byte.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../src/container/bytes.ts';
import { flac } from '../../src/container/flac/flac.ts';
import { readAmf } from '../../src/container/flv/amf.ts';
import { flv } from '../../src/container/flv/flv.ts';
import type { ContainerFormat } from '../../src/container/format.ts';
import { mp3 } from '../../src/container/mpegaudio/mp3.ts';
import { mpegts } from '../../src/container/mpegts/mpegts.ts';
import { ogg } from '../../src/container/ogg/ogg.ts';
import type { RepairPlan } from '../../src/container/repair-plan.ts';
import { avi } from '../../src/container/riff/avi.ts';
import { Window } from '../../src/container/window.ts';
import { execute } from './format-contract.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const seed = (name: string) => new Uint8Array(readFileSync(join(fixtures, 'seeds', name)));

function planFor(format: ContainerFormat, source: ByteSource): RepairPlan {
  const outcome = format.planRepair(source, { references: [] });
  if (outcome.kind !== 'plan') throw new Error(`no plan: ${outcome.detail}`);
  return outcome;
}

function repaired(format: ContainerFormat, bytes: Uint8Array): Buffer {
  const source = memorySource(bytes);
  return Buffer.from(execute(source, planFor(format, source)));
}

describe('given an Ogg whose last page is cut off', () => {
  const whole = seed('opus.ogg');
  const cut = 3000;
  const output = repaired(ogg, whole.subarray(0, cut));

  test('when it is repaired, the packets complete on that page are kept', () => {
    const borders = [...whole.keys()].filter(
      (at) => Buffer.from(whole).toString('latin1', at, at + 4) === 'OggS',
    );
    const lastPage = Math.max(...borders.filter((at) => at < cut));
    expect(output.length).toBeGreaterThan(lastPage + 27);
    expect(output.length).toBeLessThanOrEqual(cut);
  });

  test('when it is repaired, its last page ends the stream at the time of its last packet', () => {
    const last = output.lastIndexOf('OggS');
    expect((output[last + 5] ?? 0) & 4).toBe(4);
    const diagnosis = ogg.diagnose(memorySource(output));
    const packets = diagnosis.tracks[0]?.samples ?? 0;
    // Packets of 20 ms; the granule position counts samples at 48 kHz.
    expect(Number(output.readBigInt64LE(last + 6)) % 120).toBe(0);
    expect(diagnosis.durationMs).toBeGreaterThan((packets - 2) * 20);
  });

  test('when two streams follow each other, both are counted', () => {
    const second = Buffer.from(whole);
    const chained = new Uint8Array(Buffer.concat([whole, second]));
    const [one, two] = [ogg.diagnose(memorySource(whole)), ogg.diagnose(memorySource(chained))];
    expect(two.verdict).toBe('whole');
    expect(two.tracks).toHaveLength(1);
    expect(two.tracks[0]?.samples).toBe(2 * (one.tracks[0]?.samples ?? 0));
  });
});

describe('given a FLAC whose recorder was killed', () => {
  test('when it is repaired, the samples are counted and the hash is unknown', () => {
    const killed = seed('flac.flac').slice(0, 9000);
    // Total of samples and MD5, as they stand before the recorder is done.
    killed.fill(0, 22, 26);
    killed[21] = (killed[21] ?? 0) & 0xf0;
    killed.fill(0, 26, 42);
    const output = repaired(flac, killed);
    const track = flac.diagnose(memorySource(output)).tracks[0];
    const total = output.readUInt32BE(22);
    expect(total).toBeGreaterThan(0);
    expect(total).toBe(Math.round(((track?.durationMs ?? 0) * (track?.sampleRate ?? 0)) / 1000));
    expect(output.subarray(26, 42)).toEqual(Buffer.alloc(16));
  });
});

describe('given an FLV whose recorder was killed', () => {
  test('when it is repaired, duration, size and key frames stand in its first tag', () => {
    const output = repaired(flv, seed('h264-aac.flv').subarray(0, 8000));
    const window = new Window(memorySource(output));
    const name = readAmf(window, 13 + 11);
    expect(name?.value).toBe('onMetaData');
    const values = readAmf(window, name?.end ?? 0)?.value;
    if (!(values instanceof Map)) throw new Error('there must be metadata');
    expect(values.get('filesize')).toBe(output.length);
    expect(values.get('duration')).toBeGreaterThan(0);
    const keyFrames = values.get('keyframes');
    if (!(keyFrames instanceof Map)) throw new Error('there must be key frames');
    const positions = keyFrames.get('filepositions');
    if (!Array.isArray(positions)) throw new Error('there must be positions');
    expect(positions.length).toBeGreaterThan(0);
    // Each position is that of a tag of pictures (9).
    for (const position of positions) expect(output[Number(position)]).toBe(9);
  });
});

describe('given an MP3 whose recorder was killed', () => {
  test('when it is repaired, the first frame counts the others', () => {
    const output = repaired(mp3, seed('mp3.mp3').subarray(0, 4000));
    const tag = Math.max(output.indexOf('Xing'), output.indexOf('Info'));
    const track = mp3.diagnose(memorySource(output)).tracks[0];
    expect(output.readUInt32BE(tag + 8)).toBe(track?.samples);
  });
});

describe('given a transport stream that is cut inside a PES packet of sound', () => {
  test('when it is repaired, the complete frames of that packet are kept', () => {
    const whole = seed('h264-aac.ts');
    let most = 0;
    for (let cut = 12_000; cut < whole.length; cut += 188) {
      const source = memorySource(whole.subarray(0, cut));
      const outcome = mpegts.planRepair(source, { references: [] });
      if (outcome.kind !== 'plan') continue;
      const output = execute(source, outcome);
      expect(output.length % 188).toBe(0);
      const sound = outcome.tracks.find((track) => track.kind === 'audio')?.samples ?? 0;
      expect(sound).toBeGreaterThanOrEqual(most);
      most = sound;
      expect(mpegts.diagnose(memorySource(output)).verdict).toBe('whole');
    }
    expect(most).toBeGreaterThan(0);
  });
});

describe('given an AVI of more than 1 GB without an index', () => {
  const head = seed('mpeg4-mp3.avi').subarray(0, 10_164);
  const movi = Buffer.from(head).lastIndexOf('movi') + 4;
  // Chunks of 64 MiB: a few headers, and bytes that are all the same in between.
  const body = 64 * 1024 * 1024;
  const count = 24;
  const size = movi + count * (8 + body) + 1000;
  const huge: ByteSource = {
    size,
    read: (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset))).fill(7);
      for (let i = 0; i < bytes.length && offset + i < movi; i += 1)
        bytes[i] = head[offset + i] ?? 0;
      for (let index = 0; index <= count; index += 1) {
        const at = movi + index * (8 + body) - offset;
        if (at < -8 || at >= bytes.length) continue;
        const header = Buffer.from('00dc\0\0\0\x04', 'latin1');
        for (let i = 0; i < 8; i += 1) {
          if (at + i >= 0 && at + i < bytes.length) bytes[at + i] = header[i] ?? 0;
        }
      }
      return bytes;
    },
  };

  test('when it is repaired, each part of 1 GB has its RIFF and its index', () => {
    const plan = planFor(avi, huge);
    expect(plan.tracks[0]?.samples).toBe(count);
    const lists: string[] = [];
    let indexed = 0;
    for (const piece of plan.pieces()) {
      if (piece.kind !== 'bytes') continue;
      const text = Buffer.from(piece.bytes).toString('latin1');
      for (const match of text.matchAll(/AVI |AVIX|movi|idx1/g)) lists.push(match[0]);
      if (text.startsWith('ix00')) indexed += Buffer.from(piece.bytes).readUInt32LE(12);
    }
    expect(lists).toEqual(['AVI ', 'movi', 'idx1', 'AVIX', 'movi']);
    expect(indexed).toBe(count);
  });
});
