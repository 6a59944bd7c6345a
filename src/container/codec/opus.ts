/**
 * Opus as a sample codec (RFC 6716 §3; Opus in ISOBMFF): packets begin with a TOC byte and have no
 * length.
 *
 * A packet's inner lengths rule out many ends. What is left is decided by a search over the places
 * where the TOC of the stream's other packets occurs again: how a frame begins there, and how large the
 * packets would be, against those seen so far (opus-habits.ts, docs/decisions/0204).
 */
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { Beginnings, Habits, surpriseOfSize } from './opus-habits.ts';
import { longestFrame, opusDuration, opusPacketTicks } from './opus-packet.ts';
import { soundCodec } from './sound-codec.ts';

/** Makes the codec from `dOps`; null when that is cut off. */
export function opusFromConfig(dOps: Uint8Array): SampleCodec | null {
  const channels = dOps[1] ?? 0;
  return dOps.length < 11 || channels === 0 ? null : opusCodec(channels);
}

/** Packets of a stream with so many channels. */
export function opusCodec(channels: number): SampleCodec {
  const streams = Math.max(1, Math.ceil(channels / 2));
  const maxSampleBytes = streams * (6 * longestFrame + 64);
  const habits = new Habits();
  return soundCodec({
    codec: 'opus',
    framing: 'guessed',
    maxSampleBytes,
    rate: 48000,
    usualDuration: 0,
    channels,
    measure(bytes, at, end, facts, atEnd) {
      if (at >= end) return needsMore;
      if (!atEnd) return needsMore;
      const duration = opusDuration(bytes, at, end);
      if (duration === 0 || end - at > maxSampleBytes) return notASample;
      facts.duration = duration;
      habits.learn(bytes, at, end);
      return end - at;
    },
    isStart: (bytes, at, end) => fitsToc(bytes, at, end) && habits.isUsual(bytes[at] ?? 0),
    mayStart: (bytes, at, end) => fitsToc(bytes, at, end) && habits.mayFollow(bytes, at),
    splitRun: (bytes, at, to, packets) => splitOpus({ bytes, at, to, packets }, habits),
    runSurprise: (bytes, at, to, packets) => surpriseOfRun({ bytes, at, to, packets }, habits),
    teach: (bytes, at, end) => habits.teach(bytes, at, end),
    get taught() {
      return habits.sure;
    },
    learnFrom(taught) {
      if (taught instanceof Beginnings) habits.sure = taught;
    },
    surprise: (bytes, at, end) => habits.surprise(bytes, at, end, habits.last || end - at),
  });
}

/** A packet can begin so: where frames are counted, they are not too many. */
function fitsToc(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 1 < end && opusPacketTicks(bytes, at) > 0;
}

/** More candidates than this mean bytes that are no Opus; the search stays linear in the run. */
const mostCandidates = 2048;
/** Above this many packets their number only tells how long they usually are. */
const mostCounted = 64;
/** A clock that counts so many packets in a run may be one off: heads of frames know better. */
const roughlyCounted = 16;
/** How unlikely it is for one that counts fewer: once in 400 runs. */
const wrongClock = 6;
/** Edges tried from each start: with four kinds of TOC, one of which is in 64 bytes, the longest packet has fewer. */
const mostEdges = 24;
/** Steps of the search in one run; bytes that are no Opus, with candidates everywhere, get fewer edges. */
const mostSteps = 12_000_000;

/** Bytes that are packets: how many, as `splitRun` takes it (codec.ts). */
interface Run {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly to: number;
  readonly packets: number;
}

/** A split of a run, and how unusual its packets are together; no lengths where none is possible. */
interface Splitting {
  readonly lengths: number[];
  readonly cost: number;
}

const impossible: Splitting = { lengths: [], cost: Number.POSITIVE_INFINITY };

/** A run of so many packets teaches how its own begin, in so many rounds, where less is known of others. */
const leastTeaching = 8;
const rounds = 3;

/** Splits a run of packets; one that tells more of packets than is known yet is split by what it tells. */
function splitOpus(run: Run, habits: Habits): number[] {
  let lengths = splitByHabits(run, habits);
  if (lengths.length < Math.max(leastTeaching, habits.count)) return lengths;
  for (let round = 0; round < rounds; round++) {
    const own = new Habits();
    let position = run.at;
    for (const length of lengths) {
      own.learn(run.bytes, position, position + length);
      position += length;
    }
    const again = splitWhere(beginsAsUsual(run, own), run, own)?.lengths ?? [];
    if (again.length === 0) break;
    lengths = again;
  }
  return lengths;
}

/**
 * The first packet's TOC is certain; the others are looked for where one that was seen before occurs
 * again, and where no split is possible that way, where its configuration does.
 */
function splitByHabits(run: Run, habits: Habits): number[] {
  const { bytes, at, to } = run;
  if (to <= at) return [];
  const toc = bytes[at] ?? 0;
  const alike: ((position: number) => boolean)[] = [
    beginsAsUsual(run, habits),
    (position) => habits.mayFollow(bytes, position),
    (position) => (bytes[position] ?? 0) >> 2 === toc >> 2,
    (position) => ((bytes[position] ?? 0) & 4) === (toc & 4),
  ];
  for (const fits of alike) {
    const split = splitWhere(fits, run, habits);
    if (!split || split.lengths.length > 0) return split?.lengths ?? [];
  }
  return [];
}

/** How unusual a run is by its likeliest split; before the first packet, any begins like others. */
function surpriseOfRun(run: Run, habits: Habits): number {
  const { bytes, at, to, packets } = run;
  if (habits.size > 0) {
    return splitWhere(beginsAsUsual(run, habits), run, habits)?.cost ?? Number.POSITIVE_INFINITY;
  }
  const first = at + Math.round((to - at) / Math.max(1, packets));
  return habits.surprise(bytes, at, first, first - at);
}

/** Whether a packet may begin at a place of a run as its first one does, or as one seen before. */
function beginsAsUsual({ bytes, at }: Run, habits: Habits): (position: number) => boolean {
  const toc = bytes[at] ?? 0;
  // With frames counted in the second byte, that byte is as constant as the TOC.
  const count = (toc & 3) === 3 ? (bytes[at + 1] ?? 0) & 63 : -1;
  const isCounted = (position: number) =>
    count < 0 || ((bytes[position] ?? 0) & 3) !== 3 || ((bytes[position + 1] ?? 0) & 63) === count;
  return (position) =>
    (bytes[position] === toc || habits.isKnown(bytes[position] ?? 0)) &&
    habits.mayFollow(bytes, position) &&
    isCounted(position);
}

/** The likeliest split at places that fit; null where so many do that these bytes are no Opus. */
function splitWhere(
  fits: (position: number) => boolean,
  { bytes, at, to, packets }: Run,
  habits: Habits,
): Splitting | null {
  const starts = [at];
  for (let position = at + 1; position < to && starts.length <= mostCandidates; position++) {
    if (fits(position)) starts.push(position);
  }
  if (starts.length > mostCandidates) return null;
  const size = packets > 0 ? (to - at) / packets : habits.size || (to - at) / starts.length;
  return new Split(bytes, starts, to, packets, habits).cheapest(habits.last || size);
}

/** One packet of a possible split, and the way that led to it. */
interface Edge {
  readonly from: number;
  readonly to: number;
  /** By the number of packets up to here (0 where they are not counted): cost and the edge before. */
  readonly costs: Float64Array;
  readonly before: (Edge | null)[];
}

/** The split of a run at some of its possible starts whose packets are least unusual together. */
class Split {
  private readonly bytes: Uint8Array;
  private readonly starts: readonly number[];
  private readonly to: number;
  /** The packets that there are by the clock, and that there may be, at least and at most; 0 where they are not counted. */
  private readonly counted: number;
  private readonly least: number;
  private readonly layers: number;
  private readonly habits: Habits;
  /** Edges that end at each start. */
  private readonly arriving: Edge[][];

  constructor(
    bytes: Uint8Array,
    starts: readonly number[],
    to: number,
    packets: number,
    habits: Habits,
  ) {
    this.bytes = bytes;
    this.starts = starts;
    this.to = to;
    this.counted = packets <= mostCounted ? packets : 0;
    const isRough = this.counted >= roughlyCounted || (this.counted > 0 && habits.mayDoubtClocks);
    this.least = isRough ? Math.max(1, this.counted - 1) : this.counted;
    this.layers = isRough ? this.counted + 1 : this.counted;
    this.habits = habits;
    this.arriving = Array.from({ length: starts.length + 1 }, () => []);
  }

  /** The least unusual split; `before` are bytes of the packet before the run. */
  cheapest(before: number): Splitting {
    const n = this.starts.length;
    const edges = Math.sqrt(mostSteps / (n * Math.max(1, this.layers)));
    for (let i = 0; i < n; i++) {
      let isSameStart = false;
      for (let j = i + 1, tried = 0; j <= n && tried < Math.min(mostEdges, edges); j++, tried++) {
        if (this.place(j) - this.place(i) > 6 * longestFrame) break;
        if (opusDuration(this.bytes, this.place(i), this.place(j)) === 0) continue;
        this.add(i, j, before, isSameStart);
        isSameStart = true;
      }
    }
    let best: Edge | null = null;
    let total = Number.POSITIVE_INFINITY;
    let layer = 0;
    for (const edge of this.arriving[n] ?? []) {
      for (let count = this.least; count <= this.layers; count++) {
        const all = cost(edge, count) + this.offCost(count);
        if (all < total) [best, total, layer] = [edge, all, count];
      }
    }
    if (!best) return impossible;
    const lengths: number[] = [];
    while (best) {
      lengths.unshift(this.place(best.to) - this.place(best.from));
      const edge: Edge = best;
      best = edge.before[layer] ?? null;
      if (layer > 0) layer--;
    }
    return { lengths, cost: total };
  }

  private place(start: number): number {
    return this.starts[start] ?? this.to;
  }

  /** A clock is seldom wrong, unless it counts many packets at once. */
  private offCost(count: number): number {
    return count === this.counted || this.counted >= roughlyCounted ? 0 : wrongClock;
  }

  private add(from: number, to: number, before: number, isSameStart: boolean): void {
    const { layers } = this;
    const [start, end] = [this.place(from), this.place(to)];
    const edge: Edge = {
      from,
      to,
      costs: new Float64Array(layers + 1).fill(Number.POSITIVE_INFINITY),
      before: [],
    };
    const size = end - start;
    const alone = this.habits.surpriseAlone(this.bytes, start, end, isSameStart);
    const recent = this.habits.recently(size);
    if (from === 0) edge.costs[layers > 0 ? 1 : 0] = alone + surpriseOfSize(size, before, recent);
    for (const other of this.arriving[from] ?? []) {
      const own = alone + surpriseOfSize(size, start - this.place(other.from), recent);
      for (let layer = layers > 0 ? 2 : 0; layer <= layers; layer++) {
        const total = cost(other, layers > 0 ? layer - 1 : 0) + own;
        if (total >= cost(edge, layer)) continue;
        edge.costs[layer] = total;
        edge.before[layer] = other;
      }
    }
    if (edge.costs.some((value) => value < Number.POSITIVE_INFINITY)) this.arriving[to]?.push(edge);
  }
}

function cost(edge: Edge, layer: number): number {
  return edge.costs[layer] ?? Number.POSITIVE_INFINITY;
}
