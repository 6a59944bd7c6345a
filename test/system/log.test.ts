/**
 * The daemon's log: lines of JSON in files that stay small.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openLog } from '../../src/system/log.ts';
import { lastLines } from '../../src/system/log-reader.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-log-'));
  folders.push(folder);
  return folder;
}

describe('given a log', () => {
  test('when far more is written than it may hold, then the oldest goes and no line is torn', () => {
    const folder = freshFolder();
    const path = join(folder, 'daemon.log');
    const log = openLog(path, 'info');
    const long = 'x'.repeat(100_000);
    for (let n = 0; n < 300; n++) log.info({ n, long }, 'a line');
    log.close();
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    expect(sizes.length).toBeLessThanOrEqual(5);
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(25_000_000);
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).n).at(-1)).toBe(299);
  });

  test('passwords and lines are not written down, and its file is private', () => {
    const path = join(freshFolder(), 'daemon.log');
    const log = openLog(path, 'info');
    log.info(
      { password: 'hunter2', obs: { password: 'hunter2' }, line: 'rt1.secret' },
      'connected',
    );
    log.debug('too fine');
    log.close();
    const text = readFileSync(path, 'utf8');
    expect(text).not.toMatch(/hunter2|rt1\.secret|too fine/);
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  test('its last lines are read without reading all of it; without a log there are none', () => {
    const path = join(freshFolder(), 'daemon.log');
    expect(lastLines(path, 5)).toEqual({ lines: [], end: 0 });
    const log = openLog(path, 'info');
    for (let n = 0; n < 20_000; n++) log.info({ n }, 'a line');
    log.close();
    const { lines, end } = lastLines(path, 3);
    expect(lines.map((line) => JSON.parse(line).n)).toEqual([19_997, 19_998, 19_999]);
    expect(end).toBe(statSync(path).size);
  });
});
