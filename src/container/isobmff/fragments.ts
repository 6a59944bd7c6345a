/**
 * Movie fragments: the samples a `moof` lists (ISO/IEC 14496-12 §8.8), also one that is torn.
 *
 * A recorder killed while it writes leaves the last fragment without some of its media, or cut inside
 * the `moof` itself. Every sample whose bytes are there is kept.
 */
import type { ByteSource } from '../bytes.ts';
import { firstZeroSector } from '../zero-sectors.ts';
import { type Box, boxAt } from './boxes.ts';
import { i32, u32, u64 } from './fields.ts';
import type { FragmentDefaults, Movie } from './movie.ts';
import { SampleColumns } from './sample-columns.ts';

/** Samples gathered from fragments, by track id, and where each track's clock stands. */
export interface GatheredTrack {
  readonly samples: SampleColumns;
  /** Decoding time of the next sample when its fragment does not say. */
  next: number;
}

export class FragmentGatherer {
  readonly tracks = new Map<number, GatheredTrack>();
  /** Samples that were listed and whose bytes are not all there. */
  missing = 0;
  /** Bytes of the samples that were listed. */
  listed = 0;
  /** End of the last byte of any kept sample. */
  end = 0;
  /** End of the last listed sample of which at least a byte is there: what follows is in no index. */
  reach = 0;
  /** Where a fragment's index was never written: what it lists from there on is lost; -1 when all were. */
  unwrittenAt = -1;
  readonly #source: ByteSource;
  readonly #movie: Movie;
  /** The recorder names the start of its `moof` as the base, as ffmpeg does. */
  #countsFromMoof = false;

  constructor(source: ByteSource, movie: Movie) {
    this.#source = source;
    this.#movie = movie;
    for (const track of movie.tracks) {
      this.tracks.set(track.id, { samples: new SampleColumns(), next: 0 });
    }
  }

  /**
   * Takes in the samples of one fragment.
   *
   * @param moof   may be cut off by the end of the file
   * @param limit  end of the bytes that are there; samples beyond are counted as missing
   */
  add(moof: Box, limit: number): void {
    const end = Math.min(moof.end, this.#source.size);
    // The spec's default base: the first byte of the moof, or the end of the last track's data.
    let dataEnd = moof.start;
    for (let at = moof.body; at < end; ) {
      const box = boxAt(this.#source, at, end);
      if (!box) break;
      if (box.type === 'traf')
        dataEnd = this.#addTrack(moof, box, Math.min(box.end, end), dataEnd, limit);
      at = box.end;
    }
  }

  #addTrack(moof: Box, traf: Box, end: number, dataEnd: number, limit: number): number {
    let header: TrackFragment | null = null;
    let at = traf.body;
    let position = dataEnd;
    while (at < end) {
      const box = boxAt(this.#source, at, end);
      if (!box) break;
      const whole = box.end <= end;
      if (box.type === 'tfhd' && whole) {
        header = this.#readHeader(box, moof, dataEnd);
        position = header.base;
      } else if (box.type === 'tfdt' && whole && header) {
        const body = this.#source.read(box.body, 12);
        const time = body[0] === 1 ? u64(body, 4) : u32(body, 4);
        if (Number.isFinite(time)) header.time = time;
      } else if (box.type === 'trun' && header) {
        position = this.#addRun(header, box, Math.min(box.end, end), position, limit);
      }
      at = box.end;
    }
    return position;
  }

  #readHeader(box: Box, moof: Box, dataEnd: number): TrackFragment {
    const body = this.#source.read(box.body, 40);
    const flags = u32(body, 0) & 0xffffff;
    const id = u32(body, 4);
    const defaults = this.#movie.fragmentDefaults.get(id) ?? noDefaults;
    let at = 8;
    const field = (flag: number, fallback: number) => {
      if ((flags & flag) === 0) return fallback;
      at += 4;
      return u32(body, at - 4);
    };
    // 0x020000: default-base-is-moof. Without it and without an offset data goes on where the
    // track fragment before ended.
    let base = flags & 0x020000 ? moof.start : dataEnd;
    if (flags & 1) {
      const named = u64(body, at);
      this.#countsFromMoof ||= named === moof.start;
      // Where bytes before it were lost, a fragment has moved, and its base with it.
      base = this.#countsFromMoof ? moof.start : named;
      at += 8;
    }
    const track = this.tracks.get(id) ?? null;
    return {
      track,
      base,
      description: field(2, defaults.description),
      duration: field(8, defaults.duration),
      size: field(0x10, defaults.size),
      flags: field(0x20, defaults.flags),
      time: track?.next ?? 0,
    };
  }

  #addRun(header: TrackFragment, box: Box, end: number, position: number, limit: number): number {
    const body = this.#source.read(box.body, Math.max(0, end - box.body));
    if (body.length < 8) return position;
    const flags = u32(body, 0) & 0xffffff;
    const entry = runEntry(flags);
    let at = 8;
    let offset = position;
    if (flags & 1) {
      if (body.length < 12) return position;
      offset = header.base + i32(body, 8);
      at += 4;
    }
    const firstFlags = flags & 4 ? u32(body, at) : header.flags;
    if (flags & 4) at += 4;
    // No sample has a size of 0: where sizes were never written, the offsets behind them are unknown.
    const zeros = entry.bytes < 0 ? -1 : firstZeroSector(body, box.body);
    if (zeros >= 0) this.unwrittenAt = box.body + zeros;
    const written = zeros < 0 ? body.length : zeros;
    const present = entry.size > 0 ? Math.floor((written - at) / entry.size) : mostImplicit;
    const count = Math.min(u32(body, 4), Math.max(0, present));
    for (let index = 0; index < count; index += 1, at += entry.size) {
      const duration = entry.duration < 0 ? header.duration : u32(body, at + entry.duration);
      const size = entry.bytes < 0 ? header.size : u32(body, at + entry.bytes);
      const own = entry.flags < 0 ? header.flags : u32(body, at + entry.flags);
      const shift = entry.shift < 0 ? 0 : i32(body, at + entry.shift);
      const sampleFlags = index === 0 && flags & 4 ? firstFlags : own;
      this.listed += size;
      if (offset < limit) this.reach = Math.max(this.reach, offset + size);
      if (offset + size > limit || offset < 0) {
        this.missing += 1;
        if (entry.size === 0) break;
      } else this.#keep(header, offset, size, duration, shift, (sampleFlags & 0x10000) === 0);
      header.time += duration;
      offset += size;
    }
    return offset;
  }

  #keep(
    header: TrackFragment,
    offset: number,
    size: number,
    duration: number,
    shift: number,
    sync: boolean,
  ): void {
    const track = header.track;
    if (!track || size === 0) return;
    const { samples } = track;
    let late = 0;
    if (samples.count === 0) samples.start = header.time;
    // A fragment that begins later than the one before ended: its last sample is shown until then.
    // GStreamer's sound begins earlier now and then: decoding times still have to ascend.
    else if (header.time !== track.next) {
      const last = samples.count - 1;
      const stretched = (samples.duration[last] ?? 0) + header.time - track.next;
      late = Math.max(0, 1 - stretched);
      if (stretched <= 0x7fffffff) samples.duration[last] = Math.max(1, stretched);
    }
    const description = Math.min(255, header.description) || 1;
    samples.push(offset, size, Math.max(0, duration - late), shift, sync, description);
    track.next = header.time + duration;
    this.end = Math.max(this.end, offset + size);
  }
}

interface TrackFragment {
  readonly track: GatheredTrack | null;
  readonly base: number;
  readonly description: number;
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
  time: number;
}

const noDefaults: FragmentDefaults = { description: 1, duration: 0, size: 0, flags: 0 };

// A run whose entries take no bytes (all by default) has nothing but its own word for its count.
const mostImplicit = 1_000_000;

/** Where the fields of a run's entry lie, by its flags (§8.8.8); -1 for those it has not. */
function runEntry(flags: number) {
  let size = 0;
  const field = (flag: number) => {
    if ((flags & flag) === 0) return -1;
    size += 4;
    return size - 4;
  };
  const duration = field(0x100);
  const bytes = field(0x200);
  const own = field(0x400);
  const shift = field(0x800);
  return { duration, bytes, flags: own, shift, size };
}
