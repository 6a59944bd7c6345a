/**
 * Reaches the daemon of this data folder, and starts it when it is down.
 */
import { type Client, createClient, DaemonDown } from '../api/client.ts';
import type { RouteAnswer, RouteInput, RouteName } from '../api/contract.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { leanNode } from '../system/lean-node.ts';
import { dataFolder, type Paths, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';

/** How long a daemon may take until it answers. */
const startTimeoutMs = 15_000;

/** A client that starts the daemon at the first call that finds none. */
export function reachDaemon(options: { readonly mayStart: boolean }): Client {
  const paths = pathsOf(dataFolder());
  const client = createClient(paths.socket, version());
  return {
    async call<R extends RouteName>(route: R, input: RouteInput<R>): Promise<RouteAnswer<R>> {
      try {
        return await client.call(route, input);
      } catch (problem) {
        if (!(problem instanceof DaemonDown)) throw problem;
        if (!options.mayStart) throw noDaemon(paths);
        await startDaemon(paths);
        return client.call(route, input);
      }
    },
    events: (signal) => client.events(signal),
  };
}

export function noDaemon(paths: Paths): RoomtapeError {
  return new RoomtapeError('no-daemon', `No daemon runs for ${paths.home}.`, {
    next: 'roomtape up',
  });
}

/** Starts a daemon that outlives this command, and waits until it answers. */
export async function startDaemon(paths: Paths, settings: readonly string[] = []): Promise<void> {
  const [
    { spawn },
    { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync },
    { dirname, join },
  ] = await Promise.all([import('node:child_process'), import('node:fs'), import('node:path')]);
  try {
    mkdirSync(dirname(paths.startLog), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw homeUnusable(cause);
  }
  // Two daemons started at once both append; each command reads from where its own began.
  const output = openSync(paths.startLog, 'a', 0o600);
  const begin = fstatSync(output).size;
  if (begin > 100_000) ftruncateSync(output);
  const given = settings.length > 0 ? ['--set', ...settings] : [];
  const main = join(import.meta.dirname, '..', `main${import.meta.filename.slice(-3)}`);
  const child = spawn(
    process.execPath,
    // Under tsx the loader is among the execArgv.
    [...process.execArgv, ...leanNode, main, 'daemon', 'run', '--background', ...given],
    {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, ROOMTAPE_HOME: paths.home },
      cwd: paths.home,
      windowsHide: true,
    },
  );
  closeSync(output);
  const ended = new Promise<Ended>((resolve) => {
    child.once('exit', (code) => resolve({ code }));
    child.once('error', () => resolve({ code: null }));
  });
  try {
    await untilAnswering(paths, ended, begin > 100_000 ? 0 : begin);
  } finally {
    child.removeAllListeners();
    child.unref();
  }
}

/** The new daemon is gone again; null: by a signal. */
interface Ended {
  readonly code: number | null;
}

async function untilAnswering(
  paths: Paths,
  ended: Promise<Ended>,
  logBegin: number,
): Promise<void> {
  const client = createClient(paths.socket, version());
  const deadline = Date.now() + startTimeoutMs;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.3, 200)) {
    const how = await Promise.race([ended, pause(waitMs)]);
    try {
      await client.call('daemon.hello', {});
      return;
    } catch (problem) {
      // Another daemon may have won the race for the lock and be about to answer.
      if (!(problem instanceof DaemonDown)) throw problem;
      if (how !== 'waited' && (await startFailed(paths, logBegin))) {
        throw await startProblem(paths, logBegin, how.code);
      }
      if (Date.now() > deadline) throw await startProblem(paths, logBegin, null);
      if (how !== 'waited') await pause(waitMs);
    }
  }
}

const pause = (ms: number) =>
  new Promise<'waited'>((resolve) => {
    setTimeout(resolve, ms, 'waited');
  });

async function startLogText(paths: Paths, begin: number): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  try {
    return (await readFile(paths.startLog)).toString('utf8', begin).slice(0, 4000).trim();
  } catch {
    return ''; // it never came so far
  }
}

/** True when the daemon said why it ended, and the reason is not that another one runs. */
async function startFailed(paths: Paths, begin: number): Promise<boolean> {
  return !/another daemon/i.test(await startLogText(paths, begin));
}

/** What kept it from starting, with the exit code that the daemon itself ended with. */
async function startProblem(
  paths: Paths,
  begin: number,
  code: number | null,
): Promise<RoomtapeError> {
  const text = await startLogText(paths, begin);
  const reason = /^roomtape: (.*)$/m.exec(text)?.[1] ?? text.split('\n')[0] ?? '';
  const next = /^next: +(.*)$/m.exec(text)?.[1] ?? 'roomtape daemon run';
  const problem = reason ? `The daemon did not start: ${reason}` : 'The daemon did not start.';
  const obstacle =
    code === exitCodes.usage
      ? 'config-invalid'
      : code === exitCodes.failed
        ? 'failed'
        : 'no-daemon';
  return new RoomtapeError(obstacle, problem, { next });
}

function homeUnusable(cause: unknown): RoomtapeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RoomtapeError('write-failed', `The data folder cannot be used: ${reason}.`, {
    next: `ROOMTAPE_HOME=<another folder> roomtape up`,
    cause,
  });
}
