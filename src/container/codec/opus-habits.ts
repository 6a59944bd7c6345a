/**
 * What packets of Opus have in common: how they begin and end, and how large they are.
 *
 * Packets of CELT are told by their heads (celt-head.ts), others by their first bytes.
 */
import { CeltHead, symbolKinds } from './celt-head.ts';
import { opusFirstFrame, opusPacketTicks } from './opus-packet.ts';

/**
 * What the packets judged so far have in common. It guides the search and is no part of the truth,
 * so a resumed scan may begin without it.
 */
export class Habits {
  /** Bytes of the packet judged last; 0 at first. */
  last = 0;
  /** Packets judged. */
  count = 0;
  private ticks = 0;
  private meanLog = 0;
  private readonly tocs = new Float64Array(256);
  /** Sizes of the last packets, which may be of several tracks. */
  private readonly sizes: number[] = [];
  /** How frames of CELT begin; of others the first bytes behind the TOC. */
  private readonly heads = new HeadHabit();
  private readonly second = new ByteHabit();
  private readonly third = new ByteHabit();
  /** What the coder leaves unused at the end. */
  private readonly ending = new ByteHabit();

  /** A TOC that was there before. */
  isKnown(toc: number): boolean {
    return (this.tocs[toc] ?? 0) > 0;
  }

  /** A TOC that was there before; before the first packet, any. */
  isUsual(toc: number): boolean {
    return this.count === 0 || this.isKnown(toc);
  }

  /** Encoders change how they code from packet to packet, hardly ever how long a packet lasts. */
  mayFollow(bytes: Uint8Array, at: number): boolean {
    return this.count === 0 || opusPacketTicks(bytes, at) === this.ticks;
  }

  learn(bytes: Uint8Array, at: number, end: number): void {
    const toc = bytes[at] ?? 0;
    this.ticks = opusPacketTicks(bytes, at);
    this.last = end - at;
    this.count++;
    this.tocs[toc] = (this.tocs[toc] ?? 0) + 1;
    if (!this.heads.learn(bytes, at, end)) {
      if (end - at > 1) this.second.add(bytes[at + 1] ?? 0);
      if (end - at > 2) this.third.add(bytes[at + 2] ?? 0);
    }
    if (end - at > 3) this.ending.add(bytes[end - 1] ?? 0);
    this.sizes.push(end - at);
    if (this.sizes.length > 4) this.sizes.shift();
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
    const toc = (0.99 * (this.tocs[bytes[at] ?? 0] ?? 0) + 0.01) / (this.count + 0.01);
    const start = Math.log((end - at) / (256 * toc));
    // No byte counts twice, nor one of the next packet.
    const ending = end - at > 3 ? this.ending.surprise(bytes[end - 1] ?? 0) : 0;
    const head = this.heads.surprise(bytes, at, end, isSameStart);
    if (head !== null) return start + head + ending;
    const second = end - at > 1 ? this.second.surprise(bytes[at + 1] ?? 0) : 0;
    const third = end - at > 2 ? this.third.surprise(bytes[at + 2] ?? 0) : 0;
    return start + second + third + ending;
  }

  /** How likely such a size is after those of the last packets; 0 when there were none. */
  recently(length: number): number {
    let recent = 0;
    for (const size of this.sizes) recent += likeness(length, size) / this.sizes.length;
    return recent;
  }
}

/** The part of how unusual a packet is that depends on the size of the one before. */
export function surpriseOfSize(length: number, before: number, recent: number): number {
  const after = likeness(length, before);
  return -Math.log(0.6 * after + 0.4 * (recent || after));
}

/** Values of symbols that are told apart: -8 and less … 8 and more. */
const widest = 8;
const values = 2 * widest + 1;
/** How many symbols chance's own spread is worth against those seen. */
const doubt = 8;
/** Heads are read up to here, for packets of any length: the longest that were seen had 60 bytes. */
const longestHead = 96;

/** How often the symbols of heads had which value, by their kind. */
class HeadHabit {
  private readonly head = new CeltHead();
  private readonly seen = new Float64Array(symbolKinds * values);
  private readonly counts = new Float64Array(symbolKinds);
  /** What the start that was asked for last is worth, by its first so many bytes. */
  private readonly worth = new Float64Array(longestHead + 1);

  /** False where the packet is none of CELT alone. */
  learn(bytes: Uint8Array, at: number, end: number): boolean {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0) return false;
    const { head } = this;
    head.read(bytes, frame, Math.max(frame, end), bytes[at] ?? 0);
    for (let n = 0; n < head.count; n += 1) {
      const kind = head.kinds[n] ?? 0;
      const place = kind * values + placeOf(head.values[n] ?? 0);
      this.seen[place] = (this.seen[place] ?? 0) + 1;
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    }
    return true;
  }

  /** Negative logarithm of the head's likelihood against that of any bytes; null where there is none. */
  surprise(bytes: Uint8Array, at: number, end: number, isSameStart: boolean): number | null {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0) return null;
    if (!isSameStart) this.weigh(bytes, at, frame);
    return -(this.worth[Math.max(0, Math.min(longestHead, end - frame))] ?? 0);
  }

  private weigh(bytes: Uint8Array, at: number, frame: number): void {
    const { head, worth } = this;
    head.read(bytes, frame, frame + longestHead, bytes[at] ?? 0);
    worth.fill(0);
    let sum = 0;
    let filled = 0;
    for (let n = 0; n < head.count; n += 1) {
      const byte = Math.min(longestHead, Math.ceil((head.tells[n] ?? 0) / 8));
      while (filled < byte) worth[filled++] = sum;
      const kind = head.kinds[n] ?? 0;
      const chance = head.chances[n] ?? 1;
      const seen = this.seen[kind * values + placeOf(head.values[n] ?? 0)] ?? 0;
      const usual = (seen + doubt * chance) / ((this.counts[kind] ?? 0) + doubt);
      sum += Math.log(usual / chance);
    }
    worth.fill(sum, filled);
  }
}

function placeOf(value: number): number {
  return widest + Math.max(-widest, Math.min(widest, value));
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
  return near + middle + far + 1e-6;
});

const logs = Float64Array.from({ length: 8192 }, (_, value) => Math.log(Math.max(1, value)));
const logOf = (size: number): number =>
  Number.isInteger(size) && size < logs.length ? (logs[size] ?? 0) : Math.log(size);
