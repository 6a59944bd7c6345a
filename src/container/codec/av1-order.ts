/**
 * Which picture an AV1 temporal unit must show next: order hints and the eight reference slots.
 *
 * Every frame says its place in display order (`order_hint`), every unit shows one frame, and encoders
 * leave no place out. So the hint of what a unit shows is known before it is read: by its header, or by
 * the slot that it shows a frame from (AV1 §5.9.2, §7.20, §7.21).
 */
import type { Av1FrameRules } from './av1-sequence.ts';
import type { BitReader } from './bit-reader.ts';

const slots = 8;
const unknown = -1;
const keyFrame = 0;
const switchFrame = 3;

/** What a frame header says; reused. */
export interface Av1Frame {
  fits: boolean;
  shown: boolean;
  key: boolean;
  hint: number;
  /** Slots that keep it, as bits; of a frame that was kept before, those it is copied to. */
  refresh: number;
  /** Its fields are such as encoders write: most headers of chance are not. */
  usual: boolean;
}

const noFrame: Av1Frame = {
  fits: true,
  shown: true,
  key: false,
  hint: unknown,
  refresh: 0,
  usual: true,
};

export class Av1Order {
  /** The frame whose header was read last. */
  readonly frame: Av1Frame = { ...noFrame };
  /** Hints in the slots, and which of them are of key frames, as bits. */
  private readonly hints = new Int16Array(slots).fill(unknown);
  private keys = 0;
  private expected = unknown;
  // Of the unit that is measured.
  private readonly pending = new Int16Array(slots);
  private pendingKeys = 0;
  private shownHint = unknown;
  private usual = true;

  /** A unit begins. */
  begin(): void {
    this.pending.set(this.hints);
    this.pendingKeys = this.keys;
    this.shownHint = unknown;
    this.usual = true;
  }

  /** Reads the beginning of `uncompressed_header`; what it says is in {@link frame}. */
  read(bits: BitReader, rules: Av1FrameRules | null): Av1Frame {
    const { frame } = this;
    Object.assign(frame, noFrame);
    if (bits.flag()) {
      const slot = bits.bits(3);
      frame.hint = this.pending[slot] ?? unknown;
      frame.key = ((this.pendingKeys >> slot) & 1) === 1;
      frame.refresh = frame.key ? 255 : 0;
      return frame;
    }
    const type = bits.bits(2);
    frame.shown = bits.flag();
    frame.key = type === keyFrame;
    if (!rules || rules.hasDecoderModel) return frame;
    if (!frame.shown) bits.skip(1);
    const isReset = type === switchFrame || (frame.key && frame.shown);
    const isResilient = isReset || bits.flag();
    const keepsOdds = bits.flag();
    const screen = rules.screenContent === 2 ? bits.bit() : rules.screenContent;
    if (screen === 1 && rules.integerMotion === 2) bits.skip(1);
    bits.skip(rules.frameIdBits);
    const hasOwnSize = type === switchFrame || bits.flag();
    if (rules.orderHintBits > 0) frame.hint = bits.bits(rules.orderHintBits);
    const isIntra = type === keyFrame || type === 2;
    if (!isIntra && !isResilient) bits.skip(3);
    frame.refresh = isReset ? 255 : bits.bits(8);
    // An intra-only frame that fills all slots is none (§6.8.2).
    frame.fits = type !== 2 || frame.refresh !== 255;
    // A frame goes to a slot or two or none, learns as it goes, and has the size of all.
    frame.usual = !keepsOdds && !hasOwnSize && (isReset || bitsIn(frame.refresh) <= 2);
    return frame;
  }

  /** The frame read last belongs to the unit. */
  note(): void {
    const { shown, key, hint, refresh, usual } = this.frame;
    this.usual &&= usual;
    if (shown) this.shownHint = hint;
    for (let slot = 0; slot < slots; slot += 1) {
      if (((refresh >> slot) & 1) === 0) continue;
      this.pending[slot] = hint;
      this.pendingKeys = key ? this.pendingKeys | (1 << slot) : this.pendingKeys & ~(1 << slot);
    }
  }

  /** The unit shows the very frame that is due. */
  get follows(): boolean {
    return this.usual && this.expected !== unknown && this.shownHint === this.expected;
  }

  accept(rules: Av1FrameRules | null): void {
    this.hints.set(this.pending);
    this.keys = this.pendingKeys;
    const range = 2 ** (rules?.orderHintBits ?? 0);
    this.expected = this.shownHint === unknown ? unknown : (this.shownHint + 1) % range;
  }

  /** Behind a hole nothing is due; what the slots hold is not known. */
  discontinue(): void {
    this.hints.fill(unknown);
    this.expected = unknown;
  }

  state(): number[] {
    return [this.expected, this.keys, ...this.hints];
  }

  restore(state: readonly number[]): boolean {
    if (state.length !== slots + 2 || !state.every((value) => Number.isSafeInteger(value))) {
      return false;
    }
    [this.expected = unknown, this.keys = 0] = state;
    this.hints.set(state.slice(2));
    return true;
  }
}

function bitsIn(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count += 1;
  return count;
}
