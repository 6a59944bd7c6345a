/**
 * Whether a command is carried out: events if so, a refusal if not.
 *
 * Pure: the same state, command and context always give the same answer. The events of one decision
 * belong together and are written in one transaction.
 */
import type {
  BeginCommand,
  Context,
  KeyCommand,
  PeopleCommand,
  PermissionCommand,
  RecordingCommand,
  ReportCommand,
  RoomCommand,
  SessionCommand,
  Story,
} from './command.ts';
import { storyFrom } from './command.ts';
import { passTime } from './due.ts';
import { endUnpermitted } from './endings.ts';
import type { SessionEvent } from './events.ts';
import { evolveAll, judgedNow } from './evolve.ts';
import { findActor } from './find.ts';
import { fingerprint } from './fingerprint.ts';
import type { Instant } from './ids.ts';
import { decidePeople, personName } from './people.ts';
import { decidePermission } from './permission.ts';
import { decideRecordings } from './recordings.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { decideReport } from './reports.ts';
import { addRooms, closedSession, decideRooms } from './rooms.ts';
import { limits, type SessionState } from './state.ts';
import { rowOf } from './table.ts';

export function decide(
  state: SessionState | undefined,
  command: SessionCommand,
  context: Context,
): readonly SessionEvent[] | Refusal {
  if (command.type === 'create-session' || command.type === 'join-session') {
    return begin(state, command, context);
  }
  if (!state) return refuse('unknown-id', 'There is no such session.', 'roomtape session list');
  const actor = findActor(state, context.actor);
  if (isRefusal(actor)) return actor;
  // What time has ended is ended first, so that no command meets a state that is over.
  const overdue = storyFrom(state, context, actor, true);
  if (command.type === 'tick') passTime(overdue);
  const timeTells = overdue.events.length > 0 || isOverdue(state, context.now);
  const elapsed = timeTells ? endingsFirst(state, overdue, context) : [];
  const present = evolveAll(state, elapsed) ?? state;
  const story = storyFrom(present, context, actor, isByNobody(command));
  const refusal = carryOut(story, command);
  if (refusal) return refusal;
  const takes = story.events.some((event) => takesLeave.has(event.type));
  return [...elapsed, ...(takes ? endingsFirst(present, story, context) : story.events)];
}

function isOverdue(state: SessionState, now: Instant): boolean {
  return state.safeUntil !== undefined && state.safeUntil <= judgedNow(state, now);
}

/**
 * Events that may take permission from somebody else's recording. What other events do to recordings
 * they tell themselves; to judge a thousand live ones at each command would be felt.
 */
const takesLeave: ReadonlySet<SessionEvent['type']> = new Set([
  'session-closed',
  'room-removed',
  'room-recreated',
  'rooms-closing',
  'rooms-closed',
  'rooms-reported',
  'participant-removed',
  'cohost-named',
  'cohost-removed',
  'revoked',
  'revocations-taken',
  'expired',
  'host-time-seen',
]);

/** The events of a story, with the endings it makes necessary told before it. */
function endingsFirst(
  before: SessionState,
  told: Story,
  context: Context,
): readonly SessionEvent[] {
  const endings = storyFrom(before, context, told.actor, true);
  endUnpermitted(endings, told.state);
  return [...endings.events, ...told.events];
}

function isByNobody(command: SessionCommand): boolean {
  return (
    command.type === 'tick' ||
    command.type === 'interrupt' ||
    command.type === 'observe' ||
    command.type.startsWith('recorder-')
  );
}

const areas = {
  'close-session': 'rooms',
  'add-rooms': 'rooms',
  'rename-room': 'rooms',
  'remove-room': 'rooms',
  'recreate-room': 'rooms',
  'open-rooms': 'rooms',
  'close-rooms': 'rooms',
  'set-policy': 'rooms',
  'add-participants': 'people',
  'remove-participant': 'people',
  'pin-key': 'people',
  assign: 'people',
  'assign-all': 'people',
  'import-assignments': 'people',
  move: 'people',
  exchange: 'people',
  enter: 'people',
  leave: 'people',
  grant: 'permission',
  revoke: 'permission',
  request: 'permission',
  answer: 'permission',
  'approve-recording': 'permission',
  'name-cohost': 'permission',
  'remove-cohost': 'permission',
  'rekey-self': 'keys',
  'rekey-host': 'keys',
  'keep-lines': 'keys',
  'take-grant': 'reports',
  'take-revocations': 'reports',
  'take-delegation': 'reports',
  'take-rooms': 'reports',
  'take-approval': 'reports',
} as const satisfies Partial<Record<SessionCommand['type'], string>>;

function carryOut(
  story: Story,
  command: Exclude<SessionCommand, BeginCommand>,
): Refusal | undefined {
  const area = Object.hasOwn(areas, command.type)
    ? areas[command.type as keyof typeof areas]
    : 'recordings';
  switch (area) {
    case 'rooms':
      return decideRooms(story, command as RoomCommand);
    case 'people':
      return decidePeople(story, command as PeopleCommand);
    case 'permission':
      return decidePermission(story, command as PermissionCommand);
    case 'reports':
      return decideReport(story, command as ReportCommand);
    case 'keys':
      return decideKeys(story, command as KeyCommand);
    case 'recordings':
      return decideRecordings(story, command as RecordingCommand);
  }
}

function decideKeys(story: Story, command: KeyCommand): undefined {
  const { state } = story;
  if (command.type === 'keep-lines') {
    for (const { of, line } of command.lines) story.add('line-signed', { of, line });
    return;
  }
  const { key } = command;
  if (command.type === 'rekey-host' || state.self === state.host) {
    if (key !== state.hostKey) story.add('host-rekeyed', { key });
  } else if (rowOf(state.participants, state.self)?.key !== key) {
    story.add('participant-keyed', { participant: state.self, key });
  }
}

function begin(
  state: SessionState | undefined,
  command: BeginCommand,
  context: Context,
): readonly SessionEvent[] | Refusal {
  if (state) return alreadyHere(state, command);
  const topic = personName([...command.topic].slice(0, limits.topic).join('')) || 'Session';
  const hostName = personName(command.hostName) || 'Host';
  const head = { v: 1, at: context.now } as const;
  if (command.type === 'join-session') {
    const selfName = personName(command.selfName);
    if (selfName === '') {
      const problem = 'Say by which name the others know you.';
      return refuse('usage', problem, 'roomtape join LINE --name NAME');
    }
    const self = { id: context.newId('par'), name: selfName, key: command.selfKey };
    const joined: SessionEvent<'session-joined'> = {
      ...head,
      type: 'session-joined',
      session: command.session,
      by: self.id,
      topic,
      host: { id: context.newId('par'), name: hostName, key: command.hostKey },
      self,
      hostKey: command.hostKey,
      ...(command.line === undefined ? {} : { line: command.line }),
    };
    return [joined];
  }
  const { hostKey } = command;
  const host = { id: context.newId('par'), name: hostName };
  const created: SessionEvent<'session-created'> = {
    ...head,
    type: 'session-created',
    session: context.newId('ses'),
    by: host.id,
    topic,
    host: hostKey === undefined ? host : { ...host, key: hostKey },
    policy: command.policy ?? 'ask',
  };
  const first = evolveAll(undefined, [created]);
  if (!first || !command.rooms || command.rooms.length === 0) return [created];
  const story = storyFrom(first, context, host.id);
  return addRooms(story, command.rooms) ?? [created, ...story.events];
}

function alreadyHere(state: SessionState, command: BeginCommand): Refusal {
  if (command.type === 'join-session' && command.hostKey !== state.hostKey) {
    const words = fingerprint(command.hostKey);
    const problem = `“${state.topic}” was joined under ANOTHER HOST KEY than this one (${words}). Somebody may be pretending to be the host.`;
    const next =
      'compare the words with the host by voice, then: roomtape join LINE --trust-new-key';
    return refuse('line-refused', problem, next);
  }
  if (state.closedAt !== undefined) return closedSession(state.topic);
  const problem = `“${state.topic}” is known here already.`;
  return refuse('wrong-state', problem, 'roomtape session show');
}
