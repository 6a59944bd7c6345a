/**
 * Small files of our own that are on the disk when the call returns, whole or not at all.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from './files.ts';

/**
 * Writes a file that must not be there yet, readable by `mode` at most.
 *
 * @throws the system's error (`EEXIST`, `ENOSPC`, …); a half-written file is not left behind
 */
export function createFile(path: string, data: string, mode = 0o600): void {
  const file = openSync(path, 'wx', mode);
  try {
    writeFileSync(file, data);
    fsyncSync(file);
  } catch (cause) {
    rmSync(path, { force: true });
    throw cause;
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}

/** Replaces a file at one stroke: at any moment the old or the new one is there, readable by its owner only. */
export function replaceFile(path: string, data: string): void {
  const partial = `${path}.partial`;
  try {
    rmSync(partial, { force: true }); // of a process that was killed
    createFile(partial, data);
    chmodSync(partial, 0o600);
    renameSync(partial, path);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw cause;
  }
  syncFolder(dirname(path));
}

/** Makes a rename or a new name in the folder outlive a power cut. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } catch (cause) {
    // Some network file systems know no sync of a folder: the name is as safe as it gets there.
    if (systemCode(cause) !== 'EINVAL' && systemCode(cause) !== 'ENOTSUP') throw cause;
  } finally {
    closeSync(fd);
  }
}
