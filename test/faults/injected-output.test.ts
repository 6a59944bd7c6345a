/**
 * A disk that fails under what a command writes: it is said, nothing half is left, nothing that was
 * there is lost.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathsOf } from '../../src/system/paths.ts';
import { Ground } from './daemon-under-fault.ts';
import { callsOn, canInject, runInjected } from './failing-disk.ts';

const fixture = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds', 'h264-aac.mkv');

describe.runIf(canInject())('given a disk that fails', () => {
  let ground: Ground;
  let recording: string;

  const run = (words: readonly string[], injections: readonly string[], trace?: string) =>
    runInjected(words, injections, trace, {
      ...process.env,
      ROOMTAPE_HOME: ground.machine.home,
    });

  function expectTold({ status, stderr }: ReturnType<typeof run>, told: string): void {
    expect(stderr, told).toMatch(/^roomtape: /m);
    expect(stderr, told).toMatch(/^next: /m);
    expect(stderr, told).not.toMatch(/ at .*\.js:\d+/);
    expect(status, told).toBe(1);
  }

  beforeAll(async () => {
    ground = await Ground.open();
    await ground.session();
    await ground.machine.json('record', '--as', 'Ada', '--room', '1');
    copyFileSync(fixture, ground.path('evening.mkv'));
    const { id } = await ground.indexed(ground.path('evening.mkv'));
    const found = (await ground.recordings()).find(({ takes }) =>
      takes.some((one) => one.id === id),
    );
    recording = found?.id ?? '';
  }, 60_000);
  afterAll(() => ground.end());

  test.each([
    ['the key', (out: string) => ['identity', 'export', out], 'fsync'],
    ['the audit trail', (out: string) => ['audit', '--file', out], 'fsync'],
    ['the list', (out: string) => ['export', '--out', out], 'fsync'],
    [
      'the evidence',
      (out: string) => ['export', recording, '--evidence', '--out', out],
      'copy_file_range,sendfile',
    ],
  ])('when %s is written and the disk is full, then no part of it is left', (_, words, calls) => {
    const out = join(ground.machine.home, words('').filter(Boolean).join('-'));
    const failed = run(words(out), [`${calls}:error=ENOSPC`]);
    expectTold(failed, failed.stderr);
    expect(failed.stderr).toContain(out);
    expect(existsSync(out)).toBe(false);
    const written = run(words(out), []);
    expect(written.status, written.stderr).toBe(0);
    expect(existsSync(out)).toBe(true);
    const again = run(words(out), []);
    expectTold(again, again.stderr);
    expect(again.stderr).toContain('exists already');
  });

  test('when the catalogue is restored and a call fails, then the one before is still there, and whole', async () => {
    await ground.machine.run('down');
    const { home } = ground.machine;
    const { catalogue } = pathsOf(home);
    const trace = join(home, 'trace');
    expect(run(['catalogue', 'restore'], [], trace).status).toBe(0);
    const all = callsOn(home, trace);
    const writes = all.filter(({ call }) => call === 'pwrite64');
    const calls = [
      ...all.filter(({ call }) => call === 'rename' || call === 'link'),
      ...[0, 0.5, 0.9].flatMap((part) => writes[(part * writes.length) | 0] ?? []),
    ];
    let failures = 0;
    for (const { call, nth } of calls) {
      const before = readdirSync(home).sort();
      const failed = run(['catalogue', 'restore'], [`${call}:error=EIO:when=${nth}`]);
      expect((await ground.machine.run('catalogue', 'check')).code, `${call} ${nth}`).toBe(0);
      // A file system that cannot link is no failure: the file is renamed instead.
      if (failed.status === 0) continue;
      failures += 1;
      expectTold(failed, `${call} ${nth}: ${failed.stderr}`);
      expect(readFileSync(catalogue).subarray(0, 15).toString()).toBe('SQLite format 3');
      expect(
        readdirSync(home)
          .sort()
          .filter((name) => !/-wal$|-shm$/.test(name)),
        call,
      ).toEqual(before.filter((name) => !/-wal$|-shm$/.test(name)));
    }
    expect(failures).toBeGreaterThan(0);
    expect(await ground.machine.json('list')).toBeTruthy();
  }, 90_000);
});
