/**
 * NAL units as MP4 and Matroska store them: a length of 1 to 4 bytes before each unit
 * (ISO/IEC 14496-15 §4.2), and the emulation prevention inside.
 */

/** The length at `at`; the caller has made sure that it lies before the end. */
export function unitLength(bytes: Uint8Array, at: number, prefix: number): number {
  let length = 0;
  for (let n = 0; n < prefix; n++) length = length * 256 + (bytes[at + n] ?? 0);
  return length;
}

/**
 * Copies a NAL unit's payload without its emulation prevention bytes (0x000003), up to the size of
 * `target`.
 *
 * @returns bytes written, or -1 when the range holds 0x000000, 0x000001 or 0x000002, which no NAL
 *   unit does
 */
export function unescapeUnit(
  bytes: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
): number {
  let length = 0;
  let zeros = 0;
  for (let at = from; at < to && length < target.length; at++) {
    const byte = bytes[at] ?? 0;
    if (zeros >= 2 && byte <= 3) {
      if (byte !== 3) return -1;
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    target[length++] = byte;
  }
  return length;
}

/** The payload of a whole NAL unit, beginning with its header, unescaped; null when it is none. */
export function rawPayload(unit: Uint8Array): Uint8Array | null {
  const target = new Uint8Array(unit.length);
  const length = unescapeUnit(unit, 0, unit.length, target);
  return length < 0 ? null : target.subarray(0, length);
}

/** Puts emulation prevention into a payload: the inverse of {@link rawPayload}. */
export function escapePayload(payload: Uint8Array): Uint8Array {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out.push(byte);
  }
  return Uint8Array.from(out);
}

/** What an SEI unit holds, as far as Roomtape looks (ISO/IEC 14496-10 Annex D, HEVC Annex D). */
export interface SeiFacts {
  /** Messages chain up to the end of the unit. */
  fits: boolean;
  recoveryPoint: boolean;
}

/**
 * Walks the messages of an SEI unit.
 *
 * @param payload  unescaped, from after the NAL header; cut short when `whole` is false
 */
export function readSei(
  payload: Uint8Array,
  length: number,
  whole: boolean,
  facts: SeiFacts,
): void {
  facts.fits = false;
  facts.recoveryPoint = false;
  let at = 0;
  for (let messages = 0; messages < 64; messages++) {
    let type = 0;
    let size = 0;
    while (payload[at] === 255 && at < length) [type, at] = [type + 255, at + 1];
    type += payload[at++] ?? 0;
    while (payload[at] === 255 && at < length) [size, at] = [size + 255, at + 1];
    size += payload[at++] ?? 0;
    // Types above this are assigned in no edition; a stream of random bytes has them soon.
    if (type > 255 || at > length) return;
    if (type === 6) facts.recoveryPoint = true;
    at += size;
    if (at > length) {
      facts.fits = !whole;
      return;
    }
    if (at === length - 1 && payload[at] === 0x80) {
      facts.fits = true;
      return;
    }
    if (at >= length) {
      // Some encoders leave out the trailing bits after the last message.
      facts.fits = true;
      return;
    }
  }
}
