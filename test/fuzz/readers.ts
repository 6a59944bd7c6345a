/**
 * The readers under test, each with the whole files that are damaged for it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteSource, memorySource } from '../../src/container/bytes.ts';
import type { ReferenceProfile } from '../../src/container/format.ts';
import { diagnose, recogniseFormat } from '../../src/container/formats.ts';

const seeds = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds');

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly profile: ReferenceProfile | null;
}

/** Every seed with the profile that a broken file of its kind would be repaired by. */
export function loadSeeds(): Seed[] {
  return readdirSync(seeds).map((name) => {
    const bytes = new Uint8Array(readFileSync(join(seeds, name)));
    const source = memorySource(bytes);
    const profile = recogniseFormat(source)?.profile?.(source, name) ?? null;
    return { name, bytes, profile };
  });
}

/** Readers by the extension of their seeds; one reader may serve several. */
export function seedsByReader(all: readonly Seed[]): Map<string, Seed[]> {
  const readers = new Map<string, Seed[]>();
  for (const seed of all) {
    const format = recogniseFormat(memorySource(seed.bytes));
    const reader = format?.containers.join('/') ?? 'unrecognised';
    readers.set(reader, [...(readers.get(reader) ?? []), seed]);
  }
  return readers;
}

/** A plan's pieces are made lazily: they are walked too, but not without end. */
const mostPieces = 200_000;

/**
 * Does to a file all that Roomtape would: diagnose, plan with and (unless told otherwise) without a
 * reference, walk the pieces. Returns what is wrong with the answers, or null.
 */
export function readAll(
  bytes: Uint8Array,
  profile: ReferenceProfile | null,
  withoutReference = true,
): string | null {
  const source = countingSource(bytes);
  diagnose(source);
  diagnose(source, { thorough: true, media: true });
  const format = recogniseFormat(source);
  if (!format) return null;
  format.falseClaims?.(source);
  const known = profile ? [[profile]] : [];
  for (const references of profile && !withoutReference ? known : [...known, []]) {
    const outcome = format.planRepair(source, { references, experimentalZoom: true });
    if (outcome.kind === 'none') continue;
    let size = 0;
    let count = 0;
    for (const piece of outcome.pieces()) {
      if (
        piece.kind === 'copy' &&
        (piece.offset < 0 || piece.offset + piece.length > bytes.length)
      ) {
        return `a piece copies ${piece.length} bytes at ${piece.offset} of ${bytes.length}`;
      }
      size += piece.kind === 'bytes' ? piece.bytes.length : piece.length;
      count += 1;
      if (count > mostPieces) return `more than ${mostPieces} pieces`;
    }
    if (size !== outcome.outputSize) return `outputSize ${outcome.outputSize}, pieces ${size}`;
    if (outcome.bytesKept > bytes.length) return `keeps ${outcome.bytesKept} of ${bytes.length}`;
  }
  return null;
}

/** Reads with a negative or broken offset are bugs of the reader, not short reads. */
function countingSource(bytes: Uint8Array): ByteSource {
  const source = memorySource(bytes);
  return {
    size: source.size,
    read(offset, length) {
      if (
        !Number.isSafeInteger(offset) ||
        !Number.isSafeInteger(length) ||
        offset < 0 ||
        length < 0
      ) {
        throw new RangeError(`read(${offset}, ${length})`);
      }
      return source.read(offset, length);
    },
  };
}
