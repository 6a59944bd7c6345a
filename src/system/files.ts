/**
 * Files as the parsers and the writers see them: opened safely, read by offset, told apart by
 * identity.
 *
 * Everything here is synchronous, but for what is fetched ahead, and runs in the rescue worker,
 * except where the daemon asks for a single small fact. Originals are opened for reading only; new files are made by plan-writer.ts.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, read, readSync, type Stats } from 'node:fs';
import { type ByteSource, Cancelled, type Progress } from '../container/bytes.ts';
import { RoomtapeError } from '../errors.ts';

/** What tells whether a file is still the one that was read. */
export interface FileIdentity {
  /** Device and inode; they survive a rename. */
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  /** Last change of its bytes, ms since 1970 with fractions. */
  readonly modified: number;
}

export interface OpenOptions {
  /**
   * Whether a symbolic link may be followed: yes for a path that a person typed, no for one that
   * was found in a watched folder.
   */
  readonly followLink: boolean;
}

/** Bytes read at once when offsets jump: a page or two, as headers are. */
const smallBlock = 16 * 1024;
/** Bytes read at once when a reader goes on and on. */
const largeBlock = 4 * 1024 * 1024;
const blocksKept = 24;
/** A disk sector that cannot be read costs this many bytes, not the file. */
const sectorSize = 4096;

/** A file opened for reading, of the size it had then. Close it. */
export class FileSource implements ByteSource {
  readonly path: string;
  readonly identity: FileIdentity;
  readonly size: number;
  /** Bytes that are no more than a hole in a sparse file; 0 where the system does not tell. */
  readonly hollow: number;
  /** Ranges that the disk could not give; they read as zeros. At most a thousand are kept. */
  readonly unreadable: { readonly at: number; readonly length: number }[] = [];
  readonly #fd: number;
  readonly #blocks = new Map<number, Uint8Array>();
  #run: Uint8Array = new Uint8Array();
  #runAt = 0;
  #runLength = smallBlock;

  constructor(path: string, options: OpenOptions) {
    this.path = path;
    const { fd, stats } = openRegularFile(path, options);
    this.#fd = fd;
    this.identity = identityOf(stats);
    this.size = this.identity.size;
    // Some file systems count no blocks at all, whatever they hold.
    const isCounted = process.platform !== 'win32' && stats.blksize > 0;
    this.hollow = isCounted ? Math.max(0, this.size - stats.blocks * 512) : 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /**
   * Has the first bytes and the last block read while another file is worked on; `read` finds them. Never
   * fails: what stands in the way is met again by `read`. The file may be closed once this has resolved.
   */
  async fetchEnds(headLength: number): Promise<void> {
    const tailAt = Math.floor(Math.max(0, this.size - 1) / smallBlock) * smallBlock;
    const [head, tail] = await Promise.all([
      this.#fetch(0, Math.min(headLength, this.size)),
      tailAt >= headLength ? this.#fetch(tailAt, this.size - tailAt) : null,
    ]);
    if (head) [this.#run, this.#runAt] = [head, 0];
    if (tail) this.#blocks.set(tailAt, tail);
  }

  #fetch(offset: number, length: number): Promise<Uint8Array | null> {
    const bytes = Buffer.allocUnsafeSlow(length);
    return new Promise((resolve) => {
      read(this.#fd, bytes, 0, length, offset, (problem, got) => {
        resolve(!problem && got === length ? new Uint8Array(bytes.buffer) : null);
      });
    });
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(this.size, offset + length);
    if (end <= offset) return new Uint8Array();
    const runEnd = this.#runAt + this.#run.length;
    if (offset >= this.#runAt && end <= runEnd) {
      return this.#run.subarray(offset - this.#runAt, end - this.#runAt);
    }
    // A reader that begins inside the last run or right behind it goes on: read ahead, ever more.
    if (offset >= this.#runAt && offset <= runEnd + smallBlock) return this.#readRun(offset, end);
    if (end - offset >= smallBlock) {
      this.#runLength = smallBlock;
      return this.#readRun(offset, end);
    }
    return this.#readBlock(offset, end);
  }

  #readRun(offset: number, end: number): Uint8Array {
    this.#runLength = Math.min(largeBlock, this.#runLength * 2);
    const wanted = Math.min(this.size - offset, Math.max(end - offset, this.#runLength));
    this.#run = this.#load(offset, wanted);
    this.#runAt = offset;
    return this.#run.subarray(0, end - offset);
  }

  #readBlock(offset: number, end: number): Uint8Array {
    const at = offset - (offset % smallBlock);
    if (end > at + smallBlock) return this.#load(offset, end - offset);
    let block = this.#blocks.get(at);
    if (block) this.#blocks.delete(at);
    else {
      block = this.#load(at, Math.min(smallBlock, this.size - at));
      // Blocks that follow each other are a run in the making.
      if (this.#blocks.has(at - smallBlock)) [this.#run, this.#runAt] = [block, at];
    }
    this.#blocks.set(at, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= blocksKept) break;
      this.#blocks.delete(oldest);
    }
    return block.subarray(offset - at, end - at);
  }

  #load(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    const got = this.readInto(bytes, 0, length, offset);
    // No Buffer leaves here: its `slice` shares memory, and a parser that patched its "copy" would
    // change what is read next.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, got);
  }

  /**
   * Reads into a buffer of the caller's; returns the bytes read, fewer only where the file has
   * become shorter. Sectors that the disk cannot give become zeros and are noted.
   */
  readInto(target: Buffer, at: number, length: number, offset: number): number {
    let done = 0;
    while (done < length) {
      let got: number;
      try {
        got = readSync(this.#fd, target, at + done, length - done, offset + done);
      } catch (cause) {
        if (!isUnreadableSector(cause)) throw unreadable(this.path, cause);
        got = this.#readSectors(target, at + done, length - done, offset + done);
      }
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  #readSectors(target: Buffer, at: number, length: number, offset: number): number {
    const step = Math.min(length, sectorSize - (offset % sectorSize));
    try {
      return readSync(this.#fd, target, at, step, offset);
    } catch (cause) {
      if (!isUnreadableSector(cause)) throw unreadable(this.path, cause);
      target.fill(0, at, at + step);
      const last = this.unreadable.at(-1);
      if (last && last.at + last.length === offset) {
        this.unreadable[this.unreadable.length - 1] = { at: last.at, length: last.length + step };
      } else if (this.unreadable.length < 1000) {
        this.unreadable.push({ at: offset, length: step });
      }
      return step;
    }
  }

  /** Throws `file-changed` when the file is not the one that was opened, or has grown since. */
  assertUnchanged(): void {
    const now = identityOf(fstatSync(this.#fd));
    if (sameIdentity(now, this.identity)) return;
    const problem = `${this.path} changed while it was read (${this.size} bytes, now ${now.size}).`;
    throw new RoomtapeError('file-changed', problem, {
      next: 'run it again when the recorder has ended',
    });
  }
}

export const identityOf = (stats: Stats): FileIdentity => ({
  device: stats.dev,
  inode: stats.ino,
  size: stats.size,
  modified: stats.mtimeMs,
});

export const sameIdentity = (a: FileIdentity, b: FileIdentity): boolean =>
  a.device === b.device && a.inode === b.inode && a.size === b.size && a.modified === b.modified;

/**
 * Opens a regular file for reading. A FIFO would hang an ordinary open for ever, a device would
 * never end: the file is opened without waiting and looked at before a byte is read.
 */
function openRegularFile(
  path: string,
  options: OpenOptions,
): { readonly fd: number; readonly stats: Stats } {
  const follow = options.followLink ? 0 : (constants.O_NOFOLLOW ?? 0);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | follow);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  throw notAFile(path, kindOf(stats));
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function notAFile(path: string, kind: string): RoomtapeError {
  const folder = kind === 'a folder';
  return new RoomtapeError('not-a-file', `${path} is ${kind}, not a media file.`, {
    next: folder ? `roomtape watch add ${quoted(path)}` : 'roomtape inspect <file>',
  });
}

/** Node hands on bytes that are no UTF-8 as U+FFFD, by which nothing can be opened. */
function missing(path: string, cause: unknown): RoomtapeError {
  const isBroken = path.includes('\uFFFD');
  const why = isBroken
    ? ' Its name may not be valid UTF-8: such a file has to be renamed first.'
    : '';
  return new RoomtapeError('file-missing', `There is no file ${path}.${why}`, {
    next: isBroken ? 'mv <file> <a name of plain letters>' : 'roomtape list, or check the path',
    cause,
  });
}

/** What an error of the system means for somebody who wants to read this file. */
export function unreadable(path: string, cause: unknown): RoomtapeError {
  switch (systemCode(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return missing(path, cause);
    case 'EISDIR':
      return notAFile(path, 'a folder');
    case 'ELOOP':
      return notAFile(path, 'a symbolic link');
    case 'ENXIO':
      return notAFile(path, 'a socket');
    case 'EACCES':
    case 'EPERM':
      return new RoomtapeError('file-unreadable', `You may not read ${path}.`, {
        next: `chmod u+r ${quoted(path)}, or run it as the owner of the file`,
        cause,
      });
    default: {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return new RoomtapeError('file-unreadable', `${path} cannot be read: ${reason}.`, {
        next: 'check the disk and run it again',
        cause,
      });
    }
  }
}

const isUnreadableSector = (cause: unknown) => systemCode(cause) === 'EIO';

/** `ENOENT` and its kin; undefined for what is no error of the system. */
export function systemCode(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
    ? cause.code
    : undefined;
}

/** A path as it would be typed into a shell. */
export function quoted(path: string): string {
  const text = path.startsWith('-') ? `./${path}` : path;
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return process.platform === 'win32' ? `"${text}"` : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** SHA-256 of a whole file, in hex. */
export function sha256(source: FileSource, progress?: Progress): string {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafeSlow(Math.min(largeBlock, Math.max(1, source.size)));
  for (let at = 0; at < source.size; ) {
    const got = source.readInto(block, 0, Math.min(block.length, source.size - at), at);
    if (got === 0) break;
    hash.update(block.subarray(0, got));
    at += got;
    if (progress?.(at) === false) throw new Cancelled();
  }
  return hash.digest('hex');
}
