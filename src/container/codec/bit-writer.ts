/**
 * Writes bits, most significant first, with the Exp-Golomb codes of H.264.
 */
export class BitWriter {
  private readonly out: number[] = [];
  private used = 0;

  bits(value: number, count: number): this {
    for (let n = count - 1; n >= 0; n--) {
      if (this.used % 8 === 0) this.out.push(0);
      const bit = Math.floor(value / 2 ** n) % 2;
      const last = this.out.length - 1;
      this.out[last] = (this.out[last] ?? 0) | (bit << (7 - (this.used % 8)));
      this.used++;
    }
    return this;
  }

  flag(value: boolean): this {
    return this.bits(value ? 1 : 0, 1);
  }

  ue(value: number): this {
    const length = Math.floor(Math.log2(value + 1));
    return this.bits(0, length).bits(value + 1, length + 1);
  }

  se(value: number): this {
    return this.ue(value > 0 ? 2 * value - 1 : -2 * value);
  }

  /** `rbsp_trailing_bits`, and all bytes written. */
  finish(): Uint8Array {
    this.bits(1, 1);
    while (this.used % 8 !== 0) this.bits(0, 1);
    return Uint8Array.from(this.out);
  }
}
