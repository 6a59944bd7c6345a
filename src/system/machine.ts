/**
 * Facts about this machine that decide whether a recording survives: the disk below a folder,
 * network drives, folders that a cloud service synchronises, the battery, and what log-out ends.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { realpath, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { runProgram } from './capture-folder.ts';

export interface FileSystemFacts {
  /** As the system calls it: ext4, nfs4, cifs, apfs, … */
  readonly type: string;
  readonly isNetwork: boolean;
}

const networkTypes =
  /^(nfs\d?|cifs|smb\d?|smbfs|afpfs|webdav|davfs2?|9p|ceph|glusterfs|afs|ncpfs|lustre|fuse\.(sshfs|rclone|davfs2?|gvfsd-fuse|s3fs|smbnetfs|curlftpfs))$/;

/** What file system a folder lies on; null when the system does not say. */
export async function fileSystemOf(
  folder: string,
  mounts?: string,
): Promise<FileSystemFacts | null> {
  if (/^(\\\\|\/\/)[^\\/]/.test(folder)) return { type: 'UNC path', isNetwork: true };
  if (process.platform === 'win32') return null;
  const path = await realpath(folder).catch(() => resolve(folder));
  const table = mounts ?? (await mountTable());
  const found = mountOf(path, table);
  return found === null ? null : { type: found, isNetwork: networkTypes.test(found) };
}

async function mountTable(): Promise<string> {
  if (process.platform === 'linux') return textOf('/proc/self/mounts') ?? '';
  // `server:/share on /Volumes/share (smbfs, nodev)` in the order of /proc/self/mounts.
  const { output } = await runProgram('mount', [], 3_000);
  return output.replaceAll(/^(.+) on (.+) \((\w+).*$/gm, (_, source, point, type) =>
    [source, point, type].map((word: string) => word.replaceAll(' ', '\\040')).join(' '),
  );
}

/** The type of the mount that a path lies on: the longest mount point that leads to it. */
export function mountOf(path: string, table: string): string | null {
  let best: { readonly length: number; readonly type: string } | null = null;
  for (const line of table.split('\n')) {
    const [, escaped, type] = line.split(' ');
    if (escaped === undefined || type === undefined) continue;
    const point = escaped.replaceAll(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const leads = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    // Of two mounts on one point the later one covers the earlier.
    if (leads && point.length >= (best?.length ?? 0)) best = { length: point.length, type };
  }
  return best?.type ?? null;
}

/** The service that synchronises a folder, by the places that each of them uses; null for none. */
export function syncServiceOf(
  folder: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  home: string = homedir(),
): string | null {
  const path = resolve(folder);
  const isBelow = (root: string | undefined) =>
    root !== undefined && root !== '' && `${path}${sep}`.startsWith(`${resolve(root)}${sep}`);
  const oneDrives = ['OneDrive', 'OneDriveCommercial', 'OneDriveConsumer'];
  if (oneDrives.some((name) => isBelow(environment[name]))) return 'OneDrive';
  if (isBelow(join(home, 'Library', 'Mobile Documents'))) return 'iCloud Drive';
  const cloud = 'com~apple~CloudDocs';
  for (const place of ['Documents', 'Desktop']) {
    const mirrored = join(home, 'Library', 'Mobile Documents', cloud, place);
    if (isBelow(join(home, place)) && existsSync(mirrored)) return 'iCloud Drive';
  }
  for (const [pattern, service] of syncFolders) {
    if (path.split(sep).some((part) => pattern.test(part))) return service;
  }
  return null;
}

const syncFolders: readonly (readonly [RegExp, string])[] = [
  [/^OneDrive( -.*|-.*)?$/, 'OneDrive'],
  [/^Dropbox( \(.*\))?$/, 'Dropbox'],
  [/^(Google ?Drive|GoogleDrive-.*|My Drive)$/, 'Google Drive'],
  [/^iCloudDrive$/, 'iCloud Drive'],
  [/^Nextcloud\d*$/, 'Nextcloud'],
  [/^ownCloud\d*$/, 'ownCloud'],
  [/^(Syncthing)$/, 'Syncthing'],
  [/^(pCloudDrive|MEGA|MEGAsync|Box|Box Sync)$/, 'a cloud service'],
];

export interface FolderFacts {
  readonly exists: boolean;
  readonly writable: boolean | null;
  readonly freeBytes: number | null;
}

/** Whether a folder is there, can be written to, and how much room is below it. */
export async function folderFacts(folder: string): Promise<FolderFacts> {
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory()) return { exists: false, writable: null, freeBytes: null };
  return { exists: true, writable: await canWrite(folder), freeBytes: await freeBytes(folder) };
}

/** Makes a folder for recordings, unless it is there. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RoomtapeError('write-failed', `${folder} cannot be made: ${reason}.`, {
      next: 'roomtape recorder add screen --folder FOLDER',
      cause,
    });
  }
}

// Rights on paper are not enough: read-only mounts, full quotas and sandboxes show only on trying.
async function canWrite(folder: string): Promise<boolean> {
  const trial = join(folder, `.roomtape-trial-${process.pid}`);
  try {
    await writeFile(trial, '');
    return true;
  } catch {
    return false;
  } finally {
    await rm(trial, { force: true }).catch(() => {});
  }
}

/** Bytes that this person may still write below a folder; null when it cannot be told. */
export async function freeBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** The battery, when the machine lives on it; null on mains, without one, or unknown. */
export async function batteryInUse(): Promise<{ readonly percent: number | null } | null> {
  if (process.platform === 'linux') return linuxBattery('/sys/class/power_supply');
  if (process.platform === 'darwin') {
    const { output } = await runProgram('pmset', ['-g', 'batt'], 3_000);
    if (!output.includes("'Battery Power'")) return null;
    return { percent: percentOf(/(\d+)%/.exec(output)?.[1]) };
  }
  if (process.platform === 'win32') {
    const ask =
      '$b=Get-CimInstance Win32_Battery; "$($b.BatteryStatus) $($b.EstimatedChargeRemaining)"';
    const { output } = await runProgram('powershell', ['-NoProfile', '-Command', ask], 5_000);
    const [, status, percent] = /^(\d+) (\d+)/.exec(output.trim()) ?? [];
    // Win32_Battery.BatteryStatus 1: discharging.
    return status === '1' ? { percent: percentOf(percent) } : null;
  }
  return null;
}

/** @param folder  /sys/class/power_supply, or a copy of it */
export function linuxBattery(folder: string): { readonly percent: number | null } | null {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return null;
  }
  for (const name of names) {
    const value = (key: string) => textOf(join(folder, name, key))?.trim();
    // A mouse has a battery too; only what powers the machine has the scope of the system.
    if (value('type') !== 'Battery' || value('scope') === 'Device') continue;
    if (value('status') === 'Discharging') return { percent: percentOf(value('capacity')) };
  }
  return null;
}

function percentOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/**
 * Whether programs of this person go on after log-out: true with systemd's lingering, null where
 * log-out does not end them.
 */
export function survivesLogout(): boolean | null {
  if (process.platform !== 'linux' || !existsSync('/run/systemd/system')) return null;
  if (process.getuid?.() === 0) return null;
  return existsSync(join('/var/lib/systemd/linger', userInfo().username));
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
