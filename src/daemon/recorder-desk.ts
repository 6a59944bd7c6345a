/**
 * The recorders of this machine and the sessions, brought together: what a person asks is done by
 * the recorder first and then written down; what a recorder does by its own buttons is written
 * down at once; what permission no longer allows is stopped.
 *
 * For one recorder things happen one after the other, in the order they came.
 */
import {
  describe,
  isCapturing,
  type LossCause,
  pathOf,
  type Recorder,
  type RecorderChange,
} from '../capture/recorder.ts';
import { RoomtapeError } from '../errors.ts';
import type { SessionEvent } from '../session/events.ts';
import { findParticipant } from '../session/find.ts';
import type { RecordingId } from '../session/ids.ts';
import { isRefusal, type Refusal } from '../session/refusal.ts';
import { type EndCause, isLive, type Recording, type SessionState } from '../session/state.ts';
import { rowOf } from '../session/table.ts';
import type { DaemonContext } from './area.ts';
import {
  endCauseOf,
  fullDiskOf,
  noteEnforced,
  toldUntilNext,
  warnOfEnd,
  warnOfFullDisk,
  warnOfUnstopped,
} from './ended-recordings.ts';
import { isUnwritable } from './interruptions.ts';
import { Restarts } from './restarts.ts';
import type { Applied, Driver, Sessions } from './sessions.ts';
import type { WarningDesk } from './warning-desk.ts';

type RecorderCommand = Parameters<Driver>[1];

interface LiveRecording {
  readonly state: SessionState;
  readonly recording: Recording;
}

export class RecorderDesk {
  readonly #context: DaemonContext;
  readonly #sessions: Sessions;
  readonly #warnings: WarningDesk;
  readonly #recorders = new Map<string, Recorder>();
  readonly #unsubscribe = new Map<string, () => void>();
  /** The recording that each recorder's present file belongs to. */
  readonly #bound = new Map<string, RecordingId>();
  readonly #queues = new Map<string, Promise<unknown>>();
  /** Changes by a recorder's own buttons that the session has not been told yet. */
  readonly #unwritten = new Map<string, number>();
  readonly #claims = new Map<string, RecordingId>();
  readonly #restarts: Restarts;
  /** Recorders that are being stopped once more. */
  readonly #overdue = new Set<string>();
  readonly #unsubscribeFromSessions: () => void;
  #closed = false;

  constructor(context: DaemonContext, sessions: Sessions, warnings: WarningDesk) {
    this.#context = context;
    this.#sessions = sessions;
    this.#warnings = warnings;
    this.#restarts = new Restarts(context.clock);
    sessions.driver = (state, command, actor) => this.#drive(state, command, actor);
    this.#unsubscribeFromSessions = sessions.onEvent((event, state) =>
      this.#onSessionEvent(event, state),
    );
  }

  /** In the order they were added. */
  get recorders(): readonly Recorder[] {
    return [...this.#recorders.values()];
  }

  find(name: string): Recorder | undefined {
    return this.#recorders.get(name);
  }

  /** The recording that a file belongs to, where its recorder told us its path. */
  recordingOf(path: string): RecordingId | undefined {
    return this.#claims.get(path);
  }

  /** The live recording of this machine's person that a recorder makes. */
  liveOf(name: string): LiveRecording | undefined {
    const isIts = ({ state, recording }: LiveRecording) =>
      recording.recorder === name && recording.participant === state.self;
    return this.#sessions.live().find(isIts);
  }

  add(recorder: Recorder): void {
    this.#recorders.set(recorder.name, recorder);
    const unsubscribe = recorder.subscribe((change) => this.#onChange(recorder, change));
    this.#unsubscribe.set(recorder.name, unsubscribe);
    recorder.open();
    const live = this.liveOf(recorder.name);
    // Own capture knows at once that nothing runs; OBS has to be asked and tells by a change.
    if (live && recorder.state.state === 'idle') {
      this.#interrupt(live, 'machine-died', 'it no longer ran when the daemon came back');
    }
  }

  async remove(name: string): Promise<void> {
    const recorder = this.#recorders.get(name);
    this.#unsubscribe.get(name)?.();
    this.#unsubscribe.delete(name);
    this.#recorders.delete(name);
    await recorder?.close();
  }

  /** Stops a recorder while the disk has room for the end of its file, and writes down why. */
  async stopForRoom(recorder: Recorder): Promise<void> {
    await this.#enqueue(recorder, async () => {
      await this.#stopIfCapturing(recorder);
      const live = this.liveOf(recorder.name);
      if (live) this.#interrupt(live, 'disk-full', 'stopped before the disk was full');
    });
  }

  /** Lets go of all recorders; what they record goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribeFromSessions();
    await Promise.all(this.recorders.map((recorder) => this.remove(recorder.name)));
  }

  // ---- What a person asks -----------------------------------------------------------------------

  #drive(
    state: SessionState,
    command: RecorderCommand,
    actor: string | undefined,
  ): Promise<Applied> | undefined {
    const person = findParticipant(state, command.participant ?? actor ?? state.self);
    // Other people's recorders are at other machines; here they only declare.
    if (isRefusal(person) || person.id !== state.self) return undefined;
    if (command.type === 'record') {
      const recorder = this.#recorderFor(command.recorder);
      if (!recorder || command.control !== undefined) return undefined;
      return this.#enqueue(recorder, () => this.#record(recorder, state, command, actor));
    }
    const recording = this.#recordingMeant(state, command, actor);
    const recorder = recording?.recorder ? this.#recorders.get(recording.recorder) : undefined;
    if (!recording || !recorder || recording.control === 'declared') return undefined;
    return this.#enqueue(recorder, () => this.#change(recorder, state, recording, command, actor));
  }

  #recorderFor(name: string | undefined): Recorder | undefined {
    if (name === undefined) return this.recorders[0];
    return this.#recorders.get(name);
  }

  /** The recording a command would change; a command that is refused throws here. */
  #recordingMeant(
    state: SessionState,
    command: RecorderCommand,
    actor: string | undefined,
  ): Recording | undefined {
    for (const event of this.#sessions.rehearse(state.id, command, actor)) {
      if ('recording' in event) return rowOf(state.recordings, event.recording);
    }
    return undefined;
  }

  async #record(
    recorder: Recorder,
    state: SessionState,
    command: RecorderCommand & { type: 'record' },
    actor: string | undefined,
  ): Promise<Applied> {
    const wanted = { ...command, control: 'roomtape', recorder: recorder.name } as const;
    // Permission first: a recorder that is started and stopped again has recorded.
    this.#sessions.rehearse(state.id, wanted, actor);
    await this.#begin(recorder);
    try {
      const applied = this.#sessions.apply(state.id, wanted, actor);
      this.#bind(recorder, recordingIn(applied.events));
      return applied;
    } catch (problem) {
      // Permission went while the recorder started.
      await recorder.stop();
      throw problem;
    }
  }

  async #begin(recorder: Recorder): Promise<void> {
    if (recorder.state.state === 'unreachable' || recorder.state.state === 'lost') {
      await recorder.start().catch((cause: unknown) => {
        const problem = cause instanceof Error ? cause.message : String(cause);
        const obs = 'start OBS and say it again, or roomtape record --recorder manual';
        const next = recorder.kind === 'obs' ? obs : 'roomtape recorder devices';
        throw new RoomtapeError('recorder-failed', problem, { next, cause });
      });
      return;
    }
    await recorder.start();
  }

  async #change(
    recorder: Recorder,
    state: SessionState,
    recording: Recording,
    command: RecorderCommand,
    actor: string | undefined,
  ): Promise<Applied> {
    // Things may have changed while earlier commands were carried out.
    this.#sessions.rehearse(state.id, command, actor);
    if (command.type === 'pause') await recorder.pause();
    else if (command.type === 'resume') await recorder.resume();
    else if (command.type === 'stop') {
      await recorder.stop();
      // The room may have closed, or permission gone, while the recorder finished its file.
      const after = this.#sessions.recording(recording.id);
      if (after && !isLive(after.recording)) {
        return { state: after.state, events: [], told: [`${recorder.name} is stopped.`] };
      }
    } else {
      await this.#begin(recorder);
      this.#bind(recorder, recording.id);
    }
    return this.#sessions.apply(state.id, command, actor);
  }

  // ---- What a recorder does by itself -----------------------------------------------------------

  #onChange(recorder: Recorder, change: RecorderChange): void {
    const { now, asked } = change;
    const path = pathOf(now);
    const text = `${recorder.name} is ${describe(now)}${path ? `: ${path}` : ''}.`;
    const body = { recorder: recorder.name, ...now, asked };
    this.#context.publish({ type: `recorder:${now.state}`, text, body });
    this.#claim(recorder);
    if (now.state === 'stopped') this.#warnings.clear(`${recorder.name}:unpermitted`);
    if (asked && now.state !== 'lost') return;
    // Behind what is under way: a command that fails in the middle must not race its consequences.
    const { name } = recorder;
    this.#unwritten.set(name, (this.#unwritten.get(name) ?? 0) + 1);
    this.#soon(recorder, async () => {
      this.#unwritten.set(name, (this.#unwritten.get(name) ?? 1) - 1);
      if (change.now.state === 'stopped') await this.#stoppedByItself(recorder, change.now.path);
      else this.#writeDown(recorder, change);
    });
  }

  #writeDown(recorder: Recorder, { now, before }: RecorderChange): void {
    const live = this.liveOf(recorder.name);
    if (now.state === 'recording') {
      if (live) this.#goesOn(recorder, live);
      else this.#beganByItself(recorder);
    } else if (now.state === 'paused') {
      if (!live) this.#beganByItself(recorder);
      const paused = this.liveOf(recorder.name);
      if (paused) this.#bind(recorder, paused.recording.id);
      this.#tell(paused, 'recorder-paused');
    } else if (now.state === 'lost') {
      this.#bound.delete(recorder.name);
      this.#lost(recorder, live, now);
    } else if (now.state === 'idle') {
      if (live) this.#interrupt(live, 'recorder-died', 'it recorded no longer when it came back');
      this.#comesBack(recorder);
    } else if (now.state === 'unreachable' && before.state === 'unreachable' && live) {
      // The daemon has just started, and the recorder of a live recording is not there.
      this.#interrupt(live, 'machine-died', now.reason);
    }
  }

  #goesOn(recorder: Recorder, live: LiveRecording): void {
    this.#bind(recorder, live.recording.id);
    if (live.recording.state === 'paused') this.#tell(live, 'recorder-resumed');
  }

  /** By its own button; or for want of room, which OBS tells nobody but in its window. */
  async #stoppedByItself(recorder: Recorder, path: string | null): Promise<void> {
    this.#bound.delete(recorder.name);
    const full = recorder.kind === 'obs' ? await fullDiskOf(path) : null;
    const live = this.liveOf(recorder.name);
    if (full === null || !live) return this.#tell(live, 'recorder-stopped');
    this.#interrupt(live, 'disk-full', warnOfFullDisk(this.#warnings, recorder.name, full));
  }

  /** Somebody pressed the recorder's own button. */
  #beganByItself(recorder: Recorder): void {
    const [state] = this.#sessions.open();
    if (!state) return;
    const { name } = recorder;
    const permitted = this.#sessions.try(state.id, {
      type: 'record',
      control: 'roomtape',
      recorder: name,
    });
    if (!isRefusal(permitted)) {
      this.#bind(recorder, recordingIn(permitted.events));
      return;
    }
    const seen = this.#sessions.try(state.id, { type: 'observe', recorder: name });
    if (isRefusal(seen)) return;
    this.#bind(recorder, recordingIn(seen.events));
    const { enforce } = this.#context.config;
    this.#warnings.raise(`${name}:unpermitted`, {
      kind: 'recording-without-permission',
      level: 'warning',
      text: `${name} records without permission: ${permitted.problem}${enforce ? ' It is being stopped.' : ''}`,
      next: enforce ? permitted.next : `roomtape stop, or ${permitted.next}`,
      body: { recorder: name },
    });
    if (enforce) this.#soon(recorder, () => this.#endUnpermitted(recorder, permitted));
  }

  /** Stops what was started without permission; its file is kept, and flagged. */
  async #endUnpermitted(recorder: Recorder, refusal: Refusal): Promise<void> {
    const live = this.liveOf(recorder.name);
    if (!(await this.#isStopped(recorder)) || !live) return;
    this.#tell(live, 'recorder-stopped');
    noteEnforced(this.#warnings, recorder.name, live, refusal);
  }

  #tell(
    live: LiveRecording | undefined,
    type: 'recorder-paused' | 'recorder-resumed' | 'recorder-stopped',
  ): void {
    if (live) this.#sessions.try(live.state.id, { type, recording: live.recording.id });
  }

  #interrupt(live: LiveRecording, cause: EndCause, detail: string): void {
    this.#sessions.try(live.state.id, {
      type: 'interrupt',
      recording: live.recording.id,
      cause,
      detail,
    });
  }

  // ---- Losses, and going on after them ----------------------------------------------------------

  #lost(
    recorder: Recorder,
    live: LiveRecording | undefined,
    { cause, detail, path }: { cause: LossCause; detail: string; path: string | null },
  ): void {
    if (!live) return;
    const { name } = recorder;
    this.#interrupt(live, endCauseOf[cause], detail);
    const again = this.#context.config['resume-after-crash'] && this.#restarts.mayAgain(name);
    this.#warnings.raise(`${name}:lost`, {
      kind: 'recorder-lost',
      level: 'error',
      text: `${name} was lost while recording: ${detail}.${path ? ` Its file is looked after: ${path}` : ''}`,
      next: again ? 'roomtape status' : 'roomtape record --continue',
      body: { recorder: name, recording: live.recording.id, cause, path },
    });
    if (!again) return;
    this.#restarts.awaits(name, live.recording.id);
    // Own capture can begin at once; OBS has to be started by its person first.
    if (recorder.kind === 'screen') this.#comesBack(recorder);
  }

  #comesBack(recorder: Recorder): void {
    const { name } = recorder;
    const recording = this.#restarts.take(name);
    const found = recording && this.#sessions.recording(recording);
    if (!found) return;
    const command = { type: 'continue', recording: found.recording.id } as const;
    const going = this.#enqueue(recorder, () =>
      this.#change(recorder, found.state, found.recording, command, undefined),
    );
    going.then(
      () => this.#warnings.clear(`${name}:lost`),
      (problem: unknown) => this.#context.log.warn({ err: problem, name }, 'could not go on'),
    );
  }

  // ---- What the session decides -----------------------------------------------------------------

  #onSessionEvent(event: SessionEvent, state: SessionState): void {
    if (!('recording' in event) || !event.type.startsWith('recording-')) return;
    const recording = rowOf(state.recordings, event.recording);
    if (!recording || recording.participant !== state.self) return;
    const recorder = recording.recorder ? this.#recorders.get(recording.recorder) : undefined;
    const isDriven = recorder !== undefined && recording.control === 'roomtape';
    if (isDriven) this.#soon(recorder, () => this.#reconcile(recorder));
    warnOfEnd(this.#warnings, event, recording, state, isDriven ? recorder.name : null);
  }

  /**
   * Stops a recorder whose recording has ended in the meantime: the first try may have met an OBS
   * that was out of reach for a moment.
   */
  stopOverdue(recorder: Recorder): void {
    const { name } = recorder;
    const isOverdue = this.#bound.has(name) && this.liveOf(name) === undefined;
    if (!isOverdue || this.#overdue.has(name)) return;
    this.#overdue.add(name);
    this.#soon(recorder, async () => {
      this.#overdue.delete(name);
      await this.#reconcile(recorder);
    });
  }

  /** Brings a recorder to where the session says it is. */
  async #reconcile(recorder: Recorder): Promise<void> {
    const { name } = recorder;
    // Somebody has just pressed a button: the session learns of it first, and comes here again.
    if ((this.#unwritten.get(name) ?? 0) > 0) return;
    const live = this.liveOf(name);
    const bound = this.#bound.get(name);
    if (!live) {
      if (bound === undefined || (await this.#isStopped(recorder))) this.#bound.delete(name);
      return;
    }
    const { recording } = live;
    if (recording.control !== 'roomtape') return;
    if (recording.id !== bound) return await this.#takeOver(recorder, live);
    if (recording.state === 'paused' && recorder.state.state === 'recording') {
      await recorder.pause();
    } else if (recording.state === 'recording' && recorder.state.state === 'paused') {
      await recorder.resume();
    }
  }

  /** The person went to another room: one file ends, the next begins. */
  async #takeOver(recorder: Recorder, live: LiveRecording): Promise<void> {
    try {
      await this.#stopIfCapturing(recorder);
      await recorder.start();
      this.#bind(recorder, live.recording.id);
      if (live.recording.state === 'paused') await recorder.pause();
    } catch (problem) {
      const detail = problem instanceof Error ? problem.message : String(problem);
      this.#interrupt(live, 'recorder-died', detail);
    }
  }

  async #stopIfCapturing(recorder: Recorder): Promise<void> {
    if (isCapturing(recorder.state)) await recorder.stop();
  }

  /** Stops what may not go on; where that fails, somebody has to do it by hand. */
  async #isStopped(recorder: Recorder): Promise<boolean> {
    try {
      await this.#stopIfCapturing(recorder);
      this.#warnings.clear(`${recorder.name}:unstopped`);
      return true;
    } catch (problem) {
      if (!(problem instanceof RoomtapeError) || isUnwritable(problem)) throw problem;
      warnOfUnstopped(this.#warnings, recorder, problem);
      return false;
    }
  }

  // ---- Order ------------------------------------------------------------------------------------

  #bind(recorder: Recorder, recording: RecordingId | undefined): void {
    if (recording === undefined) return;
    this.#bound.set(recorder.name, recording);
    for (const old of toldUntilNext) this.#warnings.clear(`${recorder.name}:${old}`);
    this.#claim(recorder);
  }

  #claim(recorder: Recorder): void {
    const path = pathOf(recorder.state);
    const bound = this.#bound.get(recorder.name);
    if (path === null || bound === undefined || !isCapturing(recorder.state)) return;
    this.#claims.set(path, bound);
  }

  /** Work that nobody waits for: a recorder that fails is told of, and ends nothing else. */
  #soon(recorder: Recorder, work: () => Promise<void>): void {
    const { name } = recorder;
    const unlessClosed = async () => (this.#closed ? undefined : work());
    this.#enqueue(recorder, unlessClosed).catch((problem: unknown) => {
      if (!(problem instanceof RoomtapeError) || isUnwritable(problem)) throw problem;
      this.#warnings.raise(`${name}:failed`, {
        kind: 'recorder-failed',
        level: 'error',
        text: `${name} does not do what the session says: ${problem.message}`,
        next: problem.next ?? 'roomtape status',
        body: { recorder: name, path: pathOf(recorder.state) },
      });
    });
  }

  #enqueue<T>(recorder: Recorder, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(recorder.name) ?? Promise.resolve();
    const next = before.then(work, work);
    const settled = next.catch((problem: unknown) => {
      this.#context.log.warn({ err: problem, recorder: recorder.name }, 'a recorder failed');
    });
    this.#queues.set(recorder.name, settled);
    return next;
  }
}

function recordingIn(events: readonly SessionEvent[]): RecordingId | undefined {
  return events.find((event) => event.type === 'recording-started')?.recording;
}
