/**
 * The journey of a take: sighted → recognised → attributed → followed → diagnosed → repaired →
 * verified → indexed.
 *
 * The stage is stored with the take and every step can be run twice, so a daemon that was killed
 * anywhere goes on where it stood. The only way back: a settled take that grows again. Rules are in
 * session/take.ts, bytes in container/ behind the rescue service; here they meet.
 */
import PQueue from 'p-queue';
import type { StatusTake } from '../api/status.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import type { Diagnosis } from '../container/diagnosis.ts';
import { RoomtapeError } from '../errors.ts';
import type { RecorderId } from '../recorders/profile.ts';
import { judgeName, profileOf, recogniseRecorder } from '../recorders/profiles.ts';
import { roomSpans } from '../session/attribution.ts';
import type { SessionCommand } from '../session/command.ts';
import { instant, type RecordingId, type TakeId } from '../session/ids.ts';
import { isRefusal } from '../session/refusal.ts';
import { rowOf, rowsOf } from '../session/table.ts';
import { timelineOf } from '../session/timeline.ts';
import { identityKey } from '../system/open-files.ts';
import type { Rescue } from '../system/rescue.ts';
import type { Sighting, WatchEvent } from '../system/watcher.ts';
import type { DaemonContext } from './area.ts';
import { Batches } from './batches.ts';
import { type Followed, FollowedFiles, growsStill } from './followed-files.ts';
import { RescueOfTake } from './rescue-of-take.ts';
import { ScansBeside } from './scans-beside.ts';
import type { Sessions } from './sessions.ts';
import { TakeClaims } from './take-claims.ts';
import {
  foundOut,
  isSameBirth,
  lookAt,
  reached,
  reasonsOf,
  referenceOf,
  startOf,
} from './take-facts.ts';

/** A growing file is asked about this often, in ms. */
const followEveryMs = 400;
/** So long a person has to declare what a recorder began, before it counts as undeclared, in ms. */
const declareWithinMs = 5_000;

/** A file that is renamed is sighted under its new name within this time, in ms. */
const renamedWithinMs = 3_000;

/** Told when a take begins to grow, when its journey has ended, and when its file is gone. */
export type TakeListener = (take: TakeRecord, moment: TakeMoment) => void;
export type TakeMoment = 'growing' | 'settled' | 'indexed' | 'gone';

/** When an old file ended is only known once it was diagnosed. */
const isFreshlyRecorded = (take: TakeRecord): boolean =>
  take.endedAt !== null && !reached(take, 'diagnosed');

export class Takes {
  readonly #context: DaemonContext;
  readonly #sessions: Sessions;
  readonly #rescue: RescueOfTake;
  readonly #scans: ScansBeside;
  readonly #followed: FollowedFiles;
  readonly #listeners = new Set<TakeListener>();
  readonly #batches: Batches;
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #queued = new Set<string>();
  /** Takes whose file vanished, by its identity: the next look may find it under another name. */
  readonly #departed = new Map<string, string>();
  readonly #claims: TakeClaims;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #looking = false;
  #closed = false;

  constructor(context: DaemonContext, sessions: Sessions, rescue: Rescue) {
    this.#context = context;
    this.#sessions = sessions;
    this.#claims = new TakeClaims(context.catalogue, sessions);
    this.#batches = new Batches(context.catalogue);
    this.#followed = new FollowedFiles(context.clock);
    this.#scans = new ScansBeside(context, rescue);
    this.#rescue = new RescueOfTake(context, rescue, (id) => this.#scans.storeOf(id));
    sessions.onEvent((event) => {
      if (!/^recording-(started|continued)$/.test(event.type)) return;
      setImmediate(() => this.#attributeAgain());
    });
  }

  /** Goes on where the former daemon stood. Sightings of what still grows come from the watcher. */
  start(): void {
    const unfinished = this.#context.catalogue.takes.unfinished();
    this.#scans.dropOthers(unfinished.map(({ id }) => id));
    for (const take of unfinished) {
      if (reached(take, 'diagnosed')) this.#enqueue(take);
      else this.#followAgain(take);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#queue.clear();
    this.#batches.clear();
    await this.#rescue.close();
  }

  onChange(listener: TakeListener): void {
    this.#listeners.add(listener);
  }

  ownFolder(folder: string, owner: string | null): void {
    this.#claims.ownFolder(folder, owner);
  }

  /** Set by whoever speaks to recorders: the recording that a file belongs to by its recorder's word. */
  set recorderSays(says: (path: string) => RecordingId | undefined) {
    this.#claims.recorderSays = says;
  }

  /** What happened in a watched folder. */
  onWatchEvent(event: WatchEvent): void {
    if (event.kind === 'sighted') {
      this.#batches.add(() => this.#sighted(event.root, event.sighting));
    }
    if (event.kind === 'gone') {
      this.#batches.add(() => this.#gone(event.path, identityKey(event)));
    }
  }

  status(): StatusTake[] {
    const { takes } = this.#context.catalogue;
    const growing = [...this.#followed.keys()];
    const unfinished = takes.unfinished().map(({ id }) => id);
    return [...new Set([...growing, ...unfinished])].slice(0, 200).flatMap((id) => {
      const take = takes.byId(id);
      return take ? [this.#statusOf(take)] : [];
    });
  }

  #statusOf(take: TakeRecord): StatusTake {
    const followed = this.#followed.get(take.id);
    const declared = this.#sessions.recording(take.recording)?.recording;
    const isTold = this.#claims.toldOf(take.path) !== undefined;
    return {
      take: take.id,
      recording: declared && (isTold || declared.control !== 'observed') ? declared.id : null,
      path: take.path,
      grewAt: followed?.grewAt ?? null,
      growing: followed !== undefined && growsStill(followed) && judgeName(take.path) !== 'replay',
      recorder: take.recorder,
      stage: take.stage,
      verdict: take.verdict,
      bytes: followed?.size ?? take.bytes,
    };
  }

  /** Repairs again on somebody's demand. */
  recoverAgain(id: string): void {
    this.#enqueue(this.#put(this.#take(id), { stage: 'diagnosed' }));
  }

  /**
   * A take that grew when the former daemon ended may still be written to: it is followed until it
   * rests. One that is not where it was is left to the watcher, which knows it by its identity.
   */
  #followAgain(take: TakeRecord): void {
    const found = lookAt(take.path, this.#context.clock.now());
    if (found && identityKey(found) === take.identity) this.#startFollowing(take.id, found);
  }

  // ---- sighted, recognised, attributed -----------------------------------------------------------

  #sighted(root: string, sighting: Sighting): void {
    const role = judgeName(sighting.path);
    if (role !== 'recording' && role !== 'raw' && role !== 'replay') return;
    const known = this.#knownTake(sighting);
    if (!known) {
      this.#begin(root, sighting);
      return;
    }
    const moved = known.path !== sighting.path;
    const identity = identityKey(sighting);
    const followed = this.#followed.get(known.id);
    if (moved || known.identity !== identity) {
      this.#put(known, { path: sighting.path, identity });
      if (moved) this.#tell('moved', known, `${known.path} is now ${sighting.path}.`);
    }
    // What was being found out of it under its former name is lost.
    const unfinished = moved && (known.sha256 === null || known.stage !== 'indexed');
    if (followed) this.#grew(known.id, followed, sighting);
    else if (unfinished || sighting.size !== known.bytes || known.verdict === 'recording') {
      // A settled take that grows again, or one that grew while no daemon looked.
      this.#put(this.#take(known.id), { stage: 'followed', verdict: 'recording' });
      this.#startFollowing(known.id, sighting);
    }
  }

  /** The take that this file is: by identity; or by path, when the file was replaced in its place. */
  #knownTake(sighting: Sighting): TakeRecord | undefined {
    const { takes } = this.#context.catalogue;
    const identity = identityKey(sighting);
    const departed = takes.byId(this.#departed.get(identity) ?? '');
    this.#departed.delete(identity);
    const same = [...takes.byIdentity(identity), ...(departed ? [departed] : [])].find((take) =>
      isSameBirth(take, sighting),
    );
    if (same) return same;
    const [there] = takes.byPath(sighting.path);
    return there && this.#isRewrite(there) ? there : undefined;
  }

  // A recorder that finishes its file by writing it anew keeps the name; a new recording does not.
  #isRewrite(take: TakeRecord): boolean {
    // Own capture joins its stretches after a pause and gives the whole the name of the first.
    const isOurs = this.#claims.toldOf(take.path) === take.recording;
    return (
      take.identity === '' || this.#followed.has(take.id) || take.verdict !== 'whole' || isOurs
    );
  }

  #begin(root: string, sighting: Sighting): void {
    const { catalogue, clock } = this.#context;
    const now = clock.now();
    const { recorder, signs } = recogniseRecorder({ path: sighting.path });
    const start = startOf(sighting, recorder);
    const draft: TakeRecord = {
      id: this.#sessions.newId('take'),
      recording: this.#sessions.newId('rec'),
      path: sighting.path,
      identity: identityKey(sighting),
      container: 'unknown',
      recorder,
      stage: 'followed',
      verdict: 'recording',
      recoveredPath: null,
      durationMs: null,
      bytes: sighting.size,
      sha256: null,
      sightedAt: now,
      startedAt: start.at,
      endedAt: null,
      attribution: 'unclaimed',
      detail: {
        folder: root,
        born: sighting.born,
        signs: signs.map(({ says }) => says),
        start,
      },
    };
    const claimed = this.#claims.of(draft, sighting.modified);
    catalogue.transaction(() => {
      if (claimed.attribution === 'unclaimed' || claimed.attribution === 'ambiguous') {
        this.#putUnclaimed(claimed, 'recording');
      }
      catalogue.takes.put(claimed, now);
    });
    this.#attach(claimed);
    this.#tell('sighted', claimed, `${claimed.path} was found (${claimed.recorder}).`);
    this.#startFollowing(claimed.id, sighting);
  }

  #attach(take: TakeRecord): void {
    const found = this.#sessions.recording(take.recording);
    if (!found) return;
    const [recording, id] = [found.recording.id, take.id as TakeId];
    this.#sessions.try(found.state.id, { type: 'attach-take', recording, take: id });
  }

  /** A new declaration may explain files that nobody had claimed. */
  #attributeAgain(): void {
    for (const id of this.#followed.keys()) {
      const take = this.#take(id);
      const open = take.attribution === 'unclaimed' || take.attribution === 'ambiguous';
      const told = this.#claims.toldOf(take.path);
      if (!open && (told === undefined || told === take.recording)) continue;
      this.#moveTo(take, this.#claims.of(take, this.#context.clock.now()));
    }
  }

  #moveTo(before: TakeRecord, after: TakeRecord): void {
    if (before.recording === after.recording) return;
    const { catalogue, clock } = this.#context;
    catalogue.transaction(() => {
      catalogue.takes.put(after, clock.now());
      catalogue.recordings.dropEmpty(before.recording, clock.now());
    });
    this.#attach(after);
    this.#tell('attributed', after, `${after.path}: ${String(reasonsOf(after)[0] ?? '')}.`);
  }

  /** A file that grows in a session and was not declared is a recording all the same. */
  #observe(take: TakeRecord): TakeRecord {
    if (take.attribution !== 'unclaimed' || judgeName(take.path) === 'replay') return take;
    const owner = this.#claims.ownerOf(take);
    const state = this.#sessions
      .open()
      .find((one) => rowOf(one.participants, owner ?? one.self) !== undefined);
    const person = state && rowOf(state.participants, owner ?? state.self);
    if (!state || !person) return take;
    const { recorder } = take;
    const applied = this.#sessions.try(state.id, {
      type: 'observe',
      participant: person.name,
      recorder,
    });
    if (isRefusal(applied)) return take;
    const started = applied.events.find((event) => event.type === 'recording-started');
    if (!started || !('recording' in started)) return take;
    const reasons = [`it grows in a folder of ${person.name}, and nobody declared it`];
    const detail = { ...take.detail, reasons };
    const after = { ...take, recording: started.recording, attribution: 'matched by time', detail };
    this.#moveTo(take, after);
    return after;
  }

  // ---- followed ----------------------------------------------------------------------------------

  #startFollowing(id: string, sighting: Sighting): void {
    this.#followed.begin(id, sighting);
    // At rest nothing ticks.
    this.#timer ??= setInterval(() => void this.#follow(), followEveryMs).unref();
    this.#followSoon();
    this.#notify(this.#take(id), 'growing');
  }

  /** A recorder that dies in its first moments was seen alive if we ask at once; once for all that came. */
  #followSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      void this.#follow();
    });
  }

  #grew(id: string, followed: Followed, sighting: Sighting): void {
    const change = this.#followed.sawAgain(followed, sighting);
    if (change === 'changed') return;
    this.#scans.grew(id, sighting.path, sighting.size);
    if (change === 'grew first') this.#tell('growing', this.#take(id), `${sighting.path} grows.`);
  }

  async #follow(): Promise<void> {
    if (this.#looking) return;
    if (this.#followed.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#looking = true;
    try {
      const quietForMs = (id: string) =>
        profileOf(this.#take(id).recorder as RecorderId).quietForMs;
      for (const id of await this.#followed.settled(quietForMs)) {
        this.#batches.add(() => this.#settle(id));
      }
      await this.#batches.idle();
      this.#observeUndeclared();
    } finally {
      this.#looking = false;
    }
  }

  #observeUndeclared(): void {
    const elapsed = this.#context.clock.elapsed();
    for (const [id, followed] of this.#followed) {
      if (growsStill(followed) && elapsed - followed.since > declareWithinMs) {
        this.#observe(this.#take(id));
      }
    }
  }

  #settle(id: string): void {
    const followed = this.#followed.get(id);
    if (!followed) return;
    const take = this.#take(id);
    const grew = growsStill(followed);
    this.#followed.delete(take.id);
    const claimed = grew ? this.#observe(take) : take;
    const endedAt = this.#context.clock.now();
    const detail = { ...claimed.detail, ...this.#spansOf(claimed, endedAt) };
    this.#put(claimed, { bytes: followed.size, ...(grew ? { endedAt, detail } : {}) });
    if (grew) this.#tell('settled', claimed, `${claimed.path} no longer grows.`);
    this.#notify(claimed, 'settled');
    this.#enqueue(this.#take(take.id));
    // Once it is converted, a raw recording is no longer waiting.
    const raw = this.#claims.rawBeside(claimed);
    if (raw && raw.identity !== '' && !this.#followed.has(raw.id)) this.recoverAgain(raw.id);
  }

  /** The rooms that one file holds, when its person was moved while it grew. */
  #spansOf(take: TakeRecord, endedAt: number): Readonly<Record<string, unknown>> {
    const found = this.#sessions.recording(take.recording);
    if (!found) return {};
    const { state, recording } = found;
    const file = { began: instant(take.startedAt ?? take.sightedAt), ended: instant(endedAt) };
    const timeline = timelineOf(this.#sessions.history(state.id));
    const recordings = [...rowsOf(state.recordings)];
    const spans = roomSpans(file, recording.participant, recordings, timeline);
    if (spans.length < 2) return {};
    for (const span of spans) {
      if (span.recording === null || span.recording === recording.id) continue;
      const attach = { type: 'attach-take', recording: span.recording, take: take.id as TakeId };
      this.#sessions.try(state.id, attach as SessionCommand);
    }
    return { spans };
  }

  #gone(path: string, identity: string): void {
    const take = this.#context.catalogue.takes
      .byIdentity(identity)
      .find((one) => one.path === path);
    if (!take) return;
    this.#followed.delete(take.id);
    this.#departed.set(identity, take.id);
    const detail = { ...take.detail, goneAt: this.#context.clock.now() };
    // A hash stands for a journey that has ended: if the file comes back by another name, it begins anew.
    const sha256 = take.stage === 'indexed' ? take.sha256 : null;
    const vanished = this.#put(take, { identity: '', stage: 'indexed', sha256, detail });
    this.#tell('gone', vanished, `${path} is no longer there.`);
    this.#scans.drop(take.id);
    this.#notify(vanished, 'gone');
    setTimeout(() => this.#endVanished(take), renamedWithinMs).unref();
  }

  /** What only its file showed has ended with it, unless the file has come back by another name. */
  #endVanished({ id, path }: TakeRecord): void {
    const take = this.#closed ? undefined : this.#context.catalogue.takes.byId(id);
    const found = take && this.#sessions.recording(take.recording);
    if (take?.identity !== '' || found?.recording.control !== 'observed') return;
    const recording = found.recording.id;
    const detail = `${path} is no longer there`;
    const cause = 'recorder-died';
    this.#sessions.try(found.state.id, { type: 'interrupt', recording, cause, detail });
  }

  // ---- diagnosed, repaired, verified, indexed ----------------------------------------------------

  /**
   * What was just recorded does not wait behind a folder full of old files, and no file waits to be
   * looked at behind the repair of another: a whole one among them makes the repairs quick.
   */
  #enqueue(take: TakeRecord, isFresh = isFreshlyRecorded(take)): void {
    const { id } = take;
    if (this.#queued.has(id)) return;
    this.#queued.add(id);
    const priority = (isFresh ? 2 : 0) + (reached(take, 'diagnosed') ? 0 : 1);
    const work = async () => {
      this.#queued.delete(id);
      await this.#advance(id);
    };
    void this.#queue.add(work, { priority });
  }

  async #advance(id: string): Promise<void> {
    const begun = this.#context.catalogue.takes.byId(id);
    if (!begun || begun.identity === '' || this.#followed.has(id)) return;
    try {
      for await (const step of this.#rescue.steps(begun)) {
        const take = this.#context.catalogue.takes.byId(id);
        // Growth or disappearance meanwhile: what was found out is of a file that is no more.
        if (!take || take.identity === '' || this.#followed.has(id)) return;
        const after = this.#claimAgain(this.#put(take, foundOut(take, step.change)));
        if (step.diagnosis) this.#concludeRecording(after, step.diagnosis);
        this.#tell(step.stage, after, step.says);
        const isBroken = step.diagnosis?.recoverable && step.diagnosis.verdict !== 'whole';
        if (isBroken && !reached(begun, 'diagnosed') && this.#queue.size > 0) {
          this.#enqueue(after, isFreshlyRecorded(begun));
          return;
        }
        if (after.stage === 'indexed') {
          this.#scans.drop(id);
          this.#notify(after, 'indexed');
        }
        for (const waiting of step.retry ?? []) this.recoverAgain(waiting);
      }
    } catch (problem) {
      // A catalogue that takes nothing is no mistake of this take's: the daemon begins anew.
      if (problem instanceof RoomtapeError) throw problem;
      // The stage stays where it was: the next daemon tries again.
      this.#context.log.error({ err: problem, take: id }, 'a take could not go on');
      const told = { problem: 'A mistake in Roomtape stopped its journey.', next: 'roomtape logs' };
      const now = this.#take(id);
      this.#put(now, { detail: { ...now.detail, ...told } });
    }
  }

  /** With its true times known, a file may turn out to be part of a declared recording. */
  #claimAgain(take: TakeRecord): TakeRecord {
    const open = take.attribution === 'unclaimed' || take.attribution === 'ambiguous';
    if (take.stage !== 'diagnosed' || !open) return take;
    const claimed = this.#claims.of(take, take.endedAt ?? take.startedAt ?? take.sightedAt);
    this.#moveTo(take, claimed);
    return claimed.recording === take.recording ? take : claimed;
  }

  /** What a file shows at its end is news for its recording. */
  #concludeRecording(take: TakeRecord, { verdict }: Diagnosis): void {
    // An empty file is what a recorder leaves that died before it wrote anything.
    const died = verdict !== 'whole' && verdict !== 'foreign';
    const found = this.#sessions.recording(take.recording);
    if (!found) {
      this.#putUnclaimed(take, died ? 'interrupted' : 'stopped');
      return;
    }
    const { state, recording } = found;
    const others = [...this.#followed.keys()].some(
      (id) => this.#take(id).recording === take.recording,
    );
    if (others || recording.control === 'roomtape') return;
    const id: RecordingId = recording.id;
    if (died) {
      const detail = `${take.path} was not finished`;
      this.#sessions.try(state.id, {
        type: 'interrupt',
        recording: id,
        cause: 'recorder-died',
        detail,
      });
    } else if (recording.control === 'observed') {
      this.#sessions.try(state.id, { type: 'recorder-stopped', recording: id });
    }
  }

  // ---- the catalogue -----------------------------------------------------------------------------

  #take(id: string): TakeRecord {
    const take = this.#context.catalogue.takes.byId(id);
    if (!take) throw new Error(`take ${id} is not in the catalogue`);
    return take;
  }

  #put(take: TakeRecord, change: Partial<TakeRecord>): TakeRecord {
    const { catalogue, clock } = this.#context;
    const after = { ...take, ...change };
    catalogue.transaction(() => catalogue.takes.put(after, clock.now()));
    return after;
  }

  /** The recording of a file that nobody declared: a row of its own, so that it is listed. */
  #putUnclaimed(take: TakeRecord, state: string): void {
    const startedAt = take.startedAt ?? take.sightedAt;
    const { recordings } = this.#context.catalogue;
    recordings.putObserved(
      {
        id: take.recording,
        session: null,
        room: null,
        participant: null,
        state,
        permission: 'unclaimed',
        startedAt,
        endedAt: take.endedAt,
        intervals: [[startedAt, take.endedAt]],
      },
      this.#context.clock.now(),
    );
  }

  #notify(take: TakeRecord, moment: TakeMoment): void {
    for (const listener of this.#listeners) listener(take, moment);
  }

  #tell(type: string, take: TakeRecord, text: string): void {
    const { id, recording, path, stage, verdict, recoveredPath } = take;
    const reference = referenceOf(take);
    const body = { take: id, recording, path, stage, verdict, recoveredPath, reference };
    this.#context.publish({ type: `take:${type}`, text, body });
  }
}
