/**
 * Bits of a byte range, most significant first, with the Exp-Golomb codes of H.264 and HEVC.
 *
 * Reading past the end gives zeros and sets `overrun`, so that a parser runs on in a straight line
 * and asks once, at its end, whether what it read was there. Emulation prevention is removed
 * beforehand (nal.ts).
 */
export class BitReader {
  private bytes: Uint8Array = new Uint8Array(0);
  private position = 0;
  private limit = 0;

  /** Starts over on bytes `from` … `to`; a reader is kept and reused in hot paths. */
  reset(bytes: Uint8Array, from = 0, to = bytes.length): this {
    this.bytes = bytes;
    this.position = from * 8;
    this.limit = Math.min(to, bytes.length) * 8;
    return this;
  }

  /** True once a bit at or beyond the end was read. */
  get overrun(): boolean {
    return this.position > this.limit;
  }

  /** Bits left, 0 at the least. */
  get left(): number {
    return Math.max(0, this.limit - this.position);
  }

  /** Bits read since byte 0 of the array. */
  get at(): number {
    return this.position;
  }

  bit(): number {
    const at = this.position++;
    return at < this.limit ? ((this.bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1 : 0;
  }

  flag(): boolean {
    return this.bit() === 1;
  }

  /** Reads 0 to 32 bits as an unsigned number. */
  bits(count: number): number {
    if (count > 0 && count <= 24 && this.position + count <= this.limit) {
      const at = this.position >> 3;
      const word = this.wordAt(at) << (this.position & 7);
      this.position += count;
      return word >>> (32 - count);
    }
    let value = 0;
    for (let left = count; left > 0; ) {
      const taken = Math.min(left, 8 - (this.position & 7));
      const byte = this.position < this.limit ? (this.bytes[this.position >> 3] ?? 0) : 0;
      const part = (byte >> (8 - (this.position & 7) - taken)) & ((1 << taken) - 1);
      value = value * (1 << taken) + part;
      this.position += taken;
      left -= taken;
    }
    return value;
  }

  /** Takes ones up to the first zero, and that zero; or `most` (at most 24) ones and no zero. */
  ones(most: number): number {
    const count = Math.min(
      Math.clz32(~(this.wordAt(this.position >> 3) << (this.position & 7))),
      most,
    );
    this.position += count < most ? count + 1 : most;
    return count;
  }

  private wordAt(at: number): number {
    const { bytes } = this;
    return (
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)
    );
  }

  skip(count: number): void {
    this.position += count;
  }

  align(): void {
    this.position = (this.position + 7) & ~7;
  }

  /**
   * Skips Rice codes: a run of zeros ended by a one, then `parameter` bits. False when the bits end
   * before they do.
   */
  skipRice(count: number, parameter: number): boolean {
    let position = this.position;
    for (let left = count; left > 0; left--) {
      let byte = ((this.bytes[position >> 3] ?? 0) << (position & 7)) & 255;
      while (byte === 0) {
        position = (position & ~7) + 8;
        if (position >= this.limit) {
          this.position = this.limit + 1;
          return false;
        }
        byte = this.bytes[position >> 3] ?? 0;
      }
      position += Math.clz32(byte) - 24 + 1 + parameter;
    }
    this.position = position;
    return position <= this.limit;
  }

  /** ue(v), 0 to 2^32 - 2; a code with more than 32 leading zeros overruns. */
  ue(): number {
    const word = this.wordAt(this.position >> 3) << (this.position & 7);
    const quick = Math.clz32(word);
    // A word holds 25 bits at least.
    if (quick <= 12 && this.position + 2 * quick < this.limit) {
      this.position += 2 * quick + 1;
      return (word >>> (31 - 2 * quick)) - 1;
    }
    let zeros = 0;
    while (this.position < this.limit && this.bit() === 0) zeros++;
    if (zeros > 32 || this.position > this.limit) {
      this.position = this.limit + 1;
      return 0;
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** se(v). */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : 0 - code / 2;
  }

  /**
   * True when what is left is exactly `rbsp_trailing_bits`: a one and then zeros to the end
   * (ISO/IEC 14496-10 §7.3.2.11).
   */
  atTrailingBits(): boolean {
    if (this.left < 1 || this.left > 8 * 64 || this.bit() !== 1) return false;
    while (this.left > 0) if (this.bit() !== 0) return false;
    return true;
  }

  /** `more_rbsp_data`: anything before the last one bit. */
  moreData(): boolean {
    let last = this.limit - 1;
    while (
      last >= this.position &&
      (((this.bytes[last >> 3] ?? 0) >> (7 - (last & 7))) & 1) === 0
    ) {
      last--;
    }
    return last > this.position;
  }
}
