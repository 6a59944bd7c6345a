/**
 * AAC as a sample codec: raw frames without ADTS headers, as in MP4 and Matroska.
 *
 * The measuring itself is in aac-frame.ts.
 */
import { AacFrameParser, cutFrame } from './aac-frame.ts';
import type { AudioConfig } from './audio-config.ts';
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { soundCodec } from './sound-codec.ts';

/** A decoder's input buffer per channel (ISO/IEC 14496-3 §4.5.3.1), with room for data elements. */
const bytesPerChannel = 768;
const dataAllowance = 256;

/** Frames of one AAC configuration. */
export function aacCodec(config: AudioConfig): SampleCodec {
  const parser = new AacFrameParser(config);
  const maxSampleBytes = bytesPerChannel * Math.max(1, config.channels) + dataAllowance;
  return soundCodec({
    codec: 'aac',
    framing: 'measured',
    maxSampleBytes,
    rate: config.rate,
    usualDuration: config.lines,
    channels: config.extension === 29 ? 2 : config.channels,
    measure(bytes, at, end) {
      const length = parser.measure(bytes, at, Math.min(end, at + maxSampleBytes + 1));
      if (length === cutFrame) return end - at > maxSampleBytes ? notASample : needsMore;
      return length > maxSampleBytes ? notASample : length;
    },
    // A frame may begin with data or filling, but encoders hardly ever do that, and any two bytes that
    // read as empty data make a frame of what stands in front of one.
    surprise: (bytes, at) => ((bytes[at] ?? 0) >> 5 < 4 ? 0 : 8),
  });
}
