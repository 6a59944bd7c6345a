/**
 * A recorder that gives up and deletes its file, with and without the safety net.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as moment } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { ffmpeg } from '../system/media.ts';
import { Machine } from './roomtape-command.ts';

describe.runIf(process.platform === 'linux')(
  'given a recorder that deletes its growing file',
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'roomtape-net-'));
    let machine: Machine;

    afterEach(async () => {
      await machine.end();
      rmSync(folder, { recursive: true, force: true });
    });

    async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
      for (;;) {
        const found = await look();
        if (found) return found;
        await moment(150);
      }
    }

    test('with keep-link its bytes stay, count once, and can be recovered', async () => {
      const recordings = join(folder, 'recordings');
      mkdirSync(recordings, { recursive: true });
      machine = new Machine({ ROOMTAPE_KEEP_LINK: 'true' });
      await machine.run('watch', 'add', recordings);
      const path = join(recordings, 'talk.mkv');
      const source = 'testsrc2=size=160x90:rate=10';
      const recorder = spawn(ffmpeg.path, [
        ...['-nostdin', '-v', 'quiet', '-re', '-f', 'lavfi', '-i', source, '-g', '10'],
        ...['-cluster_time_limit', '300', '-flush_packets', '1', path],
      ]);
      const links = join(machine.home, 'links');
      const ended = new Promise((resolve) => recorder.once('exit', resolve));
      const kept = await until(async () => {
        const [name] = readdirNames(links);
        return name && statSync(path).size > 20_000 && join(links, name);
      });
      // One file with two names: no byte of it is stored or listed twice.
      expect(statSync(kept).ino).toBe(statSync(path).ino);
      expect((await machine.json('list')).length).toBe(1);

      recorder.kill('SIGKILL');
      await ended;
      rmSync(path);
      const status = await until(async () => {
        const { out } = await machine.run('status');
        return out.includes('its bytes are kept') && out;
      });
      expect(status).toContain(`roomtape recover '${kept}' --out FOLDER`);
      const out = join(folder, 'saved');
      mkdirSync(out);
      const recovered = await machine.run('recover', kept, '--out', out);
      expect([0, 5]).toContain(recovered.code);
      expect(readdirSync(out).some((name) => name.endsWith('.recovered.mkv'))).toBe(true);
      expect(statSync(kept).size).toBeGreaterThan(20_000);
    });
  },
);

function readdirNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
