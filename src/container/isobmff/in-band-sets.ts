/**
 * Codec set-up that stands in the stream itself: parameter sets in band, AV1's sequence header, VP9's
 * key frames, and the frames of Motion JPEG and ProRes, which need none.
 */
import { parseAv1Sequence } from '../codec/av1-sequence.ts';
import { parseH264Pps, parseH264Sps } from '../codec/h264-parameter-sets.ts';
import { buildAvcConfig } from '../codec/h264-writer.ts';
import { isHevcVps, parseHevcPps, parseHevcSps } from '../codec/hevc-parameter-sets.ts';
import { vp9KeyFrame } from '../codec/vp9.ts';
import { FieldWriter, u16, u32 } from './fields.ts';
import type { TrackLayout } from './movie.ts';
import { videoLayout } from './sample-entry-writer.ts';

const longestSet = 1024;
const timescale = 90_000;

// Bytes that only look like a set-up are refused by what does not follow from them: not for ever.
const mostCandidates = 24;

/** A picture track, and where in the head its set-up stands. */
export interface LayoutInBand {
  readonly layout: TrackLayout;
  readonly place: number;
}

/** Picture tracks that set-up found in `head` describes, in the order of the file. */
export function* layoutsInBand(head: Uint8Array): Generator<LayoutInBand> {
  let found = 0;
  for (let at = 0; at + 8 < head.length && found < mostCandidates; at += 1) {
    // A unit of less than 1 KiB: two zero bytes in front of its length.
    const hasLength = head[at] === 0 && head[at + 1] === 0;
    const layout =
      proresAt(head, at) ??
      (hasLength
        ? (h264At(head, at) ?? hevcAt(head, at))
        : (av1At(head, at) ?? vp9At(head, at) ?? mjpegAt(head, at)));
    if (!layout) continue;
    found += 1;
    yield { layout, place: at };
  }
}

/** The unit whose length stands at `at`; null when it is longer than any parameter set. */
function unitAt(head: Uint8Array, at: number): Uint8Array | null {
  const length = u32(head, at);
  if (length < 3 || length > longestSet || at + 4 + length > head.length) return null;
  return head.subarray(at + 4, at + 4 + length);
}

function h264At(head: Uint8Array, at: number): TrackLayout | null {
  const first = unitAt(head, at);
  if (!first || ((first[0] ?? 0) & 0x9f) !== 7) return null;
  const sps = parseH264Sps(first);
  if (!sps) return null;
  const pictures: Uint8Array[] = [];
  for (let place = at + 4 + first.length; ; ) {
    const unit = unitAt(head, place);
    if (!unit || ((unit[0] ?? 0) & 0x1f) !== 8) break;
    if (!parseH264Pps(unit, () => sps.chromaFormat)) break;
    pictures.push(new Uint8Array(unit));
    place += 4 + unit.length;
  }
  if (pictures.length === 0) return null;
  const config = buildAvcConfig([new Uint8Array(first)], pictures, 4);
  return videoLayout(1, 'avc1', [sps.width, sps.height], 'avcC', config, timescale);
}

function hevcAt(head: Uint8Array, at: number): TrackLayout | null {
  const video = unitAt(head, at);
  if (!video || !isHevcVps(video)) return null;
  const sequence = unitAt(head, at + 4 + video.length);
  const sps = sequence && parseHevcSps(sequence);
  if (!sequence || !sps) return null;
  const picture = unitAt(head, at + 8 + video.length + sequence.length);
  if (!picture || !parseHevcPps(picture)) return null;
  const config = hevcConfig(video, sequence, picture);
  return videoLayout(1, 'hvc1', [sps.width, sps.height], 'hvcC', config, timescale);
}

/** The payload of `hvcC` (ISO/IEC 14496-15 §8.3.3.1). */
function hevcConfig(vps: Uint8Array, sps: Uint8Array, pps: Uint8Array): Uint8Array {
  const out = new FieldWriter(256);
  // Profile, compatibility, constraints and level stand in the SPS as they do here.
  out.u8(1).raw(sps.subarray(3, 15)).u16(0xf000).u8(0xfc).u8(0xfd).u8(0xf8).u8(0xf8).u16(0);
  out.u8(0x0f).u8(3);
  for (const [type, unit] of [
    [32, vps],
    [33, sps],
    [34, pps],
  ] as const) {
    out
      .u8(0x80 | type)
      .u16(1)
      .u16(unit.length)
      .raw(unit);
  }
  return out.bytes();
}

/** A sequence header OBU with its size (AV1 §5.3.1 and §5.5), as it stands in key frames. */
function av1At(head: Uint8Array, at: number): TrackLayout | null {
  const length = head[at + 1] ?? 0;
  if (head[at] !== 0x0a || length < 8 || length > 64 || at + 2 + length > head.length) return null;
  const body = head.subarray(at + 2, at + 2 + length);
  // What follows must be a frame or its header, or metadata, with a size field.
  const next = head[at + 2 + length] ?? 0;
  if (![0x32, 0x1a, 0x2a].includes(next)) return null;
  const sequence = parseAv1Sequence(body);
  if (!sequence || !isPicture(sequence.width, sequence.height)) return null;
  const config = new FieldWriter(128);
  // Depth and subsampling are those of the main profile; decoders read the header that follows.
  config
    .u8(0x81)
    .u8(sequence.profile << 5)
    .u8(0x0c)
    .u8(0)
    .raw(head.subarray(at, at + 2 + length));
  return videoLayout(
    1,
    'av01',
    [sequence.width, sequence.height],
    'av1C',
    config.bytes(),
    timescale,
  );
}

/** A key frame of VP9, which describes itself (`vpcC` by the VP Codec ISO Media File Format Binding 1.0). */
function vp9At(head: Uint8Array, at: number): TrackLayout | null {
  const format = vp9KeyFrame(head, at, head.length);
  if (!format || !isPicture(format.width, format.height)) return null;
  const { width, height, profile, depth, subsampling } = format;
  const config = new FieldWriter(16);
  // Level and colours are not told: 5.1, and "unspecified".
  config.u32(0x01000000).u8(profile).u8(51);
  config
    .u8((depth << 4) | (subsampling << 1))
    .u8(2)
    .u8(2)
    .u8(2)
    .u16(0);
  return videoLayout(1, 'vp09', [width, height], 'vpcC', config.bytes(), timescale);
}

/** A ProRes frame (SMPTE RDD 36 §5.1): its header tells size and sampling, not the profile. */
function proresAt(head: Uint8Array, at: number): TrackLayout | null {
  const isFrame = head[at + 4] === 0x69 && head[at + 5] === 0x63 && head[at + 6] === 0x70;
  if (!isFrame || head[at + 7] !== 0x66 || at + 28 > head.length) return null;
  const width = u16(head, at + 16);
  const height = u16(head, at + 18);
  const format = (head[at + 20] ?? 0) >> 6 === 3 ? 'ap4h' : 'apcn';
  return isPicture(width, height) ? plainVideoLayout(format, [width, height]) : null;
}

/** A JPEG image: its frame header (SOF, ITU-T T.81 §B.2.2) tells the size. */
function mjpegAt(head: Uint8Array, at: number): TrackLayout | null {
  if (head[at] !== 0xff || head[at + 1] !== 0xd8 || head[at + 2] !== 0xff) return null;
  for (let place = at + 2; place + 9 < head.length && head[place] === 0xff; ) {
    const marker = head[place + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xc3;
    const [height, width] = [u16(head, place + 5), u16(head, place + 7)];
    if (isFrame) return isPicture(width, height) ? plainVideoLayout('jpeg', [width, height]) : null;
    if (marker === 0xda || marker < 0xc0) return null;
    place += 2 + u16(head, place + 2);
  }
  return null;
}

const plainVideoLayout = (format: string, size: readonly [number, number]): TrackLayout | null =>
  videoLayout(1, format, size, null, new Uint8Array(0), timescale);

/** A size that screens, cameras and phones have. */
function isPicture(width: number, height: number): boolean {
  return (
    width >= 16 &&
    height >= 16 &&
    width <= 16_384 &&
    height <= 16_384 &&
    Math.max(width, height) <= 8 * Math.min(width, height)
  );
}
