/**
 * `roomtape service install|uninstall|status`: the daemon at login.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { createClient, DaemonDown } from '../api/client.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { runProgram } from '../system/capture-folder.ts';
import { survivesLogout } from '../system/machine.ts';
import { dataFolder, pathsOf } from '../system/paths.ts';
import {
  type ServiceFile,
  type ServiceSystem,
  serviceCommands,
  serviceFile,
  serviceSystem,
} from '../system/service-files.ts';
import { version } from '../system/version.ts';
import type { Frame } from './frame.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const service = program.command('service').description('The daemon at login.');
  service
    .command('install')
    .description('Makes the daemon start at login, and starts it.')
    .option('--linger', 'let it run on after log-out (Linux: loginctl enable-linger)')
    .option('--print', 'print the file instead of installing it')
    .action((options: { linger?: boolean; print?: boolean }) => install(frame, options));
  service
    .command('uninstall')
    .description('Stops the daemon and no longer starts it at login.')
    .action(() => uninstall(frame));
  service
    .command('status')
    .description('Tells whether the daemon starts at login. Exit code 1 when it does not.')
    .action(() => status(frame));
}

interface Service {
  readonly system: ServiceSystem;
  readonly file: ServiceFile;
}

function here(): Service {
  const system = serviceSystem(process.platform);
  if (system === null) {
    throw new RoomtapeError(
      'failed',
      `Roomtape knows no way to start at login on ${process.platform}.`,
      {
        next: 'roomtape up',
      },
    );
  }
  const script = fileURLToPath(new URL('../main.js', import.meta.url));
  const program = { node: process.execPath, script, home: dataFolder() };
  const { username } = userInfo();
  const account = process.env['USERDOMAIN']
    ? `${process.env['USERDOMAIN']}\\${username}`
    : username;
  return { system, file: serviceFile(system, program, homedir(), account, process.env) };
}

async function install(
  frame: Frame,
  options: { readonly linger?: boolean; readonly print?: boolean },
): Promise<void> {
  const { system, file } = here();
  if (options.print) {
    await frame.print({ results: [file], text: () => file.text });
    return;
  }
  mkdirSync(dirname(file.path), { recursive: true });
  const mark = file.encoding === 'utf16le' ? '\uFEFF' : '';
  writeFileSync(file.path, mark + file.text, file.encoding);
  // A daemon that runs already would keep the data folder from the service's own.
  await stopDaemon();
  const started = await enable(frame, system, file.path);
  if (options.linger && system === 'systemd') await linger();
  const lasting = survivesLogout() !== false || system !== 'systemd';
  await frame.print({
    results: [{ system, path: file.path, installed: true, started, survivesLogout: lasting }],
    text: () =>
      `The daemon starts at login (${system}, ${file.path}).` +
      (lasting ? '' : '\nIt ends at log-out: roomtape service install --linger lets it run on.'),
  });
}

/** Starts the service now and at each login; true when it could be started now. */
async function enable(frame: Frame, system: ServiceSystem, path: string): Promise<boolean> {
  try {
    await run(system, 'install', path);
    return true;
  } catch (problem) {
    if (system !== 'systemd' || !(problem instanceof RoomtapeError)) {
      rmSync(path, { force: true });
      throw problem;
    }
    // Without a login (over sudo, in a container) there is no systemd of this person to ask. The
    // link is all that `enable` makes, and the next login finds it.
    const wants = wantsLink(path);
    mkdirSync(dirname(wants), { recursive: true });
    rmSync(wants, { force: true });
    symlinkSync(path, wants);
    frame.note(`${problem.message}\nIt starts at the next login; until then: roomtape up`);
    return false;
  }
}

function wantsLink(path: string): string {
  return join(dirname(path), 'default.target.wants', basename(path));
}

async function stopDaemon(): Promise<void> {
  const client = createClient(pathsOf(dataFolder()).socket, version());
  try {
    await client.call('daemon.stop', {});
    for (let tries = 0; tries < 100; tries += 1) {
      await client.call('daemon.hello', {});
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } catch (problem) {
    // Down is what we want; whatever else is wrong with it, the service's own start will tell.
    if (!(problem instanceof DaemonDown || problem instanceof RoomtapeError)) throw problem;
  }
}

async function linger(): Promise<void> {
  const { username } = userInfo();
  const { code, output } = await runProgram('loginctl', ['enable-linger', username], 10_000);
  if (code !== 0)
    throw failed('loginctl enable-linger', output, `sudo loginctl enable-linger ${username}`);
}

async function uninstall(frame: Frame): Promise<void> {
  const { system, file } = here();
  const wasThere = isInstalled(file);
  if (wasThere) {
    // What is half gone already must not keep the rest from going.
    await run(system, 'uninstall', file.path).catch((problem: unknown) => {
      frame.note(problem instanceof Error ? problem.message : String(problem));
    });
    rmSync(file.path, { force: true });
    if (system === 'systemd') rmSync(wantsLink(file.path), { force: true });
  }
  await frame.print({
    results: [{ system, path: file.path, installed: false }],
    text: () => (wasThere ? 'The daemon no longer starts at login.' : 'It was not installed.'),
  });
}

async function status(frame: Frame): Promise<void> {
  const { system, file } = here();
  const installed = isInstalled(file);
  const [command] = serviceCommands(system, 'status', file.path, userInfo().uid);
  const [program = '', ...args] = command ?? [];
  const active = installed && (await runProgram(program, args, 10_000)).code === 0;
  if (!installed) frame.exitCode = exitCodes.failed;
  await frame.print({
    results: [{ system, path: file.path, installed, active, survivesLogout: survivesLogout() }],
    text: () =>
      installed
        ? `The daemon starts at login (${system}, ${file.path}); the service is ${active ? 'running' : 'not running'}.`
        : `The daemon does not start at login.\nnext:     roomtape service install`,
  });
}

function isInstalled(file: ServiceFile): boolean {
  try {
    return readFileSync(file.path).length > 0;
  } catch {
    return false;
  }
}

async function run(system: ServiceSystem, step: 'install' | 'uninstall', path: string) {
  for (const [program = '', ...args] of serviceCommands(system, step, path, userInfo().uid)) {
    const { code, output } = await runProgram(program, args, 20_000);
    if (code !== 0) throw failed([program, ...args].join(' '), output, 'roomtape up');
  }
}

function failed(command: string, output: string, next: string): RoomtapeError {
  // It may tell of what it did before it failed.
  const lines = output.trim().split('\n');
  const said = lines.find((line) => /fail|error|denied/i.test(line)) ?? lines[0] ?? '';
  return new RoomtapeError('failed', `${command} failed: ${said || 'it says nothing'}.`, { next });
}
