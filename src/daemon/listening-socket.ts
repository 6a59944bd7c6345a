/**
 * The daemon's socket: private, never in the way of a dead one's, made again when it is deleted.
 */
import { chmodSync, type FSWatcher, lstatSync, mkdirSync, rmSync, watch } from 'node:fs';
import type { Server } from 'node:http';
import { RoomtapeError } from '../errors.ts';
import type { Log } from '../system/log.ts';
import type { Paths } from '../system/paths.ts';

/** The folder is watched; the timer is for what a watcher misses (the folder itself removed). */
const lookEveryMs = 30_000;

export class ListeningSocket {
  readonly #paths: Paths;
  readonly #server: Server;
  readonly #log: Log;
  #inode = 0;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reopening = false;
  #closed = false;

  constructor(paths: Paths, server: Server, log: Log) {
    this.#paths = paths;
    this.#server = server;
    this.#log = log;
  }

  /** Listens. The caller holds the instance lock: whatever lies at the path is a dead daemon's. */
  async open(): Promise<void> {
    await this.#listen();
    if (process.platform === 'win32') return;
    this.#watch();
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    clearInterval(this.#timer);
    await this.#stopListening();
  }

  async #listen(): Promise<void> {
    const { socketFolder, socket } = this.#paths;
    if (process.platform !== 'win32') {
      mkdirSync(socketFolder, { recursive: true, mode: 0o700 });
      assertPrivate(socketFolder);
      rmSync(socket, { force: true });
    }
    await new Promise<void>((resolve, reject) => {
      const before = process.platform === 'win32' ? undefined : process.umask(0o177);
      this.#server.once('error', reject);
      this.#server.listen(socket, () => {
        this.#server.removeListener('error', reject);
        resolve();
      });
      if (before !== undefined) process.umask(before);
    });
    this.#inode = inodeOf(socket);
  }

  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      // Answers that are being sent end with their connection; whoever only listens is cut off.
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  #watch(): void {
    this.#watcher?.close();
    try {
      this.#watcher = watch(this.#paths.socketFolder, { persistent: false }, () => this.#look());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch (error) {
      this.#log.warn({ err: error }, 'the folder of the socket cannot be watched');
    }
  }

  #look(): void {
    if (this.#closed || this.#reopening || inodeOf(this.#paths.socket) === this.#inode) return;
    this.#reopening = true;
    this.#log.warn({ socket: this.#paths.socket }, 'the socket was deleted and is made again');
    this.#reopen()
      .catch((error: unknown) => this.#log.error({ err: error }, 'the socket cannot be made again'))
      .finally(() => {
        this.#reopening = false;
      });
  }

  async #reopen(): Promise<void> {
    await this.#stopListening();
    if (this.#closed) return;
    await this.#listen();
    this.#watch();
  }
}

function inodeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/** The folder of the socket is the only lock on the door: it must be ours, and nobody else's to enter. */
function assertPrivate(folder: string): void {
  const found = lstatSync(folder);
  const ours = !found.isSymbolicLink() && found.isDirectory() && found.uid === process.getuid?.();
  if (!ours) {
    throw new RoomtapeError('failed', `${folder} does not belong to you.`, {
      next: `ROOMTAPE_HOME=<a shorter path> roomtape up`,
    });
  }
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}
