/**
 * Every format against the contract, with whole files from fixtures/seeds. Where their packets end
 * is known from ffprobe (fixtures/packet-ends.json), not from the readers under test.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { adts } from '../../src/container/adts/adts.ts';
import { aiff } from '../../src/container/aiff/aiff.ts';
import { memorySource } from '../../src/container/bytes.ts';
import { flac } from '../../src/container/flac/flac.ts';
import { flv } from '../../src/container/flv/flv.ts';
import { formats } from '../../src/container/formats.ts';
import { isobmff } from '../../src/container/isobmff/isobmff.ts';
import { matroska } from '../../src/container/matroska/matroska.ts';
import { mp3 } from '../../src/container/mpegaudio/mp3.ts';
import { mpegts } from '../../src/container/mpegts/mpegts.ts';
import { ogg } from '../../src/container/ogg/ogg.ts';
import { avi } from '../../src/container/riff/avi.ts';
import { wav } from '../../src/container/riff/wav.ts';
import { zoom } from '../../src/container/zoom/zoom.ts';
import { type ContractRow, formatContract } from './format-contract.ts';
import { profileOf, tracksOf } from './isobmff/movies.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const seed = (name: string) => new Uint8Array(readFileSync(join(fixtures, 'seeds', name)));
const ends: Record<string, readonly (readonly number[])[]> = JSON.parse(
  readFileSync(join(fixtures, 'packet-ends.json'), 'utf8'),
);

/** Samples whose packet ends at or before the cut, by ffprobe. */
const packetsOf = (name: string) => (cut: number) =>
  (ends[name] ?? []).map((track) => track.filter((end) => end <= cut).length);

/** Frames of uncompressed sound behind a header of `start` bytes. */
const framesFrom = (start: number, bytesPerFrame: number) => (cut: number) => [
  Math.max(0, Math.floor((cut - start) / bytesPerFrame)),
];

const wavSeed = seed('pcm.wav');
const aiffSeed = seed('pcm.aiff');
const indexOf = (bytes: Uint8Array, text: string) => Buffer.from(bytes).indexOf(text);

const rows: readonly ContractRow[] = [
  { name: 'a Matroska file of ffmpeg', format: matroska, file: 'h264-aac.mkv' },
  { name: 'a WebM file of ffmpeg', format: matroska, file: 'vp8-opus.webm' },
  { name: 'Opus in Ogg', format: ogg, file: 'opus.ogg', isPaged: true },
  { name: 'Vorbis in Ogg', format: ogg, file: 'vorbis.ogg', isPaged: true },
  { name: 'a FLAC file', format: flac, file: 'flac.flac' },
  { name: 'an FLV file', format: flv, file: 'h264-aac.flv' },
  { name: 'an AVI file', format: avi, file: 'mpeg4-mp3.avi' },
  { name: 'an MP3 file', format: mp3, file: 'mp3.mp3', endsAnywhere: true },
  { name: 'an ADTS file', format: adts, file: 'aac.aac', endsAnywhere: true },
].map(({ file, ...row }) => ({ ...row, whole: seed(file), complete: packetsOf(file) }));

for (const row of rows) formatContract(row);

formatContract({
  name: 'a raw recording of Zoom',
  format: zoom,
  whole: seed('sound.zoom'),
  // 24 packets of 380 bytes behind a header of 1024.
  complete: (cut) => [Math.max(0, Math.floor((cut - 1024) / 380))],
  isRaw: true,
  endsAnywhere: true,
});

formatContract({
  name: 'a transport stream',
  format: mpegts,
  whole: seed('h264-aac.ts'),
  // Of sound, frames are counted and not PES packets: the truth is known for the picture.
  complete: (cut) => {
    const pictures = packetsOf('h264-aac.ts')(cut)[0] ?? 0;
    return cut >= seed('h264-aac.ts').length ? [pictures, 33] : [pictures];
  },
  // Whether the last picture is complete cannot always be told: its PES has no length.
  tolerance: 1,
  endsAnywhere: true,
});

formatContract({
  name: 'a WAV file',
  format: wav,
  whole: wavSeed,
  complete: framesFrom(indexOf(wavSeed, 'data') + 8, 2),
  tolerance: 2,
  isBare: true,
});

formatContract({
  name: 'an AIFF file',
  format: aiff,
  whole: aiffSeed,
  complete: framesFrom(indexOf(aiffSeed, 'SSND') + 16, 2),
  tolerance: 2,
  isBare: true,
});

const movies = [
  ['an MP4 file', 'h264-aac.mp4', false],
  ['an MP4 file with HEVC', 'hevc-aac.mp4', false],
  ['an MP4 file with AV1', 'av1-aac.mp4', false],
  ['an M4A file', 'aac.m4a', false],
  ['a fragmented MP4 file', 'h264-aac-fragmented.mp4', true],
] as const;

for (const [name, file, hasIndexInFront] of movies) {
  const whole = seed(file);
  const truth = tracksOf(memorySource(whole));
  formatContract({
    name,
    format: isobmff,
    whole,
    complete: (cut) =>
      truth.map(({ samples }) => samples.filter(({ offset, size }) => offset + size <= cut).length),
    references: hasIndexInFront ? [] : [profileOf(whole)],
    // A fragment whose index is damaged is given up as a page is.
    isPaged: hasIndexInFront,
    // A sample that ends in zeros is made complete by zeros behind a cut; and whether the first one of
    // all is complete cannot always be told.
    tolerance: hasIndexInFront ? 0 : 1,
  });
}

describe('given all formats', () => {
  test('no two of them claim the same file as surely', () => {
    for (const row of rows) {
      const head = row.whole.subarray(0, 65_536);
      const sureness = formats.map((format) => format.recognise(head)).sort((a, b) => b - a);
      expect(sureness[0], row.name).toBeGreaterThan(sureness[1] ?? 0);
    }
  });

  test('whatever the format, an empty source is not whole', () => {
    for (const format of formats) {
      expect(format.diagnose(memorySource(new Uint8Array(0))).verdict).not.toBe('whole');
      expect(format.planRepair(memorySource(new Uint8Array(0)), { references: [] }).kind).toBe(
        'none',
      );
    }
  });
});
