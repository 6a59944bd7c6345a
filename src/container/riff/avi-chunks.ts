/**
 * The walk over the chunks of an AVI's pictures and sound, and the index made from it.
 *
 * The sizes of the lists around the chunks are not needed and not believed: `LIST`, `RIFF` and
 * `rec ` are stepped into, so that AVI beyond 1 GB (OpenDML) is one walk.
 */
import { type DamageList, reportHole, reportTorn } from '../survey.ts';
import type { Window } from '../window.ts';
import { type AviHead, isKeyPicture } from './avi-head.ts';
import { type Chunk, chunkAt, chunkEnd } from './riff.ts';

/** Chunks that must chain before reading goes on behind a hole. */
const chainLength = 3;
const pictureHead = 2048;

/** The chunks that are kept, in flat arrays: 13 bytes each. */
export class ChunkIndex {
  count = 0;
  /** The four-character code of each stream's chunks, as first met: `00dc`, `00db`. */
  readonly codes: string[] = [];
  #offsets = new Float64Array(1024);
  #sizes = new Uint32Array(1024);
  #marks = new Uint8Array(1024);

  add(offset: number, size: number, stream: number, isKey: boolean): void {
    if (this.count === this.#offsets.length) this.#grow();
    this.#offsets[this.count] = offset;
    this.#sizes[this.count] = size;
    this.#marks[this.count] = stream + (isKey ? 128 : 0);
    this.count += 1;
  }

  removeLast(): void {
    this.count -= 1;
  }

  /** Of the chunk's four-character code in the source. */
  offset(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Bytes of its body. */
  size(index: number): number {
    return this.#sizes[index] ?? 0;
  }

  stream(index: number): number {
    return (this.#marks[index] ?? 0) & 127;
  }

  isKey(index: number): boolean {
    return (this.#marks[index] ?? 0) >= 128;
  }

  #grow(): void {
    const length = this.#offsets.length * 2;
    const grown = <T extends Float64Array | Uint32Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#offsets = grown(new Float64Array(length), this.#offsets);
    this.#sizes = grown(new Uint32Array(length), this.#sizes);
    this.#marks = grown(new Uint8Array(length), this.#marks);
  }
}

export interface ChunkWalk {
  readonly index: ChunkIndex;
  readonly lost: number;
  readonly hasIdx1: boolean;
  /** Where the last thing that could be read ends. */
  readonly end: number;
}

/** Walks from the first chunk of pictures or sound to the end of the window. */
export function walkChunks(window: Window, head: AviHead, damage: DamageList): ChunkWalk {
  const index = new ChunkIndex();
  let [at, lost, hasIdx1, isAfterMedia] = [head.movi.body + 4, 0, false, false];
  while (at < window.end) {
    const chunk = chunkAt(window, at);
    const stream = chunk ? streamOf(chunk, head) : -1;
    const fits = chunk !== null && chunk.body + chunk.size <= window.end;
    if (chunk && fits && stream >= 0) {
      index.codes[stream] ??= chunk.id;
      index.add(at, chunk.size, stream, isKey(window, head, chunk, stream));
      isAfterMedia = true;
      at = Math.min(chunkEnd(chunk), window.end);
      continue;
    }
    const step = chunk && stream < 0 ? stepOver(window, chunk) : -1;
    if (chunk && step > 0) {
      if (chunk.id === 'idx1') hasIdx1 = true;
      isAfterMedia = false;
      at = Math.min(step, window.end);
      continue;
    }
    // An index names the chunks: what is left of a torn one looks like chunks.
    const isIndex = chunk !== null && /^(idx1|ix\d\d)$/.test(chunk.id);
    const next = isIndex ? -1 : findChain(window, at + 1, head);
    if (next < 0) {
      if (window.end - at > 1) reportTorn(damage, 'The chunk', at, window.end);
      lost += window.end - at;
      break;
    }
    let from = at;
    if (isAfterMedia && index.count > 0) {
      // The hole began in the chunk before, not by chance exactly at its end.
      from = index.offset(index.count - 1);
      index.removeLast();
    }
    reportHole(damage, from, next);
    lost += next - from;
    [at, isAfterMedia] = [next, false];
  }
  return { index, lost, hasIdx1, end: at };
}

/** Number of the stream a chunk belongs to; -1 when it is none of pictures or sound. */
function streamOf(chunk: Chunk, head: AviHead): number {
  const match = /^(\d\d)(dc|db|wb|tx|sb|pc|iv|dd)$/.exec(chunk.id);
  const stream = match ? Number(match[1]) : -1;
  return stream < head.streams.length ? stream : -1;
}

/** Where to go on behind or inside a chunk that is no media; -1 when it cannot be one. */
function stepOver(window: Window, chunk: Chunk): number {
  if (chunk.id === 'RIFF' || chunk.id === 'LIST') {
    const type = window.ascii(chunk.body, 4);
    if (/^(movi|rec |AVIX)$/.test(type)) return chunk.body + 4;
  }
  const isKnown = /^(idx1|ix\d\d|JUNK|LIST|RIFF|\d\d[a-z]{2})$/.test(chunk.id);
  return isKnown && chunk.body + chunk.size <= window.end ? chunkEnd(chunk) : -1;
}

function isKey(window: Window, head: AviHead, chunk: Chunk, stream: number): boolean {
  const facts = head.streams[stream];
  if (facts?.kind !== 'video') return true;
  return isKeyPicture(facts.codec, window.bytes(chunk.body, Math.min(chunk.size, pictureHead)));
}

function findChain(window: Window, from: number, head: AviHead): number {
  // Stream numbers are digits; lists, indexes and padding begin with a letter.
  return window.searchAny(from, window.end, [0x30, 0x31, 0x4c, 0x52], (at) =>
    chains(window, at, head),
  );
}

function chains(window: Window, from: number, head: AviHead): boolean {
  let at = from;
  for (let count = 0; count < chainLength; count += 1) {
    if (at >= window.end) return count > 1;
    const chunk = chunkAt(window, at);
    if (!chunk) return window.end - at < 8 && count > 1;
    const next = streamOf(chunk, head) >= 0 ? chunkEnd(chunk) : stepOver(window, chunk);
    if (next < 0) return false;
    if (next > window.end + 1) return count > 1;
    at = next;
  }
  return true;
}
