/**
 * Writes a `moov`: the index of a regular file, from the samples that were found.
 *
 * Sample descriptions, handlers and media headers are taken over as they stood in the file or its
 * reference; every table is made anew (ISO/IEC 14496-12 §8.5 to §8.7).
 */
import { FieldWriter } from './fields.ts';
import type { Edit, TrackLayout } from './movie.ts';
import { pauseChunks, pausesOf } from './pcm-silence.ts';
import type { SampleColumns } from './sample-columns.ts';

/** A track as it will stand in the new file. */
export interface OutputTrack {
  readonly layout: TrackLayout;
  readonly samples: SampleColumns;
  /** Durations in ticks of the movie, media times in ticks of the track. */
  readonly edits: readonly Edit[];
}

/** Where bytes will lie in the new file. */
export interface OffsetMap {
  /** A byte of the source. */
  readonly media: (offset: number) => number;
  /** The silence of a codec of uncompressed sound (pcm-silence.ts). */
  readonly silence: (codec: string) => number;
}

/**
 * Builds the `moov` box.
 *
 * @param longOffsets  64-bit chunk offsets (`co64`): needed when the media ends beyond 4 GiB
 */
export function buildMovie(
  tracks: readonly OutputTrack[],
  timescale: number,
  place: OffsetMap,
  longOffsets: boolean,
): Uint8Array {
  const samples = tracks.reduce((sum, track) => sum + track.samples.count, 0);
  // All that tables can take: memory that is not written to is none, and growing would copy.
  const out = new FieldWriter(4096 + samples * mostTableBytes);
  const lengths = tracks.map((track) => playedTicks(track, timescale));
  out.box('moov', () => {
    writeMovieHeader(out, timescale, Math.max(0, ...lengths), nextId(tracks));
    tracks.forEach((track, index) => {
      writeTrack(out, track, lengths[index] ?? 0, place, longOffsets);
    });
    writeWriter(out);
  });
  return out.bytes();
}

/** Of a sample: an entry of each of `stts`, `ctts`, `stss`, `stsc`, `stsz` and `co64`. */
export const mostTableBytes = 8 + 8 + 4 + 12 + 4 + 8;

function nextId(tracks: readonly OutputTrack[]): number {
  return 1 + Math.max(0, ...tracks.map((track) => track.layout.id));
}

/** Length of a track in ticks of the movie: its edits together, else its samples. */
function playedTicks(track: OutputTrack, timescale: number): number {
  if (track.edits.length > 0) return track.edits.reduce((sum, edit) => sum + edit.duration, 0);
  return Math.round((track.samples.ticks() * timescale) / track.layout.timescale);
}

const identityMatrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];

function writeMovieHeader(out: FieldWriter, timescale: number, length: number, next: number): void {
  const isLong = length > 0xffffffff;
  out.fullBox('mvhd', isLong ? 1 : 0, 0, () => {
    out.zeros(isLong ? 16 : 8).u32(timescale);
    if (isLong) out.u64(length);
    else out.u32(length);
    out.u32(0x10000).u16(0x100).zeros(10);
    for (const value of identityMatrix) out.u32(value);
    out.zeros(24).u32(next);
  });
}

function writeTrack(
  out: FieldWriter,
  track: OutputTrack,
  length: number,
  place: OffsetMap,
  longOffsets: boolean,
): void {
  const { layout } = track;
  out.box('trak', () => {
    const isLong = length > 0xffffffff;
    out.fullBox('tkhd', isLong ? 1 : 0, layout.flags || 3, () => {
      out
        .zeros(isLong ? 16 : 8)
        .u32(layout.id)
        .zeros(4);
      if (isLong) out.u64(length);
      else out.u32(length);
      out.raw(layout.presentation);
    });
    if (layout.references.length > 0) out.raw(layout.references);
    if (track.edits.length > 0) writeEdits(out, track.edits);
    writeMedia(out, track, place, longOffsets);
    if (layout.userData.length > 0) out.raw(layout.userData);
  });
}

function writeEdits(out: FieldWriter, edits: readonly Edit[]): void {
  const isLong = edits.some((edit) => edit.duration > 0xffffffff || edit.mediaTime > 0x7fffffff);
  out.box('edts', () => {
    out.fullBox('elst', isLong ? 1 : 0, 0, () => {
      out.u32(edits.length);
      for (const edit of edits) {
        if (isLong) out.u64(edit.duration).i64(edit.mediaTime);
        else out.u32(edit.duration).u32(edit.mediaTime >>> 0);
        out.u16(edit.rate).u16(0);
      }
    });
  });
}

function writeMedia(
  out: FieldWriter,
  track: OutputTrack,
  place: OffsetMap,
  longOffsets: boolean,
): void {
  const { layout, samples } = track;
  const length = samples.ticks();
  const isLong = length > 0xffffffff;
  out.box('mdia', () => {
    out.fullBox('mdhd', isLong ? 1 : 0, 0, () => {
      out.zeros(isLong ? 16 : 8).u32(layout.timescale);
      if (isLong) out.u64(length);
      else out.u32(length);
      out.u16(layout.language).u16(0);
    });
    out.fullBox('hdlr', 0, 0, () => {
      out.zeros(4).fourcc(layout.handler).zeros(12);
      out.raw(new TextEncoder().encode(layout.handlerName)).u8(0);
    });
    out.box('minf', () => {
      out.raw(layout.mediaHeader);
      out.box('dinf', () => {
        out.fullBox('dref', 0, 0, () => {
          out.u32(1).fullBox('url ', 0, 1, () => undefined);
        });
      });
      out.box('stbl', () => {
        out.raw(layout.stsd);
        writeTables(out, track, place, longOffsets);
      });
    });
  });
}

function writeTables(
  out: FieldWriter,
  track: OutputTrack,
  place: OffsetMap,
  longOffsets: boolean,
): void {
  const { samples, layout } = track;
  const frameBytes = layout.entry.frameBytes;
  if (frameBytes > 0) {
    writePcmTables(out, track, place, longOffsets);
    return;
  }
  writeRuns(out, 'stts', 0, samples.duration, samples.count);
  if (samples.shift.subarray(0, samples.count).some((shift) => shift !== 0)) {
    const isSigned = samples.shift.subarray(0, samples.count).some((shift) => shift < 0);
    writeRuns(out, 'ctts', isSigned ? 1 : 0, samples.shift, samples.count);
  }
  writeSyncSamples(out, samples);
  const chunks = () => chunksOf(samples, place);
  writeChunkRuns(out, chunks);
  writeSizes(out, samples);
  writeOffsets(out, chunks, longOffsets);
}

/** Run lengths: a count and a value each (`stts`, `ctts`). */
function writeRuns(
  out: FieldWriter,
  type: string,
  version: number,
  values: Uint32Array | Int32Array,
  count: number,
): void {
  const fill = () => {
    let runs = 0;
    for (let index = 0; index < count; runs += 1) {
      let next = index + 1;
      while (next < count && values[next] === values[index]) next += 1;
      out.u32(next - index).u32((values[index] ?? 0) >>> 0);
      index = next;
    }
    return runs;
  };
  out.fullBox(type, version, 0, () => out.counted(fill));
}

function writeSyncSamples(out: FieldWriter, samples: SampleColumns): void {
  const sync = samples.sync.subarray(0, samples.count);
  if (sync.every((flag) => flag === 1)) return;
  const fill = () => {
    let count = 0;
    sync.forEach((flag, index) => {
      if (flag === 0) return;
      out.u32(index + 1);
      count += 1;
    });
    return count;
  };
  out.fullBox('stss', 0, 0, () => out.counted(fill));
}

/** Samples of one description that lie in the file without a gap (§8.7.4). */
interface Chunk {
  readonly offset: number;
  readonly samples: number;
  readonly description: number;
}

/** Walked for each table anew: a list of those of ten hours would take more memory than the tables. */
function* chunksOf(samples: SampleColumns, place: OffsetMap): Generator<Chunk> {
  let [offset, count, description, end] = [0, 0, 0, -1];
  for (let index = 0; index < samples.count; index += 1) {
    const at = place.media(samples.offset[index] ?? 0);
    const described = samples.description[index] ?? 1;
    if (at !== end || described !== description) {
      if (count > 0) yield { offset, samples: count, description };
      [offset, count, description] = [at, 0, described];
    }
    count += 1;
    end = at + (samples.size[index] ?? 0);
  }
  if (count > 0) yield { offset, samples: count, description };
}

function writeChunkRuns(out: FieldWriter, chunks: () => Iterable<Chunk>): void {
  const fill = () => {
    let [number, runs] = [0, 0];
    let last: Chunk | null = null;
    for (const chunk of chunks()) {
      number += 1;
      const { samples, description } = chunk;
      if (samples === last?.samples && description === last.description) continue;
      out.u32(number).u32(samples).u32(description);
      runs += 1;
      last = chunk;
    }
    return runs;
  };
  out.fullBox('stsc', 0, 0, () => out.counted(fill));
}

function writeSizes(out: FieldWriter, samples: SampleColumns): void {
  const sizes = samples.size.subarray(0, samples.count);
  const first = sizes[0] ?? 0;
  const isFixed = samples.count > 0 && first > 0 && sizes.every((size) => size === first);
  out.fullBox('stsz', 0, 0, () => {
    out.u32(isFixed ? first : 0).u32(samples.count);
    if (!isFixed) for (const size of sizes) out.u32(size);
  });
}

function writeOffsets(out: FieldWriter, chunks: () => Iterable<Chunk>, isLong: boolean): void {
  const fill = () => {
    let count = 0;
    for (const { offset } of chunks()) {
      if (isLong) out.u64(offset);
      else out.u32(offset);
      count += 1;
    }
    return count;
  };
  out.fullBox(isLong ? 'co64' : 'stco', 0, 0, () => out.counted(fill));
}

/** PCM: every frame is a sample of the same size and of one tick; a column entry is a run of them. */
function writePcmTables(
  out: FieldWriter,
  track: OutputTrack,
  place: OffsetMap,
  longOffsets: boolean,
): void {
  const pauses = pausesOf(track);
  const chunks = () => pcmChunksOf(track, pauses, place);
  let frames = 0;
  for (const { samples } of chunks()) frames += samples;
  out.fullBox('stts', 0, 0, () => {
    out.u32(frames > 0 ? 1 : 0);
    if (frames > 0) out.u32(frames).u32(1);
  });
  writeChunkRuns(out, chunks);
  out.fullBox('stsz', 0, 0, () => {
    out.u32(track.layout.entry.frameBytes).u32(frames);
  });
  writeOffsets(out, chunks, longOffsets);
}

/** Frames that lie without a gap, and the silence of the pauses between them. */
function* pcmChunksOf(
  { samples, layout }: OutputTrack,
  pauses: ReadonlyMap<number, number>,
  place: OffsetMap,
): Generator<Chunk> {
  const { frameBytes, codec } = layout.entry;
  let [offset, frames, description, end] = [0, 0, 0, -1];
  for (let index = 0; index < samples.count; index += 1) {
    const at = place.media(samples.offset[index] ?? 0);
    const described = samples.description[index] ?? 1;
    if (at !== end || described !== description) {
      if (frames > 0) yield { offset, samples: frames, description };
      [offset, frames, description] = [at, 0, described];
    }
    const count = Math.floor((samples.size[index] ?? 0) / frameBytes);
    frames += count;
    end = at + count * frameBytes;
    for (const quiet of pauseChunks(pauses.get(index) ?? 0)) {
      if (frames > 0) yield { offset, samples: frames, description };
      yield { offset: place.silence(codec), samples: quiet, description };
      [frames, end] = [0, -1];
    }
  }
  if (frames > 0) yield { offset, samples: frames, description };
}

/** Signs the file, so that a repaired one is known again (`©too`, as QuickTime and ffmpeg do). */
function writeWriter(out: FieldWriter): void {
  const name = new TextEncoder().encode('Roomtape');
  out.box('udta', () => {
    out.fullBox('meta', 0, 0, () => {
      out.fullBox('hdlr', 0, 0, () => {
        out.zeros(4).fourcc('mdir').fourcc('appl').zeros(9);
      });
      out.box('ilst', () => {
        out.box('©too', () => {
          out.box('data', () => {
            out.u32(1).u32(0).raw(name);
          });
        });
      });
    });
  });
}
