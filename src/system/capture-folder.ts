/**
 * The working folder of one own capture: what is needed to go on after the daemon died, and what
 * ffmpeg says meanwhile. The media itself lies where the person wants it.
 */
import { spawn } from 'node:child_process';
import { constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ProcessMark } from './processes.ts';

/** What is remembered of a capture that runs or is paused. */
export interface CaptureRecord {
  /** The file the person will find. */
  readonly path: string;
  /** The stretches between pauses in order; the first is `path` itself. */
  readonly stretches: readonly string[];
  /** The running ffmpeg; null while paused. */
  readonly process: ProcessMark | null;
}

/** ffmpeg's log of one stretch grows with every silence; more than this is never read. */
const longestLog = 256 * 1024;

export class CaptureFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** ffmpeg's report of what it has written. */
  progressFile(stretch: number): string {
    return join(this.#folder, `progress-${stretch}`);
  }

  logFile(stretch: number): string {
    return join(this.#folder, `log-${stretch}`);
  }

  get listFile(): string {
    return join(this.#folder, 'join.txt');
  }

  make(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Replaces the record at one stroke, so that a power cut leaves the old one or the new one. */
  async remember(record: CaptureRecord): Promise<void> {
    this.make();
    const partial = join(this.#folder, 'capture.json.partial');
    const file = await open(partial, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(record));
      await file.sync();
    } finally {
      await file.close();
    }
    renameSync(partial, join(this.#folder, 'capture.json'));
  }

  /** The record of a capture that was not finished; null when there is none. */
  recall(): CaptureRecord | null {
    try {
      return parseRecord(JSON.parse(readFileSync(join(this.#folder, 'capture.json'), 'utf8')));
    } catch {
      // None, or torn: the media is where the watched folders find it.
      return null;
    }
  }

  async forget(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async progress(stretch: number): Promise<string> {
    return await tail(this.progressFile(stretch), 2_048);
  }

  async log(stretch: number): Promise<string> {
    return await tail(this.logFile(stretch), longestLog);
  }
}

function parseRecord(value: unknown): CaptureRecord | null {
  if (typeof value !== 'object' || value === null) return null;
  const { path, stretches, process } = value as Record<string, unknown>;
  if (typeof path !== 'string' || !Array.isArray(stretches)) return null;
  if (!stretches.every((stretch): stretch is string => typeof stretch === 'string')) return null;
  return { path, stretches, process: parseMark(process) };
}

function parseMark(value: unknown): ProcessMark | null {
  if (typeof value !== 'object' || value === null) return null;
  const { pid, startedTicks } = value as Record<string, unknown>;
  if (typeof pid !== 'number') return null;
  return { pid, startedTicks: typeof startedTicks === 'string' ? startedTicks : null };
}

async function tail(path: string, length: number): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch {
    return ''; // ffmpeg has not made it yet
  }
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - length);
    const buffer = Buffer.alloc(Math.min(length, size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A name beside others that is not taken yet: `name.mkv`, `name (2).mkv`, … */
export function freeName(folder: string, name: string, extension: string): string {
  for (let count = 1; ; count += 1) {
    const path = join(folder, `${name}${count > 1 ? ` (${count})` : ''}.${extension}`);
    if (!existsSync(path)) return path;
  }
}

export interface RunResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a short-lived program to its end and gives what it said; ends it after the limit. */
export function runProgram(
  program: string,
  args: readonly string[],
  limitMs: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      env: { ...process.env, ...environment },
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const take = (data: Buffer) => {
      if (output.length < longestLog) output += data.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** Makes a text file for a program of ours to read. */
export async function writeText(path: string, text: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, text, { mode: 0o600 });
}

/** Makes a finished file durable and gives it its name at one stroke, replacing what had it. */
export async function settle(partial: string, path: string): Promise<void> {
  const file = await open(partial, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

/** Moves a file to a name of its own; the bytes stay where they are. */
export async function move(from: string, to: string): Promise<void> {
  await rename(from, to);
}

export async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}
