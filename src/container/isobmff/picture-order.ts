/**
 * From display order to composition offsets: never the reference's table, always this file's.
 */

// Pictures a decoder may hold back: those shown last before a cut may lack neighbours.
const mostReordered = 32;

/**
 * The place of each picture in display order.
 *
 * Where the stream is cut off, pictures that would have been shown between the last ones are missing:
 * their places are left free, so that those that are there keep their times.
 *
 * @param order   display order within its epoch, in decoding order
 * @param starts  1 where a new epoch begins: everything of the epoch before is shown first
 * @param cuts    1 for the first picture behind a hole
 */
export function displayRanks(order: Int32Array, starts: Uint8Array, cuts: Uint8Array): Int32Array {
  const ranks = new Int32Array(order.length);
  let step = 0;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && starts[to] === 0) to += 1;
    const sorted = inDisplayOrder(order, from, to);
    // Too few pictures do not show how far one is from the next: those before did.
    if (step === 0 || sorted.length >= mostReordered) step = usualStep(order, sorted);
    const isCut = to === order.length || cuts[to] === 1;
    rankEpoch(order, ranks, from, sorted, isCut ? step : 0);
    from = to;
  }
  return ranks;
}

function inDisplayOrder(order: Int32Array, from: number, to: number): Int32Array {
  const indices = new Int32Array(to - from);
  let ascending = true;
  for (let index = from; index < to; index += 1) {
    indices[index - from] = index;
    if (index > from && (order[index] ?? 0) < (order[index - 1] ?? 0)) ascending = false;
  }
  if (ascending) return indices;
  return indices.sort((a, b) => (order[a] ?? 0) - (order[b] ?? 0) || a - b);
}

function rankEpoch(
  order: Int32Array,
  ranks: Int32Array,
  from: number,
  sorted: Int32Array,
  step: number,
): void {
  let rank = from;
  sorted.forEach((index, place) => {
    const gap = place === 0 ? 0 : (order[index] ?? 0) - (order[sorted[place - 1] ?? 0] ?? 0);
    const isNearCut = place >= sorted.length - mostReordered;
    const missing = step > 0 && isNearCut ? Math.round(gap / step) - 1 : 0;
    rank += place === 0 ? 0 : 1 + Math.min(mostReordered, Math.max(0, missing));
    ranks[index] = rank;
  });
}

/** How far the order of one picture usually is from the next one shown: 2 for frames, mostly. */
function usualStep(order: Int32Array, indices: Int32Array): number {
  const counts = new Map<number, number>();
  for (let place = 1; place < indices.length; place += 1) {
    const gap = (order[indices[place] ?? 0] ?? 0) - (order[indices[place - 1] ?? 0] ?? 0);
    if (counts.size < 64 || counts.has(gap)) counts.set(gap, (counts.get(gap) ?? 0) + 1);
  }
  let usual = 0;
  let most = 0;
  for (const [gap, count] of counts) if (count > most) [usual, most] = [gap, count];
  return usual;
}

/**
 * Composition offsets: encoders that reorder number their pictures in decoding order by the times of
 * display order, held back by a number of pictures. So a picture is shown when the one that many
 * places further is decoded.
 *
 * Not across a hole: what was decoded before it is shown as if nothing had been lost.
 *
 * @param times    decoding times in ticks, ascending
 * @param usual    ticks of one picture, for places behind the last one
 * @param atLeast  pictures to hold back even where fewer would do
 * @param cuts     1 for the first picture behind a hole
 * @returns the offsets, and the ticks from decoding the first picture to showing the first
 */
export function compositionOffsets(
  times: Float64Array,
  ranks: Int32Array,
  usual: number,
  atLeast: number,
  cuts: Uint8Array,
): { readonly shifts: Int32Array; readonly delay: number } {
  let held = Math.max(0, atLeast);
  for (let index = 0; index < times.length; index += 1) {
    held = Math.max(held, index - (ranks[index] ?? 0));
  }
  const shifts = new Int32Array(times.length);
  for (let from = 0; from < times.length; ) {
    let to = from + 1;
    while (to < times.length && cuts[to] !== 1) to += 1;
    const next = (times[to] ?? Number.POSITIVE_INFINITY) + held * usual;
    for (let index = from; index < to; index += 1) {
      const shown = shownAt(times, to - 1, (ranks[index] ?? 0) + held, usual);
      shifts[index] = Math.min(shown, next - 1) - (times[index] ?? 0);
    }
    from = to;
  }
  return { shifts, delay: shownAt(times, times.length - 1, held, usual) - (times[0] ?? 0) };
}

/** When the picture at a place is shown; behind the last one decoded, pictures follow as usual. */
function shownAt(times: Float64Array, last: number, place: number, usual: number): number {
  return place <= last ? (times[place] ?? 0) : (times[last] ?? 0) + (place - last) * usual;
}
