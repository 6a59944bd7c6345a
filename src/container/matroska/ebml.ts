/**
 * EBML (RFC 8794): element ids, sizes and values, read from damaged bytes and written anew.
 */
import { ByteWriter } from '../byte-writer.ts';
import type { Window } from '../window.ts';

/** Elements of Matroska (RFC 9559) that are read or written here. */
export const ids = {
  EBML: 0x1a45dfa3,
  DocType: 0x4282,
  Segment: 0x18538067,
  SeekHead: 0x114d9b74,
  Seek: 0x4dbb,
  SeekID: 0x53ab,
  SeekPosition: 0x53ac,
  Info: 0x1549a966,
  TimestampScale: 0x2ad7b1,
  Duration: 0x4489,
  DateUTC: 0x4461,
  MuxingApp: 0x4d80,
  WritingApp: 0x5741,
  Tracks: 0x1654ae6b,
  TrackEntry: 0xae,
  TrackNumber: 0xd7,
  TrackType: 0x83,
  FlagLacing: 0x9c,
  CodecID: 0x86,
  CodecPrivate: 0x63a2,
  DefaultDuration: 0x23e383,
  ContentEncodings: 0x6d80,
  ContentEncryption: 0x5035,
  Video: 0xe0,
  PixelWidth: 0xb0,
  PixelHeight: 0xba,
  Audio: 0xe1,
  SamplingFrequency: 0xb5,
  Channels: 0x9f,
  BitDepth: 0x6264,
  Cluster: 0x1f43b675,
  Timestamp: 0xe7,
  Position: 0xa7,
  PrevSize: 0xab,
  SilentTracks: 0x5854,
  SimpleBlock: 0xa3,
  EncryptedBlock: 0xaf,
  BlockGroup: 0xa0,
  Block: 0xa1,
  BlockAdditions: 0x75a1,
  BlockDuration: 0x9b,
  ReferencePriority: 0xfa,
  ReferenceBlock: 0xfb,
  CodecState: 0xa4,
  DiscardPadding: 0x75a2,
  Slices: 0x8e,
  Cues: 0x1c53bb6b,
  CuePoint: 0xbb,
  CueTime: 0xb3,
  CueTrackPositions: 0xb7,
  CueTrack: 0xf7,
  CueClusterPosition: 0xf1,
  Attachments: 0x1941a469,
  Chapters: 0x1043a770,
  Tags: 0x1254c367,
  Tag: 0x7373,
  SimpleTag: 0x67c8,
  TagName: 0x45a3,
  Void: 0xec,
  Crc32: 0xbf,
} as const;

/** Elements below the segment; a torn or unknown-sized cluster ends where one of them begins. */
export const topLevel: ReadonlySet<number> = new Set([
  ids.SeekHead,
  ids.Info,
  ids.Tracks,
  ids.Cluster,
  ids.Cues,
  ids.Attachments,
  ids.Chapters,
  ids.Tags,
  ids.Void,
  ids.Crc32,
]);

export interface Element {
  readonly id: number;
  readonly at: number;
  readonly body: number;
  /** As declared; -1 when unknown (RFC 8794 §6.2), Infinity when beyond 2^53. */
  readonly size: number;
}

/** The element header at `at`; null when there is none or it is not there whole. */
export function elementAt(window: Window, at: number): Element | null {
  const first = window.u8(at);
  const idLength =
    first >= 0x80 ? 1 : first >= 0x40 ? 2 : first >= 0x20 ? 3 : first >= 0x10 ? 4 : 0;
  if (idLength === 0) return null;
  const id = bigEndian(window.bytes(at, idLength), idLength);
  const sizeAt = at + idLength;
  const lead = window.u8(sizeAt);
  if (id < 0 || lead <= 0) return null;
  const length = Math.clz32(lead) - 23;
  const bytes = window.bytes(sizeAt, length);
  if (bytes.length < length) return null;
  let size = lead & (0xff >> length);
  let isUnknown = size === 0xff >> length;
  for (let i = 1; i < length; i += 1) {
    const byte = bytes[i] ?? 0;
    size = size * 256 + byte;
    if (byte !== 0xff) isUnknown = false;
  }
  if (size > Number.MAX_SAFE_INTEGER) size = Number.POSITIVE_INFINITY;
  return { id, at, body: sizeAt + length, size: isUnknown ? -1 : size };
}

function bigEndian(bytes: Uint8Array, length: number): number {
  if (bytes.length < length) return -1;
  let value = 0;
  for (let i = 0; i < length; i += 1) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

/** The elements between `from` and `to`, as long as they are well formed and lie inside. */
export function* childrenOf(window: Window, from: number, to: number): Iterable<Element> {
  let at = from;
  while (at < to) {
    const element = elementAt(window, at);
    if (!element || element.size < 0 || element.body + element.size > to) return;
    yield element;
    at = element.body + element.size;
  }
}

/** An unsigned integer of up to 8 bytes; 0 for an empty or longer element. */
export function uintOf(window: Window, element: Element): number {
  if (element.size < 1 || element.size > 8) return 0;
  return Math.max(0, bigEndian(window.bytes(element.body, element.size), element.size));
}

/** A float of 4 or 8 bytes; 0 for anything else. */
export function floatOf(window: Window, element: Element): number {
  const bytes = window.bytes(
    element.body,
    element.size === 4 || element.size === 8 ? element.size : 0,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 4) return view.getFloat32(0);
  return bytes.length === 8 ? view.getFloat64(0) : 0;
}

/** A string, at most 256 bytes of it, without what follows a zero. */
export function textOf(window: Window, element: Element): string {
  const text = window.ascii(element.body, Math.min(Math.max(0, element.size), 256));
  return text.split('\0')[0] ?? '';
}

/** An id and a size of `sizeLength` bytes (1 to 8): the header of an element to come. */
export function elementHeader(id: number, size: number, sizeLength = 8): Uint8Array {
  const idLength = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1;
  const writer = new ByteWriter().be(id, idLength);
  const head = writer.length;
  const bytes = writer.be(size, sizeLength).take();
  bytes[head] = (bytes[head] ?? 0) | (0x80 >> (sizeLength - 1));
  return bytes;
}

/** A whole element; its size takes as few bytes as it can. */
export function element(id: number, body: Uint8Array): Uint8Array {
  let sizeLength = 1;
  while (body.length >= 2 ** (7 * sizeLength) - 1) sizeLength += 1;
  return new ByteWriter()
    .add(elementHeader(id, body.length, sizeLength))
    .add(body)
    .take();
}

/** An unsigned integer element; as short as possible, or of `length` bytes. */
export function uintElement(id: number, value: number, length = 0): Uint8Array {
  let bytes = Math.max(1, length);
  while (bytes < 8 && value >= 256 ** bytes) bytes += 1;
  return element(id, new ByteWriter().be(value, bytes).take());
}

/** A void element of exactly `size` bytes, 2 or more. */
export function voidElement(size: number): Uint8Array {
  const sizeLength = size < 10 ? 1 : 8;
  const header = elementHeader(ids.Void, size - 1 - sizeLength, sizeLength);
  return new ByteWriter()
    .add(header)
    .zeros(size - header.length)
    .take();
}
