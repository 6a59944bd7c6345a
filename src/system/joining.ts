/**
 * Joins, cuts and lines up media files with ffmpeg, packets copied and nothing re-encoded.
 *
 * The output is written beside its name as `.partial`, synced and renamed; an existing file is never
 * replaced. Inputs must have been recognised by our own readers before: the list that ffmpeg is
 * given names them, and no other format than theirs is allowed.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdtemp, open, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { demuxers, type Ffmpeg, localInput } from './ffmpeg.ts';
import { quoted, systemCode } from './files.ts';
import { syncFolder } from './small-file.ts';

export interface JoinInput {
  readonly path: string;
  /** How long until the next file begins, in ms; null: as long as it plays. */
  readonly lengthMs: number | null;
  /** Only this part of the file, in ms from its start. */
  readonly part?: Part | null;
}

export interface Part {
  readonly fromMs: number;
  readonly toMs: number;
}

/** ffmpeg's names of what an output may be, by extension. */
const muxers: Readonly<Record<string, string>> = {
  '.mkv': 'matroska',
  '.mka': 'matroska',
  '.webm': 'webm',
  '.mp4': 'mp4',
  '.m4a': 'ipod',
  '.mov': 'mov',
  '.ts': 'mpegts',
  '.wav': 'wav',
  '.flv': 'flv',
  '.ogg': 'ogg',
  '.flac': 'flac',
  '.mp3': 'mp3',
};

/** Stand before each input: they hold for that one alone. */
const localOnly = ['-protocol_whitelist', 'file,pipe'];
const guarded = [...localOnly, '-format_whitelist', demuxers];
const soundAndPicture = ['-map', '0:v?', '-map', '0:a?'];

/** Containers that keep a pause as time; the others get one that does. */
const keepsPauses: ReadonlySet<string> = new Set(['.mkv', '.webm', '.mka']);

/** The extension for what is made of these files: theirs, where they agree and it can hold it. */
export function outputExtension(paths: readonly string[], withPauses: boolean): string {
  const [first = '.mkv', ...others] = new Set(paths.map((path) => extname(path).toLowerCase()));
  const fits = others.length === 0 && muxers[first] !== undefined;
  return fits && (!withPauses || keepsPauses.has(first)) ? first : '.mkv';
}

/** One file after the other. */
export async function joinFiles(
  ffmpeg: Ffmpeg,
  inputs: readonly JoinInput[],
  output: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'roomtape-join-'));
  try {
    const list = join(folder, 'takes.txt');
    await writeFile(list, concatList(inputs));
    const formats = ['-format_whitelist', `concat,${demuxers}`];
    const input = [...localOnly, ...formats, '-f', 'concat', '-safe', '0', '-i', localInput(list)];
    await copyPackets(ffmpeg, [...input, ...soundAndPicture], output, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// ffmpeg's own quoting: within single quotes nothing is special but the quote itself.
function concatList(inputs: readonly JoinInput[]): string {
  const lines = inputs.flatMap(({ path, lengthMs, part }) => {
    if (/[\r\n]/.test(path)) {
      throw new RoomtapeError('usage', `${quoted(path)} has a line break in its name.`, {
        next: 'rename the file',
      });
    }
    const file = `file 'file:${resolve(path).replaceAll("'", "'\\''")}'`;
    const limits = part
      ? [`inpoint ${seconds(part.fromMs)}`, `outpoint ${seconds(part.toMs)}`]
      : [];
    return [file, ...limits, ...(lengthMs === null ? [] : [`duration ${seconds(lengthMs)}`])];
  });
  return `ffconcat version 1.0\n${lines.join('\n')}\n`;
}

const seconds = (ms: number) => (ms / 1000).toFixed(3);

/** A part of a file. A picture can only begin at a key frame: the part begins at the one before. */
export function cutFile(
  ffmpeg: Ffmpeg,
  path: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number | null },
  output: string,
  signal: AbortSignal,
): Promise<void> {
  const from = fromMs > 0 ? ['-ss', seconds(fromMs)] : [];
  const until = toMs === null ? [] : ['-t', seconds(toMs - fromMs)];
  const words = [...guarded, ...from, ...until, '-i', localInput(path), ...soundAndPicture];
  return copyPackets(ffmpeg, [...words, '-avoid_negative_ts', 'make_zero'], output, signal);
}

export interface LineInput {
  readonly path: string;
  readonly atMs: number;
  /** Whose take it is; becomes the title of its tracks. */
  readonly who: string;
  /** Tracks of picture and sound in the file. */
  readonly tracks: number;
  /** Only this part of the file. */
  readonly part?: Part | null;
}

/** Several files side by side, each from its own moment on, as tracks of one Matroska file. */
export function layFiles(
  ffmpeg: Ffmpeg,
  inputs: readonly LineInput[],
  output: string,
  signal: AbortSignal,
): Promise<void> {
  const words: string[] = [];
  for (const { path, atMs, part } of inputs) {
    const limits = part
      ? ['-ss', seconds(part.fromMs), '-t', seconds(part.toMs - part.fromMs)]
      : [];
    words.push(...guarded, ...limits, '-itsoffset', seconds(atMs), '-i', localInput(path));
  }
  let track = 0;
  const mapped = inputs.flatMap(({ who, tracks }, index) => {
    const titles: string[] = [];
    for (let n = 0; n < tracks; n++) titles.push(`-metadata:s:${track++}`, `title=${who}`);
    return ['-map', `${index}:v?`, '-map', `${index}:a?`, ...titles];
  });
  return copyPackets(ffmpeg, [...words, ...mapped], output, signal);
}

async function copyPackets(
  ffmpeg: Ffmpeg,
  words: readonly string[],
  output: string,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(output)) throw exists(output);
  const partial = `${output}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
  const muxer = muxers[extname(output).toLowerCase()] ?? 'matroska';
  const head = ['-hide_banner', '-nostdin', '-v', 'error'];
  const tail = ['-c', 'copy', '-f', muxer, '-n', localInput(partial)];
  try {
    await run(ffmpeg.path, [...head, ...words, ...tail], signal);
    const file = await open(partial, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await settle(partial, output);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Gives the file its name unless somebody else has taken it meanwhile. */
async function settle(partial: string, output: string): Promise<void> {
  try {
    await link(partial, output);
    await unlink(partial);
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') throw exists(output);
    // A file system without hard links.
    const { rename } = await import('node:fs/promises');
    if (existsSync(output)) throw exists(output);
    await rename(partial, output);
  }
  syncFolder(dirname(output));
}

const exists = (output: string) =>
  new RoomtapeError('output-exists', `${output} exists already.`, {
    next: 'roomtape export … --out <another folder>',
  });

function run(program: string, words: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'], windowsHide: true });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 20_000) said += chunk.toString('utf8');
    });
    const kill = () => void child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    child.once('error', (cause) =>
      fail(
        new RoomtapeError('ffmpeg-failed', `ffmpeg cannot be run: ${cause.message}.`, { cause }),
      ),
    );
    child.once('close', (code) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) return fail(new RoomtapeError('cancelled', 'Cancelled.'));
      if (code === 0) return done();
      const reason = said.trim().split('\n').at(-1) ?? `exit code ${code}`;
      return fail(
        new RoomtapeError('ffmpeg-failed', `ffmpeg could not put the files together: ${reason}`, {
          next: 'roomtape doctor',
        }),
      );
    });
  });
}
