/**
 * The layout of uncompressed sound by its values: those that follow each other are alike, in the
 * right layout more than in any other.
 */
import type { FoundSound, SoundRun } from './sound-search.ts';

interface Layout {
  readonly format: string;
  /** Bytes of one value. */
  readonly width: number;
  /** Bits as the sample entry tells them. */
  readonly bits: number;
  readonly read: (view: DataView, at: number) => number;
}

const layouts: readonly Layout[] = [
  { format: 'sowt', width: 2, bits: 16, read: (view, at) => view.getInt16(at, true) / 2 ** 15 },
  { format: 'twos', width: 2, bits: 16, read: (view, at) => view.getInt16(at) / 2 ** 15 },
  {
    format: 'in24',
    width: 3,
    bits: 24,
    read: (view, at) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 2 ** 23,
  },
  { format: 'fl32', width: 4, bits: 32, read: (view, at) => view.getFloat32(at, true) },
  { format: 'in32', width: 4, bits: 32, read: (view, at) => view.getInt32(at, true) / 2 ** 31 },
];

// Half a second is enough, the same of it for every layout; silence has none.
const mostBytes = 96_000;
const leastFits = 0.6;
const mostRough = 1.2;
const mostSmooth = 0.7;

/** The likeliest layout of PCM in these runs; null when they hold no sound that is smooth. */
export function findPcm(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  let best: { layout: Layout; channels: number; roughness: number } | null = null;
  let areFloats = false;
  for (const layout of layouts) {
    for (const channels of [2, 1]) {
      const frame = layout.width * channels;
      // Quiet sound looks like a picture now and then, which leaves runs that are no whole frames.
      const fitting = runs.filter(([at, end]) => (end - at) % frame === 0);
      if (fitting.length < runs.length * leastFits) continue;
      const roughness = roughnessOf(bytes, fitting, layout, channels);
      if (channels === 1 && isInPairs(bytes, fitting, layout)) continue;
      // Whole numbers are no floats that a sound has; floats are whole numbers, and loud ones.
      if (layout.format === 'fl32' && roughness <= mostRough) areFloats = true;
      if (layout.format === 'in32' && (areFloats || isTwoNarrow(bytes, fitting, channels)))
        continue;
      // One channel is a little rough as two, two are very rough as one. Two narrow values look like
      // a wide one whose low half does not matter, never the other way round.
      const isWider = best !== null && layout.width > best.layout.width;
      if (best && roughness >= best.roughness * (isWider ? 0.6 : 0.98)) continue;
      best = { layout, channels, roughness };
    }
  }
  if (!best || best.roughness > mostRough) return null;
  const { layout, channels } = best;
  const isPlain = layout.width === 2;
  // QuickTime keeps the byte order of wider values in `wave`: `enda` of 1 is little endian.
  const order = Uint8Array.of(0, 0, 0, 10, ...[...'enda'].map((c) => c.charCodeAt(0)), 0, 1);
  return {
    format: layout.format,
    channels,
    bits: isPlain ? 16 : layout.bits,
    rates: [48_000, 44_100, 96_000, 32_000, 16_000],
    frameTicks: 1,
    counts: runs.map(([at, end]) => Math.floor((end - at) / (layout.width * channels))),
    setup: () => (isPlain ? null : ['wave', order]),
  };
}

/** The low half of a wide value is noise; where it is as smooth as sound, it is a value of its own. */
function isTwoNarrow(bytes: Uint8Array, runs: readonly SoundRun[], channels: number): boolean {
  const [narrow] = layouts;
  return narrow !== undefined && roughnessOf(bytes, runs, narrow, 2 * channels) < mostSmooth;
}

/**
 * One voice on two channels is smoother still when they are read as one: then the steps from the left to
 * the right value are far smaller than those from the right one to the next left one.
 */
function isInPairs(bytes: Uint8Array, runs: readonly SoundRun[], layout: Layout): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { width, read } = layout;
  const mostValues = mostBytes / width / 2;
  let [inside, between, values] = [0, 0, 0];
  for (const [at, end] of runs) {
    for (let place = at; place + 3 * width <= end && values < mostValues; place += 2 * width) {
      const right = read(view, place + width);
      inside += Math.abs(right - read(view, place));
      between += Math.abs(read(view, place + 2 * width) - right);
      values += 1;
    }
  }
  return inside < between * 0.5;
}

/** The mean difference of neighbours in a channel by the mean size of a value: about 1.4 for noise. */
function roughnessOf(
  bytes: Uint8Array,
  runs: readonly SoundRun[],
  layout: Layout,
  channels: number,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const step = layout.width * channels;
  const mostValues = mostBytes / layout.width;
  let differences = 0;
  let sizes = 0;
  let values = 0;
  for (const [at, end] of runs) {
    for (let place = at; place + step + layout.width <= end && values < mostValues; values += 1) {
      const value = layout.read(view, place);
      const next = layout.read(view, place + step);
      // What no sound reaches is the pattern of other bytes.
      if (!(Math.abs(value) <= 4) || !(Math.abs(next) <= 4)) return Number.POSITIVE_INFINITY;
      differences += Math.abs(next - value);
      sizes += Math.abs(value);
      place += layout.width;
    }
  }
  return sizes < values * 1e-6 ? Number.POSITIVE_INFINITY : differences / sizes;
}
