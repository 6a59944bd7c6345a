/**
 * OBS's configuration folders on this machine, read as they are. What they mean is for
 * capture/obs-settings.ts to say.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Structurally the `ObsTexts` that capture/obs-settings.ts reads. */
export interface ObsFolder {
  readonly folder: string;
  readonly globalIni: string | null;
  readonly userIni: string | null;
  readonly webSocketJson: string | null;
  readonly profiles: ReadonlyMap<string, string>;
}

/** OBS's settings are a few kilobytes; anything beyond is not theirs. */
const longestText = 1 << 20;
const mostProfiles = 200;

/** The folders in which OBS may keep its configuration here, whether they exist or not. */
export function obsFolders(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string[] {
  if (platform === 'darwin') return [join(home, 'Library', 'Application Support', 'obs-studio')];
  if (platform === 'win32') {
    return [join(environment['APPDATA'] ?? join(home, 'AppData', 'Roaming'), 'obs-studio')];
  }
  return [
    join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'obs-studio'),
    join(home, '.var', 'app', 'com.obsproject.Studio', 'config', 'obs-studio'),
    join(home, 'snap', 'obs-studio', 'current', '.config', 'obs-studio'),
  ];
}

/** Reads one OBS configuration folder; null when there is none. */
export async function readObsFolder(folder: string): Promise<ObsFolder | null> {
  const globalIni = await textOf(join(folder, 'global.ini'));
  const userIni = await textOf(join(folder, 'user.ini'));
  if (globalIni === null && userIni === null) return null;
  const profiles = new Map<string, string>();
  for (const name of await namesIn(join(folder, 'basic', 'profiles'))) {
    const text = await textOf(profileFile(folder, name));
    if (text !== null) profiles.set(name, text);
  }
  const webSocketJson = await textOf(join(folder, 'plugin_config', 'obs-websocket', 'config.json'));
  return { folder, globalIni, userIni, webSocketJson, profiles };
}

/** The settings file of one profile. */
export function profileFile(folder: string, profile: string): string {
  return join(folder, 'basic', 'profiles', profile, 'basic.ini');
}

async function textOf(path: string): Promise<string | null> {
  try {
    const { size } = await stat(path);
    return size > longestText ? null : await readFile(path, 'utf8');
  } catch {
    // Not there, or not for us to read: either way OBS's settings are unknown, which is a finding
    // of its own and no obstacle.
    return null;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).slice(0, mostProfiles);
  } catch {
    return [];
  }
}
