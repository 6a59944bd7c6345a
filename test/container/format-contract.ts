/**
 * What every container format promises, whatever the bytes: one row a format, the same tests for
 * all. A new format joins by adding a row to format-contract.test.ts.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../src/container/bytes.ts';
import type { Diagnosis } from '../../src/container/diagnosis.ts';
import type { ContainerFormat, RepairContext } from '../../src/container/format.ts';
import { headLength } from '../../src/container/format.ts';
import { diagnose as diagnoseAny, recogniseFormat } from '../../src/container/formats.ts';
import type { RepairPlan } from '../../src/container/repair-plan.ts';

export interface ContractRow {
  /** As in `given …`: what the file is and who wrote it. */
  readonly name: string;
  readonly format: ContainerFormat;
  /** A whole file. */
  readonly whole: Uint8Array;
  /** For each track, how many samples are complete in the first `cut` bytes: the truth. */
  readonly complete: (cut: number) => readonly number[];
  /** Samples more or fewer than the truth that are forgiven, where bytes alone cannot tell. */
  readonly tolerance?: number;
  /** A file cut between two packets may pass for whole: the format has no end mark. */
  readonly endsAnywhere?: boolean;
  /**
   * Uncompressed sound: zeros that the header vouches for are sound, and nothing is resynchronised.
   */
  readonly isBare?: boolean;
  /** A checksum over many packets: where a page of them is damaged, all of it is given up. */
  readonly isPaged?: boolean;
  /** A raw format that has to be converted: a whole file is planned too. */
  readonly isRaw?: boolean;
  /** References for the repair, made from the whole file. */
  readonly references?: RepairContext['references'];
}

/** Carries out a plan in memory. */
export function execute(source: ByteSource, plan: RepairPlan): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const piece of plan.pieces()) {
    if (piece.kind === 'bytes') parts.push(piece.bytes);
    else {
      const bytes = source.read(piece.offset, piece.length);
      expect(bytes.length, 'a plan copies only what is there').toBe(piece.length);
      parts.push(bytes);
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** How long one call may take on the small files of these tests; a hang is what it is for. */
const patienceMs = 2000;
const runs = { numRuns: 60 };

export function formatContract(row: ContractRow): void {
  const { format, whole } = row;
  const context: RepairContext = {
    references: row.references ?? [],
    experimentalZoom: row.isRaw === true,
  };
  const counts = (diagnosis: Pick<Diagnosis, 'tracks'>) =>
    diagnosis.tracks.map((each) => each.samples);
  const look = (bytes: Uint8Array) => format.diagnose(memorySource(bytes), { thorough: true });
  const cutAt = fc.integer({ min: 0, max: whole.length - 1 });

  describe(`given ${row.name}`, () => {
    test('when it is whole, it is recognised, called whole, and not repaired', () => {
      const source = memorySource(whole);
      expect(recogniseFormat(source)).toBe(format);
      expect(format.diagnose(source, { thorough: false })).toMatchObject({
        verdict: 'whole',
        damage: [],
      });
      const diagnosis = look(whole);
      expect(diagnosis).toMatchObject({ verdict: 'whole', damage: [], recoverable: true });
      expect(format.containers).toContain(diagnosis.container);
      expect(counts(diagnosis)).toEqual(row.complete(whole.length));
      const outcome = format.planRepair(source, context);
      if (row.isRaw) expect(outcome.kind).toBe('plan');
      else expect(outcome).toMatchObject({ kind: 'none', reason: 'whole' });
    });

    test('wherever it is cut off, the plan keeps the complete samples and is whole', () => {
      fc.assert(
        fc.property(cutAt, (cut) => keepsTheComplete(whole.slice(0, cut), cut)),
        runs,
      );
    });

    test.skipIf(row.isBare)(
      'wherever it is cut off and filled with zeros, they do not count',
      () => {
        const zeros = fc.integer({ min: 8192, max: 20_000 });
        fc.assert(
          fc.property(cutAt, zeros, (cut, length) => {
            const bytes = new Uint8Array(cut + length);
            bytes.set(whole.subarray(0, cut));
            keepsTheComplete(bytes, cut, 1);
          }),
          runs,
        );
      },
    );

    test('when it grows, it never has fewer samples than before', () => {
      let before = row.complete(0).map(() => 0);
      for (let size = 0; size <= whole.length; size += Math.ceil(whole.length / 40)) {
        const diagnosis = look(whole.subarray(0, size));
        const now = before.map((_, index) => diagnosis.tracks[index]?.samples ?? 0);
        const forgiven = row.tolerance ?? 0;
        now.forEach((count, index) => {
          expect(count).toBeGreaterThanOrEqual((before[index] ?? 0) - forgiven);
        });
        before = now;
      }
    });

    test('whatever the bytes, nothing throws, nothing hangs, and no plan claims too much', () => {
      fc.assert(
        fc.property(damaged(whole), (bytes) => holdsUp(bytes)),
        { numRuns: 200 },
      );
    });

    test.skipIf(row.isBare)('wherever there is a hole, reading goes on behind it', () => {
      const total = row.complete(whole.length).reduce((sum, count) => sum + count, 0);
      const length = Math.floor(whole.length / 20);
      const from = fc.integer({
        min: Math.floor(whole.length / 4),
        max: Math.floor(whole.length / 2),
      });
      fc.assert(
        fc.property(from, row.isPaged ? fc.constant(true) : fc.boolean(), (at, isZero) => {
          const bytes = whole.slice();
          for (let i = at; i < at + length; i += 1)
            bytes[i] = isZero ? 0 : (i * 151 + (i >> 3)) & 0xff;
          const before = row.complete(at).reduce((sum, count) => sum + count, 0);
          const lost = row.complete(at + length).reduce((sum, count) => sum + count, 0) - before;
          const kept = counts(look(bytes)).reduce<number>((sum, count) => sum + (count ?? 0), 0);
          expect(kept).toBeLessThanOrEqual(total);
          // Beside what the hole covers, one packet each side of each track may go with it; of a
          // page, all that stands behind the hole.
          const behind = row.isPaged ? -3 : (total - before - lost) * 0.5;
          expect(kept).toBeGreaterThan(before + behind);
        }),
        { numRuns: 30 },
      );
    });
  });

  function keepsTheComplete(bytes: Uint8Array, cut: number, forgivenMore = 0): void {
    const hash = sha256(bytes);
    const source = memorySource(bytes);
    const complete = row.complete(cut);
    const outcome = format.planRepair(source, context);
    if (outcome.kind === 'none') {
      const isWhole = row.endsAnywhere && outcome.reason === 'whole';
      // Only one track may be known yet; without a complete sample there is nothing to plan.
      if (!isWhole) expect(Math.max(0, ...complete)).toBeLessThanOrEqual(row.tolerance ?? 0);
      return;
    }
    const output = execute(source, outcome);
    expect(output.length).toBe(outcome.outputSize);
    // What is extracted from a raw format is of another one.
    const again = row.isRaw ? diagnoseAny(memorySource(output), { thorough: true }) : look(output);
    expect(again.damage).toEqual([]);
    expect(again.verdict).toBe('whole');
    expect(counts(again)).toEqual(counts(outcome));
    complete.forEach((count, track) => {
      const kept = outcome.tracks[track]?.samples ?? 0;
      const forgiven = (row.tolerance ?? 0) + forgivenMore;
      expect(kept, `track ${track} cut at ${cut}`).toBeGreaterThanOrEqual(count - forgiven);
      expect(kept, `track ${track} cut at ${cut}`).toBeLessThanOrEqual(
        count + (row.tolerance ?? 0),
      );
    });
    expect(outcome.bytesTotal).toBe(bytes.length);
    expect(outcome.bytesKept).toBeLessThanOrEqual(bytes.length);
    expect(sha256(bytes), 'the original is untouched').toBe(hash);
  }

  function holdsUp(bytes: Uint8Array): void {
    const source = memorySource(bytes);
    const began = performance.now();
    expect(format.recognise(bytes.subarray(0, headLength))).toBeGreaterThanOrEqual(0);
    format.diagnose(source, { thorough: false });
    const diagnosis = look(bytes);
    const outcome = format.planRepair(source, context);
    expect(performance.now() - began).toBeLessThan(patienceMs);
    for (const track of diagnosis.tracks) {
      expect(track.samples ?? 0).toBeGreaterThanOrEqual(0);
      if (!row.isBare) expect(track.samples ?? 0).toBeLessThanOrEqual(bytes.length);
    }
    if (outcome.kind === 'plan') expect(execute(source, outcome).length).toBe(outcome.outputSize);
  }
}

/** The whole file with bytes flipped, removed, repeated, overwritten, or only its head and noise. */
function damaged(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.integer({ min: 0, max: whole.length - 1 });
  const flips = fc.array(fc.tuple(at, fc.integer({ min: 0, max: 255 })), { maxLength: 12 });
  const noise = fc.uint8Array({ maxLength: 400 });
  return fc
    .tuple(flips, at, noise, fc.integer({ min: 0, max: 3 }))
    .map(([changes, place, filling, how]) => {
      const bytes = whole.slice();
      for (const [offset, value] of changes) bytes[offset] = value;
      const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
      if (how === 0) return bytes;
      if (how === 1) return joined(head, filling, tail);
      if (how === 2) return joined(head, tail.subarray(filling.length));
      return joined(head, filling);
    });
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
