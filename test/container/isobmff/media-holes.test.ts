/**
 * Holes in media that an index or fragments list, and by content: every undamaged packet comes back byte
 * for byte and at its time, no damaged one does, and zeros that an encoder wrote are no hole.
 *
 * The files are made by ffmpeg and damaged here, at pages of the file as a power cut does.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import { walkFile } from '../../../src/container/isobmff/boxes.ts';
import { outline, readIndex } from '../../../src/container/isobmff/file-index.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { layOut } from '../../../src/container/isobmff/output-layout.ts';
import { indexedOutput } from '../../../src/container/isobmff/repair.ts';
import { SampleColumns } from '../../../src/container/isobmff/sample-columns.ts';
import { ffmpeg, runFfmpeg } from '../../system/media.ts';
import { temporaryFolder } from '../../system/temporary-folder.ts';
import { packetsOf } from '../packet-truth.ts';
import { plan, profileOf, type TrueTrack, tracksOf, withoutIndex, written } from './movies.ts';

const folder = temporaryFolder('media-holes');
const none = { references: [] };
const page = 4096;

// Noise makes pictures as large as those of a screen that is used.
const noisy = [
  ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=5,noise=alls=25:allf=t'],
  ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=5'],
];
const black = [
  ...['-f', 'lavfi', '-i', 'color=black:size=1280x720:rate=25:duration=2'],
  ...['-f', 'lavfi', '-i', 'anullsrc=r=48000:cl=stereo:d=2'],
];
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50'];
const ordered = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-pix_fmt', 'yuv420p'];
const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error'];
const aom = ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-b:v', '4M'];
const inFragments = ['-movflags', '+frag_keyframe+empty_moov'];

function made(name: string, ...args: readonly string[]): Uint8Array {
  const path = join(folder, name);
  runFfmpeg(...args, path);
  return new Uint8Array(readFileSync(path));
}

type Row = readonly [what: string, name: string, args: readonly string[]];

const rows: readonly Row[] = [
  ['H.264 + AAC in fragments', 'f.mp4', [...ordered, '-b:v', '5M', '-c:a', 'aac', ...inFragments]],
  ['H.264 + AAC, index behind', 'b.mp4', [...ordered, '-b:v', '5M', '-c:a', 'aac']],
  [
    'H.264 + AAC, index in front',
    'i.mp4',
    [...x264, '-b:v', '5M', '-c:a', 'aac', '-movflags', '+faststart'],
  ],
  ['HEVC + AAC', 'h.mp4', [...x265, '-b:v', '4M', '-c:a', 'aac']],
  ['AV1 + Opus in fragments', 'a.mp4', [...aom, '-c:a', 'libopus', ...inFragments]],
  ['VP9 + FLAC', 'v.mp4', ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-c:a', 'flac']],
  ['H.264 + PCM', 'p.mov', [...x264, '-b:v', '5M', '-c:a', 'pcm_s16le']],
  ['ProRes + ALAC', 'r.mov', ['-c:v', 'prores_ks', '-profile:v', '0', '-c:a', 'alac']],
];

/** A file with a hole, and which bytes of it are not what they were. */
function holed(whole: Uint8Array, share: number, size: number, fill: (at: number) => number) {
  const media = outline(memorySource(whole)).media;
  const [from, to] = [media[0]?.from ?? 0, media.at(-1)?.to ?? 0];
  const first = Math.ceil(from / page);
  const pages = Math.floor((to - size) / page) - first;
  const start = (first + Math.round(share * Math.max(0, pages))) * page;
  const end = Math.min(start + size, to);
  const bytes = whole.slice();
  for (let at = start; at < end; at += 1) bytes[at] = fill(at);
  const isHit = (offset: number, length: number) => {
    for (let at = Math.max(offset, start); at < Math.min(offset + length, end); at += 1) {
      if (bytes[at] !== whole[at]) return true;
    }
    return false;
  };
  return { bytes, isHit, start, end };
}

const zero = () => 0;

/** Whether a hole lies in boxes that say where samples are: with them go samples that it did not hit. */
function hitsIndex(whole: Uint8Array, start: number, end: number): boolean {
  let hits = false;
  walkFile(memorySource(whole), 0, (box) => {
    const isIndex = box.type === 'moof' || box.type === 'moov';
    // The header of the media behind it, too.
    hits ||= isIndex && box.start < end && box.end + 16 > start;
    return true;
  });
  return hits;
}

interface Compared {
  readonly torn: number;
  readonly dropped: number;
  readonly lost: number;
  readonly worstTime: number;
}

/** What came back against what should; uncompressed sound, of which silence is kept, left out. */
function compared(
  truth: readonly TrueTrack[],
  out: Uint8Array,
  isHit: (offset: number, length: number) => boolean,
): Compared {
  const got = tracksOf(memorySource(out));
  const found = { torn: 0, dropped: 0, lost: 0, worstTime: 0 };
  for (const [place, track] of truth.entries()) {
    if (track.codec.startsWith('pcm')) continue;
    // The new file keeps the offsets of its media, and never the order of what it left out.
    const kept = new Map(
      got.filter(({ codec }) => codec === track.codec)[0]?.samples.map((one) => [one.offset, one]),
    );
    for (const sample of truth[place]?.samples ?? []) {
      const same = kept.get(sample.offset);
      const isTorn = isHit(sample.offset, sample.size);
      if (isTorn) found.lost += 1;
      if (isTorn && same) found.torn += 1;
      if (!isTorn && same?.size !== sample.size) found.dropped += 1;
      if (same) found.worstTime = Math.max(found.worstTime, Math.abs(same.shown - sample.shown));
    }
  }
  return found;
}

describe.each(rows)('given %s', (_what, name, args) => {
  const whole = made(name, ...noisy, ...args, '-strict', '-2');
  const truth = tracksOf(memorySource(whole));

  test('it is whole, also when its media is read', () => {
    expect(isobmff.diagnose(memorySource(whole), { media: true })).toMatchObject({
      verdict: 'whole',
      damage: [],
    });
  });

  test('wherever a hole of zeros lies, every undamaged packet is there at its time and no damaged one', () => {
    const sizes = fc.constantFrom(page, 16 * page, 256 * page);
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, sizes, (where, size) => {
        const { bytes, isHit, start, end } = holed(whole, where, size, zero);
        const source = memorySource(bytes);
        const outcome = isobmff.planRepair(source, none);
        if (outcome.kind === 'none') {
          // Between samples, or in silence: nothing that is compared was hit.
          const hit = truth.filter(({ codec }) => !codec.startsWith('pcm'));
          expect(hit.some(({ samples }) => samples.some((s) => isHit(s.offset, s.size)))).toBe(
            false,
          );
          return;
        }
        const out = written(source, outcome);
        const result = compared(truth, out, isHit);
        expect(result.torn).toBe(0);
        if (!hitsIndex(whole, start, end)) expect(result.dropped).toBe(0);
        expect(result.worstTime).toBeLessThan(0.001);
        const again = isobmff.diagnose(memorySource(out), { media: true });
        expect(again).toMatchObject({ verdict: 'whole', damage: [] });
      }),
      { numRuns: 25 },
    );
  });

  test('what ffmpeg reads of the new file are packets of the whole one, byte for byte', () => {
    const { bytes, isHit } = holed(whole, 0.4, 16 * page, zero);
    const source = memorySource(bytes);
    const repair = plan(isobmff.planRepair(source, none));
    const path = join(folder, `recovered${extname(name)}`);
    writeFileSync(path, written(source, repair));
    const [wanted, got] = [
      packetsOf(ffmpeg.path, join(folder, name)),
      packetsOf(ffmpeg.path, path),
    ];
    for (const [place, track] of truth.entries()) {
      if (track.codec.startsWith('pcm')) continue;
      const known = new Set(wanted[place]?.map(({ hash }) => hash));
      const torn = track.samples.filter(({ offset, size }) => isHit(offset, size)).length;
      expect(got[place]?.filter(({ hash }) => !known.has(hash))).toEqual([]);
      expect(got[place]).toHaveLength((wanted[place]?.length ?? 0) - torn);
    }
  });

  test('the hole is told: where it is, what it took, and how long that is', () => {
    const { bytes, start } = holed(whole, 0.4, 16 * page, zero);
    const diagnosis = isobmff.diagnose(memorySource(bytes), { media: true });
    expect(diagnosis).toMatchObject({ verdict: 'interrupted', recoverable: true });
    expect(diagnosis.damage.map(({ kind, at }) => [kind, at])).toContainEqual(['hole', start]);
    const repair = plan(isobmff.planRepair(memorySource(bytes), none));
    const told = repair.findings.find((finding) => finding.startsWith(`Hole at byte ${start}:`));
    expect(told).toMatch(/65536 bytes are zero .* samples of \w+ \(\d+, \d\.\d\d s\)/);
    expect(told).toMatch(/ from second \d\.\d\d on are lost/);
    expect(repair.lostMs).toBeGreaterThan(20);
    // Silence in the place of uncompressed sound counts as kept.
    expect(repair.bytesLost).toBeGreaterThan(14 * page);
  });
});

describe('given a hole in what was written last', () => {
  const whole = made('last.mp4', ...noisy, ...x264, '-b:v', '5M', '-c:a', 'aac');

  test('it is found without reading the media, of which at most a few places are looked at', () => {
    const read = { bytes: 0 };
    const counting = (bytes: Uint8Array) => ({
      size: bytes.length,
      read: (offset: number, length: number) => {
        read.bytes += Math.min(length, bytes.length - offset);
        return bytes.subarray(offset, offset + length);
      },
    });
    expect(isobmff.diagnose(counting(whole)).verdict).toBe('whole');
    expect(read.bytes).toBeLessThan(600_000);
    const { bytes } = holed(whole, 1, 16 * page, zero);
    expect(isobmff.diagnose(memorySource(bytes))).toMatchObject({ verdict: 'interrupted' });
  });
});

describe('given something else in the place of blocks that were not written', () => {
  // As random as what an encrypted disk or other media leave.
  const noise = (at: number) => Math.imul(at ^ (at >>> 7), 2654435761) >>> 24;

  test.each([
    ['H.264', 'g4.mp4', [...x264, '-b:v', '5M', '-c:a', 'aac']],
    ['HEVC', 'g5.mp4', [...x265, '-b:v', '4M', '-c:a', 'aac']],
  ] as const)(
    '%s: pictures whose lengths lead nowhere are left out, and the sound between them',
    (_, name, args) => {
      const whole = made(name, ...noisy, ...args);
      const truth = tracksOf(memorySource(whole));
      for (const where of [0.1, 0.35, 0.6, 0.85]) {
        const { bytes, isHit } = holed(whole, where, 64 * page, noise);
        const source = memorySource(bytes);
        const repair = plan(isobmff.planRepair(source, none));
        const result = compared(truth, written(source, repair), isHit);
        expect(result).toMatchObject({ torn: 0, dropped: 0 });
        expect(result.lost).toBeGreaterThan(5);
        expect(repair.findings.join('\n')).toMatch(/not what the index lists/);
      }
    },
  );
});

describe('given a fragment whose own index was not written to its end', () => {
  test('wherever that is, no sample of the new file is one that was never there', () => {
    const args = [...x264, '-g', '500', '-b:v', '5M', '-c:a', 'aac', '-movflags'];
    const whole = made('long.mp4', ...noisy, ...args, '+frag_keyframe+empty_moov');
    const truth = tracksOf(memorySource(whole));
    const moof = outline(memorySource(whole)).lastFragment;
    const [from, to] = [moof?.start ?? 0, moof?.end ?? 0];
    expect(to - from).toBeGreaterThan(2000);
    for (let start = Math.ceil((from + 200) / 512) * 512; start + 512 < to; start += 512) {
      const bytes = whole.slice();
      bytes.fill(0, start, Math.min(start + 1024, to - 40));
      const source = memorySource(bytes);
      const repair = plan(isobmff.planRepair(source, none));
      for (const [place, track] of tracksOf(memorySource(written(source, repair))).entries()) {
        const known = new Set(truth[place]?.samples.map(({ offset, size }) => `${offset}+${size}`));
        const wrong = track.samples.filter(({ offset, size }) => !known.has(`${offset}+${size}`));
        expect(wrong).toEqual([]);
      }
    }
  });
});

describe('given media without an index', () => {
  test('a picture that has a hole inside is left out, and its time kept', () => {
    const whole = made('content.mp4', ...noisy, ...x264, '-b:v', '5M', '-c:a', 'aac');
    const truth = tracksOf(memorySource(whole));
    const references = [profileOf(whole)];
    for (const where of [0.2, 0.5, 0.8]) {
      const { bytes, isHit } = holed(withoutIndex(whole), where, page, zero);
      const source = memorySource(bytes);
      const repair = plan(isobmff.planRepair(source, { references }));
      const result = compared(truth, written(source, repair), isHit);
      expect(result).toMatchObject({ torn: 0, dropped: 0 });
      expect(result.worstTime).toBeLessThan(0.03);
    }
  });

  test('a hole that a scan met while the file grew is known when it goes on', () => {
    const whole = made('content.mp4', ...noisy, ...x264, '-b:v', '5M', '-c:a', 'aac');
    const references = [profileOf(whole)];
    const { bytes } = holed(withoutIndex(whole), 0.4, page, zero);
    const grown = memorySource(bytes.subarray(0, bytes.length * 0.7));
    const follower = isobmff.follow?.(grown, { references });
    follower?.advance(grown);
    const saved = follower?.save();
    const source = memorySource(bytes);
    const [atOnce, goingOn] = [{ references }, { references, ...(saved ? { saved } : {}) }].map(
      (context) => written(source, plan(isobmff.planRepair(source, context))),
    );
    expect(saved?.state).toContain('"runs":[[');
    expect(Buffer.compare(atOnce ?? Buffer.of(), goingOn ?? Buffer.of(0))).toBe(0);
  });
});

describe('given zeros that an encoder wrote', () => {
  const cbr = 'nal-hrd=cbr:vbv-maxrate=8000:vbv-bufsize=4000';
  const odd: readonly Row[] = [
    ['filler units', 'o1.mp4', [...x264, '-b:v', '8M', '-x264-params', cbr, '-c:a', 'aac']],
    ['silent PCM', 'o2.mov', [...x264, '-c:a', 'pcm_s24le']],
    [
      'silent Opus at a constant rate',
      'o3.mp4',
      ['-vn', '-c:a', 'libopus', '-b:a', '510k', '-vbr', 'off'],
    ],
    ['silent AC-3', 'o4.mp4', ['-vn', '-c:a', 'ac3', '-b:a', '640k']],
    ['silent MP3', 'o5.mp4', ['-vn', '-c:a', 'libmp3lame', '-b:a', '320k']],
    ['silent AAC', 'o6.m4a', ['-vn', '-c:a', 'aac', '-b:a', '512k']],
    ['silent FLAC', 'o7.mp4', ['-vn', '-c:a', 'flac']],
    ['silent ALAC', 'o8.m4a', ['-vn', '-c:a', 'alac']],
    ['black Motion JPEG', 'o9.mov', ['-c:v', 'mjpeg', '-huffman', 'optimal', '-c:a', 'aac']],
    ['black ProRes', 'o10.mov', ['-c:v', 'prores_ks', '-c:a', 'aac']],
    [
      'MPEG-2 at a constant rate',
      'o11.mp4',
      [
        ...['-c:v', 'mpeg2video', '-b:v', '15M', '-minrate', '15M', '-maxrate', '15M'],
        ...['-bufsize', '8M', '-c:a', 'aac'],
      ],
    ],
    ['black VP9', 'o12.mp4', ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-c:a', 'libopus']],
    ['uncompressed pictures', 'o13.mov', ['-c:v', 'v210', '-t', '1', '-c:a', 'pcm_s16le']],
    ['run-length pictures', 'o14.mov', ['-c:v', 'qtrle', '-c:a', 'aac']],
  ];

  test.each(odd)('%s: the file is whole', (_what, name, args) => {
    const whole = memorySource(made(name, ...black, ...args, '-strict', '-2'));
    const quick = isobmff.diagnose(whole);
    expect(quick).toMatchObject({ verdict: 'whole', damage: [] });
    expect(isobmff.diagnose(whole, { media: true })).toEqual(quick);
  });

  test('pictures that all end in zeros are whole, and with a hole only those that it hit are lost', () => {
    const padded = withPaddedPictures(
      made('pad.mp4', ...noisy, ...x264, '-b:v', '5M', '-c:a', 'aac'),
    );
    const source = memorySource(padded);
    expect(isobmff.diagnose(source, { media: true })).toMatchObject({ verdict: 'whole' });
    const { bytes, isHit } = holed(padded, 0.5, 16 * page, zero);
    const repair = plan(isobmff.planRepair(memorySource(bytes), none));
    const result = compared(tracksOf(source), written(memorySource(bytes), repair), isHit);
    expect(result).toMatchObject({ torn: 0, dropped: 0 });
    expect(result.lost).toBeGreaterThan(0);
  });
});

/** The file with 1500 zeros behind the last slice of each picture, counted in its length. */
function withPaddedPictures(whole: Uint8Array): Uint8Array {
  const padding = 1500;
  const source = memorySource(whole);
  const index = readIndex(source, outline(source));
  if (!index) throw new Error('no index');
  const parts: Uint8Array[] = [whole.slice(0, 48)];
  let at = 48;
  const tracks = index.tracks.map(({ track, samples }) => {
    const moved = new SampleColumns(samples.count);
    const isVideo = track.entry.kind === 'video';
    for (let n = 0; n < samples.count; n += 1) {
      const [offset = 0, size = 0] = [samples.offset[n], samples.size[n]];
      const sample = new Uint8Array(size + (isVideo ? padding : 0));
      sample.set(whole.subarray(offset, offset + size));
      if (isVideo) lengthenLastUnit(sample, size, padding);
      parts.push(sample);
      moved.push(at, sample.length, samples.duration[n] ?? 0, samples.shift[n] ?? 0, true);
      at += sample.length;
    }
    return indexedOutput({ track, samples: moved }, index.movie.timescale);
  });
  const media = memorySource(Buffer.concat(parts));
  const layout = layOut(media, tracks, index.movie.timescale, true, 'mp4');
  const pieces = [...layout.pieces()].map((piece) =>
    piece.kind === 'bytes' ? piece.bytes : media.read(piece.offset, piece.length),
  );
  return new Uint8Array(Buffer.concat(pieces));
}

function lengthenLastUnit(sample: Uint8Array, size: number, padding: number): void {
  const view = new DataView(sample.buffer);
  let unit = 0;
  while (unit + 4 + view.getUint32(unit) < size) unit += 4 + view.getUint32(unit);
  view.setUint32(unit, view.getUint32(unit) + padding);
}
