/**
 * What ffmpeg is told when Roomtape itself captures, and what it says back. Pure.
 *
 * The container is Matroska in clusters of 0.1 s, each flushed when it is complete: whatever
 * ends ffmpeg, the file is readable up to the last half second. The encoder looks nothing ahead, so
 * that what has been seen is soon in the file.
 */

/** What to capture, and where from. Device names are those of {@link parseDevices}. */
export interface CaptureSource {
  readonly platform: 'linux' | 'darwin' | 'win32';
  /** `:0` or `:0+100,200` (X11), a screen's number (avfoundation), `desktop` (gdigrab). */
  readonly screen: string;
  /** `1280x720`; the whole screen when null. */
  readonly size: string | null;
  readonly frameRate: number;
  /** Each becomes a track of its own. Empty: picture only. */
  readonly microphones: readonly string[];
}

export interface CaptureDevice {
  readonly kind: 'screen' | 'microphone' | 'camera';
  /** What `recorder add screen --microphone` takes. */
  readonly id: string;
  readonly label: string;
}

/** Milliseconds in one cluster: what is lost of a file at most. */
const clusterMs = 100;

/** Sound quieter than this counts as silence; a muted microphone's noise is below it. */
const silenceDb = -60;

/** Silence shorter than this is not told. */
const silenceSeconds = 3;

/** The H.264 encoders we can use, best first, with what makes each of them quick to write. */
const videoEncoders: readonly (readonly [string, readonly string[]])[] = [
  ['libx264', ['-preset', 'veryfast', '-tune', 'zerolatency', '-crf', '24']],
  ['h264_videotoolbox', ['-realtime', '1', '-b:v', '4M']],
  ['h264_mf', ['-b:v', '4M']],
  ['libopenh264', ['-b:v', '4M']],
  ['mpeg4', ['-q:v', '4']],
];

/** The best video encoder that `ffmpeg -encoders` lists. */
export function chooseEncoder(encodersText: string): string {
  const found = videoEncoders.find(([name]) => new RegExp(`\\s${name}\\s`).test(encodersText));
  return found?.[0] ?? 'mpeg4';
}

/**
 * The input formats a capture on this platform needs from ffmpeg. Some builds have no sound devices:
 * they do for a picture alone.
 */
export function neededDevices(
  platform: CaptureSource['platform'],
  withSound: boolean,
): readonly string[] {
  const picture = { linux: ['x11grab'], darwin: ['avfoundation'], win32: ['gdigrab'] }[platform];
  const sound = { linux: ['pulse'], darwin: [], win32: ['dshow'] }[platform];
  return withSound ? [...picture, ...sound] : picture;
}

/** True when the text of `ffmpeg -h long` tells of an option. */
export function hasOption(helpText: string, option: string): boolean {
  return new RegExp(`^-${option}\\s`, 'm').test(helpText);
}

/** True when the text of `ffmpeg -devices` names all of the input formats. */
export function hasDevices(devicesText: string, needed: readonly string[]): boolean {
  return needed.every((name) => new RegExp(`\\s${name}\\s`).test(devicesText));
}

/** What the chosen ffmpeg can do. */
export interface CaptureProgram {
  /** One of {@link chooseEncoder}. */
  readonly encoder: string;
  /** Whether it can shift one input to the clock of another (`-isync`, since 5.1). */
  readonly syncs: boolean;
}

/** ffmpeg's arguments for one uninterrupted stretch, written to `file`. */
export function captureArguments(
  source: CaptureSource,
  { encoder, syncs }: CaptureProgram,
  file: string,
  progressFile: string,
): string[] {
  const screen = screenInput(source);
  const tracks = source.microphones.map((_, at) => `${at}:a`);
  return [
    ...['-hide_banner', '-n', '-loglevel', 'level+info', '-nostats'],
    // It reports every half second by itself; old versions have no option for that.
    ...['-progress', `file:${progressFile}`],
    ...inputArguments(source, syncs),
    ...['-map', `${screen}:v`, ...tracks.flatMap((track) => ['-map', track])],
    ...['-c:v', encoder, ...(videoEncoders.find(([name]) => name === encoder)?.[1] ?? [])],
    ...['-g', String(source.frameRate), '-pix_fmt', 'yuv420p'],
    // H.264 has no odd sizes in 4:2:0; a screen may.
    ...['-vf', 'crop=trunc(iw/2)*2:trunc(ih/2)*2'],
    ...(tracks.length === 0 ? [] : soundArguments()),
    // Without this the muxer holds back a picture for ten seconds while it waits for a dead sound.
    ...['-max_interleave_delta', '300000'],
    ...['-f', 'matroska', '-cluster_time_limit', String(clusterMs), '-flush_packets', '1'],
    `file:${file}`,
  ];
}

/** avfoundation gives the first microphone with the picture; elsewhere the screen comes last. */
function screenInput({ platform, microphones }: CaptureSource): number {
  return platform === 'darwin' ? 0 : microphones.length;
}

function soundArguments(): string[] {
  const filter = `aresample=async=1000,silencedetect=noise=${silenceDb}dB:duration=${silenceSeconds}`;
  return ['-c:a', 'aac', '-b:a', '128k', '-af', filter];
}

/**
 * The inputs, each microphone before the screen: ffmpeg takes the first sample of each input for the
 * beginning, and opening a sound server may take a second, opening a screen does not. What remains is
 * taken out by the clock of the first input, where this ffmpeg can.
 */
function inputArguments(source: CaptureSource, syncs: boolean): string[] {
  const { platform, screen, microphones } = source;
  const queue = ['-thread_queue_size', '1024'];
  const rate = ['-framerate', String(source.frameRate)];
  const size = source.size === null ? [] : ['-video_size', source.size];
  const inputs = {
    linux: [
      // A fragment of 25 ms: the default of pulse is 2 s, which a crash would take with it.
      ...microphones.map((name) => ['-f', 'pulse', '-fragment_size', '4800', '-i', name]),
      // A screen needs no probing, which would cost the first second.
      [
        ...['-probesize', '32', '-analyzeduration', '0'],
        ...['-f', 'x11grab', ...rate, ...size, '-i', screen],
      ],
    ],
    darwin: [
      [
        ...['-f', 'avfoundation', ...rate, '-capture_cursor', '1'],
        ...['-i', `${screen}:${microphones[0] ?? 'none'}`],
      ],
      ...microphones.slice(1).map((name) => ['-f', 'avfoundation', '-i', `:${name}`]),
    ],
    win32: [
      ...microphones.map((name) => [
        ...['-f', 'dshow', '-audio_buffer_size', '50', '-i', `audio=${name}`],
      ]),
      ['-f', 'gdigrab', ...rate, ...size, '-i', screen],
    ],
  }[platform];
  const sync = (at: number) => (syncs && at > 0 ? ['-isync', '0'] : []);
  return inputs.flatMap((words, at) => [...queue, ...sync(at), ...words]);
}

/** ffmpeg's arguments that join the stretches of one recording without encoding anything again. */
export function joinArguments(listFile: string, file: string): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-n', '-loglevel', 'level+warning'],
    ...['-f', 'concat', '-safe', '0', '-protocol_whitelist', 'file', '-i', `file:${listFile}`],
    ...['-map', '0', '-c', 'copy', '-f', 'matroska', `file:${file}`],
  ];
}

/** The list that ffmpeg's concat demuxer reads. */
export function joinList(files: readonly string[]): string {
  const quoted = files.map((file) => `file 'file:${file.replaceAll("'", "'\\''")}'\n`);
  return `ffconcat version 1.0\n${quoted.join('')}`;
}

/** The arguments that make ffmpeg tell its devices, for {@link parseDevices}. */
export function deviceListArguments(platform: CaptureSource['platform']): string[] {
  const list = {
    linux: ['-sources', 'pulse'],
    darwin: ['-f', 'avfoundation', '-list_devices', 'true', '-i', ''],
    win32: ['-f', 'dshow', '-list_devices', 'true', '-i', 'dummy'],
  }[platform];
  return ['-hide_banner', '-nostdin', ...list];
}

/** What the environment of a Linux desktop says of its screen. */
export interface Desktop {
  /** `:0`; null where no X server can be reached. */
  readonly display: string | null;
  /**
   * Wayland shows a screen only to a program whose person agreed to it in a dialog, through PipeWire,
   * which ffmpeg does not speak. X11 capture sees the windows of X11 programs and black for others.
   */
  readonly isWayland: boolean;
}

export function desktopOf(environment: Readonly<Record<string, string | undefined>>): Desktop {
  return {
    display: environment['DISPLAY'] || null,
    isWayland: Boolean(environment['WAYLAND_DISPLAY']),
  };
}

/** Reads ffmpeg's list of devices. */
export function parseDevices(
  platform: CaptureSource['platform'],
  text: string,
  { display, isWayland }: Desktop,
): CaptureDevice[] {
  const lines = text.split(/\r?\n/);
  if (platform === 'linux') return [...x11Screens(display, isWayland), ...pulseSources(lines)];
  if (platform === 'darwin') return avfoundationDevices(lines);
  return [{ kind: 'screen', id: 'desktop', label: 'the whole desktop' }, ...dshowDevices(lines)];
}

function x11Screens(display: string | null, isWayland: boolean): CaptureDevice[] {
  if (display === null) return [];
  const only = isWayland ? ' (X11 windows only: this desktop is Wayland)' : '';
  return [{ kind: 'screen', id: display, label: `X11 display ${display}${only}` }];
}

/** `* room.monitor [Monitor of Room] (none)`: the star marks the default. */
function pulseSources(lines: readonly string[]): CaptureDevice[] {
  return lines.flatMap((line) => {
    const match = /^\s*(\*)?\s*(\S+) \[(.*)\]/.exec(line);
    const [, star, id, label] = match ?? [];
    if (id === undefined || label === undefined) return [];
    return [{ kind: 'microphone' as const, id, label: star ? `${label} (default)` : label }];
  });
}

/** `[AVFoundation indev @ 0x…] [1] Capture screen 0` below `… video devices:` and `… audio devices:`. */
function avfoundationDevices(lines: readonly string[]): CaptureDevice[] {
  const devices: CaptureDevice[] = [];
  let isSound = false;
  for (const line of lines) {
    if (/AVFoundation (video|audio) devices/i.test(line)) isSound = /audio devices/i.test(line);
    const [, id, label] = /\] \[(\d+)\] (.+)$/.exec(line) ?? [];
    if (id === undefined || label === undefined) continue;
    const picture = /^Capture screen/.test(label) ? 'screen' : 'camera';
    devices.push({ kind: isSound ? 'microphone' : picture, id, label });
  }
  return devices;
}

/** `"Microphone (Realtek)" (audio)`, or in older versions the name below `DirectShow audio devices`. */
function dshowDevices(lines: readonly string[]): CaptureDevice[] {
  const devices: CaptureDevice[] = [];
  let older: CaptureDevice['kind'] | null = null;
  for (const line of lines) {
    if (/DirectShow audio devices/.test(line)) older = 'microphone';
    if (/DirectShow video devices/.test(line)) older = 'camera';
    const [, id, type] = /\]\s+"([^"]+)"(?: \((audio|video|none)\))?\s*$/.exec(line) ?? [];
    if (id === undefined || /Alternative name/.test(line)) continue;
    const kind = type === undefined ? older : type === 'audio' ? 'microphone' : 'camera';
    if (kind) devices.push({ kind, id, label: id });
  }
  return devices;
}

/** The last complete report of ffmpeg's `-progress` file. */
export interface CaptureProgress {
  readonly frames: number;
  readonly bytes: number;
  readonly recordedMs: number;
  readonly ended: boolean;
}

/** Reads the end of a `-progress` file; null before the first complete report. */
export function parseProgress(text: string): CaptureProgress | null {
  const end = text.lastIndexOf('progress=');
  if (end < 0) return null;
  const last = (key: string) => {
    const matches = text.slice(0, end).matchAll(new RegExp(`^${key}=\\s*(-?\\d+)`, 'gm'));
    return Math.max(0, Number([...matches].at(-1)?.[1] ?? 0));
  };
  return {
    frames: last('frame'),
    bytes: last('total_size'),
    recordedMs: Math.round(last('out_time_us') / 1000),
    ended: text.startsWith('progress=end', end),
  };
}

/** What ffmpeg's log says of sound and devices. */
export interface CaptureNews {
  /** Seconds of media time since which each sound track is silent; null while there is sound. */
  readonly silentSince: ReadonlyMap<string, number | null>;
  readonly diskFull: boolean;
  /** Inputs that ended with an error, as ffmpeg names them: by name, or `#1` and `pulse`. */
  readonly lostInputs: readonly string[];
  /** The last error lines, for a person. */
  readonly errors: readonly string[];
}

/** Reads ffmpeg's whole log of one stretch (`-loglevel level+info`); it is a few kilobytes. */
export function parseNews(log: string): CaptureNews {
  const silentSince = new Map<string, number | null>();
  const lostInputs: string[] = [];
  const errors: string[] = [];
  for (const line of log.split(/\r?\n/)) {
    const silence = /^\[(silencedetect[^\]]*)\].*silence_(start|end): (-?[\d.]+)/.exec(line);
    if (silence?.[1])
      silentSince.set(silence[1], silence[2] === 'start' ? Number(silence[3]) : null);
    // `[error] :72: Generic error in an external library`, and in ffmpeg 6 and later
    // `[in#0/x11grab @ 0x…] [error] Error during demuxing: …`.
    const [, number, device] =
      /^\[in#(\d+)\/(\S+).*\] \[error\] Error during demuxing/.exec(line) ?? [];
    if (number !== undefined && device !== undefined) lostInputs.push(`#${number}`, device);
    const input =
      /^\[(?:error|fatal)\] (.+): (?:Generic error|Input\/output error|No such device|Immediate exit)/.exec(
        line,
      )?.[1];
    if (input !== undefined) lostInputs.push(input);
    if (/\[(error|fatal)\]/.test(line)) errors.push(line.replace(/^.*\[(?:error|fatal)\] /, ''));
  }
  return {
    silentSince,
    diskFull: /No space left on device|There is not enough space|Disk quota exceeded/.test(log),
    lostInputs,
    errors: errors.slice(-3),
  };
}

/** The microphones of a capture that are gone: known by name, or by the number of their input. */
export function lostMicrophones(source: CaptureSource, { lostInputs }: CaptureNews): string[] {
  return source.microphones.filter(
    (name, at) => lostInputs.includes(name) || lostInputs.includes(`#${at}`),
  );
}
