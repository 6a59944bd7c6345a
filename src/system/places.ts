/**
 * Where the usual folders of recorders really lie on this machine.
 *
 * Profiles name them with placeholders; documents and videos may be redirected (XDG user folders,
 * OneDrive) and localised, so the system is asked first.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

type Placeholder = 'home' | 'documents' | 'videos' | 'desktop' | 'downloads' | 'onedrive';

/** Folders that exist on this machine for a pattern such as `{documents}/Zoom`. */
export function existingPlaces(pattern: string): string[] {
  const name = /^\{(\w+)\}/.exec(pattern)?.[1] as Placeholder | undefined;
  const roots = name === undefined ? [''] : rootsOf(name);
  const rest = name === undefined ? pattern : pattern.slice(name.length + 2);
  return [...new Set(roots.flatMap((root) => expand(join(root, rest))))].filter(isFolder);
}

function rootsOf(name: Placeholder): string[] {
  const home = homedir();
  switch (name) {
    case 'home':
      return [home];
    case 'onedrive':
      return oneDrives(home);
    case 'documents':
      return [
        xdg('DOCUMENTS'),
        join(home, 'Documents'),
        ...oneDrives(home).map((drive) => join(drive, 'Documents')),
      ].filter(isPresent);
    case 'videos':
      return [
        xdg('VIDEOS'),
        join(home, process.platform === 'darwin' ? 'Movies' : 'Videos'),
      ].filter(isPresent);
    case 'desktop':
      return [xdg('DESKTOP'), join(home, 'Desktop')].filter(isPresent);
    case 'downloads':
      return [xdg('DOWNLOAD'), join(home, 'Downloads')].filter(isPresent);
  }
}

const isPresent = (path: string | null): path is string => path !== null;

/** `~/OneDrive` and `~/OneDrive - Company`. */
function oneDrives(home: string): string[] {
  return namesIn(home)
    .filter((name) => /^OneDrive(?: - .+)?$/.test(name))
    .map((name) => join(home, name));
}

/** A folder from user-dirs.dirs (freedesktop.org xdg-user-dirs), which is where it is localised. */
function xdg(key: string): string | null {
  if (process.platform !== 'linux') return null;
  const config = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  try {
    const text = readFileSync(join(config, 'user-dirs.dirs'), 'utf8');
    const value = new RegExp(`^XDG_${key}_DIR="(.*)"`, 'm').exec(text)?.[1];
    return value?.replace('$HOME', homedir()) ?? null;
  } catch {
    return null;
  }
}

/** A `*` stands for one name, not hidden. */
function expand(path: string): string[] {
  const star = path.indexOf('*');
  if (star < 0) return [path];
  const folder = dirname(path.slice(0, star + 1));
  const [part = ''] = path.slice(folder.length + 1).split(/[\\/]/);
  const rest = path.slice(folder.length + 1 + part.length);
  const [before = '', after = ''] = part.split('*');
  return namesIn(folder)
    .filter((name) => !name.startsWith('.') && name.startsWith(before) && name.endsWith(after))
    .flatMap((name) => expand(join(folder, name) + rest));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isFolder(path: string): boolean {
  return (
    basename(path) !== '' && (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)
  );
}
