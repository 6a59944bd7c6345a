/**
 * Plans for putting takes together and cutting them apart without re-encoding: which file where on
 * the time line. Carried out in system/joining.ts.
 */

/** A media file with its place in time; ms since 1970. */
export interface TimedFile {
  readonly path: string;
  readonly startedAt: number;
  /** Null when nothing tells how long it plays. */
  readonly durationMs: number | null;
}

export interface JoinEntry {
  readonly path: string;
  /** From the start of the output, in ms. */
  readonly atMs: number;
  /** Until the next file begins; null: as long as the file plays. */
  readonly lengthMs: number | null;
}

export interface JoinPlan {
  readonly entries: readonly JoinEntry[];
  /** Pauses between the takes, in ms of wall clock, whether they are kept or closed. */
  readonly pausesMs: readonly number[];
}

/** Clocks and names count whole seconds: a shorter hole is no pause. */
const shortestPauseMs = 1500;

/**
 * One take after the other in the order they were recorded.
 *
 * @param pauses  `keep` leaves the time between them, `close` takes it out. Takes that overlap by
 *   their clocks follow each other at once: nothing is cut away.
 */
export function joinPlan(files: readonly TimedFile[], pauses: 'keep' | 'close'): JoinPlan {
  const inOrder = files.toSorted((a, b) => a.startedAt - b.startedAt);
  const entries: JoinEntry[] = [];
  const pausesMs: number[] = [];
  let atMs = 0;
  for (const [index, { path, startedAt, durationMs }] of inOrder.entries()) {
    const next = inOrder[index + 1];
    const pause = next && durationMs !== null ? next.startedAt - startedAt - durationMs : 0;
    const isPause = pause >= shortestPauseMs;
    if (next) pausesMs.push(isPause ? pause : 0);
    const lengthMs =
      isPause && pauses === 'keep' && durationMs !== null ? durationMs + pause : null;
    entries.push({ path, atMs, lengthMs });
    atMs += lengthMs ?? durationMs ?? 0;
  }
  return { entries, pausesMs };
}

/** Where each file begins on a common time line, in ms from the earliest. */
export function timelinePlan(
  files: readonly TimedFile[],
): readonly { readonly path: string; readonly atMs: number }[] {
  const start = Math.min(...files.map(({ startedAt }) => startedAt));
  return files
    .map(({ path, startedAt }) => ({ path, atMs: startedAt - start }))
    .sort((a, b) => a.atMs - b.atMs);
}

export interface Cut<Room> {
  readonly room: Room;
  /** From the start of the file, in ms. */
  readonly fromMs: number;
  /** Null: to the end of the file. */
  readonly toMs: number | null;
}

/**
 * Where to cut a file that spans several rooms. The first part begins with the file and the last one
 * ends with it: what lies before, between and after the known stays is in one of the parts.
 */
export function roomCuts<Room>(
  file: TimedFile,
  spans: readonly { readonly room: Room; readonly from: number; readonly to: number }[],
): readonly Cut<Room>[] {
  const end = file.durationMs ?? Number.POSITIVE_INFINITY;
  const inside = spans
    .filter(({ from, to }) => to > file.startedAt && from - file.startedAt < end)
    .toSorted((a, b) => a.from - b.from);
  return inside.map(({ room, from }, index) => {
    const next = inside[index + 1];
    return {
      room,
      fromMs: index === 0 ? 0 : Math.max(0, from - file.startedAt),
      toMs: next ? Math.max(0, next.from - file.startedAt) : null,
    };
  });
}
