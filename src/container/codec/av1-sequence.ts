/**
 * AV1's sequence header (AV1 §5.5): what the frames of a stream have in common.
 */
import { BitReader } from './bit-reader.ts';

/** What a sequence header says, as far as temporal units need it. */
export interface Av1Sequence {
  readonly profile: number;
  readonly reduced: boolean;
  readonly width: number;
  readonly height: number;
  /** Frames per second of a constant rate; 0 when not said. */
  readonly frameRate: number;
  readonly rules: Av1FrameRules;
}

/** How frame headers are to be read (AV1 §5.9.2). */
export interface Av1FrameRules {
  /** Bits of a frame's id; 0 where frames have none. */
  readonly frameIdBits: number;
  /** 0 never, 1 always, 2 as each frame says. */
  readonly screenContent: number;
  readonly integerMotion: number;
  /** 0 where frames have no order hints. */
  readonly orderHintBits: number;
  /** Frame headers hold times of a decoder model, which are not read. */
  readonly hasDecoderModel: boolean;
}

/** Reads a sequence header OBU's payload; null when it breaks a rule. */
export function parseAv1Sequence(payload: Uint8Array): Av1Sequence | null {
  const bits = new BitReader().reset(payload);
  const profile = bits.bits(3);
  const still = bits.flag();
  const reduced = bits.flag();
  if (profile > 2 || (reduced && !still)) return null;
  let points: OperatingPoints | null = { frameRate: 0, hasDecoderModel: false };
  if (reduced) bits.skip(5);
  else points = readOperatingPoints(bits);
  const widthBits = bits.bits(4) + 1;
  const heightBits = bits.bits(4) + 1;
  const width = bits.bits(widthBits) + 1;
  const height = bits.bits(heightBits) + 1;
  if (bits.overrun || !points) return null;
  const { frameRate, hasDecoderModel } = points;
  const rules = { ...readTools(bits, reduced), hasDecoderModel };
  return { profile, reduced, width, height, frameRate, rules };
}

export function sameSequence(found: Av1Sequence, known: Av1Sequence): boolean {
  return (
    found.profile === known.profile &&
    found.reduced === known.reduced &&
    found.width === known.width &&
    found.height === known.height
  );
}

interface OperatingPoints {
  readonly frameRate: number;
  readonly hasDecoderModel: boolean;
}

/** Timing, decoder model and operating points; null for damage. */
function readOperatingPoints(bits: BitReader): OperatingPoints | null {
  let frameRate = 0;
  let delayBits = 0;
  if (bits.flag()) {
    const unitsInTick = bits.bits(32);
    const timeScale = bits.bits(32);
    if (unitsInTick === 0 || timeScale === 0) return null;
    if (bits.flag()) frameRate = timeScale / unitsInTick / (bits.ue() + 1);
    if (bits.flag()) {
      delayBits = bits.bits(5) + 1;
      bits.skip(32 + 5 + 5);
    }
  }
  const delayPresent = bits.flag();
  const points = bits.bits(5) + 1;
  for (let n = 0; n < points; n++) {
    bits.skip(12);
    if (bits.bits(5) > 7) bits.skip(1);
    if (delayBits > 0 && bits.flag()) bits.skip(2 * delayBits + 1);
    if (delayPresent && bits.flag()) bits.skip(4);
  }
  return { frameRate, hasDecoderModel: delayBits > 0 };
}

/** Frame ids and the tools that frame headers speak of, up to the order hints. */
function readTools(bits: BitReader, reduced: boolean): Omit<Av1FrameRules, 'hasDecoderModel'> {
  let frameIdBits = 0;
  if (!reduced && bits.flag()) {
    const deltaBits = bits.bits(4) + 2;
    frameIdBits = bits.bits(3) + deltaBits + 1;
  }
  // Large blocks, filter intra, edge filter.
  bits.skip(3);
  if (reduced) return { frameIdBits, screenContent: 2, integerMotion: 2, orderHintBits: 0 };
  // Inter-intra and masked compounds, warped motion, dual filter.
  bits.skip(4);
  const hasHints = bits.flag();
  if (hasHints) bits.skip(2);
  const screenContent = bits.flag() ? 2 : bits.bit();
  const integerMotion = screenContent === 0 || bits.flag() ? 2 : bits.bit();
  const orderHintBits = hasHints ? bits.bits(3) + 1 : 0;
  return { frameIdBits, screenContent, integerMotion, orderHintBits };
}
