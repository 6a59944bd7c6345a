/**
 * Record, pause, resume, stop, as a person says it or as a recorder shows it.
 *
 * How recordings end that nobody stopped is in endings.ts.
 */
import type { RecordingCommand, Story } from './command.ts';
import { end, endCauses, goTo } from './endings.ts';
import { liveRecordings } from './evolve.ts';
import { findParticipant, findRecording, findRoom } from './find.ts';
import { type ParticipantId, type RoomId, shortId } from './ids.ts';
import { type DenialReason, permits, spokenDenial, type Verdict } from './permits.ts';
import { isRefusal, type Refusal, refuse, typed } from './refusal.ts';
import {
  isLive,
  mainRoom,
  type Participant,
  type Recording,
  type RecordingState,
  type SessionState,
  spokenRoom,
} from './state.ts';
import { rowOf, rowsOf } from './table.ts';

export function decideRecordings(story: Story, command: RecordingCommand): Refusal | undefined {
  switch (command.type) {
    case 'record':
      return record(story, command);
    case 'pause':
    case 'resume':
    case 'stop':
      return change(story, command);
    case 'continue':
      return goOn(story, command);
    case 'interrupt':
      return interrupt(story, command);
    case 'recorder-paused':
    case 'recorder-resumed':
    case 'recorder-stopped':
      return recorderSaid(story, command);
    case 'observe':
      return observe(story, command);
    case 'attach-take':
    case 'detach-take':
      return attach(story, command);
    case 'tick':
      return undefined;
  }
}

/** The person a command is about, when the one who asks may speak for them. */
function findSpeaker(story: Story, name: string | undefined): Participant | Refusal {
  const person = findParticipant(story.state, name ?? story.actor);
  if (isRefusal(person) || person.id === story.actor) return person;
  if (story.state.home === 'here' && story.actor === story.state.host) return person;
  const problem = `Only ${person.name} says what ${person.name} records.`;
  return refuse('not-permitted', problem, `roomtape record --as ${typed(person.name)}`);
}

function record(story: Story, command: RecordingCommand & { type: 'record' }): Refusal | undefined {
  const { state, context } = story;
  const person = findSpeaker(story, command.participant);
  if (isRefusal(person)) return person;
  const room = findRoom(state, command.room ?? person.room ?? person.assigned ?? mainRoom);
  if (isRefusal(room)) return room;
  const wish = { participant: person.id, room: room.id };
  const verdict = permits(state, wish, context.now);
  if (!verdict.allowed) return denied(state, person, room.id, verdict);
  const live = liveRecordings(state, person.id).flatMap((id) => rowOf(state.recordings, id) ?? []);
  const seen = live.find((one) => isSaidBy(one, command, room.id));
  if (seen) {
    story.add('recording-declared', { recording: seen.id });
    return undefined;
  }
  const running = live.find(
    (one) => one.control !== 'observed' && one.recorder === command.recorder,
  );
  if (running && running.room === room.id) {
    const doing = running.state === 'paused' ? 'paused' : 'recording';
    const next = running.state === 'paused' ? 'roomtape resume' : 'roomtape stop';
    const problem = `${person.name} is ${doing} in ${spokenRoom(state, room.id)} already.`;
    return refuse('wrong-state', problem, next);
  }
  if (running) {
    const problem = `${person.name} is recording in ${spokenRoom(state, running.room)}.`;
    return refuse('wrong-state', problem, `roomtape join --room ${room.number}`);
  }
  const refusal = goTo(story, person, room.id);
  if (refusal) return refusal;
  story.add('recording-started', {
    recording: context.newId('rec'),
    ...wish,
    control: command.control ?? 'declared',
    permission: verdict.permission,
    ...(command.recorder === undefined ? {} : { recorder: command.recorder }),
  });
  return undefined;
}

/** A file was seen growing before the person said so: one recording, unless it began without leave. */
function isSaidBy(
  recording: Recording,
  { control = 'declared', recorder }: RecordingCommand & { type: 'record' },
  room: RoomId,
): boolean {
  return (
    recording.control === 'observed' &&
    recording.state === 'recording' &&
    control === 'declared' &&
    recording.room === room &&
    recording.permission.kind !== 'unpermitted' &&
    recording.flags.length === 0 &&
    (recorder === undefined || recorder === recording.recorder)
  );
}

function denied(
  state: SessionState,
  person: Participant,
  room: RoomId,
  verdict: Verdict & { allowed: false },
): Refusal {
  const problem = spokenDenial(state, { participant: person.id, room }, verdict);
  const as = person.id === state.self ? '' : ` --as ${typed(person.name)}`;
  const next = nextAfter(verdict.reason, room.slice(0, room.indexOf('.')), as);
  return refuse('not-permitted', problem, next);
}

function nextAfter(reason: DenialReason, number: string, as: string): string {
  switch (reason) {
    case 'session-closed':
      return 'roomtape session create';
    case 'room-closed':
      return `roomtape room open ${number}`;
    case 'room-unknown':
    case 'participant-unknown':
      return 'roomtape room show';
    default:
      return `roomtape request --room ${number}${as}`;
  }
}

function change(
  story: Story,
  command: RecordingCommand & { type: 'pause' | 'resume' | 'stop' },
): Refusal | undefined {
  const person = findSpeaker(story, command.participant);
  if (isRefusal(person)) return person;
  const from: readonly RecordingState[] = {
    pause: ['recording' as const],
    resume: ['paused' as const],
    stop: ['recording' as const, 'paused' as const],
  }[command.type];
  const recording = findLive(story, person, command.recording, command.type, from);
  if (isRefusal(recording)) return recording;
  const { id } = recording;
  if (command.type === 'pause') story.add('recording-paused', { recording: id });
  else if (command.type === 'stop')
    story.add('recording-stopped', { recording: id, cause: 'asked' });
  else return resume(story, person, recording);
  return undefined;
}

function resume(story: Story, person: Participant, recording: Recording): Refusal | undefined {
  const { state, context } = story;
  const wish = { participant: person.id, room: recording.room };
  const verdict = permits(state, wish, context.now);
  const seenOnly = recording.control === 'observed';
  if (!verdict.allowed && !seenOnly) return denied(state, person, recording.room, verdict);
  story.add('recording-resumed', { recording: recording.id });
  return undefined;
}

function findLive(
  story: Story,
  person: Participant,
  which: string | undefined,
  verb: string,
  from: readonly RecordingState[],
): Recording | Refusal {
  const { state } = story;
  if (which !== undefined) {
    const named = findRecording(state, which);
    if (isRefusal(named)) return named;
    if (named.participant !== person.id) {
      const owner = rowOf(state.participants, named.participant)?.name ?? 'somebody else';
      const next = `roomtape ${verb} ${named.id} --as ${typed(owner)}`;
      return refuse('not-permitted', `That is the recording of ${owner}.`, next);
    }
    return from.includes(named.state) ? named : wrongState(person, named, verb);
  }
  const live = liveRecordings(state, person.id).flatMap((id) => rowOf(state.recordings, id) ?? []);
  const all = live.filter((one) => from.includes(one.state));
  // What people say is about what they said; a file that was only seen is meant when there is no other.
  const said = all.filter((one) => one.control !== 'observed');
  const fitting = said.length > 0 ? said : all;
  const [only] = fitting;
  if (only && fitting.length === 1) return only;
  if (only) {
    const ids = fitting.map((one) => shortId(one.id)).join(' and ');
    const problem = `${person.name} has ${fitting.length} recordings: ${ids}.`;
    return refuse('ambiguous-id', problem, `roomtape ${verb} ${only.id}`);
  }
  return wrongState(person, live[0] ?? latestOf(state, person.id), verb);
}

function latestOf(state: SessionState, participant: ParticipantId): Recording | undefined {
  let latest: Recording | undefined;
  for (const one of rowsOf(state.recordings)) {
    if (one.participant !== participant) continue;
    if (!latest || one.startedAt >= latest.startedAt) latest = one;
  }
  return latest;
}

const spokenState: Record<RecordingState, string> = {
  recording: 'is recording',
  paused: 'is paused',
  stopped: 'is stopped',
  interrupted: 'was interrupted',
};

function wrongState(person: Participant, recording: Recording | undefined, verb: string): Refusal {
  if (!recording) {
    const problem = `There is nothing to ${verb}: ${person.name} is not recording.`;
    return refuse('wrong-state', problem, 'roomtape record');
  }
  const because = recording.cause === undefined ? '' : ` (${recording.cause.replaceAll('-', ' ')})`;
  const state = `the recording ${spokenState[recording.state]}${because}`;
  const next = {
    recording: 'roomtape pause',
    paused: 'roomtape resume',
    stopped: 'roomtape record',
    interrupted: 'roomtape record --continue',
  }[recording.state];
  return refuse('wrong-state', `${person.name} cannot ${verb}: ${state}.`, next);
}

function goOn(story: Story, command: RecordingCommand & { type: 'continue' }): Refusal | undefined {
  const { state, context } = story;
  const person = findSpeaker(story, command.participant);
  if (isRefusal(person)) return person;
  const recording =
    command.recording === undefined
      ? latestOf(state, person.id)
      : findRecording(state, command.recording);
  if (isRefusal(recording)) return recording;
  if (recording?.state !== 'interrupted' || recording.participant !== person.id) {
    return wrongState(person, recording, 'continue');
  }
  const wish = { participant: person.id, room: recording.room };
  const verdict = permits(state, wish, context.now);
  if (!verdict.allowed) return denied(state, person, recording.room, verdict);
  if (liveRecordings(state, person.id).length > 0) {
    return refuse('wrong-state', `${person.name} records something else now.`, 'roomtape stop');
  }
  const refusal = goTo(story, person, recording.room);
  if (refusal) return refusal;
  const { permission } = verdict;
  story.add('recording-continued', { recording: recording.id, permission });
  return undefined;
}

function interrupt(
  story: Story,
  command: RecordingCommand & { type: 'interrupt' },
): Refusal | undefined {
  const recording = findRecording(story.state, command.recording);
  if (isRefusal(recording)) return recording;
  // A recorder that dies after Stop interrupts nothing; the state of its file is another matter.
  if (!isLive(recording)) return undefined;
  story.add('recording-interrupted', {
    recording: recording.id,
    cause: command.cause,
    ...(command.detail === undefined ? {} : { detail: command.detail.slice(0, 500) }),
  });
  return undefined;
}

function recorderSaid(
  story: Story,
  { type, recording: id }: RecordingCommand & { type: `recorder-${string}` },
): Refusal | undefined {
  const { state, context } = story;
  const recording = findRecording(state, id);
  if (isRefusal(recording)) return recording;
  if (type === 'recorder-stopped') {
    if (isLive(recording)) {
      story.add('recording-stopped', { recording: recording.id, cause: 'recorder-stopped' });
    }
  } else if (type === 'recorder-paused') {
    if (recording.state === 'recording') story.add('recording-paused', { recording: recording.id });
  } else if (recording.state === 'paused') {
    const { participant, room } = recording;
    const verdict = permits(state, { participant, room }, context.now);
    if (verdict.allowed || recording.control !== 'roomtape') {
      story.add('recording-resumed', { recording: recording.id });
    } else end(story, recording, endCauses[verdict.reason]);
  }
  return undefined;
}

function observe(
  story: Story,
  command: RecordingCommand & { type: 'observe' },
): Refusal | undefined {
  const { state, context } = story;
  const person = findParticipant(state, command.participant ?? story.actor);
  if (isRefusal(person)) return person;
  const room = findRoom(state, command.room ?? person.room ?? person.assigned ?? mainRoom);
  if (isRefusal(room)) return room;
  const wish = { participant: person.id, room: room.id };
  const verdict = permits(state, wish, context.now);
  story.add('recording-started', {
    recording: context.newId('rec'),
    ...wish,
    control: 'observed',
    permission: verdict.allowed
      ? verdict.permission
      : { kind: 'unpermitted', reason: verdict.reason },
    ...(command.recorder === undefined ? {} : { recorder: command.recorder }),
  });
  return undefined;
}

function attach(
  story: Story,
  { type, recording: id, take }: RecordingCommand & { type: 'attach-take' | 'detach-take' },
): Refusal | undefined {
  const recording = findRecording(story.state, id);
  if (isRefusal(recording)) return recording;
  const has = recording.takes.includes(take);
  if (type === 'attach-take' && !has) story.add('take-attached', { recording: recording.id, take });
  if (type === 'detach-take' && has) story.add('take-detached', { recording: recording.id, take });
  return undefined;
}
