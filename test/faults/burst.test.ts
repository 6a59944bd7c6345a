/**
 * Thousands of files at once: 2,500 in the suite, 10,000 by `ROOMTAPE_BURST=10000`.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Ground, until } from './daemon-under-fault.ts';

const count = Number(process.env['ROOMTAPE_BURST'] ?? 2_500);
const probe = join(import.meta.dirname, '..', 'bench', 'loop-probe.mjs');

const opened: Ground[] = [];
afterEach(async () => {
  for (const ground of opened.splice(0)) await ground.end();
});

/** Asks the probe in the daemon how long its loop stalled since the last time. */
async function longestStall(pid: number, file: string): Promise<number> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until(() => existsSync(file));
  return (JSON.parse(readFileSync(file, 'utf8')) as { most: number }).most;
}

describe('given thousands of files created in a burst', () => {
  test('each becomes one take, none is missing, and the daemon answers meanwhile', async () => {
    const stalls = join(mkdtempSync(join(tmpdir(), 'roomtape-probe-')), 'stalls');
    const ground = await Ground.open({
      NODE_OPTIONS: `--import ${probe}`,
      ROOMTAPE_PROBE: stalls,
    });
    opened.push(ground);
    const pid = await ground.machine.daemonPid();
    await longestStall(pid, stalls);
    for (let folder = 0; folder < 20; folder += 1) mkdirSync(ground.path(`room ${folder}`));
    for (let n = 0; n < count; n += 1) {
      writeFileSync(join(ground.path(`room ${n % 20}`), `take ${n}.mkv`), '');
    }
    const known = async () => {
      const paths = (await ground.takes()).map(({ path }) => path);
      return paths.length >= count && paths;
    };
    const paths = await until(known, 90_000);
    expect(new Set(paths).size).toBe(count);
    expect(paths.length).toBe(count);
    // A quarter of a second on an idle machine; test machines are busy.
    expect(await longestStall(pid, stalls)).toBeLessThan(1_500);
  }, 120_000);
});
