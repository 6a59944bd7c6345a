/**
 * How Roomtape is measured: medians of interleaved runs, as a ratio to a peer in the same run.
 *
 * Absolute times say more about a machine than about a program. Ours and the peer take turns, so that
 * whatever disturbs the machine disturbs both.
 */
import { styleText } from 'node:util';

export interface Figure {
  /** What is measured, as a sentence without a full stop. */
  readonly figure: string;
  readonly measured: number;
  readonly unit: string;
  /** What it is compared with in the same run; null for a figure with an absolute goal. */
  readonly peer: string | null;
  readonly peerMeasured: number | null;
  readonly ratio: number | null;
  /** What is promised, e.g. `at most 2.5 ×` or `at most 3 %`. */
  readonly goal: string;
  readonly met: boolean;
  /** Runs differed so much that the figure should not be quoted. */
  readonly noisy: boolean;
}

export interface Benchmark {
  readonly name: string;
  readonly run: (scratch: string) => Promise<Figure[]>;
}

/** What a figure is held to: a ratio to the peer or an absolute value. */
export interface Goal {
  readonly most?: number;
  readonly least?: number;
}

export interface Samples {
  readonly median: number;
  /** Half the distance between the quartiles, relative to the median. */
  readonly spread: number;
}

export function samplesOf(values: readonly number[]): Samples {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { median: at(0.5), spread: (at(0.75) - at(0.25)) / 2 / at(0.5) };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Wall time of one run in ms. */
export async function timed(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Lets ours and the peer take turns; the first turn of each only warms up. */
export async function interleaved(
  rounds: number,
  ours: () => unknown,
  peer: () => unknown,
): Promise<{ ours: Samples; peer: Samples }> {
  const times = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round <= rounds; round += 1) {
    const turn = { ours: await timed(ours), peer: await timed(peer) };
    if (round === 0) continue;
    times.ours.push(turn.ours);
    times.peer.push(turn.peer);
  }
  return { ours: samplesOf(times.ours), peer: samplesOf(times.peer) };
}

/** Above this the machine was too busy for the figure to be repeatable within 10 %. */
const noise = 0.1;

export function compared(
  figure: string,
  peer: string,
  times: { ours: Samples; peer: Samples },
  goal: Goal,
): Figure {
  const ratio = times.ours.median / times.peer.median;
  return {
    figure,
    measured: times.ours.median,
    unit: 'ms',
    peer,
    peerMeasured: times.peer.median,
    ratio,
    goal: goalText(goal, '×'),
    met: meets(ratio, goal),
    noisy: times.ours.spread > noise || times.peer.spread > noise,
  };
}

export function absolute(figure: string, measured: number, unit: string, goal: Goal): Figure {
  return {
    figure,
    measured,
    unit,
    peer: null,
    peerMeasured: null,
    ratio: null,
    goal: goalText(goal, unit),
    met: meets(measured, goal),
    noisy: false,
  };
}

function meets(value: number, goal: Goal): boolean {
  return value <= (goal.most ?? Number.POSITIVE_INFINITY) && value >= (goal.least ?? 0);
}

function goalText(goal: Goal, unit: string): string {
  return goal.most !== undefined
    ? `at most ${goal.most} ${unit}`
    : `at least ${goal.least} ${unit}`;
}

/** Below this share of a core for whoever only computes, others have too much of the machine. */
const leastShare = 0.9;

/**
 * Whether other work takes so much of the machine that nothing measured now can be quoted: the share
 * of a core that a computation of a third of a second gets.
 */
export function isMachineBusy(): boolean {
  const began = performance.now();
  const before = process.cpuUsage();
  while (performance.now() - began < 333) Math.hypot(began, performance.now());
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / (performance.now() - began) < leastShare;
}

const shown = (value: number | null) =>
  value === null ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

const columnsOf = (cells: readonly [string, string, string, string, string, string, string]) => {
  const [figure, measured, peer, ratio, goal, met, noisy] = cells;
  const numbers = [measured.padStart(14), peer.padStart(30), ratio.padStart(9), goal.padStart(18)];
  return [figure.padEnd(72), ...numbers, met, noisy].join('  ').trimEnd();
};

/** The head of the table, for a terminal. */
export const figureHead = (): string =>
  columnsOf(['figure', 'measured', 'compared with', 'ratio', 'goal', 'met', '']);

/** One line a figure, for a terminal. */
export function figureLine(row: Figure): string {
  return columnsOf([
    row.figure,
    `${shown(row.measured)} ${row.unit}`,
    row.peer ? `${row.peer} ${shown(row.peerMeasured)} ${row.unit}` : '',
    row.ratio === null ? '' : `${row.ratio.toFixed(2)} ×`,
    row.goal,
    row.met ? styleText('green', 'met') : styleText('red', 'NOT met'),
    row.noisy ? styleText('yellow', '(noisy)') : '',
  ]);
}
