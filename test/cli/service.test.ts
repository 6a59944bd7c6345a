/** The daemon at login, put in place and taken away again by the built command. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Machine } from '../story/roomtape-command.ts';

describe.runIf(process.platform === 'linux')('given a person without a running systemd', () => {
  let home: string;
  let machine: Machine;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'roomtape-login-'));
    // No bus and no runtime folder: whatever systemd this machine has, it is not this person's.
    machine = new Machine({
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_RUNTIME_DIR: join(home, 'none'),
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(home, 'none', 'bus')}`,
    });
  });
  afterEach(async () => {
    await machine.end();
    rmSync(home, { recursive: true, force: true });
  });

  test('install puts the unit where the next login finds it, and uninstall takes it away', async () => {
    expect((await machine.run('service', 'status')).code).toBe(1);
    const units = join(home, 'config', 'systemd', 'user');
    const installed = await machine.run('service', 'install');
    expect(installed.code).toBe(0);
    expect(installed.err).toContain('It starts at the next login');
    const unit = readFileSync(join(units, 'default.target.wants', 'roomtape.service'), 'utf8');
    expect(unit).toContain(`ROOMTAPE_HOME=${machine.home}`);
    expect((await machine.run('service', 'status')).code).toBe(0);
    expect((await machine.run('service', 'uninstall')).code).toBe(0);
    expect(existsSync(join(units, 'roomtape.service'))).toBe(false);
    expect(existsSync(join(units, 'default.target.wants', 'roomtape.service'))).toBe(false);
    expect((await machine.run('service', 'status')).code).toBe(1);
  });
});
