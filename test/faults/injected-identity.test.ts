/**
 * A disk that fails while a key is written: the command says so, half a key is never left, and the key
 * that others know stays the key.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Machine } from '../story/roomtape-command.ts';
import { canInject } from './failing-disk.ts';

/** The daemon's own writing of its key is answered with errors until the returned process ends. */
async function failing(machine: Machine, injection: string): Promise<ChildProcess> {
  const [call = ''] = injection.split(':', 1);
  const key = join(machine.home, 'keys', 'identity.pem.partial');
  const words = [
    '-f',
    '-P',
    key,
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${injection}`,
    '-o',
    '/dev/null',
  ];
  const strace = spawn('strace', [...words, '-p', String(await machine.daemonPid())]);
  let told = '';
  for await (const chunk of strace.stderr) {
    told += chunk;
    if (told.includes('attached')) return strace;
  }
  throw new Error(`strace: ${told}`);
}

async function stopped(strace: ChildProcess): Promise<void> {
  const ended = once(strace, 'exit');
  strace.kill('SIGINT');
  await ended;
}

const faults = [['write:error=ENOSPC'], ['fsync:error=EIO'], ['rename:error=EROFS']] as const;

describe.runIf(canInject())('given a disk that fails while a key is written', () => {
  let machine: Machine;
  const key = async () => (await machine.json<{ key: string }>('identity', 'show'))[0]?.key;
  const files = () => readdirSync(join(machine.home, 'keys'));

  beforeEach(async () => {
    machine = new Machine();
    await machine.json('up');
  });
  afterEach(() => machine.end());

  test.each(faults)(
    'when the first key meets %s, then none is left, and the next try makes it',
    async (fault) => {
      const strace = await failing(machine, fault);
      const { code, err } = await machine.run('identity', 'show');
      await stopped(strace);
      expect(err).toMatch(/^roomtape: .*(ENOSPC|EIO|EROFS)/m);
      expect(err).toMatch(/^next: /m);
      expect(err).not.toMatch(/ at .*\.js:\d+/);
      expect(code).toBe(1);
      expect(files()).toEqual([]);
      expect(await key()).toMatch(/^[\w-]{43}$/);
      expect(files()).toEqual(['identity.pem']);
    },
  );

  test.each(faults)('when a new key meets %s, then the old one stays the key', async (fault) => {
    const before = await key();
    const strace = await failing(machine, fault);
    const { code, err } = await machine.run('identity', 'rotate');
    await stopped(strace);
    expect(err).toMatch(/^roomtape: /m);
    expect(code).toBe(1);
    expect(files().filter((name) => name.includes('partial'))).toEqual([]);
    expect(await key()).toBe(before);
    expect((await machine.run('identity', 'rotate')).code).toBe(0);
    expect(await key()).not.toBe(before);
  });
});
