/**
 * Files that change under Roomtape's eyes: renamed, replaced, truncated and written on while they are
 * diagnosed, repaired and hashed.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Ground, sha256, until } from './daemon-under-fault.ts';
import { recordedMp4 } from './replay.ts';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures');
const whole = readFileSync(join(fixtures, 'isobmff', 'h264-3aac.mp4'));
const torn = recordedMp4(whole).running;

const opened: Ground[] = [];
afterEach(async () => {
  for (const ground of opened.splice(0)) await ground.end();
});

/** Waits a little less or more each time, so that each step of the journey is met. */
const moments = [0, 20, 60, 120, 250, 500, 900, 1_400];

describe('given files that change while they are diagnosed and repaired', () => {
  test('each ends as one take that tells of the file as it is now', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    writeFileSync(ground.path('reference.mp4'), whole);
    await ground.indexed(ground.path('reference.mp4'));
    const expected = new Map<string, Buffer>();
    for (const [n, ms] of moments.entries()) {
      for (const name of ['renamed', 'replaced', 'truncated', 'appended']) {
        writeFileSync(ground.path(`${name} ${n}.mp4`), torn.subarray(0, 60_000));
      }
      await new Promise((resolve) => setTimeout(resolve, ms));
      const last = moments.length - 1;
      renameSync(ground.path(`renamed ${last === n ? n : n}.mp4`), ground.path(`moved ${n}.mp4`));
      writeFileSync(ground.path(`.new ${n}`), whole);
      renameSync(ground.path(`.new ${n}`), ground.path(`replaced ${n}.mp4`));
      truncateSync(ground.path(`truncated ${n}.mp4`), 40_000);
      appendFileSync(ground.path(`appended ${n}.mp4`), torn.subarray(60_000));
      expected.set(ground.path(`moved ${n}.mp4`), torn.subarray(0, 60_000));
      expected.set(ground.path(`replaced ${n}.mp4`), whole);
      expected.set(ground.path(`truncated ${n}.mp4`), torn.subarray(0, 40_000));
      expected.set(ground.path(`appended ${n}.mp4`), torn);
    }
    // Once more when all of them have long settled.
    for (const [path, bytes] of expected) {
      const take = await until(async () => {
        const takes = (await ground.takes()).filter((one) => one.path === path);
        return takes.find(
          (one) => one.stage === 'indexed' && one.sha256 === sha256(path) && one.verdict !== '',
        );
      }, 60_000);
      expect(readFileSync(path).equals(bytes)).toBe(true);
      expect(take.verdict).toBe(bytes === whole ? 'whole' : 'interrupted');
      if (bytes !== whole) expect(existsSync(take.recoveredPath ?? '')).toBe(true);
    }
    const there = (await ground.takes()).filter(({ path }) => expected.has(path));
    expect(there.map(({ path }) => path).sort()).toEqual([...expected.keys()].sort());
    expect(readdirSync(ground.watched).filter((name) => name.endsWith('.partial'))).toEqual([]);
  }, 120_000);

  test('files renamed at every step of their journey are repaired under their new names', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    writeFileSync(ground.path('reference.mp4'), whole);
    await ground.indexed(ground.path('reference.mp4'));
    // Of so many the last ones wait, diagnosed, for the repair of others, one of which is going on.
    const numbers = Array.from({ length: 12 }, (_, n) => n);
    for (const n of numbers) writeFileSync(ground.path(`${n}.mp4`), torn);
    const waiting = await until(async () => {
      const found = (await ground.takes()).filter(({ stage }) => stage !== 'indexed');
      const isRepaired = found.length < numbers.length - 2;
      return isRepaired && found.filter(({ stage }) => stage === 'diagnosed').length >= 3 && found;
    });
    for (const { path } of waiting) renameSync(path, `${path.slice(0, -4)} moved.mp4`);
    for (const { path, id } of waiting) {
      const moved = `${path.slice(0, -4)} moved.mp4`;
      const take = await ground.indexed(moved);
      expect(take.id).toBe(id);
      expect(take.sha256).toBe(sha256(moved));
      expect(existsSync(take.recoveredPath ?? '')).toBe(true);
    }
  }, 90_000);

  test('a file deleted in the middle of its repair leaves no half of a new one', async () => {
    const ground = await Ground.open();
    opened.push(ground);
    writeFileSync(ground.path('reference.mp4'), whole);
    await ground.indexed(ground.path('reference.mp4'));
    for (const [n, ms] of moments.entries()) {
      const path = ground.path(`gone ${n}.mp4`);
      writeFileSync(path, torn);
      await until(async () => (await ground.takes()).some((take) => take.path === path));
      await new Promise((resolve) => setTimeout(resolve, 5_000 / moments.length + ms));
      rmSync(path);
    }
    await until(async () => (await ground.takes()).every(({ stage }) => stage === 'indexed'));
    for (const name of readdirSync(ground.watched)) expect(name).toMatch(/\.mp4$/);
  }, 60_000);
});
