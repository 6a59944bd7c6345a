/**
 * `roomtape show`, `open`, `tag`, `export`, and `recover` and `verify` by the id of a take.
 */
import type { Command } from 'commander';
import type {
  RecordingDetail,
  RecordingView,
  TakeDetail,
  TakeRescue,
} from '../api/recording-routes.ts';
import { type ExitCode, exitCodes, RoomtapeError } from '../errors.ts';
import type { Frame } from './frame.ts';
import { filterOf, filterOptions } from './list.ts';
import { duration, moment, type Paint, size, visible } from './output.ts';
import type { QuickOptions } from './quick-command.ts';

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('show')
    .description('Shows recordings with their takes, what was found, and how they were permitted.')
    .argument('<id...>', 'id of a recording or a take; its beginning is enough')
    .action((ids: string[]) => show(frame, ids));
  program
    .command('open')
    .description('Plays the recovered file of a take, or its original; --reveal shows the folder.')
    .argument('<id>')
    .option('--reveal', 'show it in its folder instead')
    .option('--print', 'only print the path')
    .action((id: string, options: { reveal?: boolean; print?: boolean }) =>
      open(frame, id, options),
    );
  program
    .command('tag')
    .description('Corrects by hand what a take belongs to.')
    .argument('<id>')
    .option('--session <session>', 'id or topic')
    .option('--room <room>', 'number or name')
    .option('--participant <person>', 'name, email or id')
    .action((id: string, options: Tags) => tag(frame, id, options));
  const exported = program
    .command('export')
    .description('Writes the list of recordings as JSON or CSV, or the evidence of one.')
    .argument('[recording]', 'with --evidence: its id')
    .option('--evidence', 'a folder that anybody can check with openssl')
    .option('--format <format>', 'json or csv', 'csv')
    .option('--join', 'the takes of RECORDING as one file, without re-encoding')
    .option('--split-rooms', 'a file for each room that RECORDING’s takes span')
    .option('--timeline', 'what everybody recorded in a --room, on one timeline')
    .option('--pauses <how>', 'keep the pauses between takes as time, or close them', 'keep')
    .option('--out <file>', 'where to (standard output; media: a folder)');
  for (const { flags, help } of filterOptions) exported.option(flags, help);
  exported.action(async (id: string | undefined, options: QuickOptions) => {
    if (options['join'] || options['splitRooms'] || options['timeline']) {
      const { exportMedia } = await import('./export-media.ts');
      return exportMedia(frame, id, options);
    }
    if (id === undefined && options['evidence'] !== true) return exportList(frame, options);
    if (id === undefined || options['evidence'] !== true) {
      throw new RoomtapeError('usage', 'A recording and --evidence go together.', {
        next: 'roomtape export RECORDING --evidence',
      });
    }
    const { exportEvidence } = await import('./evidence.ts');
    return exportEvidence(
      frame,
      id,
      typeof options['out'] === 'string' ? options['out'] : undefined,
    );
  });
}

async function show(frame: Frame, ids: readonly string[]): Promise<void> {
  const client = await frame.client();
  const results: RecordingDetail[] = [];
  for (const id of ids) results.push(await client.call('recording.show', { id }));
  await frame.print({
    results,
    text: (paint) => results.map((one) => recordingText(paint, one)).join('\n\n'),
  });
}

function recordingText(paint: Paint, recording: RecordingDetail): string {
  const { session, room, participant, intervals } = recording;
  const lines = [
    `${paint('bold', recording.id)}  ${recording.state}`,
    line('session', session ? `${visible(session.topic)} (${session.id})` : '–'),
    line(
      'room',
      room ? visible(room.number === null ? room.name : `${room.number} ${room.name}`) : '–',
    ),
    line('who', participant ? visible(participant.name) : '–'),
    line('permission', recording.permission),
    ...intervals.map(([from, to], index) =>
      line(
        index === 0 ? 'recorded' : '',
        `${moment(from)} to ${to === null ? 'now' : moment(to)}, ${duration((to ?? Date.now()) - from)}`,
      ),
    ),
    ...recording.proof.map((step, index) => line(index === 0 ? 'proof' : '', visible(step))),
  ];
  for (const take of recording.takes) lines.push('', ...takeLines(paint, take));
  return lines.join('\n');
}

function takeLines(paint: Paint, take: TakeDetail): string[] {
  const { detail } = take;
  const lines = [
    `  ${paint('bold', take.id)}  ${take.verdict}`,
    line('file', visible(take.path)),
    line('size', `${size(take.bytes)}, ${duration(take.durationMs)}`),
    line('recorder', `${take.recorder}, ${take.container}`),
    line('belongs', `${take.attribution}${reasonsOf(detail)}`),
  ];
  if (take.recoveredPath) lines.push(line('recovered', visible(take.recoveredPath)));
  const report = detail['report'];
  if (isRecord(report)) {
    const { bytesKept, bytesLost, method, note, reference, verification } = report;
    if (typeof method === 'string') lines.push(line('method', method));
    if (typeof reference === 'string') lines.push(line('reference', visible(reference)));
    if (typeof bytesKept === 'number' && typeof bytesLost === 'number') {
      lines.push(line('kept', `${size(bytesKept)}, lost ${size(bytesLost)}`));
    }
    if (isRecord(verification)) {
      const { structure, decode, errors } = verification;
      lines.push(line('verified', `structure ${structure}, decode ${decode}, ${errors} errors`));
    }
    if (typeof note === 'string') lines.push(line('note', visible(note)));
  }
  for (const key of ['problem', 'next']) {
    const text = detail[key];
    if (typeof text === 'string') lines.push(line(key, visible(text)));
  }
  if (take.sha256) lines.push(line('sha256', take.sha256));
  return lines;
}

const line = (title: string, text: string) => `    ${title.padEnd(11)}${text}`;

function reasonsOf(detail: TakeDetail['detail']): string {
  const { reasons } = detail;
  return Array.isArray(reasons) && reasons.length > 0 ? `: ${visible(reasons.join(', '))}` : '';
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

async function open(
  frame: Frame,
  id: string,
  options: { readonly reveal?: boolean; readonly print?: boolean },
): Promise<void> {
  const client = await frame.client();
  const recording = await client.call('recording.show', { id });
  const wanted = id.toLowerCase().replace(/^take_/, '');
  const take =
    recording.takes.find((one) => one.id.slice(5).startsWith(wanted)) ?? recording.takes.at(0);
  if (!take) {
    throw new RoomtapeError('unknown-id', `${recording.id} has no file yet.`, {
      next: `roomtape show ${recording.id}`,
    });
  }
  const path = take.recoveredPath ?? take.path;
  const { existsSync } = await import('node:fs');
  if (!existsSync(path)) {
    throw new RoomtapeError('file-missing', `${path} is not there any more.`, {
      next: `roomtape show ${take.id}`,
    });
  }
  if (!options.print) await handToDesktop(path, options.reveal === true);
  await frame.print({ results: [{ id: take.id, path }], text: () => visible(path) });
}

/** The desktop decides with what; nothing is passed through a shell. */
async function handToDesktop(path: string, reveal: boolean): Promise<void> {
  const [{ spawn }, { dirname }] = await Promise.all([
    import('node:child_process'),
    import('node:path'),
  ]);
  const programs: Partial<Record<NodeJS.Platform, readonly [string, readonly string[]]>> = {
    darwin: ['open', reveal ? ['-R', path] : [path]],
    win32: ['explorer.exe', [reveal ? `/select,${path}` : path]],
  };
  const [program, words] = programs[process.platform] ?? [
    'xdg-open',
    [reveal ? dirname(path) : path],
  ];
  await new Promise<void>((done, fail) => {
    const child = spawn(program, words, { detached: true, stdio: 'ignore' });
    child.once('spawn', () => {
      child.unref();
      done();
    });
    child.once('error', (cause) =>
      fail(
        new RoomtapeError('failed', `${program} cannot be started: ${cause.message}.`, {
          next: 'roomtape open <id> --print',
          cause,
        }),
      ),
    );
  });
}

interface Tags {
  readonly session?: string;
  readonly room?: string;
  readonly participant?: string;
}

async function tag(frame: Frame, id: string, { session, room, participant }: Tags): Promise<void> {
  if (session === undefined && room === undefined && participant === undefined) {
    throw new RoomtapeError('usage', 'Say what the take belongs to.', {
      next: `roomtape tag ${id} --session <session> --room <room> --participant <name>`,
    });
  }
  const client = await frame.client();
  const after = await client.call('take.tag', {
    id,
    ...(session === undefined ? {} : { session }),
    ...(room === undefined ? {} : { room }),
    ...(participant === undefined ? {} : { participant }),
  });
  const place = [after.session?.topic, after.room?.name, after.participant?.name];
  await frame.print({
    results: [after],
    text: () => `It belongs to ${visible(place.filter(Boolean).join(', '))} now (${after.id}).`,
  });
}

async function exportList(frame: Frame, options: QuickOptions): Promise<void> {
  const { format, out } = options;
  if (format !== 'json' && format !== 'csv') {
    throw new RoomtapeError('usage', `--format is json or csv, not ${JSON.stringify(format)}.`, {
      next: 'roomtape export --format csv',
    });
  }
  const client = await frame.client();
  const filter = await filterOf(options);
  const results: RecordingView[] = [];
  for (let from: string | null | undefined; from !== null; ) {
    const page = await client.call('recording.list', {
      ...filter,
      limit: 1_000,
      ...(from === undefined ? {} : { from }),
    });
    results.push(...page.recordings);
    from = page.next;
  }
  const text =
    format === 'csv' && !frame.json
      ? csv(results)
      : `${JSON.stringify({ schemaVersion: 1, results }, null, 1)}\n`;
  if (typeof out !== 'string') return frame.print({ results, text: () => text });
  const { writeNew } = await import('./new-file.ts');
  writeNew(out, text, 'roomtape export --out <another file>', 0o666);
  await frame.print({
    results,
    text: () => `${results.length} recordings were written to ${visible(out)}.`,
  });
}

/** RFC 4180, one row for each take, moments in ISO 8601. */
function csv(recordings: readonly RecordingView[]): string {
  const rows: (string | number | null)[][] = [
    [
      ...['recording', 'session', 'room', 'participant', 'state', 'permission', 'started', 'ended'],
      ...['take', 'path', 'verdict', 'recovered_path', 'duration_ms', 'bytes', 'sha256'],
      ...['recorder', 'attribution'],
    ],
  ];
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  for (const recording of recordings) {
    const { id, session, room, participant, state, permission, startedAt, endedAt } = recording;
    const common = [
      ...[id, session?.topic ?? null, room?.name ?? null, participant?.name ?? null],
      ...[state, permission, iso(startedAt), iso(endedAt)],
    ];
    if (recording.takes.length === 0) rows.push([...common, ...Array<null>(9).fill(null)]);
    for (const take of recording.takes) {
      rows.push([
        ...common,
        ...[take.id, take.path, take.verdict, take.recoveredPath, take.durationMs, take.bytes],
        ...[take.sha256, take.recorder, take.attribution],
      ]);
    }
  }
  return rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** A cell that begins like a formula would be run by a spreadsheet: it gets an apostrophe. */
function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Options of `recover` that make sense for a take. */
export interface TakeWishes {
  readonly reference?: readonly string[];
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly verify: boolean;
  readonly overwrite?: boolean;
  readonly faststart?: boolean;
}

export async function recoverTakes(
  frame: Frame,
  ids: readonly string[],
  wishes: TakeWishes,
): Promise<void> {
  const { resolve } = await import('node:path');
  const { reference, out, dryRun, overwrite, faststart, verify } = wishes;
  const client = await frame.client();
  await eachTake(frame, ids, (id) =>
    client.call('take.recover', {
      id,
      verify,
      ...(dryRun ? { dryRun } : {}),
      ...(overwrite ? { overwrite } : {}),
      ...(faststart ? { faststart } : {}),
      ...(out === undefined ? {} : { folder: resolve(out) }),
      ...(reference === undefined ? {} : { references: reference.map((one) => resolve(one)) }),
    }),
  );
}

export async function verifyTakes(frame: Frame, ids: readonly string[]): Promise<void> {
  const client = await frame.client();
  await eachTake(frame, ids, (id) => client.call('take.verify', { id }));
}

async function eachTake(
  frame: Frame,
  ids: readonly string[],
  ask: (id: string) => Promise<TakeRescue>,
): Promise<void> {
  const answers: TakeRescue[] = [];
  for (const id of ids) answers.push(await ask(id));
  const damaged = answers.some(({ exitCode }) => exitCode !== exitCodes.done);
  frame.exitCode = (damaged ? exitCodes.damage : exitCodes.done) satisfies ExitCode;
  await frame.print({
    results: answers.map(({ id, report, next }) => ({ id, ...report, next })),
    text: (paint) => answers.map((answer) => rescueText(paint, answer)).join('\n\n'),
  });
}

function rescueText(paint: Paint, { id, report, next }: TakeRescue): string {
  const { path, verdict, output, note, verification } = report;
  const lines = [`${paint('bold', id)}  ${verdict}`, line('file', visible(String(path)))];
  if (typeof output === 'string') lines.push(line('output', visible(output)));
  if (isRecord(verification)) {
    const { structure, decode, errors } = verification;
    lines.push(line('verified', `structure ${structure}, decode ${decode}, ${errors} errors`));
  }
  if (typeof note === 'string') lines.push(line('note', visible(note)));
  if (next) lines.push(line('next', visible(next)));
  return lines.join('\n');
}
