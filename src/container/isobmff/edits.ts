/**
 * Edit lists: what of a track's media is skipped and when the track begins (ISO/IEC 14496-12 §8.6.6).
 */
import type { IndexedTrack } from './file-index.ts';
import type { Edit } from './movie.ts';

/** How a track begins. */
export interface TrackStart {
  /** Ticks of media in front of what is shown. */
  readonly skipped: number;
  /** Second of the movie at which it begins; negative when even more of the media is skipped. */
  readonly delayed: number;
  readonly timescale: number;
}

/**
 * The edit list for a track that begins so.
 *
 * @param end  ticks of the media at which the last sample ends being shown
 */
export function editsFor(end: number, start: TrackStart, movieTimescale: number): Edit[] {
  const edits: Edit[] = [];
  const pause = Math.round(start.delayed * movieTimescale);
  if (pause > 0) edits.push({ duration: pause, mediaTime: -1, rate: 1 });
  const early = pause < 0 ? Math.round(-start.delayed * start.timescale) : 0;
  const mediaTime = start.skipped + early;
  const shown = Math.max(0, end - mediaTime);
  const duration = Math.round((shown * movieTimescale) / start.timescale);
  edits.push({ duration, mediaTime, rate: 1 });
  return edits;
}

/** Skipped and delayed seconds at the start of an indexed track, by its edit list. */
export function startOf(
  indexed: IndexedTrack,
  movieTimescale: number,
): readonly [skipped: number, delayed: number] {
  const { track, samples } = indexed;
  let delayed = 0;
  for (const edit of track.edits) {
    if (edit.mediaTime >= 0) {
      // The first fragment may count from a time of its own: that much of the media was never there.
      const skipped = edit.mediaTime - samples.start;
      return skipped >= 0
        ? [skipped / track.timescale, delayed]
        : [0, delayed - skipped / track.timescale];
    }
    delayed += edit.duration / movieTimescale;
  }
  return [0, delayed + samples.start / track.timescale];
}
