/**
 * One Zoom meeting folder as a whole: what was recorded there, how far its conversion came, and
 * what to do next.
 *
 * A pure function of what lies in the folder: names and sizes, the text of `recording.conf` and
 * `zoomver.tag`, how far each raw file parses, and whether anything moves. `recording.conf` is the
 * authority on conversion; a raw file beside a finished one is no error, and an `.mp4.tmp` is never
 * a recording however well it plays.
 */
import { type LocalTime, localTimeOf } from './start-time.ts';
import {
  zoomCloudName,
  zoomFinalName,
  zoomFolderName,
  zoomLegacyAudioName,
  zoomLegacyVideoName,
  zoomRawName,
  zoomTemporaryName,
} from './zoom.ts';

/** What a raw file holds, from container/zoom. */
export interface RawState {
  /** False when the first bytes are not Zoom's. */
  readonly magic: boolean;
  /** True when the last packet ends where the file ends. */
  readonly whole: boolean;
  /** Bytes up to the end, or to the first that cannot be read. */
  readonly bytesKept: number;
  /** Set when packets follow behind what cannot be read. */
  readonly damagedAt?: number;
  readonly durationMs: number | null;
  /** From the control file, ms since 1970. */
  readonly startedAt?: number;
}

export interface MeetingFile {
  /** Relative to the folder, with `/`: `Audio Record/audioAda11879983327.m4a`. */
  readonly name: string;
  readonly size: number;
  /** Set for raw files that were read. */
  readonly raw?: RawState;
  /** Whether a finished file was diagnosed whole; absent when it was not diagnosed. */
  readonly whole?: boolean;
}

export interface MeetingSnapshot {
  /** The folder, absolute. */
  readonly path: string;
  readonly files: readonly MeetingFile[];
  /** Text of `recording.conf`, or null when there is none. */
  readonly conf: string | null;
  /** Text of `zoomver.tag`, or null when there is none. */
  readonly tag: string | null;
  /** True when a file of the folder grew since the look before. */
  readonly growing: boolean;
  /** True when a converter runs on this machine. */
  readonly converterAlive: boolean;
}

export type ZoomVerdict =
  | 'recording'
  | 'conversion-pending'
  | 'interrupted'
  | 'converting'
  | 'conversion-interrupted'
  | 'raw-gone'
  | 'ready'
  | 'missing-output'
  | 'foreign'
  | 'empty';

/** One recording of the meeting: stopped and started again makes another. */
export interface ZoomItem {
  readonly verdict: ZoomVerdict;
  /** The file to list: the video, else the audio, else the first raw file; null when all is gone. */
  readonly file: string | null;
  /** The same sound as in the video's own track: never a recording of its own. */
  readonly audio: string | null;
  /** Percent of the conversion, where recording.conf says. */
  readonly process: number | null;
  /** One sentence for a person. */
  readonly detail: string;
  /** What to do next: a command, or what to do in Zoom; null when nothing is to be done. */
  readonly next: string | null;
}

export type CompanionKind = 'chat' | 'captions' | 'playlist' | 'separate-audio' | 'raw' | 'other';

export interface Companion {
  readonly kind: CompanionKind;
  readonly name: string;
  /** Whose voice a separate audio file holds. */
  readonly person?: string;
}

export interface MeetingJudgement {
  /** Composed (NFC), or null when the folder's name is not one of Zoom's. */
  readonly topic: string | null;
  readonly meetingId: string | null;
  /** Start in the recorder's local time, from the folder's name. */
  readonly localStart: LocalTime | null;
  /** Start from the control file, ms since 1970. */
  readonly startedAt: number | null;
  /** In the order of recording.conf; the one still open last. Empty when nothing was recorded. */
  readonly items: readonly ZoomItem[];
  readonly companions: readonly Companion[];
  /** Downloads from the cloud that lie here: not recorded on this machine. */
  readonly cloud: readonly string[];
}

/** Judges a meeting folder by the table of verdicts. Never throws, whatever the texts. */
export function judgeMeeting(snapshot: MeetingSnapshot): MeetingJudgement {
  const title = meetingTitle(snapshot.path);
  const conf = parseRecordingConf(snapshot.conf);
  const files = new Map(snapshot.files.map((file) => [file.name.normalize('NFC'), file]));
  const facts: Facts = {
    snapshot,
    files,
    raws: [...files.values()].filter((file) => zoomRawName.test(file.name)),
    temporaries: [...files.keys()].filter((name) => zoomTemporaryName.test(name)),
  };
  const finished = conf.items
    .filter((item) => item.process === 100)
    .map((item) => done(item, facts));
  const loose = looseItems(conf, facts);
  const open = openItem(conf, facts, finished.length + loose.length > 0);
  const starts = facts.raws.flatMap(({ raw }) => raw?.startedAt ?? []);
  return {
    ...title,
    startedAt: starts[0] ?? null,
    items: [...finished, ...loose, ...(open ? [open] : [])],
    companions: companionsOf(snapshot, conf),
    cloud: [...files.keys()].filter((name) => zoomCloudName.test(name)),
  };
}

interface Facts {
  readonly snapshot: MeetingSnapshot;
  readonly files: ReadonlyMap<string, MeetingFile>;
  readonly raws: readonly MeetingFile[];
  readonly temporaries: readonly string[];
}

// P = 100: ready when the file that recording.conf names is there, whatever else lies about.
function done(item: ConfItem, { snapshot, files }: Facts): ZoomItem {
  const file = [item.video, item.audio].find((name) => name !== '' && files.has(name)) ?? null;
  const audio = item.audio !== '' && files.has(item.audio) ? item.audio : null;
  if (file === null) {
    const named = item.video || item.audio || 'a file';
    const detail = `recording.conf says the conversion to ${named} is done, but the file is not there: it was moved, renamed or deleted.`;
    return {
      verdict: 'missing-output',
      file,
      audio,
      process: 100,
      detail,
      next: 'roomtape search',
    };
  }
  if (files.get(file)?.size === 0) {
    const next = recoverCommand(snapshot.path);
    return { verdict: 'empty', file, audio, process: 100, detail: `${file} has no bytes.`, next };
  }
  return {
    verdict: 'ready',
    file,
    audio,
    process: 100,
    detail: 'Zoom converted it to its end.',
    next: null,
  };
}

/** Finished files that recording.conf does not name: an older Zoom, or no conf at all. */
function looseItems(conf: RecordingConf, { files, snapshot, temporaries }: Facts): ZoomItem[] {
  const named = new Set(conf.items.flatMap((item) => [item.video, item.audio]));
  const free = [...files.values()].filter((file) => !named.has(file.name) && file.name !== '');
  const isAudio = (name: string) =>
    zoomLegacyAudioName.test(name) || zoomFinalName.exec(name)?.groups?.['kind'] === 'audio';
  const isVideo = (name: string) =>
    !isAudio(name) && (zoomLegacyVideoName.test(name) || zoomFinalName.test(name));
  const videos = free.filter((file) => isVideo(file.name));
  const audios = free.filter((file) => isAudio(file.name)).map((file) => file.name);
  // A finished name beside a stub that still grows is not finished yet.
  if (snapshot.converterAlive && temporaries.length > 0) return [];
  const heard = videos.length > 0 ? videos : free.filter((file) => isAudio(file.name));
  return heard.map((file) => {
    const audio =
      audios.find((name) => name !== file.name && twin(name) === twin(file.name)) ?? null;
    const older = zoomFinalName.test(file.name)
      ? 'No recording.conf names it.'
      : 'Converted by an older Zoom.';
    const empty = file.size === 0;
    return {
      verdict: empty ? 'empty' : file.whole === false ? 'interrupted' : 'ready',
      file: file.name,
      audio,
      process: null,
      detail: empty ? `${file.name} has no bytes.` : older,
      next: empty || file.whole === false ? recoverCommand(snapshot.path) : null,
    };
  });
}

// zoom_0.mp4 goes with audio_only.m4a, zoom_1.mp4 with audio_only_1.m4a; video1X with audio1X.
function twin(name: string): string {
  const legacy = zoomLegacyVideoName.exec(name) ?? zoomLegacyAudioName.exec(name);
  if (legacy) return `legacy ${Number(legacy.groups?.['n'] ?? 0)}`;
  const final = zoomFinalName.exec(name);
  return final ? `${final.groups?.['part']} ${final.groups?.['magic']}` : name;
}

/** What is recording, waiting for its conversion, or stuck in it. */
function openItem(conf: RecordingConf, facts: Facts, someDone: boolean): ZoomItem | null {
  const { raws, temporaries, snapshot } = facts;
  const unfinished = conf.items.find((item) => item.process < 100) ?? null;
  if (raws.length === 0 && temporaries.length === 0 && unfinished === null) return null;
  const allFinished = conf.items.length > 0 && unfinished === null;
  // Raw files outlive a finished conversion: only when they grow is there another recording.
  const leftovers = allFinished || (someDone && conf.items.length === 0);
  if (leftovers && !(snapshot.growing && raws.length > 0 && temporaries.length === 0)) return null;
  return judgeOpen(unfinished, facts);
}

function judgeOpen(item: ConfItem | null, facts: Facts): ZoomItem | null {
  const { raws, temporaries, snapshot } = facts;
  const process = item?.process ?? null;
  const media = raws[0] ?? null;
  const base = { file: media?.name ?? temporaries[0] ?? null, audio: null, process };
  const percent = `${process ?? 0} %`;
  const active = snapshot.converterAlive || snapshot.growing;
  const again = recoverCommand(snapshot.path);

  if (media === null && temporaries.length === 0) {
    const named = [item?.video, item?.audio].find((name) => name && facts.files.has(name));
    if (named) {
      const whole = facts.files.get(named)?.whole === true;
      const detail = `recording.conf stands at ${percent}, but ${named} is there and the raw files are gone.`;
      const verdict = whole ? 'ready' : 'raw-gone';
      return { ...base, file: named, verdict, detail, next: whole ? null : again };
    }
    const detail = 'Neither raw files nor a converted file are in the folder.';
    return { ...base, verdict: 'raw-gone', detail, next: 'roomtape search' };
  }
  if (media === null) {
    if (active) {
      return {
        ...base,
        verdict: 'converting',
        detail: `Zoom is converting: ${percent}.`,
        next: null,
      };
    }
    const detail = `The raw files are gone and the conversion stopped at ${percent}: the unfinished ${temporaries[0]} is the last resort.`;
    return { ...base, verdict: 'raw-gone', detail, next: again };
  }
  if (raws.every((raw) => raw.size === 0) || media.size === 0) {
    return { ...base, verdict: 'empty', detail: `${media.name} has no bytes.`, next: null };
  }
  if (raws.some(({ raw }) => raw?.magic === false)) {
    const detail = `${media.name} does not begin as Zoom’s files do: another program (Tencent Meeting uses the same name) wrote it and can convert it.`;
    return { ...base, verdict: 'foreign', detail, next: null };
  }
  if (temporaries.length > 0 || (snapshot.converterAlive && !snapshot.growing)) {
    if (active) {
      return {
        ...base,
        verdict: 'converting',
        detail: `Zoom is converting: ${percent}.`,
        next: null,
      };
    }
    const detail = `The conversion stopped at ${percent}; the raw files are still there: convert again.`;
    return { ...base, verdict: 'conversion-interrupted', detail, next: again };
  }
  if (snapshot.growing) {
    const detail = 'Zoom is recording, or has paused: the two look alike on disk.';
    return { ...base, verdict: 'recording', detail, next: null };
  }
  return judgeIdleRaw(base, media, facts);
}

function judgeIdleRaw(
  base: Pick<ZoomItem, 'file' | 'audio' | 'process'>,
  media: MeetingFile,
  { raws, snapshot }: Facts,
): ZoomItem {
  const again = recoverCommand(snapshot.path);
  const torn = raws.find(({ raw }) => raw?.whole === false);
  const short = parseZoomverTag(snapshot.tag).find((line) => {
    return line.length !== raws.find((raw) => raw.name === line.file)?.size;
  });
  if (!torn && !short) {
    const seconds = media.raw?.durationMs ? `${(media.raw.durationMs / 1000).toFixed(1)} s ` : '';
    const detail = `Zoom has not converted ${seconds}of recording yet.`;
    return { ...base, verdict: 'conversion-pending', detail, next: again };
  }
  const missing = short ? ` zoomver.tag promises ${short.length} bytes of ${short.file}.` : '';
  const detail = `${interruption(torn ?? media)}${missing}`;
  return { ...base, verdict: 'interrupted', detail, next: again };
}

/** How far a raw file can be read. */
function interruption({ raw, size }: MeetingFile): string {
  const span = raw?.durationMs ? `, ${(raw.durationMs / 1000).toFixed(1)} s` : '';
  if (raw?.damagedAt !== undefined) {
    return `The raw recording is damaged at byte ${raw.damagedAt} of ${size}${span} of it can be read.`;
  }
  const counted = `${raw?.bytesKept ?? size} of ${size} bytes are complete packets${span}.`;
  const isShort = raw?.whole !== false;
  return `The raw recording ${isShort ? 'is shorter than it was' : 'ends inside a packet'}: ${counted}`;
}

/** The command that goes on with a meeting folder, typed so that any name survives a shell. */
function recoverCommand(path: string): string {
  return `roomtape recover '${path.replaceAll("'", "'\\''")}'`;
}

export interface ConfItem {
  readonly video: string;
  readonly audio: string;
  /** Percent, 0 to 100. */
  readonly process: number;
}

export interface RecordingConf {
  readonly items: readonly ConfItem[];
  /** Digits at the end of every converted name; null when missing. */
  readonly magic: string | null;
}

/** Reads `recording.conf`; anything that is not as expected is left out. Never throws. */
export function parseRecordingConf(text: string | null): RecordingConf {
  const none: RecordingConf = { items: [], magic: null };
  if (text === null || text.length > 64 * 1024) return none;
  const parsed = parseJson(text);
  if (!isRecord(parsed)) return none;
  const listed = Array.isArray(parsed['items']) ? parsed['items'].slice(0, 1000) : [];
  const items = listed.filter(isRecord).map((item) => ({
    video: nameOf(item['video']),
    audio: nameOf(item['audio']),
    process: percentOf(item['process']),
  }));
  const magic = parsed['magic_number'];
  return { items, magic: typeof magic === 'string' && /^\d+$/.test(magic) ? magic : null };
}

// A name with a separator would point out of the folder: not a name that Zoom writes.
function nameOf(value: unknown): string {
  return typeof value === 'string' && !/[/\\\0]/.test(value) ? value.normalize('NFC') : '';
}

function percentOf(value: unknown): number {
  const percent = Number(value);
  return Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as unknown;
  } catch (error) {
    // A conf cut off by a crash is as good as none.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface TagLine {
  readonly file: string;
  readonly length: number;
  readonly status: number;
}

const tagLine =
  /^(?<file>double_click_to_convert_\d{2,}\.zoom): ver=(?<ver>\d+), len=(?<len>\d+), status=(?<status>-?\d+), tag=(?<tag>[0-9a-f]{64})$/;

/** Reads `zoomver.tag`: the exact length of each raw file. Lines it does not know are left out. */
export function parseZoomverTag(text: string | null): readonly TagLine[] {
  if (text === null || text.length > 64 * 1024) return [];
  return text.split(/\r?\n/).flatMap((line) => {
    const groups = tagLine.exec(line.trim())?.groups;
    if (!groups) return [];
    return [
      {
        file: groups['file'] ?? '',
        length: Number(groups['len']),
        status: Number(groups['status']),
      },
    ];
  });
}

/** Topic, meeting id and local start from a folder's name; all null when people renamed it. */
export function meetingTitle(
  path: string,
): Pick<MeetingJudgement, 'topic' | 'meetingId' | 'localStart'> {
  const name = path.split(/[\\/]/).findLast((part) => part !== '') ?? '';
  const groups = zoomFolderName.exec(name.normalize('NFC'))?.groups;
  const localStart = groups ? localTimeOf(groups) : null;
  if (!groups || !localStart) return { topic: null, meetingId: null, localStart: null };
  return { topic: groups['topic'] || null, meetingId: groups['meetingId'] ?? null, localStart };
}

const separateAudio = /^Audio Record\/audio(?<rest>.+)\.m4a$/;

function companionsOf({ files }: MeetingSnapshot, conf: RecordingConf): Companion[] {
  return files.flatMap((file): Companion[] => {
    const name = file.name.normalize('NFC');
    const track = separateAudio.exec(name)?.groups?.['rest'];
    if (track !== undefined)
      return [{ kind: 'separate-audio', name, person: personOf(track, conf) }];
    if (zoomRawName.test(name)) return [{ kind: 'raw', name }];
    if (/(?:^|_)(?:new_)?chat\.txt$/.test(name)) return [{ kind: 'chat', name }];
    if (/caption\.txt$|\.vtt$/i.test(name)) return [{ kind: 'captions', name }];
    if (name === 'playback.m3u') return [{ kind: 'playlist', name }];
    if (name === 'recording.conf' || name === 'zoomver.tag') return [{ kind: 'other', name }];
    return [];
  });
}

// `<Name><idx><part><magic>`: all digits run together, so the known part and magic go first.
function personOf(rest: string, conf: RecordingConf): string {
  const known = conf.items.flatMap(({ audio, video }) => {
    const match = zoomFinalName.exec(audio) ?? zoomFinalName.exec(video);
    return match ? [`${match.groups?.['part']}${match.groups?.['magic']}`] : [];
  });
  const suffix = known.find((tail) => rest.endsWith(tail));
  const bare = suffix ? rest.slice(0, -suffix.length) : rest.replace(/\d{1,2}\d{9,10}$/, '');
  return bare.replace(/(?<=.)\d{1,2}$/, '');
}
