/**
 * How many packets of sound are due before the next picture, where packets do not say how long they
 * are.
 */
import type { Lane } from './lanes.ts';
import type { MediaModel } from './media-model.ts';

/** So many pictures were taken when it was so late by the clock of the sound, more or less exactly. */
export interface Anchor {
  readonly pictures: number;
  readonly seconds: number;
  /** Packets by which the sound may have been ahead or behind. */
  readonly slack: number;
}

/** What surrounds a run. */
export interface RunContext {
  readonly lengthless: readonly Lane[];
  /** Lanes whose samples are known where they begin: they bound the runs of the others. */
  readonly bounding: readonly Lane[];
  readonly model: MediaModel;
  /** A picture whose time is known: the first, or the first behind a hole. Null until it is found. */
  readonly anchor: Anchor | null;
  /** The file is cut off where the scan ends: a box that was closed there is not. */
  readonly isCutOff: boolean;
}

/**
 * Fewest and most packets that are due before the next picture, by how the reference's muxer ordered
 * pictures against sound. Zeros when that cannot be known.
 *
 * @param more  pictures that were found and are not yet counted
 */
export function packetsByClock(
  lane: Lane,
  context: RunContext,
  more = 0,
): readonly [fewest: number, most: number] {
  const { model, bounding, anchor } = context;
  const sound = model.tracks[lane.tracks[0] ?? 0];
  const pictures = bounding.find((other) => other.codec.kind === 'video' && other.taken > 0);
  const picture = model.tracks[pictures?.tracks[0] ?? -1];
  if (!sound || !picture || !pictures || !anchor || !picture.constantRate) return [0, 0];
  if (sound.usualDuration <= 0) return [0, 0];
  const packet = sound.usualDuration / sound.layout.timescale;
  const step = picture.usualDuration / picture.layout.timescale;
  const next = anchor.seconds + (pictures.taken + more - anchor.pictures) * step;
  let [fewest, most] = [0, 0];
  for (const now of lane.clocks.allSeconds(lane.codec.rate || 1)) {
    fewest += Math.max(0, Math.ceil((next - picture.late - now) / packet - 0.05));
    most += Math.max(0, Math.floor((next - picture.early - now) / packet + 1.05));
  }
  fewest -= anchor.slack;
  most += anchor.slack;
  if (most < fewest) return [0, 0];
  // Where there is a run it has a packet, although none is due.
  return [Math.max(1, fewest), Math.max(1, most)];
}
