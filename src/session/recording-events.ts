/**
 * How a recording changes with each event: its state, its intervals, its permission, its takes.
 */
import type { SessionEvent } from './events.ts';
import type { Instant, ParticipantId, RecordingId } from './ids.ts';
import { type Interval, isLive, type Recording, type SessionState } from './state.ts';
import { rowOf, rowsOf, withoutRow, withRow } from './table.ts';

export function evolveRecordings(state: SessionState, event: SessionEvent): SessionState {
  if (event.type === 'recording-started') return start(state, event);
  if (!('recording' in event)) return state;
  const before = rowOf(state.recordings, event.recording);
  const after = before && change(before, event);
  if (!before || !after) return state;
  const recordings = withRow(state.recordings, after.id, after);
  const changed = soonest({ ...state, recordings }, after);
  if (isLive(before) === isLive(after)) return changed;
  return { ...changed, live: relisted(state, after) };
}

function start(state: SessionState, event: SessionEvent<'recording-started'>): SessionState {
  if (rowOf(state.recordings, event.recording)) return state;
  const recording: Recording = {
    id: event.recording,
    participant: event.participant,
    room: event.room,
    state: 'recording',
    control: event.control,
    ...(event.recorder === undefined ? {} : { recorder: event.recorder }),
    permission: event.permission,
    startedAt: event.at,
    intervals: [{ from: event.at }],
    flags: event.permission.kind === 'unpermitted' ? [{ reason: 'unpermitted', at: event.at }] : [],
    takes: [],
  };
  const recordings = withRow(state.recordings, recording.id, recording);
  return soonest({ ...state, recordings, live: relisted(state, recording) }, recording);
}

/** Looks anew at when permission ends for what is live; the bound is only ever lowered otherwise. */
export function withSafeUntil(state: SessionState): SessionState {
  const { safeUntil: _, ...rest } = state;
  let bounded: SessionState = rest;
  for (const ids of rowsOf(state.live)) {
    for (const id of ids) {
      const recording = rowOf(state.recordings, id);
      if (recording) bounded = soonest(bounded, recording);
    }
  }
  return bounded;
}

function soonest(state: SessionState, recording: Recording): SessionState {
  // Once flagged, an observed recording has lost its permission already.
  if (!isLive(recording) || recording.flags.length > 0) return state;
  const ends = [leaveEnd(state, recording), state.rooms[recording.room]?.closesAt];
  let { safeUntil } = state;
  for (const end of ends) {
    if (end !== undefined && (safeUntil === undefined || end < safeUntil)) safeUntil = end;
  }
  return safeUntil === undefined || safeUntil === state.safeUntil ? state : { ...state, safeUntil };
}

function leaveEnd(state: SessionState, { permission, participant }: Recording) {
  if (permission.kind === 'grant') {
    const grant = rowOf(state.grants, permission.grant);
    if (!grant?.via) return grant?.until;
    return smaller(grant.until, rowOf(state.cohosts, grant.by)?.until);
  }
  if (permission.kind === 'co-host') return rowOf(state.cohosts, participant)?.until;
  return undefined;
}

function smaller(one: Instant, other: Instant | undefined): Instant {
  return other !== undefined && other < one ? other : one;
}

type RecordingEvent = Extract<SessionEvent, { recording: RecordingId }>;

function change(recording: Recording, event: RecordingEvent): Recording | undefined {
  const { intervals } = recording;
  switch (event.type) {
    case 'recording-declared':
      if (recording.control !== 'observed' || !isLive(recording)) return undefined;
      return { ...recording, control: 'declared' };
    case 'recording-paused':
      if (recording.state !== 'recording') return undefined;
      return { ...recording, state: 'paused', intervals: ended(intervals, event.at) };
    case 'recording-resumed':
      if (recording.state !== 'paused') return undefined;
      return { ...recording, state: 'recording', intervals: begun(intervals, event.at) };
    case 'recording-stopped':
      if (!isLive(recording)) return undefined;
      return {
        ...recording,
        state: 'stopped',
        endedAt: event.at,
        cause: event.cause,
        intervals: ended(intervals, event.at),
        ...(event.next === undefined ? {} : { next: event.next }),
      };
    case 'recording-interrupted':
      if (!isLive(recording)) return undefined;
      return {
        ...recording,
        state: 'interrupted',
        endedAt: event.at,
        cause: event.cause,
        intervals: ended(intervals, event.at),
        ...(event.detail === undefined ? {} : { detail: event.detail }),
      };
    case 'recording-continued': {
      if (recording.state !== 'interrupted') return undefined;
      const { endedAt: _, cause: __, detail: ___, ...rest } = recording;
      const { permission } = event;
      return { ...rest, permission, state: 'recording', intervals: begun(intervals, event.at) };
    }
    case 'recording-covered':
      return { ...recording, permission: event.permission };
    case 'recording-flagged':
      return { ...recording, flags: [...recording.flags, { reason: event.reason, at: event.at }] };
    case 'recording-approved': {
      const by = event.approver ?? event.by;
      if (by === undefined) return undefined;
      return { ...recording, permission: { kind: 'approved', by, at: event.at } };
    }
    case 'take-attached':
      if (recording.takes.includes(event.take)) return undefined;
      return { ...recording, takes: [...recording.takes, event.take] };
    case 'take-detached':
      return { ...recording, takes: recording.takes.filter((take) => take !== event.take) };
    default:
      return undefined;
  }
}

function begun(intervals: readonly Interval[], at: Instant): Interval[] {
  return [...ended(intervals, at), { from: at }];
}

function ended(intervals: readonly Interval[], at: Instant): readonly Interval[] {
  const last = intervals.at(-1);
  if (!last || last.to !== undefined) return intervals;
  // A clock set back must not make an interval that ends before it began.
  const to = at > last.from ? at : last.from;
  return [...intervals.slice(0, -1), { from: last.from, to }];
}

function relisted(state: SessionState, recording: Recording): SessionState['live'] {
  const { participant, id } = recording;
  const others = (rowOf(state.live, participant) ?? []).filter((one) => one !== id);
  const ids = isLive(recording) ? [...others, id] : others;
  return ids.length === 0
    ? withoutRow(state.live, participant)
    : withRow(state.live, participant, ids);
}

/** Milliseconds actually recorded up to `now`, pauses left out. */
export function recordedMs(recording: Recording, now: Instant): number {
  let total = 0;
  for (const { from, to } of recording.intervals) total += Math.max(0, (to ?? now) - from);
  return total;
}

/** The recordings of a participant, or of everybody, by start. */
export function recordingsInOrder(
  recordings: Iterable<Recording>,
  participant?: ParticipantId,
): Recording[] {
  const wanted = [...recordings].filter(
    (one) => participant === undefined || one.participant === participant,
  );
  return wanted.sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
}
