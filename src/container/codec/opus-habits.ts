/**
 * What packets of Opus have in common: how they begin and end, and how large they are.
 *
 * Packets of CELT are told by their heads (celt-head.ts), others by their first bytes.
 */
import { CeltHead, firstBehindFlags, frameSorts, symbolKinds } from './celt-head.ts';
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
    return this.sure.count >= enough ? this.sure : this.all;
  }

  /** A TOC that was there before. */
  isKnown(toc: number): boolean {
    return this.sure.share(toc) > 0 || this.all.share(toc) > this.leastShare;
  }

  private get leastShare(): number {
    return this.sure.count >= enough ? 0.02 : 0;
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

/** Values of symbols that are told apart: -8 and less … 8 and more. */
const widest = 8;
const values = 2 * widest + 1;
/** How many symbols chance's own spread is worth against those seen. */
const doubt = 8;
/** Heads are read up to here, for packets of any length: the longest that were seen had 60 bytes. */
const longestHead = 96;

const enough = 16;

/** How packets begin. */
export class Beginnings {
  count = 0;
  /** How long the last one lasted. */
  ticks = 0;
  private readonly tocs = new Float64Array(256);
  /** Of frames of CELT their heads; of others the first bytes behind the TOC. */
  private readonly heads = new HeadHabit();
  private readonly worths = new Worths();
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

  /** A head that is one for certain, and bytes inside of it that are none: what is each worth? */
  calibrate(bytes: Uint8Array, at: number, end: number): void {
    const frame = opusFirstFrame(bytes, at);
    if (this.count < enough || frame < 0 || frame + probe + longestHead > end) return;
    const toc = bytes[at] ?? 0;
    this.worths.add(
      this.heads.worthOf(bytes, frame, toc),
      this.heads.worthOf(bytes, frame + probe, toc),
    );
  }

  /** Negative logarithm of the beginning's likelihood against that of any bytes; see `surpriseAlone`. */
  surprise(bytes: Uint8Array, at: number, end: number, isSameStart: boolean): number {
    const toc = (0.99 * (this.tocs[bytes[at] ?? 0] ?? 0) + 0.01) / (this.count + 0.01);
    const start = -Math.log(256 * toc);
    const worth = this.heads.worth(bytes, at, end, isSameStart);
    // Of a packet that ends within its head there is not enough to be measured by.
    if (worth !== null) return start - (this.heads.isWhole ? this.worths.likelihood(worth) : worth);
    const second = end - at > 1 ? this.second.surprise(bytes[at + 1] ?? 0) : 0;
    const third = end - at > 2 ? this.third.surprise(bytes[at + 2] ?? 0) : 0;
    return start + second + third;
  }
}

/** So far behind a head's first byte its bits are as good as chance, and no packet begins. */
const probe = 9;

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
    if (heads.count >= enough) {
      const isLost = this.bySpread(head) < Math.log(this.unheard);
      this.unheard += ((isLost ? 1 : fewest) - this.unheard) / Math.min(heads.count, 256);
    }
    heads.add(head);
    others.add(other);
  }

  /** Logarithm of the likelihood of a head of this worth against that of other bytes. */
  likelihood(worth: number): number {
    if (this.heads.count < enough) return worth;
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

/** How often the symbols of heads had which value, by their kind. */
class HeadHabit {
  /** The packet that was asked about last goes on behind its head. */
  isWhole = false;
  /** Bytes of the head that was read last. */
  private length = 0;
  private readonly head = new CeltHead();
  private readonly symbols = new Symbols();
  /** The same of one sort of frames: a hiss and a vowel have little in common. */
  private readonly ofSort = Array.from({ length: frameSorts }, () => new Symbols());
  /** What the start that was asked for last is worth, by its first so many bytes. */
  private readonly worths = new Float64Array(longestHead + 1);

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

  /** Logarithm of the head's likelihood, symbol by symbol, against that of any bytes; null where there is none. */
  worth(bytes: Uint8Array, at: number, end: number, isSameStart: boolean): number | null {
    const frame = opusFirstFrame(bytes, at);
    if (frame < 0) return null;
    if (!isSameStart) this.weigh(bytes, frame, bytes[at] ?? 0);
    this.isWhole = end - frame >= this.length;
    return this.worths[Math.max(0, Math.min(longestHead, end - frame))] ?? 0;
  }

  /** The same for a frame that would begin at `frame` in a packet with this TOC. */
  worthOf(bytes: Uint8Array, frame: number, toc: number): number {
    this.weigh(bytes, frame, toc);
    return this.worths[longestHead] ?? 0;
  }

  private weigh(bytes: Uint8Array, frame: number, toc: number): void {
    const { head, worths } = this;
    head.read(bytes, frame, frame + longestHead, toc);
    worths.fill(0);
    const sort = this.ofSort[head.sort];
    let sum = 0;
    let filled = 0;
    for (let n = 0; n < head.count; n += 1) {
      const byte = Math.min(longestHead, Math.ceil((head.tells[n] ?? 0) / 8));
      while (filled < byte) worths[filled++] = sum;
      const [kind = 0, value = 0, chance = 1] = [head.kinds[n], head.values[n], head.chances[n]];
      const any = this.symbols.share(kind, value, chance);
      const usual = kind < firstBehindFlags ? any : (sort?.share(kind, value, any) ?? any);
      sum += Math.log(usual / chance);
    }
    worths.fill(sum, filled);
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
