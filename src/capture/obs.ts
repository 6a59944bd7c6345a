/**
 * OBS Studio over obs-websocket 5: start, pause, resume, stop, and what its own buttons do.
 *
 * Facts it stands on, measured on OBS 29.0 with obs-websocket 5.1:
 * - judge by `outputState`; `outputActive` is false while paused and true while stopping;
 * - STARTED carries the path, PAUSED and RESUMED carry none; the file is whole only after STOPPED,
 *   0.6 to 1 s after the response to StopRecord;
 * - StartRecord with a bad folder is answered "ok" and then nothing happens but a dialog;
 *   PauseRecord without a recording, or with the quality "same as stream" (which OBS cannot pause),
 *   is answered "ok" as well: no answer is proof of anything;
 * - a crash is nothing but a closed socket, and requests that were under way are never answered.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { RoomtapeError } from '../errors.ts';
import { knock } from '../system/knock.ts';
import {
  authenticationFailed,
  closeCode,
  isRefused,
  type ObsEvent,
  ObsLink,
  type ObsWaits,
  recordingPath,
  unreachedReason,
} from './obs-link.ts';
import {
  isCapturing,
  pathOf,
  type Recorder,
  type RecorderChange,
  type RecorderPulse,
  type RecorderState,
  RecorderStates,
  wrongState,
} from './recorder.ts';

export interface ObsOptions {
  readonly name: string;
  /** `ws://127.0.0.1:4455`, or what is in OBS's settings. Asked at every connection. */
  readonly url: () => Promise<string>;
  /** Asked at every connection, so that a password changed in OBS is followed. Never logged. */
  readonly password: () => Promise<string | null>;
  readonly waits?: Partial<ObsWaits>;
}

const usualWaits: ObsWaits = {
  connect: 3_000,
  request: 5_000,
  start: 10_000,
  stop: 120_000,
  grace: 3_000,
  calm: 200,
  firstRetry: 250,
  // A refused connection costs a tenth of a millisecond; a person who has started OBS should not wait.
  lastRetry: 5_000,
  wrongPassword: 30_000,
};

/** -60 dB as a factor: a muted microphone is below it, a quiet room above. */
const heardLevel = 0.001;

export class ObsRecorder implements Recorder {
  readonly name: string;
  readonly kind = 'obs';
  readonly #options: ObsOptions;
  readonly #waits: ObsWaits;
  readonly #states: RecorderStates;
  #link: ObsLink | null = null;
  #folder: string | null = null;
  #version: string | null = null;
  #retry: NodeJS.Timeout | null = null;
  #failures = 0;
  #closed = false;
  #changedAt = Number.NEGATIVE_INFINITY;
  #silentSince: number | null = null;
  #connecting: Promise<void> | null = null;
  /** Since when a capturing OBS has been out of reach; null while it is in reach. */
  #outOfReachSince: number | null = null;

  constructor(options: ObsOptions) {
    this.name = options.name;
    this.#options = options;
    this.#waits = { ...usualWaits, ...options.waits };
    this.#states = new RecorderStates(options.name, {
      state: 'unreachable',
      reason: 'not connected yet',
    });
  }

  get state(): RecorderState {
    return this.#states.state;
  }

  get folder(): string | null {
    return this.#folder;
  }

  /** `OBS 29.0.2, obs-websocket 5.1.0`, once connected. */
  get version(): string | null {
    return this.#version;
  }

  get connected(): boolean {
    return this.#link !== null;
  }

  open(): void {
    void this.#connect();
  }

  async start(): Promise<void> {
    await this.#within('record');
    if (isCapturing(this.state)) throw wrongState(this.name, 'record', this.state);
    await this.#states.reach(
      () => this.#request('StartRecord'),
      ['recording'],
      ['stopped', 'lost', 'unreachable', 'idle'],
      this.#waits.start,
      () =>
        new RoomtapeError(
          'recorder-failed',
          `${this.name} took the command but does not record; OBS asks something in its window, most often because its recording folder${this.#folder ? ` ${this.#folder}` : ''} is missing or not writable.`,
          { next: 'roomtape preflight' },
        ),
    );
  }

  async pause(): Promise<void> {
    await this.#within('pause');
    if (this.state.state !== 'recording') throw wrongState(this.name, 'pause', this.state);
    await this.#calm();
    await this.#change('PauseRecord', ['paused'], 'pause');
  }

  async resume(): Promise<void> {
    await this.#within('resume');
    if (this.state.state !== 'paused') throw wrongState(this.name, 'resume', this.state);
    await this.#change('ResumeRecord', ['recording'], 'resume');
  }

  async stop(): Promise<string | null> {
    await this.#within('stop');
    if (!isCapturing(this.state)) throw wrongState(this.name, 'stop', this.state);
    await this.#calm();
    // A stop already under way needs no second command, only the same wait.
    const give = this.state.state === 'stopping' ? null : 'StopRecord';
    return pathOf(await this.#change(give, ['stopped'], 'stop', this.#waits.stop));
  }

  async pulse(): Promise<RecorderPulse> {
    const link = this.#link;
    if (!link) return { bytes: null, recordedMs: null, silentMs: null, lostSound: [] };
    const status = await link.call('GetRecordStatus');
    const silentMs = this.state.state === 'recording' ? this.#silence(await link.levels()) : null;
    const { outputBytes: bytes, outputDuration: recordedMs } = status;
    return { bytes, recordedMs, silentMs, lostSound: [] };
  }

  /** How long no input has been heard, by the looks that were taken. */
  #silence(levels: readonly number[] | null): number | null {
    if (levels === null || levels.length === 0) {
      this.#silentSince = null;
      return null;
    }
    const now = performance.now();
    if (levels.some((level) => level > heardLevel)) this.#silentSince = null;
    else this.#silentSince ??= now;
    return this.#silentSince === null ? 0 : now - this.#silentSince;
  }

  /** One value of OBS's current profile, as it is now; null when not connected. */
  async profileValue(section: string, key: string): Promise<string | null> {
    if (!this.#link) return null;
    const answer = await this.#link.call('GetProfileParameter', {
      parameterCategory: section,
      parameterName: key,
    });
    // The types promise strings; OBS sends null for a key that is not there.
    const value: string | null = answer.parameterValue;
    return value ?? answer.defaultParameterValue ?? null;
  }

  /** Changes one value of OBS's current profile; the running OBS saves it itself. */
  async setProfileValue(section: string, key: string, value: string): Promise<void> {
    await this.#within('change its settings');
    await this.#link?.call('SetProfileParameter', {
      parameterCategory: section,
      parameterName: key,
      parameterValue: value,
    });
  }

  subscribe(listener: (change: RecorderChange) => void): () => void {
    return this.#states.subscribe(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    const link = this.#link;
    this.#link = null;
    await this.#connecting;
    await link?.close();
  }

  /** A command given while OBS is out of reach tries the door at once instead of waiting. */
  async #within(command: string): Promise<void> {
    if (!this.#link) await this.#connect();
    if (!this.#link) throw wrongState(this.name, command, this.state);
  }

  /**
   * OBS 29 gets stuck for ever in STOPPING when it is paused and stopped within one frame or two, so
   * commands keep their distance from the last change.
   */
  async #calm(): Promise<void> {
    const wait = this.#waits.calm - (performance.now() - this.#changedAt);
    if (wait > 0) await delay(wait);
  }

  async #request(name: 'StartRecord' | 'PauseRecord' | 'ResumeRecord' | 'StopRecord') {
    if (!this.#link) throw wrongState(this.name, name, this.state);
    await this.#link.call(name);
  }

  async #change(
    request: 'PauseRecord' | 'ResumeRecord' | 'StopRecord' | null,
    wanted: readonly RecorderState['state'][],
    command: string,
    timeoutMs = this.#waits.start,
  ): Promise<RecorderState> {
    return await this.#states.reach(
      async () => {
        if (request) await this.#request(request);
      },
      wanted,
      ['stopped', 'lost', 'unreachable', 'idle'],
      timeoutMs,
      () =>
        new RoomtapeError(
          'recorder-failed',
          `${this.name} did not ${command} within ${timeoutMs / 1000} s.${command === 'pause' ? ' OBS cannot pause a recording whose quality is "Same as stream".' : ''}`,
          { next: command === 'pause' ? 'roomtape preflight' : 'roomtape recorder list' },
        ),
    );
  }

  // ---- The connection -------------------------------------------------------------------------

  #connect(): Promise<void> {
    this.#connecting ??= this.#tryConnect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #tryConnect(): Promise<void> {
    if (this.#closed || this.#link) return;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    const link = new ObsLink(this.#waits);
    try {
      link.onState = (event) => this.#follow(event);
      const url = await this.#options.url();
      // A knock first: most tries find nobody, and a WebSocket for each would cost ten times that.
      await knock(url, this.#waits.connect);
      const password = await this.#options.password();
      await link.open(url, password);
      if (this.#closed) return void (await link.close());
      await this.#resynchronise(link);
      this.#link = link;
      this.#failures = 0;
      this.#outOfReachSince = null;
      link.onClosed = (reason) => this.#disconnected(reason);
      if (link.closedBecause !== null) this.#disconnected(link.closedBecause);
    } catch (error) {
      await link.close();
      this.#unreached(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #disconnected(reason: string): void {
    this.#link = null;
    if (this.#closed) return;
    if (isCapturing(this.state)) this.#outOfReachSince = performance.now();
    else this.#states.become({ state: 'unreachable', reason });
    void this.#connect();
  }

  #unreached(error: Error): void {
    if (this.#closed) return;
    this.#failures += 1;
    const reason = unreachedReason(error);
    const away = this.#outOfReachSince;
    // A refused connection on this machine means that nothing listens any more: OBS is gone. Other
    // failures (a network that is down for a second) get the time of grace.
    const gone =
      isRefused(error) || (away !== null && performance.now() - away > this.#waits.grace);
    if (isCapturing(this.state)) {
      if (gone) this.#lose('connection-closed', `OBS closed the connection while recording`);
    } else if (this.state.state !== 'lost') {
      this.#states.become({ state: 'unreachable', reason });
    }
    this.#retry = setTimeout(() => void this.#connect(), this.#nextRetryMs(error));
    this.#retry.unref();
  }

  #nextRetryMs(error: Error): number {
    // A wrong password does not mend itself in a moment, and each try is a line in OBS's log.
    if (closeCode(error) === authenticationFailed) return this.#waits.wrongPassword;
    return Math.min(this.#waits.firstRetry * 2 ** (this.#failures - 1), this.#waits.lastRetry);
  }

  #lose(cause: 'connection-closed' | 'ended-while-away', detail: string): void {
    this.#outOfReachSince = null;
    this.#states.become({ state: 'lost', cause, detail, path: pathOf(this.state) });
  }

  /** After connecting: what is OBS doing, and what happened while we were away? */
  async #resynchronise(link: ObsLink): Promise<void> {
    const version = await link.call('GetVersion');
    this.#version = `OBS ${version.obsVersion}, obs-websocket ${version.obsWebSocketVersion}`;
    this.#folder = (await link.call('GetRecordDirectory')).recordDirectory;
    const status = await link.call('GetRecordStatus');
    if (status.outputActive) {
      const path = (await recordingPath(link)) ?? pathOf(this.state);
      this.#states.become({ state: status.outputPaused ? 'paused' : 'recording', path });
      return;
    }
    if (isCapturing(this.state)) {
      this.#lose('ended-while-away', 'OBS no longer records; it ended while out of reach');
    }
    this.#states.become({ state: 'idle' });
  }

  /** Every change of the recording, whoever caused it. */
  #follow(event: ObsEvent): void {
    this.#changedAt = performance.now();
    if (event.state === 'STARTING') this.#silentSince = null;
    const path = event.path ?? pathOf(this.state);
    const state = statesOfEvents[event.state];
    // Later versions may know more events; none of them is one of our states.
    if (state) this.#states.become(state === 'starting' ? { state } : { state, path });
  }
}

const statesOfEvents: Readonly<
  Record<string, 'starting' | 'recording' | 'paused' | 'stopping' | 'stopped'>
> = {
  STARTING: 'starting',
  STARTED: 'recording',
  RESUMED: 'recording',
  FILE_CHANGED: 'recording',
  PAUSED: 'paused',
  STOPPING: 'stopping',
  STOPPED: 'stopped',
};
