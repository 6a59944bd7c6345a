/**
 * One connection to obs-websocket 5: requests that end whatever happens to the socket, and what OBS
 * tells by itself. What the states mean is in obs.ts.
 */
import { OBSWebSocket } from 'obs-websocket-js/json';
import { RoomtapeError } from '../errors.ts';

/** How long things may take, in milliseconds. */
export interface ObsWaits {
  /** From TCP connect to identified. */
  readonly connect: number;
  /** One request, which OBS answers within one frame of its main loop unless that hangs. */
  readonly request: number;
  readonly start: number;
  /** OBS writes a long file's index before STOPPED. */
  readonly stop: number;
  /** How long a broken connection may take to come back before the recording counts as lost. */
  readonly grace: number;
  /** Between a change and the next command. */
  readonly calm: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** After a refused password, which does not mend itself in a moment. */
  readonly wrongPassword: number;
}

/** Close codes of obs-websocket 5 that trying again at once does not mend. */
export const authenticationFailed = 4009;
const unsupportedRpcVersion = 4010;

/** The event subscriptions we need: General (1) for ExitStarted, Outputs (64) for recording. */
const subscriptions = 1 | 64;

/** InputVolumeMeters comes twenty times a second: asked for only while we look at one of them. */
const meterSubscription = 65_536;
const meterMs = 400;

export interface ObsEvent {
  /** The end of `outputState` after `OBS_WEBSOCKET_OUTPUT_`, or FILE_CHANGED for a split. */
  readonly state: string;
  readonly path: string | null;
}

/** One connection: requests that end, whatever happens to the socket. */
export class ObsLink {
  readonly #socket = new OBSWebSocket();
  readonly #waits: ObsWaits;
  readonly #ended: Promise<never>;
  onState: (event: ObsEvent) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  closedBecause: string | null = null;

  constructor(waits: ObsWaits) {
    this.#waits = waits;
    this.#ended = new Promise((_, reject) => {
      this.#socket.on('ConnectionClosed', (error) => {
        this.closedBecause = `connection closed (${error.code}${error.message ? ` ${error.message}` : ''})`;
        reject(new RoomtapeError('recorder-failed', `OBS: ${this.closedBecause}.`));
        this.onClosed(this.closedBecause);
      });
    });
    this.#ended.catch(() => {});
    this.#socket.on('RecordStateChanged', (event) => {
      const state = String(event.outputState).replace('OBS_WEBSOCKET_OUTPUT_', '');
      // The types promise a path; PAUSED, RESUMED and STARTING carry null, older versions nothing.
      const path: string | null | undefined = event.outputPath;
      this.onState({ state, path: path || null });
    });
    this.#socket.on('RecordFileChanged', ({ newOutputPath }) => {
      this.onState({ state: 'FILE_CHANGED', path: newOutputPath });
    });
  }

  async open(url: string, password: string | null): Promise<void> {
    const opening = this.#socket.connect(url, password ?? undefined, {
      rpcVersion: 1,
      eventSubscriptions: subscriptions,
    });
    await within(opening, this.#waits.connect, `nothing at ${url} speaks obs-websocket`);
  }

  /** The library leaves a request without an answer for ever when the socket closes: we do not. */
  readonly call: OBSWebSocket['call'] = async (...request) =>
    await within(
      Promise.race([this.#socket.call(...request), this.#ended]),
      this.#waits.request,
      `OBS does not answer ${request[0]}`,
    );

  /** The peak of each sound input right now; null when OBS does not tell. */
  async levels(): Promise<readonly number[] | null> {
    let hear: (levels: readonly number[]) => void = () => {};
    const heard = new Promise<readonly number[]>((resolve) => {
      hear = resolve;
    });
    const listener = ({ inputs }: { inputs: readonly object[] }) => hear(inputs.map(peakOf));
    this.#socket.on('InputVolumeMeters', listener);
    try {
      const eventSubscriptions = subscriptions | meterSubscription;
      await this.#ask(this.#socket.reidentify({ eventSubscriptions }), 'volume meters');
      return await within(Promise.race([heard, this.#ended]), meterMs, 'no volume meters');
    } catch {
      return null; // an older OBS, or one that is going: silence cannot be told, which is all
    } finally {
      this.#socket.off('InputVolumeMeters', listener);
      await this.#ask(
        this.#socket.reidentify({ eventSubscriptions: subscriptions }),
        'no volume meters',
      ).catch(() => {});
    }
  }

  async #ask<T>(work: Promise<T>, what: string): Promise<T> {
    const answered = Promise.race([work, this.#ended]);
    return await within(answered, this.#waits.request, `OBS does not answer ${what}`);
  }

  async close(): Promise<void> {
    this.onClosed = () => {};
    this.onState = () => {};
    await within(this.#socket.disconnect(), 1_000, 'OBS does not close').catch(() => {
      // A socket that hangs while closing is dropped with this object; there is nothing to tell.
    });
  }
}

/** The loudest of an input's channels; each is [magnitude, peak, input peak] as factors. */
function peakOf(input: object): number {
  const channels: unknown = Object.entries(input).find(([key]) => key === 'inputLevelsMul')?.[1];
  if (!Array.isArray(channels)) return 0;
  return Math.max(
    0,
    ...channels.map((channel) => (Array.isArray(channel) ? Number(channel[1]) || 0 : 0)),
  );
}

/** The outputs behind OBS's record button; its replay buffer and its streams are others. */
const recordOutput = /^(simple_file_output|adv_file_output|adv_ffmpeg_output)$/;

/**
 * The file that a running OBS writes. GetRecordStatus does not tell it, but the settings of the
 * file output do; with several outputs the one that is active counts.
 */
export async function recordingPath(link: ObsLink): Promise<string | null> {
  const { outputs } = await link.call('GetOutputList');
  for (const output of outputs) {
    const { outputName, outputActive } = output;
    if (typeof outputName !== 'string' || !recordOutput.test(outputName)) continue;
    // `outputActive` is false for a paused output, so only other recordings are ruled out by it.
    if (
      outputActive === false &&
      outputs.length > 1 &&
      !/^(simple|adv)_file_output$/.test(outputName)
    ) {
      continue;
    }
    const { outputSettings } = await link.call('GetOutputSettings', { outputName });
    // The output for custom ffmpeg settings calls it an address, and may have a real one.
    const path = outputSettings['path'] ?? outputSettings['url'];
    if (typeof path === 'string' && path !== '' && !/^[a-z][a-z0-9+]+:\/\//i.test(path))
      return path;
  }
  return null;
}

async function within<T>(work: Promise<T>, limitMs: number, problem: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const failed = new RoomtapeError('recorder-failed', `${problem} (${limitMs} ms).`, {
      next: 'look at OBS; if it hangs, end it, and its file is repaired',
    });
    timer = setTimeout(() => reject(failed), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}

export function closeCode(error: Error): number | null {
  return 'code' in error && typeof error.code === 'number' ? error.code : null;
}

export function isRefused(error: Error): boolean {
  return /ECONNREFUSED/.test(error.message);
}

export function unreachedReason(error: Error): string {
  const code = closeCode(error);
  if (code === authenticationFailed) return 'wrong password';
  if (code === unsupportedRpcVersion) return 'this OBS does not speak obs-websocket 5';
  if (isRefused(error)) return 'not running, or its WebSocket server is off';
  return error.message || (code === null ? 'no connection' : `connection closed (${code})`);
}
