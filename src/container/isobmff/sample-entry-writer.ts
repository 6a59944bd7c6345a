/**
 * Makes sample descriptions for tracks whose own was lost: from parameter sets found in the stream or
 * made for it (ISO/IEC 14496-12 §8.5.2, ISO/IEC 14496-14 §5.6, ISO/IEC 14496-15).
 */
import type { FoundSound } from '../codec/sound-search.ts';
import { FieldWriter } from './fields.ts';
import type { TrackLayout } from './movie.ts';
import { firstSampleEntry, type SampleEntry } from './sample-entry.ts';

/** The layout of a picture track with one sample description. */
export function videoLayout(
  id: number,
  format: string,
  size: readonly [width: number, height: number],
  configType: string | null,
  config: Uint8Array,
  timescale: number,
): TrackLayout | null {
  const [width, height] = size;
  const stsd = describe((out) => {
    out.box(format, () => {
      out.zeros(6).u16(1).zeros(16).u16(width).u16(height);
      out.u32(0x480000).u32(0x480000).u32(0).u16(1).zeros(32).u16(24).u16(0xffff);
      if (configType) out.box(configType, () => out.raw(config));
    });
  });
  const entry = firstSampleEntry(stsd, 'vide');
  return entry && layoutOf(id, 'vide', timescale, stsd, entry, mediaHeader('vmhd', 1, 8), size);
}

/**
 * The layout of a picture track whose parameter sets are unknown: an entry that leaves them to the
 * stream, and a track that is in the movie and not enabled, so that players show the rest.
 */
export function blindLayout(
  id: number,
  codec: 'h264' | 'hevc',
  size: readonly [width: number, height: number],
): TrackLayout | null {
  const layout =
    codec === 'h264'
      ? videoLayout(id, 'avc3', size, 'avcC', Uint8Array.of(1, 66, 0, 30, 0xff, 0xe0, 0), 90_000)
      : videoLayout(id, 'hev1', size, 'hvcC', emptyHevcConfig(), 90_000);
  return layout && { ...layout, flags: inMovie };
}

/** `tkhd` flag 2: in the movie. Without flag 1, enabled. */
const inMovie = 2;

/** `hvcC` without a set (ISO/IEC 14496-15 §8.3.3.1): main profile, lengths of four bytes. */
function emptyHevcConfig(): Uint8Array {
  const out = new FieldWriter(32);
  out.u8(1).u8(1).u32(0x60000000).u32(0x90000000).u16(0).u8(93);
  return out.u16(0xf000).u8(0xfc).u8(0xfd).u8(0xf8).u8(0xf8).u16(0).u8(0x0f).u8(0).bytes();
}

/** The layout of a sound track that was recognised by its bytes, at one of the rates it may have. */
export function soundLayout(id: number, sound: FoundSound, rate: number): TrackLayout | null {
  const setup = sound.setup(rate);
  // QuickTime keeps what its uncompressed formats need behind four more fields.
  const isLong = setup?.[0] === 'wave';
  const stsd = describe((out) => {
    out.box(sound.format, () => {
      out
        .zeros(6)
        .u16(1)
        .u16(isLong ? 1 : 0)
        .zeros(6)
        .u16(sound.channels)
        .u16(isLong ? 16 : sound.bits)
        .zeros(4)
        .u32((rate << 16) >>> 0);
      const width = sound.bits / 8;
      if (isLong)
        out
          .u32(1)
          .u32(width)
          .u32(width * sound.channels)
          .u32(2);
      if (!setup) return;
      const [type, payload] = setup;
      if (type === 'esds') writeStream(out, id, sound.objectType ?? 0x40, payload);
      else out.box(type, () => out.raw(payload));
    });
  });
  const entry = firstSampleEntry(stsd, 'soun');
  return entry && layoutOf(id, 'soun', rate, stsd, entry, mediaHeader('smhd', 0, 4), [0, 0]);
}

/** The codec of a track of sound that nobody recognised. */
export const unknownCodec = 'none';

/**
 * A track for what lies between pictures and is not known: it keeps the scan going and is not written.
 */
export function unknownSoundLayout(id: number): TrackLayout | null {
  const stsd = describe((out) => out.box(unknownCodec, () => out.zeros(6).u16(1)));
  const entry = firstSampleEntry(stsd, 'data');
  return entry && layoutOf(id, 'data', 1000, stsd, entry, mediaHeader('nmhd', 0, 0), [0, 0]);
}

/** ES, decoder configuration, its set-up, and the sync layer's (ISO/IEC 14496-1 §7.2.6.5). */
function writeStream(out: FieldWriter, id: number, objectType: number, setup: Uint8Array): void {
  const setupBytes = setup.length > 0 ? setup.length + 2 : 0;
  out.fullBox('esds', 0, 0, () => {
    out
      .u8(3)
      .u8(21 + setupBytes)
      .u16(id)
      .u8(0);
    out
      .u8(4)
      .u8(13 + setupBytes)
      .u8(objectType)
      .u8(0x15)
      .zeros(11);
    if (setup.length > 0) out.u8(5).u8(setup.length).raw(setup);
    out.u8(6).u8(1).u8(2);
  });
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
