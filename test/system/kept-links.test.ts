/** A second name for growing files, which is never the last one to be removed. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keepLink, keptLinks, releaseLink } from '../../src/system/kept-links.ts';

describe('given a growing file with a second name', () => {
  let folder: string;
  let links: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'roomtape-links-'));
    links = join(folder, 'links');
    mkdirSync(join(folder, 'recordings'));
    file = join(folder, 'recordings', 'video.mp4.tmp');
    writeFileSync(file, 'the first bytes');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('it takes no space, and what is appended is in it', async () => {
    const kept = await keepLink(links, 'take_1', file);
    writeFileSync(file, ' and more', { flag: 'a' });
    expect(readFileSync(kept ?? '', 'utf8')).toBe('the first bytes and more');
    expect(statSync(kept ?? '').ino).toBe(statSync(file).ino);
    expect(await keptLinks(links)).toEqual([{ take: 'take_1', path: kept }]);
  });

  test('it is removed while the file has its own name', async () => {
    const kept = (await keepLink(links, 'take_1', file)) ?? '';
    expect(await releaseLink(kept)).toBe(true);
    expect(existsSync(kept)).toBe(false);
    expect(existsSync(file)).toBe(true);
  });

  test('it stays when the recorder deletes the file', async () => {
    const kept = (await keepLink(links, 'take_1', file)) ?? '';
    rmSync(file);
    expect(await releaseLink(kept)).toBe(false);
    expect(readFileSync(kept, 'utf8')).toBe('the first bytes');
  });

  test('a file that was gone before it could be kept is no error', async () => {
    expect(await keepLink(links, 'take_1', join(folder, 'none'))).toBeNull();
  });

  test('a name of 255 bytes is kept', async () => {
    const long = join(folder, 'recordings', `${'ü'.repeat(125)}.mkv`);
    writeFileSync(long, 'x');
    const kept = await keepLink(links, 'take_0123456789abcdefghjkmnpqrs', long);
    expect(await releaseLink(kept ?? '')).toBe(true);
  });
});
