/**
 * What the blocks of one track say of its length: how many frames, from when to when.
 */
import type { TrackKind } from '../diagnosis.ts';
import type { MatroskaTrack } from './head.ts';

export class TrackClock {
  readonly kind: TrackKind;
  readonly isLaced: boolean;
  frames = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  /** Where the frames end that say how long they last. */
  #end = 0;
  /** Ticks between the last two blocks in time. */
  #step = 0;
  /** Frames of the block shown last, when it does not say how long it lasts. */
  #open = 0;
  readonly #frameTicks: number;

  constructor(track: MatroskaTrack, scale: number) {
    this.kind = track.kind;
    this.isLaced = track.isLaced;
    this.#frameTicks = track.defaultDuration / scale;
  }

  /** Time of the block shown last, in ticks; undefined before the first. */
  get last(): number | undefined {
    return Number.isFinite(this.#last) ? this.#last : undefined;
  }

  get first(): number {
    return Number.isFinite(this.#first) ? this.#first : 0;
  }

  /** When the last frame stops being shown, in ticks; 0 for a track without frames. */
  get end(): number {
    if (this.frames === 0) return 0;
    return Math.max(this.#end, this.#last + this.#open * this.#frameLength);
  }

  /** How long a frame lasts where nothing says so: no longer than usual, for a pause is none. */
  get #frameLength(): number {
    if (this.#frameTicks > 0) return this.#frameTicks;
    const usual = (this.#last - this.#first) / Math.max(1, this.frames - 1);
    return Math.min(this.#step, usual);
  }

  /** A block of `frames` frames at `time`; `duration` in ticks, or 0 where it does not say. */
  tick(time: number, frames: number, duration: number): void {
    if (this.frames > 0 && time > this.#last) this.#step = time - this.#last;
    if (time >= this.#last) this.#open = duration > 0 ? 0 : frames;
    this.frames += frames;
    this.#first = Math.min(this.#first, time);
    this.#last = Math.max(this.#last, time);
    this.#end = Math.max(this.#end, time + duration);
  }

  /** Forgets frames that turned out to be damaged. Their time stays: it is a gap. */
  takeBack(frames: number): void {
    this.frames -= frames;
  }
}
