/**
 * A real OBS Studio for tests: a profile and scenes of its own, its WebSocket server on, a picture
 * on a virtual X server. Nothing of the person's own OBS is read or written.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ffmpeg } from '../system/media.ts';

export const obsPassword = 'correct-horse-battery';

const has = (program: string, flag: string) => spawnSync(program, [flag]).error === undefined;

/** Whether this machine can run the tests that need a real OBS. */
export const hasObs =
  process.platform === 'linux' && has('obs', '--version') && has('Xvfb', '-help');

export interface RunningDisplay {
  readonly display: string;
  stop(): void;
}

/** Starts an X server without a screen on a free display number. */
export async function startDisplay(size = '640x360'): Promise<RunningDisplay> {
  const server = spawn(
    'Xvfb',
    ['-displayfd', '3', '-screen', '0', `${size}x24`, '-nolisten', 'tcp'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  );
  const number = await new Promise<string>((resolve, reject) => {
    server.once('exit', () => reject(new Error('Xvfb did not start')));
    server.stdio[3]?.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
  return { display: `:${number}`, stop: () => server.kill('SIGKILL') };
}

export interface ObsSetup {
  /** An empty folder for everything this OBS keeps. */
  readonly home: string;
  readonly display: string;
  readonly port: number;
  readonly format?: string;
}

/** A running OBS, together with the process that writes its file. */
export interface RunningObs {
  readonly process: ChildProcess;
  readonly recordings: string;
  /** Ends OBS alone, as a crash would; its muxer lives on. */
  killAlone(): Promise<void>;
  /** Ends OBS and its muxer at once, as a power cut would. */
  killWithMuxer(): Promise<void>;
}

export function configFolder(home: string): string {
  return join(home, '.config', 'obs-studio');
}

/** Writes what OBS needs to start without its wizard. */
export function writeObsConfig({ home, port, format = 'mkv' }: Omit<ObsSetup, 'display'>): void {
  const folder = configFolder(home);
  const profile = join(folder, 'basic', 'profiles', 'Test');
  mkdirSync(profile, { recursive: true });
  mkdirSync(join(folder, 'basic', 'scenes'), { recursive: true });
  mkdirSync(join(home, 'recordings'), { recursive: true });
  writeFileSync(
    join(folder, 'global.ini'),
    `[General]
FirstRun=true
EnableAutoUpdates=false
LastVersion=486539266
InfoIncrement=99

[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test

[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort=${port}
AlertsEnabled=false
AuthRequired=true
ServerPassword=${obsPassword}
`,
  );
  writeFileSync(
    join(profile, 'basic.ini'),
    `[General]
Name=Test

[Output]
Mode=Advanced

[AdvOut]
RecType=Standard
RecFilePath=${join(home, 'recordings')}
RecFormat=${format}
RecEncoder=obs_x264
RecTracks=1

[Video]
BaseCX=320
BaseCY=180
OutputCX=320
OutputCY=180
FPSCommon=30
`,
  );
  // Its own encoder, because OBS cannot pause what shares the stream's; a constant rate, because a
  // black picture would otherwise make no bytes to lose.
  writeFileSync(
    join(profile, 'recordEncoder.json'),
    JSON.stringify({ rate_control: 'CBR', bitrate: 1000, preset: 'ultrafast', keyint_sec: 1 }),
  );
  writeFileSync(
    join(folder, 'basic', 'scenes', 'Test.json'),
    JSON.stringify({
      current_program_scene: 'Scene',
      current_scene: 'Scene',
      name: 'Test',
      scene_order: [{ name: 'Scene' }],
      sources: [{ id: 'scene', versioned_id: 'scene', name: 'Scene', settings: { items: [] } }],
      transitions: [],
      current_transition: 'Fade',
      transition_duration: 300,
    }),
  );
}

/** Starts OBS; it is there when its WebSocket server answers. */
export function startObs({ home, display }: ObsSetup): RunningObs {
  const { XDG_CONFIG_HOME: _, ...inherited } = process.env;
  const environment = {
    ...inherited,
    HOME: home,
    XDG_RUNTIME_DIR: home,
    DISPLAY: display,
    LIBGL_ALWAYS_SOFTWARE: '1',
    QT_QPA_PLATFORM: 'xcb',
  };
  const obs = spawn('obs', ['--multi', '--minimize-to-tray', '--disable-updater'], {
    env: environment,
    stdio: 'ignore',
    // A process group of its own, so that OBS and its muxer can be ended at one blow.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => obs.once('exit', () => resolve()));
  const pid = obs.pid ?? 0;
  return {
    process: obs,
    recordings: join(home, 'recordings'),
    killAlone: async () => {
      obs.kill('SIGKILL');
      await ended;
    },
    killWithMuxer: async () => {
      if (obs.exitCode === null && obs.signalCode === null) process.kill(-pid, 'SIGKILL');
      await ended;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Resolves when no process has the file open any more. */
export async function writerGone(path: string): Promise<void> {
  while (holders(path).length > 0) await pause(20);
}

function holders(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const folder = `/proc/${pid}/fd`;
        return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)) === path);
      } catch {
        return false; // ended while we looked
      }
    });
}

/** Seconds from the container's header (null when never written) and what a full decode finds. */
export function played(path: string): {
  headerSeconds: number | null;
  seconds: number;
  errors: string;
} {
  const run = spawnSync(
    ffmpeg.path,
    ['-nostdin', '-hide_banner', '-i', `file:${path}`, '-map', '0', '-f', 'null', '-'],
    { encoding: 'utf8' },
  );
  const header = /Duration: (\d+):(\d+):([\d.]+)/.exec(run.stderr);
  const last = [...run.stderr.matchAll(/time=(\d+):(\d+):([\d.]+)/g)].at(-1);
  const errors = run.stderr.split('\n').filter((line) => /error|invalid|corrupt/i.test(line));
  return { headerSeconds: seconds(header), seconds: seconds(last) ?? 0, errors: errors.join('\n') };
}

function seconds(match: RegExpExecArray | RegExpMatchArray | null | undefined): number | null {
  return match ? Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]) : null;
}

export function readConfig(home: string): string {
  return readFileSync(join(configFolder(home), 'basic', 'profiles', 'Test', 'basic.ini'), 'utf8');
}
