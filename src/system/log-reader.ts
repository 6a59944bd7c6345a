/**
 * Reads the end of the daemon's log, and goes on reading while it grows.
 */
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Bytes of the end that are looked at for the last lines. */
const tailLength = 1_000_000;

export interface LogTail {
  readonly lines: readonly string[];
  /** Where in the file reading on begins. */
  readonly end: number;
}

/** The last `count` lines; none when there is no log yet. */
export function lastLines(path: string, count: number): LogTail {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const from = Math.max(0, size - tailLength);
  const text = readText(path, from, size);
  const lines = text.split('\n').filter((line) => line !== '');
  // The first one may be cut in two.
  if (from > 0) lines.shift();
  return { lines: count === 0 ? [] : lines.slice(-count), end: size };
}

/** Lines as they are added, until the signal is aborted. Goes on after a rotation. */
export async function* followLines(
  path: string,
  from: number,
  signal: AbortSignal,
): AsyncIterable<string> {
  let position = from;
  let rest = '';
  let wake = () => {};
  const watcher = watch(dirname(path), () => wake());
  const stop = () => {
    watcher.close();
    wake();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (size < position) position = 0;
      rest += readText(path, position, size);
      position = size;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
      if (!signal.aborted) await changed;
    }
  } finally {
    stop();
  }
}

function readText(path: string, from: number, to: number): string {
  if (to <= from) return '';
  const descriptor = openSync(path, 'r');
  try {
    const length = Math.min(to, fstatSync(descriptor).size) - from;
    const bytes = Buffer.alloc(Math.max(0, length));
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, from));
  } finally {
    closeSync(descriptor);
  }
}
