/**
 * The movie: what `moov` says of a file and its tracks (ISO/IEC 14496-12 §8.2 to §8.6).
 *
 * Reads headers only and notes where the sample tables lie without reading them, so that the movie
 * of an hour costs a few reads. The tables are read by sample-table.ts.
 */
import type { ByteSource } from '../bytes.ts';
import { type Box, childBoxes, mostTracks } from './boxes.ts';
import { fourcc, i32, i64, text, u16, u32, u64 } from './fields.ts';
import { firstSampleEntry, type SampleEntry } from './sample-entry.ts';

/** Pictures without a set-up that sample-entry-writer.ts describes: kept, not shown. */
export function isKeptBlind({ flags, entry }: Pick<TrackLayout, 'flags' | 'entry'>): boolean {
  return entry.kind === 'video' && (flags & 1) === 0 && ['avc3', 'hev1'].includes(entry.format);
}

/** One entry of an edit list (§8.6.6). */
export interface Edit {
  /** Length in ticks of the movie. */
  readonly duration: number;
  /** Where in the media it begins, in ticks of the track; -1 for an empty edit. */
  readonly mediaTime: number;
  /** 1 for normal speed; 16.16 fixed point is rounded to that. */
  readonly rate: number;
}

/** Everything of a track that is not its samples. */
export interface TrackLayout {
  readonly id: number;
  readonly handler: string;
  readonly handlerName: string;
  readonly timescale: number;
  readonly language: number;
  /** Flags of `tkhd`: 1 enabled, 2 in the movie, 4 in the preview. */
  readonly flags: number;
  /** The 60 bytes of `tkhd` from layer to height: layer, group, volume, matrix, dimensions. */
  readonly presentation: Uint8Array;
  /** `vmhd`, `smhd`, `gmhd`, `nmhd` … as it stands, with its header; empty when there is none. */
  readonly mediaHeader: Uint8Array;
  /** `stsd` as it stands, with its header. */
  readonly stsd: Uint8Array;
  /** `tref` as it stands; empty when there is none. */
  readonly references: Uint8Array;
  /** `udta` of the track as it stands (its name, in OBS's files); empty when there is none. */
  readonly userData: Uint8Array;
  readonly entry: SampleEntry;
}

export interface Track extends TrackLayout {
  /** Length in ticks of the track as `mdhd` says; 0 in fragmented files. */
  readonly duration: number;
  readonly edits: readonly Edit[];
  /** The boxes of `stbl` by their type. */
  readonly tables: ReadonlyMap<string, Box>;
  /** Samples `stsz` declares, bounded by the bytes that are there. */
  readonly samples: number;
}

/** Defaults of movie fragments (`trex`, §8.8.3). */
export interface FragmentDefaults {
  readonly description: number;
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

export interface Movie {
  readonly start: number;
  readonly end: number;
  readonly timescale: number;
  readonly duration: number;
  readonly tracks: readonly Track[];
  /** By track id; empty when the file has no fragments. */
  readonly fragmentDefaults: ReadonlyMap<number, FragmentDefaults>;
  /** `mvex` is there: more samples follow in fragments. */
  readonly fragmented: boolean;
  /** The program that wrote the file, by `©too`, `©swr` or the like; null when it does not say. */
  readonly writer: string | null;
  readonly encrypted: boolean;
  /** Creation time, ms since 1970; undefined where the recorder left it out. */
  readonly createdAt: number | undefined;
}

// A box that is kept in memory as it stands; a sample description of a phone has 20 KB at most.
const mostKept = 1024 * 1024;

/** Reads a `moov`. Null when it has no track with a sample description. */
export function readMovie(source: ByteSource, moov: Box): Movie | null {
  const boxes = childBoxes(source, moov.body, moov.end);
  const header = boxes.find((box) => box.type === 'mvhd');
  const head = header ? source.read(header.body, 32) : new Uint8Array(0);
  const [timescale, duration] = timing(head);
  const tracks = boxes
    .filter((box) => box.type === 'trak')
    .slice(0, mostTracks)
    .map((box) => readTrack(source, box))
    .filter((track) => track !== null);
  const mvex = boxes.find((box) => box.type === 'mvex');
  const udta = boxes.find((box) => box.type === 'udta');
  if (tracks.length === 0) return null;
  return {
    start: moov.start,
    end: moov.end,
    timescale: timescale || 1000,
    duration,
    tracks,
    fragmentDefaults: mvex ? readDefaults(source, mvex) : new Map(),
    fragmented: mvex !== undefined,
    createdAt: creationTime(head),
    writer: (udta ? writingProgram(source, udta) : null) ?? byHandlers(tracks),
    encrypted:
      tracks.some((track) => track.entry.encrypted) || boxes.some((box) => box.type === 'pssh'),
  };
}

// Times count from 1904 (§8.2.2); a recorder that knows none writes 0, some count from 1970.
const seconds1904to1970 = 2_082_844_800;

function creationTime(head: Uint8Array): number | undefined {
  const seconds = head[0] === 1 ? u64(head, 4) : u32(head, 4);
  const since1970 = seconds - seconds1904to1970;
  return since1970 > 0 && Number.isFinite(since1970) ? since1970 * 1000 : undefined;
}

/** Timescale and duration of `mvhd` and `mdhd`, which begin alike. Unknown durations are 0. */
function timing(head: Uint8Array): readonly [timescale: number, duration: number] {
  const long = head[0] === 1;
  const timescale = u32(head, long ? 20 : 12);
  const duration = long ? u64(head, 24) : u32(head, 16);
  const unknown = long ? !Number.isFinite(duration) : duration === 0xffffffff;
  return [timescale, unknown ? 0 : duration];
}

function keep(source: ByteSource, box: Box | undefined): Uint8Array {
  if (!box || box.end - box.start > mostKept) return new Uint8Array(0);
  // A copy of a plain kind: what a source hands out may be a view of something larger.
  return new Uint8Array(source.read(box.start, box.end - box.start));
}

function readTrack(source: ByteSource, trak: Box): Track | null {
  const boxes = byType(childBoxes(source, trak.body, trak.end));
  const mdia = boxes.get('mdia');
  const tkhd = boxes.get('tkhd');
  if (!mdia || !tkhd) return null;
  const media = byType(childBoxes(source, mdia.body, mdia.end));
  const mdhd = media.get('mdhd');
  const minf = media.get('minf');
  const hdlr = media.get('hdlr');
  if (!mdhd || !minf) return null;
  const information = childBoxes(source, minf.body, minf.end);
  const stbl = information.find((box) => box.type === 'stbl');
  if (!stbl) return null;
  const tables = byType(childBoxes(source, stbl.body, stbl.end));
  const mdhdHead = source.read(mdhd.body, 36);
  const [timescale, duration] = timing(mdhdHead);
  const handlerBody = hdlr ? source.read(hdlr.body, Math.min(hdlr.end - hdlr.body, 1024)) : null;
  const handler = handlerBody ? fourcc(handlerBody, 8) : '';
  const stsd = keep(source, tables.get('stsd'));
  const entry = firstSampleEntry(stsd, handler);
  if (!entry || timescale === 0) return null;
  const track = source.read(tkhd.body, 104);
  const long = track[0] === 1;
  const edts = boxes.get('edts');
  return {
    id: u32(track, long ? 20 : 12),
    flags: u32(track, 0) & 0xffffff,
    presentation: new Uint8Array(track.subarray(long ? 36 : 24, long ? 96 : 84)),
    handler,
    handlerName: handlerBody ? handlerText(handlerBody) : '',
    timescale,
    duration,
    language: u16(mdhdHead, mdhdHead[0] === 1 ? 32 : 20),
    mediaHeader: keep(
      source,
      information.find((box) => mediaHeaders.has(box.type)),
    ),
    stsd,
    references: keep(source, boxes.get('tref')),
    userData: keep(source, boxes.get('udta')),
    entry,
    edits: edts ? readEdits(source, edts) : [],
    tables,
    samples: declaredSamples(source, tables),
  };
}

const mediaHeaders = new Set(['vmhd', 'smhd', 'gmhd', 'nmhd', 'sthd', 'hmhd']);

function byType(boxes: readonly Box[]): Map<string, Box> {
  const found = new Map<string, Box>();
  for (const box of boxes) if (!found.has(box.type)) found.set(box.type, box);
  return found;
}

// ISO writes a string that ends in 0, QuickTime one that begins with its length.
function handlerText(body: Uint8Array): string {
  const name = body.subarray(24);
  return text(name[0] === name.length - 1 ? name.subarray(1) : name);
}

function readEdits(source: ByteSource, edts: Box): Edit[] {
  const elst = childBoxes(source, edts.body, edts.end).find((box) => box.type === 'elst');
  if (!elst) return [];
  const body = source.read(elst.body, Math.min(elst.end - elst.body, mostKept));
  const size = body[0] === 1 ? 20 : 12;
  const count = Math.min(u32(body, 4), Math.floor((body.length - 8) / size));
  const edits: Edit[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = 8 + index * size;
    const long = size === 20;
    const duration = long ? u64(body, at) : u32(body, at);
    const mediaTime = long ? i64(body, at + 8) : i32(body, at + 4);
    if (!Number.isFinite(duration) || Number.isNaN(mediaTime)) return [];
    edits.push({ duration, mediaTime, rate: u16(body, at + size - 4) });
  }
  return edits;
}

function declaredSamples(source: ByteSource, tables: ReadonlyMap<string, Box>): number {
  const stsz = tables.get('stsz');
  if (stsz) {
    const head = source.read(stsz.body, 12);
    const present = Math.max(0, Math.floor((stsz.end - stsz.body - 12) / 4));
    return u32(head, 4) === 0 ? Math.min(u32(head, 8), present) : u32(head, 8);
  }
  const stz2 = tables.get('stz2');
  if (!stz2) return 0;
  const head = source.read(stz2.body, 12);
  const bits = head[7] ?? 0;
  return bits > 0
    ? Math.min(u32(head, 8), Math.floor(((stz2.end - stz2.body - 12) * 8) / bits))
    : 0;
}

function readDefaults(source: ByteSource, mvex: Box): Map<number, FragmentDefaults> {
  const defaults = new Map<number, FragmentDefaults>();
  for (const box of childBoxes(source, mvex.body, mvex.end)) {
    if (box.type !== 'trex' || defaults.size >= mostTracks) continue;
    const body = source.read(box.body, 24);
    defaults.set(u32(body, 4), {
      description: u32(body, 8),
      duration: u32(body, 12),
      size: u32(body, 16),
      flags: u32(body, 20),
    });
  }
  return defaults;
}

// `meta` is a full box in ISO files and a plain one in QuickTime's: the first child tells.
function writingProgram(source: ByteSource, udta: Box): string | null {
  for (const box of childBoxes(source, udta.body, udta.end)) {
    if (box.type === '©too' || box.type === '©swr') {
      return text(source.read(box.body + 4, Math.min(200, box.end - box.body - 4))) || null;
    }
    if (box.type !== 'meta') continue;
    const plain = fourcc(source.read(box.body + 4, 4), 0) === 'hdlr';
    const children = childBoxes(source, box.body + (plain ? 0 : 4), box.end);
    const ilst = children.find((child) => child.type === 'ilst');
    for (const item of ilst ? childBoxes(source, ilst.body, ilst.end) : []) {
      if (item.type !== '©too' && item.type !== '©swr') continue;
      const name = text(source.read(item.body + 16, Math.min(200, item.end - item.body - 16)));
      if (name) return name;
    }
  }
  return null;
}

// Muxers that sign nowhere else leave their name in the handlers of the tracks.
const plainHandlers = /^(VideoHandler|SoundHandler|DataHandler|TimeCodeHandler|SubtitleHandler)?$/;

function byHandlers(tracks: readonly Track[]): string | null {
  const names = tracks.map((track) => track.handlerName);
  return names.find((name) => !plainHandlers.test(name)) ?? null;
}

/**
 * How long a track plays, in milliseconds: its edit list where that has a length, else its samples.
 *
 * @param ticks  length of the samples in ticks of the track
 */
export function playedMs(movie: Movie, track: Track, ticks: number): number {
  const edited = track.edits.reduce(
    (sum, edit) => sum + (edit.mediaTime >= 0 ? edit.duration : 0),
    0,
  );
  if (edited > 0) return (edited * 1000) / movie.timescale;
  const skipped = track.edits.find((edit) => edit.mediaTime >= 0)?.mediaTime ?? 0;
  return (Math.max(0, ticks - skipped) * 1000) / track.timescale;
}
