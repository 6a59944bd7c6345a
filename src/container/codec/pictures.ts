/**
 * Codecs whose frames stand alone and say where they end: Motion JPEG and ProRes; and VP8, whose
 * frames say how they begin and not where they end.
 */
import { needsMore, notASample, type SampleCodec, type SampleFacts } from './codec.ts';
import { pictureBound, videoCodec } from './video-codec.ts';

/** Motion JPEG: from SOI to EOI (ITU-T T.81 Annex B); QuickTime may store two fields in a sample. */
export function mjpegCodec(width: number, height: number): SampleCodec {
  const maxSampleBytes = pictureBound(width, height);
  return videoCodec({
    codec: 'mjpeg',
    framing: 'measured',
    maxSampleBytes,
    width,
    height,
    measure(bytes, at, end, facts) {
      facts.sync = true;
      const length = jpegLength(bytes.subarray(at, Math.min(end, at + maxSampleBytes)));
      return length === needsMore && end - at >= maxSampleBytes ? notASample : length;
    },
    isStart: (bytes, at, end) =>
      at + 4 <= end && bytes[at] === 0xff && bytes[at + 1] === 0xd8 && bytes[at + 2] === 0xff,
  });
}

function jpegLength(window: Uint8Array): number {
  const end = window.length;
  if (end < 4) return needsMore;
  if (window[0] !== 0xff || window[1] !== 0xd8) return notASample;
  let position = 2;
  let scans = 0;
  while (position + 2 <= end) {
    if (window[position] !== 0xff) return notASample;
    const marker = window[position + 1] ?? 0;
    if (marker === 0xff) {
      position++;
      continue;
    }
    if (marker === 0xd9) return scans > 0 ? position + 2 : notASample;
    if (marker < 0xc0 || marker === 0xd8) return notASample;
    if (position + 4 > end) return needsMore;
    const length = ((window[position + 2] ?? 0) << 8) | (window[position + 3] ?? 0);
    if (length < 2) return notASample;
    position += 2 + length;
    if (marker === 0xda) {
      scans++;
      position = scanEnd(window, position);
    }
  }
  return needsMore;
}

/** The next marker that is neither stuffing nor a restart; the end when there is none. */
function scanEnd(window: Uint8Array, from: number): number {
  for (let at = window.indexOf(0xff, from); at >= 0 && at + 1 < window.length; ) {
    const next = window[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
    at = window.indexOf(0xff, at + (next === 0xff ? 1 : 2));
  }
  return window.length;
}

/** ProRes: a frame size of 32 bits, `icpf`, and a frame header (SMPTE RDD 36 §5.1). */
export function proresCodec(width: number, height: number): SampleCodec {
  const maxSampleBytes = 2 * pictureBound(width, height);
  const fits = (bytes: Uint8Array, at: number): boolean => {
    const size = frameSize(bytes, at);
    return (
      bytes[at + 4] === 0x69 &&
      bytes[at + 5] === 0x63 &&
      bytes[at + 6] === 0x70 &&
      bytes[at + 7] === 0x66 &&
      size >= 28 &&
      size <= maxSampleBytes &&
      (width === 0 || ((bytes[at + 16] ?? 0) << 8) + (bytes[at + 17] ?? 0) === width)
    );
  };
  return videoCodec({
    codec: 'prores',
    framing: 'measured',
    maxSampleBytes,
    width,
    height,
    measure(bytes, at, end, facts) {
      if (at + 20 > end) return needsMore;
      if (!fits(bytes, at)) return notASample;
      const size = frameSize(bytes, at);
      facts.sync = true;
      facts.wanted = size;
      return at + size <= end ? size : needsMore;
    },
    isStart: (bytes, at, end) => at + 20 <= end && fits(bytes, at),
  });
}

function frameSize(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 2 ** 24 +
    ((bytes[at + 1] ?? 0) << 16) +
    ((bytes[at + 2] ?? 0) << 8) +
    (bytes[at + 3] ?? 0)
  );
}

/** VP8 (RFC 6386 §9.1): key frames carry a start code and the dimensions. */
export function vp8Codec(width: number, height: number): SampleCodec {
  return guessedVideo('vp8', width, height, (bytes, at, end, facts) => {
    const tag = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const key = (tag & 1) === 0;
    const version = (tag >> 1) & 7;
    const firstPart = tag >> 5;
    if (version > 3 || firstPart === 0 || at + firstPart > end) return false;
    facts.sync = key;
    facts.shown = ((tag >> 4) & 1) === 1;
    if (!key) return true;
    const codeFits = bytes[at + 3] === 0x9d && bytes[at + 4] === 0x01 && bytes[at + 5] === 0x2a;
    const wide = ((bytes[at + 6] ?? 0) | ((bytes[at + 7] ?? 0) << 8)) & 0x3fff;
    const high = ((bytes[at + 8] ?? 0) | ((bytes[at + 9] ?? 0) << 8)) & 0x3fff;
    return codeFits && (width === 0 || (wide === width && high === height));
  });
}

type FrameStart = (
  bytes: Uint8Array,
  at: number,
  end: number,
  facts: Pick<SampleFacts, 'sync' | 'shown'>,
) => boolean;

function guessedVideo(
  codec: string,
  width: number,
  height: number,
  starts: FrameStart,
): SampleCodec {
  const maxSampleBytes = pictureBound(width, height);
  return videoCodec({
    codec,
    framing: 'guessed',
    maxSampleBytes,
    width,
    height,
    measure(bytes, at, end, facts, atEnd) {
      if (at + 10 > end && !atEnd) return needsMore;
      if (at >= end || !starts(bytes, at, atEnd ? end : Number.MAX_SAFE_INTEGER, facts)) {
        return notASample;
      }
      if (!atEnd) return needsMore;
      return end - at <= maxSampleBytes ? end - at : notASample;
    },
    isStart: (bytes, at, end) =>
      at + 10 <= end && starts(bytes, at, end, { sync: false, shown: true }),
  });
}
