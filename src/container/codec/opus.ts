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
    isStart(bytes, at, end) {
      if (at + 1 >= end) return false;
      const toc = bytes[at] ?? 0;
      if ((toc & 3) === 3) {
        const count = (bytes[at + 1] ?? 0) & 63;
        if (count === 0 || count * (ticksOf[toc >> 3] ?? 0) > longestPacketMs * 48) return false;
      }
      return habits.toc < 0 || toc === habits.toc;
    },
    splitRun: (bytes, at, to, packets) => splitOpus(bytes, at, to, packets, habits),
  });
}

/**
 * What the packets judged so far have in common. It guides the search and is no part of the truth,
 * so a resumed scan may begin without it.
 */
class Habits {
  /** TOC of the packet judged last, -1 at first. */
  toc = -1;
  private count = 0;
  private meanLog = 0;
  private variance = 0.12;
  /** How often the byte after the TOC began with each 4 bits: the coder's first flags. */
  private readonly second = new Float64Array(16).fill(1);
  private secondSum = 16;
  private readonly tocs = new Float64Array(256);

  /** A TOC that at least one packet in twenty had. */
  isUsual(toc: number): boolean {
    return (this.tocs[toc] ?? 0) * 20 > this.count;
  }

  learn(bytes: Uint8Array, at: number, end: number): void {
    this.toc = bytes[at] ?? 0;
    this.tocs[this.toc] = (this.tocs[this.toc] ?? 0) + 1;
    const log = Math.log(end - at);
    this.count++;
    const weight = Math.max(1 / this.count, 1 / 32);
    const off = log - this.meanLog;
    this.meanLog += off * weight;
    if (this.count > 4) this.variance += (off * off - this.variance) / 32;
    const bin = (bytes[at + 1] ?? 0) >> 4;
    this.second[bin] = (this.second[bin] ?? 0) + 1;
    this.secondSum++;
  }

  /** Bytes of a usual packet; 0 when none was seen. */
  get size(): number {
    return this.count === 0 ? 0 : Math.exp(this.meanLog);
  }

  /** How unusual a packet is: the negative logarithm of its likelihood, but for constants. */
  surprise(bytes: Uint8Array, at: number, end: number, size: number): number {
    const variance = Math.max(0.001, this.variance);
    const off = Math.log((end - at) / size);
    const bin = this.second[(bytes[at + 1] ?? 0) >> 4] ?? 1;
    return (off * off) / (2 * variance) - Math.log((16 * bin) / this.secondSum);
  }
}

/** More candidates than this mean bytes that are no Opus; the search stays linear in the run. */
const mostCandidates = 2048;
/** Above this many packets their number only tells how long they usually are. */
const mostCounted = 64;
/** Edges tried from each start: with a chance match in 256 bytes the longest packet has fewer. */
const mostEdges = 48;

/**
 * Splits a run of packets. The first packet's TOC is certain; the others are looked for where it
 * occurs again, and where no split is possible that way, where its configuration does.
 *
 * @param packets  how many there must be, 0 when not known; above 64 only a hint
 */
function splitOpus(
  bytes: Uint8Array,
  at: number,
  to: number,
  packets: number,
  habits: Habits,
): number[] {
  if (to <= at) return [];
  const toc = bytes[at] ?? 0;
  // With frames counted in the second byte, that byte is as constant as the TOC.
  const count = (toc & 3) === 3 ? (bytes[at + 1] ?? 0) & 63 : -1;
  const alike: ((position: number) => boolean)[] = [
    (position) =>
      (bytes[position] === toc || (count < 0 && habits.isUsual(bytes[position] ?? 0))) &&
      (count < 0 || ((bytes[position + 1] ?? 0) & 63) === count),
    (position) => (bytes[position] ?? 0) >> 2 === toc >> 2,
    (position) => ((bytes[position] ?? 0) & 4) === (toc & 4),
  ];
  for (const fits of alike) {
    const starts = [at];
    for (let position = at + 1; position < to && starts.length <= mostCandidates; position++) {
      if (fits(position)) starts.push(position);
    }
    if (starts.length > mostCandidates) return [];
    // By chance a byte of sound looks like the TOC once in 256 times, a pair of bytes hardly ever.
    const chance = count < 0 ? (to - at) / 256 : 0;
    const estimate = (to - at) / Math.max(1, starts.length - chance);
    const size = packets > 0 ? (to - at) / packets : habits.size || estimate;
    const split = cheapestSplit(bytes, starts, to, packets, size, habits);
    if (split.length > 0) return split;
  }
  return [];
}

/** The split at some of the candidate starts whose packet sizes vary least. */
function cheapestSplit(
  bytes: Uint8Array,
  starts: readonly number[],
  to: number,
  packets: number,
  size: number,
  habits: Habits,
): number[] {
  const layers = packets > 0 && packets <= mostCounted ? packets : 1;
  const counted = layers === packets;
  const n = starts.length;
  // cost[layer * (n + 1) + i]: the cheapest way from start i to the end (in so many packets).
  const cost = new Float64Array((layers + 1) * (n + 1)).fill(Number.POSITIVE_INFINITY);
  const next = new Int32Array((layers + 1) * (n + 1));
  const row = (layer: number, i: number) => layer * (n + 1) + i;
  cost[row(counted ? 0 : 1, n)] = 0;
  for (let i = n - 1; i >= 0; i--) {
    const from = starts[i] ?? 0;
    for (let j = i + 1, tried = 0; j <= n && tried < mostEdges; j++, tried++) {
      const end = j < n ? (starts[j] ?? to) : to;
      if (end - from > 6 * longestFrame) break;
      if (opusDuration(bytes, from, end) === 0) continue;
      // Each packet that is one too many must be made up for by chance: a matching byte in 256.
      const surprise = habits.surprise(bytes, from, end, size);
      // A way from start j to the end has at most n - j packets.
      const deepest = counted ? Math.min(layers, n - j + 1) : layers;
      for (let layer = 1; layer <= deepest; layer++) {
        const rest = cost[row(counted ? layer - 1 : layer, j)] ?? Number.POSITIVE_INFINITY;
        const total = rest + surprise;
        if (total < (cost[row(layer, i)] ?? 0)) {
          cost[row(layer, i)] = total;
          next[row(layer, i)] = j;
        }
      }
    }
  }
  if (!Number.isFinite(cost[row(layers, 0)] ?? Number.POSITIVE_INFINITY)) return [];
  const lengths: number[] = [];
  for (let i = 0, layer = layers; i < n; ) {
    const j = next[row(layer, i)] ?? n;
    lengths.push((j < n ? (starts[j] ?? to) : to) - (starts[i] ?? 0));
    if (counted) layer--;
    i = j;
  }
  return lengths;
}
