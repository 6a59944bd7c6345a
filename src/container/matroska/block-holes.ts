/**
 * Holes that lie inside one block, whose header and neighbours are there: told as in MP4 (decision 0305),
 * by runs of zeros that begin and end like a hole.
 */
import { zerosInUnits } from '../codec/nal-chain.ts';
import type { Window } from '../window.ts';
import {
  beginsLikeAHole,
  endsLikeAHole,
  fillsPages,
  sector,
  withZerosBeside,
  type ZeroRun,
  ZeroSectors,
} from '../zero-sectors.ts';
import type { BlockFacts } from './block.ts';
import type { MatroskaTrack } from './head.ts';

/** Pictures that have no zeros inside: their bits are coded arithmetically. */
const dense = new Set(['av1', 'vp8', 'vp9']);

export class BlockHoles {
  readonly #window: Window;
  readonly #tracks: ReadonlyMap<number, MatroskaTrack>;
  /** Tracks whose encoder writes long runs of zeros itself: theirs prove nothing from then on. */
  readonly #withOwnZeros = new Set<number>();

  constructor(window: Window, tracks: readonly MatroskaTrack[]) {
    this.#window = window;
    this.#tracks = new Map(tracks.map((track) => [track.number, track]));
  }

  /** Whether a block of one frame has a hole inside. Blocks are shown in the order of the file. */
  isIn(block: BlockFacts): boolean {
    const track = this.#tracks.get(block.track);
    if (!track || block.frames !== 1 || block.end - block.frameAt < 2 * sector) return false;
    if (!dense.has(track.codec) && !track.unitFormat) return false;
    const frame = this.#window.bytes(block.frameAt, block.end - block.frameAt);
    let isTorn = false;
    for (const run of this.#runs(frame, block.frameAt)) {
      const isLikeAHole = beginsLikeAHole(run) && endsLikeAHole(run);
      if (!isLikeAHole) this.#withOwnZeros.add(block.track);
      isTorn ||= isLikeAHole && run.zerosTo < block.end && proves(track, frame, run, block.frameAt);
    }
    return isTorn && !this.#withOwnZeros.has(block.track);
  }

  #runs(frame: Uint8Array, at: number): ZeroRun[] {
    const runs: ZeroRun[] = [];
    const { end } = this.#window;
    const source = {
      size: end,
      read: (from: number, length: number) => this.#window.bytes(from, length),
    };
    const sectors = new ZeroSectors((from, to) => runs.push(withZerosBeside(source, from, to)));
    const first = Math.ceil(at / sector) * sector;
    sectors.take(frame.subarray(first - at), first);
    sectors.end();
    return runs;
  }
}

function proves(track: MatroskaTrack, frame: Uint8Array, run: ZeroRun, at: number): boolean {
  if (!track.unitFormat) return fillsPages(run);
  return zerosInUnits(frame, track.unitFormat, run.from - at, run.to - at) !== 'padding';
}
