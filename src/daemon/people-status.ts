/**
 * What `roomtape status` says of sessions: who records what, and what waits for somebody.
 */
import type { StatusNotice, StatusPart, StatusRecording } from '../api/status.ts';
import { liveRecordings } from '../session/evolve.ts';
import { type Instant, shortId } from '../session/ids.ts';
import { openRequests } from '../session/permission.ts';
import { recordedMs } from '../session/recording-events.ts';
import { isLive, type Recording, type SessionState, spokenRoom } from '../session/state.ts';
import { rowOf, rowsOf } from '../session/table.ts';
import { permissionWord } from './sessions.ts';

/** How long a recording that ended is still told of: its file may take as long to settle. */
const toldForMs = 60_000;

export function peopleStatus(states: readonly SessionState[], now: Instant): StatusPart {
  return {
    sessions: states.map((state) => ({
      id: state.id,
      topic: state.topic,
      rooms: Object.keys(state.rooms).length - 1,
      participants: state.participants.size,
      recordedRooms: recordedRooms(state),
      openRequests: openRequests(state).length,
    })),
    recordings: states.flatMap((state) => recordingsOf(state, now)),
    notices: states.flatMap((state) => noticesOf(state, now)),
  };
}

function recordedRooms(state: SessionState): number {
  const rooms = liveRecordings(state).flatMap((id) => {
    const recording = rowOf(state.recordings, id);
    return recording?.state === 'recording' ? [recording.room] : [];
  });
  return new Set(rooms).size;
}

function recordingsOf(state: SessionState, now: Instant): StatusRecording[] {
  const told = [...rowsOf(state.recordings)].filter(
    (one) => isLive(one) || (one.endedAt ?? 0) > now - toldForMs,
  );
  return told.map((recording) => {
    const participant = rowOf(state.participants, recording.participant)?.name ?? '';
    const room = spokenRoom(state, recording.room);
    return {
      id: recording.id,
      state: recording.state,
      since: sinceOf(recording),
      who: `${participant} in ${room}`,
      session: state.topic,
      room,
      participant,
      permission: permissionWord(recording),
      declared: recording.control !== 'observed',
      asked: recording.control === 'roomtape',
      recordedMs: recordedMs(recording, now),
    };
  });
}

function sinceOf({ endedAt, intervals, startedAt }: Recording): number {
  if (endedAt !== undefined) return endedAt;
  const last = intervals.at(-1);
  return last?.to ?? last?.from ?? startedAt;
}

function noticesOf(state: SessionState, now: Instant): StatusNotice[] {
  const name = (id: string) => rowOf(state.participants, id)?.name ?? 'Somebody';
  const notices: StatusNotice[] = [];
  if (state.home === 'here') {
    for (const request of openRequests(state)) {
      const text = `${name(request.participant)} asks to record in ${spokenRoom(state, request.room)}.`;
      notices.push({ level: 'info', text, next: `roomtape approve ${shortId(request.id)}` });
    }
  }
  for (const recording of rowsOf(state.recordings)) {
    const live = isLive(recording) || (recording.endedAt ?? 0) > now - toldForMs;
    const lost = recording.permission.kind === 'unpermitted' || recording.flags.length > 0;
    if (!live || !lost || recording.permission.kind === 'approved') continue;
    const since = recording.flags[0]?.at ?? recording.startedAt;
    const room = spokenRoom(state, recording.room);
    notices.push({
      level: 'warning',
      text: `${name(recording.participant)} ${isLive(recording) ? 'records' : 'recorded'} in ${room} without permission since ${new Date(since).toISOString()}.`,
      next: `${state.home === 'here' ? '' : 'the host: '}roomtape approve --recording ${shortId(recording.id)}`,
    });
  }
  for (const room of Object.values(state.rooms)) {
    if (room.closesAt === undefined) continue;
    const seconds = Math.max(0, Math.round((room.closesAt - now) / 1000));
    const text = `${spokenRoom(state, room.id)} closes in ${seconds} s: stop there, or it may be cut.`;
    notices.push({ level: 'warning', text, next: 'roomtape stop' });
  }
  return notices;
}
