/**
 * A daemon that is killed again and again in a busy evening: ten times in the suite, as often as
 * `ROOMTAPE_KILLS` says otherwise (1,000 for the promise; it then tells how far it came).
 */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { TakeView } from '../../src/api/recording-routes.ts';
import { Ground, sha256, unlessKilled, until } from './daemon-under-fault.ts';
import { Replay, recordedMkv, recordedMp4 } from './replay.ts';

const kills = Number(process.env['ROOMTAPE_KILLS'] ?? 10);
const people = ['Ada', 'Bo', 'Cleo', 'Dan'];
const whole = readFileSync(
  join(import.meta.dirname, '..', '..', 'fixtures', 'isobmff', 'h264-3aac.mp4'),
);
const kinds = [recordedMp4(whole), recordedMkv(), recordedMp4(whole)];

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** So that a file or two end with each kill: every one is diagnosed, repaired and decoded. */
const endChance = kills > 20 ? 0.05 : 0.3;

/** A daemon in the foreground, once it answers. */
async function startDaemon(ground: Ground): Promise<ChildProcess> {
  const daemon = ground.machine.start('daemon', 'run');
  await until(() => unlessKilled(async () => ground.client.call('daemon.hello', {})).then(Boolean));
  return daemon;
}

/** Every take at the end of its journey. However slow the machine is: it hangs when nothing moves. */
async function allIndexed(ground: Ground, files: readonly string[]): Promise<TakeView[]> {
  for (let before = ''; ; ) {
    const moved = await until(async () => {
      const found = await ground.takes();
      const known = files.filter((path) => found.some((take) => take.path === path)).length;
      const stages = found
        .map(({ id, stage }) => `${id} ${stage}`)
        .sort()
        .join();
      const done = known === files.length && found.every(({ stage }) => stage === 'indexed');
      return (done || stages !== before) && { done, stages, found };
    }, 180_000);
    if (moved.done) return moved.found;
    before = moved.stages;
  }
}

/** What one person's last acknowledged command was. */
type Told = 'recording' | 'paused' | 'stopped';

describe('given an evening of four people, with a daemon that is killed at random moments', () => {
  test(
    'no acknowledged command is lost, no file is lost or done twice, every original keeps its hash',
    async () => {
      const ground = await Ground.open();
      ended.push(() => ground.end());
      await ground.session();
      await ground.machine.json('participant', 'add', 'Bo', 'Cleo', 'Dan');
      await ground.machine.json('grant', '--all', '--room', 'all', '--for', '8h');
      // What was recorded before the evening: repairs learn from it.
      const earlier = ground.path('earlier.mp4');
      writeFileSync(earlier, whole);
      await ground.indexed(earlier);
      await ground.machine.json('down');
      const told = new Map<string, Told>();
      const acknowledged = new Map<string, number>();
      const recorders = new Map<string, Replay>();
      const files: string[] = [ground.path('earlier.mp4')];
      const hashes = new Map(
        files.map((path) => [path, createHash('sha256').update(whole).digest('hex')]),
      );
      const command = async (name: string, type: 'record' | 'pause' | 'resume' | 'stop') => {
        const answer = await unlessKilled(() =>
          ground.client.call('session.do', {
            as: name,
            command: type === 'record' ? { type, room: '1' } : { type },
          } as never),
        );
        return answer !== null;
      };
      /** One thing that one person or recorder does. */
      const happen = async () => {
        const name = people[Math.floor(Math.random() * people.length)] ?? 'Ada';
        const recorder = recorders.get(name);
        if (recorder) {
          recorder.write(5_000);
          if (Math.random() < endChance) {
            if (Math.random() < 0.5) recorder.stop();
            else recorder.crash();
            recorders.delete(name);
            hashes.set(recorder.path, sha256(recorder.path));
          }
        } else {
          const recorded = kinds[files.length % kinds.length] ?? recordedMkv();
          const path = ground.path(`${name} ${files.length}${recorded.extension}`);
          files.push(path);
          recorders.set(name, new Replay(path, recorded));
          if (
            told.get(name) !== 'recording' &&
            (await command(name, 'record').catch(() => false))
          ) {
            told.set(name, 'recording');
            acknowledged.set(name, (acknowledged.get(name) ?? 0) + 1);
          }
        }
        if (told.get(name) === 'recording' && Math.random() < 0.2) {
          if (await command(name, 'stop').catch(() => false)) told.set(name, 'stopped');
        }
      };
      let daemon = await startDaemon(ground);
      for (let n = 1; n <= kills; n += 1) {
        const at = performance.now() + Math.random() * 500;
        const killing = new Promise<void>((resolve) => {
          setTimeout(() => {
            daemon.kill('SIGKILL');
            resolve();
          }, at - performance.now());
        });
        while (performance.now() < at) {
          await happen();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await killing;
        daemon = await startDaemon(ground);
        if (n % 50 === 0) console.log(`${n} kills, ${files.length} files`);
      }
      for (const recorder of recorders.values()) {
        recorder.crash();
        hashes.set(recorder.path, sha256(recorder.path));
      }
      const takes = await allIndexed(ground, files);
      expect(takes.map(({ path }) => path).sort()).toEqual([...files].sort());
      for (const { path, sha256: known } of takes) {
        expect(sha256(path)).toBe(hashes.get(path));
        if (known !== null) expect(known).toBe(hashes.get(path));
      }
      const outputs = readdirSync(ground.watched).filter(
        (name) => !files.includes(ground.path(name)),
      );
      const recovered = takes.flatMap(({ recoveredPath }) =>
        recoveredPath ? [recoveredPath] : [],
      );
      expect(outputs.map((name) => ground.path(name)).sort()).toEqual(
        [...new Set(recovered)].sort(),
      );
      const recordings = await ground.recordings();
      for (const [name, count] of acknowledged) {
        const own = recordings.filter(({ participant }) => participant?.name === name);
        expect(own.length).toBeGreaterThanOrEqual(count);
      }
      expect((await ground.machine.run('catalogue', 'check')).code).toBe(0);
    },
    300_000 + kills * 30_000,
  );
});
