/**
 * What can go wrong, and what it means to whoever called.
 *
 * Expected outcomes (a damaged file, a refused command) are values, not errors. An obstacle that
 * ends a command is a RoomtapeError: a code, what happened with the real names and numbers, and the
 * next command to run. Everything else is a bug and is not caught.
 */

/** Exit codes of the `roomtape` command; printed in the help of every command. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  noDaemon: 3,
  notPermitted: 4,
  damage: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Every obstacle Roomtape reports, with the exit code it leads to. */
const obstacles = {
  failed: exitCodes.failed,
  'file-missing': exitCodes.failed,
  'file-unreadable': exitCodes.failed,
  'not-a-file': exitCodes.failed,
  'output-exists': exitCodes.failed,
  'disk-full': exitCodes.failed,
  'write-failed': exitCodes.failed,
  'file-changed': exitCodes.failed,
  'no-ffmpeg': exitCodes.failed,
  'ffmpeg-failed': exitCodes.failed,
  'driver-missing': exitCodes.failed,
  'catalogue-damaged': exitCodes.failed,
  'catalogue-newer': exitCodes.failed,
  'worker-failed': exitCodes.failed,
  'recorder-failed': exitCodes.failed,
  cancelled: exitCodes.failed,
  'wrong-state': exitCodes.failed,
  usage: exitCodes.usage,
  'unknown-id': exitCodes.usage,
  'ambiguous-id': exitCodes.usage,
  'config-invalid': exitCodes.usage,
  'too-large': exitCodes.usage,
  'no-daemon': exitCodes.noDaemon,
  'daemon-newer': exitCodes.noDaemon,
  'not-permitted': exitCodes.notPermitted,
  'line-refused': exitCodes.notPermitted,
  'beyond-repair': exitCodes.damage,
} as const satisfies Record<string, ExitCode>;

export type ObstacleCode = keyof typeof obstacles;

export interface ObstacleDetails {
  /** The command to run next, as it would be typed. */
  readonly next?: string;
  readonly cause?: unknown;
}

/** An obstacle that ends a command: says what happened and the next command to run. */
export class RoomtapeError extends Error {
  readonly code: ObstacleCode;
  readonly next: string | undefined;

  constructor(code: ObstacleCode, problem: string, details: ObstacleDetails = {}) {
    super(problem, { cause: details.cause });
    this.name = 'RoomtapeError';
    this.code = code;
    this.next = details.next;
  }

  get exitCode(): ExitCode {
    return obstacles[this.code];
  }
}

/** Reads an obstacle code that crossed a process border; unknown codes become `failed`. */
export function obstacleCode(text: unknown): ObstacleCode {
  return typeof text === 'string' && Object.hasOwn(obstacles, text)
    ? (text as ObstacleCode)
    : 'failed';
}
