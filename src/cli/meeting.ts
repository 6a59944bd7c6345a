/**
 * `roomtape inspect` and `recover` on a Zoom meeting folder, or on a raw file inside one: the whole
 * folder is judged, and an unfinished conversion is finished by Zoom's own converter where there is
 * one.
 */
import { lstatSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Diagnosis } from '../container/diagnosis.ts';
import { type ExitCode, exitCodes, RoomtapeError } from '../errors.ts';
import type { MeetingJudgement, ZoomItem } from '../recorders/zoom-folder.ts';
import type { Recovery, Rescue, Verification, VerifiedFile } from '../system/rescue.ts';
import type { Converter, RunningConverter } from '../system/zoom-converter.ts';

/** The folder that a word on the command line means as a meeting; null when it means a file. */
export function meetingFolderOf(path: string): string | null {
  const seen = lstatSync(path, { throwIfNoEntry: false });
  if (seen?.isDirectory()) return resolve(path);
  const isRaw = /^double_click_to_convert_\d{2,}\.zoom$/.test(basename(path));
  return seen?.isFile() && isRaw ? dirname(resolve(path)) : null;
}

export interface Meeting {
  readonly judgement: MeetingJudgement;
  /** The recording that still needs something, else the last one. */
  readonly item: ZoomItem;
}

/**
 * Looks at a folder; null when nothing in it is of Zoom.
 *
 * @param ours  a converter that we started: while it runs the folder is converting, and once it has
 *   ended nothing grows any more, however lately it did
 */
export async function lookAtMeeting(
  folder: string,
  rescue: Rescue,
  ours: 'none' | 'running' | 'ended' = 'none',
): Promise<Meeting | null> {
  const [{ judgeMeeting }, { readMeetingFolder }, { isConverterAlive }] = await Promise.all([
    import('../recorders/zoom-folder.ts'),
    import('../system/meeting-folder.ts'),
    import('../system/zoom-converter.ts'),
  ]);
  const diagnose = async (path: string): Promise<Diagnosis> =>
    (await rescue.diagnose(path, { followLink: false })).diagnosis;
  const facts = await readMeetingFolder(folder, diagnose, Date.now());
  const converterAlive = ours === 'running' || (await isConverterAlive());
  const growing = facts.growing && ours !== 'ended';
  const judgement = judgeMeeting({ ...facts, growing, converterAlive });
  const item = judgement.items.findLast((one) => one.verdict !== 'ready') ?? judgement.items.at(-1);
  return item ? { judgement, item } : null;
}

/** When a meeting began, from the best source there is, named; null when nothing tells. */
export async function meetingStart(folder: string, { judgement, item }: Meeting) {
  const [{ profileOf }, { trueStart }] = await Promise.all([
    import('../recorders/profiles.ts'),
    import('../recorders/start-time.ts'),
  ]);
  const { startedAt } = judgement;
  return trueStart(profileOf('zoom'), {
    path: join(folder, item.file ?? 'recording.conf'),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...(startedAt === null ? {} : { controlStart: startedAt }),
  });
}

/** One document of the `--json` contract of `inspect`, for the whole folder. */
export function meetingFields(folder: string, { judgement, item }: Meeting) {
  const { topic, meetingId, startedAt, items, companions, cloud } = judgement;
  return {
    path: folder,
    container: 'zoom',
    recorder: 'zoom',
    verdict: item.verdict,
    durationMs: null,
    tracks: [],
    damage: [],
    recoverable: item.verdict !== 'raw-gone' && item.verdict !== 'missing-output',
    next: item.next,
    detail: item.detail,
    meeting: { topic, meetingId, startedAt, items, companions, cloud },
  };
}

export interface MeetingWishes {
  /** Path of the converter from the settings; empty to look for one. */
  readonly converter: string;
  readonly dryRun: boolean;
  readonly verify: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  /** Recovers one file as if it had been named: the stub that is the last resort. */
  readonly recoverFile: (path: string) => Promise<Recovery>;
}

export interface MeetingOutcome {
  readonly fields: Record<string, unknown>;
  readonly code: ExitCode;
  readonly lines: readonly string[];
}

/** Goes on with a meeting: converts, waits, or says what stands in the way. */
export async function recoverMeeting(
  folder: string,
  rescue: Rescue,
  wishes: MeetingWishes,
): Promise<MeetingOutcome | null> {
  const seen = await lookAtMeeting(folder, rescue);
  if (!seen) return null;
  const { verdict } = seen.item;
  if (verdict === 'raw-gone' && seen.item.file?.endsWith('.tmp')) {
    return lastResort(folder, seen, wishes);
  }
  if (wishes.dryRun || !convertible.has(verdict)) return told(folder, seen, null);
  const { findConverter } = await import('../system/zoom-converter.ts');
  if (verdict === 'converting') return converted(folder, rescue, wishes, null);
  const converter = findConverter(wishes.converter);
  if (!converter) return told(folder, withoutConverter(folder, seen), null);
  return converted(folder, rescue, wishes, converter);
}

const convertible: ReadonlySet<string> = new Set([
  'conversion-pending',
  'conversion-interrupted',
  'interrupted',
  'converting',
]);

function withoutConverter(folder: string, seen: Meeting): Meeting {
  const raw = join(folder, seen.item.file ?? 'double_click_to_convert_01.zoom');
  const next = `Open ${raw} with the Zoom client on the computer that recorded it; or: roomtape recover --experimental-zoom '${raw.replaceAll("'", "'\\''")}'`;
  const detail = `${seen.item.detail} There is no converter of Zoom’s on this machine.`;
  return { ...seen, item: { ...seen.item, detail, next } };
}

/** How often the folder is looked at while Zoom converts, in ms. */
const lookEveryMs = 400;
/** How long a program that hands the file on may take until a conversion is seen, in ms. */
const handedOnMs = 30_000;

async function converted(
  folder: string,
  rescue: Rescue,
  wishes: MeetingWishes,
  converter: Converter | null,
): Promise<MeetingOutcome> {
  const { startConverter } = await import('../system/zoom-converter.ts');
  const raw = join(folder, 'double_click_to_convert_01.zoom');
  const running = converter ? startConverter(converter, raw) : null;
  const kill = () => running?.kill();
  wishes.signal.addEventListener('abort', kill, { once: true });
  try {
    const seen = await waitForConversion(folder, rescue, wishes, converter, running);
    if (seen.item.verdict !== 'ready' || !seen.item.file || !wishes.verify) {
      return told(folder, seen, null);
    }
    const file = join(folder, seen.item.file);
    return told(folder, seen, await rescue.verify(file, { signal: wishes.signal }));
  } finally {
    wishes.signal.removeEventListener('abort', kill);
  }
}

async function waitForConversion(
  folder: string,
  rescue: Rescue,
  wishes: MeetingWishes,
  converter: Converter | null,
  running: RunningConverter | null,
): Promise<Meeting> {
  const isOurs = running !== null && converter?.handsOn === false;
  let ours: 'none' | 'running' | 'ended' = isOurs ? 'running' : 'none';
  const ended = running?.ended.then(() => {
    if (isOurs) ours = 'ended';
  });
  const until = Date.now() + (converter?.handsOn ? handedOnMs : 0);
  for (;;) {
    const wasOurs = ours;
    const seen = await lookAtMeeting(folder, rescue, wasOurs);
    if (wishes.signal.aborted) throw new RoomtapeError('cancelled', 'Cancelled.');
    if (!seen) throw new RoomtapeError('file-changed', `${folder} was emptied meanwhile.`);
    const { verdict, process } = seen.item;
    const waiting = wasOurs === 'running' || verdict === 'converting' || Date.now() < until;
    if (!waiting || verdict === 'ready') {
      // The converter may still write its last words when the file is there.
      if (isOurs && ended) await Promise.race([ended, pause(2000)]);
      return seen;
    }
    wishes.onProgress(`${folder}: Zoom is converting${process ? `  ${process} %` : ''}`);
    await Promise.race([pause(lookEveryMs), ...(ended && wasOurs === 'running' ? [ended] : [])]);
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function lastResort(
  folder: string,
  seen: Meeting,
  wishes: MeetingWishes,
): Promise<MeetingOutcome> {
  const recovery = await wishes.recoverFile(join(folder, seen.item.file ?? ''));
  const { recoveryFields, recoveryCode } = await import('../system/recovery-report.ts');
  const fields = recoveryFields(recovery);
  const meeting = meetingFields(folder, seen).meeting;
  const lines = [seen.item.detail, `output: ${fields.output ?? 'nothing written'}`];
  return {
    fields: { ...fields, path: folder, verdict: 'raw-gone', note: seen.item.detail, meeting },
    code: recoveryCode(recovery),
    lines,
  };
}

function told(folder: string, seen: Meeting, verified: VerifiedFile | null): MeetingOutcome {
  const { item } = seen;
  const ready = item.verdict === 'ready';
  const output = ready && item.file ? join(folder, item.file) : null;
  const verification: Verification = verified?.verification ?? {
    structure: 'not-run',
    decode: 'not-run',
    errors: 0,
    problems: [],
  };
  const sound = verification.structure !== 'damaged' && verification.decode !== 'errors';
  const { next, meeting } = meetingFields(folder, seen);
  const size = verified?.identity.size ?? 0;
  return {
    fields: {
      path: folder,
      verdict: item.verdict,
      method: ready ? 'Zoom’s own converter' : null,
      reference: null,
      output,
      tracks: (verified?.diagnosis.tracks ?? []).map(({ kind, codec, samples, durationMs }) => ({
        kind,
        codec,
        samples,
        durationMs,
      })),
      bytesTotal: size,
      bytesKept: size,
      bytesLost: 0,
      lostMs: null,
      verification,
      note: item.detail,
      next,
      meeting,
    },
    code: ready && sound ? exitCodes.done : exitCodes.damage,
    lines: [
      item.detail,
      ...(output ? [`output: ${output}`] : []),
      ...verification.problems,
      ...(next ? [`next: ${next}`] : []),
    ],
  };
}
