/**
 * Where a scan stands (sample-scanner.ts), so that it can be saved and taken up again.
 */
import type { CodecState } from '../codec/codec.ts';
import type { ZerosState } from '../zero-sectors.ts';
import type { Anchor } from './due-packets.ts';
import type { Hole } from './found-samples.ts';
import type { Lane } from './lanes.ts';
import type { ClockState } from './track-clocks.ts';

/** As JSON a few kilobytes. The samples are kept apart, as bytes. */
export interface ScanState {
  readonly position: number;
  readonly samples: number;
  readonly holeFrom: number;
  readonly searchedTo: number;
  readonly realignFrom: number;
  readonly anchor: Anchor | null;
  readonly holes: readonly Hole[];
  readonly timecode: number;
  readonly zeros: ZerosState;
  readonly lanes: readonly LaneState[];
}

interface LaneState {
  readonly codec: CodecState;
  readonly clocks: ClockState;
  readonly counts: readonly [
    epoch: number,
    taken: number,
    fewest: number,
    most: number,
    usualBytes: number,
    runs: number,
    runUnit: number,
  ];
}

export function laneStates(lanes: readonly Lane[]): LaneState[] {
  return lanes.map((lane) => ({
    codec: lane.codec.state(),
    clocks: lane.clocks.state(),
    counts: [
      lane.epoch,
      lane.taken,
      lane.fewestSlices,
      lane.mostSlices,
      lane.usualBytes,
      lane.runs,
      lane.runUnit,
    ],
  }));
}

/** Puts back what `laneStates` gave. False when it is of other lanes. */
export function restoreLanes(lanes: readonly Lane[], states: readonly LaneState[]): boolean {
  if (states.length !== lanes.length) return false;
  return lanes.every((lane, place) => {
    const saved = states[place];
    if (!saved || !lane.codec.restore(saved.codec)) return false;
    lane.clocks.restore(saved.clocks);
    [lane.epoch, lane.taken, lane.fewestSlices, lane.mostSlices, lane.usualBytes] = saved.counts;
    [, , , , , lane.runs, lane.runUnit] = saved.counts;
    return true;
  });
}

/** Whether what was stored is a state: it may be of another version, or damaged. */
export function isScanState(value: unknown): value is ScanState {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Readonly<Record<string, unknown>>;
  const numbers = ['position', 'samples', 'holeFrom', 'searchedTo', 'realignFrom', 'timecode'];
  return (
    numbers.every((name) => Number.isSafeInteger(state[name])) &&
    isAnchor(state['anchor']) &&
    areZeros(state['zeros']) &&
    Array.isArray(state['lanes']) &&
    state['lanes'].every(isLaneState) &&
    Array.isArray(state['holes']) &&
    state['holes'].every(isHole)
  );
}

function isAnchor(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value !== 'object') return false;
  const { pictures, seconds, slack } = value as Readonly<Record<string, unknown>>;
  return [pictures, seconds, slack].every(Number.isFinite);
}

function areZeros(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { to, runs } = value as Readonly<Record<string, unknown>>;
  const isRun = (run: unknown) =>
    Array.isArray(run) && run.length === 2 && run.every(Number.isSafeInteger);
  return Number.isSafeInteger(to) && (runs === null || (Array.isArray(runs) && runs.every(isRun)));
}

function isLaneState(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { codec, clocks, counts } = value as Readonly<Record<string, unknown>>;
  if (!Array.isArray(codec) || !Array.isArray(counts) || counts.length !== 7) return false;
  if (typeof clocks !== 'object' || clocks === null) return false;
  const { ticks, current, run } = clocks as Readonly<Record<string, unknown>>;
  return (
    counts.every(Number.isFinite) &&
    Array.isArray(ticks) &&
    ticks.every(Number.isFinite) &&
    Number.isSafeInteger(current) &&
    Number.isSafeInteger(run)
  );
}

function isHole(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { from, to, samplesBefore, zeros } = value as Readonly<Record<string, unknown>>;
  return [from, to, samplesBefore].every(Number.isSafeInteger) && typeof zeros === 'boolean';
}
