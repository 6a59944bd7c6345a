/**
 * A desktop that shows notifications: a message bus of its own and a real notification daemon on it,
 * with an ear on the bus for what programs asked to be shown.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

const programs = ['dbus-daemon', 'dbus-monitor', 'dunst', 'notify-send'];

/** Whether this machine can show notifications to nobody. */
export const hasNotifications =
  process.platform === 'linux' &&
  programs.every((name) => spawnSync(name, ['--version']).error === undefined);

export interface NotificationDesktop {
  /** What a program needs in its environment to be on this bus. */
  readonly environment: Readonly<Record<string, string>>;
  /** The title and the text of what was to be shown, in order; none where there is no desktop. */
  readonly shown: readonly string[];
  stop(): void;
}

/** Starts the bus and the notification daemon on a display. */
export async function startNotifications(display: string): Promise<NotificationDesktop> {
  const shown: string[] = [];
  const started: ChildProcess[] = [];
  const stop = () => {
    for (const child of started.reverse()) child.kill('SIGKILL');
  };
  if (!hasNotifications) return { environment: {}, shown, stop };
  const begin = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: [...stdio] });
    started.push(child);
    return child;
  };
  const address = await firstLine(
    begin('dbus-daemon', ['--session', '--nofork', '--print-address']),
  );
  const environment = { DBUS_SESSION_BUS_ADDRESS: address };
  const rule = "interface='org.freedesktop.Notifications',member='Notify'";
  const ear = begin('dbus-monitor', ['--session', rule], environment);
  let heard = '';
  const listening = firstLine(ear);
  ear.stdout?.on('data', (data: Buffer) => {
    heard += data.toString();
    const calls = heard.split(/^method call .*member=Notify$/m).slice(1);
    // Notify's first strings: the program, an icon, the title, the text.
    const texts = calls.map((call) => [...call.matchAll(/^ {3}string "(.*)"$/gm)].slice(2, 4));
    shown.splice(0, shown.length, ...texts.flat().map(([, text]) => text ?? ''));
  });
  await listening;
  begin('dunst', [], { ...environment, DISPLAY: display });
  return { environment, shown, stop };
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once('exit', () => reject(new Error(`${child.spawnfile} ended`)));
  });
}
