/**
 * Drives the built `roomtape` command as a person would: a process, its output, its exit code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '../../src/system/process-alive.ts';

/** The command as it is installed. */
export const commandFile = join(import.meta.dirname, '..', '..', 'dist', 'roomtape.cjs');
export const mainFile = join(import.meta.dirname, '..', '..', 'dist', 'main.js');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A data folder of its own, and the commands run in it. */
export class Machine {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();

  constructor(env: NodeJS.ProcessEnv = {}) {
    this.home = mkdtempSync(join(tmpdir(), 'roomtape-test-'));
    this.env = { ...process.env, NO_COLOR: '1', ...env, ROOMTAPE_HOME: this.home };
  }

  /** Runs a command to its end. */
  run(...words: string[]): Promise<Ran> {
    return this.runWith('', ...words);
  }

  /** Runs a command to its end, with a text on its stdin. */
  runWith(input: string, ...words: string[]): Promise<Ran> {
    return new Promise((resolve) => {
      const child = this.start(...words);
      let [out, err] = ['', ''];
      child.stdout?.on('data', (chunk) => {
        out += chunk;
      });
      child.stderr?.on('data', (chunk) => {
        err += chunk;
      });
      child.on('close', (code) => resolve({ code, out, err }));
      // A command that needs no input may have ended before it is given.
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  }

  /** Runs a command that must end with 0 and gives back its `--json` results. */
  async json<Result = Record<string, unknown>>(...words: string[]): Promise<Result[]> {
    const { code, out, err } = await this.run(...words, '--json');
    if (code !== 0) throw new Error(`roomtape ${words.join(' ')} ended with ${code}: ${err}`);
    const body = JSON.parse(out) as { schemaVersion: number; results: Result[] };
    if (body.schemaVersion !== 1) throw new Error('not the JSON contract');
    return body.results;
  }

  /** Starts a command and gives back its process. */
  start(...words: string[]): ChildProcess {
    const child = spawn(process.execPath, [commandFile, ...words], { env: this.env });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Process id of the running daemon. */
  async daemonPid(): Promise<number> {
    const [status] = await this.json<{ pid: number }>('status', '--no-start');
    return status?.pid ?? 0;
  }

  /** Ends the daemon and whatever else still runs, and removes the folder. */
  async end(): Promise<void> {
    await this.run('down');
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** Waits until a process is gone, which its parent may learn of later. */
export async function untilGone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Resolves when the process has printed a line that matches. */
export function untilPrinted(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const look = (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) resolve(text);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('close', (code) =>
      reject(new Error(`ended with ${code} before ${pattern}: ${text}`)),
    );
  });
}
