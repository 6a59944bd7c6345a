/**
 * Runs of sectors that hold nothing but zeros: what a power cut leaves inside a file of blocks that
 * were never written, and what a failing disk leaves of those it cannot read.
 *
 * Whether such a run is a hole only the media around it can tell: silence is zeros, too.
 */
import { type ByteSource, Cancelled, type Progress } from './bytes.ts';
import { isAllZero } from './zero-tail.ts';

/** What is lost at all begins and ends at a multiple of this. */
export const sector = 512;
/** What a file system writes at once begins and ends at a multiple of this. */
const page = 4096;
/** So many zeros beside a hole may be the media's own: a byte by chance, the head of a length. */
const ownZeros = 3;

const step = 1024 * 1024;

/** Whole sectors of zeros, and the zeros right before and behind them. */
export interface ZeroRun {
  readonly from: number;
  readonly to: number;
  readonly zerosFrom: number;
  readonly zerosTo: number;
}

/** Told of each run when it ends. */
export type RunFound = (from: number, to: number) => void;

/** Finds the zero sectors of blocks that are shown to it in file order. */
export class ZeroSectors {
  readonly #found: RunFound;
  #from = -1;
  #to = -1;

  constructor(found: RunFound) {
    this.#found = found;
  }

  /** Looks through a block that begins at byte `at`, a multiple of a sector. */
  take(block: Uint8Array, at: number): void {
    for (let place = 0; place + sector <= block.length; place += sector) {
      // Of media nearly every sector is dismissed by two of its bytes.
      if (block[place] !== 0 || block[place + 255] !== 0) continue;
      if (!isAllZero(block.subarray(place, place + sector))) continue;
      const here = at + place;
      if (here !== this.#to) this.end();
      if (this.#from < 0) this.#from = here;
      this.#to = here + sector;
    }
  }

  /** No block follows. */
  end(): void {
    if (this.#from >= 0) this.#found(this.#from, this.#to);
    this.#from = -1;
  }
}

/** Zero sectors of a file that is read from some place on, block by block, some of them twice. */
export class ZerosMet {
  /** Runs of zero sectors, in file order; null when they were too many to remember. */
  runs: [from: number, to: number][] | null = [];
  /** All sectors up to here were looked at. */
  to: number;
  readonly #sectors = new ZeroSectors((from, to) => this.#add(from, to));

  constructor(from: number) {
    this.to = Math.ceil(from / sector) * sector;
  }

  /** Looks at what is new of a block; one that leaves a gap has to be shown again. */
  look(block: Uint8Array, at: number): void {
    const length = Math.floor((at + block.length - this.to) / sector) * sector;
    if (at > this.to || length <= 0) return;
    this.#sectors.take(block.subarray(this.to - at, this.to - at + length), this.to);
    this.to += length;
  }

  /** All runs up to `end`, if all was looked at up to there; else null. */
  upTo(end: number): readonly (readonly [from: number, to: number])[] | null {
    this.#sectors.end();
    return this.to + sector > end ? this.runs : null;
  }

  /** What to save, and to put back with `restore`. */
  state(): ZerosState {
    this.#sectors.end();
    const isSmall = this.runs !== null && this.runs.length <= mostSaved;
    return { to: this.to, runs: isSmall ? structuredClone(this.runs) : null };
  }

  restore({ to, runs }: ZerosState): void {
    this.to = to;
    this.runs = runs?.map(([from, end]) => [from, end]) ?? null;
  }

  #add(from: number, to: number): void {
    const last = this.runs?.at(-1);
    if (last?.[1] === from) last[1] = to;
    else if (this.runs && this.runs.length < mostRuns) this.runs.push([from, to]);
    else this.runs = null;
  }
}

export interface ZerosState {
  readonly to: number;
  readonly runs: readonly (readonly [from: number, to: number])[] | null;
}

// More are an encoder's own.
const mostRuns = 4096;
const mostSaved = 128;

/** Where in a block that begins at byte `at` the first zero sector is; -1 when there is none. */
export function firstZeroSector(block: Uint8Array, at: number): number {
  for (
    let place = (sector - (at % sector)) % sector;
    place + sector <= block.length;
    place += sector
  ) {
    if (isAllZero(block.subarray(place, place + sector))) return place;
  }
  return -1;
}

/**
 * Shows the bytes of a range in blocks that begin at a sector, each with the `more` bytes behind it.
 *
 * @throws Cancelled when `progress` says so
 */
export function inBlocks(
  source: ByteSource,
  from: number,
  to: number,
  more: number,
  show: (block: Uint8Array, at: number) => void,
  progress?: Progress,
): void {
  for (let at = from - (from % sector); at < to; at += step) {
    if (progress && !progress(at)) throw new Cancelled();
    show(source.read(at, Math.min(step, to - at) + more), at);
  }
}

/** The run with the zeros beside it. */
export function withZerosBeside(source: ByteSource, from: number, to: number): ZeroRun {
  const start = Math.max(0, from - sector);
  const before = source.read(start, from - start).findLastIndex((byte) => byte !== 0);
  const behind = source.read(to, sector);
  const first = behind.findIndex((byte) => byte !== 0);
  return {
    from,
    to,
    zerosFrom: start + before + 1,
    zerosTo: to + (first < 0 ? behind.length : first),
  };
}

/** The longest run of zero sectors of which `from` … `to` is a part. */
export function wholeRun(source: ByteSource, from: number, to: number): ZeroRun {
  let [start, end] = [from, to];
  while (start >= sector && isAllZero(source.read(start - sector, sector))) start -= sector;
  while (end + sector <= source.size && isAllZero(source.read(end, sector))) end += sector;
  return withZerosBeside(source, start, end);
}

/** The zeros begin where something that was never written would: at a sector. */
export const beginsLikeAHole = ({ from, zerosFrom }: ZeroRun): boolean =>
  from - zerosFrom <= ownZeros;

/** The zeros end there, too. */
export const endsLikeAHole = ({ to, zerosTo }: ZeroRun): boolean => zerosTo - to <= ownZeros;

/** Whether a page begins in a range. */
export const holdsPage = (from: number, to: number): boolean => Math.ceil(from / page) * page < to;

/** They begin and end at pages: zeros of media do so once in some millions. */
export const fillsPages = ({ from, to }: ZeroRun): boolean => from % page === 0 && to % page === 0;

/** Whether the zeros end with what holds them, so that they may be padding. */
export const endsWith = ({ zerosTo }: ZeroRun, end: number): boolean =>
  zerosTo >= end && zerosTo - end <= ownZeros;
