import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aacCodec } from '../../../src/container/codec/aac.ts';
import { alacCodec, alacFromConfig } from '../../../src/container/codec/alac.ts';
import { buildAudioConfig, parseAudioConfig } from '../../../src/container/codec/audio-config.ts';
import { av1Codec } from '../../../src/container/codec/av1.ts';
import { needsMore, notASample, type SampleCodec } from '../../../src/container/codec/codec.ts';
import { flacCodec, flacFromConfig } from '../../../src/container/codec/flac-frame.ts';
import { ac3Codec, eac3Codec, mp3Codec } from '../../../src/container/codec/mpeg-audio.ts';
import { pcmCodec } from '../../../src/container/codec/pcm.ts';
import { mjpegCodec, proresCodec, vp8Codec } from '../../../src/container/codec/pictures.ts';
import { parseSampleEntry, type SampleEntry } from '../../../src/container/codec/sample-entry.ts';
import { vp9Codec } from '../../../src/container/codec/vp9.ts';

const stereo = parseAudioConfig(buildAudioConfig(48000, 2));
const alac = {
  frameLength: 4096,
  bitDepth: 16,
  historyMult: 40,
  initialHistory: 10,
  riceLimit: 14,
  channels: 2,
  rate: 44100,
};

/** Codecs with the bytes their samples begin with. */
const codecs: readonly (readonly [SampleCodec, readonly number[]])[] = [
  [mjpegCodec(64, 48), [0xff, 0xd8, 0xff, 0xda, 0, 2]],
  [proresCodec(64, 48), [0, 0, 0, 90, 0x69, 0x63, 0x70, 0x66, 0, 148, 0, 0, 0, 0, 0, 0, 0, 64]],
  [vp8Codec(64, 48), [0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0]],
  [vp9Codec(64, 48), [0x82, 0x49, 0x83, 0x42]],
  [av1Codec(null, 64, 48), [0x12, 0, 0x32, 9, 0x10]],
  [mp3Codec(44100, 2), [0xff, 0xfb, 0x90, 0]],
  [ac3Codec(48000, 2), [0x0b, 0x77, 0, 0, 0x14, 0x40]],
  [eac3Codec(48000, 2), [0x0b, 0x77, 0, 40, 0x30, 0x80]],
  [
    flacCodec({ maxBlock: 4096, maxFrameBytes: 0, rate: 44100, channels: 2, bits: 16 }),
    [0xff, 0xf8, 0xc9, 0x18, 0, 0xc2],
  ],
  [alacCodec(alac), [0x20, 0, 0, 0]],
  ...(stereo ? ([[aacCodec(stereo), [0x21]]] as const) : []),
];

describe('given any codec', () => {
  test('whatever follows a plausible start, the answer lies inside the bytes', () => {
    fc.assert(
      fc.property(
        fc.nat(codecs.length - 1),
        fc.uint8Array({ maxLength: 400 }),
        fc.boolean(),
        (which, rest, atEnd) => {
          const [codec, start] = codecs[which] ?? never();
          const bytes = Uint8Array.from([...start, ...rest]);
          const length = codec.measure(bytes, 0, bytes.length, atEnd);
          expect(length).toBeGreaterThanOrEqual(needsMore);
          expect(length).toBeLessThanOrEqual(bytes.length);
          if (length === needsMore) expect(codec.last.wanted).toBeGreaterThan(0);
          codec.isStart(bytes, 0, bytes.length);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('whatever is accepted, the count goes on after its state was put back', () => {
    for (const [codec] of codecs) {
      codec.accept();
      codec.discontinue();
      codec.accept();
      const { order } = codec.last;
      expect(codec.restore(codec.state())).toBe(true);
      codec.accept();
      expect(codec.last.order).toBe(order + 1);
      expect(codec.restore(['?'])).toBe(false);
    }
  });
});

describe('given frames that say their length', () => {
  test.each([
    ['MP3, 128 kbit/s at 44.1 kHz', mp3Codec(44100, 2), [0xff, 0xfb, 0x90, 0], 417, 1152],
    ['MP3, padded', mp3Codec(44100, 2), [0xff, 0xfb, 0x92, 0], 418, 1152],
    ['MP3 at 22.05 kHz', mp3Codec(22050, 1), [0xff, 0xf3, 0x80, 0xc0], 208, 576],
    ['AC-3, 192 kbit/s', ac3Codec(48000, 2), [0x0b, 0x77, 0, 0, 0x14, 0x40, 0], 768, 1536],
    ['E-AC-3 of six blocks', eac3Codec(48000, 2), [0x0b, 0x77, 0, 199, 0x30, 0x80, 0], 400, 1536],
  ] as const)('%s', (_name, codec, start, length, duration) => {
    const bytes = new Uint8Array(length);
    bytes.set(start);
    expect(codec.measure(bytes, 0, length, true)).toBe(length);
    expect(codec.last.duration).toBe(duration);
    expect(codec.measure(bytes, 0, length - 1)).toBe(needsMore);
  });

  test('a JPEG ends at its marker, whatever stuffing and restarts are inside', () => {
    const scan = [1, 0xff, 0, 2, 0xff, 0xd3, 3, 0xff, 0xff, 0xd9];
    const bytes = Uint8Array.from([0xff, 0xd8, 0xff, 0xfe, 0, 3, 9, 0xff, 0xda, 0, 2, ...scan, 7]);
    const codec = mjpegCodec(64, 48);
    expect(codec.measure(bytes, 0, bytes.length)).toBe(bytes.length - 1);
    expect(codec.measure(bytes.subarray(0, 15), 0, 15)).toBe(needsMore);
    expect(codec.measure(Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), 0, 4)).toBe(notASample);
  });
});

describe('given pictures whose end only the next sample tells', () => {
  test.each([
    [
      'VP8 key frame',
      vp8Codec(64, 48),
      [0x50, 1, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3, 4],
      true,
    ],
    ['VP8 frame', vp8Codec(64, 48), [0x51, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], false],
  ] as const)('%s', (_name, codec, values, sync) => {
    const bytes = Uint8Array.from(values);
    expect(codec.framing).toBe('guessed');
    expect(codec.isStart(bytes, 0, bytes.length)).toBe(true);
    expect(codec.measure(bytes, 0, bytes.length)).toBe(needsMore);
    expect(codec.measure(bytes, 0, bytes.length, true)).toBe(bytes.length);
    expect(codec.last.sync).toBe(sync);
    expect(
      codec.isStart(
        Uint8Array.from(values, (byte) => byte ^ 0xff),
        0,
        values.length,
      ),
    ).toBe(false);
  });
});

describe('given an uncompressed sound entry', () => {
  const entry = (fields: Partial<SampleEntry>): SampleEntry => ({
    fourcc: 'sowt',
    kind: 'audio',
    width: 0,
    height: 0,
    channels: 2,
    bitsPerSample: 16,
    rate: 48000,
    bytesPerFrame: 0,
    formatFlags: 0,
    boxes: new Map(),
    ...fields,
  });

  test.each([
    ['pcm_s16le', 4, { fourcc: 'sowt' }],
    ['pcm_s16be', 4, { fourcc: 'twos' }],
    ['pcm_s8', 2, { fourcc: 'twos', bitsPerSample: 8 }],
    ['pcm_u8', 1, { fourcc: 'raw ', bitsPerSample: 8, channels: 1 }],
    ['pcm_s24be', 6, { fourcc: 'in24' }],
    ['pcm_s24le', 6, { fourcc: 'in24', boxes: new Map([['enda', Uint8Array.of(0, 1)]]) }],
    ['pcm_f32be', 8, { fourcc: 'fl32' }],
    ['pcm_alaw', 2, { fourcc: 'alaw' }],
    ['pcm_f32le', 8, { fourcc: 'lpcm', bytesPerFrame: 8, formatFlags: 1 }],
    ['pcm_s16be', 4, { fourcc: 'lpcm', formatFlags: 2 }],
    [
      'pcm_s24le',
      6,
      { fourcc: 'ipcm', boxes: new Map([['pcmC', Uint8Array.of(0, 0, 0, 0, 1, 24)]]) },
    ],
    [
      'pcm_f64be',
      16,
      { fourcc: 'fpcm', boxes: new Map([['pcmC', Uint8Array.of(0, 0, 0, 0, 0, 64)]]) },
    ],
  ] as const)('%s has %d bytes a frame', (name, bytes, fields) => {
    const codec = pcmCodec(entry(fields));
    expect(codec?.codec).toBe(name);
    expect(codec?.fixedBytes).toBe(bytes);
  });

  test('anything else is refused', () => {
    expect(pcmCodec(entry({ fourcc: 'text' }))).toBeNull();
    expect(pcmCodec(entry({ channels: 0 }))).toBeNull();
    expect(pcmCodec(entry({ fourcc: 'lpcm', bytesPerFrame: 7 }))).toBeNull();
    expect(parseSampleEntry(new Uint8Array(12))).toBeNull();
  });

  test('damaged configurations are refused', () => {
    expect(flacFromConfig(new Uint8Array(10))).toBeNull();
    expect(flacFromConfig(new Uint8Array(60))).toBeNull();
    expect(alacFromConfig(new Uint8Array(28))).toBeNull();
  });
});

function never(): never {
  throw new Error('no such codec');
}
