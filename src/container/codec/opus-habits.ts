/**
 * What packets of Opus have in common: how they begin and end, and how large they are.
 *
 * Packets of CELT are told by their heads (celt-habits.ts), others by their first bytes.
 */
import { enough, HeadHabits } from './celt-habits.ts';
import { opusPacketTicks } from './opus-packet.ts';

/**
 * What the packets judged so far have in common. It guides the search and is no part of the truth,
 * so a resumed scan may begin without it.
 */
export class Habits {
  /** Bytes of the packet judged last; 0 at first. */
  last = 0;
  /** Packets judged. */
  count = 0;
  private meanLog = 0;
  /** Where the packet begins that was taught last. */
  private sureAt = -1;
  /** How packets begin: those that begin for certain, and all that were judged. */
  sure = new Beginnings();
  private readonly all = new Beginnings();
  /** Sizes of the last packets, which may be of several tracks. */
  private readonly sizes: number[] = [];
  /** Sizes of all packets, by their logarithms. */
  private readonly allSizes = new Float64Array(sizeSteps * 13);
  /** What the coder leaves unused at the end. */
  private readonly ending = new ByteHabit();

  /** So many certain beginnings tell more than all that were split off before, of which some were none. */
  private get beginnings(): Beginnings {
    return this.isTaught ? this.sure : this.all;
  }

  private get isTaught(): boolean {
    return this.sure.count >= enough;
  }

  /** Enough was learned to doubt a clock. */
  get mayDoubtClocks(): boolean {
    return this.sure.areHeadsMeasured;
  }

  /** A TOC that was there before. */
  isKnown(toc: number): boolean {
    return this.sure.share(toc) > 0 || this.all.share(toc) > this.leastShare;
  }

  private get leastShare(): number {
    return this.isTaught ? 0.02 : 0;
  }

  /** A TOC that was there before; before the first packet, any. */
  isUsual(toc: number): boolean {
    return this.count === 0 || this.isKnown(toc);
  }

  /** Encoders change how they code from packet to packet, hardly ever how long a packet lasts. */
  mayFollow(bytes: Uint8Array, at: number): boolean {
    return this.count === 0 || opusPacketTicks(bytes, at) === this.beginnings.ticks;
  }

  /** A packet that begins at `at` for certain, and ends at `end` or before. */
  teach(bytes: Uint8Array, at: number, end: number): void {
    this.sureAt = at;
    this.sure.calibrate(bytes, at, end);
    this.sure.learn(bytes, at, end);
  }

  learn(bytes: Uint8Array, at: number, end: number): void {
    this.last = end - at;
    this.count++;
    this.all.learn(bytes, at, end);
    if (end - at > 3) this.ending.add(bytes[end - 1] ?? 0);
    const isSure = at === this.sureAt;
    this.sureAt = -1;
    // Any byte that is a TOC would make a packet of its own, and one such another.
    if (end - at < leastBytes && !isSure) return;
    this.sizes.push(end - at);
    if (this.sizes.length > 4) this.sizes.shift();
    const step = stepOf(end - at);
    for (let n = -1; n <= 1; n += 1) {
      this.allSizes[step + n] = (this.allSizes[step + n] ?? 0) + (n === 0 ? 0.5 : 0.25);
    }
    this.meanLog += (Math.log(end - at) - this.meanLog) * Math.max(1 / this.count, 1 / 32);
  }

  /** Bytes of a usual packet; 0 when none was seen. */
  get size(): number {
    return this.count === 0 ? 0 : Math.exp(this.meanLog);
  }

  /**
   * How unusual a packet is: the negative logarithm of its likelihood against that of any bytes.
   *
   * @param before  bytes of the packet before it
   */
  surprise(bytes: Uint8Array, at: number, end: number, before: number): number {
    const recent = this.recently(end - at);
    return this.surpriseAlone(bytes, at, end) + surpriseOfSize(end - at, before, recent);
  }

  /**
   * The part of it that does not depend on the packet before.
   *
   * @param isSameStart  the last call was about these bytes and this start, with another end
   */
  surpriseAlone(bytes: Uint8Array, at: number, end: number, isSameStart = false): number {
    // No byte counts twice, nor one of the next packet.
    const ending = end - at > 3 ? this.ending.surprise(bytes[end - 1] ?? 0) : 0;
    return Math.log(end - at) + this.beginnings.surprise(bytes, at, end, isSameStart) + ending;
  }

  /** How likely such a size is after those of the packets before; 0 when there were none. */
  recently(length: number): number {
    let recent = 0;
    for (const size of this.sizes) recent += likeness(length, size) / this.sizes.length;
    if (this.count < leastSizes) return recent;
    const seen = this.allSizes[stepOf(length)] ?? 0;
    const usual = ((seen + 0.02) / this.count) * (sizeSteps / Math.LN2);
    return 0.4 * recent + 0.6 * usual;
  }
}

/** Steps in which sizes are counted, in a doubling; and so many sizes tell which are usual. */
const sizeSteps = 8;
const leastSizes = 32;
/** Shorter packets are believed where they begin for certain. */
const leastBytes = 8;
const stepOf = (size: number): number => 1 + Math.round(sizeSteps * Math.log2(Math.max(1, size)));

/** The part of how unusual a packet is that depends on the size of the one before. */
export function surpriseOfSize(length: number, before: number, recent: number): number {
  const after = likeness(length, before);
  return -Math.log(0.4 * after + 0.6 * (recent || after));
}

/** How packets begin. */
export class Beginnings {
  count = 0;
  /** How long the last one lasted. */
  ticks = 0;
  private readonly tocs = new Float64Array(256);
  /** Of frames of CELT their heads; of others the first bytes behind the TOC. */
  private readonly heads = new HeadHabits();
  private readonly second = new ByteHabit();
  private readonly third = new ByteHabit();

  /** The part of all that had this TOC. */
  share(toc: number): number {
    return (this.tocs[toc] ?? 0) / Math.max(1, this.count);
  }

  learn(bytes: Uint8Array, at: number, end: number): void {
    const toc = bytes[at] ?? 0;
    this.count++;
    this.ticks = opusPacketTicks(bytes, at);
    this.tocs[toc] = (this.tocs[toc] ?? 0) + 1;
    if (this.heads.learn(bytes, at, end)) return;
    if (end - at > 1) this.second.add(bytes[at + 1] ?? 0);
    if (end - at > 2) this.third.add(bytes[at + 2] ?? 0);
  }

  get areHeadsMeasured(): boolean {
    return this.heads.areMeasured;
  }

  /** Compares a beginning that is one for certain with bytes behind it that are none. */
  calibrate(bytes: Uint8Array, at: number, end: number): void {
    if (this.count >= enough) this.heads.calibrate(bytes, at, end);
  }

  /** Negative logarithm of the beginning's likelihood against that of any bytes; see `surpriseAlone`. */
  surprise(bytes: Uint8Array, at: number, end: number, isSameStart: boolean): number {
    const toc = (0.99 * (this.tocs[bytes[at] ?? 0] ?? 0) + 0.01) / (this.count + 0.01);
    const start = -Math.log(256 * toc);
    const head = this.heads.likelihood(bytes, at, end, isSameStart);
    if (head !== null) return start - head;
    const second = end - at > 1 ? this.second.surprise(bytes[at + 1] ?? 0) : 0;
    const third = end - at > 2 ? this.third.surprise(bytes[at + 2] ?? 0) : 0;
    return start + second + third;
  }
}

/** How often a byte had which value, exactly and by its first four bits. */
class ByteHabit {
  private readonly exact = new Float64Array(256);
  private readonly rough = new Float64Array(16).fill(1);
  private count = 0;

  add(byte: number): void {
    this.exact[byte] = (this.exact[byte] ?? 0) + 1;
    this.rough[byte >> 4] = (this.rough[byte >> 4] ?? 0) + 1;
    this.count++;
  }

  /** Negative logarithm of the value's likelihood against that of any byte. */
  surprise(byte: number): number {
    const rough = (this.rough[byte >> 4] ?? 0) / (this.count + 16) / 16;
    return -Math.log((256 * ((this.exact[byte] ?? 0) + 8 * rough)) / (this.count + 8));
  }
}

/**
 * How likely a packet's size is after the one before: half of them are nearly equal, speech that
 * begins or pauses makes the others differ by far more. Asked millions of times in a run of bytes that
 * are no Opus: by tables.
 */
function likeness(length: number, before: number): number {
  const apart = Math.abs(logOf(length) - logOf(before));
  return likenesses[Math.min(likenesses.length - 1, Math.round(apart * steps))] ?? 0;
}

// Steps of a logarithm that are fine against the narrowest of the three bells, up to a ratio of 3000.
const steps = 512;
const likenesses = Float64Array.from({ length: 8 * steps }, (_, step) => {
  const square = (step / steps) ** 2;
  const near = (0.45 / 0.035) * Math.exp(square * -408);
  const middle = (0.3 / 0.2) * Math.exp(square * -12.5);
  const far = (0.25 / 0.8) * Math.exp(square * -0.78);
  return (near + middle + far) / Math.sqrt(2 * Math.PI) + 1e-6;
});

const logs = Float64Array.from({ length: 8192 }, (_, value) => Math.log(Math.max(1, value)));
const logOf = (size: number): number =>
  Number.isInteger(size) && size < logs.length ? (logs[size] ?? 0) : Math.log(size);
