/**
 * Roomtape's own capture: screen and microphones through ffmpeg.
 *
 * One ffmpeg runs for each stretch between two pauses and writes a file that is readable up to its
 * last half second whatever happens; on stop the stretches are joined by copying packets. ffmpeg is
 * no child that dies with the daemon: the next daemon finds it by the record in the working folder
 * and goes on.
 */
import { basename, dirname, extname, join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import {
  CaptureFolder,
  freeName,
  move,
  remove,
  runProgram,
  settle,
  sizeOf,
  writeText,
} from '../system/capture-folder.ts';
import { adopt, launch, type WorkingProcess } from '../system/processes.ts';
import {
  type CaptureProgram,
  type CaptureSource,
  captureArguments,
  chooseEncoder,
  hasDevices,
  hasOption,
  joinArguments,
  joinList,
  lostMicrophones,
  neededDevices,
  parseNews,
  parseProgress,
} from './ffmpeg-command.ts';
import {
  isCapturing,
  type LossCause,
  pathOf,
  type Recorder,
  type RecorderChange,
  type RecorderPulse,
  type RecorderState,
  RecorderStates,
  type StartOptions,
  wrongState,
} from './recorder.ts';

export interface ScreenOptions {
  readonly name: string;
  readonly source: CaptureSource;
  /** Where the recordings go. */
  readonly folder: string;
  /** A folder of our own for what is needed while capturing. */
  readonly workFolder: string;
  /** Programs to try in order; the first that has the capture devices is taken. */
  readonly ffmpegs: () => Promise<readonly string[]>;
  /** DISPLAY, XAUTHORITY, PULSE_SERVER, XDG_RUNTIME_DIR of the person's desktop. */
  readonly environment: Readonly<Record<string, string>>;
  readonly now: () => Date;
}

/** How long ffmpeg may take, in milliseconds. */
const startMs = 15_000;
const quitMs = 5_000;
const killMs = 5_000;
const joinMs = 30 * 60_000;
/** How often ffmpeg's report is read while it captures. */
const lookEveryMs = 500;

export class ScreenRecorder implements Recorder {
  readonly name: string;
  readonly kind = 'screen';
  readonly folder: string;
  readonly #options: ScreenOptions;
  readonly #work: CaptureFolder;
  readonly #states: RecorderStates;
  #program: (CaptureProgram & { readonly path: string }) | null = null;
  #path: string | null = null;
  #stretches: string[] = [];
  #process: WorkingProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Set while we end ffmpeg ourselves, so that its end is no loss. */
  #ending = false;
  #looking = false;
  /** Bytes and time of the stretches before the present one. */
  #earlier = { bytes: 0, recordedMs: 0 };

  constructor(options: ScreenOptions) {
    this.name = options.name;
    this.folder = options.folder;
    this.#options = options;
    this.#work = new CaptureFolder(options.workFolder);
    this.#states = new RecorderStates(options.name, { state: 'idle' });
  }

  get state(): RecorderState {
    return this.#states.state;
  }

  /** Takes up the capture that an earlier daemon left running, paused or dead. */
  open(): void {
    const record = this.#work.recall();
    if (!record) return;
    this.#path = record.path;
    this.#stretches = [...record.stretches];
    if (record.process === null) {
      this.#states.become({ state: 'paused', path: record.path });
      return;
    }
    const process = adopt(record.process);
    this.#states.become({ state: 'recording', path: record.path });
    if (process) this.#follow(process);
    else void this.#lose('process-ended', 'ffmpeg ended while the daemon was away');
  }

  async start({ name }: StartOptions = {}): Promise<void> {
    if (isCapturing(this.state)) throw wrongState(this.name, 'record', this.state);
    this.#path = freeName(this.folder, name ?? this.#usualName(), 'mkv');
    this.#stretches = [];
    this.#earlier = { bytes: 0, recordedMs: 0 };
    await this.#states.reach(
      async () => {
        this.#states.become({ state: 'starting' });
        await this.#begin();
      },
      ['recording'],
      ['idle', 'lost', 'stopped'],
      startMs,
      () => this.#tooSlow('start'),
    );
  }

  async pause(): Promise<void> {
    if (this.state.state !== 'recording') throw wrongState(this.name, 'pause', this.state);
    await this.#states.reach(
      async () => {
        await this.#endStretch();
        await this.#remember(null);
        this.#states.become({ state: 'paused', path: this.#path });
      },
      ['paused'],
      ['lost', 'stopped'],
      quitMs + 2 * killMs,
      () => this.#tooSlow('pause'),
    );
  }

  async resume(): Promise<void> {
    if (this.state.state !== 'paused') throw wrongState(this.name, 'resume', this.state);
    await this.#states.reach(
      () => this.#begin(),
      ['recording'],
      ['lost', 'stopped'],
      startMs,
      () => this.#tooSlow('resume'),
    );
  }

  async stop(): Promise<string | null> {
    const { state } = this.state;
    if (state !== 'recording' && state !== 'paused') {
      throw wrongState(this.name, 'stop', this.state);
    }
    const reached = await this.#states.reach(
      async () => {
        this.#states.become({ state: 'stopping', path: this.#path });
        if (this.#process) await this.#endStretch();
        await this.#finish();
        this.#states.become({ state: 'stopped', path: this.#path });
      },
      ['stopped'],
      ['lost'],
      joinMs,
      () => this.#tooSlow('stop'),
    );
    return pathOf(reached);
  }

  async pulse(): Promise<RecorderPulse> {
    if (!this.#process) return { bytes: null, recordedMs: null, silentMs: null, lostSound: [] };
    const stretch = this.#stretches.length;
    const progress = parseProgress(await this.#work.progress(stretch));
    const news = parseNews(await this.#work.log(stretch));
    const recordedMs = progress?.recordedMs ?? 0;
    return {
      bytes: this.#earlier.bytes + (progress?.bytes ?? 0),
      recordedMs: this.#earlier.recordedMs + recordedMs,
      silentMs: silentMs(this.#options.source, news, recordedMs),
      lostSound: lostMicrophones(this.#options.source, news),
    };
  }

  subscribe(listener: (change: RecorderChange) => void): () => void {
    return this.#states.subscribe(listener);
  }

  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  // ---- One stretch ----------------------------------------------------------------------------

  /** Starts ffmpeg for the next stretch; `recording` follows when the first picture is in. */
  async #begin(): Promise<void> {
    const path = this.#path;
    if (path === null) throw new Error('a capture begins without a path');
    try {
      const program = await this.#chooseProgram();
      const stretch = this.#stretches.length + 1;
      const file = stretch === 1 ? path : hiddenBeside(path, String(stretch));
      this.#work.make();
      await remove(this.#work.progressFile(stretch));
      await remove(this.#work.logFile(stretch));
      const args = captureArguments(
        this.#options.source,
        program,
        file,
        this.#work.progressFile(stretch),
      );
      const process = launch(program.path, args, {
        environment: this.#options.environment,
        log: this.#work.logFile(stretch),
      });
      this.#stretches.push(file);
      await this.#remember(process);
      this.#follow(process);
    } catch (error) {
      if (this.#stretches.length === 0) this.#states.become({ state: 'idle' });
      throw error;
    }
  }

  async #chooseProgram(): Promise<CaptureProgram & { readonly path: string }> {
    if (this.#program) return this.#program;
    const { platform, microphones } = this.#options.source;
    const needed = neededDevices(platform, microphones.length > 0);
    for (const path of await this.#options.ffmpegs()) {
      const devices = await runProgram(path, ['-hide_banner', '-devices'], 10_000);
      if (!hasDevices(devices.output, needed)) continue;
      const encoders = await runProgram(path, ['-hide_banner', '-encoders'], 10_000);
      const help = await runProgram(path, ['-hide_banner', '-h', 'long'], 10_000);
      const syncs = hasOption(help.output, 'isync');
      this.#program = { path, encoder: chooseEncoder(encoders.output), syncs };
      return this.#program;
    }
    throw new RoomtapeError(
      'no-ffmpeg',
      `No ffmpeg here can capture: it needs ${needed.join(' and ')}.`,
      { next: process.platform === 'linux' ? 'sudo apt-get install ffmpeg' : 'roomtape doctor' },
    );
  }

  #follow(process: WorkingProcess): void {
    this.#process = process;
    this.#ending = false;
    void process.ended.then(({ signal }) => this.#ended(process, signal));
    this.#timer = setInterval(() => this.#lookSafely(process), lookEveryMs);
    this.#timer.unref();
    // ffmpeg's first report comes with its first picture; it is waited for more closely.
    const first = setInterval(() => {
      if (this.#process !== process || this.state.state === 'recording') clearInterval(first);
      else this.#lookSafely(process);
    }, 50);
  }

  /** A look that fails is made again half a second later; what ffmpeg does is not touched by it. */
  #lookSafely(process: WorkingProcess): void {
    this.#look(process).catch(() => {});
  }

  async #look(process: WorkingProcess): Promise<void> {
    if (this.#looking || this.#process !== process || this.#ending) return;
    this.#looking = true;
    try {
      const stretch = this.#stretches.length;
      const progress = parseProgress(await this.#work.progress(stretch));
      const begins = this.state.state === 'starting' || this.state.state === 'paused';
      if (begins && (progress?.frames ?? 0) > 0) {
        this.#states.become({ state: 'recording', path: this.#path });
      }
      const lost = parseNews(await this.#work.log(stretch)).lostInputs;
      // A microphone that goes is told by the silence that follows; the picture is worth keeping.
      if (lost.some((input) => this.#isScreen(input)) && this.#process === process) {
        await this.#endStretch();
        await this.#lose('device-lost', `the screen ${this.#options.source.screen} is gone`);
      }
    } finally {
      this.#looking = false;
    }
  }

  #isScreen(input: string): boolean {
    const { screen } = this.#options.source;
    return input === screen || /^(x11grab|gdigrab|avfoundation)$/.test(input);
  }

  /** ffmpeg has ended. Nobody asked for it: say why. */
  async #ended(process: WorkingProcess, signal: string | null): Promise<void> {
    if (this.#process !== process || this.#ending) return;
    this.#release();
    const news = parseNews(await this.#work.log(this.#stretches.length));
    const last = this.#stretches.at(-1) ?? '';
    const [cause, detail] = endReason(news, signal);
    if (this.#stretches.length === 1 && (await sizeOf(last)) === 0) {
      await remove(last);
      await this.#work.forget();
      this.#startFailed(news.errors);
      return;
    }
    await this.#lose(cause, detail);
  }

  #startFailed(errors: readonly string[]): void {
    const detail = `ffmpeg did not begin: ${errors.join('; ') || 'it says nothing'}`;
    this.#states.become({ state: 'lost', cause: 'device-lost', detail, path: null });
  }

  async #lose(cause: LossCause, detail: string): Promise<void> {
    this.#release();
    let told = detail;
    try {
      await this.#finish();
    } catch (problem) {
      // What made us lose it (a full disk) may keep us from tidying up; the media is where it is.
      told = `${detail}; ${problem instanceof Error ? problem.message : String(problem)}`;
    }
    this.#states.become({ state: 'lost', cause, detail: told, path: this.#path });
  }

  /** Ends ffmpeg so that it finishes its file: `q`, then SIGINT, then SIGTERM, at last SIGKILL. */
  async #endStretch(): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#ending = true;
    const steps: readonly [() => void, number][] = [
      [() => process.write('q') || process.signal('SIGINT'), quitMs],
      [() => process.signal('SIGINT'), killMs],
      [() => process.signal('SIGTERM'), killMs],
      [() => process.signal('SIGKILL'), killMs],
    ];
    for (const [step, limitMs] of steps) {
      step();
      if (await endsWithin(process, limitMs)) break;
    }
    const progress = parseProgress(await this.#work.progress(this.#stretches.length));
    this.#earlier = {
      bytes: this.#earlier.bytes + (progress?.bytes ?? 0),
      recordedMs: this.#earlier.recordedMs + (progress?.recordedMs ?? 0),
    };
    this.#release();
  }

  #release(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#process = null;
  }

  // ---- The whole recording --------------------------------------------------------------------

  /** Joins the stretches where there are several, and forgets the working folder. */
  async #finish(): Promise<void> {
    const path = this.#path;
    if (path !== null && this.#stretches.length > 1) await this.#join(path);
    await this.#work.forget();
    this.#stretches = [];
  }

  async #join(path: string): Promise<void> {
    const joined = hiddenBeside(path, 'joined');
    const isJoined = await this.#copyInto(joined).catch(() => false);
    if (isJoined) {
      await settle(joined, path);
      for (const file of this.#stretches.slice(1)) await remove(file);
      return;
    }
    // No room for a second copy, most likely: the stretches are whole files, so they become the
    // recording's takes as they are.
    await remove(joined);
    for (const [at, file] of this.#stretches.slice(1).entries()) {
      if ((await sizeOf(file)) > 0) await move(file, besides(path, `part ${at + 2}`));
    }
  }

  /** Copies the packets of all stretches into one new file; true when nothing of them is missing. */
  async #copyInto(joined: string): Promise<boolean> {
    const filled: string[] = [];
    for (const file of this.#stretches) if ((await sizeOf(file)) > 0) filled.push(file);
    await remove(joined);
    const { path: program } = await this.#chooseProgram();
    await writeText(this.#work.listFile, joinList(filled));
    const run = await runProgram(program, joinArguments(this.#work.listFile, joined), joinMs);
    return run.code === 0 && (await isComplete(joined, filled));
  }

  async #remember(process: WorkingProcess | null): Promise<void> {
    const path = this.#path;
    if (path === null) return;
    const mark = process?.mark ?? null;
    await this.#work.remember({ path, stretches: this.#stretches, process: mark });
  }

  #usualName(): string {
    const at = this.#options.now();
    const two = (value: number) => String(value).padStart(2, '0');
    const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
    return `Roomtape ${day} ${two(at.getHours())}-${two(at.getMinutes())}-${two(at.getSeconds())}`;
  }

  #tooSlow(command: string): RoomtapeError {
    return new RoomtapeError('recorder-failed', `${this.name} did not ${command} in time.`, {
      next: 'roomtape recorder devices',
    });
  }
}

function endReason(
  news: ReturnType<typeof parseNews>,
  signal: string | null,
): readonly [LossCause, string] {
  const said = news.errors.at(-1);
  if (news.diskFull) return ['disk-full', 'the disk is full'];
  if (signal === null && news.lostInputs.length > 0) return ['device-lost', said ?? 'device gone'];
  return [
    'process-ended',
    `ffmpeg ended${signal ? ` by ${signal}` : ''}${said ? `: ${said}` : ''}`,
  ];
}

/** Since when there has been no sound on any track; a lost microphone counts as silent. */
function silentMs(
  source: CaptureSource,
  news: ReturnType<typeof parseNews>,
  recordedMs: number,
): number | null {
  if (source.microphones.length === 0) return null;
  const lost = lostMicrophones(source, news).length;
  const tracks = [...news.silentSince.values()];
  const silent = tracks.filter((since) => since !== null);
  if (silent.length + lost < source.microphones.length) return 0;
  const from = silent.length === 0 ? 0 : Math.max(...silent.map((since) => since ?? 0));
  return Math.max(0, recordedMs - from * 1000);
}

async function endsWithin(process: WorkingProcess, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([process.ended.then(() => true), limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** A joined file holds every packet of its parts: it cannot be much smaller than their sum. */
async function isComplete(joined: string, parts: readonly string[]): Promise<boolean> {
  let sum = 0;
  for (const part of parts) sum += await sizeOf(part);
  // Each part loses its header and index, a few kilobytes; clusters get longer and so fewer.
  return (await sizeOf(joined)) >= sum * 0.97 - parts.length * 16_384;
}

/** A hidden file in the same folder, which no watcher takes for a recording. */
function hiddenBeside(path: string, mark: string): string {
  return join(dirname(path), `.${stem(path)}.${mark}.mkv`);
}

function besides(path: string, mark: string): string {
  return join(dirname(path), `${stem(path)} (${mark}).mkv`);
}

function stem(path: string): string {
  return basename(path, extname(path));
}
