/**
 * The one way results are printed: a table on a terminal, tab-separated values in a pipe, one JSON
 * document with `--json`. Whatever names come from outside, no control character reaches the
 * terminal.
 */
import { isatty } from 'node:tty';
import { styleText } from 'node:util';

export interface Column<T> {
  readonly title: string;
  /** What a person reads. */
  readonly cell: (row: T) => string;
  /** What a program reads from a pipe; the cell when not given. */
  readonly value?: (row: T) => string | number | null;
  readonly style?: (row: T) => Style | undefined;
  readonly align?: 'left' | 'right';
}

export type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';

/** Paints text when the terminal takes colour; gives it back unchanged otherwise. */
export type Paint = (style: Style, text: string) => string;

/** What a command has to say. `results` is the contract of `--json`; the rest is for people. */
export interface Document<T> {
  readonly results: readonly T[];
  /** A table; one row per result. */
  readonly columns?: readonly Column<T>[];
  /** Text instead of a table, for a terminal and a pipe alike. */
  readonly text?: (paint: Paint) => string;
  /** Said on a terminal when there are no results. */
  readonly empty?: string;
  /** More keys of the JSON document, beside `schemaVersion` and `results`. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/**
 * Whether a person reads our output. `process.stdout.isTTY` would cost the stream (3 ms). `roomtape
 * demo` shows a person what its commands print, and says so with the variable.
 */
export const isTerminal = () => isatty(1) || process.env['ROOMTAPE_OUTPUT'] === 'table';

/** The text a document becomes on this stdout. */
export async function render<T>(document: Document<T>, json: boolean): Promise<string> {
  if (json) {
    const body = { schemaVersion: 1, ...document.more, results: document.results };
    return `${JSON.stringify(body)}\n`;
  }
  if (document.text) return ended(document.text(paint));
  const { columns, results } = document;
  if (!columns) return '';
  if (!isTerminal()) return separated(columns, results);
  if (results.length === 0) return ended(document.empty ?? '');
  return table(columns, results);
}

function separated<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const value = (column: Column<T>, row: T) => {
    const raw = column.value ? column.value(row) : column.cell(row);
    return raw === null ? '' : visible(String(raw));
  };
  return rows.map((row) => `${columns.map((column) => value(column, row)).join('\t')}\n`).join('');
}

async function table<T>(columns: readonly Column<T>[], rows: readonly T[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const none = '';
  const grid = new Table({
    head: columns.map((column) => paint('bold', column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: none,
    },
  });
  for (const row of rows) {
    grid.push(
      columns.map((column) => {
        const style = column.style?.(row);
        const text = visible(column.cell(row));
        return style ? paint(style, text) : text;
      }),
    );
  }
  return `${grid.toString().replace(/[ ]+$/gm, '')}\n`;
}

/** Colour on a terminal, unless NO_COLOR; FORCE_COLOR asks for it in a pipe. */
export const paint: Paint = (style, text) => {
  const { NO_COLOR: none, FORCE_COLOR: force } = process.env;
  const wanted = force && force !== '0' ? true : isTerminal() && !none;
  return wanted ? styleText(style, text, { validateStream: false }) : text;
};

const ended = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/**
 * A name from outside as it may be shown: control characters, line breaks, characters without width
 * and marks that turn the direction of writing become visible escapes; invalid surrogates become
 * U+FFFD.
 */
export function visible(text: string): string {
  const hidden =
    /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;
  return text.replace(hidden, (character) => {
    if (character >= '\ud800') return '\ufffd';
    return named[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Bytes for a person: `1.2 GB`. Powers of 1000, as disks are sold. */
export function size(bytes: number | null): string {
  if (bytes === null) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const text = unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
  return `${text} ${units[unit]}`;
}

/** A length of media or of waiting: `0:07`, `12:05`, `1:02:03`. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  const seconds = Math.round(ms / 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A moment on this machine's clock and in its time zone: `2026-03-01 20:15:07`. */
export function moment(at: number | null): string {
  if (at === null) return '–';
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
