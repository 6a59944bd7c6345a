/**
 * `roomtape coverage`: each room's time as blocks on a terminal, as stretches in a pipe and with
 * `--json`.
 */
import type { Command } from 'commander';
import type { CoverageView } from '../api/coverage-routes.ts';
import type { Cover, RoomCoverage, Stretch } from '../session/coverage.ts';
import type { Frame } from './frame.ts';
import { duration, type Paint, type Style, visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('coverage')
    .description(
      'Shows room by time: recorded by whom, paused, recovered, recorded without permission,\n' +
        'permitted but never recorded, and gaps.',
    )
    .argument('[session]', 'id or topic; the latest open one if not given')
    .option('--blocks', 'blocks in a pipe as well')
    .option('--width <columns>', 'width of the picture', String)
    .action((session: string | undefined, options: Options) => show(frame, session, options));
}

interface Options {
  readonly blocks?: boolean;
  readonly width?: string;
}

async function show(frame: Frame, session: string | undefined, options: Options): Promise<void> {
  const client = await frame.client();
  const view = await client.call('session.coverage', session === undefined ? {} : { session });
  const more = { session: view.session, from: view.from, to: view.to };
  if (frame.json) return frame.print({ results: view.rooms, more });
  if (process.stdout.isTTY || options.blocks) {
    const width = Number(options.width) || Math.min(process.stdout.columns || 100, 160);
    return frame.print({ results: [], text: (paint) => blocks(paint, view, width) });
  }
  const rows = view.rooms.flatMap(({ room, stretches }) =>
    stretches.map((stretch) => ({ room, ...stretch })),
  );
  const iso = (at: number) => new Date(at).toISOString();
  return frame.print({
    results: rows,
    columns: [
      { title: 'room', cell: ({ room }) => String(room.number) },
      { title: 'name', cell: ({ room }) => room.name },
      { title: 'from', cell: ({ from }) => iso(from) },
      { title: 'to', cell: ({ to }) => iso(to) },
      { title: 'cover', cell: ({ cover }) => cover },
      { title: 'by', cell: ({ by }) => by.join(', ') },
      { title: 'without permission', cell: ({ without }) => without.join(', ') },
      { title: 'paused', cell: ({ paused }) => paused.join(', ') },
      { title: 'could have', cell: ({ could }) => could.join(', ') },
    ],
  });
}

/** Each cover differs by its sign too: colour alone tells some people nothing. */
const signs: Record<Cover, readonly [sign: string, style: Style, words: string]> = {
  recorded: ['█', 'green', 'recorded'],
  recovered: ['▓', 'cyan', 'interrupted and recovered'],
  interrupted: ['▒', 'red', 'interrupted'],
  unpermitted: ['!', 'red', 'recorded without permission'],
  paused: ['=', 'yellow', 'paused'],
  permitted: ['░', 'yellow', 'permitted, not recorded'],
  gap: ['·', 'dim', 'gap'],
  empty: [' ', 'dim', 'nobody there'],
};

function blocks(paint: Paint, view: CoverageView, width: number): string {
  const { session, rooms, from, to } = view;
  if (rooms.length === 0) return `Nothing has happened in “${visible(session.topic)}” yet.`;
  const titles = rooms.map(({ room }) => visible(`${room.number} ${room.name}`));
  const label = Math.min(24, Math.max(...titles.map((title) => title.length)));
  const cells = Math.max(10, width - label - 3);
  const lines = [paint('bold', visible(session.topic)), axis(label, cells, from, to)];
  for (const [index, room] of rooms.entries()) {
    const title = (titles[index] ?? '').slice(0, label).padEnd(label);
    lines.push(`${title} ▏${picture(paint, room.stretches, from, to, cells)}`);
  }
  const used = new Set(rooms.flatMap(({ stretches }) => stretches.map(({ cover }) => cover)));
  lines.push('', ...legend(paint, used), '', ...rooms.flatMap((room) => sentences(room)));
  return lines.join('\n');
}

function axis(label: number, cells: number, from: number, to: number): string {
  const clock = (at: number) => {
    const date = new Date(at);
    const two = (part: number) => String(part).padStart(2, '0');
    return `${two(date.getHours())}:${two(date.getMinutes())}`;
  };
  const marks = Math.max(1, Math.floor(cells / 16));
  let line = ''.padEnd(label + 2);
  for (let mark = 0; mark < marks; mark++) {
    const at = from + ((to - from) * mark) / marks;
    line = `${line.padEnd(label + 2 + Math.round((cells * mark) / marks))}${clock(at)}`;
  }
  return `${line.padEnd(label + 2 + cells - 5)}${clock(to)}`;
}

/** Each cell shows what filled most of its time. */
function picture(
  paint: Paint,
  stretches: readonly Stretch[],
  from: number,
  to: number,
  cells: number,
): string {
  const step = Math.max(1, to - from) / cells;
  let text = '';
  let next = 0;
  for (let cell = 0; cell < cells; cell++) {
    const [begin, end] = [from + cell * step, from + (cell + 1) * step];
    while ((stretches[next]?.to ?? Number.POSITIVE_INFINITY) <= begin) next += 1;
    const shares = new Map<Cover, number>();
    for (let at = next; (stretches[at]?.from ?? Number.POSITIVE_INFINITY) < end; at++) {
      const one = stretches[at];
      if (!one) break;
      const share = Math.min(end, one.to) - Math.max(begin, one.from);
      shares.set(one.cover, (shares.get(one.cover) ?? 0) + share);
    }
    const [most] = [...shares].sort((a, b) => b[1] - a[1]);
    const [sign, style] = most ? signs[most[0]] : signs.empty;
    text += sign === ' ' ? ' ' : paint(style, sign);
  }
  return text;
}

function legend(paint: Paint, used: ReadonlySet<Cover>): string[] {
  return (Object.keys(signs) as Cover[])
    .filter((cover) => used.has(cover) && cover !== 'empty')
    .map((cover) => {
      const [sign, style, words] = signs[cover];
      return `  ${paint(style, sign.repeat(2))} ${words}`;
    });
}

/** What a person would say of a room: who recorded how much, and what is missing. */
function sentences({ room, stretches, ms }: RoomCoverage): string[] {
  const title = visible(`${room.number} ${room.name}`);
  const names = (key: 'by' | 'without' | 'could') =>
    visible([...new Set(stretches.flatMap((stretch) => stretch[key]))].join(', '));
  const parts: string[] = [];
  const kept = ms.recorded + ms.recovered;
  if (kept > 0) parts.push(`${duration(kept)} recorded by ${names('by')}`);
  if (ms.recovered > 0) parts.push(`${duration(ms.recovered)} of it recovered`);
  if (ms.interrupted > 0) parts.push(`${duration(ms.interrupted)} interrupted`);
  if (ms.unpermitted > 0) {
    parts.push(`${duration(ms.unpermitted)} without permission by ${names('without')}`);
  }
  if (ms.paused > 0) parts.push(`${duration(ms.paused)} paused`);
  if (ms.permitted > 0) {
    parts.push(`${duration(ms.permitted)} that ${names('could')} could have recorded`);
  }
  if (ms.gap > 0) parts.push(`${duration(ms.gap)} of gaps`);
  return parts.length === 0 ? [] : [`${title}: ${parts.join('; ')}.`];
}
