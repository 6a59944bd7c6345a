/**
 * What the tables of a file claim against what is there: counts that no reader should believe.
 *
 * Our own reader is bounded by the bytes that are there; others are not. A false count in `stts`,
 * `ctts` or `stsc` keeps a reader busy for minutes, one in `stsz` fills the memory: such a file is not
 * shown to them. Tables are those of ISO/IEC 14496-12 §8.6, §8.7 and §8.8.8.
 */
import type { ByteSource } from '../bytes.ts';
import { type Box, childBoxes, readAhead, walkFile } from './boxes.ts';
import { u32 } from './fields.ts';

/** Bytes of an entry, and of what stands before the first one. */
const layouts: Readonly<Record<string, { readonly entry: number; readonly head: number }>> = {
  stts: { entry: 8, head: 8 },
  ctts: { entry: 8, head: 8 },
  stsc: { entry: 12, head: 8 },
  stss: { entry: 4, head: 8 },
  stco: { entry: 4, head: 8 },
  co64: { entry: 8, head: 8 },
  elst: { entry: 12, head: 8 },
};

const holders = new Set(['moov', 'trak', 'edts', 'mdia', 'minf', 'stbl', 'moof', 'traf']);
/** Deeper than the specification nests them. */
const mostNested = 8;
/** Entries of one table that are looked at; a longer one is judged by its beginning. */
const mostEntries = 200_000;
const mostTold = 5;
/** Old sound codecs count what comes out of the decoder. */
const mostPerByte = 16;

/** Sentences about counts that cannot be true; empty for every sound file. At most five. */
export function falseClaims(file: ByteSource): readonly string[] {
  const source = readAhead(file, 64 * 1024);
  const told: string[] = [];
  walkFile(source, 0, (box) => {
    if (holders.has(box.type)) examine(source, box, told, 0);
    return told.length < mostTold;
  });
  return told.slice(0, mostTold);
}

function examine(source: ByteSource, holder: Box, told: string[], depth: number): void {
  const boxes = childBoxes(source, holder.body, holder.end);
  for (const box of boxes) {
    if (told.length >= mostTold) return;
    if (holders.has(box.type) && depth < mostNested) examine(source, box, told, depth + 1);
    const claim = tooMany(source, box);
    if (claim) told.push(claim);
  }
  if (holder.type === 'stbl' && told.length === 0) told.push(...contradictions(source, boxes));
}

/** More entries than the box has bytes for. */
function tooMany(source: ByteSource, box: Box): string | null {
  const head = source.read(box.body, 16);
  const room = box.end - box.body;
  const layout = layouts[box.type];
  if (layout) return claim(box, u32(head, 4), (room - layout.head) / layout.entry);
  if (box.type === 'stsz') {
    const fixed = u32(head, 4);
    return claim(
      box,
      u32(head, 8),
      fixed > 0 ? (mostPerByte * source.size) / fixed : (room - 12) / 4,
    );
  }
  if (box.type === 'trun') {
    const flags = u32(head, 0) & 0xffffff;
    const fields = [0x100, 0x200, 0x400, 0x800].filter((flag) => (flags & flag) !== 0).length;
    // Samples that are all alike have no entries; they still have bytes.
    return claim(box, u32(head, 4), fields > 0 ? room / (4 * fields) : source.size);
  }
  return null;
}

function claim({ type, start }: Box, claimed: number, there: number): string | null {
  const most = Math.max(0, Math.floor(there));
  if (claimed <= most) return null;
  return `The ${type} at byte ${start} claims ${claimed} entries; there is room for ${most}.`;
}

/** Tables of one track that speak of far more samples than it has. */
function contradictions(source: ByteSource, boxes: readonly Box[]): string[] {
  const named = (type: string) => boxes.find((box) => box.type === type);
  const sizes = named('stsz');
  if (!sizes) return [];
  const samples = u32(source.read(sizes.body, 12), 8);
  // Recorders are known to count one or a few too many; nobody means twice as many.
  const most = 2 * samples + 1_000;
  const told: string[] = [];
  for (const [type, at] of [
    ['stts', 0],
    ['ctts', 0],
    ['stsc', 4],
  ] as const) {
    const box = named(type);
    const layout = layouts[type];
    if (!box || !layout) continue;
    const tells = largest(source, box, layout, at, type !== 'stsc');
    if (tells > most) {
      told.push(
        `The ${type} at byte ${box.start} tells of ${tells} samples; there are ${samples}.`,
      );
    }
  }
  return told;
}

/** The sum, or the largest, of a column of a table. */
function largest(
  source: ByteSource,
  box: Box,
  { entry, head }: { readonly entry: number; readonly head: number },
  at: number,
  sums: boolean,
): number {
  const count = Math.min(mostEntries, u32(source.read(box.body, 8), 4));
  const block = 5_000;
  let found = 0;
  for (let from = 0; from < count; from += block) {
    const step = Math.min(block, count - from);
    const bytes = source.read(box.body + head + from * entry, step * entry);
    for (let n = 0; n < step; n += 1) {
      const value = u32(bytes, n * entry + at);
      found = sums ? found + value : Math.max(found, value);
    }
  }
  return found;
}
