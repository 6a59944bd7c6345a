/**
 * Scans of growing files on disk: what was found so far, kept where a killed daemon cannot lose it.
 *
 * Two files a take: the samples, only ever appended to, and a small state that says how many of them
 * count. Nothing is synced, and after a restart of the machine a store is ignored: what the scan saw
 * of the recording may never have reached the disk. The repair then reads it from its beginning. Runs in
 * the rescue workers.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { SavedScan } from '../container/format.ts';
import { bootOf } from './boot.ts';
import { type FileIdentity, systemCode } from './files.ts';

const stateFile = (base: string) => `${base}.json`;
const samplesFile = (base: string) => `${base}.samples`;

/**
 * Stores a scan.
 *
 * @param base    path of the store, without extension
 * @param stored  bytes of samples that the last call stored; 0 begins anew
 * @returns bytes of samples that are stored now
 */
export function storeScan(
  base: string,
  file: FileIdentity,
  scan: SavedScan,
  stored: number,
): number {
  mkdirSync(dirname(base), { recursive: true, mode: 0o700 });
  if (stored === 0) writeFileSync(samplesFile(base), scan.samples, { mode: 0o600 });
  else {
    truncateSync(samplesFile(base), stored);
    appendFileSync(samplesFile(base), scan.samples.subarray(stored));
  }
  const { device, inode } = file;
  const head = { boot: bootOf(), device, inode, samples: scan.samples.length, state: scan.state };
  writeFileSync(`${stateFile(base)}.new`, JSON.stringify(head), { mode: 0o600 });
  renameSync(`${stateFile(base)}.new`, stateFile(base));
  return scan.samples.length;
}

/** The stored scan of this very file; null when there is none that fits. */
export function loadScan(base: string, file: FileIdentity): SavedScan | null {
  try {
    const head: unknown = JSON.parse(readFileSync(stateFile(base), 'utf8'));
    if (typeof head !== 'object' || head === null) return null;
    const { boot, device, inode, samples, state } = head as Readonly<Record<string, unknown>>;
    if (boot !== bootOf() || device !== file.device || inode !== file.inode) return null;
    if (typeof state !== 'string' || typeof samples !== 'number') return null;
    const bytes = readFileSync(samplesFile(base));
    return bytes.length < samples ? null : { state, samples: bytes.subarray(0, samples) };
  } catch (problem) {
    if (problem instanceof SyntaxError || systemCode(problem) !== undefined) return null;
    throw problem;
  }
}

export const hasScan = (base: string): boolean => existsSync(stateFile(base));

export function dropScan(base: string): void {
  for (const path of [stateFile(base), `${stateFile(base)}.new`, samplesFile(base)]) {
    rmSync(path, { force: true });
  }
}
