/**
 * VP9 as a sample codec (VP9 Bitstream and Decoding Process Specification §6, Annex B).
 *
 * A frame says how it begins and not where it ends. But its beginning is unmistakable: the compressed
 * header has to be read to its end in exactly the bytes it claims. And its end is nearly so: encoders
 * flush their arithmetic coder with more bits than are pending, so every frame of libvpx ends in some
 * zero bits, eight as a rule; frames that are not shown travel in a superframe, whose index stands at its end.
 */
import { BitReader } from './bit-reader.ts';
import { BoolReader } from './bool-reader.ts';
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { pictureBound, videoCodec } from './video-codec.ts';

/**
 * Makes the codec from `vpcC` (VP Codec ISO Media File Format Binding, versions 0 and 1: the profile comes
 * first). Without that box any profile is taken.
 */
export function vp9FromConfig(
  vpcC: Uint8Array | undefined,
  width: number,
  height: number,
): SampleCodec {
  const profile = vpcC?.[4] ?? -1;
  return vp9Codec(width, height, profile > 3 ? -1 : profile);
}

/** Makes the codec for pictures of a size, 0 where it is not known, and of a profile, -1 likewise. */
export function vp9Codec(width: number, height: number, profile = -1): SampleCodec {
  const maxSampleBytes = pictureBound(width, height);
  const frame = new FrameHead(width, height, profile);
  const base = videoCodec({
    codec: 'vp9',
    framing: 'guessed',
    maxSampleBytes,
    width,
    height,
    measure(bytes, at, end, facts, atEnd) {
      if (at >= end || !frame.begins(bytes, at, end)) return notASample;
      facts.sync = frame.key;
      facts.shown = frame.shown;
      facts.soFar = frame.least;
      if (!atEnd) return needsMore;
      return end - at <= maxSampleBytes ? end - at : notASample;
    },
    isStart: (bytes, at, end) => at + 10 <= end && frame.begins(bytes, at, end),
  });
  return {
    ...base,
    isSureStart: (bytes, at, end) =>
      frame.begins(bytes, at, end) && frame.whole && frame.least < maxSampleBytes,
    endSurprise(bytes, at, end) {
      if (superframeIndex(bytes, at, end) > 0) return 0;
      return isShown(bytes[at] ?? 0) ? flushSurprise(bytes, end) : Number.POSITIVE_INFINITY;
    },
  };
}

/** What a key frame says of itself, as `vpcC` does. */
export interface Vp9Format {
  readonly width: number;
  readonly height: number;
  readonly profile: number;
  readonly depth: number;
  /** 4:2:0 or 4:4:4 as `vpcC` counts them; of others the decoder reads what the frame says. */
  readonly subsampling: number;
}

/** The format of the key frame that begins at `at`; null when none does, or it is not all there. */
export function vp9KeyFrame(bytes: Uint8Array, at: number, end: number): Vp9Format | null {
  // The sync code stands at a byte in all profiles but 3. Asked at every byte of a head: this costs least.
  if (bytes[at + 1] !== 0x49 || bytes[at + 2] !== 0x83 || bytes[at + 3] !== 0x42) return null;
  const frame = new FrameHead(0, 0, -1);
  return frame.begins(bytes, at, end) && frame.whole && frame.key ? frame.format() : null;
}

/** `show_frame` by a frame's first byte; a bit further down in profile 3. */
function isShown(first: number): boolean {
  return (first & ((first & 0x30) === 0x30 ? 1 : 2)) !== 0;
}

const bits = new BitReader();
const bool = new BoolReader();
const largestHead = 256;

/** The headers of one frame; reused. */
class FrameHead {
  key = false;
  shown = true;
  /** A frame decoded before is shown: one byte, or two. */
  existing = false;
  /** Both headers were there and read to their ends. */
  whole = false;
  /** Bytes before the last tile, at least: headers and the tiles that say their size. */
  least = 0;
  private readonly width: number;
  private readonly height: number;
  private readonly wanted: number;
  private profile = 0;
  private size: readonly [number, number] = [0, 0];
  private depth = 8;
  private subsampling = 1;
  private intra = false;
  private lossless = false;
  private switchable = false;
  private precise = false;
  private mayCompound = false;

  constructor(width: number, height: number, profile: number) {
    this.width = width;
    this.height = height;
    this.wanted = profile;
  }

  format(): Vp9Format {
    const { profile, depth, subsampling } = this;
    const [width, height] = this.size;
    return { width, height, profile, depth, subsampling };
  }

  /** Reads the headers at `at`; false when no frame of this stream begins there. */
  begins(bytes: Uint8Array, at: number, end: number): boolean {
    const first = bytes[at] ?? 0;
    this.whole = false;
    this.least = 1;
    if (at >= end || first >> 6 !== 2) return false;
    bits.reset(bytes, at, Math.min(end, at + largestHead));
    bits.skip(2);
    this.profile = bits.bit() | (bits.bit() << 1);
    if (this.wanted >= 0 && this.profile !== this.wanted) return false;
    if (this.profile === 3 && bits.flag()) return false;
    this.existing = bits.flag();
    if (this.existing) {
      [this.key, this.shown, this.intra] = [false, true, false];
      this.least = this.profile === 3 ? 2 : 1;
      return true;
    }
    const tiles = this.readFrame();
    const headerSize = bits.bits(16);
    const startsAt = (bits.at + 7) >> 3;
    const padding = bits.bits(startsAt * 8 - bits.at);
    if (tiles < 0 || padding !== 0) return false;
    // Cut off inside its headers, a frame is believed as far as it goes.
    if (startsAt > end) return at + 4 < end;
    if (headerSize === 0) return false;
    if (startsAt + headerSize > end) return true;
    if (!this.readCompressed(bytes, startsAt, startsAt + headerSize)) return false;
    this.whole = true;
    this.least = this.skipTiles(bytes, startsAt + headerSize, end, tiles) - at;
    return true;
  }

  /** `uncompressed_header` (§6.2) up to the size of the compressed one; the number of tiles or -1. */
  private readFrame(): number {
    this.key = !bits.flag();
    this.shown = bits.flag();
    const resilient = bits.flag();
    let [width, height] = [this.width, this.height];
    [this.precise, this.switchable, this.mayCompound] = [false, false, false];
    if (this.key) {
      if (bits.bits(24) !== syncCode || !this.skipColour()) return -1;
      [width, height] = [bits.bits(16) + 1, bits.bits(16) + 1];
      this.size = [width, height];
      skipRenderSize();
      this.intra = true;
    } else {
      this.intra = this.shown ? false : bits.flag();
      const reset = resilient ? 0 : bits.bits(2);
      // What was learned is forgotten with frames that need no other; a shifted header says it often.
      if (!this.intra && reset !== 0) return -1;
      if (this.intra) {
        if (bits.bits(24) !== syncCode || (this.profile > 0 && !this.skipColour())) return -1;
        bits.skip(8);
        [width, height] = [bits.bits(16) + 1, bits.bits(16) + 1];
        skipRenderSize();
      } else {
        const size = this.readReferences(width, height);
        if (!size) return -1;
        [width, height] = size;
      }
    }
    if (this.width > 0 && this.key && (width !== this.width || height !== this.height)) return -1;
    bits.skip(resilient ? 2 : 4);
    skipLoopFilter();
    this.readQuantiser();
    skipSegmentation();
    return this.readTiles(width);
  }

  private skipColour(): boolean {
    this.depth = this.profile < 2 ? 8 : bits.flag() ? 12 : 10;
    const rgb = bits.bits(3) === 7;
    const sampled = this.profile === 1 || this.profile === 3;
    this.subsampling = sampled ? 3 : 1;
    if (!rgb) bits.skip(1);
    else if (!sampled) return false;
    if (!sampled) return true;
    if (!rgb) bits.skip(2);
    return !bits.flag();
  }

  private readReferences(width: number, height: number): readonly [number, number] | null {
    bits.skip(8);
    const signs = [0, 0, 0].map(() => {
      bits.skip(3);
      return bits.bit();
    });
    this.mayCompound = signs[1] !== signs[0] || signs[2] !== signs[0];
    const found = bits.flag() || bits.flag() || bits.flag();
    const size = found
      ? ([width, height] as const)
      : ([bits.bits(16) + 1, bits.bits(16) + 1] as const);
    skipRenderSize();
    // Encoders that are short of time make pictures smaller in between, never larger.
    if (width > 0 && (size[0] > width || size[1] > height)) return null;
    this.precise = bits.flag();
    this.switchable = bits.flag();
    if (!this.switchable) bits.skip(2);
    return size;
  }

  private readQuantiser(): void {
    let plain = bits.bits(8) === 0;
    for (let n = 0; n < 3; n += 1) {
      if (!bits.flag()) continue;
      plain = false;
      bits.skip(5);
    }
    this.lossless = plain;
  }

  private readTiles(width: number): number {
    const blocks = (width + 63) >> 6;
    let least = 0;
    while (64 << least < blocks) least += 1;
    let most = 1;
    while (blocks >> most >= 4) most += 1;
    most -= 1;
    let columns = least;
    while (columns < most && bits.flag()) columns += 1;
    const rows = bits.flag() ? 1 + bits.bit() : 0;
    return 1 << (columns + rows);
  }

  /** Every tile but the last says its size in four bytes; where the last one begins. */
  private skipTiles(bytes: Uint8Array, from: number, end: number, tiles: number): number {
    let at = from;
    for (let tile = 1; tile < tiles && at + 4 <= end; tile += 1) {
      const size =
        (bytes[at] ?? 0) * 2 ** 24 +
        (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
      at += 4 + size;
    }
    return at;
  }

  /** `compressed_header` (§6.3): true when it takes the bytes it claims and not one more or less. */
  private readCompressed(bytes: Uint8Array, from: number, to: number): boolean {
    if (!bool.reset(bytes, from, to)) return false;
    let mode = 0;
    if (!this.lossless) {
      mode = bool.literal(2);
      if (mode === 3) mode += bool.literal(1);
    }
    if (mode === 4) updates(2 + 4 + 6);
    for (let size = 0; size <= Math.min(mode, 3); size += 1)
      if (bool.literal(1) === 1) updates(396);
    updates(3);
    if (!this.intra && !bool.overrun) this.readInter();
    return bool.isSpent();
  }

  private readInter(): void {
    updates(21 + (this.switchable ? 8 : 0) + 4);
    let [single, compound] = [true, false];
    if (this.mayCompound && bool.literal(1) === 1) {
      compound = true;
      single = bool.literal(1) === 1;
    }
    if (single && compound) updates(5);
    if (single) updates(10);
    if (compound) updates(5);
    updates(36 + 48);
    vectorUpdates(3 + 2 * 22 + 2 * 9 + (this.precise ? 4 : 0));
  }
}

const syncCode = 0x498342;

function skipRenderSize(): void {
  if (bits.flag()) bits.skip(32);
}

function skipLoopFilter(): void {
  bits.skip(9);
  if (!bits.flag() || !bits.flag()) return;
  skipOptional(6, 7);
}

const featureBits = [9, 7, 2, 0] as const;

function skipSegmentation(): void {
  if (!bits.flag()) return;
  if (bits.flag()) {
    skipOptional(7, 8);
    if (bits.flag()) skipOptional(3, 8);
  }
  if (!bits.flag()) return;
  bits.skip(1);
  for (let segment = 0; segment < 8; segment += 1) {
    for (const width of featureBits) skipOptional(1, width);
  }
}

/** Values that are there when the bit in front of them is set. */
function skipOptional(count: number, width: number): void {
  for (let n = 0; n < count; n += 1) if (bits.flag()) bits.skip(width);
}

/** `diff_update_prob` so many times (§6.3.5). */
function updates(count: number): void {
  for (let n = 0; n < count && !bool.overrun; n += 1) if (bool.read(252) === 1) skipTerm();
}

/** `decode_term_subexp` (§6.3.7): classes of 16, 16, 32 and more values. */
function skipTerm(): void {
  for (const width of [4, 4, 5]) {
    if (bool.literal(1) === 1) continue;
    bool.literal(width);
    return;
  }
  if (bool.literal(7) >= 65) bool.literal(1);
}

/** `update_mv_prob` so many times (§6.3.17). */
function vectorUpdates(count: number): void {
  for (let n = 0; n < count && !bool.overrun; n += 1) if (bool.read(252) === 1) bool.literal(7);
}

/** Bytes of the superframe index (Annex B.3) that ends at `end`; 0 when there is none that fits. */
function superframeIndex(bytes: Uint8Array, at: number, end: number): number {
  const marker = bytes[end - 1] ?? 0;
  if ((marker & 0xe0) !== 0xc0) return 0;
  const frames = (marker & 7) + 1;
  const width = ((marker >> 3) & 3) + 1;
  const size = 2 + width * frames;
  if (end - at <= size || bytes[end - size] !== marker) return 0;
  let total = size;
  for (let n = 0; n < frames; n += 1) {
    for (let k = 0; k < width; k += 1) {
      total += (bytes[end - size + 1 + n * width + k] ?? 0) * 2 ** (8 * k);
    }
  }
  return total === end - at ? size : 0;
}

// How often frames of libvpx end in so many zero bits, in 1000: measured on 3,600 frames of 1.12.
const flushes = [0, 25, 45, 65, 75, 95, 50, 110, 125, 95, 75, 55, 45, 25, 60, 15, 10, 8, 5, 5];

/** How unusual it is that zeros of an encoder's flush end before `end`, against any other bytes. */
function flushSurprise(bytes: Uint8Array, end: number): number {
  let zeros = 0;
  while (
    zeros < flushes.length &&
    (((bytes[end - 1 - (zeros >> 3)] ?? 0) >> (zeros & 7)) & 1) === 0
  ) {
    zeros += 1;
  }
  if (zeros === 0) return Number.POSITIVE_INFINITY;
  return -Math.log(((flushes[zeros] ?? 5) / 1000) * 2 ** (zeros + 1));
}
