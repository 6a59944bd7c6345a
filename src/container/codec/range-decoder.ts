/**
 * The range decoder of Opus (RFC 6716 §4.1), for the beginning of a frame.
 *
 * Bits that the coder keeps raw at the end of the frame (§4.1.4) are passed over: they move no symbol.
 */
const top = 2 ** 31;
const bottom = 2 ** 23;
/** Chances of coarse energies are parts of this; none is smaller than one part (§4.3.2.1). */
const parts = 32768;
const leastParts = 1;
const leastSteps = 16;

export class RangeDecoder {
  /** The chance of the last energy by its model, 0 … 1. */
  chance = 1;
  private bytes: Uint8Array = new Uint8Array(0);
  private position = 0;
  private end = 0;
  private range = 0;
  private value = 0;
  private last = 0;
  private bits = 0;

  /** Starts over on a frame that fills bytes `from` … `to`; behind them it reads zeros. */
  reset(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes;
    this.position = from;
    this.end = to;
    this.range = 128;
    this.last = this.nextByte();
    this.value = 127 - (this.last >> 1);
    this.bits = 9;
    this.normalise();
  }

  /** Bits of the frame used so far, rounded up (§4.1.6.1). */
  get tell(): number {
    return this.bits - (32 - Math.clz32(this.range));
  }

  /** Eighths of bits used so far, rounded up (§4.1.6.2). */
  get tellEighths(): number {
    const log = 32 - Math.clz32(this.range);
    let mantissa = this.range >>> (log - 16);
    let eighths = log;
    for (let n = 0; n < 3; n += 1) {
      mantissa = Math.floor((mantissa * mantissa) / 32768);
      const bit = mantissa >> 16;
      eighths = 2 * eighths + bit;
      mantissa >>= bit;
    }
    return this.bits * 8 - eighths;
  }

  /** A flag that is set once in 2^`rarity` (§4.1.3.2). */
  flag(rarity: number): boolean {
    const part = this.range >>> rarity;
    const isSet = this.value < part;
    if (!isSet) this.value -= part;
    this.range = isSet ? part : this.range - part;
    this.normalise();
    return isSet;
  }

  /** One of a few symbols by the inverse cumulative chances of theirs, in parts of 2^`bits` (§4.1.3.3). */
  symbol(inverse: readonly number[], bits: number): number {
    const part = this.range >>> bits;
    let above = this.range;
    let symbol = 0;
    let below = part * (inverse[0] ?? 0);
    while (this.value < below) {
      symbol += 1;
      above = below;
      below = part * (inverse[symbol] ?? 0);
    }
    this.value -= below;
    this.range = above - below;
    this.normalise();
    return symbol;
  }

  /** One of up to 256 equally likely numbers (§4.1.5). */
  uniform(count: number): number {
    const part = Math.floor(this.range / count);
    const place = count - Math.min(Math.floor(this.value / part) + 1, count);
    this.take(part, place, place + 1, count);
    return place;
  }

  /**
   * A change of coarse energy (§4.3.2.1).
   *
   * @param zero   the chance of none, in parts of 32768
   * @param decay  how much rarer each step is than the one before, in parts of 16384
   */
  laplace(zero: number, decay: number): number {
    const part = this.range >>> 15;
    const place = parts - Math.min(Math.floor(this.value / part) + 1, parts);
    let size = zero;
    let value = 0;
    let low = 0;
    if (place >= size) {
      value = 1;
      low = size;
      size = ((parts - 2 * leastSteps * leastParts - size) * (16384 - decay)) >> 15;
      size += leastParts;
      while (size > leastParts && place >= low + 2 * size) {
        size *= 2;
        low += size;
        size = (((size - 2 * leastParts) * decay) >> 15) + leastParts;
        value += 1;
      }
      if (size <= leastParts) {
        const more = (place - low) >> 1;
        value += more;
        low += 2 * more * leastParts;
      }
      if (place < low + size) value = -value;
      else low += size;
    }
    const high = Math.min(low + size, parts);
    this.chance = (high - low) / parts;
    this.take(part, low, high, parts);
    return value;
  }

  /** Passes over raw bits at the end of the frame (§4.1.4). */
  skipRaw(count: number): void {
    this.bits += count;
  }

  private take(part: number, from: number, to: number, count: number): void {
    const above = part * (count - to);
    this.value -= above;
    this.range = from > 0 ? part * (to - from) : this.range - above;
    this.normalise();
  }

  private normalise(): void {
    while (this.range <= bottom) {
      this.bits += 8;
      this.range *= 256;
      const before = this.last;
      this.last = this.nextByte();
      const symbol = ((before << 8) | this.last) >> 1;
      this.value = (this.value * 256 + (255 & ~symbol)) % top;
    }
  }

  private nextByte(): number {
    return this.position < this.end ? (this.bytes[this.position++] ?? 0) : 0;
  }
}
