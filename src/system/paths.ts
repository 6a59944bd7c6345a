/**
 * Where Roomtape keeps its things: one data folder, and the socket in or near it.
 */
import { homedir, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

export interface Paths {
  /** The data folder; everything below belongs to one daemon. */
  readonly home: string;
  readonly config: string;
  readonly catalogue: string;
  readonly backups: string;
  readonly keys: string;
  /** Hard links to growing files, with `keep-link`. */
  readonly links: string;
  /** What was found in growing files so far. */
  readonly scans: string;
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
  return told ? resolve(told) : systemFolder(env);
}

// The places env-paths would name; loading it costs every command 9 ms (of 65 for a bare Node).
function systemFolder(env: NodeJS.ProcessEnv): string {
  const home = homedir();
  if (process.platform === 'darwin') {
    return join(home, 'Library', 'Application Support', 'roomtape');
  }
  if (process.platform === 'win32') {
    return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'roomtape', 'Data');
  }
  return join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'roomtape');
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
    scans: join(home, 'scans'),
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
  if (process.platform === 'win32') {
    return { socketFolder: home, socket: `\\\\.\\pipe\\roomtape-${markOf(home)}` };
  }
  const near = join(home, 'run');
  const socket = join(near, 'daemon.sock');
  if (Buffer.byteLength(socket) <= longestSocketPath) return { socketFolder: near, socket };
  // Too long for the system: a folder of our own in the place for temporary files.
  const far = join(tmpdir(), `roomtape-${userInfo().uid}`);
  return { socketFolder: far, socket: join(far, `${markOf(home)}.sock`) };
}

/** Tells data folders apart in a name (FNV-1a, 64 bits); loading node:crypto would cost 4 ms. */
function markOf(home: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(home)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
