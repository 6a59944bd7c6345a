/**
 * A desktop for tests: an X server with a moving picture and a sound server with a tone, both real,
 * both without a screen or a loudspeaker.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hasDevices } from '../../src/capture/ffmpeg-command.ts';
import { ffmpegCandidates } from '../../src/system/ffmpeg.ts';
import { type RunningDisplay, startDisplay } from './obs-studio.ts';

/** The first ffmpeg of Roomtape's own choice that has what a desktop needs. */
const found = (await ffmpegCandidates()).find(({ path }) => {
  const { stdout } = spawnSync(path, ['-hide_banner', '-devices'], { encoding: 'utf8' });
  return hasDevices(stdout, ['x11grab', 'pulse']) && /\ssdl2?,?/.test(stdout);
});

/** An ffmpeg that captures screen and sound, where there is one. */
export const desktopFfmpeg = found?.path ?? '';

/** Whether this machine can run the tests that capture a screen and a sound. */
export const hasDesktop =
  process.platform === 'linux' &&
  found !== undefined &&
  ['Xvfb', 'pulseaudio'].every((name) => spawnSync(name, ['--version']).error === undefined);

export interface Desktop {
  readonly display: RunningDisplay;
  /** What a program needs in its environment to be on this desktop. */
  readonly environment: Readonly<Record<string, string>>;
  readonly microphone: string;
  /** Takes the sound server away, as pulling out a USB microphone would. */
  unplugSound(): void;
  /** Ends the tone; the microphone is there and silent. */
  mute(): void;
  stop(): void;
}

export async function startDesktop(folder: string): Promise<Desktop> {
  const runtime = join(folder, 'run');
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  const display = await startDisplay('320x180');
  const socket = join(runtime, 'pulse.sock');
  const environment = {
    DISPLAY: display.display,
    PULSE_SERVER: `unix:${socket}`,
    XDG_RUNTIME_DIR: runtime,
    SDL_RENDER_DRIVER: 'software',
  };
  const started: ChildProcess[] = [];
  const begin = (program: string, args: readonly string[]) => {
    const child = spawn(program, args, {
      env: { ...process.env, HOME: folder, ...environment },
      stdio: 'ignore',
    });
    started.push(child);
    return child;
  };
  const pulse = begin('pulseaudio', [
    ...['-n', '--exit-idle-time=-1', '--daemonize=no', '--disallow-exit'],
    ...['-L', `module-native-protocol-unix auth-anonymous=1 socket=${socket}`],
    ...['-L', 'module-null-sink sink_name=room sink_properties=device.description=Room'],
  ]);
  while (!existsSync(socket)) await pause(20);
  const play = ['-nostdin', '-v', 'quiet', '-re', '-f', 'lavfi', '-i'];
  const picture = 'testsrc2=size=320x180:rate=15,format=yuv420p';
  begin(desktopFfmpeg, [...play, picture, '-f', 'sdl', '-window_x', '0', '-window_y', '0', 'x']);
  const tone = begin(desktopFfmpeg, [
    ...play,
    'sine=frequency=440',
    '-f',
    'pulse',
    '-device',
    'room',
    't',
  ]);
  return {
    display,
    environment,
    microphone: 'room.monitor',
    unplugSound: () => void pulse.kill('SIGKILL'),
    mute: () => void tone.kill('SIGKILL'),
    stop: () => {
      for (const child of started) child.kill('SIGKILL');
      display.stop();
    },
  };
}
