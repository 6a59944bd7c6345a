/**
 * The Huffman codes of AAC as tables for skipping: how many bits lie ahead, not what they mean.
 *
 * Measuring a frame is reading some hundred codewords, five bits each, so one look-up that passes
 * several at once decides how fast a whole scan is.
 */
import {
  type PrefixCode,
  type SpectralCode,
  scaleFactorCode,
  scaleFactorDifferences,
  spectralCodes,
} from './aac-tables.ts';

/** Codewords of at most this many bits are found by one look-up. */
export const quickBits = 11;
/** Bits of which one look-up passes as many codewords as end in them. */
export const manyBits = 12;

/** What one look-up may pass: of the 25 bits a word holds at least, twelve have to be left for another. */
const mostSkipped = 25 - manyBits;

/** A code made ready for measuring: what to skip, by the next bits. */
export interface Skipper {
  /**
   * By the next 12 bits: bits to skip for all codewords that end in them, with their signs, plus 256
   * for each codeword. 0 where the first has an escape or is longer than 11 bits.
   */
  readonly many: Uint16Array;
  /** By the next 11 bits: bits to skip (codeword and signs), plus 256 for each escape; 0 if longer. */
  readonly quick: Uint16Array;
  readonly counts: readonly number[];
  /** By codeword in order: signs, plus 256 for each escape. */
  readonly tails: Uint16Array;
  readonly dimension: number;
}

/** Codebooks 1 to 11, at index 0 to 10. */
export const spectralSkippers: readonly Skipper[] = spectralCodes.map(skipperOf);

/** By the next 11 bits: length of the codeword, plus 32 times (difference + 60). 0 if longer. */
export const scaleQuick = new Uint16Array(1 << quickBits);
eachCodeword(scaleFactorCode, (index, first, span, length) => {
  const difference = scaleFactorDifferences[index] ?? 0;
  scaleQuick.fill(length + 32 * (difference + 60), first, first + span);
});

function skipperOf(code: SpectralCode): Skipper {
  const tails = Uint16Array.from(code.tails, (digit) => {
    const escapes = Number(digit) === 8 ? 2 : Number(digit) > 3 && code.dimension === 2 ? 1 : 0;
    return Number(digit) - 3 * escapes + 256 * escapes;
  });
  const quick = new Uint16Array(1 << quickBits);
  const lengths = new Uint8Array(1 << quickBits);
  eachCodeword(code, (index, first, span, length) => {
    quick.fill(length + (tails[index] ?? 0), first, first + span);
    lengths.fill(length, first, first + span);
  });
  const many = manyOf(quick, lengths);
  return { many, quick, counts: code.counts, tails, dimension: code.dimension };
}

function manyOf(quick: Uint16Array, lengths: Uint8Array): Uint16Array {
  return Uint16Array.from({ length: 1 << manyBits }, (_, bits) => {
    let skipped = 0;
    let count = 0;
    while (skipped < manyBits) {
      const next = ((bits << skipped) >> (manyBits - quickBits)) & ((1 << quickBits) - 1);
      const step = quick[next] ?? 0;
      const length = lengths[next] ?? 0;
      // Bits beyond the twelve are not known: the codeword has to end before them, its signs need not.
      if (step === 0 || step > 255 || skipped + length > manyBits || skipped + step > mostSkipped)
        break;
      skipped += step;
      count += 1;
    }
    return skipped + 256 * count;
  });
}

function eachCodeword(
  code: PrefixCode,
  visit: (index: number, first: number, span: number, length: number) => void,
): void {
  let index = 0;
  let first = 0;
  for (let length = 1; length <= Math.min(quickBits, code.counts.length); length++) {
    const span = 1 << (quickBits - length);
    for (let n = code.counts[length - 1] ?? 0; n > 0; n--, index++, first += span) {
      visit(index, first, span, length);
    }
  }
}
