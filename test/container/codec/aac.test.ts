import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AacFrameParser, cutFrame, noFrame } from '../../../src/container/codec/aac-frame.ts';
import {
  bandOffsets,
  samplingRates,
  spectralCodes,
} from '../../../src/container/codec/aac-tables.ts';
import {
  type AudioConfig,
  buildAdts,
  buildAudioConfig,
  parseAudioConfig,
  parseElementaryStream,
} from '../../../src/container/codec/audio-config.ts';
import { makeMedia, seed } from './whole-files.ts';

interface AdtsFrame {
  readonly offset: number;
  readonly length: number;
  readonly config: AudioConfig;
}

/** Frames of an ADTS stream, whose headers tell what AAC alone does not. */
function framesOf(bytes: Uint8Array): AdtsFrame[] {
  const frames: AdtsFrame[] = [];
  for (let at = 0; at + 7 <= bytes.length; ) {
    const [, second = 0, third = 0, fourth = 0, fifth = 0, sixth = 0] = bytes.subarray(at, at + 6);
    const header = second & 1 ? 7 : 9;
    const total = ((fourth & 3) << 11) | (fifth << 3) | (sixth >> 5);
    const rate = samplingRates[(third >> 2) & 15] ?? 0;
    const config = parseAudioConfig(buildAudioConfig(rate, ((third & 1) << 2) | (fourth >> 6)));
    if (total < header || !config) break;
    frames.push({ offset: at + header, length: total - header, config });
    at += total;
  }
  return frames;
}

function expectMeasured(bytes: Uint8Array): void {
  const frames = framesOf(bytes);
  expect(frames.length).toBeGreaterThan(5);
  const parser = new AacFrameParser(frames[0]?.config ?? never());
  for (const { offset, length } of frames) {
    expect(parser.measure(bytes, offset, bytes.length)).toBe(length);
  }
}

function never(): never {
  throw new Error('no frames');
}

const sound = (channels: number): string[] => [
  ...['-f', 'lavfi', '-i', 'sine=f=330:b=5:d=0.7', '-f', 'lavfi', '-i', 'anoisesrc=d=0.7:a=0.4'],
  ...['-filter_complex', '[0][1]amerge=inputs=2,tremolo=f=5:d=0.95', '-ac', String(channels)],
];

describe('given AAC frames', () => {
  test('the frames of the fixture are measured exactly', () => expectMeasured(seed('aac.aac')));

  test.each(samplingRates)('at %d Hz every frame is measured exactly', async (rate) => {
    for (const [channels, bitrate] of [
      [1, '40k'],
      [2, '160k'],
    ] as const) {
      const args = [...sound(channels), '-ar', String(rate), '-c:a', 'aac', '-b:a', bitrate];
      const bytes = await makeMedia('aac', args);
      if (bytes && bytes.length > 2000) expectMeasured(bytes);
    }
  });

  test.each([3, 4, 5, 6, 8])(
    'with %d channels every frame is measured exactly',
    async (channels) => {
      const bytes = await makeMedia('aac', [...sound(channels), '-c:a', 'aac', '-b:a', '320k']);
      if (bytes && framesOf(bytes).length > 5) expectMeasured(bytes);
    },
  );

  test('an ADTS stream is made of frames as it was taken apart', () => {
    const bytes = seed('aac.aac');
    const frames = framesOf(bytes);
    const raw = frames.map(({ offset, length }) => bytes.subarray(offset, offset + length));
    const built = buildAdts(frames[0]?.config ?? never(), raw) ?? never();
    expect(framesOf(built).map(({ length }) => length)).toEqual(raw.map((frame) => frame.length));
    expect(buildAdts({ ...(frames[0]?.config ?? never()), rate: 44000 }, raw)).toBeNull();
  });

  test('a frame that is cut anywhere asks for more', () => {
    const bytes = seed('aac.aac');
    for (const { offset, length, config } of framesOf(bytes).slice(0, 8)) {
      const parser = new AacFrameParser(config);
      for (let cut = 0; cut < length; cut++) {
        expect(parser.measure(bytes, offset, offset + cut)).toBe(cutFrame);
      }
    }
  });

  test('a frame of another channel layout is none', () => {
    const bytes = seed('aac.aac');
    const [frame] = framesOf(bytes);
    const wrong = parseAudioConfig(buildAudioConfig(44100, frame?.config.channels === 2 ? 1 : 2));
    const parser = new AacFrameParser(wrong ?? never());
    expect(parser.measure(bytes, frame?.offset ?? 0, bytes.length)).toBe(noFrame);
  });

  test('bands for spectral replication in a fill element are skipped by their length', () => {
    // A frame of silence in one channel, with 20 bytes of SBR (extension type 13) behind it.
    const channel = '000' + '0000' + '01100100' + '0' + '00' + '0' + '000000' + '0' + '000';
    const fill = `1101111000001101101${'10110100'.repeat(19)}1111`;
    const bits = `${channel}${fill}111`;
    const bytes = Uint8Array.from({ length: Math.ceil(bits.length / 8) + 9 }, (_, n) =>
      Number.parseInt(bits.slice(8 * n, 8 * n + 8).padEnd(8, '0') || '0', 2),
    );
    const parser = new AacFrameParser(parseAudioConfig(buildAudioConfig(24000, 1)) ?? never());
    expect(parser.measure(bytes, 0, bytes.length)).toBe(Math.ceil(bits.length / 8));
  });
});

describe('given the tables of AAC', () => {
  test('every Huffman code is complete and has a tail for each codeword', () => {
    const sizes = [81, 81, 81, 81, 81, 81, 64, 64, 169, 169, 289];
    spectralCodes.forEach(({ counts, tails }, n) => {
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(sizes[n]);
      expect(counts.reduce((sum, count, bits) => sum + count / 2 ** (bits + 1), 0)).toBe(1);
      if (tails) expect(tails.length).toBe(sizes[n]);
    });
  });

  test('scale factor bands cover the spectrum at every rate', () => {
    for (let index = 0; index < samplingRates.length; index++) {
      for (const lines of [1024, 960] as const) {
        const { long, short } = bandOffsets(index, lines);
        expect(long.at(-1)).toBe(lines);
        expect(short.at(-1)).toBe(lines / 8);
        expect([...long]).toEqual([...new Set(long)].sort((a, b) => a - b));
      }
    }
  });
});

describe('given an audio configuration', () => {
  test('whatever the rate and layout, it is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 7000, max: 96000 }),
        fc.integer({ min: 1, max: 7 }),
        (rate, layout) => {
          const config = parseAudioConfig(buildAudioConfig(rate, layout));
          expect(config?.rate).toBe(rate);
          expect(config?.channelConfig).toBe(layout);
        },
      ),
    );
  });

  test('HE-AAC signalled explicitly is known by its core', () => {
    // Object type 5 at 24 kHz, stereo, playing at 48 kHz, core of type 2.
    const config = parseAudioConfig(Uint8Array.of(0x2b, 0x11, 0x88, 0x00));
    expect(config).toMatchObject({ objectType: 2, extension: 5, rate: 24000, channels: 2 });
  });

  test('object types without this syntax are refused', () => {
    for (const type of [3, 6, 23, 39]) {
      const first = type > 30 ? 0xf8 : type << 3;
      expect(parseAudioConfig(Uint8Array.of(first | 1, 0x90, 0, 0))).toBeNull();
    }
  });

  test('whatever the bytes of esds, they are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const stream = parseElementaryStream(bytes);
        if (stream) parseAudioConfig(stream.setup);
      }),
      { numRuns: 2000 },
    );
  });
});
