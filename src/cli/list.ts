/**
 * `roomtape list` and `search`: recordings with their takes, newest first.
 */
import type { Command } from 'commander';
import type { RecordingList, RecordingView, TakeView } from '../api/recording-routes.ts';
import type { Frame } from './frame.ts';
import { type Column, duration, isTerminal, moment, type Style, size } from './output.ts';
import {
  defineQuick,
  type QuickCommand,
  type QuickOption,
  type QuickOptions,
} from './quick-command.ts';

export const filterOptions: readonly QuickOption[] = [
  { flags: '--session <session>', help: 'id or topic' },
  { flags: '--room <room>', help: 'number or name' },
  { flags: '--participant <person>', help: 'name or id' },
  { flags: '--state <state>', help: 'recording, paused, stopped or interrupted' },
  { flags: '--verdict <verdict>', help: 'whole, interrupted, empty, beyond-repair, …' },
  {
    flags: '--since <moment>',
    help: 'started then or later: 2026-03-01, 18:30, or 2h for two hours ago',
  },
  { flags: '--until <moment>', help: 'started before then' },
];

const pageOptions: readonly QuickOption[] = [
  { flags: '--limit <count>', help: 'how many at most (100; up to 1000)' },
  { flags: '--from <place>', help: 'go on where a list ended' },
];

export const quickCommands: readonly QuickCommand[] = [
  {
    word: 'list',
    description: 'Lists recordings with their takes, newest first.',
    options: [...filterOptions, ...pageOptions],
    run: (frame, options) => list(frame, options),
  },
];

export function defineCommands(program: Command, frame: Frame): void {
  for (const quick of quickCommands) defineQuick(program, frame, quick);
  const search = program
    .command('search')
    .description('Finds recordings by the words of topic, room, people and file names.')
    .argument('<text...>');
  for (const { flags, help } of [...filterOptions, ...pageOptions]) search.option(flags, help);
  search.action((words: string[], options: QuickOptions) => find(frame, words.join(' '), options));
}

async function list(frame: Frame, options: QuickOptions): Promise<void> {
  const client = await frame.client();
  const found = await client.call('recording.list', {
    ...(await filterOf(options)),
    ...(await pageOf(options)),
  });
  await printList(frame, found, 'No recordings yet. roomtape watch add FOLDER follows a folder.');
}

async function find(frame: Frame, text: string, options: QuickOptions): Promise<void> {
  const client = await frame.client();
  const found = await client.call('recording.search', {
    text,
    ...(await filterOf(options)),
    ...(await pageOf(options)),
  });
  await printList(frame, found, 'Nothing found.');
}

export interface Filter {
  readonly session?: string;
  readonly room?: string;
  readonly participant?: string;
  readonly state?: string;
  readonly verdict?: string;
  readonly since?: number;
  readonly until?: number;
}

/** Reads the options of a filter. Throws `usage` for a moment that is none. */
export async function filterOf(options: QuickOptions): Promise<Filter> {
  const filter: Record<string, string | number> = {};
  for (const key of ['session', 'room', 'participant', 'state', 'verdict']) {
    const value = options[key];
    if (typeof value === 'string') filter[key] = value;
  }
  for (const key of ['since', 'until']) {
    const value = options[key];
    if (typeof value === 'string') filter[key] = await pastMoment(value);
  }
  return filter;
}

/** `2h` is two hours ago, `18:30` the latest time the clock said so, a date its first moment. */
async function pastMoment(text: string): Promise<number> {
  const { parseLength, parseMoment } = await import('./time-words.ts');
  const now = Date.now();
  if (/^[\d.]+\s*[smhd]/i.test(text)) return now - parseLength(text);
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text;
  const found = parseMoment(day, now);
  return /^\d{1,2}:\d{2}$/.test(text) && found > now ? found - 86_400_000 : found;
}

async function pageOf(options: QuickOptions): Promise<{ limit?: number; from?: string }> {
  const { limit, from } = options;
  const page: { limit?: number; from?: string } = {};
  if (typeof limit === 'string') {
    page.limit = Number(limit);
    if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > 1_000) {
      const { RoomtapeError } = await import('../errors.ts');
      throw new RoomtapeError('usage', `--limit wants 1 to 1000, not ${JSON.stringify(limit)}.`, {
        next: 'roomtape list --limit 100',
      });
    }
  }
  if (typeof from === 'string') page.from = from;
  return page;
}

/** One row for each take; a recording without takes has one row as well. */
interface Row {
  readonly recording: RecordingView;
  readonly take: TakeView | null;
}

async function printList(frame: Frame, found: RecordingList, empty: string): Promise<void> {
  const { recordings, next } = found;
  if (frame.json) {
    await frame.print({ results: recordings, more: { next } });
    return;
  }
  const rows: Row[] = recordings.flatMap((recording): Row[] =>
    recording.takes.length === 0
      ? [{ recording, take: null }]
      : recording.takes.map((take) => ({ recording, take })),
  );
  await frame.print({ results: rows, columns, empty });
  if (next !== null && isTerminal()) frame.note(`There are more: --from ${next}`);
}

const bad: ReadonlySet<string> = new Set([
  'interrupted',
  'beyond-repair',
  'conversion-interrupted',
  'missing-output',
]);

const columns: readonly Column<Row>[] = [
  {
    title: 'ID',
    cell: ({ recording, take }) => shortId(take?.id ?? recording.id),
    value: ({ recording, take }) => take?.id ?? recording.id,
  },
  {
    title: 'STARTED',
    cell: ({ recording }) => moment(recording.startedAt),
    value: ({ recording }) => new Date(recording.startedAt).toISOString(),
  },
  { title: 'SESSION', cell: ({ recording }) => recording.session?.topic ?? '–' },
  { title: 'ROOM', cell: ({ recording }) => recording.room?.name ?? '–' },
  { title: 'WHO', cell: ({ recording }) => recording.participant?.name ?? '–' },
  { title: 'STATE', cell: ({ recording }) => recording.state },
  {
    title: 'PERMISSION',
    cell: ({ recording }) => recording.permission,
    style: ({ recording }): Style | undefined =>
      /unpermitted|flagged|not-permitted/.test(recording.permission) ? 'red' : undefined,
  },
  {
    title: 'FILE',
    cell: ({ take }) => take?.verdict || '–',
    style: ({ take }) => (take && bad.has(take.verdict) ? 'yellow' : undefined),
  },
  {
    title: 'LENGTH',
    cell: ({ take }) => duration(take?.durationMs ?? null),
    value: ({ take }) => take?.durationMs ?? null,
    align: 'right',
  },
  {
    title: 'SIZE',
    cell: ({ take }) => size(take?.bytes ?? null),
    value: ({ take }) => take?.bytes ?? null,
    align: 'right',
  },
  { title: 'PATH', cell: ({ take }) => take?.recoveredPath ?? take?.path ?? '–' },
];

/** As session/ids.ts shortens them; importing it would cost the uuid library. */
const shortId = (id: string) => id.slice(0, id.indexOf('_') + 6);
