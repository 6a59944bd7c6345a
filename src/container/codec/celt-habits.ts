/**
 * What heads of CELT frames have in common (celt-head.ts): how likely it is that a frame begins in a place,
 * against other bytes.
 */
import { CeltHead, firstBehindFlags, frameSorts, symbolKinds } from './celt-head.ts';
import { opusFirstFrame } from './opus-packet.ts';

/** Values of symbols that are told apart: -8 and less … 8 and more. */
const widest = 8;
const values = 2 * widest + 1;
/** How many symbols chance's own spread is worth against those seen. */
const doubt = 8;
/** Heads are read up to here, for packets of any length: the longest that were seen had 60 bytes. */
const longestHead = 96;
/** So far behind a head's first byte its bits are as good as chance, and no packet begins. */
const probe = 9;

/** So many heads tell what heads are like. */
export const enough = 16;

/** How often the symbols of heads had which value, by their kind, and how far that tells heads from other bytes. */
export class HeadHabits {
  private readonly head = new CeltHead();
  /** Bytes of the head that was read last. */
  private length = 0;
  private readonly symbols = new Symbols();
  /** The same of one sort of frames: a hiss and a vowel have little in common. */
  private readonly ofSort = Array.from({ length: frameSorts }, () => new Symbols());
  /** What the start that was asked for last is worth, by its first so many bytes. */
  private readonly sums = new Float64Array(longestHead + 1);
  private readonly worths = new Worths();

  /** Enough heads were compared with other bytes. */
  get areMeasured(): boolean {
    return this.worths.areMeasured;
  }

  /** False where the packet is none of CELT alone. */
  learn(bytes: Uint8Array, at: number, end: number): boolean {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0) return false;
    const { head } = this;
    head.read(bytes, frame, Math.max(frame, end), bytes[at] ?? 0);
    for (let n = 0; n < head.count; n += 1) {
      const [kind = 0, value = 0] = [head.kinds[n], head.values[n]];
      this.symbols.add(kind, value);
      if (kind >= firstBehindFlags) this.ofSort[head.sort]?.add(kind, value);
    }
    return true;
  }

  /** A packet that begins at `at` for certain, and bytes inside of it at which none does: what is each worth? */
  calibrate(bytes: Uint8Array, at: number, end: number): void {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0 || frame + probe + longestHead > end) return;
    const toc = bytes[at] ?? 0;
    this.worths.add(this.worthOf(bytes, frame, toc), this.worthOf(bytes, frame + probe, toc));
  }

  /**
   * Logarithm of the likelihood of the head of the packet `at` … `end` against that of any bytes; null where it
   * has none.
   *
   * @param isSameStart  the last call was about these bytes and this start, with another end
   */
  likelihood(bytes: Uint8Array, at: number, end: number, isSameStart: boolean): number | null {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0) return null;
    if (!isSameStart) this.weigh(bytes, frame, bytes[at] ?? 0);
    const all = this.worths.likelihood(this.sums[longestHead] ?? 0);
    if (end - frame >= this.length) return all;
    // A packet that ends within its head is no likelier than a longer one that begins so.
    return Math.min(all, this.sums[Math.max(0, end - frame)] ?? 0);
  }

  private worthOf(bytes: Uint8Array, frame: number, toc: number): number {
    this.weigh(bytes, frame, toc);
    return this.sums[longestHead] ?? 0;
  }

  /** Adds up, symbol by symbol, how much likelier each is in a head than in any bytes. */
  private weigh(bytes: Uint8Array, frame: number, toc: number): void {
    const { head, sums } = this;
    head.read(bytes, frame, frame + longestHead, toc);
    sums.fill(0);
    const sort = this.ofSort[head.sort];
    let sum = 0;
    let filled = 0;
    for (let n = 0; n < head.count; n += 1) {
      const byte = Math.min(longestHead, Math.ceil((head.tells[n] ?? 0) / 8));
      while (filled < byte) sums[filled++] = sum;
      const [kind = 0, value = 0, chance = 1] = [head.kinds[n], head.values[n], head.chances[n]];
      const any = this.symbols.share(kind, value, chance);
      const usual = kind < firstBehindFlags ? any : (sort?.share(kind, value, any) ?? any);
      sum += Math.log(usual / chance);
    }
    sums.fill(sum, filled);
    this.length = filled;
  }
}

/** How often symbols of each kind had which value. */
class Symbols {
  private readonly seen = new Float64Array(symbolKinds * values);
  private readonly counts = new Float64Array(symbolKinds);

  add(kind: number, value: number): void {
    const place = kind * values + placeOf(value);
    this.seen[place] = (this.seen[place] ?? 0) + 1;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  /** The part of a kind that had this value; little of what was seen is believed against `otherwise`. */
  share(kind: number, value: number, otherwise: number): number {
    const seen = this.seen[kind * values + placeOf(value)] ?? 0;
    return (seen + doubt * otherwise) / ((this.counts[kind] ?? 0) + doubt);
  }
}

function placeOf(value: number): number {
  return widest + Math.max(-widest, Math.min(widest, value));
}

/**
 * What heads are worth, and what other bytes are. The symbols of a head are no independent witnesses: an onset
 * makes many of them odd at once. So their sum is only a measure, and how often heads and other bytes
 * reach it tells the likelihood.
 */
class Worths {
  private readonly heads = new Spread();
  private readonly others = new Spread();

  /** The part of all heads that are as good as chance. */
  private unheard = fewest;

  add(head: number, other: number): void {
    const { heads, others } = this;
    if (this.areMeasured) {
      const isLost = this.bySpread(head) < Math.log(this.unheard);
      this.unheard += ((isLost ? 1 : fewest) - this.unheard) / Math.min(heads.count, 256);
    }
    heads.add(head);
    others.add(other);
  }

  get areMeasured(): boolean {
    return this.heads.count >= enough;
  }

  /** Logarithm of the likelihood of a head of this worth against that of other bytes. */
  likelihood(worth: number): number {
    if (!this.areMeasured) return worth;
    const likelihood = this.bySpread(worth);
    // Some heads are like none before: no other bytes are less likely to be one.
    return likelihood > 20 ? likelihood : Math.log(Math.exp(likelihood) + this.unheard);
  }

  private bySpread(worth: number): number {
    const { heads, others } = this;
    const below = Math.max(0, heads.mean - worth) / heads.below;
    const above = Math.max(0, worth - others.mean) / others.above;
    return Math.log(others.above / heads.below) + (above ** 2 - below ** 2) / 2;
  }
}

/** Of heads, at least so many are as good as chance. */
const fewest = 0.005;

/** The mean of some values and how far they stray from it to each side. */
class Spread {
  count = 0;
  mean = 0;
  private squareBelow = 1;
  private squareAbove = 1;

  add(value: number): void {
    this.count += 1;
    const weight = 1 / Math.min(this.count, 256);
    this.mean += (value - this.mean) * weight;
    const off = value - this.mean;
    this.squareBelow += (2 * Math.min(0, off) ** 2 - this.squareBelow) * weight;
    this.squareAbove += (2 * Math.max(0, off) ** 2 - this.squareAbove) * weight;
  }

  get below(): number {
    return Math.sqrt(this.squareBelow) + 1;
  }

  get above(): number {
    return Math.sqrt(this.squareAbove) + 1;
  }
}
