/**
 * `roomtape up`, `down`, `status`, `logs`, `daemon run`.
 */
import type { Command } from 'commander';
import { createClient, DaemonDown } from '../api/client.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { settingKeys, settings } from '../system/config.ts';
import { dataFolder, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import { noDaemon, startDaemon } from './daemon-connection.ts';
import type { Frame } from './frame.ts';
import { moment, visible } from './output.ts';
import { defineQuick, type QuickCommand } from './quick-command.ts';
import { statusText } from './status-text.ts';

export const quickCommands: readonly QuickCommand[] = [
  {
    word: 'status',
    description: 'Shows the daemon, what is being recorded, and what needs care.',
    options: [],
    run: (frame) => status(frame),
  },
];

export function defineCommands(program: Command, frame: Frame): void {
  const settingsOption = [
    '--set <key=value...>',
    'a setting for this run (see roomtape config)',
  ] as const;
  const upCommand = program
    .command('up')
    .description('Starts the daemon of the data folder, unless it runs already.')
    .option(...settingsOption);
  for (const { key, help } of switches) upCommand.option(`--${key}`, help);
  upCommand.action((options: Record<string, unknown> & { set?: string[] }) => {
    const on = switches.filter(({ option }) => options[option] === true);
    return up(frame, [...(options.set ?? []), ...on.map(({ key }) => `${key}=true`)]);
  });
  program
    .command('down')
    .description('Stops the daemon. Recordings that go on are taken up again when it starts.')
    .action(() => down(frame));
  for (const quick of quickCommands) defineQuick(program, frame, quick);
  program
    .command('logs')
    .description('Prints the end of the daemon’s log (JSON lines).')
    .option('-f, --follow', 'go on printing what is added')
    .option('-n, --lines <count>', 'how many lines', '50')
    .action((options: { follow?: boolean; lines: string }) => logs(frame, options));
  program
    .command('events')
    .description('Prints what happens, as it happens, until Ctrl-C; with --json a line each.')
    .action(() => events(frame));
  const daemon = program.command('daemon').description('The daemon itself.');
  daemon
    .command('run')
    .description('Runs the daemon in the foreground, until Ctrl-C or SIGTERM.')
    .option(...settingsOption)
    .option('--background', 'say nothing when ready')
    .action(async (options: { set?: string[]; background?: boolean }) => {
      const { runDaemon } = await frame.daemonCode();
      await runDaemon({
        home: dataFolder(),
        settings: options.set ?? [],
        onReady: (socket) => {
          if (!options.background) frame.note(`Roomtape answers at ${socket}. Ctrl-C ends it.`);
        },
      });
    });
}

/** The settings that are either on or off, as options of `up`: `--keep-link` for `keep-link`. */
const switches = settingKeys
  .filter((key) => settings[key].kind === 'flag')
  .map((key) => ({
    key,
    help: `${settings[key].help}, for this run`,
    option: key.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
  }));

async function up(frame: Frame, told: readonly string[]): Promise<void> {
  const paths = pathsOf(dataFolder());
  const client = createClient(paths.socket, version());
  let started = false;
  try {
    await client.call('daemon.hello', {});
  } catch (problem) {
    if (!(problem instanceof DaemonDown)) throw problem;
    if (!frame.mayStart) throw noDaemon(paths);
    await startDaemon(paths, told);
    started = true;
  }
  const found = await client.call('daemon.status', {});
  await frame.print({
    results: [{ ...found, started }],
    text: () =>
      `${started ? 'The daemon is up' : 'The daemon was up already'}: process ${found.pid}, ` +
      `data in ${found.home}.`,
  });
  if (!started && told.length > 0) {
    frame.note(
      `It runs with the settings it was started with: roomtape down, then roomtape up again.`,
    );
  }
}

async function down(frame: Frame): Promise<void> {
  const paths = pathsOf(dataFolder());
  const client = createClient(paths.socket, version());
  let pid: number | null = null;
  try {
    pid = (await client.call('daemon.stop', {})).pid;
    await untilGone(pid);
  } catch (problem) {
    if (!(problem instanceof DaemonDown)) throw problem;
  }
  await frame.print({
    results: [{ pid, stopped: pid !== null }],
    text: () => (pid === null ? 'No daemon was running.' : `The daemon (process ${pid}) is down.`),
  });
}

/** Waits for the process to be gone, so that whoever comes next finds the data folder free. */
async function untilGone(pid: number): Promise<void> {
  const { isRunning } = await import('../system/process-alive.ts');
  for (let waited = 0; waited < 5_000; waited += 20) {
    if (!isRunning(pid)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new RoomtapeError('failed', `The daemon (process ${pid}) does not end.`, {
    next: `kill -9 ${pid}`,
  });
}

async function status(frame: Frame): Promise<void> {
  const client = await frame.client();
  const found = await client.call('daemon.status', {});
  await frame.print({ results: [found], text: (paint) => statusText(found, paint) });
}

async function logs(frame: Frame, options: { follow?: boolean; lines: string }): Promise<void> {
  const count = Number(options.lines);
  if (!Number.isInteger(count) || count < 0) {
    throw new RoomtapeError(
      'usage',
      `--lines wants a number, not ${JSON.stringify(options.lines)}.`,
      {
        next: 'roomtape logs --lines 50',
      },
    );
  }
  const { followLines, lastLines } = await import('../system/log-reader.ts');
  const { log } = pathsOf(dataFolder());
  const { lines, end } = lastLines(log, count);
  await frame.print({ results: lines, text: () => lines.join('\n') });
  if (!options.follow) return;
  for await (const line of followLines(log, end, frame.cancelled)) {
    await frame.print({ results: [line], text: () => line });
  }
  frame.exitCode = exitCodes.done;
}

/** A stream has no end to print one document at: each event is a line of its own. */
async function events(frame: Frame): Promise<void> {
  const client = await frame.client();
  // Starts the daemon if it is down: the stream itself does not.
  await client.call('daemon.hello', {});
  const { writeOut } = await import('./standard-output.ts');
  for await (const event of client.events(frame.cancelled)) {
    const told = `${moment(event.at)}  ${event.type.padEnd(28)} ${visible(event.text)}`;
    await writeOut(`${frame.json ? JSON.stringify(event) : told}\n`);
  }
  if (!frame.cancelled.aborted) frame.note('The daemon has ended.');
}
