/**
 * Files whose index is there in some form: torn fragments, an index that is older than the media, an
 * index in front of media that was cut short.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { compare, plan, recording, tracksOf, written } from './movies.ts';

const none = { references: [] };

describe('given a fragmented recording', () => {
  const whole = recording('h264-aac-fragments.mp4');
  const truth = tracksOf(memorySource(whole));

  test('it is whole, and its tracks are told with their samples', () => {
    expect(isobmff.diagnose(memorySource(whole))).toMatchObject({
      container: 'mp4',
      verdict: 'whole',
      tracks: [
        { kind: 'video', codec: 'h264', samples: 120, durationMs: 4000, width: 160, height: 90 },
        { kind: 'audio', codec: 'aac', sampleRate: 48000 },
      ],
    });
  });

  test('wherever it is torn, also inside a fragment index, every listed complete sample comes back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8000, max: whole.length - 200 }), (cut) => {
        const source = memorySource(whole.subarray(0, cut));
        expect(isobmff.diagnose(source).verdict).toBe('interrupted');
        const repair = plan(isobmff.planRepair(source, none));
        const out = written(source, repair);
        expect(isobmff.diagnose(memorySource(out))).toMatchObject({ verdict: 'whole', damage: [] });
        const rescued = tracksOf(memorySource(out));
        truth.forEach((track, place) => {
          const result = compare(track, rescued[place], ({ offset, size }) => offset + size <= cut);
          expect(result).toMatchObject({
            found: result.complete,
            wrong: 0,
            outOfOrder: 0,
            wrongSync: 0,
          });
          expect(result.worstTime).toBeLessThan(0.001);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('when zeros lie inside, the fragments behind them are found again', () => {
    const holed = whole.slice();
    holed.fill(0, 20_000, 26_000);
    const repair = plan(isobmff.planRepair(memorySource(holed), none));
    const found = repair.tracks[0]?.samples ?? 0;
    expect(found).toBeGreaterThan(80);
    expect(found).toBeLessThan(120);
  });
});

describe('given fragments hidden inside a media box, as hybrid recorders leave them', () => {
  test('their indexes are used, without a reference', () => {
    const source = memorySource(recording('h264-aac-hidden-index.mp4'));
    const diagnosis = isobmff.diagnose(source);
    expect(diagnosis).toMatchObject({ verdict: 'interrupted', needsReference: false });
    const repair = plan(isobmff.planRepair(source, none));
    expect(repair).toMatchObject({ method: 'hidden index', reference: null });
    expect(repair.tracks[0]).toMatchObject({ samples: 120, durationMs: 4000 });
    const out = memorySource(written(source, repair));
    expect(isobmff.diagnose(out)).toMatchObject({ verdict: 'whole', damage: [] });
  });
});

describe('given files GStreamer left behind when it was killed', () => {
  test('each fragment index behind its media: all of them, and the media behind the last', () => {
    const source = memorySource(recording('gstreamer-first-moov-killed.mp4'));
    expect(isobmff.diagnose(source).verdict).toBe('interrupted');
    const repair = plan(isobmff.planRepair(source, none));
    expect(repair.method).toBe('fragments, read on by content');
    expect(repair.tracks.map(({ samples }) => samples)).toEqual([150, 215]);
    const out = memorySource(written(source, repair));
    expect(isobmff.diagnose(out)).toMatchObject({ verdict: 'whole', damage: [] });
  });

  test('an index up to a second old: read on behind its last sample', () => {
    const source = memorySource(recording('gstreamer-robust-killed.mp4'));
    const before = tracksOf(source).map(({ samples }) => samples.length);
    const diagnosis = isobmff.diagnose(source);
    if (diagnosis.verdict === 'whole') return;
    const repair = plan(isobmff.planRepair(source, none));
    repair.tracks.forEach(({ samples }, place) => {
      expect(samples).toBeGreaterThanOrEqual(before[place] ?? 0);
    });
  });
});

describe('given an index in front of media that was cut short', () => {
  const original = recording('h264-3aac.mp4');
  const broken = memorySource(original);
  // The index is put in front the way Roomtape does it itself.
  const whole = frontIndexed();
  const truth = tracksOf(memorySource(whole));

  function frontIndexed(): Uint8Array {
    const unclosed = original.slice(0, original.length - 100);
    const profile = isobmff.profile?.(broken, 'reference.mp4');
    const source = memorySource(unclosed);
    const references = profile ? [profile] : [];
    const repair = plan(isobmff.planRepair(source, { references, faststart: true }));
    return written(source, repair);
  }

  test('it is whole, and nothing is read twice to say so', () => {
    let read = 0;
    const source = memorySource(whole);
    const counting = {
      size: source.size,
      read: (offset: number, length: number) => {
        const bytes = source.read(offset, length);
        read += bytes.length;
        return bytes;
      },
    };
    expect(isobmff.diagnose(counting).verdict).toBe('whole');
    expect(read).toBeLessThan(1.5 * whole.length);
  });

  test('wherever it is cut, what the index lists and the file holds is kept, with its times', () => {
    const first = Math.min(...truth.flatMap(({ samples }) => samples.map(({ offset }) => offset)));
    fc.assert(
      fc.property(fc.integer({ min: first + 5000, max: whole.length - 1 }), (cut) => {
        const source = memorySource(whole.subarray(0, cut));
        expect(isobmff.diagnose(source)).toMatchObject({
          verdict: 'interrupted',
          needsReference: false,
        });
        const repair = plan(isobmff.planRepair(source, none));
        const rescued = tracksOf(memorySource(written(source, repair)));
        truth.forEach((track, place) => {
          const result = compare(track, rescued[place], ({ offset, size }) => offset + size <= cut);
          expect(result).toMatchObject({ found: result.complete, wrong: 0, outOfOrder: 0 });
        });
      }),
      { numRuns: 40 },
    );
  });
});
