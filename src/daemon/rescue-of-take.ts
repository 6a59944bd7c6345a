/**
 * From a settled file to the index: diagnose, repair into a new file, verify, hash.
 *
 * Each step yields what changes of the take; takes.ts stores it before the next one begins, so that a
 * daemon that is killed in between begins with the step that was not stored.
 */

import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { TakeRecord } from '../catalogue/take-table.ts';
import type { ContainerId, Diagnosis } from '../container/diagnosis.ts';
import { RoomtapeError } from '../errors.ts';
import type { RecorderId } from '../recorders/profile.ts';
import { profileOf, recogniseRecorder } from '../recorders/profiles.ts';
import { trueStart } from '../recorders/start-time.ts';
import { judgeMeeting } from '../recorders/zoom-folder.ts';
import type { FileIdentity } from '../system/files.ts';
import { readMeetingFolder } from '../system/meeting-folder.ts';
import { recoveredName } from '../system/plan-writer.ts';
import { recoveryFields } from '../system/recovery-report.ts';
import { isSound, type RecoverOptions, type Rescue } from '../system/rescue.ts';
import { isConverterAlive } from '../system/zoom-converter.ts';
import type { DaemonContext } from './area.ts';
import { family, profilesNear } from './references.ts';
import { bytesKeptOf, referenceOf } from './take-facts.ts';

export interface Step {
  readonly stage: 'diagnosed' | 'repaired' | 'verified' | 'indexed';
  readonly change: Partial<TakeRecord>;
  /** One sentence for a person. */
  readonly says: string;
  readonly diagnosis?: Diagnosis;
  /** Takes that may be repaired now, because a reference for them was found. */
  readonly retry?: readonly string[];
}

export class RescueOfTake {
  readonly #context: DaemonContext;
  readonly #rescue: Rescue;
  readonly #storeOf: (take: string) => string;
  readonly #ending = new AbortController();

  /** @param storeOf  where the scan of a take is stored that was made while it grew */
  constructor(context: DaemonContext, rescue: Rescue, storeOf: (take: string) => string) {
    this.#context = context;
    this.#rescue = rescue;
    this.#storeOf = storeOf;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#rescue.close();
  }

  /** The steps that are left; ends early when an obstacle has to be told instead. */
  async *steps(begun: TakeRecord): AsyncGenerator<Step> {
    let take = begun;
    try {
      for await (const step of this.#steps(begun)) {
        take = { ...take, ...step.change };
        yield step;
      }
    } catch (problem) {
      if (!(problem instanceof RoomtapeError) || problem.code === 'cancelled') {
        if (this.#ending.signal.aborted) return;
        throw problem;
      }
      // The file is listed with what stands in its way: nothing is silently given up.
      const { message, code: obstacle, next = null } = problem;
      const told = { problem: message, next, obstacle };
      const detail = { ...take.detail, ...told };
      yield { stage: 'indexed', change: { stage: 'indexed', detail }, says: problem.message };
    }
  }

  async *#steps(begun: TakeRecord): AsyncGenerator<Step> {
    const { signal } = this.#ending;
    const { path } = begun;
    // What was just recorded is looked through; an old file is judged by its head and tail. What a former
    // daemon saw growing and did not see end may have ended with the machine's power.
    const wasGrowing = begun.stage === 'followed' && begun.sightedAt < this.#context.startedAt;
    const thorough = begun.endedAt !== null || wasGrowing;
    const reading = { signal, thorough, media: thorough };
    const { diagnosis, identity, head } = await this.#rescue.diagnose(path, reading);
    const { container, verdict, durationMs, tracks, damage, writer } = diagnosis;
    const { recorder, signs } = recogniseRecorder({ path, diagnosis, head });
    const found = {
      ...begun,
      container,
      recorder: signs.length > 0 ? recorder : begun.recorder,
      verdict,
      durationMs: durationMs === null ? null : Math.round(durationMs),
      bytes: identity.size,
      ...timesOf(begun, diagnosis, identity),
      detail: {
        ...begun.detail,
        ...{ tracks, damage, writer },
        ...{ problem: null, next: null, obstacle: null },
      },
    };
    yield {
      stage: 'diagnosed',
      change: { ...found, stage: 'diagnosed' },
      says: `${path} is ${verdict}.`,
      diagnosis,
    };
    if (isZoomRaw(path)) yield* this.#indexMeeting(found);
    else if (verdict === 'whole') yield* this.#indexWhole(found);
    else if (diagnosis.recoverable) yield* this.#repair(found);
    else yield* this.#index(found, `${path} is ${verdict}: ${damage[0]?.detail ?? ''}`);
  }

  /** A raw recording of Zoom is what its meeting folder says, not what its packets say. */
  async *#indexMeeting(take: TakeRecord): AsyncGenerator<Step> {
    const { signal } = this.#ending;
    const folder = dirname(take.path);
    const diagnose = async (path: string) =>
      (await this.#rescue.diagnose(path, { signal })).diagnosis;
    const facts = await readMeetingFolder(folder, diagnose, this.#context.clock.now());
    // The writer is gone, or the take would not have come here.
    const judged = judgeMeeting({
      ...facts,
      growing: false,
      converterAlive: await isConverterAlive(),
    });
    const item = judged.items.findLast(({ verdict }) => verdict !== 'ready') ?? judged.items.at(-1);
    if (!item) return yield* this.#index(take, `${take.path} is indexed.`);
    const { verdict, next, detail: problem } = item;
    const { topic, meetingId, companions } = judged;
    const meeting = { topic, meetingId, companions };
    const startedAt = judged.startedAt ?? take.startedAt;
    const detail = { ...take.detail, problem, next, meeting };
    yield* this.#index({ ...take, verdict, startedAt, detail }, `${take.path}: ${problem}`);
  }

  async *#indexWhole(take: TakeRecord): AsyncGenerator<Step> {
    const { catalogue, clock } = this.#context;
    const profile = await this.#rescue.profile(take.path, { signal: this.#ending.signal });
    let isNew = false;
    if (profile) {
      const { container, signature, path, body } = profile;
      isNew = !catalogue.profiles
        .of([container], 1_000)
        .some((one) => one.signature === signature && one.recorder === take.recorder);
      const takenAt = clock.now();
      catalogue.profiles.put({
        container,
        signature,
        recorder: take.recorder,
        path,
        body,
        takenAt,
      });
    }
    yield* this.#index(take, `${take.path} is indexed.`, isNew ? this.#waiting(take) : []);
  }

  /** Interrupted takes of the same kind that were not repaired well without this reference. */
  #waiting(take: TakeRecord): string[] {
    const { recordings } = this.#context.catalogue;
    const page = recordings.list({ verdict: 'interrupted' }, { limit: 50 });
    return page.recordings
      .flatMap(({ takes }) => takes)
      .filter((one) => one.identity !== '' && one.stage === 'indexed')
      .filter((one) => one.recoveredPath === null || one.detail['waits'] === true)
      .filter((one) => family(one.container).includes(take.container as ContainerId))
      .map(({ id }) => id);
  }

  async *#repair(take: TakeRecord): AsyncGenerator<Step> {
    const { config } = this.#context;
    if (config.recovery === 'flag') {
      const next = `roomtape recover ${take.id}`;
      const flagged = { ...take, detail: { ...take.detail, next } };
      yield* this.#index(flagged, `${take.path} is interrupted; ${next} repairs it.`);
      return;
    }
    const { signal } = this.#ending;
    const wishes: RecoverOptions = {
      signal,
      references: profilesNear(this.#context, take),
      searchFolder: false, // the catalogue knows the whole files of this folder
      scan: this.#storeOf(take.id),
      existing: 'adopt',
      reserve: config['free-disk-mb'] * 1_000_000,
      verify: false,
    };
    const replaces = isOwnUntouched(take);
    if (replaces && !(await this.#isBetter(take, wishes))) {
      yield* this.#index(take, `${take.path}: nothing found since repairs it better.`);
      return;
    }
    const existing = replaces ? 'overwrite' : 'adopt';
    const recovery = await this.#rescue.recover(take.path, { ...wishes, existing });
    const report = recoveryFields(recovery);
    const incomplete = recovery.outcome.kind === 'plan' && recovery.outcome.incomplete === true;
    const recovered = {
      ...take,
      recoveredPath: report.output,
      durationMs: longest(report.tracks) ?? take.durationMs,
      detail: { ...take.detail, report, output: markOf(report.output), waits: incomplete },
    };
    if (report.output === null || recovery.outcome.kind === 'none') {
      yield* this.#index(recovered, `${take.path}: ${report.note ?? 'nothing could be had'}`);
      return;
    }
    const says = `${take.path} was repaired: ${report.output}.`;
    yield { stage: 'repaired', change: { ...recovered, stage: 'repaired' }, says };
    // Only now the slow part: whoever waits for the file can play it already.
    const expected = recovery.outcome.tracks;
    const { verification } = await this.#rescue.verify(report.output, { signal, expected });
    const waits = incomplete || !isSound(verification);
    const detail = { ...recovered.detail, report: { ...report, verification }, waits };
    const sound = isSound(verification)
      ? `${report.output} was decoded to its end without an error.`
      : `${report.output} was decoded with ${verification.errors} errors.`;
    yield { stage: 'verified', change: { stage: 'verified', detail }, says: sound };
    yield* this.#index({ ...recovered, detail }, `${take.path} is indexed.`);
  }

  /**
   * Whether a take would be repaired better than it was: with a reference it did not have, of which
   * its pictures decode, and without losing a byte that was had before.
   */
  async #isBetter(take: TakeRecord, wishes: RecoverOptions): Promise<boolean> {
    const { outcome } = await this.#rescue.recover(take.path, { ...wishes, dryRun: true });
    if (outcome.kind === 'none') return false;
    const reference = outcome.reference ?? null;
    const target = recoveredName(take.path, dirname(take.path), outcome.extension);
    return (
      target === take.recoveredPath &&
      reference !== null &&
      reference !== referenceOf(take) &&
      outcome.bytesKept >= bytesKeptOf(take)
    );
  }

  async *#index(
    take: TakeRecord,
    says: string,
    retry: readonly string[] = [],
  ): AsyncGenerator<Step> {
    const sha256 = await this.#rescue.hash(take.path, { signal: this.#ending.signal });
    yield { stage: 'indexed', change: { ...take, sha256, stage: 'indexed' }, says, retry };
  }
}

/** By what a file that Roomtape wrote is known to be as it was written; null when it is not there. */
function markOf(path: string | null): string | null {
  const found = path === null ? undefined : statSync(path, { throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` : null;
}

/** A repaired file that may be replaced: Roomtape made it, not well, and nobody has changed it since. */
const isOwnUntouched = ({ recoveredPath, detail }: TakeRecord): boolean =>
  recoveredPath !== null &&
  detail['waits'] === true &&
  typeof detail['output'] === 'string' &&
  detail['output'] === markOf(recoveredPath);

const isZoomRaw = (path: string) => /^double_click_to_convert_\d{2,}\.zoom$/.test(basename(path));

/** The true beginning from the best source, and the end that follows from it. */
function timesOf(
  take: TakeRecord,
  { startedAt: controlStart, createdAt: createdInFile, durationMs }: Diagnosis,
  { modified }: FileIdentity,
): Pick<TakeRecord, 'startedAt' | 'endedAt'> {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const claim = trueStart(profileOf(take.recorder as RecorderId), {
    path: take.path,
    timeZone,
    ...(controlStart === undefined ? {} : { controlStart }),
    ...(createdInFile === undefined ? {} : { createdInFile }),
    ...(durationMs === null ? {} : { durationMs }),
    ...(take.startedAt === null ? {} : { birth: take.startedAt }),
    modified,
  });
  // A name that lies in the future was given in another zone, or by a person.
  const believed = claim && claim.at <= take.sightedAt + 60_000;
  const startedAt = believed ? Math.round(claim.at) : take.startedAt;
  const ended = startedAt === null || durationMs === null ? modified : startedAt + durationMs;
  return { startedAt, endedAt: take.endedAt ?? Math.round(ended) };
}

function longest(tracks: readonly { readonly durationMs: number | null }[]): number | null {
  const known = tracks.flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs]));
  return known.length > 0 ? Math.round(Math.max(...known)) : null;
}
