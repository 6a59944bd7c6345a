/**
 * The recorders Roomtape knows, and the one place that chooses among them.
 *
 * A new recorder is one file beside this one and one line in the list below.
 */
import { browser } from './browser.ts';
import { ffmpeg } from './ffmpeg.ts';
import { gameBar } from './game-bar.ts';
import { gnome } from './gnome.ts';
import { gstreamer } from './gstreamer.ts';
import { obs } from './obs.ts';
import {
  type Evidence,
  type FileRole,
  type FolderFile,
  matchName,
  type Place,
  pathParts,
  type RecorderId,
  type RecorderProfile,
  type Relation,
  roleUnder,
  type Sign,
  signsOf,
} from './profile.ts';
import { quicktime } from './quicktime.ts';
import { simpleScreenRecorder } from './simplescreenrecorder.ts';
import { tencent } from './tencent.ts';
import { unknown } from './unknown.ts';
import { zoom } from './zoom.ts';

/** Most particular first: on equal signs the earlier one is named. */
export const profiles: readonly RecorderProfile[] = [
  zoom,
  tencent,
  obs,
  browser,
  gnome,
  quicktime,
  gameBar,
  simpleScreenRecorder,
  gstreamer,
  ffmpeg,
  unknown,
];

/** How sure the answer is: `certain` from 0.9, `likely` from 0.5, else `guessed`. */
export type Confidence = 'certain' | 'likely' | 'guessed';

export interface Recognition {
  readonly recorder: RecorderId;
  readonly confidence: Confidence;
  /** What speaks for the recorder, strongest first; empty for `unknown`. */
  readonly signs: readonly Sign[];
  /** `cloud` when the file was downloaded from the recorder's cloud: not recorded here. */
  readonly origin: 'local' | 'cloud';
}

/**
 * Says which recorder made a file, from whatever is known of it: the path alone will do, first
 * bytes, a diagnosis and the names beside it make it surer. Never throws.
 */
export function recogniseRecorder(evidence: Evidence): Recognition {
  let best: Recognition = {
    recorder: 'unknown',
    confidence: 'guessed',
    signs: [],
    origin: 'local',
  };
  let bestScore = 0;
  for (const profile of profiles) {
    const signs = signsOf(profile, evidence);
    const score = scoreOf(signs);
    if (score <= bestScore) continue;
    const strongestFirst = signs
      .filter((sign) => sign.weight > 0)
      .toSorted((a, b) => b.weight - a.weight);
    best = {
      recorder: profile.id,
      confidence: confidenceOf(score),
      signs: strongestFirst,
      origin: isCloudCopy(profile, evidence.path) ? 'cloud' : 'local',
    };
    bestScore = score;
  }
  return best;
}

/** Whether a name beside a file speaks for a recorder: of a folder full of names no other is evidence. */
export function isTellingSibling(name: string): boolean {
  const composed = name.normalize('NFC');
  return profiles.some(({ siblings }) => siblings?.some(({ pattern }) => pattern.test(composed)));
}

/** The profile of a recorder. */
export function profileOf(id: RecorderId): RecorderProfile {
  return profiles.find((profile) => profile.id === id) ?? unknown;
}

/**
 * Names that are never a recording nor a part of one, whoever wrote them: what systems, browsers,
 * sync programs and Roomtape itself leave in folders.
 */
export const ignoredNames: readonly RegExp[] = [
  /^\./,
  /^(?:Thumbs\.db|desktop\.ini|ehthumbs\.db)$/i,
  /\.(?:icloud|crdownload|part|partial|download|opdownload|filepart|!ut|tmp~)$/i,
  /^~\$/,
  /\.(?:recovered|joined|timeline|room-\d+)(?: \(\d+\))?\.[^.]+$/i,
];

/** Extensions of files that may hold a recording, without their dot, in lower case. */
export const mediaExtensions: ReadonlySet<string> = new Set(
  (
    'mp4 m4v mov m4a mkv mka webm ts mts m2ts flv f4v avi wav wave w64 rf64 aif aiff aifc ' +
    'ogg oga ogv opus flac mp3 aac adts 3gp zoom'
  ).split(' '),
);

/**
 * What a name in a watched folder means, before the file is opened.
 *
 * - a {@link FileRole} as its recorder says
 * - `ignored` never looked at
 * - `other`   no media by its name: nothing to follow
 */
export type NameVerdict = FileRole | 'ignored' | 'other';

/** Judges a path by its name alone; the watcher asks this for every event. Never throws. */
export function judgeName(path: string): NameVerdict {
  const { name } = pathParts(path);
  if (ignoredNames.some((pattern) => pattern.test(name))) return 'ignored';
  for (const profile of profiles) {
    const role = roleUnder(profile, path);
    // A folder rule may say what a media file is, never that a text file is a recording.
    if (role && (role !== 'recording' || isMediaName(name))) return role;
  }
  return isMediaName(name) ? 'recording' : 'other';
}

function isMediaName(name: string): boolean {
  const dot = name.lastIndexOf('.');
  return dot > 0 && mediaExtensions.has(name.slice(dot + 1).toLowerCase());
}

/** Usual folders of all recorders on one system, for `watch suggest`. */
export function usualPlaces(
  system: Place['system'],
): readonly { readonly recorder: RecorderId; readonly folder: string }[] {
  return profiles.flatMap((profile) =>
    profile.places
      .filter((place) => place.system === system)
      .map((place) => ({ recorder: profile.id, folder: place.folder })),
  );
}

/** Files of one folder that are one recording: remuxed pairs and automatic splits. */
export function relationsIn(files: readonly FolderFile[]): readonly Relation[] {
  return profiles.flatMap((profile) => profile.relations?.(files) ?? []);
}

// Signs are independent witnesses: two half-sure ones make a surer whole, a contradiction halves.
function scoreOf(signs: readonly Sign[]): number {
  let doubt = 1;
  let contradiction = 1;
  for (const { weight } of signs) {
    if (weight >= 0) doubt *= 1 - Math.min(1, weight);
    else contradiction *= 1 - Math.min(1, -weight);
  }
  return (1 - doubt) * contradiction;
}

function isCloudCopy(profile: RecorderProfile, path: string): boolean {
  const parts = pathParts(path);
  return profile.names.some((rule) => rule.origin === 'cloud' && matchName(rule, parts) !== null);
}

function confidenceOf(score: number): Confidence {
  if (score >= 0.9) return 'certain';
  return score >= 0.5 ? 'likely' : 'guessed';
}
