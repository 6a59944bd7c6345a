/**
 * Boxes: the nesting of an ISO base media file (ISO/IEC 14496-12 §4.2), walked with bounds.
 *
 * Only headers are read here. What a box holds is in movie.ts (`moov`), sample-table.ts (`stbl`)
 * and fragments.ts (`moof`).
 */
import type { ByteSource } from '../bytes.ts';
import { fourcc, u32, u64 } from './fields.ts';

/** More boxes inside one box than any recorder writes. */
export const mostBoxes = 10_000;
export const mostTracks = 64;

export interface Box {
  readonly type: string;
  /** Offset of the box in the file. */
  readonly start: number;
  /** Offset of its content. */
  readonly body: number;
  /** Where it ends by its own word; may lie beyond the end of the file. */
  readonly end: number;
  /** Size 0: it goes on to the end of the file. */
  readonly open: boolean;
}

/**
 * Reads the header of the box at `at`.
 *
 * @param limit  end of whatever holds the box; a box of size 0 ends there
 * @returns null when fewer than 8 bytes are left or its size contradicts its own header
 */
export function boxAt(source: ByteSource, at: number, limit: number): Box | null {
  if (limit - at < 8) return null;
  const head = source.read(at, 16);
  if (head.length < 8) return null;
  const size = u32(head, 0);
  const type = fourcc(head, 4);
  if (size === 0) return { type, start: at, body: at + 8, end: limit, open: true };
  if (size === 1) {
    const large = u64(head, 8);
    if (head.length < 16 || large < 16 || !Number.isSafeInteger(at + large)) return null;
    return { type, start: at, body: at + 16, end: at + large, open: false };
  }
  if (size < 8) return null;
  return { type, start: at, body: at + 8, end: at + size, open: false };
}

/** The boxes inside a box, at most {@link mostBoxes}, each ending within `end`. */
export function childBoxes(source: ByteSource, body: number, end: number): Box[] {
  const boxes: Box[] = [];
  const limit = Math.min(end, source.size);
  for (let at = body; at < limit && boxes.length < mostBoxes; ) {
    const box = boxAt(source, at, limit);
    if (!box || box.end > limit) break;
    boxes.push(box);
    at = box.end;
  }
  return boxes;
}

// What may stand at the top of a file by the specification or by a recorder's habit.
const fileTypes = new Set(
  (
    'ftyp styp moov moof mdat free skip wide pnot uuid meta mfra sidx ssix prft emsg pdin bloc junk ' +
    'udta imda idat PICT mfro mvex prrt beam prfl thum clip'
  ).split(' '),
);

/** True for the four-character codes that stand at the top level of real files. */
export function isFileBox(type: string): boolean {
  return fileTypes.has(type);
}

/** How a walk over the top level of a file ended. */
export interface FileWalk {
  /** Where the walk stopped: the end of the file, or the first bytes that are no box. */
  readonly stop: number;
  /** The bytes at `stop` are no box of a file. False when every byte up to the end is in a box. */
  readonly broken: boolean;
}

/**
 * Walks the top level of a file, from `from` on, showing each box to `visit` until that says stop
 * (by returning false). The last box may reach beyond the end of the file.
 */
export function walkFile(source: ByteSource, from: number, visit: (box: Box) => boolean): FileWalk {
  let at = from;
  while (at < source.size) {
    const box = boxAt(source, at, source.size);
    if (!box || !isFileBox(box.type)) return { stop: at, broken: true };
    if (!visit(box)) return { stop: at, broken: false };
    if (box.end >= source.size) return { stop: source.size, broken: false };
    at = box.end;
  }
  return { stop: at, broken: false };
}

/** Blocks that are kept: enough for the headers of a movie, whose tables lie between them. */
const mostBlocks = 32;

/**
 * A source that reads in blocks and keeps the last ones, for walks that look at many small places.
 *
 * Reads longer than a block go through untouched.
 */
export function readAhead(source: ByteSource, blockSize = 16 * 1024): ByteSource {
  const blocks = new Map<number, Uint8Array>();
  const blockAt = (start: number): Uint8Array => {
    const known = blocks.get(start);
    if (known) return known;
    const block = source.read(start, blockSize);
    if (blocks.size >= mostBlocks) blocks.delete(blocks.keys().next().value ?? 0);
    blocks.set(start, block);
    return block;
  };
  return {
    size: source.size,
    read(offset, length) {
      if (length > blockSize) return source.read(offset, length);
      const start = offset - (offset % blockSize);
      const first = blockAt(start).subarray(offset - start, offset - start + length);
      if (first.length === length || start + blockSize >= source.size) return first;
      const joined = new Uint8Array(length);
      joined.set(first);
      const rest = blockAt(start + blockSize).subarray(0, length - first.length);
      joined.set(rest, first.length);
      return joined.subarray(0, first.length + rest.length);
    },
  };
}

/** Boxes that may stand between samples (a second mdat, padding, fragments of a hybrid file), by the number their type is. */
export const betweenSamples = new Map(
  ['mdat', 'free', 'skip', 'wide', 'moof', 'moov', 'mfra', 'styp', 'sidx', 'uuid'].map((type) => [
    [...type].reduce((code, character) => code * 256 + character.charCodeAt(0), 0),
    type,
  ]),
);
