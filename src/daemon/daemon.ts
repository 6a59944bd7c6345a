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
import { systemCode } from '../system/files.ts';
import { type OpenLog, openLog } from '../system/log.ts';
import { type Paths, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import type { DaemonContext } from './area.ts';
import { openAreas } from './areas.ts';
import { EventHub } from './event-hub.ts';
import { Interruptions, isUnwritable } from './interruptions.ts';
import { ListeningSocket } from './listening-socket.ts';
import { waitForRoom } from './waiting-for-room.ts';

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
    try {
      await liveOn({ options, paths, config, log, interruptions: new Interruptions(log) });
    } finally {
      log.info('daemon ended');
      log.close();
    }
  } finally {
    lock.release();
  }
}

/** What one life of the daemon shares with the next. */
interface Life {
  readonly options: DaemonOptions;
  readonly paths: Paths;
  readonly config: DaemonContext['config'];
  readonly log: OpenLog;
  readonly interruptions: Interruptions;
}

/** Lives until the end; a data folder that takes nothing more is waited for. */
async function liveOn(life: Life): Promise<void> {
  const { paths, log, interruptions } = life;
  for (let hasLived = false; ; ) {
    const problem = await liveOnce(life).catch((cause: unknown) => {
      // A folder that was never writable is told to whoever starts the daemon.
      if (isUnwritable(cause) && (hasLived || cause.code === 'disk-full')) return cause;
      throw cause;
    });
    if (problem === null) return;
    hasLived = true;
    if (!(await waitForRoom(paths, problem, interruptions, log))) return;
    log.info('the data folder can be written to again');
  }
}

/** From the disk until the end (null), or until the data folder cannot be written to. */
async function liveOnce(life: Life): Promise<RoomtapeError | null> {
  const { paths } = life;
  life.interruptions.begin();
  const catalogue = openCatalogue({
    path: paths.catalogue,
    backups: paths.backups,
    newMachineId: randomUUID(),
    now: systemClock.now(),
  });
  try {
    return await live(life, catalogue);
  } finally {
    catalogue.close();
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

async function live(life: Life, catalogue: Catalogue): Promise<RoomtapeError | null> {
  const { options, paths, config, log, interruptions } = life;
  const hub = new EventHub(systemClock);
  const context: DaemonContext = {
    paths,
    config,
    catalogue,
    clock: systemClock,
    log,
    version: version(),
    startedAt: systemClock.now(),
    publish: (event) => hub.publish(event),
    stop: (reason) => interruptions.end(reason),
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
    const interruption = await interruptions.next();
    if (interruption.kind === 'unwritable') {
      const { message: text } = interruption.problem;
      hub.publish({ type: 'daemon:unwritable', text, body: {} });
      return interruption.problem;
    }
    log.info({ reason: interruption.reason }, 'daemon ends');
    setTimeout(() => {
      log.error('an area did not end in time');
      process.exit(0);
    }, endWithinMs).unref();
    return null;
  } finally {
    await socket.close();
    await areas.close();
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
        throw unwritten(obstacleOf(path, cause));
      }
    };
  const entries = Object.entries(handlers).map(([name, handle]) => [name, guard(handle)]);
  // The same names with the same functions inside: the table's type holds.
  return Object.fromEntries(entries) as unknown as Handlers;
}

/** Keys and recorders are files of their own: what the system says of them is an obstacle, too. */
function unwritten(cause: unknown): unknown {
  const code = cause instanceof RoomtapeError ? undefined : systemCode(cause);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  if (!isFull && code !== 'EROFS' && code !== 'EIO' && code !== 'EACCES') return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RoomtapeError(isFull ? 'disk-full' : 'write-failed', `It was not done: ${reason}.`, {
    next: 'roomtape doctor',
    cause,
  });
}
