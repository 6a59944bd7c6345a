/**
 * The tables of AAC that decide where a frame ends: Huffman codes and scale factor bands
 * (ISO/IEC 14496-3 subpart 4, Annex 4.A and §4.5.4).
 *
 * Every Huffman code of AAC is canonical: its codewords, left aligned and sorted, grow in length.
 * So a code is told by how many codewords there are of each length, and what each one means, in
 * that order. For the spectrum only the bits that follow a codeword matter.
 */

/** A canonical prefix code: `counts[n]` codewords have n + 1 bits. */
export interface PrefixCode {
  readonly counts: readonly number[];
}

/** The code of scale factor differences, and the difference for each codeword in order. */
export const scaleFactorCode: PrefixCode = {
  counts: [1, 0, 1, 3, 2, 4, 3, 5, 4, 6, 6, 6, 5, 8, 4, 7, 3, 7, 46],
};

// biome-ignore format: a table of the standard
export const scaleFactorDifferences: readonly number[] = [
  0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6, -6, 7, -7, 8, -8, 9, -9, 10, -10, -11, 11, 12, -12, 13,
  -13, 14, -14, 16, 15, 17, 18, -15, -17, -16, 19, -18, -19, 20, -20, 21, -21, 22, -22, 23, -23,
  -25, 25, -27, -24, -26, 24, -28, 27, 29, -30, -29, 26, -31, -34, -33, -32, -36, 28, -35, -38,
  -37, 30, -39, -41, -57, -59, -58, -60, 38, 39, 40, 41, 42, 57, 37, 31, 32, 33, 34, 35, 36, 44,
  51, 52, 53, 54, 55, 56, 50, 45, 46, 47, 48, 49, 58, -54, -52, -51, -50, -55, 43, 60, 59, -56,
  -53, -45, -44, -42, -40, -43, -49, -48, -46, -47,
];

/** A code of spectral coefficients. */
export interface SpectralCode extends PrefixCode {
  /** Coefficients per codeword. */
  readonly dimension: 2 | 4;
  /**
   * One digit a codeword, in order: sign bits that follow it, plus 3 for each escape sequence that
   * follows those (codebook 11). Empty where coefficients carry their sign in the codeword.
   */
  readonly tails: string;
}

/** Codebooks 1 to 11, at index 0 to 10. */
export const spectralCodes: readonly SpectralCode[] = [
  { dimension: 4, counts: [1, 0, 0, 0, 8, 0, 24, 0, 24, 8, 16], tails: '' },
  { dimension: 4, counts: [0, 0, 1, 1, 7, 24, 15, 19, 14], tails: '' },
  {
    dimension: 4,
    counts: [1, 0, 0, 4, 2, 6, 3, 5, 15, 15, 8, 9, 3, 3, 5, 2],
    tails: '011112222232343311223232331221224334323244332333223243344233333344442233434443233',
  },
  {
    dimension: 4,
    counts: [0, 0, 0, 10, 6, 0, 9, 21, 8, 14, 11, 2],
    tails: '433331202222121144443333333333332222222222221111444444333333333433344422222243333',
  },
  { dimension: 2, counts: [1, 0, 0, 4, 4, 0, 4, 12, 12, 12, 18, 10, 4], tails: '' },
  { dimension: 2, counts: [0, 0, 0, 9, 0, 16, 13, 8, 23, 8, 4], tails: '' },
  {
    dimension: 2,
    counts: [1, 0, 2, 1, 0, 4, 5, 10, 14, 15, 8, 4],
    tails: '0112221122211222222221122212122222222211222222222222112222222222',
  },
  {
    dimension: 2,
    counts: [0, 0, 1, 5, 7, 10, 14, 15, 8, 4],
    tails: '2212120112222222221122222222221212222222121222222222221212222112',
  },
  {
    dimension: 2,
    counts: [1, 0, 2, 1, 0, 4, 3, 8, 11, 20, 31, 38, 32, 14, 4],
    tails:
      '011222112221122222222112222222121222222221222222221222122221222211222222222222212221' +
      '222222222222222222221221222222212222222222222221221222212222222222222222222222222222' +
      '2',
  },
  {
    dimension: 2,
    counts: [0, 0, 0, 3, 8, 14, 17, 25, 31, 41, 22, 8],
    tails:
      '222211222221122220221122222222222212122222222222212122222222222222222212222212222222' +
      '222222222212122222221222222122222222222222222121212222222222222221212221222122222212' +
      '2',
  },
  {
    dimension: 2,
    counts: [0, 0, 0, 2, 6, 7, 16, 59, 55, 95, 43, 6],
    tails:
      '028112222221212222222112222222222222225555525121525555222225522555225255525225522215' +
      '522221255225252222222522122222212222222222222212222222222242222224212222222222222222' +
      '222222222222221222222222222222222122222222222222222222222222211222222222222222222222' +
      '2222212212122212222211222212212112112',
  },
];

/** Sampling rates by `samplingFrequencyIndex` 0 to 12. */
export const samplingRates: readonly number[] = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
];

/** Bands that may carry prediction in AAC Main, by sampling index. */
export const predictionBands: readonly number[] = [
  33, 33, 38, 40, 40, 40, 41, 41, 37, 37, 37, 34, 34,
];

// Widths of scale factor bands as "width×count": the same shapes serve 1024 and 960 lines, where
// 960 leave out or shorten the last bands.
const longWidths = {
  96: '4×14 8×5 12×5 16×2 24 28 36 44 64×11',
  64: '4×14 8×4 12×3 16×3 20 24×2 28 36 40×18',
  48: '4×10 8×7 12×4 16×2 20×2 24×2 28×2 32×19 96',
  32: '4×10 8×7 12×4 16×2 20×2 24×2 28×2 32×22',
  24: '4×11 8×10 12×4 16×3 20×2 24×2 28×2 32 36×2 40 44 48 52×2 64×5',
  16: '8×11 12×9 16×4 20×3 24×2 28×2 32 36 40×2 44 48 52 56 60 64×3',
  8: '12×13 16×7 20×4 24×3 28×2 32 36×2 40 44 48 52 56 60 64 80',
} as const;

const shortWidths = {
  96: '4×6 8×3 16 28 36',
  48: '4×5 8×3 12×3 16×3',
  24: '4×7 8×3 12×2 16×2 20',
  16: '4×8 8×2 12×2 16 20×2',
  8: '4×7 8×4 12 16 20×2',
} as const;

type LongShape = keyof typeof longWidths;
type ShortShape = keyof typeof shortWidths;

const longShapeOf: readonly LongShape[] = [96, 96, 64, 48, 48, 32, 24, 24, 16, 16, 16, 8, 8];
const shortShapeOf: readonly ShortShape[] = [96, 96, 96, 48, 48, 48, 24, 24, 16, 16, 16, 8, 8];

/** Where scale factor bands begin, with the end of the last one as last entry. */
export interface BandOffsets {
  readonly long: Uint16Array;
  readonly short: Uint16Array;
}

/**
 * Band offsets for a sampling index (0 to 12) and frame length.
 *
 * @param lines  1024 or 960 spectral lines a frame
 */
export function bandOffsets(samplingIndex: number, lines: 1024 | 960): BandOffsets {
  const long = longWidths[longShapeOf[samplingIndex] ?? 48];
  const short = shortWidths[shortShapeOf[samplingIndex] ?? 48];
  // 48 kHz with 960 lines divides its last bands as 32 kHz does.
  const shape = lines === 960 && long === longWidths[48] ? longWidths[32] : long;
  return { long: offsets(shape, lines), short: offsets(short, lines / 8) };
}

function offsets(widths: string, lines: number): Uint16Array {
  const starts = [0];
  let at = 0;
  for (const part of widths.split(' ')) {
    const [width = 0, count = 1] = part.split('×').map(Number);
    for (let n = 0; n < count && at < lines; n++) {
      at = Math.min(lines, at + width);
      starts.push(at);
    }
  }
  return Uint16Array.from(starts);
}
