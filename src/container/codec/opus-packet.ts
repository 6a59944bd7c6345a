/**
 * Packets of Opus as they stand in the stream (RFC 6716 §3): a TOC byte, and frames without a length of
 * the whole.
 */
export const longestFrame = 1275;
const longestPacketMs = 120;

/** Durations in ticks of 48 kHz by the configuration number of a TOC (RFC 6716 table 2). */
const ticksOf: readonly number[] = Array.from({ length: 32 }, (_, config) => {
  if (config < 12) return [480, 960, 1920, 2880][config % 4] ?? 960;
  if (config < 16) return config % 2 === 0 ? 480 : 960;
  return 120 * 2 ** (config % 4);
});

/**
 * The length in ticks of 48 kHz of the packet that fills `at` … `to`; 0 when these bytes cannot be
 * one packet.
 */
export function opusDuration(bytes: Uint8Array, at: number, to: number): number {
  const length = to - at;
  if (length < 1) return 0;
  const toc = bytes[at] ?? 0;
  const ticks = ticksOf[toc >> 3] ?? 0;
  const code = toc & 3;
  if (code === 0) return length - 1 <= longestFrame ? ticks : 0;
  if (code === 1) return length % 2 === 1 && length - 1 <= 2 * longestFrame ? 2 * ticks : 0;
  if (code === 2) {
    const [first, next] = frameLength(bytes, at + 1, to);
    const second = to - next - first;
    return first >= 0 && second >= 0 && second <= longestFrame ? 2 * ticks : 0;
  }
  return manyFrames(bytes, at, to, ticks);
}

/** Code 3: a count, optional padding, and equal or listed lengths (RFC 6716 §3.2.5). */
function manyFrames(bytes: Uint8Array, at: number, to: number, ticks: number): number {
  if (to - at < 2) return 0;
  const header = bytes[at + 1] ?? 0;
  const count = header & 63;
  if (count === 0 || count * ticks > longestPacketMs * 48) return 0;
  let position = at + 2;
  let end = to;
  if (header & 64) {
    let padding = 255;
    while (padding === 255 && position < end) {
      padding = bytes[position++] ?? 0;
      end -= padding === 255 ? 254 : padding;
    }
  }
  if (header & 128) {
    for (let n = 1; n < count; n++) {
      const [length, next] = frameLength(bytes, position, end);
      if (length < 0) return 0;
      position = next;
      end -= length;
    }
    const left = end - position;
    return left >= 0 && left <= longestFrame ? count * ticks : 0;
  }
  const left = end - position;
  return left >= 0 && left % count === 0 && left / count <= longestFrame ? count * ticks : 0;
}

function frameLength(bytes: Uint8Array, at: number, to: number): [length: number, next: number] {
  if (at >= to) return [-1, at];
  const first = bytes[at] ?? 0;
  if (first < 252) return [first, at + 1];
  return at + 1 < to ? [first + 4 * (bytes[at + 1] ?? 0), at + 2] : [-1, at];
}

/** Ticks at 48 kHz of the packet that begins at `at` by its first bytes; 0 when none does. */
export function opusPacketTicks(bytes: Uint8Array, at: number): number {
  const toc = bytes[at] ?? 0;
  const ticks = ticksOf[toc >> 3] ?? 0;
  const code = toc & 3;
  if (code < 3) return code === 0 ? ticks : 2 * ticks;
  const total = ((bytes[at + 1] ?? 0) & 63) * ticks;
  return total <= longestPacketMs * 48 ? total : 0;
}

/**
 * Where the first frame of a packet of CELT alone begins (configurations 16 … 31, RFC 6716 table 2), by
 * the packet's first bytes; -1 for other packets, and for frames behind padding.
 */
export function opusFirstFrame(bytes: Uint8Array, at: number): number {
  const toc = bytes[at] ?? 0;
  if (toc < 128) return -1;
  const code = toc & 3;
  if (code < 2) return at + 1;
  if (code === 2) return (bytes[at + 1] ?? 0) < 252 ? at + 2 : at + 3;
  const header = bytes[at + 1] ?? 0;
  if (header & 64) return -1;
  let frame = at + 2;
  const listed = header & 128 ? (header & 63) - 1 : 0;
  for (let n = 0; n < listed; n++) frame += (bytes[frame] ?? 0) < 252 ? 1 : 2;
  return frame;
}
