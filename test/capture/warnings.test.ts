/** Losses seen before they happen. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  judge,
  newVigil,
  observe,
  rateOf,
  type Sample,
  usualLimits,
} from '../../src/capture/warnings.ts';

const limits = { ...usualLimits, reserveBytes: 100e6 };
const base: Sample = {
  at: 0,
  state: 'recording',
  bytes: 0,
  freeBytes: 50e9,
  silentMs: 0,
  lostSound: [],
};

function looks(samples: readonly Partial<Sample>[]) {
  return samples.reduce((vigil, sample) => observe(vigil, { ...base, ...sample }), newVigil);
}

const kinds = (samples: readonly Partial<Sample>[]) =>
  judge(looks(samples), limits).map(({ kind }) => kind);

describe('given looks at a running recording', () => {
  test('when it grows and there is room, nothing is said', () => {
    expect(kinds([{ at: 0 }, { at: 5_000, bytes: 3e6 }, { at: 10_000, bytes: 6e6 }])).toEqual([]);
  });

  test('when its rate falls to zero, that is said after ten seconds', () => {
    const samples = [{ at: 0 }, { at: 5_000, bytes: 3e6 }, { at: 10_000, bytes: 3e6 }];
    expect(kinds(samples)).toEqual([]);
    expect(kinds([...samples, { at: 15_000, bytes: 3e6 }])).toEqual(['nothing-written']);
    expect(kinds([...samples, { at: 15_000, bytes: 3e6 }, { at: 20_000, bytes: 4e6 }])).toEqual([]);
  });

  test('when the recorder no longer answers, that counts as nothing written', () => {
    const hangs = [
      { at: 0, bytes: 1 },
      { at: 5_000, bytes: null },
      { at: 12_000, bytes: null },
    ];
    expect(kinds(hangs)).toEqual(['nothing-written']);
  });

  test('when it is paused, nothing written is as it should be', () => {
    const paused = [0, 5, 10, 15, 20].map((s) => ({ at: s * 1000, state: 'paused' as const }));
    expect(kinds(paused)).toEqual([]);
  });

  test('when the disk is full in three minutes, that is said; when it is nearly, it is stopped', () => {
    const grows = [{ at: 0 }, { at: 10_000, bytes: 10e6 }];
    const free = (freeBytes: number) =>
      judge(looks([...grows, { at: 11_000, bytes: 11e6, freeBytes }]), limits);
    expect(free(100e6 + 180e6)).toMatchObject([{ kind: 'disk-soon-full', stopNow: false }]);
    expect(free(100e6 + 9e6)).toMatchObject([{ kind: 'disk-full', stopNow: true }]);
    expect(free(1e12)).toEqual([]);
  });

  test('when a microphone is gone, that is said by its name', () => {
    expect(kinds([{ lostSound: ['usb'] }])).toEqual(['sound-lost']);
  });

  test('when every track is silent for a minute, that is said', () => {
    expect(kinds([{ silentMs: 59_000 }])).toEqual([]);
    expect(kinds([{ silentMs: 60_000, bytes: null }])).toEqual(['silent']);
    expect(kinds([{ silentMs: null }])).toEqual([]);
  });

  test('whatever is seen, the rate is never negative and what is remembered is bounded', () => {
    const sample = fc.record({
      at: fc.nat(1e7),
      state: fc.constantFrom('recording' as const, 'paused' as const),
      bytes: fc.option(fc.nat()),
      freeBytes: fc.option(fc.nat()),
      silentMs: fc.option(fc.nat()),
    });
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const vigil = looks(samples.sort((a, b) => a.at - b.at));
        expect(rateOf(vigil) ?? 0).toBeGreaterThanOrEqual(0);
        const [first] = vigil.samples;
        const last = vigil.samples.at(-1);
        expect((last?.at ?? 0) - (first?.at ?? 0)).toBeLessThanOrEqual(60_000);
        judge(vigil, limits);
      }),
    );
  });
});
