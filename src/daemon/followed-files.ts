/**
 * The files that may still be written to: how they grew, and who has them open.
 *
 * Known only while the daemon runs; whether a file has settled is judged by session/take.ts.
 */
import { type Following, judgeFollowing } from '../session/take.ts';
import type { Clock } from '../system/clock.ts';
import { identityKey, stillWrites, wouldSeeWriters, writersOf } from '../system/open-files.ts';
import type { Sighting } from '../system/watcher.ts';

/** A file that grew within this time lives: nobody need be asked who writes it, in ms. */
const surelyAliveMs = 600;

export interface Followed {
  following: Following;
  path: string;
  size: number;
  /** When it was seen to grow last, ms since 1970; null: not since it was sighted. */
  grewAt: number | null;
  /** When this daemon began to follow it, by the clock that never goes back. */
  readonly since: number;
  readonly device: string;
  readonly inode: string;
  /** The process that was seen to write it last; 0 before. */
  writer: number;
}

/** True for a file that somebody was seen to write to, or that was seen to grow. */
export const growsStill = (followed: Followed): boolean =>
  followed.grewAt !== null || followed.following.hadWriter;

export class FollowedFiles extends Map<string, Followed> {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  begin(id: string, sighting: Sighting): void {
    const elapsed = this.#clock.elapsed();
    // Of a file that was last written long ago nobody waits for more.
    const quiet = Math.max(0, sighting.at - sighting.modified);
    this.set(id, {
      following: { grewAt: elapsed - quiet, hadWriter: false },
      path: sighting.path,
      size: sighting.size,
      grewAt: null,
      since: elapsed,
      device: sighting.device,
      inode: sighting.inode,
      writer: 0,
    });
  }

  /** Takes in a new sighting. */
  sawAgain(followed: Followed, sighting: Sighting): 'changed' | 'grew' | 'grew first' {
    const grows = sighting.size !== followed.size;
    followed.path = sighting.path;
    followed.size = sighting.size;
    followed.following = { ...followed.following, grewAt: this.#clock.elapsed() };
    if (!grows) return 'changed';
    const first = followed.grewAt === null;
    followed.grewAt = sighting.at;
    return first ? 'grew first' : 'grew';
  }

  /**
   * Asks who writes the files that are silent, and gives back the ids of those that have come to rest.
   *
   * @param quietForMs  how long the recorder of a file may be silent where its writer cannot be seen
   */
  async settled(quietForMs: (id: string) => number): Promise<string[]> {
    const elapsed = this.#clock.elapsed();
    const silent = [...this].filter(
      ([, { following }]) => elapsed - following.grewAt > surelyAliveMs || !following.hadWriter,
    );
    // Whoever wrote a file a moment ago most likely still does: only then is everybody asked.
    const asked = silent.filter(
      ([, followed]) => followed.writer === 0 || !stillWrites(followed.writer, followed),
    );
    const writers = await writersOf(asked.map(([, followed]) => followed));
    return asked.flatMap(([id, followed]) => {
      // Forgotten, or followed anew, while we asked.
      if (this.get(id) !== followed) return [];
      const writing = writers === 'unknown' ? undefined : writers.get(identityKey(followed));
      followed.writer = writing?.at(-1)?.pid ?? 0;
      if (writing) followed.following = { ...followed.following, hadWriter: true };
      const hidden = writers === 'unknown' || (!writing && !wouldSeeWriters(followed.path));
      const seen = hidden ? 'unknown' : writing ? 'somebody' : 'nobody';
      const now = this.#clock.elapsed();
      return judgeFollowing(followed.following, seen, quietForMs(id), now) === 'settled'
        ? [id]
        : [];
    });
  }
}
