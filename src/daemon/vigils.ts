/**
 * The watch over running recordings: looks every two seconds while something is recorded here, and
 * not at all otherwise.
 */
import { dirname } from 'node:path';
import { pathOf, type Recorder } from '../capture/recorder.ts';
import { judge, newVigil, observe, usualLimits, type Vigil } from '../capture/warnings.ts';
import { isLive, spokenRoom } from '../session/state.ts';
import { freeBytes } from '../system/machine.ts';
import type { DaemonContext } from './area.ts';
import type { RecorderDesk } from './recorder-desk.ts';
import type { Sessions } from './sessions.ts';
import type { WarningDesk } from './warning-desk.ts';

const lookEveryMs = 2_000;
/** A room that closes within this time is worth a word. */
const closingMs = 60_000;

const kinds = ['nothing-written', 'disk-soon-full', 'disk-full', 'sound-lost', 'silent'] as const;

export class Vigils {
  readonly #context: DaemonContext;
  readonly #sessions: Sessions;
  readonly #desk: RecorderDesk;
  readonly #warnings: WarningDesk;
  readonly #vigils = new Map<string, Vigil>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #closed = false;
  #unsubscribe = () => {};

  constructor(
    context: DaemonContext,
    sessions: Sessions,
    desk: RecorderDesk,
    warnings: WarningDesk,
  ) {
    this.#context = context;
    this.#sessions = sessions;
    this.#desk = desk;
    this.#warnings = warnings;
  }

  start(): void {
    // Any event may begin a recording or the closing of a room; a look finds out.
    this.#unsubscribe = this.#sessions.onEvent(() => this.#begin());
    this.#begin();
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#closed = true;
    this.#looking = true;
  }

  #begin(): void {
    if (this.#timer !== undefined || this.#looking) return;
    this.#timer = setTimeout(() => void this.#look(), 0);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    this.#looking = true;
    let goesOn = true;
    try {
      const busy = this.#desk.recorders.filter(({ state }) => isRunning(state.state));
      for (const recorder of busy) {
        await this.#lookAt(recorder);
        this.#desk.stopOverdue(recorder);
      }
      for (const name of [...this.#vigils.keys()]) {
        if (!busy.some((recorder) => recorder.name === name)) this.#forget(name);
      }
      goesOn = this.#lookAtRooms() || busy.length > 0;
    } catch (problem) {
      this.#context.log.error({ err: problem }, 'a look at the recordings failed');
    } finally {
      this.#looking = this.#closed;
    }
    if (!goesOn || this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  async #lookAt(recorder: Recorder): Promise<void> {
    const { name, state } = recorder;
    const pulse = await recorder.pulse().catch(() => null);
    const path = pathOf(state);
    const folder = path === null ? recorder.folder : dirname(path);
    const vigil = observe(this.#vigils.get(name) ?? newVigil, {
      at: this.#context.clock.elapsed(),
      state: state.state === 'paused' ? 'paused' : 'recording',
      bytes: pulse?.bytes ?? null,
      freeBytes: folder === null ? null : await freeBytes(folder),
      silentMs: pulse?.silentMs ?? null,
      lostSound: pulse?.lostSound ?? [],
    });
    this.#vigils.set(name, vigil);
    const reserveBytes = this.#context.config['free-disk-mb'] * 1e6;
    const found = judge(vigil, { ...usualLimits, reserveBytes });
    for (const { kind, text, remedy, stopNow } of found) {
      const body = { recorder: name, path };
      const words = `${name} ${text}.`;
      this.#warnings.raise(`${name}:${kind}`, {
        kind,
        level: stopNow ? 'error' : 'warning',
        text: words,
        next: remedy,
        body,
      });
      if (stopNow) await this.#desk.stopForRoom(recorder);
    }
    for (const kind of kinds) {
      const stands = found.some((warning) => warning.kind === kind);
      // That it was stopped for want of room stays to be read until the next recording.
      if (!stands && kind !== 'disk-full') this.#warnings.clear(`${name}:${kind}`);
    }
  }

  #forget(name: string): void {
    this.#vigils.delete(name);
    for (const kind of kinds) if (kind !== 'disk-full') this.#warnings.clear(`${name}:${kind}`);
  }

  /** Says when the room of a running recording is about to close. True while any recording runs. */
  #lookAtRooms(): boolean {
    const now = this.#sessions.now();
    let any = false;
    for (const { state, recording } of this.#sessions.live()) {
      if (recording.participant !== state.self || !isLive(recording)) continue;
      any = true;
      const { closesAt } = state.rooms[recording.room] ?? {};
      if (closesAt === undefined || closesAt - now > closingMs) continue;
      if (this.#told.get(recording.id) === closesAt) continue;
      this.#told.set(recording.id, closesAt);
      const seconds = Math.max(0, Math.round((closesAt - now) / 1000));
      this.#warnOfClosing(recording.id, spokenRoom(state, recording.room), seconds);
    }
    if (!any) this.#told.clear();
    return any;
  }

  /** By recording, the closing that was told of: once, for the status counts the seconds itself. */
  readonly #told = new Map<string, number>();

  #warnOfClosing(id: string, room: string, seconds: number): void {
    this.#warnings.tell({
      kind: 'room-closing',
      level: 'warning',
      text: `${room} closes in ${seconds} s: stop, or the recording may be cut.`,
      next: 'roomtape stop',
      body: { recording: id, seconds },
    });
  }
}

function isRunning(state: string): boolean {
  return state === 'recording' || state === 'paused';
}
