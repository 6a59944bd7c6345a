/**
 * x264 writes its options as text into an SEI unit of the first frame. From them follow the
 * parameter sets, but for the picture's size and format: so a file that lost its sets can be given
 * new ones, to be tried by decoding.
 *
 * How options become fields was checked by comparing streams with their texts (core 164); see
 * docs/decisions/0102-parameter-sets-from-x264.md.
 */
import { BitReader } from './bit-reader.ts';
import { buildH264Sets, type H264Recipe, type H264SetPair } from './h264-writer.ts';

/** Options as x264 lists them: `cabac=1 ref=3 deblock=1:0:0 …`. */
export type X264Options = ReadonlyMap<string, string>;

const marker = Uint8Array.from('x264 - core ', (char) => char.charCodeAt(0));
const longestText = 4096;

/** Finds x264's options in the first frame's bytes; null when they are not there. */
export function findX264Options(bytes: Uint8Array): X264Options | null {
  for (
    let at = bytes.indexOf(marker[0] ?? 0);
    at >= 0;
    at = bytes.indexOf(marker[0] ?? 0, at + 1)
  ) {
    if (!marker.every((byte, n) => bytes[at + n] === byte)) continue;
    const stop = Math.min(bytes.length, at + longestText);
    let end = at;
    while (end < stop && (bytes[end] ?? 0) >= 32 && (bytes[end] ?? 0) < 127) end++;
    const text = String.fromCharCode(...bytes.subarray(at, end));
    const options = parseX264Options(text);
    if (options) return options;
    at = end - 1;
  }
  return null;
}

/** Reads the options behind `options:` of x264's text; null when there are none. */
export function parseX264Options(text: string): X264Options | null {
  const from = text.indexOf('options: ');
  if (from < 0) return null;
  const options = new Map<string, string>();
  for (const word of text.slice(from + 9).split(' ')) {
    const [name = '', value = ''] = word.split('=');
    if (name && value) options.set(name, value);
  }
  return options.size > 0 ? options : null;
}

/** What the options do not say. */
export interface PictureFormat {
  readonly width: number;
  readonly height: number;
  readonly chromaFormat: number;
  readonly bitDepth: number;
}

/** The parameter sets that x264 wrote for these options and this format, as a recipe. */
export function x264Recipe(options: X264Options, format: PictureFormat, id = 0): H264Recipe {
  const number = (name: string, otherwise = 0): number => {
    const value = Number.parseFloat(options.get(name) ?? '');
    return Number.isFinite(value) ? value : otherwise;
  };
  const interlaced = options.get('interlaced') ?? '0';
  const fake = interlaced === 'fake';
  const adaptiveFrameField = interlaced !== '0' && !fake;
  const bFrames = number('bframes');
  const pyramid = number('b_pyramid');
  const keyint = options.get('keyint') === 'infinite' ? 2 ** 30 : number('keyint', 250);
  const onlyIntra = keyint === 1;
  const refs = Math.max(1, number('ref', 1));
  const reorderDepth = pyramid > 0 ? 2 : bFrames > 0 ? 1 : 0;
  const wanted = Math.max(refs, 1 + reorderDepth, pyramid > 0 ? 4 : 1);
  const bufferedFrames = onlyIntra ? 0 : Math.min(16, wanted);
  // Strict pyramids (1) keep no extra picture.
  const refFrames = onlyIntra ? 0 : bufferedFrames - (pyramid === 1 ? 1 : 0);
  let framesApart = bufferedFrames * (pyramid > 0 ? 2 : 1) + 1;
  if (number('intra_refresh') > 0) {
    const columns = Math.ceil(format.width / 16) - 1;
    framesApart = Math.max(framesApart, Math.min(columns, keyint) + bFrames);
  }
  const orderType = bFrames > 0 || fake ? 0 : 2;
  const orderApart = (bFrames + 2) * (pyramid > 0 ? 2 : 1) * 4;
  const lossless = options.get('rc') === 'cqp' && number('qp', 1) === 0;
  const transform8x8 = number('8x8dct') > 0;
  const defaultScaling = number('cqm') === 1;
  return {
    ...format,
    id,
    profile: profileOf(options, format, lossless),
    level: levelFor(format.width, format.height, bufferedFrames),
    lossless,
    frameNumBits: bitsFor(framesApart),
    orderType,
    orderLsbBits: bitsFor(orderApart),
    refFrames,
    framesOnly: interlaced === '0',
    adaptiveFrameField,
    reorderDepth,
    bufferedFrames,
    cabac: number('cabac') > 0,
    bottomOrderPresent: adaptiveFrameField,
    refIdxL0: refs,
    weightedPrediction: number('weightp') > 0,
    weightedBiprediction: number('weightb') > 0 ? 2 : 0,
    initialQp: initialQp(options),
    chromaQpOffset: number('chroma_qp_offset'),
    deblockingControl: true,
    constrainedIntra: number('constrained_intra') > 0,
    transform8x8,
    defaultScaling,
  };
}

/** Bits of a counter that x264 lets reach a value without wrapping: 4 at the least. */
function bitsFor(value: number): number {
  let bits = 4;
  while (2 ** bits <= value) bits++;
  return Math.min(16, bits);
}

/** Rate control by quality starts at that quality, all others at 26. */
function initialQp(options: X264Options): number {
  const rc = options.get('rc');
  if (options.get('stitchable') === '1') return 26;
  const value = rc === 'crf' ? options.get('crf') : rc === 'cqp' ? options.get('qp') : undefined;
  const quality = Number.parseFloat(value ?? '');
  return Number.isFinite(quality) ? Math.max(-36, Math.min(51, Math.trunc(quality))) : 26;
}

function profileOf(options: X264Options, format: PictureFormat, lossless: boolean): number {
  const on = (name: string): boolean => (options.get(name) ?? '0') !== '0';
  if (lossless || format.chromaFormat === 3) return 244;
  if (format.chromaFormat === 2) return 122;
  if (format.bitDepth > 8) return 110;
  if (on('8x8dct') || on('cqm')) return 100;
  return on('cabac') || on('interlaced') || on('bframes') || on('weightp') ? 77 : 66;
}

// Macroblocks a frame, and macroblocks a picture buffer, by level (ISO/IEC 14496-10 table A-1).
const levels = [
  [30, 1620, 8100],
  [31, 3600, 18000],
  [40, 8192, 32768],
  [42, 8704, 34816],
  [50, 22080, 110400],
  [51, 36864, 184320],
  [60, 139264, 696320],
] as const;

function levelFor(width: number, height: number, frames: number): number {
  const mbs = Math.ceil(width / 16) * Math.ceil(height / 16);
  return levels.find(([, frame, buffer]) => mbs <= frame && mbs * frames <= buffer)?.[0] ?? 62;
}

/** Hints that shorten the search for a picture's size. */
export interface SizeHints {
  /** Sizes to try first, such as those of other files in the folder. */
  readonly sizes?: readonly (readonly [width: number, height: number])[];
  /** Highest `first_mb_in_slice` seen: the picture has more macroblocks than that. */
  readonly firstMb?: number;
  /** Parameter set id that slices name. */
  readonly id?: number;
}

/**
 * Parameter sets to try for x264's options, the likeliest first. A set fits when the first frame
 * decodes with it without an error: with a wrong size the arithmetic decoder loses its way.
 */
export function* candidateParameterSets(
  options: X264Options,
  hints: SizeHints = {},
): Generator<H264SetPair & { readonly recipe: H264Recipe }> {
  const tried = new Set<string>();
  for (const [chromaFormat, bitDepth] of pictureFormats) {
    for (const [width, height] of [...(hints.sizes ?? []), ...usualSizes]) {
      const mbs = Math.ceil(width / 16) * Math.ceil(height / 16);
      if (hints.firstMb !== undefined && mbs <= hints.firstMb) continue;
      const key = `${chromaFormat}/${bitDepth}/${width}x${height}`;
      if (tried.has(key)) continue;
      tried.add(key);
      const format = { width, height, chromaFormat, bitDepth };
      const recipe = x264Recipe(options, format, hints.id ?? 0);
      yield { ...buildH264Sets(recipe), recipe };
    }
  }
}

/** Eight bits with 4:2:0 is what nearly every recorder writes. */
const pictureFormats: readonly (readonly [chromaFormat: number, bitDepth: number])[] = [
  [1, 8],
  [3, 8],
  [2, 8],
  [1, 10],
];

/** Sizes of screens and of what recorders make of them, by how often they are met. */
// biome-ignore format: a list of pairs
export const usualSizes: readonly (readonly [width: number, height: number])[] = [
  [1920, 1080], [1280, 720], [2560, 1440], [3840, 2160], [640, 360], [1366, 768], [1600, 900],
  [854, 480], [852, 480], [640, 480], [960, 540], [1440, 900], [1680, 1050], [1920, 1200],
  [1280, 800], [1024, 768], [1536, 864], [1360, 768], [1024, 576], [800, 600], [1280, 1024],
  [2560, 1080], [3440, 1440], [2560, 1600], [1600, 1200], [2048, 1152], [1080, 1920], [720, 1280],
  [360, 640], [540, 960], [480, 854], [848, 480], [768, 432], [720, 480], [720, 576], [720, 404],
  [426, 240], [424, 240], [480, 270], [320, 180], [320, 240], [256, 144], [1152, 648], [1280, 960],
  [1440, 1080], [1920, 1440], [2048, 1536], [2736, 1824], [2880, 1800], [2880, 1620], [3072, 1920],
  [3024, 1964], [3024, 1890], [3456, 2234], [2560, 1664], [1728, 1116], [1728, 1080], [1512, 982],
  [1470, 956], [1440, 932], [3200, 1800], [3840, 1600], [3840, 1080], [5120, 1440], [4096, 2160],
  [5120, 2880], [1792, 1120], [2304, 1440], [1496, 966], [1280, 832], [1352, 878], [1112, 834],
  [960, 720], [960, 600], [864, 486], [800, 450], [640, 400], [1080, 1080], [1080, 1350],
  [352, 288], [352, 240], [176, 144], [160, 120], [160, 90], [1708, 960], [1706, 960], [1176, 664], [1768, 992], [1128, 634], [1096, 616], [1396, 786],
];

/** The parameter set id that a slice names, from its first bytes after the NAL header. */
export function sliceSetId(payload: Uint8Array): number {
  const reader = new BitReader().reset(payload);
  reader.ue();
  reader.ue();
  const id = reader.ue();
  return reader.overrun || id > 255 ? 0 : id;
}
