/**
 * How bytes reach the parsers: a source that is read at any offset, and nothing else.
 *
 * The parsers never see a file descriptor; they run in a worker and read synchronously. Offsets are
 * plain numbers: everything at or beyond 2^53 is treated as damage by the readers, not represented.
 */

/** A file, or a part of one, that can be read at any offset. */
export interface ByteSource {
  /** Bytes there are now, 0 to 2^53 - 1. Constant for the life of the source. */
  readonly size: number;
  /**
   * Reads up to `length` bytes at `offset`. The view is shorter when the source ends before, and
   * empty at or beyond the end. It stays valid and must not be written to. A negative offset or
   * length is a bug.
   */
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes that are already in memory. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** The first `size` bytes of another source: what was there before a cut. */
export function prefixSource(source: ByteSource, size: number): ByteSource {
  const end = Math.min(size, source.size);
  return {
    size: end,
    read: (offset, length) => source.read(offset, Math.max(0, Math.min(length, end - offset))),
  };
}

/** Thrown by a reader that was asked to stop between two reads; never leaves the worker. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

/**
 * Told by long readers now and then: how far they are in bytes of the source. Returning `false`
 * asks them to stop: they throw {@link Cancelled}.
 */
export type Progress = (position: number) => boolean;
