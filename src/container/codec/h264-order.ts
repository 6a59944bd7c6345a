/**
 * H.264 picture order count (ISO/IEC 14496-10 §8.2.1): when each picture is shown.
 *
 * Counts restart at every IDR picture and after a memory management operation 5; what came before
 * is shown before. So a picture's place is the pair (epoch, order).
 */
import type { H264Sps } from './h264-parameter-sets.ts';
import type { H264Slice } from './h264-slice.ts';

export class H264Order {
  /** Number of restarts so far. */
  epoch = 0;

  private previousMsb = 0;
  private previousLsb = 0;
  private previousFrameNum = 0;
  private frameNumOffset = 0;
  private previousReset = false;
  /** Nothing is known of the picture before: the first one, or the first one after a hole. */
  private fresh = true;

  /**
   * Takes the first slice of the next picture (a frame, or one field) in decoding order.
   *
   * @param secondField  it completes the frame whose first field was taken last
   * @returns its order count within {@link epoch}, which is up to date afterwards
   */
  take(slice: H264Slice, sps: H264Sps, secondField = false): number {
    if ((slice.idr || this.fresh) && !secondField) this.restart(slice);
    const order = sps.orderType === 0 ? this.byLsb(slice, sps) : this.byFrameNum(slice, sps);
    this.previousFrameNum = slice.frameNum;
    this.previousReset = slice.resets;
    if (!slice.resets) return order;
    // §8.2.1: after the operation the picture itself counts from zero.
    this.epoch++;
    this.previousMsb = 0;
    this.previousLsb = slice.bottom ? 0 : Math.max(0, -slice.deltaBottom);
    this.previousFrameNum = 0;
    this.frameNumOffset = 0;
    return 0;
  }

  /** True when a picture's `frame_num` can come next (§7.4.3): an IDR, the same, or one more. */
  follows(slice: H264Slice, sps: H264Sps): boolean {
    if (slice.idr || this.fresh || sps.gapsAllowed) return true;
    const range = 2 ** sps.frameNumBits;
    return (slice.frameNum - this.previousFrameNum + range) % range <= 1;
  }

  /** After a hole: the next picture begins a new epoch and is taken as it comes. */
  discontinue(): void {
    this.fresh = true;
  }

  state(): number[] {
    return [
      this.epoch,
      this.previousMsb,
      this.previousLsb,
      this.previousFrameNum,
      this.frameNumOffset,
      this.previousReset ? 1 : 0,
      this.fresh ? 1 : 0,
    ];
  }

  restore(state: readonly unknown[]): boolean {
    if (state.length < 7 || !state.every((value) => Number.isSafeInteger(value))) return false;
    const numbers = state.map(Number);
    [this.epoch = 0, this.previousMsb = 0, this.previousLsb = 0] = numbers;
    [, , , this.previousFrameNum = 0, this.frameNumOffset = 0] = numbers;
    this.previousReset = numbers[5] === 1;
    this.fresh = numbers[6] === 1;
    return true;
  }

  private restart(slice: H264Slice): void {
    this.epoch++;
    this.previousMsb = 0;
    this.previousLsb = slice.idr ? 0 : slice.orderLsb;
    this.previousFrameNum = slice.frameNum;
    this.frameNumOffset = 0;
    this.previousReset = false;
    this.fresh = false;
  }

  /** Type 0 (§8.2.1.1): low bits in the slice header, high bits by the reference picture before. */
  private byLsb(slice: H264Slice, sps: H264Sps): number {
    const range = 2 ** sps.orderLsbBits;
    const lsb = slice.orderLsb;
    let msb = this.previousMsb;
    if (lsb < this.previousLsb && this.previousLsb - lsb >= range / 2) msb += range;
    else if (lsb > this.previousLsb && lsb - this.previousLsb > range / 2) msb -= range;
    if (slice.refIdc !== 0) {
      this.previousMsb = msb;
      this.previousLsb = lsb;
    }
    return msb + lsb + (slice.field ? 0 : Math.min(0, slice.deltaBottom));
  }

  /** Types 1 and 2 (§8.2.1.2 and §8.2.1.3): by the frame number. */
  private byFrameNum(slice: H264Slice, sps: H264Sps): number {
    if (this.previousReset) this.frameNumOffset = 0;
    else if (this.previousFrameNum > slice.frameNum) this.frameNumOffset += 2 ** sps.frameNumBits;
    const absolute = this.frameNumOffset + slice.frameNum;
    if (sps.orderType === 2) {
      return slice.idr ? 0 : 2 * absolute - (slice.refIdc === 0 ? 1 : 0);
    }
    const offsets = sps.offsetsForRefFrames;
    let expected = 0;
    const number = Math.max(0, (offsets.length > 0 ? absolute : 0) - (slice.refIdc === 0 ? 1 : 0));
    if (number > 0) {
      const perCycle = offsets.reduce((sum, offset) => sum + offset, 0);
      expected = Math.floor((number - 1) / offsets.length) * perCycle;
      for (let n = 0; n <= (number - 1) % offsets.length; n++) expected += offsets[n] ?? 0;
    }
    if (slice.refIdc === 0) expected += sps.offsetForNonRef;
    const top = expected + slice.delta0;
    if (slice.field) return slice.bottom ? top + sps.offsetTopToBottom : top;
    return Math.min(top, top + sps.offsetTopToBottom + slice.delta1);
  }
}
