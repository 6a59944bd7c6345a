/**
 * Power cuts on real file systems: no acknowledged fact is lost, and a recovered file is there whole or
 * not at all.
 *
 * ROOMTAPE_CUTS sets how many cuts each file system gets (3 in the suite, 50 for the promise).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
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
import { canCutPower, type FileSystem, LoopDisk } from './loop-disk.ts';

const cuts = Number(process.env['ROOMTAPE_CUTS'] ?? 3);
const patience = 60_000 + cuts * 5_000;
const dist = join(mainFile, '..');

/** Appends facts one by one, and says each number once it is acknowledged. */
const writer = `
  import { openCatalogue } from ${JSON.stringify(join(dist, 'catalogue', 'catalogue.js'))};
  const folder = process.argv[1];
  const catalogue = openCatalogue({ path: folder + '/catalogue.db', backups: folder + '/backups', newMachineId: 'm', now: Date.now() });
  for (let n = catalogue.journal.head.seq; ; ) {
    catalogue.transaction(() => { n = catalogue.journal.append([{ at: 1, type: 'fact', session: null, body: { n } }]).seq; });
    process.stdout.write(n + '\\n');
  }`;

/** What the catalogue holds after the cut: its last entry, and whether its chain is sound. */
const reader = `
  import { openCatalogue } from ${JSON.stringify(join(dist, 'catalogue', 'catalogue.js'))};
  const folder = process.argv[1];
  const catalogue = openCatalogue({ path: folder + '/catalogue.db', backups: folder + '/backups', newMachineId: 'm', now: Date.now() });
  console.log(catalogue.journal.head.seq);
  catalogue.close();`;

function node(code: string, ...argv: string[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', code, ...argv]);
}

async function lastLine(
  child: ChildProcess,
): Promise<{ last: () => number; first: Promise<unknown> }> {
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text = (text + chunk).slice(-200);
  });
  const last = () => Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? 0);
  return { last, first: once(child.stdout ?? child, 'data') };
}

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
        const child = node(writer, disk.path);
        const ended = once(child, 'close');
        const { last, first } = await lastLine(child);
        await first;
        await aWhile(400);
        // What is acknowledged when the power goes; what comes after may or may not be there.
        const acknowledged = last();
        disk.cutPower();
        child.kill('SIGKILL');
        await ended;
        disk.comeBack();
        const look = spawnSync(process.execPath, ['--input-type=module', '-e', reader, disk.path], {
          encoding: 'utf8',
        });
        expect(look.stderr).toBe('');
        expect(Number(look.stdout)).toBeGreaterThanOrEqual(acknowledged);
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
  );
});
