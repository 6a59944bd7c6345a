/**
 * What Roomtape asks of a recorder it can speak to, and how the recorder answers: one contract for
 * OBS and for Roomtape's own capture. What a person clicks in Zoom is only declared, in session/.
 *
 * A recorder is judged by what it reports, never by what it was told: a command returns when the
 * recorder has reached the state, and whatever its own buttons do is reported the same way.
 */
import { RoomtapeError } from '../errors.ts';

/** Why a recording ended without its Stop. */
export type LossCause =
  | 'connection-closed' // the socket to the recorder closed: it crashed, was ended, or cut us off
  | 'process-ended' // the recorder's process is gone
  | 'device-lost' // screen, microphone or X server went away
  | 'disk-full'
  | 'ended-while-away'; // it was recording when Roomtape lost sight of it, and no longer is

/** What a recorder is doing. `path` is null while the recorder has not told it. */
export type RecorderState =
  | { readonly state: 'unreachable'; readonly reason: string }
  | { readonly state: 'idle' }
  | { readonly state: 'starting' }
  | { readonly state: 'recording'; readonly path: string | null }
  | { readonly state: 'paused'; readonly path: string | null }
  | { readonly state: 'stopping'; readonly path: string | null }
  | { readonly state: 'stopped'; readonly path: string | null }
  | {
      readonly state: 'lost';
      readonly cause: LossCause;
      readonly detail: string;
      readonly path: string | null;
    };

export type RecorderStateName = RecorderState['state'];

/** A recorder's report of what it writes; null where the recorder cannot tell. */
export interface RecorderPulse {
  /** Bytes the recorder has put out since the recording began. */
  readonly bytes: number | null;
  /** Milliseconds recorded, without pauses. */
  readonly recordedMs: number | null;
  /** Milliseconds since every audio track fell silent; 0 while there is sound, null where unknown. */
  readonly silentMs: number | null;
  /** Microphones that went away while the picture goes on. */
  readonly lostSound: readonly string[];
}

/** One change, as it is told to listeners. */
export interface RecorderChange {
  readonly recorder: string;
  readonly before: RecorderState;
  readonly now: RecorderState;
  /** True when Roomtape asked for it; false when the recorder's own buttons (or a crash) did it. */
  readonly asked: boolean;
}

export interface StartOptions {
  /** File name without extension, where the recorder lets us choose it. */
  readonly name?: string;
}

export type RecorderKind = 'obs' | 'screen';

export interface Recorder {
  /** The name the person gave it: `obs`, `obs-2`, `screen`. */
  readonly name: string;
  readonly kind: RecorderKind;
  readonly state: RecorderState;
  /** Where it puts its files, once known. */
  readonly folder: string | null;
  /** Begins to look after the recorder; returns at once. */
  open(): void;
  /** Resolves when recording; rejects with `recorder-failed` when it does not come to that. */
  start(options?: StartOptions): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when the file is whole, and gives its path. */
  stop(): Promise<string | null>;
  pulse(): Promise<RecorderPulse>;
  /** Tells every change from now on; returns the way to end that. */
  subscribe(listener: (change: RecorderChange) => void): () => void;
  /** Lets go of the recorder. A recording that runs goes on. */
  close(): Promise<void>;
}

/** True while a file is being written, or may be. */
export function isCapturing(state: RecorderState): boolean {
  return ['starting', 'recording', 'paused', 'stopping'].includes(state.state);
}

/** The file a state speaks of. */
export function pathOf(state: RecorderState): string | null {
  return 'path' in state ? state.path : null;
}

/**
 * The state of one recorder: tells changes, and lets a command wait for the state it asked for.
 */
export class RecorderStates {
  readonly #name: string;
  readonly #listeners = new Set<(change: RecorderChange) => void>();
  #state: RecorderState;
  #asked = 0;

  constructor(name: string, first: RecorderState) {
    this.#name = name;
    this.#state = first;
  }

  get state(): RecorderState {
    return this.#state;
  }

  /** Moves to a state and tells it; telling the same state twice is silent. */
  become(now: RecorderState): void {
    const before = this.#state;
    if (JSON.stringify(before) === JSON.stringify(now)) return;
    this.#state = now;
    const change: RecorderChange = { recorder: this.#name, before, now, asked: this.#asked > 0 };
    for (const listener of [...this.#listeners]) listener(change);
  }

  subscribe(listener: (change: RecorderChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Gives a command to the recorder and waits until it is where the command leads.
   *
   * The listening begins before the command is given: OBS may report STARTED before it answers.
   *
   * @param wanted   the states that end the wait well
   * @param failed   the states that mean it will not come to that
   */
  async reach(
    give: () => Promise<void>,
    wanted: readonly RecorderStateName[],
    failed: readonly RecorderStateName[],
    timeoutMs: number,
    onTimeout: () => RoomtapeError,
  ): Promise<RecorderState> {
    this.#asked += 1;
    const waiting = this.#next(wanted, failed, timeoutMs, onTimeout);
    try {
      await give();
      return await waiting.promise;
    } finally {
      waiting.cancel();
      this.#asked -= 1;
    }
  }

  #next(
    wanted: readonly RecorderStateName[],
    failed: readonly RecorderStateName[],
    timeoutMs: number,
    onTimeout: () => RoomtapeError,
  ): { promise: Promise<RecorderState>; cancel: () => void } {
    let cancel = () => {};
    const promise = new Promise<RecorderState>((resolve, reject) => {
      const timer = setTimeout(() => {
        cancel();
        reject(onTimeout());
      }, timeoutMs);
      const unsubscribe = this.subscribe(({ now }) => {
        if (wanted.includes(now.state)) resolve(now);
        else if (failed.includes(now.state)) reject(this.#disappointment(now));
        else return;
        cancel();
      });
      cancel = () => {
        clearTimeout(timer);
        unsubscribe();
      };
    });
    // A command that itself fails leaves this promise behind; its rejection is then nobody's.
    promise.catch(() => {});
    return { promise, cancel };
  }

  #disappointment(now: RecorderState): RoomtapeError {
    const problem = `${this.#name} did not do it: it is ${describe(now)}.`;
    return new RoomtapeError('recorder-failed', problem, {
      next: 'roomtape recorder list',
    });
  }
}

/** The refusal of a command that the recorder's state does not allow. */
export function wrongState(name: string, command: string, state: RecorderState): RoomtapeError {
  const problem = `Cannot ${command} with ${name}: it is ${describe(state)}.`;
  return new RoomtapeError('wrong-state', problem, {
    next: 'roomtape recorder list',
  });
}

/** A state in a few words, with its reason where it has one. */
export function describe(state: RecorderState): string {
  if (state.state === 'unreachable') return `unreachable (${state.reason})`;
  if (state.state === 'lost') return `lost (${state.detail})`;
  return state.state;
}
