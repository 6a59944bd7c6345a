/**
 * Whose a take is: by its recorder's word, by the raw file beside it, by whose folder it lies in, and
 * by the recordings of that time. The rules are in session/attribution.ts; here they get their facts.
 */
import { dirname, join } from 'node:path';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { judgeName } from '../recorders/profiles.ts';
import { meetingTitle } from '../recorders/zoom-folder.ts';
import { attributeTake } from '../session/attribution.ts';
import { instant, type ParticipantId, type RecordingId } from '../session/ids.ts';
import { folded } from '../session/state.ts';
import { rowsOf } from '../session/table.ts';
import type { Sessions } from './sessions.ts';
import { uncertaintyOf, unclaimedReplay, whoOf } from './take-facts.ts';

export class TakeClaims {
  readonly #catalogue: Catalogue;
  readonly #sessions: Sessions;
  /** Whose files a folder holds, by its path. */
  readonly #owners = new Map<string, string>();
  /** The recording that a file belongs to by its recorder's word. */
  recorderSays: ((path: string) => RecordingId | undefined) | undefined;

  constructor(catalogue: Catalogue, sessions: Sessions) {
    this.#catalogue = catalogue;
    this.#sessions = sessions;
  }

  ownFolder(folder: string, owner: string | null): void {
    if (owner === null) this.#owners.delete(folder);
    else this.#owners.set(folder, owner);
  }

  toldOf(path: string): RecordingId | undefined {
    return this.recorderSays?.(path);
  }

  /**
   * Attributes a take to a declared recording if there is one.
   *
   * @param ended  when it ended, or now while it grows; ms since 1970
   */
  of(take: TakeRecord, ended: number): TakeRecord {
    const file = {
      began: instant(take.startedAt ?? take.sightedAt),
      ended: instant(ended),
      uncertainMs: uncertaintyOf(take),
      topic: meetingTitle(dirname(take.path)).topic,
    };
    if (judgeName(take.path) === 'replay') return unclaimedReplay(take);
    const told = this.toldOf(take.path);
    if (told !== undefined) {
      const detail = { ...take.detail, reasons: ['its recorder told the path'], candidates: [] };
      return { ...take, recording: told, attribution: 'declared', detail };
    }
    const raw = this.rawBeside(take);
    if (raw) {
      const reasons = ['Zoom converted it from the raw recording beside it'];
      const { recording, attribution } = raw;
      return { ...take, recording, attribution, detail: { ...take.detail, reasons } };
    }
    const owner = this.ownerOf(take);
    const candidates = this.#sessions.open().flatMap((state) =>
      [...rowsOf(state.recordings)].map((recording) => ({
        state,
        recording,
        who: whoOf(state, recording),
        titles: [state.topic, state.rooms[recording.room]?.name ?? ''],
      })),
    );
    const self = this.#sessions.open()[0]?.self ?? null;
    const found = attributeTake(file, candidates, owner, self);
    const detail = { ...take.detail, reasons: found.reasons, candidates: found.candidates };
    const recording = found.recording ?? take.recording;
    return { ...take, recording, attribution: found.kind, detail };
  }

  /** The raw recording that a converted file of Zoom was made from, where it was seen. */
  rawBeside({ path, recorder }: TakeRecord): TakeRecord | undefined {
    const raw = join(dirname(path), 'double_click_to_convert_01.zoom');
    if (recorder !== 'zoom' || path === raw) return undefined;
    return this.#catalogue.takes.byPath(raw)[0];
  }

  /** The participant whose recorder writes to the take's folder; null when nobody said so. */
  ownerOf(take: TakeRecord): ParticipantId | null {
    const folder = String(take.detail['folder'] ?? '');
    const name = this.#owners.get(folder);
    if (name === undefined) return null;
    for (const state of this.#sessions.open()) {
      const person = [...rowsOf(state.participants)].find(
        (one) => folded(one.name) === folded(name),
      );
      if (person) return person.id;
    }
    return null;
  }
}
