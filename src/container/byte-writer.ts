/**
 * Bytes in the making: headers and indexes of a repaired file.
 */

export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value & 0xff;
    return this;
  }

  /** Big endian, 1 to 8 bytes; the value is below 2^53. */
  be(value: number, bytes: number): this {
    for (let i = bytes - 1; i >= 0; i -= 1) this.u8(Math.floor(value / 256 ** i) % 256);
    return this;
  }

  /** Little endian, 1 to 8 bytes; the value is below 2^53. */
  le(value: number, bytes: number): this {
    for (let i = 0; i < bytes; i += 1) this.u8(Math.floor(value / 256 ** i) % 256);
    return this;
  }

  f64(value: number): this {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    return this.add(new Uint8Array(view.buffer));
  }

  ascii(text: string): this {
    for (let i = 0; i < text.length; i += 1) this.u8(text.charCodeAt(i));
    return this;
  }

  zeros(count: number): this {
    return this.add(new Uint8Array(count));
  }

  add(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Everything written so far, as a copy. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** A copy of `bytes` with little-endian or big-endian numbers written over it. */
export function patched(
  bytes: Uint8Array,
  patches: readonly { readonly at: number; readonly bytes: Uint8Array }[],
): Uint8Array {
  const copy = bytes.slice();
  for (const patch of patches) {
    if (patch.at >= 0 && patch.at + patch.bytes.length <= copy.length)
      copy.set(patch.bytes, patch.at);
  }
  return copy;
}
