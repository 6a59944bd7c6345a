/**
 * Power cuts on real file systems: no acknowledged fact is lost, and a recovered file is there whole or
 * not at all.
 *
 * ROOMTAPE_CUTS sets how many cuts each file system gets (2 in the suite, 50 for the promise).
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mainFile } from '../story/roomtape-command.ts';
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { FactWriter, lastFact } from './fact-writer.ts';
import { canCutPower, type FileSystem, LoopDisk } from './loop-disk.ts';

const cuts = Number(process.env['ROOMTAPE_CUTS'] ?? 2);
const patience = 60_000 + cuts * 20_000;

const aWhile = (most: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * most));
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe.each<FileSystem>(['ext4', 'xfs'])('given a power cut on %s', (fileSystem) => {
  const possible = canCutPower(fileSystem);
  const media = mkdtempSync(join(tmpdir(), 'roomtape-cut-'));
  let disk: LoopDisk | undefined;

  beforeAll(() => {
    if (possible) disk = new LoopDisk(fileSystem);
  });
  afterAll(() => {
    disk?.remove();
    rmSync(media, { recursive: true, force: true });
  });

  test.runIf(possible)(
    'no acknowledged fact is lost',
    async () => {
      if (!disk) throw new Error('no disk');
      for (let cut = 0; cut < cuts; cut += 1) {
        const writer = new FactWriter(disk.path);
        await writer.begun();
        await aWhile(400);
        // What is acknowledged when the power goes; what comes after may or may not be there.
        const acknowledged = writer.last;
        disk.cutPower();
        await writer.kill();
        disk.comeBack();
        expect(lastFact(disk.path)).toBeGreaterThanOrEqual(acknowledged);
      }
    },
    patience,
  );

  test.runIf(possible)(
    'a recovered file is whole or not there, and the original is intact',
    async () => {
      if (!disk) throw new Error('no disk');
      const whole = join(media, 'whole.mp4');
      runFfmpeg(...pictureAndTone(12), ...h264AndAac, '-b:v', '3M', whole);
      const original = join(disk.path, 'take.mp4');
      copyFileSync(whole, original);
      truncateSync(original, Math.floor(readFileSync(whole).length * 0.8));
      spawnSync('sync', ['-f', disk.path]);
      const before = sha256(original);
      const output = join(disk.path, 'take.recovered.mp4');
      const recover = ['recover', original, '--reference', whole, '--no-verify', '--overwrite'];
      expect(spawnSync(process.execPath, [mainFile, ...recover]).status).toBe(0);
      const good = sha256(output);
      for (let cut = 0; cut < cuts; cut += 1) {
        rmSync(output, { force: true });
        spawnSync('sync', ['-f', disk.path]);
        const child = spawn(process.execPath, [mainFile, ...recover]);
        const ended = once(child, 'close');
        await aWhile(900);
        disk.cutPower();
        child.kill('SIGKILL');
        await ended;
        disk.comeBack();
        expect(sha256(original)).toBe(before);
        if (existsSync(output)) expect(sha256(output)).toBe(good);
      }
      // The next run cleans up what the cut ones left.
      expect(spawnSync(process.execPath, [mainFile, ...recover]).status).toBe(0);
      expect(sha256(output)).toBe(good);
      const left = readdirSync(disk.path).filter((name) => name.includes('partial'));
      expect(left).toEqual([]);
    },
    patience,
  );
});
