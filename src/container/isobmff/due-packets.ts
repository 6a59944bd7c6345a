/**
 * How many packets of sound are due before the next picture, where packets do not say how long they
 * are.
 */
import type { Lane } from './lanes.ts';
import type { MediaModel } from './media-model.ts';

/** What surrounds a run. */
export interface RunContext {
  readonly lengthless: readonly Lane[];
  /** Lanes whose samples are known where they begin: they bound the runs of the others. */
  readonly bounding: readonly Lane[];
  readonly model: MediaModel;
  /** No hole was met: clocks count from the start. */
  readonly isUnbroken: boolean;
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
  const { model, bounding } = context;
  const sound = model.tracks[lane.tracks[0] ?? 0];
  const pictures = bounding.find((other) => other.codec.kind === 'video' && other.taken > 0);
  const picture = model.tracks[pictures?.tracks[0] ?? -1];
  if (!sound || !picture || !pictures || !context.isUnbroken || !picture.constantRate)
    return [0, 0];
  if (sound.usualDuration <= 0) return [0, 0];
  const packet = sound.usualDuration / sound.layout.timescale;
  const step = picture.usualDuration / picture.layout.timescale;
  const next = picture.shownFrom + (pictures.taken + more) * step;
  let [fewest, most] = [0, 0];
  for (const now of lane.clocks.allSeconds(lane.codec.rate || 1)) {
    fewest += Math.max(0, Math.ceil((next - picture.late - now) / packet - 0.05));
    most += Math.max(0, Math.floor((next - picture.early - now) / packet + 1.05));
  }
  return most >= Math.max(1, fewest) ? [Math.max(1, fewest), most] : [0, 0];
}
