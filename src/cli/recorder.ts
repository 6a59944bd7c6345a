/**
 * `roomtape recorder add|list|remove|devices` and `roomtape preflight`.
 */
import { isAbsolute, resolve } from 'node:path';
import type { Command } from 'commander';
import type { PreflightView, RecorderView } from '../api/recorder-routes.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { given } from './doing.ts';
import type { Frame } from './frame.ts';
import { duration, type Paint, size, visible } from './output.ts';
import { parseLength } from './time-words.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const recorder = program
    .command('recorder')
    .description('The recorders that Roomtape starts, pauses and stops.');
  const add = recorder.command('add').description('Sets up a recorder.');
  add
    .command('obs')
    .description('OBS Studio over its WebSocket server; found by itself on this machine.')
    .option('--name <name>', 'what to call it (obs, obs-2, …)')
    .option('--url <url>', 'ws://HOST:PORT, where OBS is elsewhere or its settings are not found')
    .option('--password [password]', 'asked for when no value is given')
    .option('--password-stdin', 'read the password from standard input')
    .option('--config <folder>', "OBS's configuration folder, where it is not in its usual place")
    .action((options: ObsWords) => addObs(frame, options));
  add
    .command('screen')
    .description("Roomtape's own capture of a screen and microphones.")
    .option('--name <name>', 'what to call it (screen, screen-2, …)')
    .option('--screen <screen>', 'see roomtape recorder devices')
    .option('--size <size>', 'WIDTHxHEIGHT, from the upper left corner; otherwise all of it')
    .option('--frame-rate <rate>', 'pictures a second', '30')
    .option('--microphone <name...>', 'one track each; otherwise the usual one')
    .option('--no-microphone', 'picture only')
    .option('--folder <folder>', 'where the recordings go')
    .action((options: ScreenWords) => addScreen(frame, options));
  recorder
    .command('list')
    .description('Lists the recorders and what they are doing.')
    .action(() => list(frame));
  recorder
    .command('remove')
    .description('Forgets a recorder. Its recordings stay.')
    .argument('<name>')
    .action((name: string) => remove(frame, name));
  recorder
    .command('devices')
    .description('Lists the screens and microphones that can be captured.')
    .action(() => devices(frame));
  program
    .command('preflight')
    .description('Says what could cost a recording, before it begins. Exit code 1 for warnings.')
    .option('--room <room>', 'number or name; otherwise the room you are in')
    .option('--recorder <name>', 'otherwise the first that is set up')
    .option('--for <length>', 'how long the recording will be', '2h')
    .option('--fix', 'change what can be changed (a copy of the settings is kept)')
    .action((options: PreflightWords) => preflight(frame, options));
}

interface ObsWords {
  readonly name?: string;
  readonly url?: string;
  readonly password?: string | true;
  readonly passwordStdin?: boolean;
  readonly config?: string;
}

interface ScreenWords {
  readonly name?: string;
  readonly screen?: string;
  readonly size?: string;
  readonly frameRate: string;
  readonly microphone?: readonly string[] | boolean;
  readonly folder?: string;
}

interface PreflightWords {
  readonly room?: string;
  readonly recorder?: string;
  readonly for: string;
  readonly fix?: boolean;
}

async function addObs(frame: Frame, options: ObsWords): Promise<void> {
  if (options.url !== undefined && !/^wss?:\/\/[^\s/]+\/?$/.test(options.url)) {
    throw new RoomtapeError('usage', `--url wants ws://HOST:PORT, not ${options.url}.`, {
      next: 'roomtape recorder add obs --url ws://127.0.0.1:4455',
    });
  }
  const password = await passwordOf(frame, options);
  const configFolder = options.config === undefined ? undefined : resolve(options.config);
  const client = await frame.client();
  const { name, url } = options;
  const added = await client.call(
    'recorder.addObs',
    given({ name, url, password, configFolder: configFolder ?? usualConfig() }),
  );
  await tellAdded(frame, added);
  if (added.state === 'unreachable') {
    frame.note(
      'In OBS: Tools > WebSocket Server Settings > Enable WebSocket server. It is found as soon as it runs.',
    );
  }
}

/** The daemon may have started with another HOME or XDG_CONFIG_HOME than this terminal. */
function usualConfig(): string | undefined {
  const told = process.env['XDG_CONFIG_HOME'];
  return told && isAbsolute(told) ? resolve(told, 'obs-studio') : undefined;
}

async function passwordOf(frame: Frame, options: ObsWords): Promise<string | undefined> {
  if (options.passwordStdin) return (await readAll()).replace(/\r?\n$/, '') || undefined;
  if (options.password === true) return await askPassword(frame);
  if (options.password === undefined) return undefined;
  // It stood in the process list for a moment, until main.ts took it out.
  frame.note('A password on the command line can be read by others; better: --password-stdin');
  return options.password;
}

async function readAll(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}

async function askPassword(frame: Frame): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new RoomtapeError('usage', 'There is nobody to ask for the password.', {
      next: 'roomtape recorder add obs --password-stdin < FILE',
    });
  }
  const { createInterface } = await import('node:readline/promises');
  const { Writable } = await import('node:stream');
  frame.note('Password of the WebSocket server (it is not shown):');
  // What is typed goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const line = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await line.question('');
  } finally {
    line.close();
  }
}

async function addScreen(frame: Frame, options: ScreenWords): Promise<void> {
  const { name, screen, size: picture } = options;
  const frameRate = Number(options.frameRate);
  if (!Number.isInteger(frameRate) || frameRate < 1 || frameRate > 120) {
    throw new RoomtapeError('usage', '--frame-rate wants a number from 1 to 120.', {
      next: 'roomtape recorder add screen --frame-rate 30',
    });
  }
  const microphones =
    options.microphone === false
      ? []
      : Array.isArray(options.microphone)
        ? [...options.microphone]
        : undefined;
  const folder = options.folder === undefined ? undefined : resolve(options.folder);
  const client = await frame.client();
  const added = await client.call('recorder.addScreen', {
    ...given({ name, screen, size: picture, microphones, folder }),
    frameRate,
    environment: desktopEnvironment(),
  });
  await tellAdded(frame, added);
  if (options.microphone === undefined && added.about?.endsWith('no microphones')) {
    frame.note('No microphone was found: it records the picture only. roomtape recorder devices');
  }
  if (process.platform === 'linux' && process.env['WAYLAND_DISPLAY']) {
    frame.note(
      'This is a Wayland desktop: X11 capture sees X11 windows only. OBS captures all of it.',
    );
  }
}

/** What a program needs to find this person's screen and sound; a service at login has none of it. */
function desktopEnvironment(): Record<string, string> {
  const names = [
    ...['DISPLAY', 'XAUTHORITY', 'WAYLAND_DISPLAY', 'XDG_RUNTIME_DIR'],
    ...['PULSE_SERVER', 'PULSE_COOKIE', 'DBUS_SESSION_BUS_ADDRESS'],
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value ? [[name, value] as const] : [];
    }),
  );
}

async function tellAdded(frame: Frame, added: RecorderView): Promise<void> {
  await frame.print({
    results: [added],
    text: () => {
      const about = added.about ? `, ${visible(added.about)}` : '';
      const folder = added.folder ? `, records to ${visible(added.folder)}` : '';
      return `${added.name} is set up: ${visible(added.detail)}${about}${folder}.`;
    },
  });
}

async function list(frame: Frame): Promise<void> {
  const client = await frame.client();
  const results = await client.call('recorder.list', {});
  await frame.print({
    results,
    columns: [
      {
        title: 'NAME',
        cell: ({ name, isFirst }) => (isFirst ? `${name} *` : name),
        value: ({ name }) => name,
      },
      {
        title: 'STATE',
        cell: ({ detail }) => detail,
        value: ({ state }) => state,
        style: stateStyle,
      },
      {
        title: 'RECORDED',
        cell: ({ recordedMs }) => (recordedMs === null ? '' : duration(recordedMs)),
        value: ({ recordedMs }) => recordedMs,
        align: 'right',
      },
      {
        title: 'SIZE',
        cell: ({ bytes }) => (bytes === null ? '' : size(bytes)),
        value: ({ bytes }) => bytes,
        align: 'right',
      },
      { title: 'ABOUT', cell: ({ about }) => about ?? '' },
      { title: 'FILE OR FOLDER', cell: ({ path, folder }) => path ?? folder ?? '' },
    ],
    empty: 'No recorder is set up: roomtape recorder add obs, or roomtape recorder add screen.',
  });
}

function stateStyle({ state }: RecorderView) {
  if (state === 'recording') return 'green';
  if (state === 'paused') return 'yellow';
  return state === 'lost' ? 'red' : state === 'unreachable' ? 'dim' : undefined;
}

async function remove(frame: Frame, name: string): Promise<void> {
  const client = await frame.client();
  const removed = await client.call('recorder.remove', { name });
  await frame.print({ results: [removed], text: () => `${removed.name} is forgotten.` });
}

async function devices(frame: Frame): Promise<void> {
  const client = await frame.client();
  const results = await client.call('recorder.devices', { environment: desktopEnvironment() });
  await frame.print({
    results,
    columns: [
      { title: 'KIND', cell: ({ kind }) => kind },
      { title: 'ID', cell: ({ id }) => id },
      { title: 'NAME', cell: ({ label }) => label },
    ],
    empty: 'Nothing that could be captured was found.',
  });
}

async function preflight(frame: Frame, options: PreflightWords): Promise<void> {
  const client = await frame.client();
  const { room, recorder, fix } = options;
  const plannedMs = parseLength(options.for);
  const view = await client.call('preflight.run', {
    ...given({ room, recorder, fix }),
    plannedMs,
  });
  await frame.print({ results: [view], text: (paint) => spokenPreflight(view, paint) });
  const blocked = view.findings.some(({ level }) => level === 'blocks');
  const refused = view.findings.some(({ id }) => id === 'permission');
  if (refused) frame.exitCode = exitCodes.notPermitted;
  else if (blocked || view.findings.length > 0) frame.exitCode = exitCodes.failed;
}

function spokenPreflight(view: PreflightView, paint: Paint): string {
  const lines = view.fixed.map((done) => `${paint('green', 'done')}     ${visible(done)}`);
  for (const { level, text, reason, remedy } of view.findings) {
    const word = level === 'blocks' ? paint('red', 'stop') : paint('yellow', 'warning');
    const gap = ' '.repeat(level === 'blocks' ? 5 : 2);
    lines.push(`${word}${gap}${visible(text)}`);
    lines.push(`         ${paint('dim', visible(reason))}`);
    lines.push(`next:    ${visible(remedy)}`);
  }
  if (view.findings.length === 0) {
    const what = view.recorder === null ? 'This machine' : visible(view.recorder);
    const where = view.folder === null ? '' : `, to ${visible(view.folder)}`;
    lines.push(`${what} is ready to record${where}.`);
  }
  return lines.join('\n');
}

/** Says on stderr what could cost the recording that is about to begin; never blocks it. */
export async function warnBeforeRecording(
  frame: Frame,
  wish: { readonly room?: string; readonly recorder?: string },
): Promise<void> {
  const client = await frame.client();
  try {
    const { findings } = await client.call('preflight.run', given(wish));
    for (const { id, text, remedy } of findings) {
      if (id !== 'permission') frame.note(`warning: ${visible(text)}\nnext:    ${visible(remedy)}`);
    }
  } catch (problem) {
    // A recorder Roomtape does not know is nothing to warn of; the command itself will say more.
    if (!(problem instanceof RoomtapeError)) throw problem;
  }
}
