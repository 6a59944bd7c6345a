/**
 * ALAC (Apple Lossless) as a sample codec: frames have no length, so their entropy code is read to
 * the end. Its adaptation depends on the coded residuals alone, never on the predicted sound, so
 * nothing has to be decoded.
 *
 * Facts: the format as published by Apple (ALACMagicCookieDescription, adaptive Golomb coding).
 */
import { BitReader } from './bit-reader.ts';
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { soundCodec } from './sound-codec.ts';

export interface AlacConfig {
  readonly frameLength: number;
  readonly bitDepth: number;
  readonly historyMult: number;
  readonly initialHistory: number;
  readonly riceLimit: number;
  readonly channels: number;
  readonly rate: number;
}

/** Reads the magic cookie: 24 bytes, after version and flags in MP4. */
export function parseAlacConfig(cookie: Uint8Array): AlacConfig | null {
  if (cookie.length < 24) return null;
  const view = new DataView(cookie.buffer, cookie.byteOffset, cookie.byteLength);
  const config = {
    frameLength: view.getUint32(0),
    bitDepth: view.getUint8(5),
    historyMult: view.getUint8(6),
    initialHistory: view.getUint8(7),
    riceLimit: view.getUint8(8),
    channels: view.getUint8(9),
    rate: view.getUint32(20),
  };
  const sane =
    config.frameLength >= 1 &&
    config.frameLength <= 65536 &&
    [16, 20, 24, 32].includes(config.bitDepth) &&
    config.channels >= 1 &&
    config.channels <= 8 &&
    config.riceLimit <= 31 &&
    config.rate > 0;
  return sane ? config : null;
}

/** Makes the codec from the `alac` box inside its sample entry; null when it is damaged. */
export function alacFromConfig(box: Uint8Array): SampleCodec | null {
  // QuickTime's `wave` holds the same box with version and flags.
  const config = parseAlacConfig(box.subarray(4)) ?? parseAlacConfig(box);
  return config ? alacCodec(config) : null;
}

export function alacCodec(config: AlacConfig): SampleCodec {
  const maxSampleBytes =
    Math.ceil((config.frameLength * config.channels * (config.bitDepth + 1)) / 8) + 64;
  const parser = new AlacFrameParser(config);
  return soundCodec({
    codec: 'alac',
    framing: 'measured',
    maxSampleBytes,
    rate: config.rate,
    usualDuration: config.frameLength,
    channels: config.channels,
    measure(bytes, at, end, facts) {
      const window = bytes.subarray(at, Math.min(end, at + maxSampleBytes));
      const length = parser.measure(window);
      if (length > window.length) return window.length < maxSampleBytes ? needsMore : notASample;
      facts.duration = parser.samples;
      return length;
    },
  });
}

const tagSingle = 0;
const tagPair = 1;
const tagLfe = 3;
const tagData = 4;
const tagFill = 6;
const tagEnd = 7;

class AlacFrameParser {
  /** Sound samples per channel of the frame measured last. */
  samples = 0;
  private readonly reader = new BitReader();
  private readonly config: AlacConfig;

  constructor(config: AlacConfig) {
    this.config = config;
  }

  /** Bytes of the frame that begins the window; more than it holds when cut; 0 when none. */
  measure(window: Uint8Array): number {
    const reader = this.reader.reset(window);
    this.samples = 0;
    let channels = 0;
    while (!reader.overrun) {
      const tag = reader.bits(3);
      if (tag === tagEnd) {
        if (channels !== this.config.channels && !reader.overrun) return 0;
        reader.align();
        return reader.at / 8;
      }
      if (tag === tagData || tag === tagFill) {
        this.skipExtra(tag);
        continue;
      }
      if (tag !== tagSingle && tag !== tagPair && tag !== tagLfe) return 0;
      const here = tag === tagPair ? 2 : 1;
      channels += here;
      if (channels > this.config.channels) return 0;
      if (!this.skipElement(here) && !reader.overrun) return 0;
    }
    return window.length + 1;
  }

  private skipExtra(tag: number): void {
    const { reader } = this;
    if (tag === tagData) {
      reader.skip(4);
      const aligned = reader.flag();
      let count = reader.bits(8);
      if (count === 255) count += reader.bits(8);
      if (aligned) reader.align();
      reader.skip(8 * count);
    } else {
      let count = reader.bits(4);
      if (count === 15) count += reader.bits(8) - 1;
      reader.skip(8 * count);
    }
  }

  private skipElement(channels: number): boolean {
    const { reader, config } = this;
    reader.skip(4);
    if (reader.bits(12) !== 0) return false;
    const partial = reader.flag();
    const shiftedBytes = reader.bits(2);
    const raw = reader.flag();
    const samples = partial ? reader.bits(32) : config.frameLength;
    if (samples > config.frameLength || shiftedBytes === 3) return false;
    if (this.samples !== 0 && this.samples !== samples) return false;
    this.samples = samples;
    if (raw) {
      reader.skip(samples * channels * config.bitDepth);
      return shiftedBytes === 0;
    }
    reader.skip(16); // how the channels are mixed
    const factors = [0, 0];
    for (let channel = 0; channel < channels; channel++) {
      const mode = reader.bits(4);
      reader.skip(4);
      factors[channel] = reader.bits(3);
      const coefficients = reader.bits(5);
      if (mode !== 0 && mode !== 15) return false;
      reader.skip(16 * coefficients);
    }
    reader.skip(samples * channels * shiftedBytes * 8);
    const depth = config.bitDepth - 8 * shiftedBytes + (channels === 2 ? 1 : 0);
    for (let channel = 0; channel < channels; channel++) {
      if (!this.skipResiduals(samples, depth, factors[channel] ?? 0)) return false;
    }
    return true;
  }

  /** Adaptive Golomb codes of one channel. */
  private skipResiduals(samples: number, depth: number, factor: number): boolean {
    const { reader, config } = this;
    const mult = (config.historyMult * factor) >> 2;
    const limit = config.riceLimit;
    let history = config.initialHistory;
    let zeroMode = 0;
    for (let n = 0; n < samples; ) {
      if (reader.overrun) return false;
      const k = Math.min(31 - Math.clz32((history >> 9) + 3), limit);
      const value = this.takeCode(k, 2 ** k - 1, depth);
      n++;
      history = mult * (value + zeroMode) + history - Math.floor((mult * history) / 512);
      if (value > 0xffff) history = 0xffff;
      zeroMode = 0;
      if (history * 4 < 512 && n < samples) {
        const zerosK = Math.clz32(history) - 24 + ((history + 16) >> 6);
        const run = this.takeCode(zerosK, (2 ** zerosK - 1) & (2 ** limit - 1), 16);
        n += run;
        if (n > samples) return false;
        zeroMode = run >= 65535 ? 0 : 1;
        history = 0;
      }
    }
    return true;
  }

  /** One code: up to 8 ones, a zero, k bits of which the last is only there for values from 2. */
  private takeCode(k: number, multiplier: number, escapeBits: number): number {
    const { reader } = this;
    const ones = reader.ones(9);
    if (ones === 9) return reader.bits(escapeBits);
    if (k <= 1) return ones * multiplier;
    const high = reader.bits(k - 1);
    if (high === 0) return ones * multiplier;
    return ones * multiplier + 2 * high + reader.bit() - 1;
  }
}
