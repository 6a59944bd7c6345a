/**
 * The beginning of a CELT frame of Opus (RFC 6716 §4.3, table 56): flags, coarse energies, time-frequency
 * resolution, spread, boosts and trim, as symbols with the chance that any bytes give them.
 *
 * Any bytes can be read so. What tells a frame from them is that its symbols are not spread as chance
 * spreads them: the two channels rise together, the trim stays, boosts are rare (opus-habits.ts).
 */
import { RangeDecoder } from './range-decoder.ts';

/** Bands of a whole spectrum; channels of one stream (RFC 6716 §4.3, table 55). */
const bands = 21;
const channelsAtMost = 2;

/** Kinds of symbols; those of a band have `+ band`. */
const kinds = { silence: 0, pitch: 1, octave: 2, tapset: 3, transient: 4, intra: 5 } as const;
const resolution = 6;
const select = resolution + bands;
const spread = select + 1;
const trim = spread + 1;
const boost = trim + 1;
const energy = boost + bands;
/** Energies are told apart by that of the other channel: none, or -3 and less … 3 and more. */
const others = 8;
/** How many kinds there are. */
export const symbolKinds = energy + bands * others;

const mostSymbols = 192;

/** Sorts of frames: what their flags say. */
export const frameSorts = 4;
/** Kinds of symbols from here on are of those behind the flags. */
export const firstBehindFlags = resolution;

/** Edges of the bands in steps of 200 Hz (RFC 6716 table 55). */
const edges = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 60, 78, 100,
] as const;
/** Bands that each bandwidth has, narrow to full (RFC 6716 §4.3). */
const bandsOf = [13, 17, 19, 21] as const;

/**
 * Coarse energy: the chance of no change and its decay, each in parts of 256, band by band; for frames
 * of 2.5, 5, 10 and 20 ms, each between frames and within one (RFC 6716 §4.3.2.1, e_prob_model).
 */
// biome-ignore format: one model a line
const energyModels: readonly (readonly number[])[] = [
  [72, 127, 65, 129, 66, 128, 65, 128, 64, 128, 62, 128, 64, 128, 64, 128, 92, 78, 92, 79, 92, 78, 90, 79, 116, 41, 115, 40, 114, 40, 132, 26, 132, 26, 145, 17, 161, 12, 176, 10, 177, 11],
  [24, 179, 48, 138, 54, 135, 54, 132, 53, 134, 56, 133, 55, 132, 55, 132, 61, 114, 70, 96, 74, 88, 75, 88, 87, 74, 89, 66, 91, 67, 100, 59, 108, 50, 120, 40, 122, 37, 97, 43, 78, 50],
  [83, 78, 84, 81, 88, 75, 86, 74, 87, 71, 90, 73, 93, 74, 93, 74, 109, 40, 114, 36, 117, 34, 117, 34, 143, 17, 145, 18, 146, 19, 162, 12, 165, 10, 178, 7, 189, 6, 190, 8, 177, 9],
  [23, 178, 54, 115, 63, 102, 66, 98, 69, 99, 74, 89, 71, 91, 73, 91, 78, 89, 86, 80, 92, 66, 93, 64, 102, 59, 103, 60, 104, 60, 117, 52, 123, 44, 138, 35, 133, 31, 97, 38, 77, 45],
  [61, 90, 93, 60, 105, 42, 107, 41, 110, 45, 116, 38, 113, 38, 112, 38, 124, 26, 132, 27, 136, 19, 140, 20, 155, 14, 159, 16, 158, 18, 170, 13, 177, 10, 187, 8, 192, 6, 175, 9, 159, 10],
  [21, 178, 59, 110, 71, 86, 75, 85, 84, 83, 91, 66, 88, 73, 87, 72, 92, 75, 98, 72, 105, 58, 107, 54, 115, 52, 114, 55, 112, 56, 129, 51, 132, 40, 150, 33, 140, 29, 98, 35, 77, 42],
  [42, 121, 96, 66, 108, 43, 111, 40, 117, 44, 123, 32, 120, 36, 119, 33, 127, 33, 134, 34, 139, 21, 147, 23, 152, 20, 158, 25, 154, 26, 166, 21, 173, 16, 184, 13, 184, 10, 150, 13, 139, 15],
  [22, 178, 63, 114, 74, 82, 84, 83, 92, 82, 103, 62, 96, 72, 96, 67, 101, 73, 107, 72, 113, 55, 118, 52, 125, 52, 118, 52, 117, 55, 135, 49, 137, 39, 157, 32, 145, 29, 97, 33, 77, 40],
];

/**
 * The most bits of a band as the allocation has it, band by band; for each length of frames with one
 * channel and two (RFC 6716 §4.3.3, cache_caps50).
 */
// biome-ignore format: one row a line
const mostBits: readonly (readonly number[])[] = [
  [224, 224, 224, 224, 224, 224, 224, 224, 160, 160, 160, 160, 185, 185, 185, 178, 178, 168, 134, 61, 37],
  [224, 224, 224, 224, 224, 224, 224, 224, 240, 240, 240, 240, 207, 207, 207, 198, 198, 183, 144, 66, 40],
  [160, 160, 160, 160, 160, 160, 160, 160, 185, 185, 185, 185, 193, 193, 193, 183, 183, 172, 138, 64, 38],
  [240, 240, 240, 240, 240, 240, 240, 240, 207, 207, 207, 207, 204, 204, 204, 193, 193, 180, 143, 66, 40],
  [185, 185, 185, 185, 185, 185, 185, 185, 193, 193, 193, 193, 193, 193, 193, 183, 183, 172, 138, 65, 39],
  [207, 207, 207, 207, 207, 207, 207, 207, 204, 204, 204, 204, 201, 201, 201, 188, 188, 176, 141, 66, 40],
  [193, 193, 193, 193, 193, 193, 193, 193, 193, 193, 193, 193, 194, 194, 194, 184, 184, 173, 139, 65, 39],
  [204, 204, 204, 204, 204, 204, 204, 204, 201, 201, 201, 201, 198, 198, 198, 187, 187, 175, 140, 66, 40],
];

/** Where resolution is chosen at all: pairs that differ by `tf_select` (RFC 6716 §4.3.4.5). */
const resolutions: readonly (readonly number[])[] = [
  [0, -1, 0, -1, 0, -1, 0, -1],
  [0, -1, 0, -2, 1, 0, 1, -1],
  [0, -2, 0, -3, 2, 0, 1, -1],
  [0, -2, 0, -3, 3, 0, 1, -1],
];

const tapsets = [2, 1, 0];
const smallEnergies = [2, 1, 0];
const spreads = [25, 23, 2, 0];
const trims = [126, 124, 119, 109, 87, 41, 19, 9, 4, 2, 0];

/** Reads heads of frames, one at a time, into its own columns: `count` symbols of each are valid. */
export class CeltHead {
  count = 0;
  /** What sort of frame it is, below `frameSorts`: with a post-filter or not, transient or not. */
  sort = 0;
  /** What each symbol says, below `symbolKinds`. */
  readonly kinds = new Uint16Array(mostSymbols);
  readonly values = new Int16Array(mostSymbols);
  /** The chance that the coder's own model gives it, 0 … 1. */
  readonly chances = new Float64Array(mostSymbols);
  /** Bits of the frame read when the symbol was. */
  readonly tells = new Uint16Array(mostSymbols);
  private readonly coder = new RangeDecoder();
  private readonly changes = new Int16Array(bands);
  private bits = 0;
  private isTransient = false;

  /**
   * Reads the frame that fills bytes `from` … `to`.
   *
   * @param toc  the packet's first byte; its configuration is one of CELT alone (16 … 31)
   */
  read(bytes: Uint8Array, from: number, to: number, toc: number): void {
    const length = (toc >> 3) & 3;
    const end = bandsOf[(toc >> 5) & 3] ?? bands;
    const channels = toc & 4 ? channelsAtMost : 1;
    this.count = 0;
    this.sort = 0;
    this.bits = (to - from) * 8;
    this.coder.reset(bytes, from, to);
    if (this.flag(kinds.silence, 15)) return;
    this.pitch();
    this.isTransient = length > 0 && this.has(3) && this.flag(kinds.transient, 3);
    if (this.isTransient) this.sort += 1;
    const isIntra = this.has(3) && this.flag(kinds.intra, 3);
    const model = energyModels[2 * length + (isIntra ? 1 : 0)] ?? [];
    for (let band = 0; band < end; band += 1) {
      this.energy(band, 0, model);
      if (channels > 1) this.energy(band, 1, model);
    }
    this.resolution(length, end);
    if (this.has(4)) this.symbol(spread, spreads, 5);
    this.boosts(length, end, channels);
  }

  /** So many bits are left. */
  private has(bits: number): boolean {
    return this.coder.tell + bits <= this.bits;
  }

  private put(kind: number, value: number, chance: number): void {
    if (this.count === mostSymbols) return;
    this.kinds[this.count] = kind;
    this.values[this.count] = value;
    this.chances[this.count] = chance;
    this.tells[this.count] = this.coder.tell;
    this.count += 1;
  }

  private flag(kind: number, rarity: number): boolean {
    const isSet = this.coder.flag(rarity);
    this.put(kind, isSet ? 1 : 0, isSet ? 2 ** -rarity : 1 - 2 ** -rarity);
    return isSet;
  }

  private symbol(kind: number, inverse: readonly number[], bits: number): void {
    const value = this.coder.symbol(inverse, bits);
    const above = value > 0 ? (inverse[value - 1] ?? 0) : 2 ** bits;
    this.put(kind, value, (above - (inverse[value] ?? 0)) / 2 ** bits);
  }

  /** The post-filter (§4.3.7.1): its period and gain are raw bits. */
  private pitch(): void {
    if (!this.has(16) || !this.flag(kinds.pitch, 1)) return;
    this.sort += 2;
    const octave = this.coder.uniform(6);
    this.put(kinds.octave, octave, 1 / 6);
    this.coder.skipRaw(4 + octave + 3);
    if (this.has(2)) this.symbol(kinds.tapset, tapsets, 2);
  }

  /** One change of coarse energy, in steps of 6 dB (§4.3.2.1). */
  private energy(band: number, channel: number, model: readonly number[]): void {
    const left = this.bits - this.coder.tell;
    const first = this.changes[band] ?? 0;
    const other = channel === 0 ? 0 : 4 + Math.max(-3, Math.min(3, first));
    const kind = energy + band * others + other;
    if (left >= 15) {
      const zero = (model[2 * band] ?? 0) << 7;
      const decay = (model[2 * band + 1] ?? 0) << 6;
      const value = this.coder.laplace(zero, decay);
      this.put(kind, value, this.coder.chance);
      if (channel === 0) this.changes[band] = value;
      return;
    }
    // A frame without room says less, and nothing that tells it from other bytes.
    if (left >= 2) this.coder.symbol(smallEnergies, 2);
    else if (left === 1) this.coder.flag(1);
    this.changes[band] = 0;
  }

  /** Time-frequency resolution (§4.3.1). */
  private resolution(length: number, end: number): void {
    let rarity = this.isTransient ? 2 : 4;
    const mayChoose = length > 0 && this.has(rarity + 1);
    const reserved = mayChoose ? 1 : 0;
    let isOn = false;
    let isChanged = false;
    for (let band = 0; band < end; band += 1) {
      if (this.has(rarity + reserved) && this.flag(resolution + band, rarity)) isOn = !isOn;
      isChanged ||= isOn;
      rarity = this.isTransient ? 4 : 5;
    }
    const row = resolutions[length] ?? [];
    const column = (this.isTransient ? 4 : 0) + (isChanged ? 1 : 0);
    if (mayChoose && row[column] !== row[column + 2]) this.flag(select, 1);
  }

  /** Boosts of bands, of which the first step tells most, and the trim (§4.3.3). */
  private boosts(length: number, end: number, channels: number): void {
    let eighths = this.bits * 8;
    let rarity = 6;
    for (let band = 0; band < end; band += 1) {
      const width = (channels * ((edges[band + 1] ?? 0) - (edges[band] ?? 0))) << length;
      const cap = ((mostBits[2 * length + channels - 1]?.[band] ?? 0) + 64) * width;
      const step = Math.min(width * 8, Math.max(48, width));
      let given = 0;
      for (let cost = rarity; given * 4 < cap; cost = 1) {
        if (this.coder.tellEighths + cost * 8 >= eighths) break;
        const isMore = given === 0 ? this.flag(boost + band, cost) : this.coder.flag(cost);
        if (!isMore) break;
        given += step;
        eighths -= step;
      }
      if (given > 0) rarity = Math.max(2, rarity - 1);
    }
    if (this.coder.tellEighths + 48 <= eighths) this.symbol(trim, trims, 7);
  }
}
