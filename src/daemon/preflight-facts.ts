/**
 * The facts that preflight judges, gathered for one recorder and one room; and what `--fix` changes.
 */
import { copyFile } from 'node:fs/promises';
import { desktopOf } from '../capture/ffmpeg-command.ts';
import { ObsRecorder } from '../capture/obs.ts';
import {
  type ObsRecordSettings,
  type ObsTexts,
  recordSettings,
  survivesCrash,
  withIniValue,
} from '../capture/obs-settings.ts';
import type { PreflightFacts } from '../capture/preflight.ts';
import type { Recorder } from '../capture/recorder.ts';
import { RoomtapeError } from '../errors.ts';
import { writeText } from '../system/capture-folder.ts';
import {
  batteryInUse,
  fileSystemOf,
  folderFacts,
  survivesLogout,
  syncServiceOf,
} from '../system/machine.ts';
import { obsFolders, profileFile, readObsFolder } from '../system/obs-files.ts';
import type { StoredRecorder } from '../system/recorder-store.ts';

export interface PreflightWish {
  readonly recorder: Recorder | undefined;
  readonly stored: StoredRecorder | undefined;
  readonly plannedMs: number;
  readonly reserveBytes: number;
  readonly permission: PreflightFacts['permission'];
  readonly clockSkewMs: number | null;
  /** Folders that are watched; null when nobody knows. */
  readonly watchedFolders: readonly string[] | null;
}

/** Gathers every fact at once; none of them may take long. */
export async function gatherFacts(wish: PreflightWish): Promise<PreflightFacts> {
  const { recorder, stored, plannedMs, reserveBytes, permission, clockSkewMs } = wish;
  const obs = recorder?.kind === 'obs' ? await obsSettings(recorder, stored) : null;
  const folder = recorder?.folder ?? obs?.settings.folder ?? null;
  const [facts, fileSystem, battery] = await Promise.all([
    folder === null ? null : folderFacts(folder),
    folder === null ? null : fileSystemOf(folder),
    batteryInUse(),
  ]);
  return {
    recorder: recorder ? reachOf(recorder) : null,
    folder,
    folderExists: facts?.exists ?? null,
    writable: facts?.writable ?? null,
    freeBytes: facts?.freeBytes ?? null,
    reserveBytes,
    bitsPerSecond: obs?.settings.bitsPerSecond ?? (recorder?.kind === 'screen' ? 3_000_000 : null),
    plannedMs,
    fileSystem,
    syncedBy: folder === null ? null : syncServiceOf(folder),
    obs: obs?.settings ?? null,
    obsSharesStreamEncoder: obs?.sharesStreamEncoder ?? null,
    waylandScreen: stored?.kind === 'screen' ? desktopOf(stored.environment).isWayland : null,
    battery,
    clockSkewMs,
    permission,
    survivesLogout: survivesLogout(),
    watched: isWatched(folder, wish.watchedFolders),
  };
}

function reachOf({ name, kind, state }: Recorder): NonNullable<PreflightFacts['recorder']> {
  return { name, kind, unreachable: state.state === 'unreachable' ? state.reason : null };
}

function isWatched(folder: string | null, watched: readonly string[] | null): boolean | null {
  if (folder === null || watched === null) return null;
  return watched.some((root) => `${folder}/`.startsWith(root.endsWith('/') ? root : `${root}/`));
}

interface ObsFacts {
  readonly settings: ObsRecordSettings;
  readonly sharesStreamEncoder: boolean;
}

/** What OBS would record with: as it runs now, or else as its files say. */
async function obsSettings(
  recorder: Recorder,
  stored: StoredRecorder | undefined,
): Promise<ObsFacts | null> {
  const texts = await obsTexts(stored);
  const filed = texts && recordSettings(texts);
  if (!(recorder instanceof ObsRecorder) || !recorder.connected) {
    return filed ? { settings: filed, sharesStreamEncoder: sharesInFile(texts, filed) } : null;
  }
  const mode = await recorder.profileValue('Output', 'Mode');
  const section = mode === 'Advanced' ? 'AdvOut' : 'SimpleOutput';
  const newer = await recorder.profileValue(section, 'RecFormat2');
  const format = newer ?? (await recorder.profileValue(section, 'RecFormat')) ?? 'mkv';
  const muxerKey = section === 'AdvOut' ? 'RecMuxerCustom' : 'MuxerCustom';
  const muxer = (await recorder.profileValue(section, muxerKey)) ?? '';
  const quality = await recorder.profileValue('SimpleOutput', 'RecQuality');
  const encoder = await recorder.profileValue('AdvOut', 'RecEncoder');
  return {
    settings: {
      profile: filed?.profile ?? 'current',
      section,
      key: newer === null ? 'RecFormat' : 'RecFormat2',
      format,
      folder: recorder.folder,
      survivesCrash: survivesCrash(format, muxer),
      bitsPerSecond: filed?.bitsPerSecond ?? 6_000_000,
    },
    sharesStreamEncoder: section === 'AdvOut' ? encoder === 'none' : quality === 'Stream',
  };
}

function sharesInFile(texts: ObsTexts, settings: ObsRecordSettings): boolean {
  const text = texts.profiles.get(settings.profile) ?? '';
  return settings.section === 'AdvOut'
    ? /^RecEncoder=none\s*$/m.test(text)
    : /^RecQuality=Stream\s*$/m.test(text) || !/^RecQuality=/m.test(text);
}

async function obsTexts(stored: StoredRecorder | undefined): Promise<ObsTexts | null> {
  const told = stored?.kind === 'obs' ? stored.configFolder : null;
  for (const folder of told === null ? obsFolders() : [told]) {
    const found = await readObsFolder(folder);
    if (found) return found;
  }
  return null;
}

/**
 * Makes OBS record Matroska, which survives a crash: through OBS itself where it runs (it would
 * overwrite its file on exit), else in its file, of which a copy is kept.
 *
 * @returns what was changed, as a sentence
 */
export async function fixContainer(
  recorder: Recorder,
  stored: StoredRecorder | undefined,
  settings: ObsRecordSettings,
): Promise<string> {
  if (recorder instanceof ObsRecorder && recorder.connected) {
    await recorder.setProfileValue(settings.section, settings.key, 'mkv');
    return `OBS records Matroska (mkv) instead of ${settings.format} from the next recording on.`;
  }
  const texts = await obsTexts(stored);
  const text = texts?.profiles.get(settings.profile);
  if (!texts || text === undefined) {
    throw new RoomtapeError('file-unreadable', "OBS's settings are not where they were.", {
      next: 'roomtape preflight',
    });
  }
  const path = profileFile(texts.folder, settings.profile);
  const backup = `${path}.before-roomtape`;
  await copyFile(path, backup);
  await writeText(path, withIniValue(text, settings.section, settings.key, 'mkv'));
  return `${path}: ${settings.key}=mkv instead of ${settings.format} (before: ${backup}).`;
}
