/**
 * A recorder that the test works by hand: its methods called by the desk are commands, called by the
 * test they are its own buttons. It keeps the whole contract; only the camera is missing.
 */
import {
  type Recorder,
  type RecorderChange,
  type RecorderPulse,
  RecorderStates,
  wrongState,
} from '../../src/capture/recorder.ts';
import { RoomtapeError } from '../../src/errors.ts';

export class HandRecorder implements Recorder {
  readonly name: string;
  readonly kind = 'obs';
  readonly folder = null;
  readonly #states: RecorderStates;
  /** Whether it takes no command any more, as a program that hangs. */
  hangs = false;

  constructor(name: string) {
    this.name = name;
    this.#states = new RecorderStates(name, { state: 'idle' });
  }

  get state() {
    return this.#states.state;
  }

  open(): void {}

  async start(): Promise<void> {
    const { state } = this.state;
    if (state !== 'idle' && state !== 'stopped') throw wrongState(this.name, 'record', this.state);
    this.#declare('recording');
  }

  async pause(): Promise<void> {
    if (this.state.state !== 'recording') throw wrongState(this.name, 'pause', this.state);
    this.#declare('paused');
  }

  async resume(): Promise<void> {
    if (this.state.state !== 'paused') throw wrongState(this.name, 'resume', this.state);
    this.#declare('recording');
  }

  async stop(): Promise<null> {
    const { state } = this.state;
    if (this.hangs) throw new RoomtapeError('recorder-failed', `${this.name} does not answer.`);
    if (state !== 'recording' && state !== 'paused') {
      throw wrongState(this.name, 'stop', this.state);
    }
    this.#declare('stopped');
    return null;
  }

  async pulse(): Promise<RecorderPulse> {
    return { bytes: null, recordedMs: null, silentMs: null, lostSound: [] };
  }

  subscribe(listener: (change: RecorderChange) => void): () => void {
    return this.#states.subscribe(listener);
  }

  async close(): Promise<void> {}

  #declare(state: 'recording' | 'paused' | 'stopped'): void {
    this.#states.become({ state, path: null });
  }
}
