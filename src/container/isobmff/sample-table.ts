/**
 * Sample tables: where the samples of a track lie and when they are shown.
 *
 * Covers the boxes below `stbl` (ISO/IEC 14496-12 §8.5 to §8.7). Movie fragments are in
 * fragments.ts. Every count comes from a file that may be damaged: the bytes that are there bound it.
 */
import type { ByteSource } from '../bytes.ts';
import type { Box } from './boxes.ts';
import { u16, u32, u64 } from './fields.ts';
import type { Track } from './movie.ts';
import { SampleColumns } from './sample-columns.ts';

const tableBlock = 64 * 1024;

/** Entries of a table, read from the file block by block as they are asked for. */
class TableReader {
  readonly count: number;
  readonly #source: ByteSource;
  readonly #at: number;
  readonly #size: number;
  #block: Uint8Array = new Uint8Array(0);
  #blockStart = 0;

  constructor(source: ByteSource, box: Box | undefined, entrySize: number) {
    this.#source = source;
    this.#size = entrySize;
    this.#at = (box?.body ?? 0) + 8;
    const declared = box ? u32(source.read(box.body, 8), 4) : 0;
    const present = box ? Math.max(0, Math.floor((box.end - box.body - 8) / entrySize)) : 0;
    this.count = Math.min(declared, present);
  }

  /** The bytes of entry `index`; the view is good until the next call. */
  entry(index: number): Uint8Array {
    const at = this.#at + index * this.#size;
    if (at < this.#blockStart || at + this.#size > this.#blockStart + this.#block.length) {
      this.#blockStart = at;
      const left = (this.count - index) * this.#size;
      this.#block = this.#source.read(at, Math.min(tableBlock, Math.max(this.#size, left)));
    }
    return this.#block.subarray(at - this.#blockStart, at - this.#blockStart + this.#size);
  }
}

/** Walks run-length entries (`stts`, `ctts`): a count and a value each. */
class RunReader {
  readonly #table: TableReader;
  #index = 0;
  #left = 0;
  #value = 0;

  constructor(source: ByteSource, box: Box | undefined) {
    this.#table = new TableReader(source, box, 8);
  }

  /** The value for the next sample; the last one again when the table is too short. */
  next(): number {
    while (this.#left === 0 && this.#index < this.#table.count) {
      const entry = this.#table.entry(this.#index);
      this.#left = u32(entry, 0);
      this.#value = u32(entry, 4);
      this.#index += 1;
    }
    if (this.#left > 0) this.#left -= 1;
    return this.#value;
  }
}

/** Sizes of samples (`stsz`, `stz2`, §8.7.3). */
class SizeReader {
  readonly count: number;
  readonly #fixed: number;
  readonly #bits: number;
  readonly #source: ByteSource;
  readonly #at: number;
  #block: Uint8Array = new Uint8Array(0);
  #blockStart = 0;

  constructor(source: ByteSource, track: Track) {
    const box = track.tables.get('stsz') ?? track.tables.get('stz2');
    const head = box ? source.read(box.body, 12) : new Uint8Array(12);
    this.#source = source;
    this.#at = (box?.body ?? 0) + 12;
    const isCompact = box?.type === 'stz2';
    this.#bits = isCompact ? (head[7] ?? 0) : 32;
    this.#fixed = isCompact ? 0 : u32(head, 4);
    this.count = track.samples;
  }

  at(index: number): number {
    if (this.#fixed > 0) return this.#fixed;
    const bit = index * this.#bits;
    const at = this.#at + Math.floor(bit / 8);
    if (at < this.#blockStart || at + 4 > this.#blockStart + this.#block.length) {
      this.#blockStart = at;
      const left = Math.ceil(((this.count - index) * this.#bits) / 8);
      this.#block = this.#source.read(at, Math.min(tableBlock, Math.max(4, left)));
    }
    const place = at - this.#blockStart;
    if (this.#bits === 32) return u32(this.#block, place);
    if (this.#bits === 16) return u16(this.#block, place);
    const byte = this.#block[place] ?? 0;
    if (this.#bits === 8) return byte;
    return bit % 8 === 0 ? byte >> 4 : byte & 15;
  }
}

/**
 * Reads the samples of a track by its tables.
 *
 * Samples with fixed size (PCM) are as many as bytes: those of a chunk are joined into one when
 * `joinFixed` is asked for, with the duration of all.
 *
 * @param end  samples that do not end at or before it are not complete and end the reading of
 *   their chunk; those of later chunks are still looked at
 * @returns the complete samples; `missing` counts the declared ones that are not; `reach` is the end of
 *   the last declared one that begins before `end`
 */
export function readSamples(
  source: ByteSource,
  track: Track,
  end: number,
  joinFixed = false,
): { samples: SampleColumns; missing: number; missingTicks: number; reach: number } {
  const sizes = new SizeReader(source, track);
  const chunks = new ChunkReader(source, track);
  const times = new RunReader(source, track.tables.get('stts'));
  const shifts = track.tables.has('ctts') ? new RunReader(source, track.tables.get('ctts')) : null;
  const syncs = syncReader(source, track);
  const samples = new SampleColumns(Math.min(sizes.count, 1 << 20));
  let missing = 0;
  let missingTicks = 0;
  let reach = 0;
  let pendingTicks = 0;
  let index = 0;
  while (index < sizes.count && chunks.next()) {
    let at = chunks.offset;
    let joined = -1;
    for (let left = chunks.samples; left > 0 && index < sizes.count; left -= 1, index += 1) {
      const size = sizes.at(index);
      const duration = times.next();
      const shift = shifts ? shifts.next() | 0 : 0;
      const isSync = syncs(index + 1);
      if (at < end) reach = Math.max(reach, at + size);
      if (at + size > end) {
        missing += 1;
        missingTicks += duration;
        pendingTicks += duration;
      } else if (joinFixed && joined >= 0) {
        samples.size[joined] = (samples.size[joined] ?? 0) + size;
        samples.duration[joined] = (samples.duration[joined] ?? 0) + duration;
      } else {
        joined = samples.count;
        // A sample that is missing inside leaves its time to the one before it.
        if (pendingTicks > 0 && joined > 0) {
          samples.duration[joined - 1] = (samples.duration[joined - 1] ?? 0) + pendingTicks;
        }
        pendingTicks = 0;
        samples.push(at, size, duration, shift, isSync, chunks.description);
      }
      at += size;
    }
  }
  missing += sizes.count - index;
  return { samples, missing, missingTicks, reach };
}

/** Chunks in order: `stco` or `co64` for where, `stsc` for how many samples (§8.7.4, §8.7.5). */
class ChunkReader {
  offset = 0;
  samples = 0;
  description = 1;
  readonly #offsets: TableReader;
  readonly #runs: TableReader;
  readonly #isLong: boolean;
  #chunk = 0;
  #run = 0;
  #nextRunAt = 1;

  constructor(source: ByteSource, track: Track) {
    this.#isLong = track.tables.has('co64');
    const box = track.tables.get('co64') ?? track.tables.get('stco');
    this.#offsets = new TableReader(source, box, this.#isLong ? 8 : 4);
    this.#runs = new TableReader(source, track.tables.get('stsc'), 12);
  }

  get count(): number {
    return this.#offsets.count;
  }

  next(): boolean {
    if (this.#chunk >= this.#offsets.count) return false;
    this.#chunk += 1;
    while (this.#run < this.#runs.count && this.#chunk >= this.#nextRunAt) {
      const entry = this.#runs.entry(this.#run);
      this.samples = u32(entry, 4);
      this.description = Math.min(255, u32(entry, 8)) || 1;
      this.#run += 1;
      this.#nextRunAt =
        this.#run < this.#runs.count ? u32(this.#runs.entry(this.#run), 0) : Infinity;
    }
    const place = this.#offsets.entry(this.#chunk - 1);
    this.offset = this.#isLong ? u64(place, 0) : u32(place, 0);
    return true;
  }
}

/** Says of sample numbers in ascending order whether they are in `stss`; all are when it is absent. */
function syncReader(source: ByteSource, track: Track): (number: number) => boolean {
  const box = track.tables.get('stss');
  if (!box) return () => true;
  const table = new TableReader(source, box, 4);
  let index = 0;
  return (number) => {
    while (index < table.count && u32(table.entry(index), 0) < number) index += 1;
    return index < table.count && u32(table.entry(index), 0) === number;
  };
}

/**
 * Where the media of a track ends by its tables, looking only at the last chunks.
 *
 * Exact where chunks lie in ascending order, which every recorder writes; costs four small reads.
 */
export function declaredEnd(source: ByteSource, track: Track): number {
  const isLong = track.tables.has('co64');
  const box = track.tables.get('co64') ?? track.tables.get('stco');
  const offsets = new TableReader(source, box, isLong ? 8 : 4);
  const runs = new TableReader(source, track.tables.get('stsc'), 12);
  if (offsets.count === 0 || runs.count === 0) return 0;
  const place = offsets.entry(offsets.count - 1);
  const last = isLong ? u64(place, 0) : u32(place, 0);
  const inChunk = u32(runs.entry(runs.count - 1), 4);
  const sizes = new SizeReader(source, track);
  const from = Math.max(0, sizes.count - Math.min(inChunk, sizes.count, 100_000));
  let end = last;
  for (let index = from; index < sizes.count; index += 1) end += sizes.at(index);
  return end;
}
