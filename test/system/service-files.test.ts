/** The files that make the daemon start at login, as each system reads them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { serviceCommands, serviceFile } from '../../src/system/service-files.ts';

const program = {
  node: '/usr/bin/node',
  script: '/home/ada/my apps/100%/$x/"q"/main.js',
  home: '/home/ada/.local/share/room & tape',
};

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).error === undefined;

describe('given the daemon at login', () => {
  test('systemd gets a user unit whose words survive its quoting', () => {
    const file = serviceFile('systemd', program, '/home/ada', 'ada');
    expect(file.path).toBe('/home/ada/.config/systemd/user/roomtape.service');
    expect(file.text).toContain(
      'ExecStart="/usr/bin/node" "--max-semi-space-size=1" "/home/ada/my apps/100%%/$$x/\\"q\\"/main.js" "daemon" "run"',
    );
    expect(file.text).toContain('Environment="ROOMTAPE_HOME=/home/ada/.local/share/room & tape"');
    expect(file.text).toContain('KillMode=process');
    expect(file.text).toContain('WantedBy=default.target');
  });

  test.runIf(hasAnalyze)('systemd-analyze finds nothing wrong with it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'roomtape-unit-'));
    try {
      const { text } = serviceFile(
        'systemd',
        { node: process.execPath, script: '/tmp/main.js', home: '/tmp/room tape' },
        '/root',
        'root',
      );
      const path = join(folder, 'roomtape.service');
      writeFileSync(path, text);
      const run = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
      const own = run.stderr.split('\n').filter((line) => line.includes('roomtape.service'));
      expect(own).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('launchd gets an agent that comes back after a crash and stays down when stopped', () => {
    const file = serviceFile('launchd', program, '/Users/ada', 'ada');
    expect(file.path).toBe('/Users/ada/Library/LaunchAgents/app.roomtape.daemon.plist');
    expect(file.text).toContain('<string>/home/ada/.local/share/room &amp; tape</string>');
    expect(file.text).toMatch(/<key>SuccessfulExit<\/key>\s*<false\/>/);
    expect(serviceCommands('launchd', 'install', file.path, 501)).toEqual([
      ['launchctl', 'bootstrap', 'gui/501', file.path],
    ]);
  });

  test('Task Scheduler gets a task without time limit that runs on battery', () => {
    const windows = {
      node: 'C:\\Program Files\\nodejs\\node.exe',
      script: 'C:\\Users\\ada\\roomtape\\dist\\main.js',
      home: 'C:\\Users\\ada\\AppData\\Local\\roomtape\\Data',
    };
    const file = serviceFile('task-scheduler', windows, 'C:\\Users\\ada', 'ACME\\ada');
    expect(file.encoding).toBe('utf16le');
    expect(file.text).toContain('<UserId>ACME\\ada</UserId>');
    expect(file.text).toContain('<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>');
    expect(file.text).toContain('<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>');
    expect(file.text).toContain('&quot;C:\\Program Files\\nodejs\\node.exe&quot;');
  });
});
