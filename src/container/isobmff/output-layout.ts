/**
 * The layout of a repaired file: which bytes are copied from where, and where the new index stands.
 *
 * In place: every media byte keeps its offset, one `mdat` is laid around all of them and the index
 * goes behind, so that the writer can clone the source and patch a few bytes. Faststart: the index
 * in front, the media copied behind it.
 */
import type { ByteSource } from '../bytes.ts';
import type { OutputPiece } from '../repair-plan.ts';
import { boxAt } from './boxes.ts';
import { FieldWriter } from './fields.ts';
import { buildMovie, mostTableBytes, type OutputTrack } from './movie-writer.ts';
import { silenceFor } from './pcm-silence.ts';

export interface OutputLayout {
  readonly size: number;
  pieces(): Iterable<OutputPiece>;
}

/**
 * Lays out the new file.
 *
 * @param faststart  index in front of the media
 * @param brand      `mp4`, `mov` or `m4a`: the `ftyp` to write when the source has none
 */
export function layOut(
  source: ByteSource,
  tracks: readonly OutputTrack[],
  timescale: number,
  faststart: boolean,
  brand: string,
): OutputLayout {
  const [first, end] = mediaRange(tracks);
  const wrapper = faststart ? null : wrapperAt(source, first, end);
  return wrapper === null
    ? indexInFront(source, tracks, timescale, brand, first, end)
    : indexBehind(tracks, timescale, wrapper, end);
}

function mediaRange(tracks: readonly OutputTrack[]): readonly [first: number, end: number] {
  let first = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const { samples } of tracks) {
    for (let index = 0; index < samples.count; index += 1) {
      first = Math.min(first, samples.offset[index] ?? 0);
    }
    end = Math.max(end, samples.end());
  }
  return [Number.isFinite(first) ? first : 0, end];
}

interface Wrapper {
  /** Where the header of the one `mdat` goes. */
  readonly at: number;
  /** 8 or 16 bytes. */
  readonly header: number;
}

/**
 * Finds room for an `mdat` header in front of the first sample: at the start of the first box behind
 * `ftyp`. Whatever stands between (the `free` or `wide` of most recorders, an outdated `moov`,
 * `moof` boxes) becomes unused bytes of the `mdat`.
 */
function wrapperAt(source: ByteSource, first: number, end: number): Wrapper | null {
  const head = boxAt(source, 0, source.size);
  const at = head?.type === 'ftyp' && head.end <= first ? head.end : -1;
  if (at < 0) return null;
  if (first - at >= 16) return { at, header: 16 };
  return first - at >= 8 && end - at <= 0xffffffff ? { at, header: 8 } : null;
}

function mediaHeader(header: number, size: number): Uint8Array {
  const out = new FieldWriter(16);
  if (header === 16) out.u32(1).fourcc('mdat').u64(size);
  else out.u32(size).fourcc('mdat');
  return out.bytes();
}

function indexBehind(
  tracks: readonly OutputTrack[],
  timescale: number,
  wrapper: Wrapper,
  end: number,
): OutputLayout {
  const silence = silenceFor(tracks);
  const quiet = silence.bytes.length > 0 ? box('mdat', silence.bytes) : silence.bytes;
  const place = {
    media: (offset: number) => offset,
    silence: (codec: string) => end + 8 + silence.at(codec),
  };
  const movie = buildMovie(tracks, timescale, place, end + quiet.length > 0xffffffff);
  const body = wrapper.at + wrapper.header;
  return {
    size: end + quiet.length + movie.length,
    *pieces() {
      yield { kind: 'copy', offset: 0, length: wrapper.at };
      yield { kind: 'bytes', bytes: mediaHeader(wrapper.header, end - wrapper.at) };
      if (end > body) yield { kind: 'copy', offset: body, length: end - body };
      if (quiet.length > 0) yield { kind: 'bytes', bytes: quiet };
      yield { kind: 'bytes', bytes: movie };
    },
  };
}

function indexInFront(
  source: ByteSource,
  tracks: readonly OutputTrack[],
  timescale: number,
  brand: string,
  first: number,
  end: number,
): OutputLayout {
  const fileType = sourceFileType(source) ?? ownFileType(brand);
  const { bytes: quiet, at: quietAt } = silenceFor(tracks);
  const media = Math.max(0, end - first);
  const length = media + quiet.length;
  const header = length + 8 > 0xffffffff ? 16 : 8;
  // The tables in front of the media decide, too, on 64-bit offsets.
  const samples = tracks.reduce((sum, track) => sum + track.samples.count, 0);
  const isLong = length + samples * mostTableBytes + 1024 * 1024 > 0xffffffff;
  // Chunk borders do not depend on where the media begins, so neither does the size of the index.
  const placeAt = (body: number) => ({
    media: (offset: number) => body + offset - first,
    silence: (codec: string) => body + media + quietAt(codec),
  });
  const indexSize = buildMovie(tracks, timescale, placeAt(0), isLong).length;
  const body = fileType.length + indexSize + header;
  const movie = buildMovie(tracks, timescale, placeAt(body), isLong);
  const mediaBytes = mediaHeader(header, header + length);
  return {
    size: fileType.length + movie.length + header + length,
    *pieces() {
      yield { kind: 'bytes', bytes: fileType };
      yield { kind: 'bytes', bytes: movie };
      yield { kind: 'bytes', bytes: mediaBytes };
      if (media > 0) yield { kind: 'copy', offset: first, length: media };
      if (quiet.length > 0) yield { kind: 'bytes', bytes: quiet };
    },
  };
}

function box(type: string, payload: Uint8Array): Uint8Array {
  const out = new FieldWriter(payload.length + 8);
  out.box(type, () => out.raw(payload));
  return out.bytes();
}

function sourceFileType(source: ByteSource): Uint8Array | null {
  const box = boxAt(source, 0, source.size);
  if (box?.type !== 'ftyp' || box.end > Math.min(source.size, 4096)) return null;
  return new Uint8Array(source.read(0, box.end));
}

function ownFileType(brand: string): Uint8Array {
  const out = new FieldWriter(32);
  const major = brand === 'mov' ? 'qt  ' : brand === 'm4a' ? 'M4A ' : 'isom';
  out.box('ftyp', () => {
    out.fourcc(major).u32(0x200).fourcc(major);
    if (brand !== 'mov') out.fourcc('iso2').fourcc('mp41');
  });
  return out.bytes();
}
