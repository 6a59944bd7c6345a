/**
 * What a recorder is to Roomtape: how it names, writes and ends its files.
 *
 * A profile is data wherever it can be: rules over names, folders, writer strings and first bytes.
 * This file says what a profile holds and how its rules are read; profiles.ts lists the recorders
 * and chooses among them; start-time.ts reads clocks out of names. Nothing here touches a disk:
 * where the usual folders really lie is resolved in system/.
 */
import type { Diagnosis } from '../container/diagnosis.ts';

/** The recorders Roomtape tells apart; `unknown` is none of them. */
export const recorderIds = [
  'zoom',
  'tencent',
  'obs',
  'browser',
  'gnome',
  'quicktime',
  'game-bar',
  'simplescreenrecorder',
  'gstreamer',
  'ffmpeg',
  'unknown',
] as const;
export type RecorderId = (typeof recorderIds)[number];

/**
 * What a file is to its recorder, judged by its name.
 *
 * - `recording` media that can be a take
 * - `raw`       media that its recorder still has to convert (Zoom's `.zoom`)
 * - `replay`    media that shows what came before it was saved: part of no recording
 * - `companion` belongs to a recording and is none: chat, captions, playlists, separate tracks
 * - `temporary` never a recording, whatever a probe says of it
 */
export type FileRole = 'recording' | 'raw' | 'replay' | 'companion' | 'temporary';

/** One rule over a name; the named groups y, mo, d, h, mi, s (and ms, pm) are the time in it. */
export interface NameRule {
  readonly pattern: RegExp;
  /** What the rule looks at: the file's own name, or the names of the folders above it. */
  readonly of: 'file' | 'folder' | 'any-folder';
  /** The role of a file that matches; for folders: of the files below that no other rule names. */
  readonly role?: FileRole;
  /** How much a match says for this recorder: 0 nothing, 1 beyond doubt. */
  readonly weight: number;
  /** Whether the time in the name is the recorder's local time or UTC. */
  readonly clock?: 'local' | 'utc';
  /** Set when the name is that of a download from the recorder's cloud. */
  readonly origin?: 'cloud';
  /** One clause for a person: `the folder is named as Zoom names its meetings`. */
  readonly says: string;
}

/** A program name that the file itself carries (muxer or writing application). */
export interface WriterRule {
  readonly pattern: RegExp;
  readonly weight: number;
  readonly says: string;
}

/** First bytes that tell; a negative weight speaks against the recorder. */
export interface HeadRule {
  readonly matches: (head: Uint8Array, name: string) => boolean;
  readonly weight: number;
  readonly says: string;
}

/**
 * A folder where a recorder usually writes. Placeholders: `{home}`, `{documents}`, `{videos}`
 * (Movies on macOS), `{desktop}`, `{downloads}`, `{onedrive}`; `*` stands for one name.
 */
export interface Place {
  readonly system: 'linux' | 'darwin' | 'win32';
  readonly folder: string;
}

/** Another name of the same recording in the same folder. */
export interface Relation {
  readonly kind: 'remux-of' | 'continues';
  readonly name: string;
  /** The earlier file. */
  readonly of: string;
}

/** A file of a folder, as far as relations need it. Times in ms since 1970. */
export interface FolderFile {
  readonly name: string;
  readonly startedAt?: number;
  readonly durationMs?: number;
}

export interface RecorderProfile {
  readonly id: RecorderId;
  /** The recorder's own name, for a person. */
  readonly title: string;
  readonly names: readonly NameRule[];
  readonly writers?: readonly WriterRule[];
  readonly heads?: readonly HeadRule[];
  /** Names beside the file that speak for this recorder. */
  readonly siblings?: readonly WriterRule[];
  /**
   * How long a file must not have grown before its recorder counts as gone, where nobody can be
   * asked who has it open. Recorders that write in large blocks or pause on disk need longer.
   */
  readonly quietForMs: number;
  readonly places: readonly Place[];
  /** What `creation_time` inside its files means; `conversion` is no use as a start. */
  readonly creationTime: 'start' | 'end' | 'conversion';
  /** What the birth of its files on disk means. */
  readonly birth: 'start' | 'conversion';
  /** Whether the recorder writes here, never a cloud copy; names what else it would be. */
  readonly note?: string;
  /** Files of one folder that are one recording. */
  relations?(files: readonly FolderFile[]): readonly Relation[];
}

/** What is known of a file when its recorder is asked for; only the path is always there. */
export interface Evidence {
  /** Absolute or relative, with the separators of its system. */
  readonly path: string;
  /** The first bytes, up to 64 KB; absent when the file was not opened. */
  readonly head?: Uint8Array;
  readonly diagnosis?: Pick<Diagnosis, 'writer' | 'container'>;
  /** Names of the other files in its folder. */
  readonly siblings?: readonly string[];
}

/** One observation that speaks for a recorder, or against it (negative weight). */
export interface Sign {
  readonly kind: 'name' | 'folder' | 'writer' | 'bytes' | 'companion';
  readonly weight: number;
  readonly says: string;
}

/** The parts of a path, composed (NFC): macOS hands out decomposed names, people type composed. */
export interface PathParts {
  readonly name: string;
  /** The folders above, nearest first. */
  readonly folders: readonly string[];
}

/**
 * Splits a path of any system. A backslash separates only where the path looks like one of
 * Windows: elsewhere it is an ordinary character of a name.
 */
export function pathParts(path: string): PathParts {
  const windows =
    /^(?:[A-Za-z]:[\\/]|\\\\)/.test(path) || (!path.includes('/') && path.includes('\\'));
  const parts = path.split(windows ? /[\\/]+/ : /\/+/).filter((part) => part !== '');
  const name = (parts.pop() ?? '').normalize('NFC');
  return { name, folders: parts.reverse().map((part) => part.normalize('NFC')) };
}

/** Everything about a file that speaks for or against one recorder. */
export function signsOf(profile: RecorderProfile, evidence: Evidence): readonly Sign[] {
  const parts = pathParts(evidence.path);
  const signs: Sign[] = [];
  for (const rule of profile.names) {
    if (rule.weight === 0 || !matchName(rule, parts)) continue;
    const kind = rule.of === 'file' ? 'name' : 'folder';
    signs.push({ kind, weight: rule.weight, says: rule.says });
  }
  const writer = evidence.diagnosis?.writer ?? null;
  for (const { pattern, weight, says } of profile.writers ?? []) {
    if (writer !== null && pattern.test(writer)) signs.push({ kind: 'writer', weight, says });
  }
  for (const { matches, weight, says } of profile.heads ?? []) {
    if (evidence.head && matches(evidence.head, parts.name)) {
      signs.push({ kind: 'bytes', weight, says });
    }
  }
  for (const { pattern, weight, says } of profile.siblings ?? []) {
    if (evidence.siblings?.some((name) => pattern.test(name.normalize('NFC')))) {
      signs.push({ kind: 'companion', weight, says });
    }
  }
  return signs;
}

/** The match of a rule with a path, or null. */
export function matchName(rule: NameRule, parts: PathParts): RegExpExecArray | null {
  if (rule.of === 'file') return rule.pattern.exec(parts.name);
  const folders = rule.of === 'folder' ? parts.folders.slice(0, 2) : parts.folders;
  for (const folder of folders) {
    const match = rule.pattern.exec(folder);
    if (match) return match;
  }
  return null;
}

/** The role of a file by its name under one profile; null when no rule names it. */
export function roleUnder(profile: RecorderProfile, path: string): FileRole | null {
  const parts = pathParts(path);
  for (const rule of profile.names) {
    if (rule.of === 'file' && rule.role && rule.pattern.test(parts.name)) return rule.role;
  }
  for (const rule of profile.names) {
    if (rule.of !== 'file' && rule.role && matchName(rule, parts)) return rule.role;
  }
  return null;
}

/** True when the four bytes at `at` spell `code`. */
export function spells(head: Uint8Array, at: number, code: string): boolean {
  for (let i = 0; i < code.length; i++) {
    if (head[at + i] !== code.charCodeAt(i)) return false;
  }
  return true;
}

/** A 32-bit number of the head, or -1 beyond its end. */
export function head32(head: Uint8Array, at: number, order: 'little' | 'big'): number {
  if (at + 4 > head.length) return -1;
  return new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(
    at,
    order === 'little',
  );
}
