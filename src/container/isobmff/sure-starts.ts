/**
 * Pictures that are unmistakable where they begin and not where they end (VP9): each ends where the
 * sound in front of the next one begins.
 *
 * Sound that says how long it is has to lead from there exactly to the next picture. For packets
 * without a length, what is likeliest decides: their number by the clock, their sizes and first bits,
 * and the zeros that an encoder's flush leaves at the end of a picture.
 */
import { needsMore, notASample } from '../codec/codec.ts';
import { betweenSamples } from './boxes.ts';
import { packetsByClock, type RunContext } from './due-packets.ts';
import type { Lane } from './lanes.ts';
import type { ScanWindow } from './scan-window.ts';

// At a cut nothing else bounds the search: two sounds are believed that look like all others. One that
// begins by chance and ends at the cut is found in some per cent of torn pictures.
const leastAtCut = -9;

// A picture of sense is longer, and chance finds a beginning twice within so many bytes only together with
// a true one, whose headers it reads as its own.
const closest = 64;

// What is split into packets at each of its bytes.
const farthest = 16 * 1024;

// Between two pictures lie at most some seconds of sound.
const longestSound = 1024 * 1024;

/**
 * Where the picture that begins at `at` ends.
 *
 * @returns -1 when the file ends inside it, or what follows is nothing that is known; `ends` when
 *   more may come
 */
export function pictureEnd(
  window: ScanWindow,
  at: number,
  lane: Lane,
  context: RunContext,
): number | 'ends' {
  const search = new EndSearch(window, at, lane, context);
  const own = search.byItself();
  if (own !== null) return own;
  const next = search.nextPicture();
  if (next >= window.to && !window.isFinal) return 'ends';
  return search.beforeSound(next);
}

class EndSearch {
  readonly #window: ScanWindow;
  readonly #at: number;
  readonly #lane: Lane;
  readonly #context: RunContext;
  readonly #limit: number;

  constructor(window: ScanWindow, at: number, lane: Lane, context: RunContext) {
    this.#window = window;
    this.#at = at;
    this.#lane = lane;
    this.#context = context;
    this.#limit = Math.min(window.to, at + lane.codec.maxSampleBytes + longestSound);
  }

  /** The end of a picture that tells it: an index of its frames, or one byte that shows another. */
  byItself(): number | 'ends' | null {
    const { codec } = this.#lane;
    const window = this.#window;
    const facts = this.#facts();
    if (facts.isShort) return this.#at + facts.least;
    if (facts.isShown) return null;
    const most = Math.min(window.to, this.#at + codec.maxSampleBytes);
    for (let place = this.#at + facts.least + 1; place <= most; place += 1) {
      this.#cover(place);
      if (codec.endSurprise?.(window.bytes, this.#at - window.start, place - window.start) === 0) {
        return place;
      }
    }
    return most >= window.to && !window.isFinal ? 'ends' : -1;
  }

  #facts() {
    const { codec } = this.#lane;
    this.#window.cover(this.#at, 4096);
    codec.measure(this.#window.bytes, this.#at - this.#window.start, this.#window.bytes.length);
    const { soFar, shown } = codec.last;
    return { least: soFar, isShown: shown, isShort: soFar <= 2 };
  }

  /** Where the next picture begins, or a box, or all ends. */
  nextPicture(): number {
    const window = this.#window;
    const { least } = this.#facts();
    for (let place = this.#at + Math.max(1, least); place < this.#limit; place += 1) {
      if (place + 4096 > window.end) window.cover(place, 65_536);
      if (window.isSureStart(this.#lane.codec, place)) return this.#likest(place);
      if (betweenSamples.has(window.u32(place + 4))) return place;
    }
    return this.#limit;
  }

  /** Where two begin within a few bytes, one of them by chance: the one that begins as this one does. */
  #likest(first: number): number {
    const window = this.#window;
    const own = window.byteAt(this.#at);
    for (let place = first; place < first + closest; place += 1) {
      if (window.byteAt(place) === own && window.isSureStart(this.#lane.codec, place)) return place;
    }
    return first;
  }

  /** The end of the picture in front of the sound that leads to `next`. */
  beforeSound(next: number): number {
    this.#cover(next);
    const sounds = this.#context.bounding.filter(({ codec }) => codec.kind === 'audio');
    const packets = this.#context.lengthless.find(({ codec }) => codec.kind === 'audio');
    const isCut = next >= this.#window.to;
    if (packets) return isCut ? -1 : this.#beforePackets(next, packets);
    return this.#beforeMeasured(next, sounds, isCut);
  }

  #beforeMeasured(next: number, sounds: readonly Lane[], isCut: boolean): number {
    const lane = sounds.length === 1 && !isCut ? sounds[0] : undefined;
    const [fewest, most] = lane ? packetsByClock(lane, this.#context, 1) : [0, 0];
    // A wrong number of sounds is possible (one was missed before), but it takes a reason. Without a
    // clock, the more of them follow each other, the less likely it is by chance.
    const offClock = (count: number) =>
      most === 0 ? -6 * count : 12 * Math.max(0, fewest - count, count - most);
    const first = this.#at + Math.max(1, this.#facts().least);
    const from = lane ? Math.max(first, next - (most + 2) * lane.codec.maxSampleBytes) : first;
    let best = isCut && this.#surprise(next) > -3 ? -1 : next;
    let lowest = isCut ? leastAtCut : this.#surprise(next) + offClock(0) + 4;
    for (let place = most > 0 ? from : first; place < next; place += 1) {
      const flush = this.#surprise(place);
      if (flush === Number.POSITIVE_INFINITY) continue;
      const [count, surprise] = this.#leadsTo(place, next, sounds);
      if (count <= 0) continue;
      const total = flush + surprise + offClock(count);
      if (total < lowest) [best, lowest] = [place, total];
    }
    return best;
  }

  /** How many sounds lead from `place` to exactly `next`, none being 0, and how unusual they are. */
  #leadsTo(place: number, next: number, sounds: readonly Lane[]): readonly [number, number] {
    const window = this.#window;
    let at = place;
    let surprise = 0;
    for (let count = 0; ; count += 1) {
      if (at === next) return [count, surprise];
      let length: number = notASample;
      for (const lane of sounds) {
        length = window.measure(lane.codec, at);
        if (length === notASample) continue;
        if (length > 0) surprise += oddity(window, lane, at, length);
        break;
      }
      if (length === needsMore && next >= window.to) return [count, surprise];
      if (length <= 0 || at + length > next) return none;
      at += length;
    }
  }

  #surprise(end: number): number {
    const { codec } = this.#lane;
    const window = this.#window;
    this.#cover(end);
    return codec.endSurprise?.(window.bytes, this.#at - window.start, end - window.start) ?? 0;
  }

  #beforePackets(next: number, lane: Lane): number {
    const { codec } = lane;
    const window = this.#window;
    const mean = Math.max(1, lane.usualBytes);
    const [fewest, most] = packetsByClock(lane, this.#context, 1);
    const { least } = this.#facts();
    const from = Math.max(this.#at + Math.max(1, least), next - reach(most, mean));
    // No sound between two pictures is as likely as the clock allows.
    let best = fewest === 0 ? next : -1;
    let lowest = fewest === 0 && most > 0 ? 6 : Number.POSITIVE_INFINITY;
    for (let place = from; place < next; place += 1) {
      if (!window.isStart(codec, place)) continue;
      const flush = this.#surprise(place);
      if (flush === Number.POSITIVE_INFINITY) continue;
      const surprise = flush + this.#packetSurprise(place, next, lane, fewest, most, mean);
      if (surprise < lowest) [best, lowest] = [place, surprise];
    }
    return best < 0 ? next : best;
  }

  /**
   * How unusual it is for the bytes from `place` to `next` to be as many packets as are due, or without
   * a clock as are likely. Of many, only the first is looked into then: the search would have no bound.
   */
  #packetSurprise(
    place: number,
    next: number,
    lane: Lane,
    fewest: number,
    most: number,
    mean: number,
  ): number {
    const { codec } = lane;
    const { bytes, start } = this.#window;
    const likely = Math.max(1, Math.round((next - place) / mean));
    if (most === 0 && next - place > farthest) {
      const each = (next - place) / likely;
      if (each < mean / 8 || each > mean * 8) return Number.POSITIVE_INFINITY;
      return codec.surprise?.(bytes, place - start, place - start + Math.round(each)) ?? 0;
    }
    const [least, greatest] = most > 0 ? [Math.max(1, fewest), most] : [likely, likely];
    let lowest = Number.POSITIVE_INFINITY;
    for (let count = least; count <= greatest; count += 1) {
      const surprise = codec.runSurprise?.(bytes, place - start, next - start, count);
      lowest = Math.min(lowest, surprise ?? Number.POSITIVE_INFINITY);
    }
    return lowest;
  }

  #cover(place: number): void {
    const window = this.#window;
    if (this.#at < window.start || place > window.end) {
      window.cover(this.#at, (place - this.#at) * 2 + 65_536);
    }
  }
}

const none = [0, 0] as const;

/** Sounds are about as long as others, and begin as others do; the first may begin with its encoder's name. */
function oddity(window: ScanWindow, lane: Lane, at: number, length: number): number {
  const off = Math.log(length / Math.max(1, lane.usualBytes));
  const from = at - window.start;
  const surprise = lane.codec.surprise?.(window.bytes, from, from + length) ?? 0;
  return Math.min(8, off * off * 3) + (lane.taken === 0 ? 0 : surprise);
}

function reach(most: number, mean: number): number {
  return most > 0 ? Math.max(4096, most * mean * 3) : longestSound;
}
