/**
 * The indexes of an AVI: `idx1`, and beyond 1 GB the standard indexes (`ix00`) of each part and the
 * index over them (`indx`), as in OpenDML AVI 1.02 §3.
 */
import { ByteWriter } from '../byte-writer.ts';
import type { ChunkIndex } from './avi-chunks.ts';
import type { AviHead, AviStream } from './avi-head.ts';

/** Pictures and sound of one `RIFF`: 1 GB, as OpenDML advises. */
const partBytes = 2 ** 30 - 2 ** 24;
const keyFrameFlag = 0x10;

/** One `RIFF` of the output: the chunks from `from` up to `to`. */
export interface AviPart {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  /** Bytes of its chunks, with their headers and padding. */
  readonly bytes: number;
  /** Bytes of the indexes behind them. */
  indexBytes: number;
}

export function layParts(index: ChunkIndex): AviPart[] {
  const parts: AviPart[] = [];
  let [from, bytes] = [0, 0];
  const close = (to: number) => {
    parts.push({ number: parts.length, from, to, bytes, indexBytes: 0 });
    [from, bytes] = [to, 0];
  };
  for (let i = 0; i < index.count; i += 1) {
    const size = index.size(i);
    const length = 8 + size + (size % 2);
    if (bytes > 0 && bytes + length > partBytes) close(i);
    bytes += length;
  }
  close(index.count);
  return parts;
}

/** Frames, or units of sound, of so many chunks and bytes. */
export function streamLength(stream: AviStream, chunks: number, bytes: number): number {
  return stream.sampleSize > 0 ? Math.floor(bytes / stream.sampleSize) : chunks;
}

type Lengths = (head: AviHead, index: ChunkIndex, from: number, to: number) => number[];

/**
 * Lays the parts behind a head of `headLength` bytes and makes their indexes.
 *
 * @returns for each stream its `indx` chunk, and for each part what stands behind its chunks:
 *   standard indexes inside `movi`, `idx1` behind it. Both are empty where not needed.
 */
export function standardIndexes(
  head: AviHead,
  index: ChunkIndex,
  parts: readonly AviPart[],
  headLength: number,
  lengthsOf: Lengths,
) {
  const isLong = parts.length > 1;
  const entries: ByteWriter[] = head.streams.map(() => new ByteWriter());
  let at = headLength;
  for (const part of parts) {
    // Where `movi` stands: behind RIFF, size, AVIX, LIST and size, or behind LIST and size.
    const movi = at + (part.number > 0 ? 20 : 8);
    let place = movi + 4 + part.bytes;
    const lengths = lengthsOf(head, index, part.from, part.to);
    let standard = 0;
    if (isLong) {
      const counts = chunkCounts(head, index, part);
      head.streams.forEach((_, stream) => {
        const size = 32 + 8 * (counts[stream] ?? 0);
        entries[stream]
          ?.le(place, 8)
          .le(size, 4)
          .le(lengths[stream] ?? 0, 4);
        place += size;
        standard += size;
      });
    }
    const idx1 = part.number === 0 ? 8 + 16 * (part.to - part.from) : 0;
    part.indexBytes = standard + idx1;
    at = movi + 4 + part.bytes + standard + idx1;
  }
  return {
    superIndexes: entries.map((entry, stream) =>
      superIndex(chunkId(head, index, stream), entry, parts.length),
    ),
    tail: (part: AviPart) => ({
      standard: isLong ? partIndexes(head, index, part, placeOf(parts, part, headLength)) : nothing,
      idx1: part.number === 0 ? oldIndex(head, index, part) : nothing,
    }),
  };
}

const nothing = new Uint8Array(0);

/** Offset of the four bytes `movi` of a part in the output. */
function placeOf(parts: readonly AviPart[], part: AviPart, headLength: number): number {
  let at = headLength;
  for (const other of parts) {
    const movi = at + (other.number > 0 ? 20 : 8);
    if (other === part) return movi;
    at = movi + 4 + other.bytes + other.indexBytes;
  }
  return at;
}

function chunkCounts(head: AviHead, index: ChunkIndex, part: AviPart): number[] {
  const counts = head.streams.map(() => 0);
  for (let i = part.from; i < part.to; i += 1) {
    const stream = index.stream(i);
    counts[stream] = (counts[stream] ?? 0) + 1;
  }
  return counts;
}

function chunkId(head: AviHead, index: ChunkIndex, stream: number): string {
  const code = index.codes[stream];
  if (code !== undefined) return code;
  const { kind } = head.streams[stream] ?? { kind: 'data' };
  const suffix = kind === 'audio' ? 'wb' : kind === 'video' ? 'dc' : 'tx';
  return String(stream).padStart(2, '0') + suffix;
}

function superIndex(code: string, entries: ByteWriter, parts: number): Uint8Array {
  return new ByteWriter()
    .ascii('indx')
    .le(24 + 16 * parts, 4)
    .le(4, 2)
    .le(0, 2)
    .le(parts, 4)
    .ascii(code)
    .zeros(12)
    .add(entries.take())
    .take();
}

function partIndexes(head: AviHead, index: ChunkIndex, part: AviPart, movi: number): Uint8Array {
  const all = new ByteWriter();
  const counts = chunkCounts(head, index, part);
  head.streams.forEach((_, stream) => {
    const count = counts[stream] ?? 0;
    all.ascii(`ix${String(stream).padStart(2, '0')}`).le(24 + 8 * count, 4);
    // Two numbers an entry, index of chunks; offsets count from `movi`.
    all
      .le(2, 2)
      .le(0x0100, 2)
      .le(count, 4)
      .ascii(chunkId(head, index, stream))
      .le(movi, 8)
      .zeros(4);
    let offset = 4;
    for (let i = part.from; i < part.to; i += 1) {
      const size = index.size(i);
      if (index.stream(i) === stream) {
        all.le(offset + 8, 4).le(size + (index.isKey(i) ? 0 : 2 ** 31), 4);
      }
      offset += 8 + size + (size % 2);
    }
  });
  return all.take();
}

function oldIndex(head: AviHead, index: ChunkIndex, part: AviPart): Uint8Array {
  const idx1 = new ByteWriter().ascii('idx1').le(16 * (part.to - part.from), 4);
  let offset = 4;
  for (let i = part.from; i < part.to; i += 1) {
    const size = index.size(i);
    idx1.ascii(chunkId(head, index, index.stream(i))).le(index.isKey(i) ? keyFrameFlag : 0, 4);
    idx1.le(offset, 4).le(size, 4);
    offset += 8 + size + (size % 2);
  }
  return idx1.take();
}
