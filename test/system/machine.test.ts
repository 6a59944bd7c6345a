/** Facts about the machine, from the tables that real systems show. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  fileSystemOf,
  folderFacts,
  linuxBattery,
  mountOf,
  syncServiceOf,
} from '../../src/system/machine.ts';

const mounts = `/dev/sda1 / ext4 rw 0 0
tmpfs /run/user/1000 tmpfs rw 0 0
nas:/export/My\\040Videos /home/ada/My\\040Videos nfs4 rw,vers=4.2 0 0
//srv/share /mnt/share cifs rw 0 0
ada@host: /home/ada/remote fuse.sshfs rw 0 0
`;

describe('given a machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-machine-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('the mount that a path lies on is the longest that leads to it', () => {
    expect(mountOf('/home/ada/Videos', mounts)).toBe('ext4');
    expect(mountOf('/home/ada/My Videos/2026', mounts)).toBe('nfs4');
    expect(mountOf('/home/ada/My Videos 2', mounts)).toBe('ext4');
    expect(mountOf('/home/ada/remote', mounts)).toBe('fuse.sshfs');
    expect(mountOf('/', '')).toBeNull();
  });

  test.runIf(process.platform !== 'win32')('shares are told from disks', async () => {
    expect(await fileSystemOf('/mnt/share', mounts)).toEqual({ type: 'cifs', isNetwork: true });
    expect((await fileSystemOf('/home/ada/remote', mounts))?.isNetwork).toBe(true);
    expect((await fileSystemOf('/nowhere', mounts))?.isNetwork).toBe(false);
    expect((await fileSystemOf('\\\\srv\\share\\x'))?.isNetwork).toBe(true);
  });

  test('folders of cloud services are known by their places', () => {
    const home = '/home/ada';
    const service = (path: string, env = {}) => syncServiceOf(path, env, home);
    expect(service('/home/ada/OneDrive/Документи/Zoom')).toBe('OneDrive');
    expect(service('/home/ada/OneDrive - Acme/Zoom')).toBe('OneDrive');
    expect(service('/elsewhere/od/Zoom', { OneDrive: '/elsewhere/od' })).toBe('OneDrive');
    expect(service('/elsewhere/odd', { OneDrive: '/elsewhere/od' })).toBeNull();
    expect(service('/home/ada/Library/Mobile Documents/x')).toBe('iCloud Drive');
    expect(service('/home/ada/Dropbox/Recordings')).toBe('Dropbox');
    expect(service('/home/ada/Videos')).toBeNull();
  });

  test('a battery that empties is found, a mouse and a charger are not', () => {
    const supply = (name: string, values: Record<string, string>) => {
      mkdirSync(join(folder, 'power', name), { recursive: true });
      for (const [key, value] of Object.entries(values)) {
        writeFileSync(join(folder, 'power', name, key), `${value}\n`);
      }
    };
    const power = join(folder, 'power');
    expect(linuxBattery(power)).toBeNull();
    supply('AC', { type: 'Mains', online: '0' });
    supply('hidpp', { type: 'Battery', scope: 'Device', status: 'Discharging', capacity: '5' });
    supply('BAT0', { type: 'Battery', status: 'Charging', capacity: '77' });
    expect(linuxBattery(power)).toBeNull();
    supply('BAT0', { status: 'Discharging' });
    expect(linuxBattery(power)).toEqual({ percent: 77 });
  });

  test('a folder tells whether it is there, can be written to, and its room', async () => {
    expect(await folderFacts(folder)).toMatchObject({ exists: true, writable: true });
    expect((await folderFacts(folder)).freeBytes).toBeGreaterThan(0);
    expect(await folderFacts(join(folder, 'none'))).toEqual({
      exists: false,
      writable: null,
      freeBytes: null,
    });
  });
});
