/**
 * A take's journey, as rules: when a growing file has settled. Whose recording it is, is in
 * attribution.ts.
 *
 * What is seen of files and processes comes in as plain facts; daemon/takes.ts carries the answers
 * out.
 */
/** What was seen of a file that may still be written to. Moments by a clock that never goes back. */
export interface Following {
  /** When it was seen to grow last, or was sighted, in ms. */
  readonly grewAt: number;
  /** Whether anybody was ever seen to have it open for writing. */
  readonly hadWriter: boolean;
}

/** Who has the file open for writing now; `unknown` where the system does not say. */
export type WriterSeen = 'somebody' | 'nobody' | 'unknown';

/** A writer that closes and opens again (a remux, a split) gets this long, in ms. */
const closedForMs = 700;
/** A writer could have been seen and never was: it ended before anybody looked, in ms. */
const unwrittenForMs = 1_800;

/**
 * Whether a file has come to rest: `settled` once its writer is gone, or, where writers cannot be
 * seen, once it has not grown for the recorder's quiet time. A paused recorder that keeps its file open is never settled.
 */
export function judgeFollowing(
  following: Following,
  writer: WriterSeen,
  quietForMs: number,
  now: number,
): 'growing' | 'settled' {
  if (writer === 'somebody') return 'growing';
  const patience =
    writer === 'unknown' ? quietForMs : following.hadWriter ? closedForMs : unwrittenForMs;
  return now - following.grewAt >= patience ? 'settled' : 'growing';
}
