/**
 * Zoom's converter on this machine: where it is, whether it runs, starting it.
 *
 * Windows has a program of its own for it; on macOS a raw file is opened and Zoom does the rest; on
 * Linux there is none outside the client. Another program can be named by the setting
 * `zoom-converter`; it is called with the raw file as its only argument.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RoomtapeError } from '../errors.ts';

export interface Converter {
  readonly program: string;
  /** The words before the raw file. */
  readonly words: readonly string[];
  /** True when the program only hands the file on and ends before the conversion does. */
  readonly handsOn: boolean;
}

/** The converter of this machine; null when Zoom's client must be used by hand. */
export function findConverter(
  told: string,
  platform: NodeJS.Platform = process.platform,
  env: NodeJS.ProcessEnv = process.env,
): Converter | null {
  if (told !== '') {
    if (existsSync(told)) return { program: told, words: [], handsOn: false };
    throw new RoomtapeError('file-missing', `The Zoom converter ${told} is not there.`, {
      next: 'roomtape config',
    });
  }
  if (platform === 'win32') {
    const program = join(env['APPDATA'] ?? '', 'Zoom', 'bin', 'zTscoder.exe');
    return existsSync(program) ? { program, words: [], handsOn: false } : null;
  }
  if (platform === 'darwin' && existsSync('/Applications/zoom.us.app')) {
    return { program: '/usr/bin/open', words: [], handsOn: true };
  }
  return null;
}

export interface RunningConverter {
  /** Resolves when the program has ended; its exit code, null when it could not run or was killed. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

export function startConverter(converter: Converter, rawFile: string): RunningConverter {
  const child = spawn(converter.program, [...converter.words, rawFile], {
    stdio: 'ignore',
    windowsHide: true,
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', () => resolve(null));
  });
  return { ended, kill: () => void child.kill() };
}

/** Whether a converter of Zoom's runs now, whoever started it. */
export function isConverterAlive(platform: NodeJS.Platform = process.platform): Promise<boolean> {
  const [program, words, pattern] =
    platform === 'win32'
      ? ['tasklist', ['/FO', 'CSV', '/NH', '/FI', 'IMAGENAME eq zTscoder.exe'], /zTscoder\.exe/i]
      : ['ps', ['-A', '-o', 'comm='], /(?:^|\/)(?:zTscoder|Transcode)\s*$/im];
  return new Promise((resolve) => {
    execFile(program as string, words as string[], { timeout: 5000 }, (problem, output) => {
      // A machine that cannot list its processes cannot say that one lives.
      resolve(!problem && (pattern as RegExp).test(output));
    });
  });
}
