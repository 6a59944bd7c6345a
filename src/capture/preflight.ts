/**
 * What could cost this recording, said before it begins: each finding with its reason and remedy.
 *
 * Pure: judges facts that others gathered. A fact that is null is unknown here and finds nothing.
 */
import type { ObsRecordSettings } from './obs-settings.ts';

export type FindingId =
  | 'permission'
  | 'recorder-out-of-reach'
  | 'no-folder'
  | 'not-writable'
  | 'disk-too-small'
  | 'disk-tight'
  | 'crash-unsafe-container'
  | 'cannot-pause'
  | 'wayland-screen'
  | 'network-drive'
  | 'synced-folder'
  | 'on-battery'
  | 'clock-skew'
  | 'ends-at-logout'
  | 'not-watched';

export interface Finding {
  readonly id: FindingId;
  /** `blocks`: recording must not or cannot begin; `warning`: it may be lost. */
  readonly level: 'blocks' | 'warning';
  /** What was found, with names and numbers. */
  readonly text: string;
  /** What it can cost. */
  readonly reason: string;
  /** A command, or what to do by hand. */
  readonly remedy: string;
  /** True when `preflight --fix` does the remedy itself. */
  readonly fixable: boolean;
}

export interface PreflightFacts {
  /** Null when no recorder is set up: the person clicks, and only the machine is judged. */
  readonly recorder: {
    readonly name: string;
    readonly kind: 'obs' | 'screen';
    /** Why it cannot be reached; null when it can. */
    readonly unreachable: string | null;
  } | null;
  /** Where the recording will lie. */
  readonly folder: string | null;
  readonly folderExists: boolean | null;
  readonly writable: boolean | null;
  readonly freeBytes: number | null;
  /** What Roomtape leaves free in any case. */
  readonly reserveBytes: number;
  readonly bitsPerSecond: number | null;
  readonly plannedMs: number;
  readonly fileSystem: { readonly type: string; readonly isNetwork: boolean } | null;
  readonly syncedBy: string | null;
  readonly obs: ObsRecordSettings | null;
  /** True when OBS records with the stream's own encoder, which it cannot pause. */
  readonly obsSharesStreamEncoder: boolean | null;
  /** True when own capture would see only the X11 windows of a Wayland desktop. */
  readonly waylandScreen: boolean | null;
  readonly battery: { readonly percent: number | null } | null;
  /** Our clock against the host's last signed time: positive when ours is ahead. */
  readonly clockSkewMs: number | null;
  /** Null when permission was not asked about. */
  readonly permission:
    | { readonly allowed: true }
    | { readonly allowed: false; readonly problem: string; readonly next: string }
    | null;
  /** Null where log-out does not end programs. */
  readonly survivesLogout: boolean | null;
  readonly watched: boolean | null;
}

/** Beyond this a signed grant may be refused as too early, or taken to be over. */
const mostSkewMs = 120_000;

type Judge = (facts: PreflightFacts) => Finding | null;

/** Judges all facts; what blocks comes first, then what is likeliest to cost the recording. */
export function preflight(facts: PreflightFacts): Finding[] {
  const findings = judges.map((judge) => judge(facts)).filter((finding) => finding !== null);
  const rank = { blocks: 0, warning: 1 };
  return findings.sort((a, b) => rank[a.level] - rank[b.level]);
}

const judges: readonly Judge[] = [
  judgePermission,
  judgeReach,
  judgeFolder,
  judgeDisk,
  judgeContainer,
  judgePause,
  judgeScreen,
  judgeNetwork,
  judgeSync,
  judgeBattery,
  judgeClock,
  judgeLogout,
  judgeWatch,
];

function warning(id: FindingId, text: string, reason: string, remedy: string, fixable = false) {
  return { id, level: 'warning', text, reason, remedy, fixable } as const;
}

function blocks(id: FindingId, text: string, reason: string, remedy: string) {
  return { id, level: 'blocks', text, reason, remedy, fixable: false } as const;
}

function judgePermission({ permission }: PreflightFacts): Finding | null {
  if (permission === null || permission.allowed) return null;
  const reason = 'Roomtape starts no recording without leave.';
  return blocks('permission', permission.problem, reason, permission.next);
}

function judgeReach({ recorder }: PreflightFacts): Finding | null {
  if (recorder === null || recorder.unreachable === null) return null;
  const text = `${recorder.name} is out of reach: ${recorder.unreachable}.`;
  const reason = 'Roomtape can neither start it nor know what it does.';
  return recorder.kind === 'obs'
    ? warning(
        'recorder-out-of-reach',
        text,
        reason,
        'start OBS; Tools > WebSocket Server Settings > Enable WebSocket server',
      )
    : warning('recorder-out-of-reach', text, reason, 'roomtape recorder devices');
}

function judgeFolder({ folder, folderExists, writable }: PreflightFacts): Finding | null {
  if (folder === null) return null;
  if (folderExists === false) {
    const reason = 'The recorder has nowhere to put its file; OBS only shows a dialog.';
    return blocks('no-folder', `${folder} does not exist.`, reason, `mkdir -p ${quoted(folder)}`);
  }
  if (writable !== false) return null;
  const reason = 'The recorder cannot write its file; OBS only shows a dialog.';
  const remedy = `choose another folder, or chmod u+w ${quoted(folder)}`;
  return blocks('not-writable', `${folder} cannot be written to.`, reason, remedy);
}

function judgeDisk(facts: PreflightFacts): Finding | null {
  const { freeBytes, reserveBytes, bitsPerSecond, plannedMs, folder } = facts;
  if (freeBytes === null || folder === null) return null;
  const usable = Math.max(0, freeBytes - reserveBytes);
  const rate = (bitsPerSecond ?? 0) / 8;
  if (usable === 0) {
    return blocks(
      'disk-too-small',
      `Only ${bytes(freeBytes)} are free where ${folder} lies; ${bytes(reserveBytes)} are kept free.`,
      'A recording would be stopped at once.',
      'free some space, record to another disk, or lower free-disk-mb',
    );
  }
  if (rate === 0) return null;
  const fits = usable / rate;
  const planned = plannedMs / 1000;
  if (fits >= planned * 1.2) return null;
  const text = `${bytes(freeBytes)} free where ${folder} lies: room for about ${duration(fits)} at ${megabits(bitsPerSecond ?? 0)}.`;
  const reason = `${duration(planned)} are planned; Roomtape would stop the recording before the disk is full.`;
  const remedy = `free ${bytes(Math.ceil(planned * 1.2 * rate - usable))}, or record to another disk`;
  return warning(fits < planned ? 'disk-too-small' : 'disk-tight', text, reason, remedy);
}

function judgeContainer({ obs }: PreflightFacts): Finding | null {
  if (obs === null || obs.survivesCrash) return null;
  return warning(
    'crash-unsafe-container',
    `OBS records ${obs.format.toUpperCase()} (profile ${obs.profile}), whose index is written at the end.`,
    'If OBS or the machine dies, the file does not open without a repair; Matroska survives.',
    'roomtape preflight --fix (or OBS: Settings > Output > Recording Format: mkv)',
    true,
  );
}

function judgePause({ obsSharesStreamEncoder }: PreflightFacts): Finding | null {
  if (obsSharesStreamEncoder !== true) return null;
  return warning(
    'cannot-pause',
    'OBS records with the quality "Same as stream", and cannot pause what it records so.',
    'roomtape pause would fail, and the break would be recorded.',
    'OBS: Settings > Output > Recording Quality: anything but "Same as stream"',
  );
}

function judgeScreen({ waylandScreen, recorder }: PreflightFacts): Finding | null {
  if (waylandScreen !== true || recorder === null) return null;
  return warning(
    'wayland-screen',
    `${recorder.name} captures X11, and this desktop is Wayland.`,
    'Only windows of X11 programs are seen; everything else is recorded black.',
    'roomtape recorder add obs (OBS captures Wayland), or log in to an X11 session',
  );
}

function judgeNetwork({ fileSystem, folder }: PreflightFacts): Finding | null {
  if (fileSystem === null || !fileSystem.isNetwork || folder === null) return null;
  return warning(
    'network-drive',
    `${folder} lies on a network drive (${fileSystem.type}).`,
    'When the connection drops, so does the recording, and changes made elsewhere are seen late.',
    'record to a folder on this machine and move the file afterwards',
  );
}

function judgeSync({ syncedBy, folder }: PreflightFacts): Finding | null {
  if (syncedBy === null || folder === null) return null;
  return warning(
    'synced-folder',
    `${folder} is synchronised by ${syncedBy}.`,
    'It uploads the growing file again and again, may lock it, and may replace it by a placeholder.',
    `record to a folder outside ${syncedBy} and move the file afterwards`,
  );
}

function judgeBattery({ battery }: PreflightFacts): Finding | null {
  if (battery === null) return null;
  const left = battery.percent === null ? '' : ` at ${battery.percent} %`;
  return warning(
    'on-battery',
    `This machine runs on its battery${left}.`,
    'It may go to sleep or switch off while it records.',
    'plug it in',
  );
}

function judgeClock({ clockSkewMs }: PreflightFacts): Finding | null {
  if (clockSkewMs === null || Math.abs(clockSkewMs) <= mostSkewMs) return null;
  const by = duration(Math.abs(clockSkewMs) / 1000);
  return warning(
    'clock-skew',
    `This machine's clock is ${by} ${clockSkewMs > 0 ? 'ahead of' : 'behind'} the host's, at least.`,
    'Grants begin and end at the wrong moment, and recordings get the wrong time.',
    'switch on automatic time (timedatectl set-ntp true, or in the system settings)',
  );
}

function judgeLogout({ survivesLogout }: PreflightFacts): Finding | null {
  if (survivesLogout !== false) return null;
  return warning(
    'ends-at-logout',
    'The daemon ends when you log out.',
    'A file that is interrupted then is repaired only after you log in again.',
    'roomtape service install --linger',
  );
}

function judgeWatch({ watched, folder }: PreflightFacts): Finding | null {
  if (watched !== false || folder === null) return null;
  return warning(
    'not-watched',
    `${folder} is not watched.`,
    'What is recorded there is neither noticed nor repaired.',
    `roomtape watch add ${quoted(folder)}`,
    true,
  );
}

function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(value < 10 && unit > 0 ? 1 : 0)} ${units[unit] ?? 'B'}`;
}

function megabits(bitsPerSecond: number): string {
  return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
