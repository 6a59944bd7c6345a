import { describe, expect, test } from 'vitest';
import { rateByClock, searchAudioConfig } from '../../../src/container/codec/audio-search.ts';
import { buildAv1Config, buildHevcConfig } from '../../../src/container/codec/config-boxes.ts';
import { hevcCodec } from '../../../src/container/codec/hevc.ts';
import { parseHevcConfig } from '../../../src/container/codec/hevc-parameter-sets.ts';
import { parseSampleEntry } from '../../../src/container/codec/sample-entry.ts';
import { makeMedia, seed, tracksOf, type WholeTrack } from './whole-files.ts';

function trackOf(bytes: Uint8Array, kind: 'video' | 'audio'): WholeTrack {
  const track = tracksOf(bytes).find((candidate) => candidate.kind === kind);
  if (!track) throw new Error(`no ${kind}`);
  return track;
}

function boxOf(track: WholeTrack, type: string): Uint8Array {
  return parseSampleEntry(track.entry, track.kind ?? 'video')?.boxes.get(type) ?? new Uint8Array(0);
}

describe('given sound whose configuration was lost', () => {
  test.each([
    ['stereo', '48000', 2, 2],
    ['mono', '44100', 1, 1],
    ['six channels', '48000', 6, 6],
    ['a low rate', '16000', 1, 1],
    ['32 kHz', '32000', 2, 2],
  ] as const)('%s at %s Hz is found by measuring', async (_name, rate, channels, layout) => {
    const noise = ['-f', 'lavfi', '-i', 'anoisesrc=d=2:a=0.3:c=pink'];
    const sound = ['-ac', String(channels), '-ar', rate, '-c:a', 'aac'];
    const bytes = await makeMedia('m4a', [...noise, ...sound]);
    if (!bytes) return;
    const { samples } = trackOf(bytes, 'audio');
    // Runs of three frames, as between pictures.
    const runs = samples
      .filter((_, n) => n % 3 === 0 && n + 2 < samples.length)
      .map(({ offset }, n): [number, number] => {
        const last = samples[3 * n + 2];
        return [offset, (last?.offset ?? 0) + (last?.size ?? 0)];
      });
    const [best] = searchAudioConfig(bytes, runs);
    expect(best?.fits).toBe(1);
    expect(best?.rates).toContain(Number(rate));
    expect(best?.config.channelConfig).toBe(layout);
    const seconds = (samples.length * 1024) / Number(rate);
    expect(rateByClock(best?.rates ?? [], samples.length, seconds)).toBe(Number(rate));
  });

  test('pictures are not taken for sound', () => {
    const bytes = seed('h264-aac.mp4');
    const runs = trackOf(bytes, 'video').samples.map(({ offset, size }): [number, number] => [
      offset,
      offset + size,
    ]);
    expect(searchAudioConfig(bytes, runs)).toEqual([]);
  });
});

describe('given parameter sets in band', () => {
  test('the configuration of HEVC is made as ffmpeg makes it', () => {
    const track = trackOf(seed('hevc-aac.mp4'), 'video');
    const hvcC = boxOf(track, 'hvcC');
    const read = parseHevcConfig(hvcC);
    const sets = (read?.units ?? []).filter((unit) => (unit[0] ?? 0) >> 1 < 39);
    const built = buildHevcConfig(sets, 4) ?? new Uint8Array(0);
    expect(parseHevcConfig(built)).toEqual({ lengthBytes: 4, units: sets });
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17, 18]) {
      expect(built[at]).toBe(hvcC[at]);
    }
    expect(buildHevcConfig([], 4)).toBeNull();
  });

  test('HEVC without a configuration is measured once its sets came by', () => {
    const bytes = seed('hevc-aac.mp4');
    const track = trackOf(bytes, 'video');
    const sets = parseHevcConfig(boxOf(track, 'hvcC'))?.units ?? [];
    const [sample] = track.samples;
    const picture = bytes.subarray(
      sample?.offset ?? 0,
      (sample?.offset ?? 0) + (sample?.size ?? 0),
    );
    const prefixed = sets.flatMap((unit) => [0, 0, unit.length >> 8, unit.length & 255, ...unit]);
    const stream = Uint8Array.from([...prefixed, ...picture]);
    const codec = hevcCodec(4, []);
    expect(codec.measure(stream, 0, stream.length, true)).toBe(stream.length);
    codec.accept();
    expect([codec.width, codec.height, codec.last.sync]).toEqual([64, 48, true]);
  });

  test('the configuration of AV1 is made as ffmpeg makes it', () => {
    const av1C = boxOf(trackOf(seed('av1-aac.mp4'), 'video'), 'av1C');
    const header = av1C.subarray(6, 6 + (av1C[5] ?? 0));
    expect(buildAv1Config(header)).toEqual(av1C.slice());
    expect(buildAv1Config(new Uint8Array(2))).toBeNull();
  });
});
