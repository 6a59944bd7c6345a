/**
 * Bytes made to hurt: whatever stands in a file, its readers end, keep within it and claim nothing
 * false.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../../src/container/bytes.ts';
import { boxAt, childBoxes } from '../../../src/container/isobmff/boxes.ts';
import { FieldWriter } from '../../../src/container/isobmff/fields.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { plan, profileOf, recording, withoutIndex, written } from './movies.ts';

const names = [
  'h264-3aac.mp4',
  'hevc-aac.mp4',
  'av1-aac.mp4',
  'h264-opus.mp4',
  'h264-pcm-timecode.mov',
  'h264-aac-fragments.mp4',
  'gstreamer-first-moov-killed.mp4',
  'gstreamer-robust-killed.mp4',
];

describe('given a recording of which bytes were cut and changed', () => {
  const seeds = names.map((name) => {
    const whole = recording(name);
    const profile = isobmff.profile?.(memorySource(whole), name) ?? null;
    return { whole, left: withoutIndex(whole), references: profile ? [profile] : [] };
  });
  const flips = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
    maxLength: 24,
  });

  test('whatever was changed, nothing throws, plans keep within the file and their files are whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        flips,
        fc.boolean(),
        (seed, hasIndex, share, changes, faststart) => {
          const base = hasIndex ? seed.whole : seed.left;
          const bytes = base.slice(0, Math.ceil(base.length * Math.sqrt(share)));
          for (const [place, value] of changes) bytes[Math.floor(place * bytes.length)] = value;
          const source = memorySource(bytes);
          isobmff.recognise(bytes.subarray(0, 65_536));
          isobmff.diagnose(source);
          isobmff.profile?.(source, 'x');
          const { references } = seed;
          const outcome = isobmff.planRepair(source, { references, faststart });
          if (outcome.kind !== 'plan') return;
          const out = memorySource(written(source, outcome));
          expect(isobmff.diagnose(out)).toMatchObject({ verdict: 'whole' });
        },
      ),
      { numRuns: 1200 },
    );
  }, 60_000);
});

describe('given counts and sizes that no file can hold', () => {
  const bytes = recording('h264-3aac.mp4');

  test.each(['stts', 'ctts', 'stsc', 'stsz', 'stco', 'stss', 'elst', 'dref', 'stsd'])(
    'a false count in %s costs no time and no memory',
    (type) => {
      const hurt = bytes.slice();
      const view = new DataView(hurt.buffer);
      for (let at = 0; at + 20 < hurt.length; at += 1) {
        if (String.fromCharCode(...hurt.subarray(at, at + 4)) !== type) continue;
        view.setUint32(at + 8, 0xffff_fff0);
        if (type === 'stsz') view.setUint32(at + 12, 0xffff_fff0);
      }
      const source = memorySource(hurt);
      const before = process.cpuUsage();
      isobmff.diagnose(source);
      isobmff.planRepair(source, { references: [] });
      isobmff.profile?.(source, 'x');
      // Of this process, not of the clock: the machine may be busy.
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000).toBeLessThan(1500);
    },
  );

  test('a box within itself, thousands deep, is not followed', () => {
    const out = new FieldWriter();
    const nest = (depth: number) => {
      if (depth > 0) out.box('moov', () => nest(depth - 1));
    };
    nest(2000);
    expect(isobmff.diagnose(memorySource(out.bytes())).verdict).not.toBe('whole');
  });

  test('more boxes than any recorder writes are not all read', () => {
    const out = new FieldWriter();
    out.box('moov', () => {
      for (let count = 0; count < 50_000; count += 1) out.u32(8).fourcc('free');
    });
    const source = memorySource(out.bytes());
    expect(childBoxes(source, 8, source.size)).toHaveLength(10_000);
  });

  test('sizes at and beyond 2^53 are damage', () => {
    const out = new FieldWriter();
    out.u32(1).fourcc('mdat').u32(0x0020_0000).u32(0);
    expect(boxAt(memorySource(out.bytes()), 0, 16)).toBeNull();
  });
});

describe('given a recording beyond 4 GiB', () => {
  test('the new index points at its far end with 64-bit offsets', () => {
    const whole = recording('h264-3aac.mp4');
    const left = withoutIndex(whole);
    const far = 5 * 2 ** 30;
    // Zeros between the head and the rest: a source that holds them without memory.
    const source = withHole(left, 40_000, far);
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    expect(repair.outputSize).toBeGreaterThan(far);
    const pieces = [...repair.pieces()];
    const index = pieces.at(-1);
    if (index?.kind !== 'bytes') throw new Error('the index is not behind the media');
    expect(String.fromCharCode(...index.bytes)).toContain('co64');
    expect(repair.tracks[0]?.samples).toBeGreaterThan(110);
  }, 60_000);

  function withHole(bytes: Uint8Array, at: number, length: number): ByteSource {
    const zeros = new Uint8Array(4 * 1024 * 1024);
    return {
      size: bytes.length + length,
      read(offset, wanted) {
        if (offset >= at && offset + wanted <= at + length) return zeros.subarray(0, wanted);
        const out = new Uint8Array(Math.max(0, Math.min(wanted, bytes.length + length - offset)));
        for (let place = 0; place < out.length; place += 1) {
          const from = offset + place;
          if (from < at) out[place] = bytes[from] ?? 0;
          else if (from >= at + length) out[place] = bytes[from - length] ?? 0;
        }
        return out;
      },
    };
  }
});
