/**
 * AudioSpecificConfig, and the descriptors of `esds` around it (ISO/IEC 14496-3 §1.6.2.1 and
 * 14496-1 §7.2.6.6): what an AAC decoder must know before the first frame.
 */
import { samplingRates } from './aac-tables.ts';
import { BitReader } from './bit-reader.ts';

/** One channel element of a frame, in the order frames carry them. */
export type ChannelElement = 'sce' | 'cpe' | 'cce' | 'lfe';

export interface AudioConfig {
  /** 1 Main, 2 LC, 4 LTP, … of the core; HE-AAC's 5 and 29 are resolved to their core. */
  readonly objectType: number;
  /** Rate of the core in Hz; HE-AAC plays at twice that. */
  readonly rate: number;
  /** 0 to 12: the tables that apply, also for a rate written out. */
  readonly samplingIndex: number;
  /** 0 when a program config element tells the channels. */
  readonly channelConfig: number;
  /** Channels of the core; a parametric stereo stream has 1. */
  readonly channels: number;
  /** Spectral lines, and core samples, a frame. */
  readonly lines: 1024 | 960;
  /** Channel elements of each frame; null when the config does not say. */
  readonly elements: readonly ChannelElement[] | null;
  /** HE-AAC signalled explicitly: 5 for SBR, 29 for SBR with parametric stereo, 0 for neither. */
  readonly extension: number;
}

// ISO/IEC 14496-3 table 1.19.
const elementsOf: readonly (readonly ChannelElement[])[] = [
  [],
  ['sce'],
  ['cpe'],
  ['sce', 'cpe'],
  ['sce', 'cpe', 'sce'],
  ['sce', 'cpe', 'cpe'],
  ['sce', 'cpe', 'cpe', 'lfe'],
  ['sce', 'cpe', 'cpe', 'cpe', 'lfe'],
];

/** Reads an AudioSpecificConfig of AAC Main, LC or LTP, with or without SBR; null for any other. */
export function parseAudioConfig(bytes: Uint8Array): AudioConfig | null {
  const reader = new BitReader().reset(bytes);
  let objectType = readObjectType(reader);
  let [rate, samplingIndex] = readRate(reader);
  const channelConfig = reader.bits(4);
  let extension = 0;
  if (objectType === 5 || objectType === 29) {
    extension = objectType;
    readRate(reader);
    objectType = readObjectType(reader);
  }
  if (![1, 2, 4].includes(objectType) || rate === 0) return null;
  const lines = reader.flag() ? 960 : 1024;
  if (reader.flag()) reader.skip(14); // coreCoderDelay
  reader.flag(); // extensionFlag
  let elements: readonly ChannelElement[] | null = elementsOf[channelConfig] ?? null;
  if (channelConfig === 0) {
    const program = readProgramConfig(reader);
    if (!program) return null;
    elements = program.elements;
    // The element repeats the rate; where the two differ decoders believe the first.
    if (rate === 0) [rate, samplingIndex] = [program.rate, program.samplingIndex];
  }
  if (reader.overrun || !elements) return null;
  const channels = elements.reduce((sum, element) => sum + channelsOf(element), 0);
  return {
    objectType,
    rate,
    samplingIndex,
    channelConfig,
    channels,
    lines,
    elements,
    extension,
  };
}

/** An AAC LC config for a rate and channel configuration (1 to 7): two bytes, or five. */
export function buildAudioConfig(rate: number, channelConfig: number): Uint8Array {
  const index = samplingRates.indexOf(rate);
  const value = index >= 0 ? (2 << 11) | (index << 7) | (channelConfig << 3) : 0;
  if (index >= 0) return Uint8Array.of(value >> 8, value & 255);
  return Uint8Array.of(
    (2 << 3) | 7,
    0x80 | ((rate >> 17) & 0x7f),
    (rate >> 9) & 255,
    (rate >> 1) & 255,
    ((rate & 1) << 7) | (channelConfig << 3),
  );
}

/**
 * An ADTS stream of raw frames (ISO/IEC 14496-3 §1.A.3.2), for decoders that want one; null for a
 * configuration that ADTS cannot tell: a rate written out, or channels by a program config.
 */
export function buildAdts(config: AudioConfig, frames: readonly Uint8Array[]): Uint8Array | null {
  if (samplingRates[config.samplingIndex] !== config.rate || config.channelConfig === 0)
    return null;
  const fitting = frames.filter((frame) => frame.length + 7 < 8192);
  const out = new Uint8Array(fitting.reduce((sum, frame) => sum + frame.length + 7, 0));
  let at = 0;
  for (const frame of fitting) {
    const total = frame.length + 7;
    out.set(
      [
        0xff,
        0xf1,
        ((config.objectType - 1) << 6) | (config.samplingIndex << 2) | (config.channelConfig >> 2),
        ((config.channelConfig & 3) << 6) | (total >> 11),
        (total >> 3) & 255,
        ((total & 7) << 5) | 0x1f,
        0xfc,
      ],
      at,
    );
    out.set(frame, at + 7);
    at += total;
  }
  return out;
}

/** What `esds` says: the codec's object type indication and its set-up. */
export interface ElementaryStream {
  /** 0x40 MPEG-4 audio, 0x66 to 0x68 MPEG-2 AAC, 0x69 and 0x6B MPEG audio layers, … */
  readonly objectType: number;
  readonly setup: Uint8Array;
}

/**
 * Reads the payload of an `esds` box.
 *
 * @param payload  version and flags (4 bytes), then the ES descriptor
 */
export function parseElementaryStream(payload: Uint8Array): ElementaryStream | null {
  let at = 4;
  let objectType = -1;
  // The descriptors nest, each beginning with fields of a known length: walk them as one list.
  for (let depth = 0; depth < 8 && at < payload.length; depth++) {
    const tag = payload[at++] ?? 0;
    let length = 0;
    for (let n = 0; n < 4; n++) {
      const byte = payload[at++] ?? 0;
      length = length * 128 + (byte & 127);
      if (byte < 128) break;
    }
    if (tag === 3) {
      const flags = payload[at + 2] ?? 0;
      at += 3;
      if (flags & 0x80) at += 2;
      if (flags & 0x40) at += 1 + (payload[at] ?? 0);
      if (flags & 0x20) at += 2;
    } else if (tag === 4) {
      objectType = payload[at] ?? -1;
      at += 13;
    } else if (tag === 5) {
      return { objectType, setup: payload.subarray(at, at + length) };
    } else {
      at += length;
    }
  }
  return objectType < 0 ? null : { objectType, setup: new Uint8Array(0) };
}

interface ProgramConfig {
  readonly rate: number;
  readonly samplingIndex: number;
  readonly elements: readonly ChannelElement[];
}

/** Reads a `program_config_element` (ISO/IEC 14496-3 §4.4.1.1), from after its id. */
function readProgramConfig(reader: BitReader): ProgramConfig | null {
  reader.bits(4 + 2); // instance tag, object type
  const samplingIndex = reader.bits(4);
  const front = reader.bits(4);
  const side = reader.bits(4);
  const back = reader.bits(4);
  const lfe = reader.bits(2);
  reader.skip(0);
  const associated = reader.bits(3);
  const coupling = reader.bits(4);
  for (const mixdown of [4, 4, 3]) if (reader.flag()) reader.skip(mixdown);
  const elements: ChannelElement[] = [];
  for (let n = 0; n < front + side + back; n++) {
    elements.push(reader.flag() ? 'cpe' : 'sce');
    reader.skip(4);
  }
  for (let n = 0; n < lfe; n++) elements.push('lfe');
  reader.skip(4 * lfe + 4 * associated);
  for (let n = 0; n < coupling; n++) elements.push('cce');
  reader.skip(5 * coupling);
  reader.align();
  reader.skip(8 * reader.bits(8));
  if (reader.overrun || elements.length === 0) return null;
  return { rate: samplingRates[samplingIndex] ?? 0, samplingIndex, elements };
}

function channelsOf(element: ChannelElement): number {
  if (element === 'cce') return 0;
  return element === 'cpe' ? 2 : 1;
}

function readObjectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === 31 ? 32 + reader.bits(6) : type;
}

// A rate that is written out uses the tables of its neighbourhood (ISO/IEC 14496-3 table 4.82).
const lowerEnds = [92017, 75132, 55426, 46009, 37566, 27713, 23004, 18783, 13856, 11502, 9391, 0];

function readRate(reader: BitReader): [rate: number, samplingIndex: number] {
  const index = reader.bits(4);
  if (index < 13) return [samplingRates[index] ?? 0, index];
  if (index !== 15) return [0, 0];
  const rate = reader.bits(24);
  return [rate, lowerEnds.findIndex((end) => rate >= end)];
}
