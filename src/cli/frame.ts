/**
 * What every command is given: how to print, how to reach the daemon, how to end.
 *
 * A command file never writes to stdout itself and never calls process.exit.
 */
import type { Client } from '../api/client.ts';
import { type ExitCode, exitCodes } from '../errors.ts';
import { type Document, render } from './output.ts';
import { writeOut } from './standard-output.ts';

/** How the daemon is run in this process; the function itself comes from main.ts. */
export interface DaemonRun {
  readonly home: string;
  readonly settings: readonly string[];
  readonly onReady?: (socket: string) => void;
}

/** What the daemon's code does in this process; main.ts knows where it is. */
export interface DaemonCode {
  /** Runs the daemon until it is told to stop. */
  readonly runDaemon: (run: DaemonRun) => Promise<void>;
  /** Care for the catalogue file of a data folder. */
  readonly maintenanceOf: (home: string) => CatalogueCare;
}

export interface CatalogueCare {
  driver(): string;
  lastBackup(): number;
  check(): readonly { readonly what: string; readonly sound: boolean; readonly detail: string }[];
  backUp(): string;
  restore(): {
    readonly backup: string | null;
    readonly fromBackup: number;
    readonly salvaged: number;
    readonly kept: string;
  };
  rebuild(): { readonly entries: number; readonly takes: number; readonly recordings: number };
}

export interface Frame {
  /** True with `--json`. */
  readonly json: boolean;
  /** False with `--no-start`. */
  readonly mayStart: boolean;
  /** The code the command will end with; `done` unless the command sets another. */
  exitCode: ExitCode;
  /**
   * Aborted by the first Ctrl-C, and when the process or its terminal is ended; the second signal ends
   * the process. Ask for it only to clean up.
   */
  readonly cancelled: AbortSignal;
  /** Prints results: a table, text or JSON. Call it once. */
  print<T>(document: Document<T>): Promise<void>;
  /** A remark for a person, on stderr. Not part of the result. */
  note(text: string): void;
  /** One line on a terminal's stderr that is replaced by the next; an empty text removes it. */
  progress(text: string): void;
  /** The daemon of this data folder, started when it is down (unless `--no-start`: exit code 3). */
  client(): Promise<Client>;
  /** The daemon's code, for the commands that run it in this process. */
  daemonCode(): Promise<DaemonCode>;
  /** Takes the options that all commands have; the command line calls it. */
  begin(options: Readonly<Record<string, unknown>>): void;
  close(): void;
}

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * @param loadDaemon  gives the daemon's code
 * @param reach       gives the daemon; without it, it is reached and started where it has to be
 */
export function createFrame(
  loadDaemon: () => Promise<DaemonCode>,
  reach?: () => Promise<Client>,
): Frame {
  let json = false;
  let mayStart = true;
  let line = '';
  let abort: AbortController | undefined;
  let interrupt: (() => void) | undefined;

  const showLine = (text: string) => {
    if (text === line || !process.stderr.isTTY) return;
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r\u001b[K${text.slice(0, width)}`);
    line = text;
  };
  return {
    exitCode: exitCodes.done,
    get json() {
      return json;
    },
    get mayStart() {
      return mayStart;
    },
    get cancelled() {
      if (!abort) {
        const controller = new AbortController();
        abort = controller;
        interrupt = () => controller.abort();
        for (const signal of endings) process.once(signal, interrupt);
      }
      return abort.signal;
    },
    async print(document) {
      showLine('');
      const text = await render(document, json);
      if (text) await writeOut(text);
    },
    note(text) {
      showLine('');
      process.stderr.write(`${text}\n`);
    },
    progress: showLine,
    async client() {
      if (reach) return reach();
      const { reachDaemon } = await import('./daemon-connection.ts');
      return reachDaemon({ mayStart });
    },
    daemonCode: loadDaemon,
    begin(options) {
      json = options['json'] === true;
      mayStart = options['start'] !== false;
    },
    close() {
      showLine('');
      if (!interrupt) return;
      for (const signal of endings) process.removeListener(signal, interrupt);
    },
  };
}
