/**
 * Which sound lies between the pictures of a file whose descriptions are lost: told by the bytes.
 *
 * Given are runs, each a whole number of frames of one or several tracks that look alike. A codec is
 * believed when the runs are cut into its frames without a rest; PCM, of which any bytes may be some,
 * when neighbouring values are as alike as sound is.
 */
import { AacFrameParser } from './aac-frame.ts';
import { alacCodec, parseAlacConfig } from './alac.ts';
import { buildAudioConfig, parseAudioConfig } from './audio-config.ts';
import { searchAudioConfig } from './audio-search.ts';
import type { SampleCodec } from './codec.ts';
import { buildFlacStreamInfo, flacCodec, flacInfoOfFrame } from './flac-frame.ts';
import {
  ac3Codec,
  eac3Codec,
  type MpegAudioFrame,
  mp3Codec,
  readMpegAudioHeader,
} from './mpeg-audio.ts';
import { opusCodec } from './opus.ts';
import { opusPacketTicks } from './opus-packet.ts';
import { findPcm } from './pcm-search.ts';

/** A run of sound: offsets into the bytes that are searched. */
export type SoundRun = readonly [at: number, end: number];

/** Sound that was recognised, with what its sample entry must say. */
export interface FoundSound {
  /** Four-character code of the sample entry. */
  readonly format: string;
  readonly channels: number;
  /** Bits of a sample, for the codecs whose entry tells them; else 16. */
  readonly bits: number;
  /** Rates that fit, the likeliest first: AAC's tables are shared by several. */
  readonly rates: readonly number[];
  /** Samples in a frame; 0 where it varies (Opus), 1 for PCM. */
  readonly frameTicks: number;
  /** Frames in each run. Bytes for PCM, nothing for Opus. */
  readonly counts: readonly number[];
  /** The object type in `esds`, for `mp4a`. */
  readonly objectType?: number;
  /** The payload of the box that sets up the decoder, and its type. */
  readonly setup: (rate: number) => readonly [type: string, payload: Uint8Array] | null;
}

// A run that ends in a false picture, or holds a second kind of sound, does not count as a miss.
const leastFits = 0.6;

/** The kinds of sound in these runs; none when it cannot be told. */
export function findSound(
  bytes: Uint8Array,
  runs: readonly SoundRun[],
  mayBePcm: boolean,
): readonly FoundSound[] {
  if (runs.length === 0) return [];
  const aac = findAac(bytes, runs);
  if (aac.length > 0) return aac;
  for (const find of [findMp3, findAc3, findEac3, findFlac, findAlac, findOpus]) {
    const found = find(bytes, runs);
    if (found) return [found];
  }
  const pcm = mayBePcm ? findPcm(bytes, runs) : null;
  return pcm ? [pcm] : [];
}

function findAac(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound[] {
  const [best] = searchAudioConfig(bytes, runs);
  if (best && best.fits >= leastFits) {
    const { channelConfig, channels } = best.config;
    const parser = new AacFrameParser(best.config);
    const counts = runs.map((run) => countFrames(parser, bytes, run));
    return [aacSound(channelConfig, channels, best.rates, counts)];
  }
  return findTwoAac(bytes, runs);
}

/** A microphone in mono beside a stereo mix: each frame is of the one or the other. */
function findTwoAac(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound[] {
  for (const rates of [[48000, 44100], [32000], [16000], [24000, 22050]]) {
    const parsers = [1, 2].flatMap((layout) => {
      const config = parseAudioConfig(buildAudioConfig(rates[0] ?? 48000, layout));
      return config ? [new AacFrameParser(config)] : [];
    });
    const splits = runs.map((run) => splitInTwo(parsers, bytes, run));
    const fitting = splits.filter((split) => split !== null).length;
    const isMixed = [0, 1].every((kind) => splits.some((split) => (split?.[kind] ?? 0) > 0));
    if (fitting < runs.length * leastFits || !isMixed) continue;
    const kinds = [0, 1].map((kind) =>
      aacSound(
        kind + 1,
        kind + 1,
        rates,
        splits.map((split) => split?.[kind] ?? 0),
      ),
    );
    // The kind that comes first is the first track.
    const first = splits.find((split) => split !== null);
    return first && first[2] === 1 ? kinds.reverse() : kinds;
  }
  return [];
}

/** Frames of each kind in a run, and the kind of the first; null when it is not a whole number. */
function splitInTwo(
  parsers: readonly AacFrameParser[],
  bytes: Uint8Array,
  [at, end]: SoundRun,
): readonly [number, number, number] | null {
  const counts: [number, number, number] = [0, 0, -1];
  for (let position = at; position < end; ) {
    const kind = parsers.findIndex((parser) => {
      const length = parser.measure(bytes, position, end);
      if (length <= 0) return false;
      return position + length === end || begins(parsers, bytes, position + length, end);
    });
    const parser = parsers[kind];
    if (!parser) return null;
    if (counts[2] < 0) counts[2] = kind;
    counts[kind === 0 ? 0 : 1] += 1;
    position += parser.measure(bytes, position, end);
  }
  return counts;
}

const begins = (
  parsers: readonly AacFrameParser[],
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean => parsers.some((parser) => parser.measure(bytes, at, end) > 0);

function aacSound(
  channelConfig: number,
  channels: number,
  rates: readonly number[],
  counts: readonly number[],
): FoundSound {
  return {
    format: 'mp4a',
    objectType: 0x40,
    channels,
    bits: 16,
    rates,
    frameTicks: 1024,
    counts,
    setup: (rate) => ['esds', buildAudioConfig(rate, channelConfig)],
  };
}

function countFrames(parser: AacFrameParser, bytes: Uint8Array, [at, end]: SoundRun): number {
  let count = 0;
  for (let position = at; position < end; count += 1) {
    const length = parser.measure(bytes, position, end);
    if (length <= 0) break;
    position += length;
  }
  return count;
}

/** Frames in each run by a codec that measures; null when too few runs are cut without a rest. */
function fittingCounts(
  codec: SampleCodec,
  bytes: Uint8Array,
  runs: readonly SoundRun[],
): number[] | null {
  let fitting = 0;
  const counts = runs.map(([at, end]) => {
    let position = at;
    let count = 0;
    while (position < end) {
      const length = codec.measure(bytes, position, end, true);
      if (length <= 0) break;
      position += length;
      count += 1;
    }
    if (position === end || (count > 2 && end === bytes.length)) fitting += 1;
    return count;
  });
  return fitting >= runs.length * leastFits ? counts : null;
}

function findMp3(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  const frame: MpegAudioFrame = { length: 0, rate: 0, channels: 0, samples: 0, layer: 0 };
  const start = runs.find(([at]) => readMpegAudioHeader(bytes, at, frame));
  if (!start) return null;
  const { rate, channels, samples } = frame;
  const counts = fittingCounts(mp3Codec(rate, channels), bytes, runs);
  if (!counts) return null;
  const sound = { format: 'mp4a', objectType: rate < 32_000 ? 0x69 : 0x6b, channels, bits: 16 };
  const setup = (): [string, Uint8Array] => ['esds', new Uint8Array(0)];
  return { ...sound, rates: [rate], frameTicks: samples, counts, setup };
}

const ac3Rates = [48_000, 44_100, 32_000];
const ac3Channels = [2, 1, 2, 3, 3, 4, 4, 5];

function findAc3(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  const counts = fittingCounts(ac3Codec(0, 2), bytes, runs);
  const at = runs.find(([from]) => bytes[from] === 0x0b && bytes[from + 1] === 0x77)?.[0];
  if (!counts || at === undefined) return null;
  const [code = 0, id = 0, mode = 0, flags = 0] = bytes.subarray(at + 4, at + 8);
  const layout = mode >> 5;
  // Where the flag for low frequencies stands depends on the layout (ETSI TS 102 366 §4.4.2).
  const skipped = (layout & 1 && layout !== 1 ? 2 : 0) + (layout & 4 ? 2 : 0);
  const word = ((mode << 8) | flags) << 3;
  const lowBit = (word >> (15 - (skipped + (layout === 2 ? 2 : 0)))) & 1;
  const rate = ac3Rates[code >> 6] ?? 48_000;
  const bits =
    ((code >> 6) << 22) |
    ((id >> 3) << 17) |
    ((id & 7) << 14) |
    (layout << 11) |
    (lowBit << 10) |
    (((code & 63) >> 1) << 5);
  const box = Uint8Array.of((bits >> 16) & 255, (bits >> 8) & 255, bits & 255);
  return {
    format: 'ac-3',
    channels: (ac3Channels[layout] ?? 2) + lowBit,
    bits: 16,
    rates: [rate],
    frameTicks: 1536,
    counts,
    setup: () => ['dac3', box],
  };
}

/** E-AC-3: its first frame's header, and from it the box (ETSI TS 102 366 §E.1.2 and §F.6). */
function findEac3(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  const counts = fittingCounts(eac3Codec(0, 2), bytes, runs);
  const at = runs.find(([from]) => bytes[from] === 0x0b && bytes[from + 1] === 0x77)?.[0];
  if (!counts || at === undefined) return null;
  const [high = 0, low = 0, mode = 0, id = 0] = bytes.subarray(at + 2, at + 6);
  const rateCode = mode >> 6;
  const rate = (rateCode < 3 ? ac3Rates[rateCode] : (ac3Rates[(mode >> 4) & 3] ?? 0) / 2) || 48_000;
  const layout = (mode >> 1) & 7;
  const lowFrequencies = mode & 1;
  const kilobits = Math.round((((((high & 7) << 8) | low) + 1) * 16 * rate) / 1536 / 1000);
  const box = Uint8Array.of(
    (kilobits >> 5) & 255,
    (kilobits & 31) << 3,
    (rateCode << 6) | ((id >> 3) << 1),
    (layout << 1) | lowFrequencies,
    0,
  );
  return {
    format: 'ec-3',
    channels: (ac3Channels[layout] ?? 2) + lowFrequencies,
    bits: 16,
    rates: [rate],
    frameTicks: 1536,
    counts,
    setup: () => ['dec3', box],
  };
}

function findFlac(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  for (const [at] of runs.slice(0, 4)) {
    const info = flacInfoOfFrame(bytes, at);
    const counts = info && fittingCounts(flacCodec(info), bytes, runs);
    if (!info || !counts) continue;
    // Version and flags, and the header of the last metadata block: STREAMINFO of 34 bytes.
    const box = Uint8Array.of(0, 0, 0, 0, 0x80, 0, 0, 34, ...buildFlacStreamInfo(info));
    const { rate, channels, bits, maxBlock } = info;
    const sound = { format: 'fLaC', channels, bits, rates: [rate], frameTicks: maxBlock };
    return { ...sound, counts, setup: () => ['dfLa', box] };
  }
  return null;
}

/** ALAC by the settings that its two encoders use. */
function findAlac(bytes: Uint8Array, runs: readonly SoundRun[]): FoundSound | null {
  for (const bits of [16, 24]) {
    for (const channels of [2, 1]) {
      const cookie = (rate: number): Uint8Array => alacCookie(rate, bits, channels);
      const config = parseAlacConfig(cookie(48_000));
      const counts = config && fittingCounts(alacCodec(config), bytes, runs);
      if (!counts) continue;
      return {
        format: 'alac',
        channels,
        bits,
        rates: [48_000, 44_100, 96_000, 32_000],
        frameTicks: 4096,
        counts,
        setup: (rate) => ['alac', Uint8Array.of(0, 0, 0, 0, ...cookie(rate))],
      };
    }
  }
  return null;
}

function alacCookie(rate: number, bits: number, channels: number): Uint8Array {
  const cookie = new Uint8Array(24);
  const view = new DataView(cookie.buffer);
  view.setUint32(0, 4096);
  cookie.set([bits, 40, 10, 14, channels], 5);
  view.setUint16(10, 255);
  view.setUint32(20, rate);
  return cookie;
}

/** Sounds that recorders put beside pictures, the likeliest first, for trials. */
export const usualSounds: readonly FoundSound[] = [
  aacSound(2, 2, [48_000], []),
  aacSound(1, 1, [48_000], []),
  opusSound(2),
  opusSound(1),
  aacSound(6, 6, [48_000], []),
  aacSound(2, 2, [32_000], []),
  aacSound(1, 1, [24_000], []),
  aacSound(1, 1, [16_000], []),
];

/**
 * Opus: every packet lasts equally long, and runs split where one begins again. How it is coded changes
 * with what is heard, from mono to stereo, too.
 */
function findOpus(bytes: Uint8Array, all: readonly SoundRun[]): FoundSound | null {
  // Longer ones are pictures of another codec: splitting those would take seconds.
  const runs = all.filter(([at, end]) => end - at <= longestOpusRun);
  if (runs.length < all.length * 0.9) return null;
  const tally = new Map<number, number>();
  let stereo = 0;
  for (const [at] of runs) {
    const ticks = opusPacketTicks(bytes, at);
    tally.set(ticks, (tally.get(ticks) ?? 0) + 1);
    if ((bytes[at] ?? 0) & 4) stereo += 1;
  }
  const [ticks = 0, most = 0] = [...tally].sort((a, b) => b[1] - a[1])[0] ?? [];
  if (ticks === 0 || runs.length < leastOpusRuns || most < runs.length * 0.9) return null;
  const channels = stereo > runs.length * 0.05 ? 2 : 1;
  const codec = opusCodec(channels);
  const split = runs.filter(([at, end]) => (codec.splitRun?.(bytes, at, end, 0).length ?? 0) > 0);
  return split.length < runs.length * 0.9 ? null : opusSound(channels);
}

// Two seconds of the highest rate.
const longestOpusRun = 128 * 1024;

// A quarter of all bytes begin packets of the usual length: not so many runs by chance.
const leastOpusRuns = 12;

function opusSound(channels: number): FoundSound {
  // The usual lookahead of the encoder, 6.5 ms, is skipped.
  const box = Uint8Array.of(0, channels, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0);
  return {
    format: 'Opus',
    channels,
    bits: 16,
    rates: [48_000],
    frameTicks: 0,
    counts: [],
    setup: () => ['dOps', box],
  };
}
