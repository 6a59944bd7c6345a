/**
 * What `roomtape doctor` should know of each watched folder: is it there, can it be read and written
 * to (repaired files go beside their source), how much room is left, does a change there reach us?
 */
import type { Finding } from '../api/finding.ts';
import { fileSystemOf, folderFacts } from '../system/machine.ts';

/** @param leastFree  bytes of the disk that are to stay free */
export async function examineFolder(path: string, leastFree: number): Promise<Finding> {
  const { exists, writable, freeBytes } = await folderFacts(path);
  const part = 'watched';
  if (!exists) {
    const text = `${path} is not there; it is waited for.`;
    return { part, level: 'warning', text, next: `roomtape watch remove ${path}` };
  }
  if (!writable) {
    const text = `${path} cannot be written to: repaired files cannot be put there.`;
    return { part, level: 'warning', text, next: 'roomtape recover <take> --out <another folder>' };
  }
  if (freeBytes !== null && freeBytes < leastFree) {
    const text = `${path} has only ${Math.floor(freeBytes / 1e6)} MB left.`;
    return { part, level: 'warning', text, next: `df -h ${path}` };
  }
  const system = await fileSystemOf(path);
  if (system?.isNetwork) {
    const text = `${path} is on a network drive (${system.type}): it is looked at by turns, not told.`;
    return { part, level: 'ok', text };
  }
  return { part, level: 'ok', text: `${path} is there and writable.` };
}
