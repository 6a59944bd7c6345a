/**
 * Whether the NAL units of a sample chain up: their lengths lead from one to the next and exactly to the
 * sample's end (ISO/IEC 14496-15 §5.3.2), and no unit has a run of zeros inside (14496-10 §7.4.1).
 */
import { unitLength } from './nal.ts';

/** How a stream's units are read. */
export interface UnitFormat {
  readonly codec: 'h264' | 'hevc';
  /** Bytes of a unit's length, 1 to 4. */
  readonly lengthBytes: number;
}

/** True for units that carry a picture's blocks, by the first byte of their header. */
export function isSlice({ codec }: UnitFormat, header: number): boolean {
  return codec === 'h264' ? (header & 31) >= 1 && (header & 31) <= 5 : (header & 0x7e) >> 1 < 32;
}

/**
 * What a run of zeros inside a sample is.
 *
 * - `broken`   the lengths do not lead to the sample's end
 * - `inside`   a unit goes on behind the zeros, which none does
 * - `padding`  a unit or the whole sample ends in them, as those of some encoders do
 */
export function zerosInUnits(
  sample: Uint8Array,
  format: UnitFormat,
  from: number,
  to: number,
): 'broken' | 'inside' | 'padding' {
  const { lengthBytes } = format;
  let verdict: 'inside' | 'padding' = 'padding';
  for (let at = 0; at + lengthBytes <= sample.length; ) {
    const end = at + lengthBytes + unitLength(sample, at, lengthBytes);
    if (end > sample.length) return 'broken';
    const overlaps = at < to && end > from;
    if (overlaps && end > to && sample.subarray(to, end).some((byte) => byte !== 0)) {
      verdict = 'inside';
    }
    at = end;
  }
  return verdict;
}
