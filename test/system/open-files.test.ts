/**
 * Who writes to a file, asked of the real system.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { identityKey, writersInLsof, writersOf } from '../../src/system/open-files.ts';

function identityOf(path: string) {
  const stats = statSync(path, { bigint: true });
  return { device: String(stats.dev), inode: String(stats.ino) };
}

describe.runIf(process.platform === 'linux')('given a file that another process holds open', () => {
  test('its writer is named, a reader is not, and after its death nobody is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roomtape-open-'));
    const written = join(folder, 'written.mp4');
    const read = join(folder, 'read.mp4');
    for (const path of [written, read]) writeFileSync(path, 'x');
    const script = 'exec 3>>"$1" 4<"$2"; echo ready; read line';
    const holder = spawn('bash', ['-c', script, 'holder', written, read]);
    await once(holder.stdout, 'data');
    const files = [identityOf(written), identityOf(read)];
    const writers = await writersOf(files);
    if (writers === 'unknown') throw new Error('Linux can tell');
    expect(writers.get(identityKey(identityOf(written)))).toEqual([
      { pid: holder.pid, command: 'bash' },
    ]);
    expect(writers.has(identityKey(identityOf(read)))).toBe(false);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(await writersOf(files)).toEqual(new Map());
    rmSync(folder, { recursive: true });
  });
});

describe('given what lsof prints', () => {
  test('files opened for writing or updating are told from files opened for reading', () => {
    const text =
      'p71\ncobs\nf5\naw\nD0x10\ni900\nf6\nar\nD0x10\ni901\np72\ncQuickTime\nf3\nau\nD0x10\ni902\n';
    const writers = writersInLsof(text, new Set(['16:900', '16:901', '16:902']));
    expect([...writers]).toEqual([
      ['16:900', [{ pid: 71, command: 'obs' }]],
      ['16:902', [{ pid: 72, command: 'QuickTime' }]],
    ]);
  });
});
