/**
 * H.264 slice headers (ISO/IEC 14496-10 §7.3.3), read to their end: for where pictures begin, for
 * the order in which they are shown, and to refuse bytes that only look like a slice.
 */
import type { BitReader } from './bit-reader.ts';
import type { H264Pps, H264Sps } from './h264-parameter-sets.ts';

/** Fields of a slice header. Objects are reused; numbers only. */
export interface H264Slice {
  nalType: number;
  refIdc: number;
  idr: boolean;
  firstMb: number;
  type: number;
  ppsId: number;
  spsId: number;
  frameNum: number;
  field: boolean;
  bottom: boolean;
  idrPicId: number;
  orderLsb: number;
  deltaBottom: number;
  delta0: number;
  delta1: number;
  redundant: number;
  /** A memory management operation 5: resets the order count. */
  resets: boolean;
}

export function emptySlice(): H264Slice {
  return {
    nalType: 0,
    refIdc: 0,
    idr: false,
    firstMb: 0,
    type: 0,
    ppsId: 0,
    spsId: 0,
    frameNum: 0,
    field: false,
    bottom: false,
    idrPicId: 0,
    orderLsb: 0,
    deltaBottom: 0,
    delta0: 0,
    delta1: 0,
    redundant: 0,
    resets: false,
  };
}

/** Parameter sets by id, as the slice reader looks them up. */
export interface H264Sets {
  sps(id: number): H264Sps | undefined;
  pps(id: number): H264Pps | undefined;
}

const typeP = 0;
const typeB = 1;
const typeI = 2;
const typeSp = 3;
const typeSi = 4;

/**
 * Reads a slice header.
 *
 * @param reader  at the first bit after the NAL header, emulation prevention removed
 * @param header  the NAL header byte
 * @returns false when no such header can occur with these parameter sets. Check `reader.overrun`
 *   too: what was there may be too short.
 */
export function readH264Slice(
  reader: BitReader,
  header: number,
  sets: H264Sets,
  slice: H264Slice,
): boolean {
  slice.nalType = header & 31;
  slice.refIdc = (header >> 5) & 3;
  slice.idr = slice.nalType === 5;
  slice.firstMb = reader.ue();
  const typeCode = reader.ue();
  slice.ppsId = reader.ue();
  const pps = sets.pps(slice.ppsId);
  const sps = pps && sets.sps(pps.spsId);
  if (typeCode > 9 || !pps || !sps) return false;
  slice.type = typeCode % 5;
  slice.spsId = pps.spsId;
  if (slice.idr && slice.type !== typeI && slice.type !== typeSi) return false;
  if (sps.separatePlanes && reader.bits(2) > 2) return false;
  slice.frameNum = reader.bits(sps.frameNumBits);
  if (slice.idr && slice.frameNum !== 0) return false;
  slice.field = sps.framesOnly ? false : reader.flag();
  slice.bottom = slice.field ? reader.flag() : false;
  const mbs = (sps.widthInMbs * sps.heightInMbs) / (slice.field ? 2 : 1);
  if (slice.firstMb >= mbs) return false;
  slice.idrPicId = slice.idr ? reader.ue() : 0;
  if (slice.idrPicId > 65535) return false;
  readOrder(reader, sps, pps, slice);
  slice.redundant = pps.redundantPictures ? reader.ue() : 0;
  if (slice.redundant > 127) return false;
  if (!readReferences(reader, sps, pps, slice)) return false;
  slice.resets = false;
  if (slice.refIdc !== 0 && !readMarking(reader, slice)) return false;
  return readQuantiser(reader, sps, pps, slice);
}

function readOrder(reader: BitReader, sps: H264Sps, pps: H264Pps, slice: H264Slice): void {
  slice.orderLsb = 0;
  slice.deltaBottom = 0;
  slice.delta0 = 0;
  slice.delta1 = 0;
  const both = pps.bottomOrderPresent && !slice.field;
  if (sps.orderType === 0) {
    slice.orderLsb = reader.bits(sps.orderLsbBits);
    if (both) slice.deltaBottom = reader.se();
  } else if (sps.orderType === 1 && !sps.deltaAlwaysZero) {
    slice.delta0 = reader.se();
    if (both) slice.delta1 = reader.se();
  }
}

function readReferences(reader: BitReader, sps: H264Sps, pps: H264Pps, slice: H264Slice): boolean {
  const { type } = slice;
  const predicted = type === typeP || type === typeSp;
  if (type === typeB) reader.skip(1); // direct_spatial_mv_pred_flag
  let l0 = pps.refIdxL0;
  let l1 = pps.refIdxL1;
  if ((predicted || type === typeB) && reader.flag()) {
    l0 = reader.ue() + 1;
    if (type === typeB) l1 = reader.ue() + 1;
    const most = slice.field ? 32 : 16;
    if (l0 > most || l1 > most) return false;
  }
  if (predicted || type === typeB) {
    if (!readModification(reader)) return false;
    if (type === typeB && !readModification(reader)) return false;
  }
  if ((pps.weightedPrediction && predicted) || (pps.weightedBiprediction === 1 && type === typeB)) {
    const chroma = sps.chromaFormat !== 0 && !sps.separatePlanes;
    if (reader.ue() > 7 || (chroma && reader.ue() > 7)) return false;
    if (!readWeights(reader, l0, chroma)) return false;
    if (type === typeB && !readWeights(reader, l1, chroma)) return false;
  }
  return true;
}

function readModification(reader: BitReader): boolean {
  if (!reader.flag()) return true;
  for (let n = 0; n < 67; n++) {
    const operation = reader.ue();
    if (operation === 3) return true;
    if (operation > 3 || reader.overrun) return false;
    reader.ue();
  }
  return false;
}

function readWeights(reader: BitReader, count: number, chroma: boolean): boolean {
  for (let n = 0; n < count; n++) {
    if (reader.flag()) {
      for (let v = 0; v < 2; v++) if (Math.abs(reader.se()) > 128) return false;
    }
    if (chroma && reader.flag()) {
      for (let v = 0; v < 4; v++) if (Math.abs(reader.se()) > 128) return false;
    }
  }
  return true;
}

function readMarking(reader: BitReader, slice: H264Slice): boolean {
  if (slice.idr) {
    reader.skip(2);
    return true;
  }
  if (!reader.flag()) return true;
  for (let n = 0; n < 67; n++) {
    const operation = reader.ue();
    if (operation === 0) return true;
    if (operation > 6 || reader.overrun) return false;
    if (operation === 5) slice.resets = true;
    else reader.ue();
    if (operation === 3) reader.ue();
  }
  return false;
}

function readQuantiser(reader: BitReader, sps: H264Sps, pps: H264Pps, slice: H264Slice): boolean {
  const { type } = slice;
  if (pps.cabac && type !== typeI && type !== typeSi && reader.ue() > 2) return false;
  const qp = pps.initialQp + reader.se();
  if (qp > 51 || qp < -6 * (sps.bitDepth - 8)) return false;
  if (type === typeSp || type === typeSi) {
    if (type === typeSp) reader.skip(1);
    reader.se();
  }
  if (pps.deblockingControl) {
    const control = reader.ue();
    if (control > 2) return false;
    if (control !== 1 && (Math.abs(reader.se()) > 6 || Math.abs(reader.se()) > 6)) return false;
  }
  return true;
}

/** True when `next` begins another primary coded picture than `previous` (§7.4.1.2.4). */
export function beginsPicture(previous: H264Slice, next: H264Slice): boolean {
  return (
    next.redundant === 0 &&
    (next.frameNum !== previous.frameNum ||
      next.spsId !== previous.spsId ||
      next.ppsId !== previous.ppsId ||
      next.field !== previous.field ||
      next.bottom !== previous.bottom ||
      (next.refIdc === 0) !== (previous.refIdc === 0) ||
      next.idr !== previous.idr ||
      next.idrPicId !== previous.idrPicId ||
      next.orderLsb !== previous.orderLsb ||
      next.deltaBottom !== previous.deltaBottom ||
      next.delta0 !== previous.delta0 ||
      next.delta1 !== previous.delta1)
  );
}

/** True when `next` is the second field of the frame that the field `first` began. */
export function completesFrame(first: H264Slice, next: H264Slice): boolean {
  return (
    first.field &&
    next.field &&
    first.bottom !== next.bottom &&
    first.frameNum === next.frameNum &&
    !next.idr &&
    (first.refIdc !== 0 || next.refIdc === 0)
  );
}
