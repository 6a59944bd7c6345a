/**
 * `roomtape inspect`, `recover`, `verify`: broken files, without a daemon.
 *
 * A word that names no file but may be the id of a take goes to the daemon (recordings.ts). The
 * fields printed with `--json` are a contract that programs rely on.
 */
import { lstatSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Diagnosis, FileVerdict, TrackSummary } from '../container/diagnosis.ts';
import { type ExitCode, exitCodes, RoomtapeError } from '../errors.ts';
import type { Config } from '../system/config.ts';
import type { Recovery, Rescue, RescueProgress } from '../system/rescue.ts';
import type { Frame } from './frame.ts';
import { ManyInspected } from './many-inspected.ts';
import { duration, moment, type Paint, size, visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('inspect')
    .description('Says what each file is, what is wrong with it and what can be had of it.')
    .argument('<file...>')
    .addHelpText(
      'after',
      '\nRoomtape reads MP4, MOV, M4A, Matroska, WebM, MPEG-TS, FLV, AVI, WAV, AIFF, Ogg, FLAC, MP3,\n' +
        'ADTS and the raw files of Zoom.',
    )
    .action((files: string[]) => inspect(frame, files));
  program
    .command('recover')
    .description(
      'Writes a repaired copy of each interrupted file, <stem>.recovered.<ext>, and verifies it.\n' +
        'The original is never changed.',
    )
    .argument('<file...>', 'files, or ids of takes')
    .option(
      '--reference <file>',
      'whole file of the same recorder and settings; may be given again',
      // One at a time, so that the files to recover may also stand behind it.
      (file: string, files: readonly string[] = []) => [...files, file],
    )
    .option('--out <folder>', 'where the new files go (beside the originals)')
    .option('--dry-run', 'only say what would be done')
    .option('--no-verify', 'do not read back and decode the new file')
    .option('--overwrite', 'replace an existing output')
    .option('--faststart', 'put the index in front, for playing while downloading')
    .option('--experimental-zoom', 'extract from a raw .zoom file whose layout is not verified')
    .action((files: string[], options: RecoverFlags) => recover(frame, files, options));
  program
    .command('verify')
    .description('Reads each file to its end with two readers and decodes all of it.')
    .argument('<file...>', 'files, or ids of takes')
    .action((files: string[]) => verify(frame, files));
}

interface RecoverFlags {
  readonly reference?: readonly string[];
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly verify: boolean;
  readonly overwrite?: boolean;
  readonly faststart?: boolean;
  readonly experimentalZoom?: boolean;
}

/** What one file came to: a result with its part of the exit code, or an obstacle. */
interface Told<T> {
  readonly result: T;
  readonly code: ExitCode;
  readonly text: (paint: Paint) => readonly string[];
}

async function inspect(frame: Frame, files: readonly string[]): Promise<void> {
  const many = new ManyInspected(files);
  await forEach(frame, files, async (path, rescue, signal) => {
    const meeting = await inspectedMeeting(path, rescue);
    if (meeting) return meeting;
    const sampled =
      (await many.sampled(path, rescue, signal)) ??
      (await rescue.diagnose(path, {
        followLink: true,
        thorough: true,
        signal,
        onProgress: (progress) => frame.progress(progressLine(path, progress)),
      }));
    const { diagnosis } = sampled;
    const next = await nextFor(path, diagnosis);
    const { container, verdict, durationMs, tracks, damage, recoverable, openEnded } = diagnosis;
    const recorder = await many.recorderOf(path, sampled);
    const note = openEnded ? openEndedNote : null;
    const result = {
      path,
      container,
      recorder,
      verdict,
      durationMs,
      tracks: tracks.map(trackFields),
      damage: damage.map(({ kind, at, detail }) => ({ kind, at, detail })),
      recoverable,
      note,
      next,
    };
    return {
      result,
      code: verdict === 'whole' ? exitCodes.done : exitCodes.damage,
      text: (paint) => [
        heading(paint, path, verdict),
        line('container', recorder === 'unknown' ? container : `${container}, by ${recorder}`),
        ...trackLines(tracks),
        ...(durationMs === null ? [] : [line('length', duration(durationMs))]),
        ...damage.map(({ at, detail }) => line('damage', `at byte ${at}: ${visible(detail)}`)),
        ...(note === null ? [] : [line('note', note)]),
        ...(next === null ? [] : [line('next', visible(next))]),
      ],
    };
  });
}

const openEndedNote =
  'A live recording has no end mark: it ends behind a complete packet, but whether it was stopped there or cut off just there cannot be told.';

async function recover(frame: Frame, words: readonly string[], flags: RecoverFlags): Promise<void> {
  const { files, ids } = filesAndIds(words);
  if (ids.length > 0) {
    if (files.length > 0) throw mixed();
    const { recoverTakes } = await import('./recordings.ts');
    return recoverTakes(frame, ids, flags);
  }
  await forEach(frame, files, async (path, rescue, signal, config) => {
    const recoverFile = (file: string) =>
      rescue.recover(file, {
        followLink: true,
        signal,
        onProgress: (progress) => frame.progress(progressLine(file, progress)),
        referencePaths: flags.reference,
        folder: flags.out ?? null,
        dryRun: flags.dryRun,
        verify: flags.verify,
        existing: flags.overwrite ? 'overwrite' : 'refuse',
        faststart: flags.faststart,
        experimentalZoom: flags.experimentalZoom,
      });
    const { meetingFolderOf, recoverMeeting } = await import('./meeting.ts');
    const folder = flags.experimentalZoom ? null : meetingFolderOf(path);
    const meeting =
      folder &&
      (await recoverMeeting(folder, rescue, {
        converter: config['zoom-converter'],
        dryRun: flags.dryRun === true,
        verify: flags.verify,
        signal,
        onProgress: (text) => frame.progress(visible(text)),
        recoverFile,
      }));
    if (folder && meeting) return toldMeeting(folder, meeting);
    if (!flags.dryRun) await assertNobodyWrites(path);
    return toldRecovery(path, await recoverFile(path), flags.dryRun === true);
  });
}

/** Throws when a recorder still has the file open: half a recording is not to be taken for all of it. */
async function assertNobodyWrites(path: string): Promise<void> {
  const [{ identityKey, writersOf }, { quoted }] = await Promise.all([
    import('../system/open-files.ts'),
    import('../system/files.ts'),
  ]);
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!found?.isFile()) return; // what it is instead will be told by whoever opens it
  const file = { device: String(found.dev), inode: String(found.ino) };
  const writers = await writersOf([file]);
  const writer = writers === 'unknown' ? undefined : writers.get(identityKey(file))?.[0];
  if (!writer) return;
  const who = `${writer.command || 'a program'} (process ${writer.pid})`;
  throw new RoomtapeError('wrong-state', `${path} is still being written by ${who}.`, {
    next: `stop that recording, then roomtape recover ${quoted(path)}`,
  });
}

function toldMeeting(
  folder: string,
  { fields, code, lines }: import('./meeting.ts').MeetingOutcome,
): Told<unknown> {
  return {
    result: fields,
    code,
    text: (paint) => [
      heading(paint, folder, String(fields['verdict'])),
      ...lines.map((one) => `  ${visible(one)}`),
    ],
  };
}

async function inspectedMeeting(path: string, rescue: Rescue): Promise<Told<unknown> | null> {
  // A raw file named by itself is inspected as a file; a folder only as a meeting.
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return null;
  const { lookAtMeeting, meetingFields, meetingStart } = await import('./meeting.ts');
  const folder = resolve(path);
  const seen = await lookAtMeeting(folder, rescue);
  if (!seen) return null;
  const start = await meetingStart(folder, seen);
  const fields = { ...meetingFields(folder, seen), start };
  const { items, companions } = seen.judgement;
  return {
    result: fields,
    code: seen.item.verdict === 'ready' ? exitCodes.done : exitCodes.damage,
    text: (paint) => [
      heading(paint, folder, seen.item.verdict),
      ...items.map(({ verdict, file, detail }) =>
        line('recording', visible(`${file ?? '(no file)'}: ${verdict}. ${detail}`)),
      ),
      ...(start ? [line('began', `${moment(start.at)}: ${start.reason}`)] : []),
      ...companions.map(({ kind, name }) => line(kind, visible(name))),
      ...(fields.next === null ? [] : [line('next', visible(fields.next))]),
    ],
  };
}

async function toldRecovery(
  path: string,
  recovery: Recovery,
  dryRun: boolean,
): Promise<Told<unknown>> {
  const { recoveryFields, recoveryCode } = await import('../system/recovery-report.ts');
  const fields = recoveryFields(recovery);
  const code = recoveryCode(recovery);
  const next = await nextAfter(path, recovery, dryRun);
  return {
    result: { ...fields, path, next },
    code,
    text: (paint) => recoveryLines(paint, { ...fields, path }, recovery, next),
  };
}

function recoveryLines(
  paint: Paint,
  fields: import('../system/recovery-report.ts').RecoveryFields,
  recovery: Recovery,
  next: string | null,
): readonly string[] {
  const { outcome, written, verification } = recovery;
  const lines = [heading(paint, fields.path, fields.verdict)];
  if (outcome.kind === 'none') {
    lines.push(line(outcome.reason === 'whole' ? 'result' : 'why', visible(outcome.detail)));
  } else {
    lines.push(line('method', outcome.method), ...trackLines(outcome.tracks));
    // Less than a frame is no loss that a person would notice.
    const lostTime = (outcome.lostMs ?? 0) < 10 ? '' : `, ${seconds(outcome.lostMs ?? 0)}`;
    const length = Math.max(0, ...outcome.tracks.map((track) => track.durationMs ?? 0));
    lines.push(
      line('kept', `${size(outcome.bytesKept)} of ${size(outcome.bytesTotal)}, ${seconds(length)}`),
    );
    lines.push(
      line('lost', outcome.bytesLost === 0 ? 'nothing' : `${size(outcome.bytesLost)}${lostTime}`),
    );
    if (fields.reference !== null) lines.push(line('reference', visible(fields.reference)));
    for (const finding of outcome.findings) lines.push(line('note', visible(finding)));
    lines.push(line('output', written ? visible(written.path) : 'nothing written (dry run)'));
    if (written) lines.push(line('verified', verificationText(verification)));
    for (const problem of verification.problems) lines.push(line('problem', visible(problem)));
  }
  if (next !== null) lines.push(line('next', visible(next)));
  return lines;
}

async function verify(frame: Frame, words: readonly string[]): Promise<void> {
  const { files, ids } = filesAndIds(words);
  if (ids.length > 0) {
    if (files.length > 0) throw mixed();
    const { verifyTakes } = await import('./recordings.ts');
    return verifyTakes(frame, ids);
  }
  const [{ isSound }, { verifiedFields }] = await Promise.all([
    import('../system/rescue.ts'),
    import('../system/recovery-report.ts'),
  ]);
  await forEach(frame, files, async (path, rescue, signal) => {
    const verified = await rescue.verify(path, {
      followLink: true,
      signal,
      onProgress: (progress) => frame.progress(progressLine(path, progress)),
    });
    const { diagnosis, verification } = verified;
    const sound = diagnosis.verdict === 'whole' && isSound(verification);
    const next = sound ? null : await nextFor(path, diagnosis);
    return {
      result: { ...verifiedFields(verified), next },
      code: sound ? exitCodes.done : exitCodes.damage,
      text: (paint) => [
        heading(paint, path, diagnosis.verdict),
        ...trackLines(diagnosis.tracks),
        line('verified', verificationText(verification)),
        ...verification.problems.map((problem) => line('problem', visible(problem))),
        ...(next === null ? [] : [line('next', visible(next))]),
      ],
    };
  });
}

/**
 * Works through the files one by one. An obstacle with one file does not keep the others from their
 * turn; the exit code is the worst of all: wrong usage, failed, damage, done.
 */
async function forEach<T>(
  frame: Frame,
  files: readonly string[],
  act: (path: string, rescue: Rescue, signal: AbortSignal, config: Config) => Promise<Told<T>>,
): Promise<void> {
  const [{ Rescue }, { readConfig }, { dataFolder, pathsOf }] = await Promise.all([
    import('../system/rescue.ts'),
    import('../system/config.ts'),
    import('../system/paths.ts'),
  ]);
  const config = await readConfig({ file: pathsOf(dataFolder()).config, env: process.env });
  const rescue = new Rescue({ ffmpeg: config.ffmpeg });
  const told: Told<T>[] = [];
  const obstacles: { path: string; problem: RoomtapeError }[] = [];
  try {
    for (const path of files) {
      try {
        told.push(await act(path, rescue, frame.cancelled, config));
      } catch (problem) {
        if (!(problem instanceof RoomtapeError)) throw problem;
        if (files.length === 1 && !frame.json) throw problem;
        obstacles.push({ path, problem });
        if (problem.code === 'cancelled') break;
      }
    }
  } finally {
    await rescue.close();
  }
  const codes = [
    ...told.map(({ code }) => code),
    ...obstacles.map(({ problem }) => problem.exitCode),
  ];
  frame.exitCode = worst(codes);
  for (const { problem } of obstacles) {
    frame.note(`roomtape: ${visible(problem.message)}`);
    if (problem.next) frame.note(`next:     ${visible(problem.next)}`);
  }
  await frame.print({
    results: told.map(({ result }) => result),
    text: (paint) => told.map(({ text }) => text(paint).join('\n')).join('\n\n'),
    ...(obstacles.length > 0 ? { more: { errors: obstacles.map(obstacleFields) } } : {}),
  });
}

const obstacleFields = ({ path, problem }: { path: string; problem: RoomtapeError }) => ({
  path,
  code: problem.code,
  problem: problem.message,
  next: problem.next ?? null,
});

const badness: readonly ExitCode[] = [
  exitCodes.done,
  exitCodes.damage,
  exitCodes.failed,
  exitCodes.usage,
];

function worst(codes: readonly ExitCode[]): ExitCode {
  return codes.reduce<ExitCode>(
    (worse, code) => (badness.indexOf(code) > badness.indexOf(worse) ? code : worse),
    exitCodes.done,
  );
}

/** A word is a file when there is one of that name, or when it can be no id. */
function filesAndIds(words: readonly string[]): { files: string[]; ids: string[] } {
  const files: string[] = [];
  const ids: string[] = [];
  for (const word of words) {
    const mayBeId = /^(?:[a-z]+_)?[0-9a-hjkmnp-tv-z]{3,26}$/i.test(word);
    const there = lstatSync(word, { throwIfNoEntry: false }) !== undefined;
    (mayBeId && !there ? ids : files).push(word);
  }
  return { files, ids };
}

const mixed = () =>
  new RoomtapeError('usage', 'Files and ids of takes cannot be mixed in one command.', {
    next: 'roomtape recover <file...>',
  });

async function nextFor(path: string, diagnosis: Diagnosis): Promise<string | null> {
  // A complete raw recording of Zoom still waits for its conversion.
  const isRaw = diagnosis.container === 'zoom' && diagnosis.tracks.length > 0;
  if (diagnosis.verdict === 'whole' && !isRaw) return null;
  if (!diagnosis.recoverable) return nextWithoutRepair(diagnosis.verdict);
  const { quoted } = await import('../system/files.ts');
  return `roomtape recover ${quoted(path)}`;
}

/** Where nothing can be had: what is read at all, or how the next recording is not lost as well. */
const nextWithoutRepair = (verdict: FileVerdict): string =>
  verdict === 'foreign' ? 'roomtape inspect --help' : 'roomtape preflight';

async function nextAfter(
  path: string,
  recovery: Recovery,
  dryRun: boolean,
): Promise<string | null> {
  const { quoted } = await import('../system/files.ts');
  const { outcome } = recovery;
  const withSample = '--reference <a whole recording by the same recorder>';
  if (outcome.kind === 'plan') {
    if (dryRun) return `roomtape recover ${quoted(path)}`;
    const isKept = outcome.tracks.some(({ plays }) => plays === false);
    return isKept ? `roomtape recover ${quoted(path)} --overwrite ${withSample}` : null;
  }
  if (outcome.next) return outcome.next;
  if (outcome.reason === 'whole') return null;
  if (outcome.reason === 'foreign') return nextWithoutRepair('foreign');
  const mayHelp = outcome.reason === 'no-parameter-sets' || outcome.reason === 'nothing-found';
  if (!mayHelp) return nextWithoutRepair('beyond-repair');
  return `roomtape recover ${quoted(path)} ${withSample}`;
}

const trackFields = ({ kind, codec, samples, durationMs, plays }: TrackSummary) => ({
  kind,
  codec,
  samples,
  durationMs,
  ...(plays === false ? { plays } : {}),
});

function verificationText(verification: Recovery['verification']): string {
  const { structure, decode, errors } = verification;
  if (structure === 'not-run') return 'no (--no-verify)';
  const read = structure === 'ok' ? 'reads whole' : 'does not read whole';
  switch (decode) {
    case 'ok':
      return `${read}, decodes to the end without an error`;
    case 'errors':
      return `${read}, ${errors} errors while decoding`;
    case 'unavailable':
      return `${read}; not decoded, for want of a decoder`;
    case 'not-run':
      return read;
  }
}

function trackLines(tracks: readonly TrackSummary[]): string[] {
  return tracks.map((track) => {
    const { kind, codec, samples, durationMs, width, height, sampleRate, channels, plays } = track;
    const parts = [codec];
    if (width && height) parts.push(`${width}×${height}`);
    if (sampleRate) parts.push(`${sampleRate} Hz`);
    if (channels) parts.push(`${channels} ch`);
    if (samples !== null) parts.push(`${samples} samples`);
    if (durationMs !== null) parts.push(seconds(durationMs));
    if (plays === false) parts.push('kept, not shown: needs a sample from this recorder');
    return line(kind, parts.join(', '));
  });
}

const heading = (paint: Paint, path: string, verdict: string) =>
  `${paint('bold', visible(path))}: ${paint(verdict === 'whole' ? 'green' : 'yellow', verdict)}`;

const line = (title: string, text: string) => `  ${title.padEnd(10)} ${text}`;

const seconds = (ms: number) => (ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : duration(ms));

function progressLine(path: string, { phase, part, rate, remainingMs }: RescueProgress): string {
  const words = [`${visible(path)}: ${phase}`];
  if (part !== null) words.push(`${Math.floor(part * 100)} %`);
  if (rate > 0 && phase !== 'decoding') words.push(`${size(rate)}/s`);
  if (remainingMs !== null) words.push(`${duration(remainingMs)} left`);
  return words.join('  ');
}
