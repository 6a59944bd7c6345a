/**
 * Blocks (RFC 9559 §10): track, time relative to the cluster, flags, and how many frames are laced.
 */
import { ByteWriter } from '../byte-writer.ts';
import type { Window } from '../window.ts';
import { type Element, elementAt, ids, uintOf } from './ebml.ts';

export interface BlockFacts {
  readonly track: number;
  /** Ticks from the cluster's timestamp, -32768 to 32767. */
  readonly relative: number;
  readonly isKey: boolean;
  readonly frames: number;
  /** Ticks the block lasts, where it says so; 0 otherwise. */
  readonly duration: number;
  /** Where the bytes of its only frame begin, or of a lace, and where the block ends. */
  readonly frameAt: number;
  readonly end: number;
}

/** No frame is longer: 256 MiB is a second of uncompressed 4K. */
const longestBlock = 256 * 1024 * 1024;

/** Reads a simple block or a block group; null when it cannot be one. */
export function readBlock(window: Window, child: Element): BlockFacts | null {
  if (child.size < 4 || child.size > longestBlock) return null;
  if (child.id === ids.SimpleBlock) {
    const flags = window.u8(child.body + trackLength(window, child.body) + 2);
    // Three bits of the flags are reserved (§10.2).
    if ((flags & 0x70) !== 0) return null;
    return facts(window, child.body, child.size, (flags & 0x80) !== 0, 0);
  }
  return child.id === ids.BlockGroup ? readGroup(window, child) : null;
}

/** The frames of a laced block, and what stands before them. */
export interface LacedBlock {
  /** Track number and time: what every block begins with. */
  readonly head: Uint8Array;
  /** Where the first frame lies, and the bytes of each. */
  readonly at: number;
  readonly sizes: readonly number[];
}

/** Splits a laced block (§10.3), whose end may be missing; null when it is none. */
export function lacedBlock(window: Window, block: Element): LacedBlock | null {
  const head = window.bytes(block.body, trackLength(window, block.body) + 2).slice();
  const flagsAt = block.body + head.length;
  const lacing = window.u8(flagsAt) & 0x06;
  const frames = window.u8(flagsAt + 1) + 1;
  const end = block.body + block.size;
  if (lacing === 0 || frames < 2) return null;
  const read = lacing === 0x04 ? evenSizes : lacing === 0x02 ? xiphSizes : ebmlSizes;
  const { sizes, at } = read(window, flagsAt + 2, frames, end);
  const last = end - at - sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.length !== frames - 1 || last < 0 || sizes.some((size) => size < 0)) return null;
  return { head, at, sizes: [...sizes, last] };
}

/** Sizes of all frames but the last, and where the first begins. */
interface LaceSizes {
  readonly sizes: readonly number[];
  readonly at: number;
}

function evenSizes(_window: Window, at: number, frames: number, end: number): LaceSizes {
  return { sizes: new Array(frames - 1).fill(Math.floor((end - at) / frames)), at };
}

function xiphSizes(window: Window, from: number, frames: number): LaceSizes {
  const sizes: number[] = [];
  let [at, size] = [from, 0];
  for (; sizes.length < frames - 1 && at < window.end; at += 1) {
    const byte = window.u8(at);
    size += byte;
    if (byte === 255) continue;
    sizes.push(size);
    size = 0;
  }
  return { sizes, at };
}

/** The first size as it is, the others as differences to the one before. */
function ebmlSizes(window: Window, from: number, frames: number): LaceSizes {
  const sizes: number[] = [];
  let at = from;
  while (sizes.length < frames - 1 && at < window.end) {
    const length = trackLength(window, at);
    const bytes = window.bytes(at, length);
    if (length < 1 || length > 4 || bytes.length < length) break;
    let value = (bytes[0] ?? 0) & (0xff >> length);
    for (let i = 1; i < length; i += 1) value = value * 256 + (bytes[i] ?? 0);
    const before = sizes.at(-1);
    sizes.push(before === undefined ? value : before + value - (2 ** (7 * length - 1) - 1));
    at += length;
  }
  return { sizes, at };
}

/** The head of a simple block with the first `frames` of a laced one: sizes as Xiph laces them. */
export function shorterLacing({ head, sizes }: LacedBlock, frames: number): Uint8Array {
  const writer = new ByteWriter().add(head);
  if (frames === 1) return writer.u8(0x80).take();
  writer.u8(0x82).u8(frames - 1);
  for (const size of sizes.slice(0, frames - 1)) {
    for (let left = size; ; left -= 255) {
      writer.u8(Math.min(255, left));
      if (left < 255) break;
    }
  }
  return writer.take();
}

function readGroup(window: Window, group: Element): BlockFacts | null {
  let block: Element | null = null;
  let isKey = true;
  let duration = 0;
  for (const child of childrenBefore(window, group, group.body + group.size)) {
    if (child.id === ids.Block) block = child;
    if (child.id === ids.ReferenceBlock) isKey = false;
    if (child.id === ids.BlockDuration) duration = uintOf(window, child);
  }
  return block && block.size >= 4 ? facts(window, block.body, block.size, isKey, duration) : null;
}

/** What may stand in a block group, in any order: GStreamer puts duration and padding first. */
const groupChildren: ReadonlySet<number> = new Set([
  ids.Block,
  ids.BlockAdditions,
  ids.BlockDuration,
  ids.ReferencePriority,
  ids.ReferenceBlock,
  ids.CodecState,
  ids.DiscardPadding,
  ids.Slices,
  ids.Void,
  ids.Crc32,
]);

/** The children of a group that end at or before `reach`, at most 64 of them. */
export function childrenBefore(
  window: Window,
  group: Element,
  reach: number,
): (Element & { readonly end: number })[] {
  const children: (Element & { readonly end: number })[] = [];
  let at = group.body;
  while (at < reach && children.length < 64) {
    const child = elementAt(window, at);
    if (!child || child.size < 0 || child.body + child.size > reach) break;
    if (!groupChildren.has(child.id)) break;
    at = child.body + child.size;
    children.push({ ...child, end: at });
  }
  return children;
}

function trackLength(window: Window, at: number): number {
  return Math.clz32(window.u8(at)) - 23;
}

function facts(
  window: Window,
  at: number,
  size: number,
  isKey: boolean,
  duration: number,
): BlockFacts | null {
  const length = trackLength(window, at);
  if (length < 1 || length > 2 || size < length + 3) return null;
  const lead = window.u8(at) & (0xff >> length);
  const track = length === 1 ? lead : lead * 256 + window.u8(at + 1);
  const time = window.u16(at + length);
  const flags = window.u8(at + length + 2);
  if (time < 0 || flags < 0) return null;
  const frames = lacedFrames(window, at + length + 3, size - length - 3, flags & 0x06);
  if (frames === 0) return null;
  const relative = time > 32767 ? time - 65536 : time;
  return { track, relative, isKey, frames, duration, frameAt: at + length + 3, end: at + size };
}

/** How many frames share the block (§10.3): 1 without lacing, 0 when the sizes cannot be right. */
function lacedFrames(window: Window, at: number, size: number, lacing: number): number {
  if (lacing === 0) return 1;
  const frames = window.u8(at) + 1;
  if (size < 1 + frames) return 0;
  if (lacing === 0x04) return (size - 1) % frames === 0 ? frames : 0;
  if (lacing === 0x06) return frames;
  let [place, sum] = [at + 1, 0];
  for (let left = frames - 1; left > 0 && place < at + size; place += 1) {
    const byte = window.u8(place);
    sum += byte;
    if (byte < 255) left -= 1;
  }
  return place - at + sum < size ? frames : 0;
}
