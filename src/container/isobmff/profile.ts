/**
 * Profiles: the model of a whole file as JSON, kept in the catalogue until a broken file needs it.
 */
import type { ContainerId } from '../diagnosis.ts';
import type { ReferenceProfile } from '../format.ts';
import type { MediaModel, TrackModel } from './media-model.ts';

const version = 1;

/** Writes a model down. */
export function profileOf(
  model: MediaModel,
  container: ContainerId,
  path: string,
): ReferenceProfile {
  return {
    container,
    signature: signatureOf(model),
    path,
    body: writeModel(model),
  };
}

/** A model as JSON. */
export function writeModel(model: MediaModel): string {
  return JSON.stringify({ version, ...model }, (_, value: unknown) =>
    value instanceof Uint8Array ? { hex: toHex(value) } : value,
  );
}

/** Equal for files whose models can serve each other: codecs, dimensions, rates, order of tracks. */
function signatureOf(model: MediaModel): string {
  return model.tracks
    .map(({ layout: { entry } }) => {
      const { kind, codec, width, height, sampleRate, channels } = entry;
      if (kind === 'video') return `${codec} ${width}x${height}`;
      return kind === 'audio' ? `${codec} ${sampleRate} ${channels}` : codec;
    })
    .join(' + ');
}

/** Reads a profile back; null when it is of another version or no profile at all. */
export function modelFrom(profile: ReferenceProfile): MediaModel | null {
  return readModel(profile.body);
}

/** Reads what {@link writeModel} wrote; null when it is nothing of the kind. */
export function readModel(json: string): MediaModel | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json, (_, value: unknown) => fromHex(value) ?? value);
  } catch {
    return null;
  }
  return isModel(parsed) ? parsed : null;
}

function isModel(value: unknown): value is MediaModel {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const tracks = fields['tracks'];
  return (
    fields['version'] === version &&
    typeof fields['timescale'] === 'number' &&
    Array.isArray(tracks) &&
    tracks.length > 0 &&
    tracks.every(isTrackModel)
  );
}

const numbers: readonly (keyof TrackModel)[] = [
  'skipped',
  'delayed',
  'shownFrom',
  'reordering',
  'usualDuration',
  'usualRun',
  'runBytes',
  'largestSample',
  'meanSample',
  'early',
  'late',
  'lead',
];

function isTrackModel(value: unknown): value is TrackModel {
  if (typeof value !== 'object' || value === null) return false;
  const track = value as Readonly<Record<string, unknown>>;
  const layout = track['layout'];
  if (typeof layout !== 'object' || layout === null) return false;
  const { stsd, timescale, entry } = layout as Readonly<Record<string, unknown>>;
  return (
    numbers.every((name) => Number.isFinite(track[name])) &&
    (track['heldBack'] === undefined || Number.isFinite(track['heldBack'])) &&
    stsd instanceof Uint8Array &&
    typeof timescale === 'number' &&
    timescale > 0 &&
    typeof entry === 'object' &&
    entry !== null
  );
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(value: unknown): Uint8Array | null {
  if (typeof value !== 'object' || value === null || !('hex' in value)) return null;
  const { hex } = value;
  if (typeof hex !== 'string' || hex.length % 2 !== 0) return null;
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  );
}
