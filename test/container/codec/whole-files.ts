/**
 * What a whole MP4 or MOV says about its own samples: the truth that measuring them must meet.
 *
 * A reader of its own, so that the tests do not lean on the code they test.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFfmpeg } from '../../../src/system/ffmpeg.ts';

export interface WholeSample {
  readonly offset: number;
  readonly size: number;
  /** Decoding time plus composition offset, in ticks. */
  readonly shownAt: number;
  readonly sync: boolean;
}

export interface WholeTrack {
  readonly kind: 'video' | 'audio' | null;
  /** The sample entry, as a whole box. */
  readonly entry: Uint8Array;
  readonly samples: readonly WholeSample[];
}

const kinds: Record<string, 'video' | 'audio'> = { vide: 'video', soun: 'audio' };

export function tracksOf(bytes: Uint8Array): WholeTrack[] {
  const moov = childrenOf(bytes, 0, bytes.length).get('moov')?.[0];
  if (!moov) return [];
  return (childrenOf(bytes, ...moov).get('trak') ?? []).map((trak) => trackAt(bytes, trak));
}

type Range = readonly [from: number, to: number];

function childrenOf(bytes: Uint8Array, from: number, to: number): Map<string, Range[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<string, Range[]>();
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const header = size === 1 ? 16 : 8;
    const total = size === 1 ? Number(view.getBigUint64(at + 8)) : size === 0 ? to - at : size;
    if (total < header) break;
    found.set(type, [...(found.get(type) ?? []), [at + header, at + total]]);
    at += total;
  }
  return found;
}

function trackAt(bytes: Uint8Array, trak: Range): WholeTrack {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const inside = (range: Range | undefined, type: string): Range | undefined =>
    range && childrenOf(bytes, ...range).get(type)?.[0];
  const mdia = inside(trak, 'mdia');
  const stbl = inside(inside(mdia, 'minf'), 'stbl');
  const hdlr = inside(mdia, 'hdlr')?.[0] ?? 0;
  const words = (type: string): number[] => {
    const range = inside(stbl, type);
    if (!range) return [];
    const out: number[] = [];
    for (let at = range[0] + 4; at + 4 <= range[1]; at += 4) out.push(view.getInt32(at));
    return out;
  };
  const entryAt = (inside(stbl, 'stsd')?.[0] ?? 0) + 8;
  const sizes = sizesOf(words('stsz'));
  let clock = 0;
  const times = expand(words('stts')).map((delta) => {
    clock += delta;
    return clock - delta;
  });
  const shifts = expand(words('ctts'));
  const syncs = new Set(words('stss').slice(1));
  const offsets = offsetsOf(words('stco').slice(1), words('stsc').slice(1), sizes);
  return {
    kind: kinds[String.fromCharCode(...bytes.subarray(hdlr + 8, hdlr + 12))] ?? null,
    entry: bytes.subarray(entryAt, entryAt + view.getUint32(entryAt)),
    samples: sizes.map((size, n) => ({
      offset: offsets[n] ?? 0,
      size,
      shownAt: (times[n] ?? 0) + (shifts[n] ?? 0),
      sync: syncs.size === 0 || syncs.has(n + 1),
    })),
  };
}

function sizesOf([same = 0, count = 0, ...sizes]: number[]): number[] {
  return same === 0 ? sizes : Array.from({ length: count }, () => same);
}

function expand([, ...runs]: number[]): number[] {
  const out: number[] = [];
  for (let n = 0; n + 1 < runs.length; n += 2) {
    for (let left = runs[n] ?? 0; left > 0; left--) out.push(runs[n + 1] ?? 0);
  }
  return out;
}

function offsetsOf(chunks: number[], perChunk: number[], sizes: number[]): number[] {
  const offsets: number[] = [];
  let row = 0;
  chunks.forEach((chunk, index) => {
    if ((perChunk[row + 3] ?? Number.POSITIVE_INFINITY) <= index + 1) row += 3;
    let at = chunk;
    for (let left = perChunk[row + 1] ?? 0; left > 0; left--) {
      at += sizes[offsets.length] ?? 0;
      offsets.push(at - (sizes[offsets.length] ?? 0));
    }
  });
  return offsets;
}

// Asked for once: each search starts a process.
const ffmpeg = findFfmpeg();

/** Makes media with ffmpeg; null when this ffmpeg lacks what the arguments ask for. */
export async function makeMedia(
  extension: string,
  args: readonly string[],
): Promise<Uint8Array | null> {
  const { path } = await ffmpeg;
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-codec-'));
  const file = join(folder, `media.${extension}`);
  try {
    execFileSync(path, ['-v', 'quiet', '-nostdin', ...args, '-y', file], { stdio: 'ignore' });
    return new Uint8Array(readFileSync(file));
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Checksums of the frames that a raw stream decodes to, and nothing else. */
export async function decodedFrames(format: string, bytes: Uint8Array): Promise<string[]> {
  const { path } = await ffmpeg;
  const out = execFileSync(
    path,
    ['-v', 'quiet', '-f', format, '-i', 'pipe:0', '-f', 'framemd5', '-'],
    { input: bytes, maxBuffer: 1 << 26 },
  );
  const lines = out.toString().split('\n');
  return lines
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}

export function seed(name: string): Uint8Array {
  const folder = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'seeds');
  return new Uint8Array(readFileSync(join(folder, name)));
}
