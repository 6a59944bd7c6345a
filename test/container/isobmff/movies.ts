/**
 * Whole recordings and what they say of their samples, to compare a rescue with.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteSource, memorySource } from '../../../src/container/bytes.ts';
import type { ReferenceProfile } from '../../../src/container/format.ts';
import { startOf } from '../../../src/container/isobmff/edits.ts';
import { outline, readIndex } from '../../../src/container/isobmff/file-index.ts';
import { isobmff } from '../../../src/container/isobmff/isobmff.ts';
import type { RepairOutcome, RepairPlan } from '../../../src/container/repair-plan.ts';

export interface TrueSample {
  readonly offset: number;
  readonly size: number;
  /** Second of the movie at which it is shown. */
  readonly shown: number;
  readonly sync: boolean;
}

export interface TrueTrack {
  readonly kind: string;
  readonly codec: string;
  readonly samples: readonly TrueSample[];
}

/** The bytes of a file in fixtures/isobmff. */
export function recording(name: string): Uint8Array {
  const path = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'isobmff', name);
  return new Uint8Array(readFileSync(path));
}

/** What a killed recorder leaves of a recording: an `mdat` without size, and nothing behind it. */
export function withoutIndex(whole: Uint8Array): Uint8Array {
  const { media } = outline(memorySource(whole));
  const first = media[0];
  const last = media.at(-1);
  if (!first || !last) throw new Error('the recording has no media');
  const left = whole.slice(0, last.to);
  left.fill(0, first.from - 8, first.from - 4);
  return left;
}

/** Samples of each track by the index of a file, in decoding order. */
export function tracksOf(source: ByteSource): TrueTrack[] {
  const index = readIndex(source, outline(source));
  return (index?.tracks ?? []).map((indexed) => {
    const { track, samples } = indexed;
    const [skipped, delayed] = startOf(indexed, index?.movie.timescale ?? 1);
    let ticks = 0;
    const list: TrueSample[] = [];
    for (let at = 0; at < samples.count; at += 1) {
      const shown = (ticks + (samples.shift[at] ?? 0)) / track.timescale + delayed - skipped;
      const [offset = 0, size = 0] = [samples.offset[at], samples.size[at]];
      list.push({ offset, size, shown, sync: samples.sync[at] === 1 });
      ticks += samples.duration[at] ?? 0;
    }
    return { kind: track.entry.kind, codec: track.entry.codec, samples: list };
  });
}

export function profileOf(whole: Uint8Array): ReferenceProfile {
  const profile = isobmff.profile?.(memorySource(whole), 'reference.mp4');
  if (!profile) throw new Error('the recording gives no profile');
  return profile;
}

/** The plan, or a failed test that names the reason there is none. */
export function plan(outcome: RepairOutcome): RepairPlan {
  if (outcome.kind === 'plan') return outcome;
  throw new Error(`no plan: ${outcome.reason}: ${outcome.detail}`);
}

/** Writes a planned file into memory. */
export function written(source: ByteSource, repair: RepairPlan): Uint8Array {
  const out = new Uint8Array(repair.outputSize);
  let at = 0;
  for (const piece of repair.pieces()) {
    const bytes = piece.kind === 'bytes' ? piece.bytes : source.read(piece.offset, piece.length);
    if (piece.kind === 'copy' && bytes.length !== piece.length)
      throw new Error('copy beyond the end');
    out.set(bytes, at);
    at += bytes.length;
  }
  if (at !== out.length) throw new Error(`${at} bytes were written of ${out.length} planned`);
  return out;
}

export interface Comparison {
  readonly complete: number;
  readonly found: number;
  /** Samples that are none, or lie on the wrong track. */
  readonly wrong: number;
  /** Samples found that stand elsewhere in display order. */
  readonly outOfOrder: number;
  readonly wrongSync: number;
  /** Greatest error of a time, in seconds. */
  readonly worstTime: number;
}

/**
 * Compares a rescued track with the true one. Media bytes must have kept their offsets.
 *
 * @param isWhole  says of a true sample whether its bytes were still there
 */
export function compare(
  truth: TrueTrack,
  rescued: TrueTrack | undefined,
  isWhole: (sample: TrueSample) => boolean,
): Comparison {
  const complete = truth.samples.filter(isWhole);
  const byOffset = new Map((rescued?.samples ?? []).map((sample) => [sample.offset, sample]));
  const pairs = complete.flatMap((wanted) => {
    const got = byOffset.get(wanted.offset);
    return got && got.size === wanted.size ? [{ wanted, got }] : [];
  });
  const known = new Set(truth.samples.map(({ offset, size }) => `${offset}+${size}`));
  const trueOrder = pairs.toSorted((a, b) => a.wanted.shown - b.wanted.shown);
  const order = pairs.toSorted((a, b) => a.got.shown - b.got.shown);
  return {
    complete: complete.length,
    found: pairs.length,
    wrong: (rescued?.samples ?? []).filter(({ offset, size }) => !known.has(`${offset}+${size}`))
      .length,
    outOfOrder: order.filter((pair, place) => pair !== trueOrder[place]).length,
    wrongSync: pairs.filter(({ wanted, got }) => wanted.sync !== got.sync).length,
    worstTime: Math.max(0, ...pairs.map(({ wanted, got }) => Math.abs(wanted.shown - got.shown))),
  };
}
