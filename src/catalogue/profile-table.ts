/**
 * Profiles of whole files, from which a broken one of the same recorder learns its codecs.
 *
 * One for each container, signature and recorder: the newest replaces the one before.
 */
import type { Database } from './driver.ts';

export interface StoredProfile {
  readonly container: string;
  readonly signature: string;
  readonly recorder: string;
  readonly path: string;
  readonly body: string;
  /** ms since 1970. */
  readonly takenAt: number;
}

export class ProfileTable {
  readonly #upsert;
  readonly #for;

  constructor(database: Database.Database) {
    this.#upsert = database.prepare<[StoredProfile]>(
      `INSERT INTO profiles (container, signature, recorder, path, body, taken_at)
       VALUES (@container, @signature, @recorder, @path, @body, @takenAt)
       ON CONFLICT (container, signature, recorder) DO UPDATE SET path = excluded.path,
         body = excluded.body, taken_at = excluded.taken_at`,
    );
    this.#for = database.prepare<[string, number], StoredProfile>(
      `SELECT container, signature, recorder, path, body, taken_at AS takenAt FROM profiles
       WHERE container IN (SELECT value FROM json_each(?)) ORDER BY taken_at DESC LIMIT ?`,
    );
  }

  put(profile: StoredProfile): void {
    this.#upsert.run(profile);
  }

  /** Profiles of these containers, newest first. */
  of(containers: readonly string[], limit = 100): StoredProfile[] {
    return this.#for.all(JSON.stringify(containers), limit);
  }
}
