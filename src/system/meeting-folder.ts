/**
 * What lies in a Zoom meeting folder, read once: the facts from which recorders/zoom-folder.ts
 * judges it.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnosis } from '../container/diagnosis.ts';
import { systemCode } from './files.ts';

export interface FolderFacts {
  readonly path: string;
  readonly files: readonly FileFacts[];
  readonly conf: string | null;
  readonly tag: string | null;
  readonly growing: boolean;
}

interface FileFacts {
  readonly name: string;
  readonly size: number;
  readonly raw?: {
    readonly magic: boolean;
    readonly whole: boolean;
    readonly bytesKept: number;
    readonly damagedAt?: number;
    readonly durationMs: number | null;
    readonly startedAt?: number;
  };
}

/** A file that changed within this time counts as growing, in ms. */
const lately = 10_000;
/** Texts of a few hundred bytes: a longer one is not Zoom's. */
const longestText = 64 * 1024;
const mostFiles = 2000;
const rawFile = /^double_click_to_convert_\d{2,}\.zoom$/;
const separateAudio = 'Audio Record';

/**
 * Reads a folder; a folder that is not there throws what the system says.
 *
 * @param diagnose  how raw files are read: they come from outside, so in a worker
 */
export async function readMeetingFolder(
  path: string,
  diagnose: (file: string) => Promise<Diagnosis>,
  now: number,
): Promise<FolderFacts> {
  const names = [...(await filesIn(path)), ...(await separateFiles(path))].slice(0, mostFiles);
  const files: FileFacts[] = [];
  let changed = 0;
  for (const name of names) {
    const file = join(path, name);
    const seen = await unlessGone(stat(file));
    if (!seen?.isFile()) continue;
    if (isMediaInTheMaking(name)) changed = Math.max(changed, seen.mtimeMs);
    const raw =
      rawFile.test(name) && seen.size > 0 ? rawFacts(await diagnose(file), seen.size) : null;
    files.push({ name, size: seen.size, ...(raw ? { raw } : {}) });
  }
  const conf = names.includes('recording.conf') ? await textOf(join(path, 'recording.conf')) : null;
  const tag = names.includes('zoomver.tag') ? await textOf(join(path, 'zoomver.tag')) : null;
  const growing = changed > 0 && now - changed < lately;
  return { path, files, conf, tag, growing };
}

/** Names in a folder; none where it may not be listed. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    return [];
  }
}

const isMediaInTheMaking = (name: string) => rawFile.test(name) || name.endsWith('.tmp');

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function separateFiles(path: string): Promise<string[]> {
  const names = await unlessGone(filesIn(join(path, separateAudio)));
  return (names ?? []).map((name) => `${separateAudio}/${name}`);
}

function rawFacts(diagnosis: Diagnosis, size: number): FileFacts['raw'] {
  const { container, verdict, damage, durationMs, startedAt } = diagnosis;
  const [first] = damage;
  const readable = verdict === 'empty' ? 0 : (first?.at ?? 0);
  return {
    magic: container === 'zoom',
    whole: verdict === 'whole',
    bytesKept: verdict === 'whole' ? size : readable,
    ...(first?.kind === 'hole' ? { damagedAt: first.at } : {}),
    durationMs,
    ...(startedAt === undefined ? {} : { startedAt }),
  };
}

async function textOf(file: string): Promise<string | null> {
  const bytes = await unlessGone(readFile(file));
  return bytes && bytes.length <= longestText ? bytes.toString('utf8') : null;
}

/** Null for what vanished between two looks: converters move their files. */
async function unlessGone<T>(looked: Promise<T>): Promise<T | null> {
  try {
    return await looked;
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw cause;
  }
}
