/**
 * The recorders of this machine: the area behind `roomtape recorder` and `roomtape preflight`, and
 * the watch over what they record.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type {
  DeviceView,
  FindingView,
  PreflightView,
  RecorderView,
  recorderRoutes,
} from '../api/recorder-routes.ts';
import { ScreenRecorder } from '../capture/ffmpeg.ts';
import {
  type CaptureSource,
  desktopOf,
  deviceListArguments,
  hasDevices,
  neededDevices,
  parseDevices,
} from '../capture/ffmpeg-command.ts';
import { ObsRecorder } from '../capture/obs.ts';
import { type ObsWebSocketSettings, webSocketSettings } from '../capture/obs-settings.ts';
import { type Finding, preflight } from '../capture/preflight.ts';
import { describe, isCapturing, pathOf, type Recorder } from '../capture/recorder.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { RoomtapeError } from '../errors.ts';
import { runProgram } from '../system/capture-folder.ts';
import { ffmpegCandidates } from '../system/ffmpeg.ts';
import { folderFacts, makeFolder } from '../system/machine.ts';
import { obsFolders, readObsFolder } from '../system/obs-files.ts';
import { existingPlaces } from '../system/places.ts';
import {
  RecorderStore,
  type StoredObs,
  type StoredRecorder,
  type StoredScreen,
} from '../system/recorder-store.ts';
import type { Area, DaemonContext } from './area.ts';
import { fixContainer, gatherFacts } from './preflight-facts.ts';
import { RecorderDesk } from './recorder-desk.ts';
import type { Sessions } from './sessions.ts';
import type { TakeMoment } from './takes.ts';
import { Vigils } from './vigils.ts';
import { WarningDesk } from './warning-desk.ts';

export interface WatchDoor {
  /** Begins to watch a folder for a recorder, unless it is watched already. */
  ensure(folder: string, recorder: string): Promise<void>;
  folders(): readonly string[];
}

type RecorderRoute = keyof typeof recorderRoutes;

export interface RecordersArea extends Area<RecorderRoute> {
  readonly desk: RecorderDesk;
  /** Told of takes: names the repaired file to whom the loss was told. */
  onTake(take: TakeRecord, moment: TakeMoment): void;
}

export function openRecorders(
  context: DaemonContext,
  sessions: Sessions,
  watch: WatchDoor,
): RecordersArea {
  const store = new RecorderStore(context.paths.keys);
  const warnings = new WarningDesk(context);
  const desk = new RecorderDesk(context, sessions, warnings);
  const vigils = new Vigils(context, sessions, desk, warnings);

  const stored = (name: string) => store.all().find((one) => one.name === name);
  const begin = (one: StoredRecorder) => {
    const recorder = one.kind === 'obs' ? openObs(one) : openScreen(context, one);
    recorder.subscribe(() => ensureWatched(recorder));
    if (one.kind === 'screen') warnings.environment = one.environment;
    desk.add(recorder);
    ensureWatched(recorder);
    return recorder;
  };
  const ensureWatched = (recorder: Recorder) => {
    if (recorder.folder === null) return;
    watch.ensure(recorder.folder, recorder.kind === 'obs' ? 'obs' : 'ffmpeg').catch((problem) => {
      context.log.warn({ err: problem, folder: recorder.folder }, 'a folder cannot be watched');
    });
  };
  const view = async (recorder: Recorder): Promise<RecorderView> => {
    const { name, kind, state, folder } = recorder;
    const pulse = isCapturing(state) ? await recorder.pulse().catch(() => null) : null;
    return {
      name,
      kind,
      state: state.state,
      detail: describe(state),
      path: pathOf(state),
      folder,
      about: aboutRecorder(recorder, stored(name)),
      bytes: pulse?.bytes ?? null,
      recordedMs: pulse?.recordedMs ?? null,
      isFirst: desk.recorders[0] === recorder,
    };
  };
  const add = async (one: StoredRecorder): Promise<RecorderView> => {
    const before = desk.find(one.name);
    if (before && isCapturing(before.state)) throw busy(one.name);
    await desk.remove(one.name);
    store.put(one);
    const recorder = begin(one);
    await firstWord(recorder);
    return await view(recorder);
  };

  return {
    desk,
    onTake(take, moment) {
      if (moment !== 'indexed' || take.recoveredPath === null) return;
      const text = `${take.path} was interrupted; what could be saved is in ${take.recoveredPath}.`;
      const next = `roomtape show ${take.id}`;
      const body = { take: take.id, path: take.path, recoveredPath: take.recoveredPath };
      warnings.tell({ kind: 'recovered', level: 'warning', text, next, body });
      warnings.amend(take.path, text, next);
    },
    handlers: {
      'recorder.addObs': async ({ name, url, password, configFolder }) => {
        const found = configFolder ?? (await findObsFolder());
        if (url === undefined && found === null) throw noObs();
        const same = store.all().find((one) => isSameObs(one, url ?? null, found));
        if (same && same.name !== name) throw setUpAlready(same.name);
        return await add({
          kind: 'obs',
          name: name ?? freeName('obs', store.all()),
          url: url ?? null,
          password: password ?? null,
          configFolder: found,
        });
      },
      'recorder.addScreen': async ({ name, environment, ...wish }) => {
        const devices = await listDevices(context, environment);
        const folder = wish.folder ?? ownFolder();
        const facts = await folderFacts(folder);
        if (!facts.exists) {
          throw new RoomtapeError('file-missing', `There is no folder ${folder}.`, {
            next: `mkdir -p '${folder}'`,
          });
        }
        const screen = wish.screen ?? devices.find(({ kind }) => kind === 'screen')?.id;
        if (screen === undefined) throw noScreen(desktopOf(environment).isWayland);
        return await add({
          kind: 'screen',
          name: name ?? freeName('screen', store.all()),
          screen,
          size: wish.size ?? null,
          frameRate: wish.frameRate,
          microphones: wish.microphones ?? usualMicrophone(devices),
          folder,
          environment,
        });
      },
      'recorder.list': async () => await Promise.all(desk.recorders.map(view)),
      'recorder.remove': async ({ name }) => {
        const recorder = desk.find(name);
        if (!recorder) throw unknown(name, store.all());
        if (isCapturing(recorder.state)) throw busy(name);
        const last = await view(recorder);
        await desk.remove(name);
        store.remove(name);
        return last;
      },
      'recorder.devices': async ({ environment }) => await listDevices(context, environment),
      'preflight.run': async (wish) => {
        const recorder = wish.recorder ? desk.find(wish.recorder) : desk.recorders[0];
        if (wish.recorder && !recorder) throw unknown(wish.recorder, store.all());
        return await runPreflight(recorder, wish);
      },
    },
    start() {
      for (const one of store.all()) begin(one);
      vigils.start();
    },
    status: () => ({ notices: warnings.notices }),
    async close() {
      vigils.close();
      await desk.close();
    },
  };

  async function runPreflight(
    recorder: Recorder | undefined,
    wish: {
      room?: string | undefined;
      participant?: string | undefined;
      plannedMs: number;
      fix: boolean;
    },
  ): Promise<PreflightView> {
    const gather = () =>
      gatherFacts({
        recorder,
        stored: recorder && stored(recorder.name),
        plannedMs: wish.plannedMs,
        reserveBytes: context.config['free-disk-mb'] * 1e6,
        permission: permissionFor(sessions, wish.room, wish.participant),
        clockSkewMs: clockSkew(sessions),
        watchedFolders: watch.folders(),
      });
    let facts = await gather();
    const fixed: string[] = [];
    if (wish.fix && recorder && facts.obs && !facts.obs.survivesCrash) {
      fixed.push(await fixContainer(recorder, stored(recorder.name), facts.obs));
    }
    if (wish.fix && recorder && facts.folder !== null && facts.watched === false) {
      await watch.ensure(facts.folder, recorder.kind === 'obs' ? 'obs' : 'ffmpeg');
      fixed.push(`${facts.folder} is watched from now on.`);
    }
    if (fixed.length > 0) facts = await gather();
    const findings = preflight(facts).map(findingView);
    return { recorder: recorder?.name ?? null, folder: facts.folder, findings, fixed };
  }
}

const findingView = (finding: Finding): FindingView => ({ ...finding });

/** A recorder as it is set up, in a few words. */
function aboutRecorder(recorder: Recorder, one: StoredRecorder | undefined): string | null {
  if (recorder instanceof ObsRecorder) return recorder.version;
  if (one?.kind !== 'screen') return null;
  const count = one.microphones.length;
  return `${one.screen} with ${count === 0 ? 'no' : count} microphone${count === 1 ? '' : 's'}`;
}

const settingsLastMs = 20_000;

function openObs(one: StoredObs): ObsRecorder {
  // OBS's own settings are read again and again, so that a changed port or password is followed;
  // not at every try, because OBS may not run for days.
  let known: { readonly at: number; readonly value: ObsWebSocketSettings | null } | null = null;
  const settings = async () => {
    if (known && performance.now() - known.at < settingsLastMs) return known.value;
    const texts = one.configFolder === null ? null : await readObsFolder(one.configFolder);
    known = { at: performance.now(), value: texts && webSocketSettings(texts) };
    return known.value;
  };
  return new ObsRecorder({
    name: one.name,
    url: async () => one.url ?? `ws://127.0.0.1:${(await settings())?.port ?? 4455}`,
    password: async () => one.password ?? (await settings())?.password ?? null,
  });
}

function openScreen(context: DaemonContext, one: StoredScreen): ScreenRecorder {
  return new ScreenRecorder({
    name: one.name,
    source: {
      platform: capturePlatform(),
      screen: one.screen,
      size: one.size,
      frameRate: one.frameRate,
      microphones: one.microphones,
    },
    folder: one.folder,
    workFolder: join(context.paths.home, 'capture', one.name),
    ffmpegs: async () => (await ffmpegCandidates(context.config.ffmpeg)).map(({ path }) => path),
    environment: one.environment,
    now: () => new Date(context.clock.now()),
  });
}

/** Waits for OBS's answer, or for its not answering, so that `add` can tell. */
async function firstWord(recorder: Recorder): Promise<void> {
  if (recorder.kind !== 'obs') return;
  let unsubscribe = () => {};
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    unsubscribe = recorder.subscribe(() => resolve());
    timer = setTimeout(resolve, 4_000);
  });
  clearTimeout(timer);
  unsubscribe();
}

/** The configuration folder of an OBS on this machine whose WebSocket server is on, if there is. */
async function findObsFolder(): Promise<string | null> {
  let first: string | null = null;
  for (const folder of obsFolders()) {
    const texts = await readObsFolder(folder);
    if (texts && webSocketSettings(texts)?.enabled) return folder;
    if (texts) first ??= folder;
  }
  return first;
}

/** The screens and microphones here; screens alone where no ffmpeg has devices for sound. */
async function listDevices(
  context: DaemonContext,
  environment: Readonly<Record<string, string>>,
): Promise<DeviceView[]> {
  const platform = capturePlatform();
  const desktop = desktopOf(environment);
  let screens: DeviceView[] | null = null;
  for (const { path } of await ffmpegCandidates(context.config.ffmpeg)) {
    const known = await runProgram(path, ['-hide_banner', '-devices'], 10_000);
    if (hasDevices(known.output, neededDevices(platform, true))) {
      const args = deviceListArguments(platform);
      const { output } = await runProgram(path, args, 10_000, environment);
      return parseDevices(platform, output, desktop);
    }
    if (hasDevices(known.output, neededDevices(platform, false))) {
      screens ??= parseDevices(platform, '', desktop);
    }
  }
  if (screens !== null) return screens;
  const needed = neededDevices(platform, true).join(' and ');
  throw new RoomtapeError('no-ffmpeg', `No ffmpeg here can capture (${needed}).`, {
    next: platform === 'linux' ? 'sudo apt-get install ffmpeg' : 'roomtape doctor',
  });
}

/** A folder of our own among the videos: the whole of a home folder is too much to watch. */
function ownFolder(): string {
  const folder = join(existingPlaces('{videos}')[0] ?? homedir(), 'Roomtape');
  makeFolder(folder);
  return folder;
}

function usualMicrophone(devices: readonly DeviceView[]): string[] {
  const microphones = devices.filter(({ kind }) => kind === 'microphone');
  const usual = microphones.find(({ label }) => label.endsWith('(default)')) ?? microphones[0];
  return usual ? [usual.id] : [];
}

function capturePlatform(): CaptureSource['platform'] {
  const { platform } = process;
  return platform === 'darwin' || platform === 'win32' ? platform : 'linux';
}

/**
 * How far our clock is behind the latest moment that the session knows of; a clock that is ahead
 * cannot be told from time that has passed.
 */
function clockSkew(sessions: Sessions): number | null {
  const [state] = sessions.open();
  return state ? Math.min(0, sessions.now() - state.watermark) : null;
}

function permissionFor(
  sessions: Sessions,
  room: string | undefined,
  participant: string | undefined,
): { allowed: true } | { allowed: false; problem: string; next: string } | null {
  const [state] = sessions.open();
  if (!state) return null;
  try {
    const wish = {
      type: 'record',
      ...(room === undefined ? {} : { room }),
      ...(participant === undefined ? {} : { participant }),
    } as const;
    sessions.rehearse(state.id, wish);
    return { allowed: true };
  } catch (problem) {
    if (!(problem instanceof RoomtapeError)) throw problem;
    // Already recording is no want of permission.
    if (problem.code !== 'not-permitted' && problem.code !== 'unknown-id') return null;
    return { allowed: false, problem: problem.message, next: problem.next ?? 'roomtape request' };
  }
}

function freeName(base: string, taken: readonly StoredRecorder[]): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (!taken.some((one) => one.name === name)) return name;
  }
}

/** One OBS under two names would be told of twice. */
function isSameObs(one: StoredRecorder, url: string | null, configFolder: string | null): boolean {
  return (
    one.kind === 'obs' && one.url === url && (url !== null || one.configFolder === configFolder)
  );
}

function setUpAlready(name: string): RoomtapeError {
  return new RoomtapeError('usage', `This OBS is set up already, as ${name}.`, {
    next: `roomtape recorder list, or for another OBS: roomtape recorder add obs --url ws://HOST:PORT`,
  });
}

function busy(name: string): RoomtapeError {
  return new RoomtapeError('wrong-state', `${name} is recording.`, { next: 'roomtape stop' });
}

function unknown(name: string, all: readonly StoredRecorder[]): RoomtapeError {
  const names = all.map((one) => one.name).join(', ') || 'none is set up';
  return new RoomtapeError('unknown-id', `There is no recorder ${name} (${names}).`, {
    next: 'roomtape recorder list',
  });
}

function noObs(): RoomtapeError {
  return new RoomtapeError('file-missing', 'OBS has no settings on this machine.', {
    next: 'roomtape recorder add obs --url ws://HOST:4455 --password-stdin',
  });
}

function noScreen(isWayland: boolean): RoomtapeError {
  if (isWayland) {
    const problem =
      'This is a Wayland desktop: it shows its screen only to programs that ask its person through PipeWire, which ffmpeg cannot.';
    return new RoomtapeError('usage', problem, {
      next: 'roomtape recorder add obs (OBS captures Wayland), or log in to an X11 session',
    });
  }
  return new RoomtapeError('usage', 'No screen was found: DISPLAY is not set.', {
    next: 'roomtape recorder add screen --screen :0',
  });
}
