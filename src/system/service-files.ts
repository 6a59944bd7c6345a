/**
 * What makes the daemon run at login: a systemd user unit, a launchd agent, or a task of Windows'
 * Task Scheduler. Templates only; cli/service.ts puts them in place.
 *
 * No library does this well for all three, and each file is a page.
 */
import { posix, win32 } from 'node:path';
import { leanNode } from './lean-node.ts';

export interface ServiceProgram {
  /** The Node.js that runs now, by its full path: a login has another PATH than a terminal. */
  readonly node: string;
  /** dist/main.js of this installation. */
  readonly script: string;
  /** The data folder. */
  readonly home: string;
}

export interface ServiceFile {
  readonly path: string;
  readonly text: string;
  /** Bytes on disk: Task Scheduler reads UTF-16 with a byte order mark. */
  readonly encoding: 'utf8' | 'utf16le';
}

export type ServiceSystem = 'systemd' | 'launchd' | 'task-scheduler';

export const serviceName = 'roomtape';
const launchdLabel = 'app.roomtape.daemon';

/** Which of the three this system has; null for none. */
export function serviceSystem(platform: NodeJS.Platform): ServiceSystem | null {
  if (platform === 'linux') return 'systemd';
  if (platform === 'darwin') return 'launchd';
  return platform === 'win32' ? 'task-scheduler' : null;
}

/**
 * The file that describes the service.
 *
 * @param userHome  the person's home folder
 * @param account   `DOMAIN\name` on Windows, unused elsewhere
 */
export function serviceFile(
  system: ServiceSystem,
  program: ServiceProgram,
  userHome: string,
  account: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): ServiceFile {
  switch (system) {
    case 'systemd': {
      const config = environment['XDG_CONFIG_HOME'] || posix.join(userHome, '.config');
      const path = posix.join(config, 'systemd', 'user', `${serviceName}.service`);
      return { path, text: systemdUnit(program), encoding: 'utf8' };
    }
    case 'launchd': {
      const path = posix.join(userHome, 'Library', 'LaunchAgents', `${launchdLabel}.plist`);
      return { path, text: launchdAgent(program), encoding: 'utf8' };
    }
    case 'task-scheduler': {
      const path = win32.join(program.home, 'roomtape-task.xml');
      return { path, text: scheduledTask(program, account), encoding: 'utf16le' };
    }
  }
}

/** The commands that take the service up or down, in order; each is a program and its arguments. */
export function serviceCommands(
  system: ServiceSystem,
  step: 'install' | 'uninstall' | 'status',
  path: string,
  userId: number,
): readonly (readonly string[])[] {
  const unit = `${serviceName}.service`;
  const commands = {
    systemd: {
      install: [
        ['systemctl', '--user', 'daemon-reload'],
        ['systemctl', '--user', 'enable', '--now', unit],
      ],
      uninstall: [['systemctl', '--user', 'disable', '--now', unit]],
      status: [['systemctl', '--user', 'is-active', unit]],
    },
    launchd: {
      install: [['launchctl', 'bootstrap', `gui/${userId}`, path]],
      uninstall: [['launchctl', 'bootout', `gui/${userId}/${launchdLabel}`]],
      status: [['launchctl', 'print', `gui/${userId}/${launchdLabel}`]],
    },
    'task-scheduler': {
      install: [
        ['schtasks', '/Create', '/TN', serviceName, '/XML', path, '/F'],
        ['schtasks', '/Run', '/TN', serviceName],
      ],
      uninstall: [['schtasks', '/Delete', '/TN', serviceName, '/F']],
      status: [['schtasks', '/Query', '/TN', serviceName]],
    },
  } as const;
  return commands[system][step];
}

function systemdUnit({ node, script, home }: ServiceProgram): string {
  return `[Unit]
Description=Roomtape: keeps the recordings of breakout sessions from getting lost
After=graphical-session.target

[Service]
Type=simple
ExecStart=${[node, ...leanNode, script, 'daemon', 'run', '--background'].map(systemdQuoted).join(' ')}
Environment=${systemdQuoted(`ROOMTAPE_HOME=${home}`)}
# A daemon that was told to stop stays down; one that crashed comes back.
Restart=on-failure
RestartSec=2
# Roomtape's own captures go on when the daemon ends, and are taken up again.
KillMode=process
TimeoutStopSec=5

[Install]
WantedBy=default.target
`;
}

/** systemd.syntax(7): C-style escapes in double quotes; % and $ are specifiers and variables. */
function systemdQuoted(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return `"${escaped}"`;
}

function launchdAgent({ node, script, home }: ServiceProgram): string {
  const words = [node, ...leanNode, script, 'daemon', 'run', '--background'];
  const list = words.map((word) => `    <string>${xml(word)}</string>`).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${launchdLabel}</string>
  <key>ProgramArguments</key>
  <array>
${list}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>ROOMTAPE_HOME</key>
    <string>${xml(home)}</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
`;
}

function scheduledTask({ node, script, home }: ServiceProgram, account: string): string {
  const words = [...leanNode, script, 'daemon', 'run', '--background']
    .map((word) => `"${word}"`)
    .join(' ');
  // The task has no environment of its own; cmd sets the one variable before it starts Node.
  const command = `/d /s /c "set "ROOMTAPE_HOME=${home}" && "${node}" ${words}"`;
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Roomtape: keeps the recordings of breakout sessions from getting lost</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>${xml(account)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${xml(account)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
    <Hidden>true</Hidden>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>%ComSpec%</Command>
      <Arguments>${xml(command)}</Arguments>
    </Exec>
  </Actions>
</Task>
`;
}

function xml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
