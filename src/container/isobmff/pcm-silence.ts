/**
 * Silence for the pauses of uncompressed sound: what a hole took, and pauses between fragments.
 *
 * Each frame of such a track lasts one tick and players expect nothing else, so a pause cannot be a sample
 * that lasts longer. One short piece of silence is written behind the media; the chunks of a pause
 * all point to it (ISO/IEC 14496-12 §8.7.5: chunk offsets are free to).
 */
import type { OutputTrack } from './movie-writer.ts';

/** Frames that one chunk of a pause has at most. */
const mostFrames = 4800;
/** Shorter pauses are rounding, seconds. */
const leastPause = 0.005;

/** Longer than all pauses of a recording are together, seconds. */
const mostPaused = 24 * 3600;

/** Pieces of silence, one for each value that means none. */
export interface Silence {
  readonly bytes: Uint8Array;
  /** Where in `bytes` the silence of a codec begins. */
  readonly at: (codec: string) => number;
}

/** The byte that all bytes of silence have (ITU-T G.711 for the laws). */
function quietByte(codec: string): number {
  if (codec === 'pcm_u8') return 0x80;
  if (codec === 'pcm_mulaw') return 0xff;
  return codec === 'pcm_alaw' ? 0xd5 : 0;
}

/**
 * Frames of silence behind the runs of a track of uncompressed sound, by their numbers. The first run's are
 * none: it lasts longer where ffmpeg could not write that the sound begins late, and its track is delayed
 * instead. None at all where they are more together than any recording is long: then the durations are false.
 */
export function pausesOf({ layout, samples }: OutputTrack): ReadonlyMap<number, number> {
  const pauses = new Map<number, number>();
  const { frameBytes, sampleRate } = layout.entry;
  if (frameBytes === 0 || sampleRate !== layout.timescale) return pauses;
  let total = 0;
  for (let run = 1; run < samples.count - 1; run += 1) {
    const frames = Math.floor((samples.size[run] ?? 0) / frameBytes);
    const pause = (samples.duration[run] ?? 0) - frames;
    if (pause < leastPause * sampleRate) continue;
    pauses.set(run, pause);
    total += pause;
    if (total > mostPaused * sampleRate) return new Map();
  }
  return pauses;
}

/** Lengths of the chunks that a pause of so many frames has. */
export function* pauseChunks(frames: number): Generator<number> {
  for (let left = frames; left > 0; left -= mostFrames) yield Math.min(left, mostFrames);
}

/** The silence that these tracks need; empty where none has a pause. */
export function silenceFor(tracks: readonly OutputTrack[]): Silence {
  const longest = new Map<number, number>();
  for (const track of tracks) {
    const { codec, frameBytes } = track.layout.entry;
    const quiet = quietByte(codec);
    for (const pause of pausesOf(track).values()) {
      const bytes = Math.min(mostFrames, pause) * frameBytes;
      longest.set(quiet, Math.max(longest.get(quiet) ?? 0, bytes));
    }
  }
  const places = new Map<number, number>();
  const size = [...longest.values()].reduce((sum, bytes) => sum + bytes, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [quiet, length] of longest) {
    places.set(quiet, at);
    bytes.fill(quiet, at, at + length);
    at += length;
  }
  return { bytes, at: (codec) => places.get(quietByte(codec)) ?? 0 };
}
