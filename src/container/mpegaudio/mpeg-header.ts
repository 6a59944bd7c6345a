/**
 * The header in front of an MPEG audio frame (ISO/IEC 11172-3 §2.4.1.3) as a link of a chain of frames.
 */
import { type MpegAudioFrame, readMpegAudioHeader } from '../codec/mpeg-audio.ts';
import type { Window } from '../window.ts';
import type { FrameHeader } from './frame-chain.ts';

export interface MpegAudioHeader extends FrameHeader {
  readonly layer: number;
  /** MPEG-1, as opposed to the lower sampling rates of MPEG-2 and 2.5. */
  readonly isMpeg1: boolean;
  readonly isMono: boolean;
}

/** Reads the four bytes at `at`; null when they are no header, or one of free format. */
export function mpegAudioHeader(window: Window, at: number): MpegAudioHeader | null {
  return mpegAudioLink(window.bytes(at, 4));
}

/** The same for bytes that begin with the header. */
export function mpegAudioLink(bytes: Uint8Array): MpegAudioHeader | null {
  const frame: MpegAudioFrame = { length: 0, rate: 0, channels: 0, samples: 0, layer: 0 };
  if (bytes.length < 4 || !readMpegAudioHeader(bytes, 0, frame)) return null;
  const [second, third] = [bytes[1] ?? 0, bytes[2] ?? 0];
  const isMono = frame.channels === 1;
  return {
    length: frame.length,
    samples: frame.samples,
    sampleRate: frame.rate,
    channels: frame.channels,
    // Stereo and joint stereo may change from frame to frame; mono may not.
    likeness: (second & 0x1e) * 256 + (third & 0x0c) * 2 + (isMono ? 1 : 0),
    layer: frame.layer,
    isMpeg1: (second & 0x18) === 0x18,
    isMono,
  };
}
