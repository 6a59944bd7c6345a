/**
 * The order of pictures whose parameter sets are lost: how wide the fields of a slice header are
 * follows from the values that recorders write into them.
 *
 * `frame_num` counts the pictures that others refer to, and order counts of a stream are all
 * different and evenly spaced. Only the right width reads them so from some dozen pictures.
 */
import { BitReader } from './bit-reader.ts';
import {
  type BlindFormat,
  type BlindSlice,
  emptyBlindSlice,
  nearest,
  readH264Head,
  readHevcHead,
  readOrderBits,
} from './blind-nal.ts';
import { unescapeUnit, unitLength } from './nal.ts';

interface Head {
  readonly slice: BlindSlice;
  readonly bytes: Uint8Array;
}

// Fewer show nothing; those of a first second or two are enough.
const leastPictures = 6;
// Between uncompressed sound some of the pictures are none.
const leastShare = 0.75;
const widths = Array.from({ length: 13 }, (_, n) => n + 4);

/**
 * Finds the widths of a stream's counters.
 *
 * @param pictures  samples with four-byte lengths in stored order, from a key frame on; their first
 *   kilobytes are enough
 */
export function findBlindOrder(
  codec: 'h264' | 'hevc',
  pictures: readonly Uint8Array[],
): BlindFormat {
  const plain: BlindFormat = { codec, frameNumBits: 0, orderBits: 0 };
  const heads = pictures.flatMap((picture) => firstSlice(codec, picture) ?? []);
  if (heads.length < leastPictures) return plain;
  const counters = codec === 'hevc' ? [0] : frameNumWidths(heads);
  let best = plain;
  let most = leastShare;
  for (const frameNumBits of counters) {
    if (best === plain) best = { ...plain, frameNumBits };
    for (const orderBits of widths) {
      const format = { codec, frameNumBits, orderBits };
      const evenness = evennessOf(heads, format);
      if (evenness > most) [best, most] = [format, evenness];
    }
  }
  return best;
}

function firstSlice(codec: 'h264' | 'hevc', picture: Uint8Array): Head | null {
  for (let at = 0; at + 7 < picture.length; at += 4 + unitLength(picture, at, 4)) {
    const from = at + 4;
    const header = picture[from] ?? 0;
    const type = codec === 'h264' ? header & 31 : header >> 1;
    const isSlice = codec === 'h264' ? type === 1 || type === 5 : type < 32;
    if (!isSlice) continue;
    const skip = codec === 'h264' ? 1 : 2;
    const bytes = new Uint8Array(48);
    if (unescapeUnit(picture, from + skip, picture.length, bytes) < 0) return null;
    const slice = emptyBlindSlice();
    const reader = new BitReader().reset(bytes);
    const fits =
      codec === 'h264'
        ? readH264Head(reader, header, slice)
        : readHevcHead(reader, (header << 8) | (picture[from + 1] ?? 0), slice);
    return fits ? { slice, bytes } : null;
  }
  return null;
}

/** Widths with which `frame_num` counts as it must (§7.4.3), the best first. */
function frameNumWidths(heads: readonly Head[]): number[] {
  const reader = new BitReader();
  const scores = widths.map((width) => {
    let right = 0;
    let wanted = 0;
    for (const { slice, bytes } of heads) {
      reader.reset(bytes).skip(slice.numbersAt);
      const value = reader.bits(width);
      if (slice.sync) wanted = 0;
      if (value === wanted) right += 1;
      wanted = (value + (slice.referenced ? 1 : 0)) % 2 ** width;
    }
    return { width, share: right / heads.length };
  });
  return scores
    .filter(({ share }) => share > leastShare)
    .sort((a, b) => b.share - a.share)
    .map(({ width }) => width);
}

/** The share of order counts that are new and one usual step from their neighbours: 0 to 1. */
function evennessOf(heads: readonly Head[], format: BlindFormat): number {
  const reader = new BitReader();
  const orders: number[] = [];
  let previous = 0;
  let epoch = 0;
  heads.forEach(({ slice, bytes }, index) => {
    const restarts = index === 0 || (slice.sync && slice.type !== 21);
    const low = readOrderBits(reader, bytes, slice, format);
    const order = nearest(low, previous, format.orderBits, restarts);
    // Counts of different stretches never meet: each begins far behind the one before.
    if (restarts) epoch += 2 ** 24;
    orders.push(epoch + order);
    if (slice.referenced || restarts) previous = order;
  });
  const sorted = orders.sort((a, b) => a - b);
  const steps = new Map<number, number>();
  for (let n = 1; n < sorted.length; n += 1) {
    const step = (sorted[n] ?? 0) - (sorted[n - 1] ?? 0);
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  // H.264 counts fields, HEVC pictures: a width too small or large by a bit halves or doubles that.
  const most = steps.get(format.codec === 'h264' ? 2 : 1) ?? 0;
  const jumps = [...steps].filter(([step]) => step > 2 ** 20).reduce((sum, [, n]) => sum + n, 0);
  return most / Math.max(1, sorted.length - 1 - jumps);
}
