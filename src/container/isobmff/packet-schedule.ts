/**
 * How many packets of Opus stand in front of each picture, where there is no reference to learn it
 * from.
 *
 * Packets last equally long and say for how long; pictures come at a constant rate; a muxer writes what
 * is due. So a picture rate and the head start of the sound tell how many packets there must be
 * in each gap between pictures, none among them. Of all rates that recorders use the one is taken with
 * which the gaps are cut into the least unusual packets.
 */
import type { SampleCodec } from '../codec/codec.ts';
import { opusCodec, opusPacketTicks } from '../codec/opus.ts';
import { type Rate, rateOf, usualRates } from './picture-rates.ts';

export interface PacketSchedule {
  readonly rate: Rate;
  /** Ticks of a packet at 48 kHz. */
  readonly packetTicks: number;
  /** Mean bytes of a packet. */
  readonly meanBytes: number;
  /** Seconds of sound that are written before the first picture: at least and at most. */
  readonly headStart: readonly [least: number, most: number];
}

/** The gap in front of each picture, as a range of `bytes`: empty where the one before ends there. */
export type Gap = readonly [at: number, end: number];

const clock = 48_000;
// Some seconds tell every rate from its neighbours.
const mostGaps = 180;
const leastGaps = 24;
// Head starts are tried in steps of a part of a packet, from pictures far ahead to sound far ahead.
const stepsInPacket = 8;
const farthest = 0.6;
// So many gaps may be filled that should be empty, or empty that should be filled.
const mostMisfits = 0.06;
const misfitCost = 12;
const mostTried = 120;

interface Plan {
  readonly rate: Rate;
  /** Packets in front of each picture. */
  readonly counts: Uint16Array;
  readonly misfits: number;
  headStart: [least: number, most: number];
}

/**
 * Finds the schedule of the packets in these gaps.
 *
 * @param frameRate  by the bitstream's own timing; 0 when it has none
 * @returns null when the gaps are no packets of a constant rate of pictures
 */
export function findSchedule(
  bytes: Uint8Array,
  gaps: readonly Gap[],
  channels: number,
  frameRate: number,
): PacketSchedule | null {
  const taken = gaps.slice(0, mostGaps);
  const first = taken.find(([at, end]) => end > at);
  if (!first || taken.length < leastGaps) return null;
  const packetTicks = opusPacketTicks(bytes, first[0]);
  if (packetTicks === 0) return null;
  const rates = frameRate > 0 ? [rateOf(frameRate)] : [...usualRates];
  const plans = rates
    .flatMap((rate) => plansAt(rate, taken, packetTicks))
    .sort((a, b) => a.misfits - b.misfits)
    .slice(0, mostTried);
  let best: Plan | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const plan of plans) {
    const cost = costOf(bytes, taken, plan, opusCodec(channels), least);
    if (cost < least) [best, least] = [plan, cost];
  }
  if (!best) return null;
  const packets = best.counts.reduce((sum, count) => sum + count, 0);
  const total = taken.reduce((sum, [at, end]) => sum + end - at, 0);
  return {
    rate: best.rate,
    packetTicks,
    meanBytes: total / Math.max(1, packets),
    headStart: best.headStart,
  };
}

/** The different plans at one rate, each with the range of head starts that it holds for. */
function plansAt(rate: Rate, gaps: readonly Gap[], packetTicks: number): Plan[] {
  const packet = packetTicks / clock;
  const step = rate.ticks / rate.timescale;
  const plans = new Map<string, Plan>();
  for (let n = Math.ceil(-farthest / packet) * stepsInPacket; ; n += 1) {
    const headStart = (n / stepsInPacket) * packet;
    if (headStart > farthest) break;
    const counts = new Uint16Array(gaps.length);
    let misfits = 0;
    let written = 0;
    gaps.forEach(([at, end], place) => {
      // A picture and a packet that are due at once: in either order, half a step apart.
      const due = Math.max(
        0,
        Math.ceil((place * step + headStart) / packet - 0.25 / stepsInPacket),
      );
      counts[place] = due - written;
      written = due;
      if (counts[place] === 0 ? end > at : end === at) misfits += 1;
    });
    if (misfits > gaps.length * mostMisfits || !beginsLike(gaps, counts)) continue;
    const known = plans.get(counts.join());
    if (known) known.headStart[1] = headStart;
    else plans.set(counts.join(), { rate, counts, misfits, headStart: [headStart, headStart] });
  }
  return [...plans.values()];
}

/** The gap before the first picture has about the bytes that so many packets have elsewhere. */
function beginsLike(gaps: readonly Gap[], counts: Uint16Array): boolean {
  const [first = 0, ...others] = counts;
  const packets = others.reduce((sum, count) => sum + count, 0);
  const bytes = gaps.slice(1).reduce((sum, [at, end]) => sum + end - at, 0);
  const [at = 0, end = 0] = gaps[0] ?? [];
  const wanted = ((end - at) * packets) / Math.max(1, bytes);
  return Math.abs(first - wanted) <= 1 + 0.7 * wanted;
}

/** How unusual the packets are that a plan makes of the gaps, each judged by those before it. */
function costOf(
  bytes: Uint8Array,
  gaps: readonly Gap[],
  { counts }: Plan,
  codec: SampleCodec,
  least: number,
): number {
  let cost = 0;
  let paid = 0;
  for (const [place, [at, end]] of gaps.entries()) {
    const count = counts[place] ?? 0;
    const lengths = end > at && count > 0 ? (codec.splitRun?.(bytes, at, end, count) ?? []) : [];
    if (lengths.length !== count || (count === 0 && end > at)) cost += misfitCost;
    let from = at;
    for (const length of lengths) {
      cost += codec.surprise?.(bytes, from, from + length) ?? 0;
      codec.measure(bytes, from, from + length, true);
      from += length;
    }
    // Packets cost less than nothing: a plan is given up when it is far behind half-way.
    paid += 1;
    if (paid * 2 === gaps.length && least < 0 && cost > least * 0.25)
      return Number.POSITIVE_INFINITY;
  }
  return cost;
}
