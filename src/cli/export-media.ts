/**
 * `roomtape export --join`, `--split-rooms` and `--timeline`: takes put together or cut apart without
 * re-encoding. What cannot go in is named, never left out silently.
 */
import { mkdirSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { RecordingDetail, TakeDetail } from '../api/recording-routes.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import type { Ffmpeg } from '../system/ffmpeg.ts';
import type { Rescue, VerifiedFile } from '../system/rescue.ts';
import type { Frame } from './frame.ts';
import { filterOf } from './list.ts';
import { duration, type Paint, visible } from './output.ts';
import type { QuickOptions } from './quick-command.ts';

interface Tools {
  readonly frame: Frame;
  readonly rescue: Rescue;
  readonly ffmpeg: Ffmpeg;
  /** Where outputs go; null: beside the first take. */
  readonly folder: string | null;
  readonly pauses: 'keep' | 'close';
}

/** A take that can be exported: its best file. */
interface Source {
  readonly take: TakeDetail;
  readonly who: string;
  readonly path: string;
  readonly startedAt: number;
  readonly durationMs: number | null;
  /** The part of the file to take, in ms from its start; the whole file when not given. */
  readonly part?: { readonly fromMs: number; readonly toMs: number };
}

interface Made {
  readonly output: string;
  readonly takes: readonly { readonly id: string; readonly path: string; readonly atMs: number }[];
  readonly room?: { readonly number: number; readonly name: string };
  readonly pausesMs?: readonly number[];
  readonly verification: VerifiedFile['verification'];
  readonly durationMs: number | null;
  readonly leftOut: readonly { readonly id: string; readonly why: string }[];
}

export async function exportMedia(
  frame: Frame,
  id: string | undefined,
  options: QuickOptions,
): Promise<void> {
  const ways = ['join', 'splitRooms', 'timeline'].filter((way) => options[way]);
  const { pauses = 'keep', out } = options;
  if (ways.length !== 1 || (pauses !== 'keep' && pauses !== 'close')) throw wrong();
  if ((id === undefined) !== (ways[0] === 'timeline')) throw wrong();
  const [{ Rescue: Service }, { findFfmpeg }, { readConfig }, { dataFolder, pathsOf }] =
    await Promise.all([
      import('../system/rescue.ts'),
      import('../system/ffmpeg.ts'),
      import('../system/config.ts'),
      import('../system/paths.ts'),
    ]);
  const config = await readConfig({ file: pathsOf(dataFolder()).config, env: process.env });
  const ffmpeg = await findFfmpeg(config.ffmpeg);
  const rescue = new Service({ ffmpeg: config.ffmpeg });
  const folder = typeof out === 'string' ? resolve(out) : null;
  if (folder) mkdirSync(folder, { recursive: true });
  const tools: Tools = { frame, rescue, ffmpeg, folder, pauses };
  try {
    const made =
      ways[0] === 'timeline'
        ? [await timeline(tools, options)]
        : ways[0] === 'join'
          ? [await joined(tools, await shown(frame, id ?? ''))]
          : await split(tools, await shown(frame, id ?? ''));
    const sound = made.every(({ verification, leftOut }) => {
      const { structure, decode } = verification;
      return structure !== 'damaged' && decode !== 'errors' && leftOut.length === 0;
    });
    frame.exitCode = sound ? exitCodes.done : exitCodes.damage;
    await frame.print({
      results: made,
      text: (paint) => made.map((one) => told(paint, one)).join('\n'),
    });
  } finally {
    await rescue.close();
  }
}

const wrong = () =>
  new RoomtapeError('usage', 'Media are exported in one way at a time.', {
    next: 'roomtape export RECORDING --join [--pauses close], RECORDING --split-rooms, or --timeline --room ROOM',
  });

async function shown(frame: Frame, id: string): Promise<RecordingDetail> {
  return (await frame.client()).call('recording.show', { id });
}

async function joined(tools: Tools, recording: RecordingDetail): Promise<Made> {
  const { sources, leftOut } = await sourcesOf([recording]);
  const [{ joinPlan }, { joinFiles, outputExtension }] = await Promise.all([
    import('../recorders/joining.ts'),
    import('../system/joining.ts'),
  ]);
  const { entries, pausesMs } = joinPlan(sources, tools.pauses);
  const inputs = entries.map((entry) => ({
    ...entry,
    part: sources.find(({ path }) => path === entry.path)?.part ?? null,
  }));
  const hasPause = entries.some(({ lengthMs }) => lengthMs !== null);
  const paths = entries.map(({ path }) => path);
  const extension = outputExtension(paths, hasPause);
  const output = nameBeside(tools, paths[0] ?? '', `.joined${extension}`);
  await joinFiles(tools.ffmpeg, inputs, output, tools.frame.cancelled);
  const takes = entries.map(({ path, atMs }) => ({ id: takeOf(sources, path), path, atMs }));
  return { output, takes, pausesMs, leftOut, ...(await verified(tools, output)) };
}

async function split(tools: Tools, recording: RecordingDetail): Promise<Made[]> {
  const { sources, leftOut } = await sourcesOf([recording]);
  const [{ roomCuts }, { cutFile, outputExtension }] = await Promise.all([
    import('../recorders/joining.ts'),
    import('../system/joining.ts'),
  ]);
  const rooms = await roomNames(tools.frame, recording);
  const made: Made[] = [];
  for (const source of sources) {
    const whole = wholeOf(source, recording);
    const cuts = roomCuts(whole, spansOf(source.take));
    if (cuts.length < 2) {
      const why = 'it was recorded in one room: there is nothing to split';
      made.push(unsplit(source, [{ id: source.take.id, why }]));
      continue;
    }
    const used = new Map<number, number>();
    for (const cut of cuts) {
      const number = Number(cut.room.split('.')[0]);
      const turn = (used.get(number) ?? 0) + 1;
      used.set(number, turn);
      const again = turn > 1 ? ` (${turn})` : '';
      const extension = outputExtension([source.path], false);
      const output = nameBeside(tools, source.path, `.room-${number}${again}${extension}`);
      await cutFile(tools.ffmpeg, source.path, cut, output, tools.frame.cancelled);
      made.push({
        output,
        room: { number, name: rooms.get(cut.room) ?? '' },
        takes: [{ id: source.take.id, path: source.path, atMs: -cut.fromMs }],
        leftOut,
        ...(await verified(tools, output)),
      });
    }
  }
  return made;
}

/** A split is of the whole file, whichever of its rooms the recording is. */
function wholeOf({ take, ...source }: Source, recording: RecordingDetail): Source {
  const startedAt = take.startedAt ?? recording.startedAt;
  return { ...source, take, startedAt, durationMs: take.durationMs };
}

function unsplit(source: Source, leftOut: Made['leftOut']): Made {
  const verification = {
    structure: 'not-run',
    decode: 'not-run',
    errors: 0,
    problems: [],
  } as const;
  const takes = [{ id: source.take.id, path: source.path, atMs: 0 }];
  return { output: source.path, takes, verification, durationMs: source.durationMs, leftOut };
}

async function timeline(tools: Tools, options: QuickOptions): Promise<Made> {
  if (typeof options['room'] !== 'string') throw wrong();
  const client = await tools.frame.client();
  const filter = await filterOf(options);
  const { recordings } = await client.call('recording.list', { ...filter, limit: 200 });
  const details: RecordingDetail[] = [];
  for (const { id } of recordings) details.push(await client.call('recording.show', { id }));
  const { sources, leftOut } = await sourcesOf(details);
  const [{ timelinePlan }, { layFiles }] = await Promise.all([
    import('../recorders/joining.ts'),
    import('../system/joining.ts'),
  ]);
  const plan = timelinePlan(sources);
  const inputs = [];
  for (const { path, atMs } of plan) {
    const { diagnosis } = await tools.rescue.diagnose(path, { signal: tools.frame.cancelled });
    const tracks = diagnosis.tracks.filter(
      ({ kind }) => kind === 'video' || kind === 'audio',
    ).length;
    const source = sources.find((one) => one.path === path);
    inputs.push({ path, atMs, who: source?.who ?? '', tracks, part: source?.part ?? null });
  }
  const output = nameBeside(tools, plan[0]?.path ?? '', '.timeline.mkv');
  await layFiles(tools.ffmpeg, inputs, output, tools.frame.cancelled);
  const takes = plan.map(({ path, atMs }) => ({ id: takeOf(sources, path), path, atMs }));
  return { output, takes, leftOut, ...(await verified(tools, output)) };
}

/** The best file of each take, and why the others cannot go in. */
async function sourcesOf(
  recordings: readonly RecordingDetail[],
): Promise<{ sources: Source[]; leftOut: Made['leftOut'] }> {
  const { relationsIn } = await import('../recorders/profiles.ts');
  const sources: Source[] = [];
  const leftOut: { id: string; why: string }[] = [];
  const takes = recordings.flatMap((recording) =>
    recording.takes.map((take) => ({ take, who: recording.participant?.name ?? '', recording })),
  );
  const names = takes.map(({ take }) => ({ name: basename(take.path) }));
  const remuxed = new Set(
    relationsIn(names).flatMap(({ kind, name }) => (kind === 'remux-of' ? [name] : [])),
  );
  for (const { take, who, recording } of takes) {
    const usable = take.recoveredPath ?? (take.verdict === 'whole' ? take.path : null);
    if (remuxed.has(basename(take.path)) || take.verdict === 'ready') {
      // The same recording as its source, or as its conversion: a second copy would be heard twice.
      continue;
    }
    if (usable === null) leftOut.push({ id: take.id, why: `it is ${take.verdict}` });
    else {
      const startedAt = take.startedAt ?? recording.startedAt;
      sources.push(partOf({ take, who, path: usable, startedAt, durationMs: take.durationMs }));
    }
  }
  if (sources.length === 0) {
    const why = leftOut.map((one) => `${one.id}: ${one.why}`).join(', ');
    throw new RoomtapeError(
      'file-missing',
      `There is no whole take to export (${why || 'none'}).`,
      {
        next: 'roomtape list',
      },
    );
  }
  return { sources, leftOut };
}

/** Of a file that spans several rooms, the part that is this recording's. */
function partOf(source: Source): Source {
  const { span } = source.take;
  if (!span) return source;
  const fromMs = Math.max(0, span.from - source.startedAt);
  const toMs = Math.max(fromMs, span.to - source.startedAt);
  const startedAt = source.startedAt + fromMs;
  return { ...source, startedAt, durationMs: toMs - fromMs, part: { fromMs, toMs } };
}

const takeOf = (sources: readonly Source[], path: string): string =>
  sources.find((source) => source.path === path)?.take.id ?? '';

interface Span {
  readonly room: string;
  readonly from: number;
  readonly to: number;
}

function spansOf(take: TakeDetail): Span[] {
  const spans = take.detail['spans'];
  if (!Array.isArray(spans)) return [];
  return spans.filter(
    (span): span is Span =>
      typeof span === 'object' &&
      span !== null &&
      typeof span.room === 'string' &&
      typeof span.from === 'number' &&
      typeof span.to === 'number',
  );
}

async function roomNames(frame: Frame, { session }: RecordingDetail): Promise<Map<string, string>> {
  if (!session) return new Map();
  const client = await frame.client();
  const { rooms } = await client.call('session.coverage', { session: session.id });
  return new Map(rooms.map(({ room }) => [room.id, room.name]));
}

function nameBeside({ folder }: Tools, path: string, tail: string): string {
  const stem = basename(path, extname(path)).replace(/\.recovered(?: \(\d+\))?$/, '');
  return join(folder ?? dirname(path), `${stem}${tail}`);
}

async function verified(
  { rescue, frame }: Tools,
  output: string,
): Promise<Pick<Made, 'verification' | 'durationMs'>> {
  const { verification, diagnosis } = await rescue.verify(output, { signal: frame.cancelled });
  return { verification, durationMs: diagnosis.durationMs };
}

function told(paint: Paint, made: Made): string {
  const { output, takes, room, pausesMs, durationMs, leftOut, verification } = made;
  const lines = [`${paint('bold', visible(output))}  ${duration(durationMs)}`];
  if (room) lines.push(`  room      ${visible(`${room.number} ${room.name}`)}`);
  for (const { id, atMs, path } of takes) {
    lines.push(
      `  take      ${id} ${visible(basename(path))}${atMs > 0 ? `, from ${duration(atMs)} on` : ''}`,
    );
  }
  const paused = (pausesMs ?? []).filter((ms) => ms > 0);
  if (paused.length > 0) lines.push(`  pauses    ${paused.map(duration).join(', ')}`);
  for (const { id, why } of leftOut) lines.push(`  left out  ${id}: ${why}`);
  for (const problem of verification.problems) lines.push(`  problem   ${visible(problem)}`);
  return lines.join('\n');
}
