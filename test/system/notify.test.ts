/** A word on the desktop: what reaches the program that shows it. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { notification, notifyDesktop } from '../../src/system/notify.ts';

describe('given a text from outside', () => {
  const hostile = `--urgency=low "; rm -rf ~ $(reboot) 'x`;

  test('it is never part of a script', () => {
    for (const platform of ['darwin', 'win32'] as const) {
      const { args, env } = notification(platform, 'Roomtape', hostile);
      const script = args[platform === 'darwin' ? 1 : 3];
      expect(script).not.toContain('reboot');
      expect([...args.slice(2), ...Object.values(env)]).toContain(hostile);
    }
  });

  test.runIf(process.platform === 'linux')(
    'notify-send gets it as one word behind --',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'roomtape-notify-'));
      try {
        // Stands where a desktop's own notify-send would be: this machine has no desktop.
        const program = join(folder, 'notify-send');
        writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" > '${folder}/said'\n`);
        chmodSync(program, 0o755);
        expect(
          await notifyDesktop('Disk soon full', hostile, { PATH: `${folder}:/usr/bin:/bin` }),
        ).toBe(true);
        const words = readFileSync(join(folder, 'said'), 'utf8').split('\n');
        expect(words.slice(-4, -1)).toEqual(['--', 'Disk soon full', hostile]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
