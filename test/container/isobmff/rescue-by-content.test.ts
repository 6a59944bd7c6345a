/**
 * Files without an index, rebuilt from their content: compared sample by sample with the index the
 * whole recording had.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import { outline } from '../../../src/container/isobmff/file-index.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import { parameterSets } from '../../../src/container/isobmff/trial.ts';
import { compare, plan, profileOf, recording, tracksOf, withoutIndex, written } from './movies.ts';

/**
 * Recordings whose every sample must come back, with the greatest error of a time in seconds. A picture
 * without a length may be torn for all one can see when it is the last one before the cut, and the
 * few sounds behind it may be its own bytes: so many samples of a track may be left out there, and the sound
 * behind them be late.
 */
const exact: readonly (readonly [name: string, what: string, worst: number, unsure: number])[] = [
  ['h264-3aac.mp4', 'three AAC tracks and B-frames', 0.001, 0],
  ['h264-slices-aac44m.mp4', 'four slices a picture, open GOPs and mono sound', 0.001, 0],
  ['hevc-aac.mp4', 'HEVC with open GOPs', 0.001, 0],
  ['av1-aac.mp4', 'AV1', 0.001, 0],
  ['mpeg4-aac.mp4', 'MPEG-4 Visual, which has no lengths, and B pictures', 0.04, 3],
  ['mpeg2-aac.mp4', 'MPEG-2 video, which has no lengths, and B pictures', 0.04, 3],
  ['gstreamer-aac.mp4', 'half a second of sound at a time', 0.001, 0],
];

describe('given a recording without its index and another of the same recorder', () => {
  describe.each(exact)('%s, with %s', (name, _what, worst, unsure) => {
    const whole = recording(name);
    const truth = tracksOf(memorySource(whole));
    const left = withoutIndex(whole);
    const references = [profileOf(whole)];

    test('wherever it is cut, every complete sample is found on its track, in order and in time', () => {
      fc.assert(
        fc.property(fc.integer({ min: 8000, max: left.length }), (cut) => {
          const source = memorySource(left.subarray(0, cut));
          const repair = plan(isobmff.planRepair(source, { references }));
          const rescued = tracksOf(memorySource(written(source, repair)));
          truth.forEach((track, place) => {
            const result = compare(
              track,
              rescued[place],
              ({ offset, size }) => offset + size <= cut,
            );
            const found = result.found + unsure >= result.complete;
            expect({ cut, ...result, found, worstTime: result.worstTime <= worst }).toEqual({
              cut,
              complete: result.complete,
              found: true,
              wrong: 0,
              outOfOrder: 0,
              wrongSync: 0,
              worstTime: true,
            });
          });
        }),
        { numRuns: 50, examples: [[left.length], [left.length - 1]] },
      );
    });
  });

  test('when pictures were left out of a constant rate, each is put back on its place', () => {
    const whole = recording('h264-vfr-aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    const [pictures] = tracksOf(memorySource(whole));
    if (!pictures) throw new Error('no pictures');
    const result = compare(pictures, rescued[0], () => true);
    expect(result).toMatchObject({ found: result.complete, wrong: 0, outOfOrder: 0 });
    expect(result.worstTime).toBeLessThan(0.001);
  });

  test('when the sound is Opus, which has no lengths, all pictures and 99 % of its packets come back', () => {
    const whole = recording('h264-opus.mp4');
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    const results = tracksOf(memorySource(whole)).map((track, place) =>
      compare(track, rescued[place], () => true),
    );
    expect(results[0]).toMatchObject({ found: results[0]?.complete, wrong: 0, outOfOrder: 0 });
    expect(results[1]?.found).toBeGreaterThanOrEqual((results[1]?.complete ?? 0) * 0.99);
  });

  test.each([true, false])(
    'wherever AV1 beside Opus is cut, order hints confirm every picture (with a reference: %s)',
    (isReferred) => {
      const whole = recording('av1-opus.mp4');
      const left = withoutIndex(whole);
      const truth = tracksOf(memorySource(whole));
      const references = isReferred ? [profileOf(whole)] : [];
      fc.assert(
        fc.property(fc.integer({ min: left.length >> 1, max: left.length }), (cut) => {
          const source = memorySource(left.subarray(0, cut));
          const repair = plan(isobmff.planRepair(source, { references }));
          const rescued = tracksOf(memorySource(written(source, repair)));
          const [pictures, sound] = truth.map((track, place) =>
            compare(track, rescued[place], ({ offset, size }) => offset + size <= cut),
          );
          // The last one before the cut may end anywhere, for all one can see.
          expect((pictures?.complete ?? 0) - (pictures?.found ?? 0)).toBeLessThanOrEqual(1);
          expect(pictures).toMatchObject({ outOfOrder: 0, wrongSync: 0 });
          expect(pictures?.worstTime).toBeLessThan(0.001);
          expect(sound?.found).toBeGreaterThanOrEqual((sound?.complete ?? 0) * 0.9);
        }),
        { numRuns: 25, examples: [[left.length]] },
      );
    },
  );

  test('wherever it is cut, what is left of a packet of Opus is no packet; closed media keeps its last one', () => {
    const whole = recording('h264-opus.mp4');
    const left = withoutIndex(whole);
    const endsOf = (file: Uint8Array) =>
      tracksOf(memorySource(file))[1]?.samples.map(({ offset, size }) => offset + size) ?? [];
    const trueEnds = endsOf(whole);
    const lastEnd = (bytes: Uint8Array) => {
      const source = memorySource(bytes);
      const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
      return endsOf(written(source, repair)).at(-1);
    };
    // The same bytes behind a size that says where they end.
    expect(lastEnd(whole.slice(0, left.length))).toBe(trueEnds.at(-1));
    fc.assert(
      fc.property(fc.integer({ min: left.length >> 1, max: left.length - 1 }), (cut) => {
        const last = lastEnd(left.slice(0, cut));
        expect(last === cut && !trueEnds.includes(cut)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ['with', true],
    ['without', false],
  ])(
    'when the picture is VP9, which has no lengths, it ends where sound leads to the next (%s a reference)',
    (_, has) => {
      const whole = recording('vp9-aac.mp4');
      const source = memorySource(withoutIndex(whole));
      const repair = plan(
        isobmff.planRepair(source, { references: has ? [profileOf(whole)] : [] }),
      );
      const rescued = tracksOf(memorySource(written(source, repair)));
      const results = tracksOf(memorySource(whole)).map((track, place) =>
        compare(track, rescued[place], () => true),
      );
      // Pictures of 17 to 200 bytes leave the least to go by.
      expect(results[0]).toMatchObject({ complete: 120, outOfOrder: 0, wrongSync: 0 });
      expect(results[0]?.found).toBeGreaterThanOrEqual(119);
      expect(results[1]?.found).toBeGreaterThanOrEqual((results[1]?.complete ?? 0) * 0.99);
      expect(results[1]?.wrong).toBe(0);
    },
  );

  test('when sound begins later than in the reference, neither is moved', () => {
    const whole = recording('h264-3aac.mp4');
    const profile = profileOf(whole);
    const model = JSON.parse(profile.body);
    for (const track of model.tracks) if (track.layout.entry.kind === 'audio') track.delayed += 0.7;
    const late = { ...profile, body: JSON.stringify(model) };
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [late] }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    tracksOf(memorySource(whole)).forEach((track, place) => {
      expect(compare(track, rescued[place], () => true).worstTime).toBeLessThan(0.02);
    });
  });

  test('when its pictures do not say where they end, the refusal names their codec, and nothing is taken for PCM', () => {
    const text = Buffer.from(recording('prores-pcm.mov')).toString('latin1');
    const changed = text.replaceAll('icpf', '....').replaceAll('apco', 'AVdn');
    const whole = Uint8Array.from(Buffer.from(changed, 'latin1'));
    const source = memorySource(withoutIndex(whole));
    const refused = isobmff.planRepair(source, { references: [profileOf(whole)] });
    expect(refused).toMatchObject({ kind: 'none', reason: 'nothing-found' });
    expect(refused).toHaveProperty('detail', expect.stringContaining('dnxhd'));
  });

  test('when the sound is PCM on two tracks beside a time code, every byte is on its track', () => {
    const whole = recording('h264-pcm-timecode.mov');
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    expect(repair.extension).toBe('.mov');
    const rescued = tracksOf(memorySource(written(source, repair)));
    const truth = tracksOf(memorySource(whole));
    expect(rescued.map(({ codec }) => codec)).toEqual(truth.map(({ codec }) => codec));
    truth.forEach((track, place) => {
      const bytes = (samples: readonly { size: number }[]) =>
        samples.reduce((sum, { size }) => sum + size, 0);
      expect(bytes(rescued[place]?.samples ?? [])).toBe(bytes(track.samples));
    });
  });

  test('wherever a hole of zeros or garbage lies, nearly all undamaged samples come back', () => {
    const whole = recording('h264-3aac.mp4');
    const truth = tracksOf(memorySource(whole));
    const left = withoutIndex(whole);
    const references = [profileOf(whole)];
    const where = fc.integer({ min: 4000, max: left.length - 6000 });
    const size = fc.integer({ min: 200, max: 5000 });
    const filling = fc.option(fc.uint8Array({ minLength: 64, maxLength: 64 }), { nil: null });
    fc.assert(
      fc.property(where, size, filling, (at, length, garbage) => {
        const holed = left.slice();
        for (let place = at; place < at + length; place += 1) {
          holed[place] = garbage ? ((garbage[place % 64] ?? 0) ^ (place * 31)) & 255 : 0;
        }
        const source = memorySource(holed);
        const repair = plan(isobmff.planRepair(source, { references }));
        const rescued = tracksOf(memorySource(written(source, repair)));
        const results = truth.map((track, place) =>
          compare(
            track,
            rescued[place],
            (one) => one.offset + one.size <= at || one.offset >= at + length,
          ),
        );
        const complete = results.reduce((sum, result) => sum + result.complete, 0);
        const found = results.reduce((sum, result) => sum + result.found, 0);
        // A few on either side, and the sounds until their tracks are known again.
        expect(complete - found).toBeLessThanOrEqual(12);
      }),
      { numRuns: 30 },
    );
  });

  test('when the file ends in zeros, they are no samples', () => {
    const whole = recording('h264-3aac.mp4');
    const left = withoutIndex(whole);
    const source = memorySource(
      Uint8Array.of(...left.subarray(0, 60_000), ...new Array(20_000).fill(0)),
    );
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    expect(repair.bytesKept).toBeLessThanOrEqual(60_000);
    expect(repair.bytesKept).toBeGreaterThan(55_000);
  });

  test('when +faststart was killed in its second pass, what stands twice is taken once', () => {
    const whole = recording('hevc-aac.mp4');
    const [first] = tracksOf(memorySource(whole));
    const media = withoutIndex(whole);
    const shift = whole.length - media.length;
    // ffmpeg moves everything behind `ftyp` towards the end by the size of the index.
    const copied = 15_000;
    const torn = new Uint8Array(media.length);
    torn.set(media);
    torn.set(whole.subarray(32, copied), 32 + shift);
    torn.set(whole.subarray(40, 48), 40);
    const source = memorySource(torn);
    const repair = plan(isobmff.planRepair(source, { references: [profileOf(whole)] }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    const count = rescued[0]?.samples.length ?? 0;
    expect(count).toBeLessThanOrEqual(first?.samples.length ?? 0);
    expect(count).toBeGreaterThan((first?.samples.length ?? 0) * 0.7);
  });
});

describe('given a recording without its index and no reference', () => {
  test('when AV1 carries its sequence header in band, everything comes back', () => {
    const whole = recording('av1-aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [] }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    tracksOf(memorySource(whole)).forEach((track, place) => {
      const result = compare(track, rescued[place], () => true);
      expect(result).toMatchObject({ found: result.complete, wrong: 0, outOfOrder: 0 });
    });
    expect(repair.reference).toBeNull();
  });

  test.each(['h264-slices-aac44m.mp4', 'hevc-aac.mp4'])(
    'when %s carries its parameter sets in band, everything comes back',
    (name) => {
      const whole = recording(name);
      const source = memorySource(withSetsInBand(whole));
      const repair = plan(isobmff.planRepair(source, { references: [] }));
      expect(repair.findings[0]).toContain('found in the stream itself');
      const counts = tracksOf(memorySource(whole)).map(({ samples }) => samples.length);
      expect(repair.tracks.map(({ samples }) => samples)).toEqual(counts);
      const [picture, sound] = repair.tracks;
      // Without a reference the rates are told from the stream and from each other.
      expect(picture?.durationMs).toBe(4000);
      expect(sound?.sampleRate).toBe(name.startsWith('hevc') ? 48_000 : 44_100);
    },
  );

  /** As `withoutIndex`, the parameter sets in front of the first picture. */
  function withSetsInBand(whole: Uint8Array): Uint8Array {
    const left = withoutIndex(whole);
    const found = outline(memorySource(whole));
    const video = found.movie?.tracks.find(({ entry }) => entry.kind === 'video');
    const units = video ? (parameterSets(video)?.units ?? []) : [];
    const at = found.media[0]?.from ?? 0;
    const sets = units.flatMap((unit) => [0, 0, unit.length >> 8, unit.length & 255, ...unit]);
    return Uint8Array.of(...left.subarray(0, at), ...sets, ...left.subarray(at));
  }

  test.each(['h264-3aac.mp4', 'h264-slices-aac44m.mp4'])(
    'when the first picture of %s carries the options of x264, the size is read from the picture',
    (name) => {
      const whole = recording(name);
      const source = memorySource(withoutIndex(whole));
      let trials = 0;
      const trialDecode = () => {
        trials += 1;
        return { frames: 5, errors: 0 };
      };
      const repair = plan(isobmff.planRepair(source, { references: [], trialDecode }));
      expect(repair.findings.join(' ')).toContain('x264’s options (160x90)');
      // Once, to look at the last pictures.
      expect(trials).toBe(1);
      expectTracks(whole, written(source, repair));
    },
  );

  test('when the sound is Opus, how many packets stand between pictures is told by what they are like', () => {
    const whole = recording('h264-opus.mp4');
    const source = memorySource(withoutIndex(whole));
    const trialDecode = () => ({ frames: 5, errors: 0 });
    const repair = plan(isobmff.planRepair(source, { references: [], trialDecode }));
    const rescued = tracksOf(memorySource(written(source, repair)));
    const results = tracksOf(memorySource(whole)).map((track, place) =>
      compare(track, rescued[place], () => true),
    );
    expect(results[0]).toMatchObject({ found: results[0]?.complete, wrong: 0, outOfOrder: 0 });
    expect(results[1]?.found).toBeGreaterThanOrEqual((results[1]?.complete ?? 0) * 0.99);
    for (const { worstTime } of results) expect(worstTime).toBeLessThan(0.005);
  });

  test.each([
    ['h264-eac3.mp4', false],
    ['prores-pcm.mov', false],
    ['prores-pcm.mov', true],
  ])(
    'wherever %s is cut, every complete picture comes back (with a reference: %s)',
    (name, isReferred) => {
      const whole = recording(name);
      const left = withoutIndex(whole);
      const truth = tracksOf(memorySource(whole));
      const references = isReferred ? [profileOf(whole)] : [];
      const trialDecode = () => ({ frames: 5, errors: 0 });
      fc.assert(
        fc.property(fc.integer({ min: left.length >> 1, max: left.length }), (cut) => {
          const source = memorySource(left.subarray(0, cut));
          const repair = plan(isobmff.planRepair(source, { references, trialDecode }));
          const rescued = tracksOf(memorySource(written(source, repair)));
          const isThere = ({ offset, size }: { offset: number; size: number }) =>
            offset + size <= cut;
          expect(rescued.map(({ codec }) => codec)).toEqual(truth.map(({ codec }) => codec));
          truth.forEach((track, place) => {
            const { found, complete, wrong } = compare(track, rescued[place], isThere);
            expect(complete - found).toBeLessThanOrEqual(track.kind === 'video' ? 0 : 1);
            // Of a run of PCM that the cut ends, every frame of sound in front of it is kept.
            expect(wrong).toBeLessThanOrEqual(track.codec.startsWith('pcm') ? 1 : 0);
          });
        }),
        { numRuns: 20 },
      );
    },
  );

  test('when the sound is of no kind that is known, all pictures come back, and the report says so', () => {
    const whole = recording('h264-3aac.mp4');
    const [pictures, ...sounds] = tracksOf(memorySource(whole));
    const bytes = whole.slice();
    let random = 12345;
    for (const { offset, size } of sounds.flatMap(({ samples }) => samples)) {
      for (let at = offset; at < offset + size; at += 1) {
        random = (random * 1103515245 + 12345) & 0x7fffffff;
        bytes[at] = random >> 16;
      }
    }
    const source = memorySource(withoutIndex(bytes));
    const trialDecode = () => ({ frames: 5, errors: 0 });
    const repair = plan(isobmff.planRepair(source, { references: [], trialDecode }));
    expect(repair.incomplete).toBe(true);
    expect(repair.findings.join(' ')).toContain('sound of a kind that its bytes do not tell');
    expect(repair.findings.join(' ')).toContain('30 a second is assumed');
    const rescued = tracksOf(memorySource(written(source, repair)));
    expect(rescued.map(({ kind }) => kind)).toEqual(['video']);
    if (!pictures) throw new Error('no pictures');
    const result = compare(pictures, rescued[0], () => true);
    expect(result).toMatchObject({ found: result.complete, wrong: 0, outOfOrder: 0 });
  });

  test('when x264 did not sign either, its settings are searched for and confirmed', () => {
    const whole = unsigned(recording('h264-3aac.mp4'));
    const source = memorySource(withoutIndex(whole));
    let trials = 0;
    // The pictures say their size themselves; what only P and B pictures depend on, decoding says.
    const trialDecode = () => ({ frames: 5, errors: ++trials < 2 ? 9 : 0 });
    const repair = plan(isobmff.planRepair(source, { references: [], trialDecode }));
    expect(repair.findings.join(' ')).toContain('what its pictures tell (160x90)');
    expect(repair.incomplete).toBeUndefined();
    expectTracks(whole, written(source, repair));
  });

  test('when nothing fits the pictures, the sound is whole and they are kept in order and in time', () => {
    const whole = recording('hevc-aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const repair = plan(isobmff.planRepair(source, { references: [] }));
    expect(repair.incomplete).toBe(true);
    expect(repair.findings.join(' ')).toContain('needs a sample from this recorder');
    expect(repair.tracks.map(({ plays }) => plays)[0]).toBe(false);
    const output = written(source, repair);
    expectTracks(whole, output);
    // Players show the enabled tracks only, and the file says the same when it is read again.
    const read = isobmff.diagnose(memorySource(output));
    expect(read.verdict).toBe('whole');
    expect(read.tracks.map(({ plays }) => plays ?? true)).toEqual(
      repair.tracks.map(({ kind }) => kind === 'audio'),
    );
  });

  /** Every sample on its track, in order, and to the millisecond where it was, priming included. */
  function expectTracks(whole: Uint8Array, output: Uint8Array): void {
    const rescued = tracksOf(memorySource(output));
    tracksOf(memorySource(whole)).forEach((track, place) => {
      const result = compare(track, rescued[place], () => true);
      expect(result).toMatchObject({ found: result.complete, wrong: 0, outOfOrder: 0 });
      expect(result.worstTime).toBeLessThan(0.0015);
    });
  }

  /** As if the encoder had not written its options. */
  function unsigned(whole: Uint8Array): Uint8Array {
    const bytes = whole.slice();
    const name = [...'x264 - core'].map((character) => character.charCodeAt(0));
    for (let at = 0; at + name.length < bytes.length; at += 1) {
      if (name.every((code, n) => bytes[at + n] === code)) bytes[at] = 0x2e;
    }
    return bytes;
  }

  test('when the only whole files are of other recorders, the file explains itself', () => {
    const whole = recording('h264-3aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const strangers = ['h264-slices-aac44m.mp4', 'hevc-aac.mp4', 'h264-opus.mp4', 'av1-aac.mp4'];
    const references = strangers.map((name) => profileOf(recording(name)));
    // Any decoder is content with the first picture that any of them finds.
    const trialDecode = () => ({ frames: 1, errors: 0 });
    const repair = plan(isobmff.planRepair(source, { references, trialDecode }));
    expect(repair.bytesLost).toBe(0);
    expect(repair.tracks.map(({ samples }) => samples)).toEqual([120, 189, 189, 189]);
  });

  test('when a reference does not decode, the plan says so', () => {
    const whole = recording('h264-3aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const references = [profileOf(whole)];
    const trialDecode = () => ({ frames: 1, errors: 3 });
    const repair = plan(isobmff.planRepair(source, { references, trialDecode }));
    expect(repair.findings.join(' ')).toContain('do not decode with the set-up of reference.mp4');
  });

  test('when there is neither set-up nor sound, the refusal says what is missing', () => {
    const noise = Uint8Array.from({ length: 50_000 }, (_, at) => (at * 7919 + (at >> 5)) & 255);
    const head = withoutIndex(recording('hevc-aac.mp4')).subarray(0, 48);
    const source = memorySource(Uint8Array.of(...head, ...noise));
    expect(isobmff.planRepair(source, { references: [] })).toMatchObject({
      kind: 'none',
      reason: 'nothing-found',
    });
  });
});

describe('given a recording that still grows', () => {
  test('whenever the scan is saved and taken up again, it finds what one scan of the whole finds', () => {
    const whole = recording('h264-3aac.mp4');
    const left = withoutIndex(whole);
    const references = [profileOf(whole)];
    const atOnce = memorySource(left);
    const expected = written(atOnce, plan(isobmff.planRepair(atOnce, { references })));
    const sizes = fc.array(fc.integer({ min: 66_000, max: left.length }), { maxLength: 6 });
    fc.assert(
      fc.property(sizes, (marks) => {
        let saved: { state: string; samples: Uint8Array } | undefined;
        for (const size of marks.toSorted((a, b) => a - b)) {
          const source = memorySource(left.subarray(0, size));
          const follower = isobmff.follow?.(source, { references, ...(saved ? { saved } : {}) });
          follower?.advance(source);
          saved = follower?.save();
          expect(follower?.position).toBeLessThanOrEqual(size);
        }
        const source = memorySource(left);
        const repair = plan(
          isobmff.planRepair(source, { references, ...(saved ? { saved } : {}) }),
        );
        expect(Buffer.compare(written(source, repair), expected)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  test('a saved scan that is damaged is left aside', () => {
    const whole = recording('h264-3aac.mp4');
    const source = memorySource(withoutIndex(whole));
    const references = [profileOf(whole)];
    const follower = isobmff.follow?.(source, { references });
    follower?.advance(source);
    const { state, samples } = follower?.save() ?? { state: '', samples: new Uint8Array(0) };
    for (const saved of [
      { state: state.slice(0, 100), samples },
      { state: '{}', samples },
      { state: state.replace('"position"', '"place"'), samples },
      { state, samples: samples.subarray(0, 40) },
    ]) {
      const repair = plan(isobmff.planRepair(source, { references, saved }));
      expect(repair.tracks).toHaveLength(4);
    }
  });
});
