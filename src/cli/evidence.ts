/**
 * `roomtape export RECORDING --evidence`: writes the bundle to a new folder.
 *
 * Media files are copied (cloned where the file system can) and hashed as they lie in the bundle.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { EvidenceBundle } from '../api/line-routes.ts';
import { RoomtapeError } from '../errors.ts';
import type { Frame } from './frame.ts';
import { notWritten } from './new-file.ts';
import { visible } from './output.ts';

const elsewhere = 'roomtape export RECORDING --evidence --out ANOTHER-FOLDER';

export async function exportEvidence(
  frame: Frame,
  id: string,
  out: string | undefined,
): Promise<void> {
  const client = await frame.client();
  const bundle = await client.call('recording.evidence', { recording: id });
  const folder = resolve(out ?? `evidence-${bundle.recording}`);
  await makeFolder(folder);
  const { sums, missing } = await fill(frame, folder, bundle).catch(async (cause: unknown) => {
    // Half a bundle would be taken for evidence. The folder is ours: it was not there before.
    await rm(folder, { recursive: true, force: true });
    throw cause instanceof RoomtapeError ? cause : notWritten(folder, elsewhere, cause);
  });
  await show(frame, folder, bundle.recording, sums, missing);
}

interface Sum {
  readonly name: string;
  readonly sha256: string;
}

async function fill(
  frame: Frame,
  folder: string,
  bundle: EvidenceBundle,
): Promise<{ sums: Sum[]; missing: string[] }> {
  for (const { name, base64, executable } of bundle.files) {
    const path = join(folder, ...name.split('/'));
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, Buffer.from(base64, 'base64'), { mode: executable ? 0o700 : 0o600 });
  }
  await mkdir(join(folder, 'media'), { recursive: true, mode: 0o700 });
  const sums: Sum[] = [];
  const missing: string[] = [];
  const taken = new Set<string>();
  for (const path of bundle.media) {
    const name = `media/${freeName(basename(path), taken)}`;
    frame.progress(`copying ${visible(basename(path))}`);
    try {
      await copyFile(path, join(folder, name), constants.COPYFILE_FICLONE);
      sums.push({ name, sha256: await hashOf(join(folder, name)) });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
      missing.push(path);
    }
  }
  const lines = sums.map(({ name, sha256 }) => `${sha256}  ${name}\n`);
  await writeFile(join(folder, 'files.sha256'), lines.join(''), { mode: 0o600 });
  return { sums, missing };
}

async function show(
  frame: Frame,
  folder: string,
  recording: string,
  sums: readonly Sum[],
  missing: readonly string[],
): Promise<void> {
  await frame.print({
    results: [{ recording, path: folder, files: sums, missing }],
    text: () =>
      [
        `The evidence is in ${visible(folder)}, with ${sums.length} media files.`,
        ...missing.map((path) => `${visible(path)} is not there any more.`),
        'README.txt says how to check it; sh verify.sh does.',
      ].join('\n'),
  });
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    throw notWritten(folder, elsewhere, cause);
  }
}

/** A plain name for the bundle: checked by line-based tools, so without blanks and odd characters. */
function freeName(name: string, taken: Set<string>): string {
  const plain = name.replaceAll(/[^\w.-]+/g, '_').replace(/^[.-]+/, '_');
  const extension = extname(plain);
  const stem = plain.slice(0, plain.length - extension.length).slice(0, 100);
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? `${stem}${extension}` : `${stem}-${count}${extension}`;
    if (taken.has(candidate)) continue;
    taken.add(candidate);
    return candidate;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
