/**
 * Processes that outlive whoever started them: a recorder must go on when the daemon dies, and the
 * next daemon must find it again.
 *
 * Their words go to files instead of pipes, because a pipe dies with its reader. A process is known
 * again by its id and its start time together, since ids are given to others later.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Enough to find a process again after a restart of ours. */
export interface ProcessMark {
  readonly pid: number;
  /** The kernel's start time of the process where it can be had (Linux), else null. */
  readonly startedTicks: string | null;
}

export interface LaunchOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** The file that takes standard output and standard error. */
  readonly log: string;
}

/** A process of ours, or one that an earlier daemon of ours started. */
export interface WorkingProcess {
  readonly mark: ProcessMark;
  /** Resolves when it has ended; the signal or code where we are its parent, else null. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Writes to its standard input where we are its parent; false where that is impossible. */
  write(text: string): boolean;
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void;
}

/** How often a process that is not our child is looked at. */
const lookEveryMs = 250;

/** Starts a process that goes on when we end. */
export function launch(
  program: string,
  args: readonly string[],
  { environment, log }: LaunchOptions,
): WorkingProcess {
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const output = openSync(log, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      detached: true,
      stdio: ['pipe', output, output],
      windowsHide: true,
      ...(environment ? { env: { ...process.env, ...environment } } : {}),
    });
  } finally {
    closeSync(output);
  }
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  // It may end before it reads what we write to it.
  child.stdin?.on('error', () => {});
  child.unref();
  const pid = child.pid ?? 0;
  return {
    mark: { pid, startedTicks: startedTicks(pid) },
    ended,
    write: (text) => child.stdin?.write(text) ?? false,
    signal: (name) => void child.kill(name),
  };
}

/** Takes up a process that an earlier daemon started; null when it is gone. */
export function adopt(mark: ProcessMark): WorkingProcess | null {
  if (!isAlive(mark)) return null;
  return {
    mark,
    ended: new Promise((resolve) => {
      const timer = setInterval(() => {
        if (isAlive(mark)) return;
        clearInterval(timer);
        resolve({ code: null, signal: null });
      }, lookEveryMs);
      timer.unref();
    }),
    write: () => false,
    signal: (name) => {
      if (isAlive(mark)) process.kill(mark.pid, name);
    },
  };
}

/** True while the very process of the mark runs. */
export function isAlive(mark: ProcessMark): boolean {
  if (mark.pid <= 0) return false;
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return mark.startedTicks === null || startedTicks(mark.pid) === mark.startedTicks;
}

/** Field 22 of /proc/PID/stat; null for a zombie, elsewhere, and when there is no such process. */
function startedTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
