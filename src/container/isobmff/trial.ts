/**
 * Trial decoding: do a track's parameter sets fit the pictures of a file?
 */
import type { ByteSource } from '../bytes.ts';
import { memorySource } from '../bytes.ts';
import { parseAvcConfig } from '../codec/h264-parameter-sets.ts';
import { annexB } from '../codec/h264-writer.ts';
import { parseHevcConfig } from '../codec/hevc-parameter-sets.ts';
import type { TrialDecode } from '../format.ts';
import { childBoxes } from './boxes.ts';
import { type FoundSamples, foundFlags } from './found-samples.ts';
import type { MediaModel } from './media-model.ts';
import type { TrackLayout } from './movie.ts';

export type TrialVerdict = 'fits' | 'fails' | 'unknown';

interface ParameterSets {
  readonly format: 'h264' | 'hevc';
  readonly lengthBytes: number;
  readonly units: readonly Uint8Array[];
}

// Enough to see errors spread, few enough to decode at once.
const mostPictures = 30;
const mostBytes = 4 * 1024 * 1024;

/** Parameter sets of a track's sample description; null for codecs that have none. */
export function parameterSets(layout: TrackLayout): ParameterSets | null {
  const { stsd } = layout;
  const entry = stsd.subarray(16);
  const boxes = childBoxes(memorySource(entry), 86, entry.length);
  const config = boxes.find((box) => box.type === 'avcC' || box.type === 'hvcC');
  if (!config) return null;
  const payload = entry.subarray(config.body, config.end);
  if (config.type === 'avcC') {
    const avc = parseAvcConfig(payload);
    return avc && { format: 'h264', lengthBytes: avc.lengthBytes, units: [...avc.sps, ...avc.pps] };
  }
  const hevc = parseHevcConfig(payload);
  return hevc && { format: 'hevc', lengthBytes: hevc.lengthBytes, units: hevc.units };
}

/** Pictures from a sync sample on, as they lie in the file. */
export function picturesFrom(
  source: ByteSource,
  found: FoundSamples,
  track: number,
  where: 'first' | 'last',
): Uint8Array[] {
  let start = -1;
  for (let index = 0; index < found.count; index += 1) {
    const isSync = ((found.flags[index] ?? 0) & foundFlags.sync) !== 0;
    if (found.track[index] !== track || !isSync) continue;
    start = index;
    if (where === 'first') break;
  }
  const pictures: Uint8Array[] = [];
  let bytes = 0;
  for (let index = start; index >= 0 && index < found.count; index += 1) {
    if (found.track[index] !== track) continue;
    const size = found.size[index] ?? 0;
    bytes += size;
    if (pictures.length >= mostPictures || bytes > mostBytes) break;
    pictures.push(source.read(found.offset[index] ?? 0, size));
  }
  return pictures;
}

/** How many errors a picture gives on average, and more for pictures that do not appear at all. */
export function errorsPerPicture(
  sets: ParameterSets | null,
  pictures: readonly Uint8Array[],
  decode: TrialDecode | undefined,
): number {
  if (!decode || !sets || pictures.length === 0) return 0;
  const bytes = annexB(sets.units, pictures, sets.lengthBytes);
  const { frames, errors } = decode({ format: sets.format, bytes });
  return frames === 0 ? Number.POSITIVE_INFINITY : errors / pictures.length;
}

/** Decodes some pictures with a track's parameter sets. */
export function tryPictures(
  sets: ParameterSets | null,
  pictures: readonly Uint8Array[],
  decode: TrialDecode | undefined,
): TrialVerdict {
  if (!decode || !sets || pictures.length === 0) return 'unknown';
  return errorsPerPicture(sets, pictures, decode) === 0 ? 'fits' : 'fails';
}

/** Errors a picture, for pictures of the first picture track of a model; 0 where nothing is known. */
export function errorsOfModel(
  source: ByteSource,
  model: MediaModel,
  found: FoundSamples,
  decode: TrialDecode | undefined,
  where: 'first' | 'last',
): number {
  const track = model.tracks.findIndex(({ layout }) => layout.entry.kind === 'video');
  const layout = model.tracks[track]?.layout;
  if (!layout) return 0;
  return errorsPerPicture(parameterSets(layout), picturesFrom(source, found, track, where), decode);
}
