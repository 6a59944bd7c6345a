/**
 * Who has a file open for writing: the surest sign that a recorder lives, or died.
 *
 * Linux: one pass over /proc/<pid>/fd for all files asked for, compared by device and inode, with the
 * open flags from fdinfo. macOS: lsof. Elsewhere nobody can say, and quiet times decide.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface FileIdentity {
  /** Decimal text, as in a {@link Sighting}. */
  readonly device: string;
  readonly inode: string;
}

export interface Writer {
  readonly pid: number;
  readonly command: string;
}

/** By `device:inode`; files that nobody writes to are absent. */
export type Writers = ReadonlyMap<string, readonly Writer[]>;

export const identityKey = (file: FileIdentity) => `${file.device}:${file.inode}`;

/**
 * Finds the processes that have any of the files open for writing.
 *
 * Processes of other people cannot be looked into; a file that only they write to seems unwritten, so
 * growth must be believed over this. `unknown` where the system offers no way to tell.
 *
 * @param files  at most some thousands: one pass serves all
 */
export async function writersOf(files: readonly FileIdentity[]): Promise<Writers | 'unknown'> {
  if (files.length === 0) return new Map();
  if (process.platform === 'linux') return writersInProc(new Set(files.map(identityKey)));
  if (process.platform === 'darwin') return writersByLsof(new Set(files.map(identityKey)));
  return 'unknown';
}

/**
 * Whether a process that was seen to write a file still does: a look at that process alone, a hundred
 * times cheaper than asking all. `false` also where the system offers no way to tell.
 */
export function stillWrites(pid: number, file: FileIdentity): boolean {
  if (process.platform !== 'linux') return false;
  const inodes = new Set([file.inode]);
  const wanted = identityKey(file);
  return list(`/proc/${pid}/fd`).some(
    (fd) =>
      wantedKey(`/proc/${pid}/fd/${fd}`, inodes) === wanted &&
      opensForWriting(`/proc/${pid}/fdinfo/${fd}`),
  );
}

/**
 * Whether a process that writes to this file would be seen: its owner is asked for, because the
 * processes of other people cannot be looked into.
 */
export function wouldSeeWriters(path: string): boolean {
  const self = process.getuid?.();
  if (self === undefined) return false;
  return self === 0 || statSync(path, { throwIfNoEntry: false })?.uid === self;
}

// A machine may have hundreds of processes with thousands of files: others get their turn in between.
const longestTurnMs = 5;

async function writersInProc(wanted: ReadonlySet<string>): Promise<Writers> {
  const writers = new Map<string, Writer[]>();
  const inodes = new Set([...wanted].map((key) => key.slice(key.indexOf(':') + 1)));
  let began = performance.now();
  for (const name of list('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    for (const fd of list(`/proc/${name}/fd`)) {
      if (performance.now() - began > longestTurnMs) {
        // A timer, and no immediate: those of others have to come first.
        await pause(0);
        began = performance.now();
      }
      const key = wantedKey(`/proc/${name}/fd/${fd}`, inodes);
      if (key === null || !wanted.has(key) || !opensForWriting(`/proc/${name}/fdinfo/${fd}`)) {
        continue;
      }
      const known = writers.get(key) ?? [];
      if (!known.some((writer) => writer.pid === pid))
        known.push({ pid, command: commandOf(name) });
      writers.set(key, known);
    }
  }
  return writers;
}

// A link that does not begin with a slash is a socket or a pipe: no stat needed.
function wantedKey(link: string, inodes: ReadonlySet<string>): string | null {
  try {
    if (!readlinkSync(link).startsWith('/')) return null;
    const stats = statSync(link, { bigint: true });
    const inode = String(stats.ino);
    return inodes.has(inode) ? `${stats.dev}:${inode}` : null;
  } catch {
    return null; // Closed, ended, or not ours to see between two calls.
  }
}

/** fdinfo's `flags` are octal open(2) flags; the lowest two bits are the access mode. */
function opensForWriting(fdinfo: string): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(fdinfo, 'latin1'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & 0b11) !== 0;
  } catch {
    return false;
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** lsof's field output: p pid, c command, a access mode, D device in hex, i inode. */
async function writersByLsof(wanted: ReadonlySet<string>): Promise<Writers | 'unknown'> {
  let text: string;
  try {
    const options = { timeout: 10_000, maxBuffer: 64 * 1024 * 1024 };
    text = (await promisify(execFile)('lsof', ['-n', '-P', '-F', 'pcaDi'], options)).stdout;
  } catch {
    return 'unknown';
  }
  return writersInLsof(text, wanted);
}

export function writersInLsof(text: string, wanted: ReadonlySet<string>): Writers {
  const writers = new Map<string, Writer[]>();
  let [pid, command, access, device] = [0, '', '', ''];
  for (const line of text.split('\n')) {
    const value = line.slice(1);
    if (line.startsWith('p')) pid = Number(value);
    else if (line.startsWith('c')) command = value;
    else if (line.startsWith('f')) [access, device] = ['', ''];
    else if (line.startsWith('a')) access = value;
    else if (line.startsWith('D')) device = String(Number(value));
    else if (line.startsWith('i') && (access === 'w' || access === 'u')) {
      const key = `${device}:${value}`;
      if (wanted.has(key)) writers.set(key, [...(writers.get(key) ?? []), { pid, command }]);
    }
  }
  return writers;
}
