/**
 * Opus as a sample codec (RFC 6716 §3; Opus in ISOBMFF): packets begin with a TOC byte and have no
 * length.
 *
 * A packet's inner lengths rule out many ends. What is left is decided by a search over the places
 * where the TOC of the stream's other packets occurs again, with the packet sizes seen so far.
 */
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { soundCodec } from './sound-codec.ts';

const longestFrame = 1275;
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
    surprise: (bytes, at, end) => habits.surprise(bytes, at, end, habits.last || end - at),
  });
}

/** A packet can begin so: where frames are counted, they are not too many. */
function fitsToc(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 1 < end && opusPacketTicks(bytes, at) > 0;
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
 * What the packets judged so far have in common. It guides the search and is no part of the truth,
 * so a resumed scan may begin without it.
 */
class Habits {
  /** Bytes of the packet judged last; 0 at first. */
  last = 0;
  private count = 0;
  private ticks = 0;
  private meanLog = 0;
  private readonly tocs = new Float64Array(256);
  /** Sizes of the last packets, which may be of several tracks. */
  private readonly sizes: number[] = [];
  /** The coder's first flags and coarse energies; and what it leaves unused at the end. */
  private readonly second = new ByteHabit();
  private readonly third = new ByteHabit();
  private readonly ending = new ByteHabit();

  /** A TOC that was there before. */
  isKnown(toc: number): boolean {
    return (this.tocs[toc] ?? 0) > 0;
  }

  /** A TOC that was there before; before the first packet, any. */
  isUsual(toc: number): boolean {
    return this.count === 0 || this.isKnown(toc);
  }

  /** Encoders change how they code from packet to packet, hardly ever how long a packet lasts. */
  mayFollow(bytes: Uint8Array, at: number): boolean {
    return this.count === 0 || opusPacketTicks(bytes, at) === this.ticks;
  }

  learn(bytes: Uint8Array, at: number, end: number): void {
    const toc = bytes[at] ?? 0;
    this.ticks = opusPacketTicks(bytes, at);
    this.last = end - at;
    this.count++;
    this.tocs[toc] = (this.tocs[toc] ?? 0) + 1;
    if (end - at > 1) this.second.add(bytes[at + 1] ?? 0);
    if (end - at > 2) this.third.add(bytes[at + 2] ?? 0);
    if (end - at > 3) this.ending.add(bytes[end - 1] ?? 0);
    this.sizes.push(end - at);
    if (this.sizes.length > 4) this.sizes.shift();
    this.meanLog += (Math.log(end - at) - this.meanLog) * Math.max(1 / this.count, 1 / 32);
  }

  /** Bytes of a usual packet; 0 when none was seen. */
  get size(): number {
    return this.count === 0 ? 0 : Math.exp(this.meanLog);
  }

  /**
   * How unusual a packet is: the negative logarithm of its likelihood against that of any bytes.
   *
   * @param before  bytes of the packet before it
   */
  surprise(bytes: Uint8Array, at: number, end: number, before: number): number {
    const recent = this.recently(end - at);
    return this.surpriseAlone(bytes, at, end) + surpriseOfSize(end - at, before, recent);
  }

  /** The part of it that does not depend on the packet before. */
  surpriseAlone(bytes: Uint8Array, at: number, end: number): number {
    const toc = (0.99 * (this.tocs[bytes[at] ?? 0] ?? 0) + 0.01) / (this.count + 0.01);
    const start = Math.log((end - at) / (256 * toc));
    // No byte counts twice, nor one of the next packet.
    if (end - at > 3) {
      return (
        start +
        this.second.surprise(bytes[at + 1] ?? 0) +
        this.third.surprise(bytes[at + 2] ?? 0) +
        this.ending.surprise(bytes[end - 1] ?? 0)
      );
    }
    if (end - at === 1) return start;
    const second = this.second.surprise(bytes[at + 1] ?? 0);
    return start + second + (end - at > 2 ? this.third.surprise(bytes[at + 2] ?? 0) : 0);
  }

  /** How likely such a size is after those of the last packets; 0 when there were none. */
  recently(length: number): number {
    let recent = 0;
    for (const size of this.sizes) recent += likeness(length, size) / this.sizes.length;
    return recent;
  }
}

/** The part of how unusual a packet is that depends on the size of the one before. */
function surpriseOfSize(length: number, before: number, recent: number): number {
  const after = likeness(length, before);
  return -Math.log(0.6 * after + 0.4 * (recent || after));
}

/** How often a byte had which value, exactly and by its first four bits. */
class ByteHabit {
  private readonly exact = new Float64Array(256);
  private readonly rough = new Float64Array(16).fill(1);
  private count = 0;

  add(byte: number): void {
    this.exact[byte] = (this.exact[byte] ?? 0) + 1;
    this.rough[byte >> 4] = (this.rough[byte >> 4] ?? 0) + 1;
    this.count++;
  }

  /** Negative logarithm of the value's likelihood against that of any byte. */
  surprise(byte: number): number {
    const rough = (this.rough[byte >> 4] ?? 0) / (this.count + 16) / 16;
    return -Math.log((256 * ((this.exact[byte] ?? 0) + 8 * rough)) / (this.count + 8));
  }
}

/**
 * How likely a packet's size is after the one before: half of them are nearly equal, speech that
 * begins or pauses makes the others differ by far more. Asked millions of times in a run of bytes that
 * are no Opus: by tables.
 */
function likeness(length: number, before: number): number {
  const apart = Math.abs(logOf(length) - logOf(before));
  return likenesses[Math.min(likenesses.length - 1, Math.round(apart * steps))] ?? 0;
}

// Steps of a logarithm that are fine against the narrowest of the three bells, up to a ratio of 3000.
const steps = 512;
const likenesses = Float64Array.from({ length: 8 * steps }, (_, step) => {
  const square = (step / steps) ** 2;
  const near = (0.45 / 0.035) * Math.exp(square * -408);
  const middle = (0.3 / 0.2) * Math.exp(square * -12.5);
  const far = (0.25 / 0.8) * Math.exp(square * -0.78);
  return near + middle + far + 1e-6;
});

const logs = Float64Array.from({ length: 8192 }, (_, value) => Math.log(Math.max(1, value)));
const logOf = (size: number): number =>
  Number.isInteger(size) && size < logs.length ? (logs[size] ?? 0) : Math.log(size);

/** More candidates than this mean bytes that are no Opus; the search stays linear in the run. */
const mostCandidates = 2048;
/** Above this many packets their number only tells how long they usually are. */
const mostCounted = 64;
/** Edges tried from each start: with a chance match in 256 bytes the longest packet has fewer. */
const mostEdges = 48;
/** Steps of the search in one run; bytes that are no Opus, with candidates everywhere, get fewer edges. */
const mostSteps = 12_000_000;

/** Bytes that are packets: how many, 0 when not known; above 64 only a hint. */
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

/**
 * Splits a run of packets. The first packet's TOC is certain; the others are looked for where one that
 * was seen before occurs again, and where no split is possible that way, where its configuration does.
 */
function splitOpus(run: Run, habits: Habits): number[] {
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
    this.layers = packets <= mostCounted ? packets : 0;
    this.habits = habits;
    this.arriving = Array.from({ length: starts.length + 1 }, () => []);
  }

  /** The least unusual split; `before` are bytes of the packet before the run. */
  cheapest(before: number): Splitting {
    const n = this.starts.length;
    const edges = Math.sqrt(mostSteps / (n * Math.max(1, this.layers)));
    for (let i = 0; i < n; i++) {
      for (let j = i + 1, tried = 0; j <= n && tried < Math.min(mostEdges, edges); j++, tried++) {
        if (this.place(j) - this.place(i) > 6 * longestFrame) break;
        if (opusDuration(this.bytes, this.place(i), this.place(j)) > 0) this.add(i, j, before);
      }
    }
    let best: Edge | null = null;
    for (const edge of this.arriving[n] ?? []) {
      if (cost(edge, this.layers) < (best ? cost(best, this.layers) : Number.POSITIVE_INFINITY)) {
        best = edge;
      }
    }
    if (!best) return impossible;
    const lengths: number[] = [];
    const total = cost(best, this.layers);
    for (let layer = this.layers; best; ) {
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

  private add(from: number, to: number, before: number): void {
    const { layers } = this;
    const [start, end] = [this.place(from), this.place(to)];
    const edge: Edge = {
      from,
      to,
      costs: new Float64Array(layers + 1).fill(Number.POSITIVE_INFINITY),
      before: [],
    };
    const size = end - start;
    const alone = this.habits.surpriseAlone(this.bytes, start, end);
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
