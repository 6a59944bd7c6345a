/**
 * Hard links to growing files: the bytes stay although a recorder deletes its temporary file.
 *
 * A link costs no space. Nothing here ever removes the last name of a file.
 */
import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface KeptLink {
  /** Id of the take, as it was given to {@link keepLink}. */
  readonly take: string;
  readonly path: string;
}

/** Beside a file that lies on another disk than the data folder; hidden, so that no watcher sees it. */
const nearbyFolder = '.roomtape-links';

/**
 * Links a file into the folder; when that is on another disk, into a hidden folder beside the file.
 *
 * @returns where the link is; null when the file system knows no links (FAT, some shares)
 */
export async function keepLink(folder: string, take: string, path: string): Promise<string | null> {
  for (const place of [folder, join(dirname(path), nearbyFolder)]) {
    // A name may have 255 bytes, of up to four a character.
    const kept = join(place, `${take}.${basename(path).slice(-50)}`);
    try {
      await mkdir(place, { recursive: true, mode: 0o700 });
      await link(path, kept);
      return kept;
    } catch (problem) {
      if (codeOf(problem) === 'EEXIST') return kept;
      if (codeOf(problem) === 'ENOENT') return null; // it went before it could be kept
    }
  }
  return null;
}

/** Removes a link whose file has another name still; false when it is the last, and stays. */
export async function releaseLink(kept: string): Promise<boolean> {
  const found = await stat(kept).catch(() => null);
  if (found === null) return true;
  if (found.nlink < 2 && found.size > 0) return false;
  await rm(kept, { force: true });
  // The hidden folder beside the recordings goes with its last link.
  if (basename(dirname(kept)) === nearbyFolder) await removeEmpty(dirname(kept));
  return true;
}

/** Every link in the folder. */
export async function keptLinks(folder: string): Promise<KeptLink[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => {
    const take = /^(take_[^.]+)\./.exec(name)?.[1];
    return take === undefined ? [] : [{ take, path: join(folder, name) }];
  });
}

async function removeEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => null);
  if (names?.length === 0) await rm(folder, { recursive: true, force: true });
}

function codeOf(problem: unknown): string | undefined {
  return problem instanceof Error && 'code' in problem ? String(problem.code) : undefined;
}
