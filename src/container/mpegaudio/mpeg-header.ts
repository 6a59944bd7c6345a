/**
 * The four bytes in front of an MPEG audio frame (ISO/IEC 11172-3 §2.4.1.3, 13818-3 for low rates).
 */
import type { Window } from '../window.ts';
import type { FrameHeader } from './frame-chain.ts';

const rates = [44100, 48000, 32000];
/** Kilobits a second by [low rates?][layer 1, 2, 3]. */
const bitrates = [
  [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  ],
  [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  ],
];

export interface MpegAudioHeader extends FrameHeader {
  readonly layer: 1 | 2 | 3;
  /** MPEG-1, as opposed to the lower sampling rates of MPEG-2 and 2.5. */
  readonly isMpeg1: boolean;
  readonly isMono: boolean;
}

export function mpegAudioHeader(window: Window, at: number): MpegAudioHeader | null {
  const [a, b, c, d] = window.bytes(at, 4);
  if (a !== 0xff || b === undefined || c === undefined || d === undefined) return null;
  const version = (b >> 3) & 3;
  const layerBits = (b >> 1) & 3;
  if ((b & 0xe0) !== 0xe0 || version === 1 || layerBits === 0) return null;
  const layer = (4 - layerBits) as 1 | 2 | 3;
  const isMpeg1 = version === 3;
  const kbps = bitrates[isMpeg1 ? 0 : 1]?.[layer - 1]?.[c >> 4];
  const baseRate = rates[(c >> 2) & 3];
  // Free format (bitrate 0) has no length; emphasis 2 is reserved.
  if (!kbps || !baseRate || (d & 3) === 2) return null;
  const sampleRate = baseRate >> (isMpeg1 ? 0 : version === 2 ? 1 : 2);
  const padding = (c >> 1) & 1;
  const samples = layer === 1 ? 384 : layer === 3 && !isMpeg1 ? 576 : 1152;
  const length =
    layer === 1
      ? (Math.floor((12_000 * kbps) / sampleRate) + padding) * 4
      : Math.floor(((samples / 8) * 1000 * kbps) / sampleRate) + padding;
  const isMono = d >> 6 === 3;
  // Stereo and joint stereo may change from frame to frame; mono may not.
  const likeness = (b & 0x1e) * 256 + (c & 0x0c) * 2 + (isMono ? 1 : 0);
  const channels = isMono ? 1 : 2;
  return { length, samples, sampleRate, channels, likeness, layer, isMpeg1, isMono };
}
