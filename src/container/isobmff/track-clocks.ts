/**
 * Which track a sample belongs to, where several carry the same codec.
 *
 * Muxers write the packet that is due next: a sample belongs to the track whose clock is furthest
 * behind, ties in track order. Muxers that write in runs stay on a track until the run is full.
 */
import type { TrackModel } from './media-model.ts';

export interface ClockState {
  /** Ticks of each track since the start. */
  readonly ticks: readonly number[];
  readonly current: number;
  readonly run: number;
}

export class TrackClocks {
  /** Indices of the tracks in the model, in order. */
  readonly #tracks: readonly number[];
  readonly #start: number[];
  readonly #runs: readonly number[];
  #ticks: number[];
  #current = 0;
  #run = 0;

  constructor(tracks: readonly number[], models: readonly TrackModel[], rate: number) {
    this.#tracks = tracks;
    this.#start = tracks.map((track) => {
      const model = models[track];
      return model ? Math.round((model.delayed - model.skipped) * rate) : 0;
    });
    this.#runs = tracks.map((track) => models[track]?.usualRun ?? 1);
    this.#ticks = [...this.#start];
  }

  /** The track the next sample of these tracks belongs to, as its index in the model. */
  next(): number {
    return this.#tracks[this.#choose()] ?? 0;
  }

  /** Takes a sample of `duration` ticks for the track `next` names. */
  advance(duration: number): void {
    const place = this.#choose();
    this.#run = place === this.#current ? this.#run + 1 : 1;
    this.#current = place;
    this.#ticks[place] = (this.#ticks[place] ?? 0) + duration;
  }

  /** Seconds of the movie each track has come to. */
  allSeconds(rate: number): readonly number[] {
    return this.#ticks.map((ticks) => ticks / rate);
  }

  /** Every track has come equally far. */
  get isLevel(): boolean {
    return this.#ticks.every((ticks) => ticks === this.#ticks[0]);
  }

  /** Behind a hole nobody knows how far each track came: all go on together. */
  equalise(): void {
    const furthest = Math.max(...this.#ticks);
    this.#ticks = this.#ticks.map(() => furthest);
    this.#run = 0;
    this.#current = 0;
  }

  state(): ClockState {
    return { ticks: this.#ticks, current: this.#current, run: this.#run };
  }

  restore(state: ClockState): void {
    this.#ticks = this.#tracks.map((_, place) => state.ticks[place] ?? 0);
    this.#current = state.current;
    this.#run = state.run;
  }

  #choose(): number {
    if (this.#tracks.length === 1) return 0;
    const usual = this.#runs[this.#current] ?? 1;
    if (usual > 1 && this.#run > 0 && this.#run < usual) return this.#current;
    let best = 0;
    for (let place = 1; place < this.#ticks.length; place += 1) {
      if ((this.#ticks[place] ?? 0) < (this.#ticks[best] ?? 0)) best = place;
    }
    return best;
  }
}
