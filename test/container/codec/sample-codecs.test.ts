import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { needsMore, notASample, type SampleCodec } from '../../../src/container/codec/codec.ts';
import { sampleCodec } from '../../../src/container/codec/sample-codecs.ts';
import { makeMedia, seed, tracksOf, type WholeTrack } from './whole-files.ts';

function codecOf(track: WholeTrack): SampleCodec {
  const codec = sampleCodec(track.entry, track.kind);
  if (!codec) throw new Error('the sample entry was not understood');
  return codec;
}

/** Measures every sample of a track that says its own length, and compares it with the tables. */
function expectExact(bytes: Uint8Array, track: WholeTrack): void {
  const codec = codecOf(track);
  const placed: { place: [number, number]; shownAt: number }[] = [];
  const lengths = track.samples.map(({ offset, sync }) => {
    expect(codec.isStart(bytes, offset, bytes.length)).toBe(true);
    const length = codec.measure(bytes, offset, bytes.length, true);
    codec.accept();
    expect(codec.last.sync || codec.last.recoveryPoint).toBe(sync);
    expect(codec.last.follows).toBe(true);
    const { shownAt } = track.samples[placed.length] ?? { shownAt: 0 };
    placed.push({ place: [codec.last.epoch, codec.last.order], shownAt });
    return length;
  });
  expect(lengths).toEqual(track.samples.map((sample) => sample.size));
  const shown = [...placed].sort(({ place: a }, { place: b }) => a[0] - b[0] || a[1] - b[1]);
  const times = shown.map((sample) => sample.shownAt);
  expect(times).toEqual([...times].sort((a, b) => a - b));
}

const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=1.6'];
const noise = ['-f', 'lavfi', '-i', 'anoisesrc=d=1.2:c=pink:a=0.3'];
const x264 = (options: string): string[] => [...picture, '-c:v', 'libx264', '-x264opts', options];

/** Recordings made now: what they are, extension, arguments for ffmpeg. */
const recordings: readonly (readonly [string, string, readonly string[]])[] = [
  ['H.264 with reordered pictures', 'mp4', x264('bframes=5:b-pyramid=normal:ref=4:keyint=20')],
  ['H.264 in four slices a picture', 'mp4', x264('slices=4')],
  ['H.264 with an open group of pictures', 'mp4', x264('open-gop=1:keyint=12:bframes=3')],
  ['H.264 in interlaced frames', 'mp4', x264('tff=1:bframes=2')],
  ['H.264 with delimiters', 'mp4', x264('aud=1:slices=2')],
  ['H.264 without reordering', 'mp4', [...picture, '-c:v', 'libx264', '-tune', 'zerolatency']],
  ['HEVC', 'mp4', [...picture, '-c:v', 'libx265', '-x265-params', 'log-level=none:keyint=12']],
  ['AV1', 'mp4', [...picture, '-strict', '-2', '-c:v', 'libaom-av1', '-cpu-used', '8']],
  ['Motion JPEG', 'mov', [...picture, '-c:v', 'mjpeg']],
  ['ProRes', 'mov', [...picture, '-c:v', 'prores_ks']],
  ['AAC, six channels', 'm4a', [...noise, '-ac', '6', '-c:a', 'aac']],
  ['FLAC', 'mp4', [...noise, '-strict', '-2', '-c:a', 'flac']],
  ['FLAC, 24 bits', 'mp4', [...noise, '-strict', '-2', '-c:a', 'flac', '-sample_fmt', 's32']],
  ['ALAC', 'm4a', [...noise, '-c:a', 'alac', '-ac', '2']],
  ['ALAC, 24 bits, mono', 'm4a', [...noise, '-c:a', 'alac', '-sample_fmt', 's32p']],
  ['MP3', 'mp4', [...noise, '-c:a', 'libmp3lame', '-q:a', '3']],
  ['AC-3', 'mp4', [...noise, '-c:a', 'ac3']],
  ['E-AC-3', 'mp4', [...noise, '-c:a', 'eac3', '-ar', '48000']],
];

describe('given a whole recording', () => {
  test.each(['h264-aac.mp4', 'hevc-aac.mp4', 'av1-aac.mp4', 'aac.m4a'])(
    '%s: every sample is measured, and shown in its order',
    (name) => {
      const bytes = seed(name);
      for (const track of tracksOf(bytes)) expectExact(bytes, track);
    },
  );

  test.each(recordings)('%s: every sample is measured', async (_name, extension, args) => {
    const bytes = await makeMedia(extension, args);
    // An old ffmpeg lacks some encoders; the fixtures above are measured everywhere.
    if (!bytes) return;
    const tracks = tracksOf(bytes);
    expect(tracks.length).toBe(1);
    for (const track of tracks) expectExact(bytes, track);
  });

  test('uncompressed sound is known by its frame', () => {
    const bytes = seed('h264-pcm.mov');
    const track = tracksOf(bytes).find(({ kind }) => kind === 'audio');
    const codec = track && codecOf(track);
    expect(codec?.framing).toBe('fixed');
    expect(codec?.codec).toBe('pcm_s16le');
    expect(codec?.measure(bytes, 100, 200)).toBe(codec?.fixedBytes);
  });
});

describe('given a stream that is cut or resumed', () => {
  const bytes = seed('h264-aac.mp4');
  const tracks = tracksOf(bytes);

  test('wherever a sample is cut off, it is not taken for whole', () => {
    for (const track of tracks) {
      const codec = codecOf(track);
      for (const { offset, size } of track.samples.slice(0, 6)) {
        const step = Math.max(1, Math.floor(size / 40));
        for (let cut = 1; cut < size; cut += step) {
          const length = codec.measure(bytes, offset, offset + cut, true);
          expect(length === needsMore || length < size).toBe(true);
          if (length > 0) expect(codec.last.slices).toBeGreaterThan(0);
        }
      }
    }
  });

  test.each(['h264-aac.mp4', 'hevc-aac.mp4', 'av1-aac.mp4'])(
    '%s: wherever the scan is resumed, the rest comes out the same',
    (name) => {
      const file = seed(name);
      for (const track of tracksOf(file)) {
        const order = (from: number, codec: SampleCodec): string[] =>
          track.samples.slice(from).map(({ offset }) => {
            codec.measure(file, offset, file.length, true);
            codec.accept();
            return `${codec.last.epoch}/${codec.last.order}`;
          });
        const whole = order(0, codecOf(track));
        for (let pause = 0; pause <= track.samples.length; pause += 3) {
          const before = codecOf(track);
          for (const { offset } of track.samples.slice(0, pause)) {
            before.measure(file, offset, file.length, true);
            before.accept();
          }
          const after = codecOf(track);
          expect(after.restore(JSON.parse(JSON.stringify(before.state())))).toBe(true);
          expect(order(pause, after)).toEqual(whole.slice(pause));
        }
      }
    },
  );

  test('a state that is none is refused', () => {
    for (const track of tracks) {
      expect(codecOf(track).restore(['x', -1])).toBe(false);
      expect(codecOf(track).restore([])).toBe(false);
    }
  });

  test('after a hole pictures are shown after those before it', () => {
    const track = tracks.find(({ kind }) => kind === 'video');
    if (!track) throw new Error('no video');
    const codec = codecOf(track);
    const take = (n: number): number => {
      codec.measure(bytes, track.samples[n]?.offset ?? 0, bytes.length, true);
      codec.accept();
      return codec.last.epoch;
    };
    take(0);
    const before = take(1);
    codec.discontinue();
    expect(take(4)).toBe(before + 1);
  });
});

describe('given bytes that mean harm', () => {
  const names = ['h264-aac.mp4', 'hevc-aac.mp4', 'av1-aac.mp4', 'h264-opus.mp4', 'aac.m4a'];
  const entries = names.flatMap((name) => tracksOf(seed(name)));
  const made = [...entries.map((track) => ({ codec: codecOf(track), track }))];

  test('whatever the bytes, measuring them ends with a length inside them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(20),
        fc.boolean(),
        (bytes, at, atEnd) => {
          for (const { codec } of made) {
            const length = codec.measure(bytes, at, bytes.length, atEnd);
            expect(length).toBeGreaterThanOrEqual(needsMore);
            expect(length).toBeLessThanOrEqual(Math.max(0, bytes.length - at));
            codec.isStart(bytes, at, bytes.length);
            if (length > 0) codec.accept();
            codec.splitRun?.(bytes, Math.min(at, bytes.length), bytes.length, 0);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('whatever bits of a recording are flipped, nothing throws and no length is beyond the end', () => {
    fc.assert(
      fc.property(
        fc.nat(entries.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 12 }),
        (which, flips) => {
          const track = entries[which];
          const source = seedOf(which);
          if (!track || !source) return;
          const bytes = source.slice();
          for (const [at, bit] of flips) {
            const place = at % bytes.length;
            bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
          }
          const codec = codecOf(track);
          for (const { offset } of track.samples) {
            const length = codec.measure(bytes, offset, bytes.length, true);
            if (length > 0) codec.accept();
            expect(offset + length).toBeLessThanOrEqual(bytes.length);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test('whatever the sample entry, it is read or refused', () => {
    fc.assert(
      fc.property(
        fc.nat(entries.length - 1),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        (which, at, byte, cut) => {
          const entry = entries[which]?.entry.slice() ?? new Uint8Array(0);
          entry[at % entry.length] = byte;
          const codec = sampleCodec(
            entry.subarray(0, entry.length - (cut % 3 === 0 ? cut % entry.length : 0)),
          );
          codec?.measure(entry, 0, entry.length, true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['zeros', 0],
    ['ones', 255],
    ['a repeated byte', 0x21],
  ])('a megabyte of %s is answered at once', (_name, byte) => {
    const bytes = new Uint8Array(1 << 20).fill(byte);
    for (const { codec } of made) {
      const begun = performance.now();
      for (let at = 0; at < 2000; at++) codec.measure(bytes, at, bytes.length);
      expect(performance.now() - begun).toBeLessThan(2000);
    }
  });

  test('random bytes are hardly ever taken for a sample', () => {
    let state = 1;
    const bytes = Uint8Array.from({ length: 60_000 }, () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state >> 16;
    });
    for (const { codec } of made.filter(({ codec }) => codec.framing === 'measured')) {
      let taken = 0;
      for (let at = 0; at < 50_000; at++) {
        if (codec.measure(bytes, at, bytes.length) > notASample) taken++;
      }
      expect(taken / 50_000).toBeLessThan(0.004);
    }
  });

  function seedOf(which: number): Uint8Array | null {
    let left = which;
    for (const name of names) {
      const count = tracksOf(seed(name)).length;
      if (left < count) return seed(name);
      left -= count;
    }
    return null;
  }
});
