/**
 * Where Roomtape keeps its things: one data folder, and the socket in or near it.
 */
import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';

export interface Paths {
  /** The data folder; everything below belongs to one daemon. */
  readonly home: string;
  readonly config: string;
  readonly catalogue: string;
  readonly backups: string;
  readonly keys: string;
  /** Hard links to growing files, with `keep-link`. */
  readonly links: string;
  /** Held by the running daemon; freed by the system when it dies. */
  readonly lock: string;
  /** JSON lines; the older ones end in .1, .2, … */
  readonly log: string;
  /** What a starting daemon printed before its log was open. */
  readonly startLog: string;
  /** The folder of the socket, mode 0700. */
  readonly socketFolder: string;
  /** Unix socket or named pipe. */
  readonly socket: string;
}

/** The data folder: `ROOMTAPE_HOME`, or the system's place for a program's data. */
export function dataFolder(env: NodeJS.ProcessEnv = process.env): string {
  const told = env['ROOMTAPE_HOME'];
  return told ? resolve(told) : envPaths('roomtape', { suffix: '' }).data;
}

export function pathsOf(home: string): Paths {
  const { socketFolder, socket } = socketOf(home);
  return {
    home,
    config: join(home, 'config.toml'),
    catalogue: join(home, 'catalogue.db'),
    backups: join(home, 'backups'),
    keys: join(home, 'keys'),
    links: join(home, 'links'),
    lock: join(home, 'daemon.lock'),
    log: join(home, 'logs', 'daemon.log'),
    startLog: join(home, 'logs', 'start.log'),
    socketFolder,
    socket,
  };
}

/** The shortest limit of the systems: `sun_path` holds 104 bytes on macOS and the BSDs, its NUL too. */
const longestSocketPath = 103;

function socketOf(home: string): { socketFolder: string; socket: string } {
  const mark = createHash('sha256').update(home).digest('hex').slice(0, 16);
  if (process.platform === 'win32') {
    return { socketFolder: home, socket: `\\\\.\\pipe\\roomtape-${mark}` };
  }
  const near = join(home, 'run');
  const socket = join(near, 'daemon.sock');
  if (Buffer.byteLength(socket) <= longestSocketPath) return { socketFolder: near, socket };
  // Too long for the system: a folder of our own in the place for temporary files.
  const far = join(tmpdir(), `roomtape-${userInfo().uid}`);
  return { socketFolder: far, socket: join(far, `${mark}.sock`) };
}
