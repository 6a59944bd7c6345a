/**
 * The daemon's log: JSON lines in a file that is rotated, so that it never fills a disk.
 *
 * Lines are written at once: what the daemon knew before a crash is what explains the crash. The
 * pure folders never log.
 */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Bytes of one file, and how many older ones are kept beside it: 20 MB at most. */
const fileLimit = 4_000_000;
const olderFiles = 4;

export interface OpenLog extends Log {
  close(): void;
}

export function openLog(path: string, level: string): OpenLog {
  const file = new RotatingFile(path);
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['password', '*.password', 'line', '*.line'], censor: '…' },
    },
    file,
  );
  return Object.assign(logger, { close: () => file.close() });
}

class RotatingFile {
  readonly #path: string;
  #descriptor: number;
  #size: number;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#descriptor = openSync(path, 'a', 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  write(line: string): void {
    if (this.#descriptor < 0) return;
    try {
      if (this.#size > fileLimit) this.#rotate();
      this.#size += writeSync(this.#descriptor, line);
    } catch {
      // A full disk must not end the daemon because it could not say so; `status` shows the disk.
    }
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    for (let age = olderFiles - 1; age >= 0; age--) {
      const older = age === 0 ? this.#path : `${this.#path}.${age}`;
      try {
        renameSync(older, `${this.#path}.${age + 1}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    this.#descriptor = openSync(this.#path, 'a', 0o600);
    this.#size = 0;
  }
}
