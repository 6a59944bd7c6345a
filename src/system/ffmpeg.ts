/**
 * ffmpeg: which one is used, and the two things it is asked for, a full decode and a trial decode.
 *
 * This is the only module that knows fluent-ffmpeg. ffmpeg never sees a name it could take for an
 * address or an option, reads local files only, and is ended when it hangs. What a file *is*, is
 * never asked of it: our own readers answer that.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import type { TrialDecode, TrialSample } from '../container/format.ts';
import { RoomtapeError } from '../errors.ts';
import { niceness } from './priority.ts';

export type FfmpegOrigin =
  | 'setting'
  | 'ROOMTAPE_FFMPEG'
  | 'FFMPEG_PATH'
  | 'ffmpeg-static'
  | 'PATH'
  | '@ffmpeg-installer/ffmpeg';

/** An ffmpeg that answered `-version`. */
export interface Ffmpeg {
  readonly path: string;
  readonly origin: FfmpegOrigin;
  /** As it calls itself: `5.1.9-0+deb12u1`, `N-47683-g0e8eb07980-static`. */
  readonly version: string;
  /** Year of its copyright line, the best sign of its age; null when it has none. */
  readonly year: number | null;
}

/** A candidate that was passed over, for `roomtape doctor`. */
export interface RejectedFfmpeg {
  readonly path: string;
  readonly origin: FfmpegOrigin;
  readonly problem: string;
}

export interface FfmpegSearch {
  readonly chosen: Ffmpeg | null;
  readonly rejected: readonly RejectedFfmpeg[];
}

/** Decoders before this year know neither AV1 nor much else that recorders write today. */
export const oldBefore = 2021;

/**
 * Looks for an ffmpeg: setting, `ROOMTAPE_FFMPEG`, `FFMPEG_PATH`, ffmpeg-static, `PATH`,
 * @ffmpeg-installer/ffmpeg. The first that answers is taken.
 */
export async function searchFfmpeg(
  told = '',
  env: NodeJS.ProcessEnv = process.env,
): Promise<FfmpegSearch> {
  const rejected: RejectedFfmpeg[] = [];
  for (const { path, origin } of candidates(told, env)) {
    const answer = await askVersion(path);
    if ('version' in answer) return { chosen: { path, origin, ...answer }, rejected };
    rejected.push({ path, origin, problem: answer.problem });
  }
  return { chosen: null, rejected };
}

/**
 * Every ffmpeg that answers, in the same order: one that decodes all may lack the devices that a
 * recording of the screen needs.
 */
export async function ffmpegCandidates(
  told = '',
  env: NodeJS.ProcessEnv = process.env,
): Promise<readonly Ffmpeg[]> {
  const found: Ffmpeg[] = [];
  for (const { path, origin } of candidates(told, env)) {
    const answer = await askVersion(path);
    if ('version' in answer) found.push({ path, origin, ...answer });
  }
  return found;
}

/** The ffmpeg to use; throws `no-ffmpeg` when there is none. */
export async function findFfmpeg(told = '', env: NodeJS.ProcessEnv = process.env): Promise<Ffmpeg> {
  const { chosen, rejected } = await searchFfmpeg(told, env);
  if (chosen) return chosen;
  const tried = rejected.map(({ path, problem }) => `${path}: ${problem}`).join('; ');
  throw new RoomtapeError(
    'no-ffmpeg',
    `No working ffmpeg was found${tried ? ` (${tried})` : ''}.`,
    { next: 'install ffmpeg, or ROOMTAPE_FFMPEG=<path of ffmpeg> roomtape doctor' },
  );
}

function* candidates(
  told: string,
  env: NodeJS.ProcessEnv,
): Generator<{ path: string; origin: FfmpegOrigin }> {
  if (told) yield { path: resolve(told), origin: 'setting' };
  for (const origin of ['ROOMTAPE_FFMPEG', 'FFMPEG_PATH'] as const) {
    const path = env[origin];
    if (path) yield { path: resolve(path), origin };
  }
  const packed = pathFromPackage('ffmpeg-static');
  if (packed) yield { path: packed, origin: 'ffmpeg-static' };
  const installed = onPath(env);
  if (installed) yield { path: installed, origin: 'PATH' };
  const fallback = pathFromPackage('@ffmpeg-installer/ffmpeg');
  if (fallback) yield { path: fallback, origin: '@ffmpeg-installer/ffmpeg' };
}

/** ffmpeg-static names a path even when its download failed: only an existing file counts. */
function pathFromPackage(name: string): string | null {
  try {
    const found: unknown = createRequire(import.meta.url)(name);
    const path = typeof found === 'object' && found && 'path' in found ? found.path : found;
    return typeof path === 'string' && isProgram(path) ? path : null;
  } catch {
    return null; // an optional dependency that is not installed, or has no build for this system
  }
}

function onPath(env: NodeJS.ProcessEnv): string | null {
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(resolve(folder || '.'), name);
    if (folder && isProgram(path)) return path;
  }
  return null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there, or not ours to run
  }
}

function askVersion(
  path: string,
): Promise<{ version: string; year: number | null } | { problem: string }> {
  return new Promise((tell) => {
    const child = spawn(path, ['-version'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    child.stdout.on('data', (chunk: Buffer) => {
      if (text.length < 10_000) text += chunk.toString('latin1');
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      tell({ problem: error.message });
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const version = /^ffmpeg version (\S+)/m.exec(text)?.[1];
      if (code !== 0 || !version) {
        tell({ problem: `it does not answer -version (${signal ?? `exit code ${code}`})` });
        return;
      }
      const year = /Copyright \(c\) (?:\d{4}-)?(\d{4})/.exec(text)?.[1];
      tell({ version, year: year ? Number(year) : null });
    });
  });
}

/**
 * A path as ffmpeg may be given it: never an option, never an address. `http:x.mp4` is a legal name
 * of a file.
 */
export const localInput = (path: string): string => `file:${resolve(path)}`;

/** What every run on a file from outside begins with: no keyboard, local files only. */
export const guardedInput: readonly string[] = [
  '-nostdin',
  '-v',
  'error',
  '-protocol_whitelist',
  'file,pipe',
];

/**
 * Demuxers for files as recorders write them. Playlists (hls, concat, dash, imf) are not among
 * them: they make ffmpeg open whatever else they name.
 */
export const demuxers =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,flv,live_flv,avi,wav,w64,aiff,ogg,flac,mp3,aac,ac3,eac3,caf';

export interface DecodeOptions {
  readonly signal?: AbortSignal;
  /** Told how much media has been decoded, in milliseconds. */
  readonly onProgress?: (decodedMs: number) => void;
  /** A decoder that says nothing for this long hangs and is ended. */
  readonly stallMs?: number;
  /** Leave the pictures out: they are kept without a set-up and no decoder can show them. */
  readonly soundOnly?: boolean;
  /** Everything else comes before it. */
  readonly isBackground?: boolean;
}

export interface DecodeReport {
  /** `unavailable`: this ffmpeg cannot decode one of the codecs, so nothing is known. */
  readonly outcome: 'ok' | 'errors' | 'unavailable';
  /** Errors the decoders reported; counting ends at {@link mostErrors}. */
  readonly errors: number;
  /** The first few of them, as ffmpeg wrote them. */
  readonly examples: readonly string[];
  /** Media time reached, in milliseconds; null when ffmpeg told none. */
  readonly decodedMs: number | null;
}

/** A broken file can make ffmpeg write a line for every macroblock. */
export const mostErrors = 10_000;

/**
 * Decodes every video and audio track to the end and counts what goes wrong. ffmpeg exits with 0 on
 * a corrupt file, so its lines are counted and its exit code is only one more sign.
 */
export async function decodeFully(
  ffmpeg: Ffmpeg,
  path: string,
  options: DecodeOptions = {},
): Promise<DecodeReport> {
  const { default: fluent } = await import('fluent-ffmpeg');
  const count = new ErrorCount(options.soundOnly ?? false);
  // Nothing is said with .format() and .videoCodec(): they make fluent-ffmpeg ask ffmpeg for lists
  // of formats whose layout newer versions changed.
  const command = fluent({ logger: silent, niceness: options.isBackground ? niceness : 0 })
    .setFfmpegPath(ffmpeg.path)
    .input(localInput(path))
    .inputOptions([...guardedInput, '-stats', '-format_whitelist', demuxers])
    .outputOptions([
      ...(options.soundOnly ? [] : ['-map', '0:v?']),
      '-map',
      '0:a?',
      '-sn',
      '-dn',
      '-f',
      'null',
    ])
    .output('-');
  const { stallMs = 60_000, signal, onProgress } = options;
  return await new Promise<DecodeReport>((resolveReport, reject) => {
    let watchdog: NodeJS.Timeout | undefined;
    let killer: NodeJS.Timeout | undefined;
    let hung = false;
    const end = () => {
      command.kill('SIGTERM');
      killer ??= setTimeout(() => command.kill('SIGKILL'), 2_000);
    };
    const rearm = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        hung = true;
        end();
      }, stallMs);
    };
    const settle = (problem: Error | null) => {
      clearTimeout(watchdog);
      clearTimeout(killer);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) return reject(new RoomtapeError('cancelled', 'Cancelled.'));
      if (hung) count.add(`ffmpeg said nothing for ${stallMs / 1000} s and was ended`);
      resolveReport(count.report(problem));
    };
    command.on('stderr', (line: string) => {
      rearm();
      count.add(line);
      if (count.decodedMs !== null) onProgress?.(count.decodedMs);
    });
    command.on('error', (problem: Error) => settle(problem));
    command.on('end', () => settle(null));
    if (signal?.aborted) return reject(new RoomtapeError('cancelled', 'Cancelled.'));
    signal?.addEventListener('abort', end, { once: true });
    rearm();
    command.run();
  });
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Reads ffmpeg's lines: progress, errors of the decoders, and what is no error of the file. */
class ErrorCount {
  decodedMs: number | null = null;
  #errors = 0;
  #examples: string[] = [];
  #noDecoder = false;
  /** Whether the last line told an error: "repeated" says the same of it again. */
  #lastCounted = false;
  readonly #soundOnly: boolean;

  constructor(soundOnly: boolean) {
    this.#soundOnly = soundOnly;
  }

  add(raw: string): void {
    const line = raw.trim();
    // ffmpeg looks into every track when it opens a file, also into those it is not to decode.
    if (this.#soundOnly && /^\[(?:h264|hevc) @ /.test(line)) return;
    const time = /\btime=(\d+):(\d\d):(\d\d)\.(\d+)/.exec(line);
    if (time) {
      const [, hours, minutes, seconds, part] = time;
      const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
      this.decodedMs = Math.round((whole + Number(`0.${part}`)) * 1000);
    }
    if (line === '' || /^(frame|size)=/.test(line)) return;
    const repeated = /^Last message repeated (\d+) times$/.exec(line);
    if (repeated ? !this.#lastCounted : harmless.test(line)) {
      this.#lastCounted = false;
      return;
    }
    this.#lastCounted = true;
    if (/Decoder .*not found|No decoder|Decoding requested, but no decoder/i.test(line)) {
      this.#noDecoder = true;
    }
    this.#errors = Math.min(mostErrors, this.#errors + (repeated ? Number(repeated[1]) : 1));
    if (this.#examples.length < 5 && !repeated) this.#examples.push(line.slice(0, 300));
  }

  report(problem: Error | null): DecodeReport {
    if (problem && this.#errors === 0) this.add(problem.message);
    const outcome = this.#noDecoder ? 'unavailable' : this.#errors > 0 ? 'errors' : 'ok';
    return {
      outcome,
      errors: this.#noDecoder ? 0 : this.#errors,
      examples: this.#examples,
      decodedMs: this.decodedMs,
    };
  }
}

/**
 * The null muxer complains when two frames bear one time, as browsers write them; fluent-ffmpeg
 * repeats the end of ffmpeg's output in its own message.
 */
const harmless =
  /non monoton\w+ increasing dts|Queue input is backward in time|deprecated pixel format|^At least one output file must be specified/;

/**
 * A decoder of raw elementary streams for planning a repair, synchronous as everything in the
 * worker. Frames are counted by the lines of `framecrc`, which counts sound and picture alike. A
 * decoder tells only at level `info` that it made up what it could not decode, which is what wrong
 * parameter sets look like; with several threads it may not tell at all.
 */
export function trialDecoder(ffmpegPath: string): TrialDecode {
  const how = ['-v', 'info', '-nostats', '-hide_banner', '-threads', '1'];
  return ({ format, bytes }: TrialSample) => {
    const run = spawnSync(
      ffmpegPath,
      [...guardedInput, ...how, '-f', format, '-i', 'pipe:0', '-f', 'framecrc', '-'],
      { input: bytes, timeout: 20_000, killSignal: 'SIGKILL', maxBuffer: 16 * 1024 * 1024 },
    );
    const frames = lines(run.stdout).filter((line) => !line.startsWith('#')).length;
    const errors = lines(run.stderr).filter(isTrialError).length;
    const failed = run.error !== undefined || run.status !== 0;
    return { frames, errors: Math.min(mostErrors, failed ? Math.max(1, errors) : errors) };
  };
}

/** At level `info` errors stand among remarks; both name the part of ffmpeg that speaks. */
const isTrialError = (line: string): boolean =>
  (/^\[(?!graph|auto_|sw|Parsed|out#|framecrc)[^\]]* @ /.test(line) || /^Error while/.test(line)) &&
  !/not enough frames to estimate|decoding for stream \d+ failed|Estimating duration|deprecated|Reinit context/.test(
    line,
  );

const lines = (output: Buffer | null): string[] =>
  (output?.toString('latin1') ?? '').split('\n').filter((line) => line.trim() !== '');
