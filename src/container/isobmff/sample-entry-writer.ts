/**
 * Makes sample descriptions for tracks whose own was lost: from parameter sets found in the stream or
 * made for it (ISO/IEC 14496-12 §8.5.2, ISO/IEC 14496-14 §5.6, ISO/IEC 14496-15).
 */
import { buildAudioConfig } from '../codec/audio-config.ts';
import { FieldWriter } from './fields.ts';
import type { TrackLayout } from './movie.ts';
import { firstSampleEntry, type SampleEntry } from './sample-entry.ts';

/** The layout of a picture track with one sample description. */
export function videoLayout(
  id: number,
  format: string,
  size: readonly [width: number, height: number],
  configType: string,
  config: Uint8Array,
  timescale: number,
): TrackLayout | null {
  const [width, height] = size;
  const stsd = describe((out) => {
    out.box(format, () => {
      out.zeros(6).u16(1).zeros(16).u16(width).u16(height);
      out.u32(0x480000).u32(0x480000).u32(0).u16(1).zeros(32).u16(24).u16(0xffff);
      out.box(configType, () => out.raw(config));
    });
  });
  const entry = firstSampleEntry(stsd, 'vide');
  return entry && layoutOf(id, 'vide', timescale, stsd, entry, mediaHeader('vmhd', 1, 8), size);
}

/** The layout of an AAC LC track. */
export function aacLayout(id: number, rate: number, channels: number): TrackLayout | null {
  const config = buildAudioConfig(rate, channels === 8 ? 7 : channels);
  const stsd = describe((out) => {
    out.box('mp4a', () => {
      out
        .zeros(6)
        .u16(1)
        .zeros(8)
        .u16(channels)
        .u16(16)
        .zeros(4)
        .u32((rate << 16) >>> 0);
      out.fullBox('esds', 0, 0, () => {
        // ES, decoder configuration, its set-up, and the sync layer's (ISO/IEC 14496-1 §7.2.6.5).
        out
          .u8(3)
          .u8(23 + config.length)
          .u16(id)
          .u8(0);
        out
          .u8(4)
          .u8(15 + config.length)
          .u8(0x40)
          .u8(0x15)
          .zeros(11);
        out.u8(5).u8(config.length).raw(config);
        out.u8(6).u8(1).u8(2);
      });
    });
  });
  const entry = firstSampleEntry(stsd, 'soun');
  return entry && layoutOf(id, 'soun', rate, stsd, entry, mediaHeader('smhd', 0, 4), [0, 0]);
}

/** The layout of a track of little-endian PCM with 16 bits a channel, as QuickTime describes it. */
export function pcmLayout(id: number, rate: number, channels: number): TrackLayout | null {
  const stsd = describe((out) => {
    out.box('sowt', () => {
      out
        .zeros(6)
        .u16(1)
        .zeros(8)
        .u16(channels)
        .u16(16)
        .zeros(4)
        .u32((rate << 16) >>> 0);
    });
  });
  const entry = firstSampleEntry(stsd, 'soun');
  return entry && layoutOf(id, 'soun', rate, stsd, entry, mediaHeader('smhd', 0, 4), [0, 0]);
}

function describe(fill: (out: FieldWriter) => void): Uint8Array {
  const out = new FieldWriter(512);
  out.fullBox('stsd', 0, 0, () => {
    out.u32(1);
    fill(out);
  });
  return out.bytes();
}

function mediaHeader(type: string, flags: number, zeros: number): Uint8Array {
  const out = new FieldWriter(32);
  out.fullBox(type, 0, flags, () => out.zeros(zeros));
  return out.bytes();
}

function layoutOf(
  id: number,
  handler: string,
  timescale: number,
  stsd: Uint8Array,
  entry: SampleEntry,
  header: Uint8Array,
  [width, height]: readonly [width: number, height: number],
): TrackLayout {
  const presentation = new FieldWriter(64);
  presentation
    .zeros(12)
    .u16(handler === 'soun' ? 0x100 : 0)
    .zeros(2);
  for (const value of [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000]) presentation.u32(value);
  presentation.u32((width << 16) >>> 0).u32((height << 16) >>> 0);
  return {
    id,
    handler,
    handlerName: handler === 'vide' ? 'VideoHandler' : 'SoundHandler',
    timescale,
    language: 0x55c4,
    flags: 3,
    presentation: presentation.bytes(),
    mediaHeader: header,
    stsd,
    references: new Uint8Array(0),
    userData: new Uint8Array(0),
    entry,
  };
}
