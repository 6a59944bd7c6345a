/**
 * What a walk over a file keeps: the ranges of the source that go into the output, in file order,
 * and what was found wrong on the way.
 *
 * Every container's walk ends in a survey, and every plan is made from one: neighbours are joined,
 * so memory grows with the number of gaps and not with the number of packets.
 */
import type { Damage, DamageKind, Diagnosis, TrackSummary } from './diagnosis.ts';
import type { NoRepair, OutputPiece, RepairOutcome, RepairPlan } from './repair-plan.ts';

/** Below this size a diagnosis walks over the whole file even when it was not asked to count. */
export const smallFile = 1024 * 1024;

/** More damages than this are counted, not listed. */
const mostDamages = 200;

/** What stands in place of the bytes from `at` up to `end`; no piece leaves them out. */
export interface RangeEdit {
  readonly at: number;
  readonly end: number;
  readonly pieces: readonly OutputPiece[];
}

/** Ranges of the source in file order; ranges that touch become one. */
export class KeptRanges {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Number of ranges that do not touch. */
  get count(): number {
    return this.#starts.length;
  }

  /** The end of the last range; 0 when there is none. */
  get end(): number {
    return this.#ends.at(-1) ?? 0;
  }

  add(offset: number, length: number): void {
    if (length <= 0) return;
    this.#bytes += length;
    if (this.#ends.at(-1) === offset) this.#ends[this.#ends.length - 1] = offset + length;
    else {
      this.#starts.push(offset);
      this.#ends.push(offset + length);
    }
  }

  /** Takes back everything at and behind `offset`. */
  cutAt(offset: number): void {
    for (let i = this.#starts.length - 1; i >= 0; i -= 1) {
      const [start, end] = [this.#starts[i] ?? 0, this.#ends[i] ?? 0];
      if (end <= offset) return;
      this.#bytes -= end - Math.max(start, offset);
      if (start < offset) {
        this.#ends[i] = offset;
        return;
      }
      this.#starts.pop();
      this.#ends.pop();
    }
  }

  /** The ranges as pieces of an output, in file order. */
  *copies(): Iterable<OutputPiece> {
    for (let i = 0; i < this.#starts.length; i += 1) {
      const [offset, end] = [this.#starts[i] ?? 0, this.#ends[i] ?? 0];
      yield { kind: 'copy', offset, length: end - offset };
    }
  }

  /**
   * The ranges with parts of them written anew or left out.
   *
   * @param edits  in file order, none over another
   */
  *edited(edits: readonly RangeEdit[]): Iterable<OutputPiece> {
    let next = 0;
    for (const range of this.copies()) {
      if (range.kind !== 'copy') continue;
      const end = range.offset + range.length;
      let at = range.offset;
      for (let edit = edits[next]; edit && edit.at < end; edit = edits[next]) {
        if (edit.at > at) yield { kind: 'copy', offset: at, length: edit.at - at };
        yield* edit.pieces;
        at = Math.max(at, Math.min(end, edit.end));
        next += 1;
      }
      if (at < end) yield { kind: 'copy', offset: at, length: end - at };
    }
  }

  /** Where a byte of the source lies in the concatenation of the ranges; for ascending offsets. */
  placer(): (offset: number) => number {
    let [index, before] = [0, 0];
    return (offset) => {
      for (;;) {
        const [start, end] = [this.#starts[index] ?? 0, this.#ends[index] ?? 0];
        if (index >= this.#starts.length - 1 || offset < end) return before + (offset - start);
        before += end - start;
        index += 1;
      }
    };
  }
}

/** Damages in file order, bounded: a file of a million holes gets a list that can be read. */
export class DamageList {
  readonly #list: Damage[] = [];
  #more = 0;

  add(kind: DamageKind, at: number, detail: string): void {
    if (this.#list.length < mostDamages) this.#list.push({ kind, at, detail });
    else this.#more += 1;
  }

  has(kind: DamageKind): boolean {
    return this.#list.some((damage) => damage.kind === kind);
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** In file order, with a last word about those that were only counted. */
  get list(): Damage[] {
    const sorted = [...this.#list].sort((a, b) => a.at - b.at);
    const last = sorted.at(-1);
    if (this.#more > 0 && last) {
      sorted.push({ ...last, detail: `And ${this.#more} more places like the ones before.` });
    }
    return sorted;
  }
}

/** Says how many bytes of zeros were left behind the written ones, and that they do not count. */
export function reportZeroTail(damage: DamageList, written: number, size: number): void {
  if (written >= size) return;
  const detail = `The last ${size - written} bytes are zeros that were never written; they are not counted.`;
  damage.add('zero-tail', written, detail);
}

/** Says that the bytes from `at` to `end` are a unit that was cut off. */
export function reportTorn(damage: DamageList, what: string, at: number, end: number): void {
  const detail = `${what} at byte ${at} is cut off after ${end - at} bytes.`;
  damage.add('torn-tail', at, detail);
}

/** Says that the bytes from `at` to `end` could not be read as what they should be. */
export function reportHole(damage: DamageList, at: number, end: number): void {
  const detail = `${end - at} bytes from byte ${at} on cannot be read; reading goes on at byte ${end}.`;
  damage.add('hole', at, detail);
}

/** A diagnosis from what was found; the length is that of the longest track. */
export function diagnosisOf(
  found: Pick<Diagnosis, 'container' | 'verdict' | 'tracks' | 'damage'> & {
    readonly writer?: string | null;
    readonly durationMs?: number | null;
    readonly recoverable?: boolean;
    readonly createdAt?: number;
    readonly openEnded?: boolean;
  },
): Diagnosis {
  return {
    container: found.container,
    verdict: found.verdict,
    durationMs: found.durationMs === undefined ? longest(found.tracks) : found.durationMs,
    tracks: found.tracks,
    damage: found.verdict === 'whole' ? [] : found.damage,
    recoverable:
      found.recoverable ?? (found.verdict === 'whole' || found.verdict === 'interrupted'),
    needsReference: false,
    writer: found.writer ?? null,
    ...(found.createdAt ? { createdAt: found.createdAt } : {}),
    ...(found.openEnded && found.verdict === 'whole' ? { openEnded: true } : {}),
  };
}

export function longest(tracks: readonly TrackSummary[]): number | null {
  const known = tracks.map((track) => track.durationMs).filter((ms) => ms !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** Milliseconds of `ticks` at `rate` a second, rounded to a thousandth. */
export function milliseconds(ticks: number, rate: number): number | null {
  const ms = (ticks / rate) * 1000;
  return rate > 0 && Number.isFinite(ms) && ms >= 0 ? Math.round(ms * 1000) / 1000 : null;
}

/** Why a file that is diagnosed as `verdict` gets no plan. */
export function noRepairFor(diagnosis: Diagnosis): NoRepair | null {
  const detail = diagnosis.damage[0]?.detail;
  switch (diagnosis.verdict) {
    case 'whole':
      return { kind: 'none', reason: 'whole', detail: 'The file was closed by its recorder.' };
    case 'empty':
      return { kind: 'none', reason: 'empty', detail: detail ?? 'The file holds no media.' };
    case 'foreign':
      return { kind: 'none', reason: 'foreign', detail: detail ?? 'The file is no media file.' };
    case 'beyond-repair':
      return { kind: 'none', reason: 'nothing-found', detail: detail ?? 'Nothing can be had.' };
    case 'interrupted':
      return diagnosis.recoverable
        ? null
        : {
            kind: 'none',
            reason: 'nothing-found',
            detail: detail ?? 'No complete packet is left.',
          };
  }
}

/** Completes a plan: the output's size is that of its pieces, the findings those of the damage. */
export function planOf(
  found: Pick<RepairPlan, 'container' | 'extension' | 'method' | 'tracks' | 'bytesTotal'> & {
    readonly kept: number;
    readonly lost: number;
    readonly lostMs: number | null;
    readonly damage: readonly Damage[];
    readonly findings?: readonly string[];
  },
  pieces: () => Iterable<OutputPiece>,
): RepairOutcome {
  let outputSize = 0;
  for (const piece of pieces()) {
    outputSize += piece.kind === 'bytes' ? piece.bytes.length : piece.length;
  }
  const counts = found.tracks.map(
    (track) => `${track.samples ?? '?'} of ${track.kind} (${track.codec})`,
  );
  const kept = `Kept ${counts.join(', ')}: ${found.kept} bytes of media.`;
  const details = found.damage.map((damage) => damage.detail);
  return {
    kind: 'plan',
    container: found.container,
    extension: found.extension,
    method: found.method,
    tracks: found.tracks,
    bytesTotal: found.bytesTotal,
    bytesKept: found.kept,
    bytesLost: Math.max(0, found.lost),
    lostMs: found.lostMs,
    findings: [...details, ...(found.findings ?? []), kept],
    outputSize,
    pieces,
  };
}

/** The same pieces with neighbouring copies joined: a writer copies long ranges at once. */
export function* joined(pieces: Iterable<OutputPiece>): Iterable<OutputPiece> {
  let [offset, length] = [0, 0];
  for (const piece of pieces) {
    if (piece.kind === 'copy' && piece.offset === offset + length && length > 0) {
      length += piece.length;
      continue;
    }
    if (length > 0) yield { kind: 'copy', offset, length };
    length = 0;
    if (piece.kind === 'bytes') yield piece;
    else [offset, length] = [piece.offset, piece.length];
  }
  if (length > 0) yield { kind: 'copy', offset, length };
}
