/**
 * What macroblocks of an I slice know of those to their left and above (ISO/IEC 14496-10 §6.4.11):
 * the only place where the width of the picture enters the parsing.
 */
/** How the macroblocks of a slice are to be read. */
export interface IntraCoding {
  /** Of the picture, in macroblocks. */
  readonly width: number;
  /** Where in the picture the slice begins. */
  readonly firstMb: number;
  /** `transform_8x8_mode_flag`. */
  readonly transform8x8: boolean;
  /** Quantiser of the slice, from which arithmetic coding begins. */
  readonly qp: number;
}

export const mbKind = { none: 0, small: 1, whole: 2, raw: 3 } as const;

export class Neighbours {
  readonly width: number;
  /** Column of the macroblock that is read. */
  x = 0;
  leftKind = 0;
  readonly aboveKind: Uint8Array;
  /** Coded block pattern: luma in the low four bits, chroma (0 to 2) above. */
  leftPattern = 0;
  readonly abovePattern: Uint8Array;
  leftMode = 0;
  /** Intra prediction mode of the chroma. */
  readonly aboveMode: Uint8Array;
  leftLarge = 0;
  /** 1 for a transform of 8x8. */
  readonly aboveLarge: Uint8Array;
  /** Whether the DC blocks are coded: bit 0 luma, 1 and 2 chroma. */
  leftDc = 0;
  readonly aboveDc: Uint8Array;
  /** Coefficients (or 1 for a coded block) of the blocks at the border, by row or column. */
  readonly leftLuma = new Uint8Array(4);
  readonly aboveLuma: Uint8Array;
  readonly leftChroma: readonly [Uint8Array, Uint8Array] = [new Uint8Array(2), new Uint8Array(2)];
  readonly aboveChroma: readonly [Uint8Array, Uint8Array];
  /** What stands for blocks that are not there. */
  private readonly absent: number;

  /**
   * @param absent  what blocks outside the slice count as
   */
  constructor(width: number, absent: number) {
    this.width = width;
    this.absent = absent;
    this.aboveKind = new Uint8Array(width);
    this.abovePattern = new Uint8Array(width).fill(15);
    this.aboveMode = new Uint8Array(width);
    this.aboveLarge = new Uint8Array(width);
    this.aboveDc = new Uint8Array(width).fill(7);
    this.aboveLuma = new Uint8Array(width * 4).fill(absent);
    const chroma = () => new Uint8Array(width * 2).fill(absent);
    this.aboveChroma = [chroma(), chroma()];
    this.beginRow();
  }

  /** Goes on to the next macroblock, which has this one to its left. */
  advance(kind: number, pattern: number, mode: number, large: number, dc: number): void {
    const { x } = this;
    this.aboveKind[x] = kind;
    this.leftKind = kind;
    this.abovePattern[x] = pattern;
    this.leftPattern = pattern;
    this.aboveMode[x] = mode;
    this.leftMode = mode;
    this.aboveLarge[x] = large;
    this.leftLarge = large;
    this.aboveDc[x] = dc;
    this.leftDc = dc;
    this.x = x + 1;
    if (this.x === this.width) this.beginRow();
  }

  /** Sets what all luma blocks of the macroblock count as. */
  setLuma(value: number): void {
    this.leftLuma.fill(value);
    this.aboveLuma.fill(value, this.x * 4, this.x * 4 + 4);
  }

  setChroma(value: number): void {
    for (const plane of [0, 1] as const) {
      this.leftChroma[plane].fill(value);
      this.aboveChroma[plane].fill(value, this.x * 2, this.x * 2 + 2);
    }
  }

  private beginRow(): void {
    this.x = 0;
    this.leftKind = 0;
    this.leftPattern = 15;
    this.leftMode = 0;
    this.leftLarge = 0;
    this.leftDc = 7;
    this.leftLuma.fill(this.absent);
    for (const plane of this.leftChroma) plane.fill(this.absent);
  }
}

/** Column and row of the sixteen luma blocks in the order they are coded (§6.4.3). */
export const blockColumn = Uint8Array.of(0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3);
export const blockRow = Uint8Array.of(0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3);
