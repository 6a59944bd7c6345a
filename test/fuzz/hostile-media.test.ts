/**
 * Files made to hurt, of every container: each is answered in bounded time and memory, by the readers
 * and by the command.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../src/container/bytes.ts';
import { recogniseFormat } from '../../src/container/formats.ts';
import { mainFile } from '../story/roomtape-command.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';
import { hostileFiles } from './hostile-media.ts';
import { readAll } from './readers.ts';

const files = hostileFiles();
const containers = [
  'mp4',
  'matroska',
  'ogg',
  'wav',
  'avi',
  'aiff',
  'flv',
  'mpegts',
  'flac',
  'mp3',
  'adts',
  'zoom',
];

describe('given files that are made to hurt', () => {
  test('every container has some', () => {
    const seen = files.map(({ bytes }) => recogniseFormat(memorySource(bytes))?.containers ?? []);
    expect(seen.flat()).toEqual(expect.arrayContaining(containers));
  });

  test.each(files.map(({ name, bytes }) => [name, bytes] as const))(
    '“%s” is diagnosed and planned within 2 s',
    (_, bytes) => {
      const before = process.cpuUsage();
      expect(readAll(bytes, null)).toBeNull();
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1e6).toBeLessThan(2);
    },
  );

  test.each(['inspect', 'recover'])(
    '“roomtape %s” answers for all of them with a defined code, no stack trace and less than 256 MB',
    (word) => {
      const folder = temporaryFolder('hostile-media');
      const paths = files.map(({ name, bytes }) => {
        writeFileSync(join(folder, name), bytes);
        return join(folder, name);
      });
      const peak = join(folder, 'peak.mjs');
      writeFileSync(
        peak,
        "process.on('exit', () => console.error('peak', process.resourceUsage().maxRSS));",
      );
      const argv = ['--import', peak, mainFile, word, ...paths];
      const ended = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 120_000 });
      expect([0, 5], ended.stderr).toContain(ended.status);
      expect(ended.stderr).not.toMatch(/ at .*\.js:\d+|heap|unexpected/i);
      for (const { name } of files) expect(ended.stdout + ended.stderr).toContain(name);
      const peaks = [...ended.stderr.matchAll(/^peak (\d+)$/gm)].map(([, kB]) => Number(kB));
      expect(Math.max(...peaks)).toBeGreaterThan(30_000);
      // Node and our code take some 70 MB before the first byte is read.
      expect(Math.max(...peaks)).toBeLessThan(326_000);
    },
    130_000,
  );
});
