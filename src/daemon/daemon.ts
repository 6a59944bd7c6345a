/**
 * The daemon's life: lock, log, areas, socket, and the end.
 *
 * One daemon per data folder. Whatever it acknowledged is in the catalogue, so that SIGKILL at any
 * moment loses nothing; SIGTERM ends it within two seconds.
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Handlers } from '../api/contract.ts';
import { createApi } from '../api/server.ts';
import { type Catalogue, openCatalogue } from '../catalogue/catalogue.ts';
import { obstacleOf } from '../catalogue/damage.ts';
import { takeInstanceLock } from '../catalogue/instance-lock.ts';
import { RoomtapeError } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { readConfig } from '../system/config.ts';
import { type OpenLog, openLog } from '../system/log.ts';
import { type Paths, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import type { DaemonContext } from './area.ts';
import { openAreas } from './areas.ts';
import { EventHub } from './event-hub.ts';
import { ListeningSocket } from './listening-socket.ts';

export interface DaemonOptions {
  readonly home: string;
  /** `key=value`, stronger than environment and file. */
  readonly settings: readonly string[];
  /** Told once the socket answers. */
  readonly onReady?: (socket: string) => void;
}

/** After a signal the process ends within this time, whatever still runs. */
const endWithinMs = 1_800;

/** Runs the daemon until it is told to stop. Throws when it cannot start. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const paths = pathsOf(options.home);
  process.umask(0o077);
  prepareHome(paths);
  const lock = takeInstanceLock(paths.lock);
  if (!lock) {
    throw new RoomtapeError('failed', `Another daemon already runs for ${paths.home}.`, {
      next: 'roomtape status',
    });
  }
  try {
    const config = await readConfig({
      file: paths.config,
      env: process.env,
      flags: options.settings,
    });
    const log = openLog(paths.log, config['log-level']);
    const catalogue = openCatalogue({
      path: paths.catalogue,
      backups: paths.backups,
      newMachineId: randomUUID(),
      now: systemClock.now(),
    });
    try {
      await live(options, paths, config, log, catalogue);
    } finally {
      catalogue.close();
    }
  } finally {
    lock.release();
  }
}

function prepareHome(paths: Paths): void {
  try {
    mkdirSync(paths.home, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RoomtapeError('write-failed', `The data folder cannot be made: ${reason}.`, {
      next: 'ROOMTAPE_HOME=<another folder> roomtape up',
      cause,
    });
  }
}

async function live(
  options: DaemonOptions,
  paths: Paths,
  config: DaemonContext['config'],
  log: OpenLog,
  catalogue: Catalogue,
): Promise<void> {
  const hub = new EventHub(systemClock);
  const end = endSignal(log);
  const context: DaemonContext = {
    paths,
    config,
    catalogue,
    clock: systemClock,
    log,
    version: version(),
    startedAt: systemClock.now(),
    publish: (event) => hub.publish(event),
    stop: (reason) => end.call(reason),
  };
  log.info({ version: context.version, home: paths.home, node: process.version }, 'daemon starts');
  const areas = await openAreas(context);
  const server = createApi({
    version: context.version,
    handlers: guarded(areas.handlers, paths.catalogue),
    subscribe: (listener) => hub.subscribe(listener),
    onBug: (route, problem) => log.error({ route, err: problem }, 'a request hit a bug'),
  });
  const socket = new ListeningSocket(paths, server, log);
  try {
    await areas.start();
    await socket.open();
    log.info({ socket: paths.socket }, 'daemon answers');
    options.onReady?.(paths.socket);
    const reason = await end.promise;
    log.info({ reason }, 'daemon ends');
    setTimeout(() => {
      log.error('an area did not end in time');
      process.exit(0);
    }, endWithinMs).unref();
  } finally {
    await socket.close();
    await areas.close();
    log.info('daemon ended');
    log.close();
  }
}

/** Whatever the database says under a request becomes an obstacle and not a bug. */
function guarded(handlers: Handlers, path: string): Handlers {
  const guard =
    (handle: (input: never) => unknown) =>
    async (input: never): Promise<unknown> => {
      try {
        return await handle(input);
      } catch (cause) {
        throw obstacleOf(path, cause);
      }
    };
  const entries = Object.entries(handlers).map(([name, handle]) => [name, guard(handle)]);
  // The same names with the same functions inside: the table's type holds.
  return Object.fromEntries(entries) as unknown as Handlers;
}

/** Resolves with the reason at the first signal or call; ends at once at the third. */
function endSignal(log: OpenLog): { promise: Promise<string>; call: (reason: string) => void } {
  let call: (reason: string) => void = () => {};
  const promise = new Promise<string>((resolve) => {
    call = resolve;
  });
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 2) process.exit(1);
      call(signal);
    });
  }
  // A bug ends the daemon, because what it would go on with may be wrong; the log says what it was.
  const onBug = (problem: unknown) => {
    log.error({ err: problem }, 'a bug ends the daemon');
    const text = problem instanceof Error ? problem.stack : String(problem);
    process.stderr.write(`roomtape: A mistake in Roomtape ended the daemon: ${text}\n`);
    process.exit(1);
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);
  return { promise, call };
}
