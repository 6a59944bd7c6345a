/**
 * Executes a repair plan: a new file, whole or not there at all.
 *
 * The bytes go to a `.partial` in the target's folder, which is synced and then given its name; the
 * folder is synced last. Only that survives a power cut. Where the file system can clone and the
 * plan keeps every offset, the original is cloned and patched, which costs no copy at all; where it
 * cannot, the copy may have been made ahead (copy-ahead.ts). Runs in the rescue worker. The original
 * is never opened for writing.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { Cancelled, type Progress } from '../container/bytes.ts';
import type { OutputPiece } from '../container/repair-plan.ts';
import { RoomtapeError } from '../errors.ts';
import { blockSize, CopyAhead } from './copy-ahead.ts';
import { type FileSource, identityOf, quoted, sameIdentity, systemCode } from './files.ts';
import { isRunning } from './process-alive.ts';
import { syncFolder } from './small-file.ts';

/** The part of a plan that the writer needs. */
export interface Writable {
  readonly outputSize: number;
  pieces(): Iterable<OutputPiece>;
}

export interface WriteOptions {
  /**
   * What happens when the target exists: `refuse` it, `overwrite` it, or `adopt` it when it already
   * holds exactly what would be written (a daemon that died after the rename) and otherwise take
   * the next free name.
   */
  readonly existing: 'refuse' | 'overwrite' | 'adopt';
  /** Told the bytes written so far, between blocks. */
  readonly progress?: Progress;
  /** Disk space that must remain free, in bytes. */
  readonly reserve?: number;
  /** Never clone; for tests and measurements. */
  readonly copyOnly?: boolean;
  /** A copy of the source in the target's folder that {@link copyAhead} began; it is used up. */
  readonly ahead?: CopyAhead | null;
}

export interface Written {
  readonly path: string;
  readonly how: 'cloned' | 'copied' | 'adopted';
}

/** Room for the file system's own bookkeeping. */
const smallReserve = 1024 * 1024;

/** Below this a copy takes less time than a thread. */
const smallestAhead = 32 * 1024 * 1024;

/**
 * Begins to copy the source into the target's folder while its plan is being made. Null where that
 * gains nothing: a small file, one that can be cloned, a target that is there, no room.
 */
export function copyAhead(
  source: FileSource,
  target: string,
  options: Pick<WriteOptions, 'existing' | 'reserve'>,
): CopyAhead | null {
  if (source.size < smallestAhead) return null;
  if (options.existing !== 'overwrite' && existsSync(target)) return null;
  if (!statSync(dirname(target), { throwIfNoEntry: false })?.isDirectory()) return null;
  const partial = partialName(target);
  try {
    if (roomMissing(partial, source.size, options.reserve ?? 0) > 0) return null;
    if (clone(source, partial)) {
      rmSync(partial, { force: true });
      return null;
    }
    removeDeadPartials(target);
  } catch {
    return null; // the writer will meet the same obstacle, and tells of it
  }
  return new CopyAhead(source, partial);
}

/** Writes the planned file; throws a RoomtapeError or `Cancelled`, and then nothing is left behind. */
export function writePlan(
  source: FileSource,
  plan: Writable,
  target: string,
  options: WriteOptions,
): Written {
  try {
    return write(source, plan, target, options);
  } finally {
    options.ahead?.abandon();
  }
}

function write(source: FileSource, plan: Writable, target: string, options: WriteOptions): Written {
  const folder = dirname(target);
  try {
    makeFolder(folder);
  } catch (cause) {
    throw unwritable(source, target, cause);
  }
  let path = target;
  const found = statSync(target, { throwIfNoEntry: false });
  if (found) {
    const { device, inode } = source.identity;
    const itself = found.dev === device && found.ino === inode;
    if (options.existing === 'refuse' || itself) throw outputExists(source, target, itself);
    if (options.existing === 'adopt') {
      if (holds(target, source, plan)) {
        // Whoever gave it its name may have died with the other name still there.
        removeDeadPartials(path);
        return { path, how: 'adopted' };
      }
      path = nextFreeName(target);
    }
  }
  removeDeadPartials(path);
  const isAhead = options.ahead && keepsOffsets(plan) && options.ahead.finish(options.progress);
  const partial = isAhead ? options.ahead.partial : partialName(path);
  let named = false;
  try {
    const how = isAhead
      ? completed(source, plan, partial)
      : produce(source, plan, partial, options);
    source.assertUnchanged();
    moveIntoPlace(source, partial, path, options.existing === 'overwrite');
    named = options.existing !== 'overwrite';
    syncFolder(folder);
    return { path, how };
  } catch (cause) {
    rmSync(partial, { force: true });
    // A name that a power cut may take back is no result; an older file it replaced is gone already.
    if (named) rmSync(path, { force: true });
    throw cause instanceof RoomtapeError || cause instanceof Cancelled
      ? cause
      : unwritable(source, path, cause);
  }
}

/**
 * Makes a folder and those above it. Node's own recursive mkdir spins for ever where a file system
 * answers ENOENT to every mkdir, as /proc does.
 */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  try {
    mkdirSync(folder);
  } catch (cause) {
    const made = systemCode(cause) === 'EEXIST' && statSync(folder).isDirectory();
    if (!made) throw cause;
  }
}

/** `<stem>.recovered<extension>` in a folder, shortened where a name would exceed 255 bytes. */
export function recoveredName(source: string, folder: string, extension: string): string {
  const tail = `.recovered${extension}`;
  let stem = basename(source, extname(source));
  const room = 255 - Buffer.byteLength(`${tail}.4194304-ffffffff.partial`);
  while (Buffer.byteLength(stem) > room) stem = [...stem].slice(0, -1).join('');
  return join(folder, `${stem}${tail}`);
}

/** True for a name that Roomtape itself gives to its output. */
export const isOwnOutput = (name: string): boolean =>
  /\.recovered(?: \(\d+\))?\.[^.]+$/.test(name) || /\.\d+-[0-9a-f]{8}\.partial$/.test(name);

function produce(
  source: FileSource,
  plan: Writable,
  partial: string,
  options: WriteOptions,
): 'cloned' | 'copied' {
  const cloned = !options.copyOnly && keepsOffsets(plan) && clone(source, partial);
  if (!cloned) assertRoom(source, partial, plan.outputSize, options.reserve ?? 0);
  const flags = cloned ? 'r+' : 'wx';
  const fd = openSync(partial, flags, 0o600);
  try {
    const length = cloned ? patch(fd, plan) : copy(fd, source, plan, options.progress);
    seal(fd, source, plan, length);
  } finally {
    closeSync(fd);
  }
  return cloned ? 'cloned' : 'copied';
}

/** Patches a copy that was made ahead. */
function completed(source: FileSource, plan: Writable, partial: string): 'copied' {
  const fd = openSync(partial, 'r+');
  try {
    seal(fd, source, plan, patch(fd, plan));
  } finally {
    closeSync(fd);
  }
  return 'copied';
}

function seal(fd: number, source: FileSource, plan: Writable, length: number): void {
  if (length !== plan.outputSize) {
    throw new Error(`the plan promised ${plan.outputSize} bytes and made ${length}`);
  }
  setMode(fd, modeOf(source));
  fsyncSync(fd);
}

/** True when every copied range lies where it lay, so that a clone of the source can be patched. */
export function keepsOffsets(plan: Writable): boolean {
  let at = 0;
  for (const piece of plan.pieces()) {
    if (piece.kind === 'copy' && piece.offset !== at) return false;
    at += piece.kind === 'copy' ? piece.length : piece.bytes.length;
  }
  return true;
}

function clone(source: FileSource, partial: string): boolean {
  // The path may have come to mean another file since it was opened.
  const found = statSync(source.path, { throwIfNoEntry: false });
  if (!found || !sameIdentity(identityOf(found), source.identity)) return false;
  try {
    copyFileSync(source.path, partial, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    rmSync(partial, { force: true });
    return false; // this file system cannot clone, or not there: the copy will tell any real reason
  }
  chmodSync(partial, 0o600); // the original may be read-only
  return true;
}

/** Whoever may read the original may read what was made of it, whatever the umask of a daemon. */
function setMode(fd: number, mode: number): void {
  try {
    fchmodSync(fd, mode);
  } catch (cause) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(systemCode(cause) ?? '')) throw cause;
    // A file system without modes.
  }
}

function patch(fd: number, plan: Writable): number {
  let at = 0;
  for (const piece of plan.pieces()) {
    if (piece.kind === 'bytes') writeAll(fd, piece.bytes, at);
    at += piece.kind === 'copy' ? piece.length : piece.bytes.length;
  }
  ftruncateSync(fd, at);
  return at;
}

/** One pass in large blocks, however small the pieces are. */
function copy(fd: number, source: FileSource, plan: Writable, progress?: Progress): number {
  const block = Buffer.allocUnsafeSlow(Math.max(1, Math.min(blockSize, plan.outputSize)));
  let filled = 0;
  let written = 0;
  const flush = () => {
    writeAll(fd, block.subarray(0, filled), written);
    written += filled;
    filled = 0;
    if (progress?.(written) === false) throw new Cancelled();
  };
  for (const piece of plan.pieces()) {
    const length = piece.kind === 'copy' ? piece.length : piece.bytes.length;
    for (let done = 0; done < length; ) {
      if (filled === block.length) flush();
      const step = Math.min(length - done, block.length - filled);
      if (piece.kind === 'bytes') {
        block.set(piece.bytes.subarray(done, done + step), filled);
      } else if (source.readInto(block, filled, step, piece.offset + done) < step) {
        source.assertUnchanged();
        throw new Error('the plan copies bytes that the source does not have');
      }
      filled += step;
      done += step;
    }
  }
  if (filled > 0) flush();
  return written;
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** Gives the file its name, and never to a name that somebody took in the meantime. */
function moveIntoPlace(
  source: FileSource,
  partial: string,
  target: string,
  overwrite: boolean,
): void {
  if (overwrite) {
    renameSync(partial, target);
    return;
  }
  try {
    linkSync(partial, target);
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') throw outputExists(source, target, false);
    if (!linkless.has(systemCode(cause) ?? '')) throw cause;
    // A file system without hard links (FAT, some network shares): the name is reserved with an
    // empty file, which is ours to replace.
    try {
      closeSync(openSync(target, 'wx'));
    } catch (taken) {
      if (systemCode(taken) === 'EEXIST') throw outputExists(source, target, false);
      throw taken;
    }
    try {
      renameSync(partial, target);
    } catch (failed) {
      rmSync(target, { force: true });
      throw failed;
    }
    return;
  }
  rmSync(partial);
}

const linkless: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EINVAL',
  'EMLINK',
  'EACCES',
]);

const modeOf = (source: FileSource): number => {
  const mode = statSync(source.path, { throwIfNoEntry: false })?.mode ?? 0o600;
  return (mode & 0o666) | 0o600;
};

/** The name carries our process id, so that a later run knows what a dead one left. */
function partialName(target: string): string {
  return `${target}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
}

/** Removes what an earlier Roomtape, killed while it wrote this very target, left behind. */
function removeDeadPartials(target: string): void {
  const prefix = `${basename(target)}.`;
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^(\d+)-[0-9a-f]{8}\.partial$/.exec(name.slice(prefix.length))?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(join(dirname(target), name), { force: true });
  }
}

function nextFreeName(target: string): string {
  const extension = extname(target);
  const stem = target.slice(0, target.length - extension.length);
  for (let n = 2; ; n += 1) {
    const path = `${stem} (${n})${extension}`;
    if (!existsSync(path)) return path;
  }
}

/** True when the file already holds what the plan would write. */
function holds(target: string, source: FileSource, plan: Writable): boolean {
  const fd = openSync(target, 'r');
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size !== plan.outputSize) return false;
    return sameBytes(fd, source, plan);
  } finally {
    closeSync(fd);
  }
}

function sameBytes(fd: number, source: FileSource, plan: Writable): boolean {
  const there = Buffer.allocUnsafeSlow(1024 * 1024);
  const wanted = Buffer.allocUnsafeSlow(there.length);
  let at = 0;
  for (const piece of plan.pieces()) {
    const length = piece.kind === 'copy' ? piece.length : piece.bytes.length;
    for (let done = 0; done < length; ) {
      const step = Math.min(length - done, there.length);
      if (piece.kind === 'bytes') wanted.set(piece.bytes.subarray(done, done + step));
      else if (source.readInto(wanted, 0, step, piece.offset + done) < step) return false;
      if (readSync(fd, there, 0, step, at) < step) return false;
      if (!there.subarray(0, step).equals(wanted.subarray(0, step))) return false;
      done += step;
      at += step;
    }
  }
  return true;
}

function roomMissing(path: string, needed: number, reserve: number): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return needed + Math.max(reserve, smallReserve) - bavail * bsize;
}

function assertRoom(source: FileSource, path: string, needed: number, reserve: number): void {
  const missing = roomMissing(path, needed, reserve);
  if (missing > 0) throw diskFull(source, path, `needs ${bytesText(missing)} more`);
}

function diskFull(source: FileSource, path: string, what: string, cause?: unknown): RoomtapeError {
  const problem = `Writing ${basename(path).replace(/\.\d+-[0-9a-f]{8}\.partial$/, '')} ${what} in ${dirname(path)}.`;
  return new RoomtapeError('disk-full', problem, {
    next: `roomtape recover ${quoted(source.path)} --out <a folder on another disk>`,
    cause,
  });
}

function outputExists(source: FileSource, target: string, itself: boolean): RoomtapeError {
  return itself
    ? new RoomtapeError('output-exists', `${target} is the original; it is never written to.`, {
        next: `roomtape recover ${quoted(source.path)} --out <another folder>`,
      })
    : new RoomtapeError('output-exists', `${target} exists already.`, {
        next: `roomtape verify ${quoted(target)}, or roomtape recover ${quoted(source.path)} --overwrite`,
      });
}

function unwritable(source: FileSource, target: string, cause: unknown): RoomtapeError {
  const code = systemCode(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return diskFull(source, target, 'found no room', cause);
  if (code === undefined) throw cause; // a bug, not an obstacle
  const reason: Readonly<Record<string, string>> = {
    EROFS: 'the disk is read-only',
    EACCES: 'you may not write there',
    EPERM: 'you may not write there',
    ENOTDIR: 'a part of the path is not a folder',
    ENOENT: 'the folder cannot be made',
    EEXIST: 'a part of the path is not a folder',
    EIO: 'the disk reports an error',
  };
  const text = reason[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new RoomtapeError('write-failed', `${target} cannot be written: ${text}.`, {
    next: `roomtape recover ${quoted(source.path)} --out <another folder>`,
    cause,
  });
}

function bytesText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${Math.max(1, Math.ceil(bytes / 1e6))} MB`;
}
