/**
 * How many packets of Opus stand in front of each picture, where there is no reference to learn it
 * from.
 *
 * Packets last equally long and say for how long; pictures come at a constant rate; a muxer writes what
 * is due. So a picture rate and the head start of the sound tell how many packets there must be
 * in each gap between pictures, none among them. Of all rates that recorders use the one is taken with
 * which the gaps are cut into the least unusual packets (docs/decisions/0203).
 */
import type { SampleCodec } from '../codec/codec.ts';
import { opusCodec } from '../codec/opus.ts';
import { opusPacketTicks } from '../codec/opus-packet.ts';
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

/** The gap in front of each picture, as a range of bytes: empty where the one before ends there. */
export type Gap = readonly [at: number, end: number];

const clock = 48_000;
// Some seconds tell every rate from its neighbours; a few gaps tell most rates from each other.
const mostGaps = 360;
const fewGaps = 36;
const leastGaps = 24;
// Head starts are tried in steps of a part of a packet, from pictures far ahead to sound far ahead.
const stepsInPacket = 8;
const farthest = 0.6;
// So many gaps may be filled that should be empty, or empty that should be filled.
const mostMisfits = 0.06;
const misfitCost = 40;
// The packets themselves say that there is one more or less than a schedule has.
const offCost = 6;
// A frame has up to 1275 bytes (RFC 6716 §3.4), a packet of several has more; no recorder writes such.
const mostBytes = 1500;
// A constant rate cuts the gaps as they would be cut without it, but for a few: what it costs more than
// that, a gap. Some hundredths where the rate is right; 18 and 42 where three of ten pictures, or most, were left out.
const mostForced = 2;
// How many orders are tried on a few gaps, and how many of them on all.
const mostTried = 48;
const mostKept = 6;
const mostWhole = 16;
const mostFirst = 8;

// Where 29.97 and 30 pictures a second both do, it is 30.
const ratesWholeFirst = [
  ...usualRates.filter(({ timescale, ticks }) => timescale % ticks === 0),
  ...usualRates.filter(({ timescale, ticks }) => timescale % ticks !== 0),
];

/** One order of pictures and packets, and the head starts that it comes from. */
interface Order {
  readonly rate: Rate;
  /** Packets in front of each picture. */
  readonly counts: Uint16Array;
  /** How badly the bytes of the gaps agree with the counts: 0 to 1. */
  readonly spread: number;
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
  const rates = frameRate > 0 ? [rateOf(frameRate)] : ratesWholeFirst;
  const packet = packetTicks / clock;
  // Whole packets and parts of one, so that none falls between two steps.
  const reach = Math.ceil(farthest / packet) * packet;
  const orders = rates.flatMap((rate) => {
    // Pictures that come faster than packets leave gaps empty, which a hair's difference moves.
    const by = packet / (rate.ticks / rate.timescale < packet ? 4 * stepsInPacket : stepsInPacket);
    return ordersAt(rate, taken, packetTicks, [-reach, reach, by]);
  });
  const judge = new Judge(bytes, taken, channels);
  // Orders that begin alike cost alike: each is tried once, the best of them to the end. How many
  // packets the first gap has is decided last, when the others have told what packets are like.
  const beginnings = groupBy(orders, ({ counts }) => counts.subarray(1, fewGaps).join());
  const kept = cheapest(beginnings.slice(0, mostTried), ([order]) => judge.cost(order, 1, fewGaps))
    .slice(0, mostKept)
    .flat();
  const all = ([order]: Group) => judge.cost(order, 1, taken.length);
  const byRest = ({ counts }: Order) => counts.subarray(1).join();
  const [alike] = cheapest(groupBy(kept, byRest).slice(0, mostWhole), all);
  const rough = judge.byFirstGap(alike ?? []);
  if (!rough) return null;
  // Rates that are no multiple of the packets' drift past them: the head start matters to a hair.
  const [early, late] = rough.headStart;
  const step = packet / stepsInPacket;
  const finer = ordersAt(rough.rate, taken, packetTicks, [early - step, late + step, step / 8]);
  const [closest] = cheapest(groupBy(finer, byRest).slice(0, mostWhole), all);
  const best = judge.byFirstGap(closest ?? []) ?? rough;
  if (all([best]) - judge.freely() > mostForced * taken.length) return null;
  const packets = best.counts.reduce((sum, count) => sum + count, 0);
  const total = taken.reduce((sum, [at, end]) => sum + end - at, 0);
  const { rate, headStart } = best;
  return { rate, packetTicks, meanBytes: total / Math.max(1, packets), headStart };
}

/** The different orders at one rate that leave those gaps empty that are. */
function ordersAt(
  rate: Rate,
  gaps: readonly Gap[],
  packetTicks: number,
  [from, to, by]: readonly [from: number, to: number, by: number],
): Order[] {
  const packet = packetTicks / clock;
  const step = rate.ticks / rate.timescale;
  const orders = new Map<string, Order>();
  for (let n = 0; from + n * by <= to; n += 1) {
    const headStart = from + n * by;
    const counts = new Uint16Array(gaps.length);
    let misfits = 0;
    let written = 0;
    gaps.forEach(([at, end], place) => {
      // Due at once with a picture, a packet may be written before or behind it: a quarter of a step.
      const periods = (place * step + headStart) / packet - 0.25 / stepsInPacket;
      const due = Math.max(0, Math.ceil(periods));
      counts[place] = due - written;
      written = due;
      if (counts[place] === 0 ? end > at : end === at) misfits += 1;
    });
    if (misfits > gaps.length * mostMisfits || !beginsLike(gaps, counts)) continue;
    const known = orders.get(counts.join());
    if (known) {
      known.headStart[1] = headStart;
      continue;
    }
    const spread = spreadOf(gaps, counts);
    orders.set(counts.join(), { rate, counts, spread, headStart: [headStart, headStart] });
  }
  return [...orders.values()];
}

/**
 * What is left of the bytes of the gaps when each packet has the same, as a share of their squares: cheap
 * to tell, and enough to say which orders are worth a closer look. The first gap is left out.
 */
function spreadOf(gaps: readonly Gap[], counts: Uint16Array): number {
  let [squares, products, packets] = [0, 0, 0];
  for (let place = 1; place < gaps.length; place += 1) {
    const [at, end] = gaps[place] ?? [0, 0];
    const count = counts[place] ?? 0;
    squares += (end - at) ** 2;
    products += (end - at) * count;
    packets += count ** 2;
  }
  return squares === 0 || packets === 0 ? 1 : 1 - products ** 2 / (squares * packets);
}

/** The gap before the first picture has about the bytes that so many packets have elsewhere. */
function beginsLike(gaps: readonly Gap[], counts: Uint16Array): boolean {
  const wanted = packetsWanted(gaps, counts);
  return Math.abs((counts[0] ?? 0) - wanted) <= 1 + 0.7 * wanted;
}

/** Packets that the first gap would have if they were as large as in the others. */
function packetsWanted(gaps: readonly Gap[], counts: Uint16Array): number {
  const packets = counts.subarray(1).reduce((sum, count) => sum + count, 0);
  const bytes = gaps.slice(1).reduce((sum, [at, end]) => sum + end - at, 0);
  const [at = 0, end = 0] = gaps[0] ?? [];
  return ((end - at) * packets) / Math.max(1, bytes);
}

// As long as nothing is known of the packets any cut will do: the first gaps are judged last.
const unknown = 8;

/** In place of a number of packets: as many as are likeliest. */
const anyNumber = 0xffff;

/** Judges orders by how unusual the packets are that they make of the gaps. */
class Judge {
  readonly #bytes: Uint8Array;
  readonly #gaps: readonly Gap[];
  readonly #channels: number;
  readonly #taught: object;

  constructor(bytes: Uint8Array, gaps: readonly Gap[], channels: number) {
    this.#bytes = bytes;
    this.#gaps = gaps;
    this.#channels = channels;
    // Where a gap begins a packet does, whatever the order.
    const codec = opusCodec(channels);
    for (const [at, end] of gaps) if (end > at) codec.teach?.(bytes, at, end);
    this.#taught = codec.taught ?? {};
  }

  #codec(): SampleCodec {
    const codec = opusCodec(this.#channels);
    codec.learnFrom?.(this.#taught);
    return codec;
  }

  /** The cost of all gaps but the first when no order is kept to: each is cut as it is likeliest. */
  freely(): number {
    const counts = new Uint16Array(this.#gaps.length).fill(anyNumber);
    return this.#read(this.#codec(), counts, 1, this.#gaps.length);
  }

  /** The cost of gaps `from` … `to`, each judged by others. */
  cost({ counts }: Order, from: number, to: number): number {
    return this.#read(this.#codec(), counts, from, to);
  }

  /** Of orders that are alike but for the first gap, the one that makes most of that. */
  byFirstGap(orders: readonly Order[]): Order | undefined {
    const [any] = orders;
    if (!any) return undefined;
    const codec = this.#codec();
    this.#read(codec, any.counts, 1, fewGaps);
    const wanted = packetsWanted(this.#gaps, any.counts);
    const off = ({ counts }: Order) => Math.abs((counts[0] ?? 0) - wanted);
    const near = orders.toSorted((a, b) => off(a) - off(b)).slice(0, mostFirst);
    return cheapest(near, ({ counts }) => this.#gap(codec, 0, counts[0] ?? 0, false))[0];
  }

  #read(codec: SampleCodec, counts: Uint16Array, from: number, to: number): number {
    let cost = 0;
    const judge = (place: number) => {
      cost += this.#gap(codec, place, counts[place] ?? 0, true);
    };
    for (let place = unknown; place < Math.min(to, this.#gaps.length); place += 1) judge(place);
    for (let place = from; place < unknown; place += 1) judge(place);
    return cost;
  }

  #gap(codec: SampleCodec, place: number, count: number, learns: boolean): number {
    const [at = 0, end = 0] = this.#gaps[place] ?? [];
    const isFree = count === anyNumber;
    if (end === at && (count === 0 || isFree)) return 0;
    const mayFit = count > 0 && end > at && end - at <= count * mostBytes;
    const lengths = mayFit
      ? (codec.splitRun?.(this.#bytes, at, end, isFree ? 0 : count) ?? [])
      : [];
    const off = isFree ? 0 : Math.abs(lengths.length - count);
    let cost = lengths.length > 0 && off < 2 ? off * offCost : misfitCost;
    let position = at;
    for (const length of lengths) {
      cost += codec.surprise?.(this.#bytes, position, position + length) ?? 0;
      if (learns) codec.measure(this.#bytes, position, position + length, true);
      position += length;
    }
    return cost;
  }
}

/** Those that share a key, and these groups with the one first whose bytes agree best with its counts. */
function groupBy(orders: readonly Order[], key: (order: Order) => string): Group[] {
  const groups = new Map<string, [Order, ...Order[]]>();
  for (const order of orders.toSorted((a, b) => a.spread - b.spread)) {
    const group = groups.get(key(order));
    if (group) group.push(order);
    else groups.set(key(order), [order]);
  }
  return [...groups.values()];
}

type Group = readonly [Order, ...Order[]];

function cheapest<T>(items: readonly T[], cost: (item: T) => number): T[] {
  return items
    .map((item) => ({ item, cost: cost(item) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ item }) => item);
}
