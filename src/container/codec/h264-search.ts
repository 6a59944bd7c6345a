/**
 * Parameter sets for H.264 whose own are lost: setups that an intra picture can be read with, to be
 * confirmed by decoding.
 *
 * With x264's options only the size is unknown. Without them, hardware encoders and the like, the
 * widths of the counters are known by their values (blind-order.ts), and the rest is tried.
 */
import type { BlindFormat } from './blind-nal.ts';
import type { IntraPicture, IntraSetup } from './h264-picture-size.ts';
import { buildH264Sets, type H264Recipe, type H264SetPair } from './h264-writer.ts';
import { usualSizes, type X264Options, x264Recipe } from './x264.ts';

type Size = readonly [width: number, height: number];

/** Sets that may fit, and what they say. */
export interface SetCandidate extends H264SetPair {
  readonly recipe: H264Recipe;
  /** The size is one that screens and cameras have; else it may have a border of up to 15 pixels. */
  readonly isUsualSize: boolean;
}

const inMacroblocks = (pixels: number): number => Math.ceil(pixels / 16);
const widest = 256;

/**
 * The size of a picture that can be read with a setup; null when it cannot be.
 *
 * @param sizes   sizes to try, the likeliest first
 * @param widths  then also every width up to so many macroblocks
 */
export function pictureSize(
  picture: IntraPicture,
  setup: IntraSetup,
  sizes: readonly Size[],
  widths = 0,
): { readonly size: Size; readonly isUsual: boolean } | null {
  const tried = new Map<number, number>();
  let widestRead = Number.POSITIVE_INFINITY;
  const rows = (width: number): number => {
    if (width > widestRead) return 0;
    let count = tried.get(width);
    if (count === undefined) {
      count = picture.macroblocks(setup, width);
      tried.set(width, count);
      if (picture.reached < width) widestRead = picture.reached;
    }
    return count / width;
  };
  for (const size of sizes) {
    const width = inMacroblocks(size[0]);
    if (rows(width) === inMacroblocks(size[1])) return { size, isUsual: true };
  }
  for (let width = 1; width <= widths; width += 1) {
    const height = rows(width);
    if (height > 0) return { size: [width * 16, height * 16], isUsual: false };
  }
  return null;
}

/** The sets that x264 wrote with these options, at the size of the picture; null when none fits. */
export function setsByOptions(
  options: X264Options,
  picture: IntraPicture,
  sizes: readonly Size[],
): SetCandidate | null {
  const recipeAt = ([width, height]: Size): H264Recipe =>
    x264Recipe(options, { width, height, chromaFormat: 1, bitDepth: 8 });
  const recipe = recipeAt([640, 360]);
  if (recipe.bottomOrderPresent) return null; // fields, or macroblocks in pairs
  const found = pictureSize(picture, setupOf(recipe), [...sizes, ...usualSizes], widest);
  if (!found) return null;
  const sized = recipeAt(found.size);
  return { ...buildH264Sets(sized), recipe: sized, isUsualSize: found.isUsual };
}

const setupOf = (recipe: H264Recipe): IntraSetup => ({
  frameNumBits: recipe.frameNumBits,
  orderBits: recipe.orderType === 0 ? recipe.orderLsbBits : 0,
  deblockingControl: recipe.deblockingControl,
  cabac: recipe.cabac,
  transform8x8: recipe.transform8x8,
  initialQp: recipe.initialQp,
});

/**
 * Sets for a stream that says nothing of its settings, the likeliest first. What intra pictures do
 * not depend on (references, weights) differs from one to the next.
 */
export function* setsBySearch(
  picture: IntraPicture,
  format: BlindFormat,
  sizes: readonly Size[],
): Generator<SetCandidate> {
  for (const [setup, found] of readings(picture, format, sizes)) {
    for (const [refIdxL0, weightedPrediction, weightedBiprediction] of predictions) {
      const recipe = recipeFor(setup, found.size, format.orderBits > 0, {
        refIdxL0,
        weightedPrediction,
        weightedBiprediction,
      });
      yield { ...buildH264Sets(recipe), recipe, isUsualSize: found.isUsual };
    }
  }
}

/** Setups and sizes with which the picture can be read, looked for where they are likeliest first. */
function* readings(
  picture: IntraPicture,
  format: BlindFormat,
  sizes: readonly Size[],
): Generator<readonly [IntraSetup, NonNullable<ReturnType<typeof pictureSize>>]> {
  const first = [...sizes.slice(0, 4), ...usualSizes.slice(0, 8)];
  const all = [...sizes, ...usualSizes];
  for (const [tried, widths] of [
    [first, 0],
    [all, 0],
    [all, widest],
  ] as const) {
    for (const setup of setups(format)) {
      // Every width with every quantiser would take seconds.
      if (widths > 0 && setup.cabac && setup.initialQp !== usualQp) continue;
      const found = pictureSize(picture, setup, tried, widths);
      if (found) yield [setup, found];
    }
  }
}

/** Setups in the order of likelihood. */
function* setups(format: BlindFormat): Generator<IntraSetup> {
  const { frameNumBits, orderBits } = format;
  if (frameNumBits === 0) return;
  const codings = [
    { cabac: true, transform8x8: true },
    { cabac: true, transform8x8: false },
    { cabac: false, transform8x8: false },
    { cabac: false, transform8x8: true },
  ];
  for (const deblockingControl of [true, false]) {
    for (const coding of codings) {
      yield { frameNumBits, orderBits, deblockingControl, ...coding, initialQp: usualQp };
    }
  }
  // Arithmetic coding begins from the quantiser; codes of variable length do not tell it.
  for (const deblockingControl of [true, false]) {
    for (const coding of codings.slice(0, 2)) {
      for (let off = 1; off <= 26; off += 1) {
        for (const initialQp of [usualQp - off, usualQp + off]) {
          if (initialQp < 0 || initialQp > 51) continue;
          yield { frameNumBits, orderBits, deblockingControl, ...coding, initialQp };
        }
      }
    }
  }
}

const usualQp = 26;

// Active references unless a slice says otherwise, and weighted prediction of P and of B pictures.
const predictions: readonly (readonly [number, boolean, number])[] = [
  [1, false, 0],
  [3, true, 2],
  [1, true, 2],
  [2, true, 2],
  [3, false, 0],
  [2, false, 0],
  [4, false, 0],
  [4, true, 2],
  [5, true, 2],
  [8, true, 2],
  [16, true, 2],
  [1, true, 0],
  [1, false, 2],
  [1, false, 1],
];

function recipeFor(
  setup: IntraSetup,
  [width, height]: Size,
  isOrdered: boolean,
  prediction: Pick<H264Recipe, 'refIdxL0' | 'weightedPrediction' | 'weightedBiprediction'>,
): H264Recipe {
  const isPlain = !setup.cabac && !setup.transform8x8 && !isOrdered;
  const frames = Math.max(4, prediction.refIdxL0);
  return {
    ...prediction,
    width,
    height,
    chromaFormat: 1,
    bitDepth: 8,
    id: 0,
    profile: setup.transform8x8 ? 100 : isPlain ? 66 : 77,
    level: 51,
    lossless: false,
    frameNumBits: setup.frameNumBits,
    orderType: setup.orderBits > 0 ? 0 : 2,
    orderLsbBits: setup.orderBits,
    refFrames: frames,
    framesOnly: true,
    adaptiveFrameField: false,
    reorderDepth: setup.orderBits > 0 ? Math.min(2, frames) : 0,
    bufferedFrames: frames,
    cabac: setup.cabac,
    bottomOrderPresent: false,
    initialQp: setup.initialQp,
    chromaQpOffset: 0,
    deblockingControl: setup.deblockingControl,
    constrainedIntra: false,
    transform8x8: setup.transform8x8,
    defaultScaling: false,
  };
}
