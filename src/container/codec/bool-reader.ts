/**
 * The arithmetic decoder of VP9 (VP9 Bitstream Specification §9.2), for headers: exact, not fast.
 */
export class BoolReader {
  private bytes: Uint8Array = new Uint8Array(0);
  private position = 0;
  private limit = 0;
  private value = 0;
  private range = 255;

  /** Starts over on bytes `from` … `to`; false when the marker bit in front is not as it must be. */
  reset(bytes: Uint8Array, from: number, to: number): boolean {
    this.bytes = bytes;
    this.position = from * 8 + 8;
    this.limit = to * 8;
    this.value = bytes[from] ?? 0;
    this.range = 255;
    return to > from && this.read(128) === 0;
  }

  /** More bits were asked for than there are. */
  get overrun(): boolean {
    return this.position > this.limit;
  }

  /** One symbol, whose chance to be 0 is `chance` in 256. */
  read(chance: number): number {
    const split = 1 + (((this.range - 1) * chance) >> 8);
    const bit = this.value < split ? 0 : 1;
    if (bit === 0) this.range = split;
    else {
      this.range -= split;
      this.value -= split;
    }
    while (this.range < 128) {
      const at = this.position;
      this.position = at + 1;
      const next = at < this.limit ? ((this.bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1 : 0;
      this.range *= 2;
      this.value = this.value * 2 + next;
    }
    return bit;
  }

  /** A number of so many even bits. */
  literal(count: number): number {
    let value = 0;
    for (let n = 0; n < count; n += 1) value = value * 2 + this.read(128);
    return value;
  }

  /** Only the padding of the encoder's flush is left: a few bytes at most, all of them zeros (§9.2.3). */
  isSpent(): boolean {
    if (this.overrun || this.limit - this.position > 64) return false;
    for (let at = this.position; at < this.limit; at += 1) {
      if (((this.bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1) return false;
    }
    return true;
  }
}
