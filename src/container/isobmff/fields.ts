/**
 * Big-endian fields: how the numbers of ISO/IEC 14496-12 lie in bytes, read and written.
 *
 * Readers answer 0 beyond the end instead of throwing: what is read comes from damaged files, and
 * whoever needs to know whether a field is there compares lengths first.
 */

export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

export function i32(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) | 0;
}

/** A 64-bit field; Infinity at and beyond 2^53, which no honest file needs. */
export function u64(bytes: Uint8Array, at: number): number {
  const value = u32(bytes, at) * 0x1_0000_0000 + u32(bytes, at + 4);
  return value <= Number.MAX_SAFE_INTEGER ? value : Number.POSITIVE_INFINITY;
}

/** A signed 64-bit field, -2^53 to 2^53; NaN beyond. */
export function i64(bytes: Uint8Array, at: number): number {
  const value = (u32(bytes, at) | 0) * 0x1_0000_0000 + u32(bytes, at + 4);
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
}

/** A four-character code, each byte as one character (so that `©too` keeps its spelling). */
export function fourcc(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    bytes[at] ?? 0,
    bytes[at + 1] ?? 0,
    bytes[at + 2] ?? 0,
    bytes[at + 3] ?? 0,
  );
}

/** Text as players show it: UTF-8, without the control characters a terminal would obey. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder()
    .decode(bytes)
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '')
    .trim();
}

/** Bytes that grow as fields are put in. */
export class FieldWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(expected = 1024) {
    this.#bytes = new Uint8Array(Math.max(16, expected));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: number): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value));
    return this;
  }

  i64(value: number): this {
    const at = this.#room(8);
    this.#view.setBigInt64(at, BigInt(value));
    return this;
  }

  zeros(count: number): this {
    this.#room(count);
    return this;
  }

  fourcc(code: string): this {
    for (let index = 0; index < 4; index += 1) this.u8(code.charCodeAt(index) & 0xff);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Writes a box: its content is what `fill` puts in; the size is set afterwards. */
  box(type: string, fill: () => void): this {
    const start = this.#length;
    this.u32(0).fourcc(type);
    fill();
    this.#view.setUint32(start, this.#length - start);
    return this;
  }

  /** A box with version and flags (§4.2). */
  fullBox(type: string, version: number, flags: number, fill: () => void): this {
    return this.box(type, () => {
      this.u32(((version << 24) | flags) >>> 0);
      fill();
    });
  }

  /** The entries that `fill` puts in, and in front of them their number, which it gives. */
  counted(fill: () => number): this {
    const at = this.#length;
    this.u32(0);
    const count = fill();
    this.#view.setUint32(at, count);
    return this;
  }

  /** What was written; not copied. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
