/**
 * The daemon while its data folder takes nothing: it answers, says why nothing is done, refuses
 * whatever would have to be written down, and goes on when there is room.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { contract, type Handlers } from '../api/contract.ts';
import { createApi } from '../api/server.ts';
import type { StatusNotice } from '../api/status.ts';
import { RoomtapeError } from '../errors.ts';
import { quoted } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import type { Paths } from '../system/paths.ts';
import { version } from '../system/version.ts';
import type { Interruptions } from './interruptions.ts';
import { ListeningSocket } from './listening-socket.ts';

const lookEveryMs = 1_000;
/** So many bytes must fit before the daemon begins anew: less would be full again at once. */
const enoughRoom = 1_000_000;

/** Waits until the data folder can be written to (`true`), or the daemon is ended (`false`). */
export async function waitForRoom(
  paths: Paths,
  problem: RoomtapeError,
  interruptions: Interruptions,
  log: Log,
): Promise<boolean> {
  log.error({ problem: problem.message }, 'waiting until the data folder can be written to');
  const server = createApi({
    version: version(),
    handlers: handlersWhileWaiting(paths, problem, interruptions),
    subscribe: () => () => {},
    onBug: (route, bug) => log.error({ route, err: bug }, 'a request hit a bug'),
  });
  const socket = new ListeningSocket(paths, server, log);
  const ended = interruptions.ended.then(() => 'ended' as const);
  try {
    await socket.open();
    for (;;) {
      const timer = new AbortController();
      const found = await Promise.race([ended, pause(lookEveryMs, timer.signal)]);
      timer.abort();
      if (found === 'ended') return false;
      if (hasRoom(paths.home)) return true;
    }
  } finally {
    await socket.close();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

/** Free space as the system counts it says nothing of quotas and failing disks: it is tried. */
function hasRoom(home: string): boolean {
  const path = join(home, '.room');
  try {
    const file = openSync(path, 'w', 0o600);
    try {
      const bytes = Buffer.alloc(enoughRoom);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  } catch {
    return false; // the reason is known: it is being waited for
  } finally {
    try {
      rmSync(path, { force: true });
    } catch {
      // A read-only disk keeps what it has.
    }
  }
}

function handlersWhileWaiting(
  paths: Paths,
  problem: RoomtapeError,
  interruptions: Interruptions,
): Handlers {
  const text =
    `${problem.message} Nothing can be written down until there is room: recorders go on, ` +
    'and their files are looked at then.';
  const next = `df -h ${quoted(paths.home)}`;
  const notice: StatusNotice = { level: 'error', text, next };
  const refuse = () => {
    throw new RoomtapeError(problem.code, text, { next });
  };
  const refusals = Object.keys(contract).map((name) => [name, refuse]);
  const known: Pick<Handlers, 'daemon.hello' | 'daemon.status' | 'daemon.examine' | 'daemon.stop'> =
    {
      'daemon.hello': () => ({ pid: process.pid }),
      'daemon.status': () => ({
        pid: process.pid,
        version: version(),
        home: paths.home,
        startedAt: Date.now() - Math.round(process.uptime() * 1_000),
        sessions: [],
        recordings: [],
        takes: [],
        notices: [notice],
        disagreements: [],
      }),
      'daemon.examine': () => [{ ...notice, level: 'error', part: 'disk' }],
      'daemon.stop': () => {
        setImmediate(() => interruptions.end('asked to'));
        return { pid: process.pid };
      },
    };
  // Every other route refuses, whatever it is asked.
  return { ...Object.fromEntries(refusals), ...known } as Handlers;
}
