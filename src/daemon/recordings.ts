/**
 * What the daemon answers about recordings and takes: lists, details, and what a person does by hand.
 */
import type {
  RecordingDetail,
  RecordingView,
  recordingRoutes,
  TakeDetail,
  TakeRescue,
  TakeView,
} from '../api/recording-routes.ts';
import {
  type ListedRecording,
  type RecordingRecord,
  verdictsFromBest,
} from '../catalogue/recording-table.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { findParticipant, findRoom } from '../session/find.ts';
import { type IdKind, shortId } from '../session/ids.ts';
import { isRefusal, type Refusal } from '../session/refusal.ts';
import { recordingStates, type SessionState } from '../session/state.ts';
import { rowOf } from '../session/table.ts';
import { recoveryCode, recoveryFields, verifiedFields } from '../system/recovery-report.ts';
import { isSound, type Rescue, type RescueProgress } from '../system/rescue.ts';
import type { Area, DaemonContext } from './area.ts';
import { profilesNear } from './references.ts';
import type { Sessions } from './sessions.ts';

export interface RecordingsOptions {
  readonly sessions: Sessions;
  /** For what a person asks: they shall not wait behind the journeys of other takes. */
  readonly rescue: Rescue;
  /** One step a line, from the recording to the host's key. */
  readonly proofOf: (recording: string) => Promise<readonly string[]> | readonly string[];
}

export function openRecordings(
  context: DaemonContext,
  { sessions, rescue, proofOf }: RecordingsOptions,
): Area<keyof typeof recordingRoutes> {
  const { recordings } = context.catalogue;
  const listed = ({ recordings, next }: ReturnType<typeof context.catalogue.recordings.list>) => {
    const known = new Map<string, SessionState | undefined>();
    return {
      recordings: recordings.map((one) => viewOf(withSpanning(context, sessions, one, known))),
      next,
    };
  };
  return {
    handlers: {
      'recording.list': ({ limit, from, ...filter }) =>
        listed(recordings.list(understood(sessions, filter), { limit, from })),
      'recording.search': ({ text, limit, from, ...filter }) =>
        listed(recordings.search(text, understood(sessions, filter), { limit, from })),
      'recording.show': async ({ id }): Promise<RecordingDetail> => {
        const found = withSpanning(context, sessions, findRecording(context, id), new Map());
        return {
          ...viewOf(found),
          takes: found.takes.map((take) => detailOf(take, found.id)),
          proof: sessions.recording(found.id) ? await proofOf(found.id) : [],
        };
      },
      'take.recover': (input) => recoverTake(context, rescue, findTake(context, input.id), input),
      'take.verify': ({ id }) => verifyTake(context, rescue, findTake(context, id)),
      'take.tag': ({ id, ...wanted }) =>
        viewOf(tagTake(context, sessions, findTake(context, id), wanted)),
    },
    close: () => rescue.close(),
  };
}

/**
 * A filter in the catalogue's words: a topic becomes the session's id. Throws `usage` for a state or a
 * verdict that there is none of: nothing found would be a false answer.
 */
function understood<
  Filter extends {
    readonly session?: string;
    readonly state?: string;
    readonly verdict?: string;
  },
>(sessions: Sessions, filter: Filter): Filter {
  oneOf('state', recordingStates, filter.state);
  oneOf('verdict', verdictsFromBest, filter.verdict);
  if (filter.session === undefined) return filter;
  const known = sessions
    .all()
    .find(({ id, topic }) => id === filter.session || topic === filter.session);
  return known ? { ...filter, session: known.id } : filter;
}

function oneOf(what: string, words: readonly string[], said: string | undefined): void {
  if (said === undefined || words.includes(said)) return;
  const known = words.filter((word) => word !== '').join(', ');
  throw new RoomtapeError('usage', `There is no ${what} “${said}”; there are ${known}.`, {
    next: `roomtape list --${what} interrupted`,
  });
}

const viewOf = ({ takes, ...recording }: ListedRecording): RecordingView => ({
  id: recording.id,
  session: recording.session,
  room: recording.room,
  participant: recording.participant,
  state: recording.state,
  permission: recording.permission,
  intervals: recording.intervals,
  takes: takes.map((take) => takeView(take, recording.id)),
  startedAt: recording.startedAt,
  endedAt: recording.endedAt,
  verdict: recording.verdict,
});

/**
 * A recording without a file of its own may be a part of one: its person was moved, and the recorder
 * went on. Such a file is stored with the recording it began in.
 */
function withSpanning(
  { catalogue }: DaemonContext,
  sessions: Sessions,
  recording: ListedRecording,
  known: Map<string, SessionState | undefined>,
): ListedRecording {
  if (recording.takes.length > 0 || !recording.session) return recording;
  const { id } = recording.session;
  if (!known.has(id)) known.set(id, sessions.byId(id));
  const state = known.get(id);
  const attached = state && rowOf(state.recordings, recording.id)?.takes;
  const takes = (attached ?? []).flatMap((take) => catalogue.takes.byId(take) ?? []);
  const [first] = takes;
  return first ? { ...recording, takes, verdict: recording.verdict || first.verdict } : recording;
}

const takeView = (take: TakeRecord, recording: string): TakeView => ({
  id: take.id,
  path: take.path,
  verdict: take.verdict,
  recoveredPath: take.recoveredPath,
  durationMs: take.durationMs,
  bytes: take.bytes,
  sha256: take.sha256,
  recorder: take.recorder,
  container: take.container,
  stage: take.stage,
  attribution: take.attribution,
  ...spanOf(take, recording),
});

function spanOf({ detail }: TakeRecord, recording: string): Pick<TakeView, 'span'> {
  const spans: unknown = detail['spans'];
  if (!Array.isArray(spans)) return {};
  const span = spans.find((one) => one?.recording === recording);
  const { from, to } = span ?? {};
  return typeof from === 'number' && typeof to === 'number' ? { span: { from, to } } : {};
}

const detailOf = (take: TakeRecord, recording: string): TakeDetail => ({
  ...takeView(take, recording),
  sightedAt: take.sightedAt,
  startedAt: take.startedAt,
  endedAt: take.endedAt,
  detail: take.detail,
});

/** The one recording that an id of it or of a take may mean. */
function findRecording(context: DaemonContext, text: string): ListedRecording {
  const { recordings, takes } = context.catalogue;
  const ids = new Set<string>();
  for (const prefix of prefixes(text, ['rec'])) {
    for (const id of recordings.idsStartingWith(prefix)) ids.add(id);
  }
  for (const prefix of prefixes(text, ['take'])) {
    for (const id of takes.idsStartingWith(prefix)) {
      const take = takes.byId(id);
      if (take) ids.add(take.recording);
    }
  }
  const found = recordings.byId(theOnly(ids, text, 'recording'));
  if (!found) throw unknown(text, 'recording');
  return found;
}

/** The one take that an id of it or of its recording may mean. */
function findTake(context: DaemonContext, text: string): TakeRecord {
  const { recordings, takes } = context.catalogue;
  const ids = new Set<string>();
  for (const prefix of prefixes(text, ['take'])) {
    for (const id of takes.idsStartingWith(prefix)) ids.add(id);
  }
  for (const prefix of prefixes(text, ['rec'])) {
    for (const id of recordings.idsStartingWith(prefix)) {
      for (const take of takes.ofRecording(id)) ids.add(take.id);
    }
  }
  const found = takes.byId(theOnly(ids, text, 'take'));
  if (!found) throw unknown(text, 'take');
  return found;
}

function prefixes(text: string, kinds: readonly IdKind[]): string[] {
  const wanted = text.trim().toLowerCase();
  return kinds.flatMap((kind) => {
    if (!wanted.includes('_')) return [`${kind}_${wanted}`];
    return wanted.startsWith(`${kind}_`) ? [wanted] : [];
  });
}

function theOnly(ids: ReadonlySet<string>, text: string, what: string): string {
  const [first, second] = ids;
  if (first === undefined) throw unknown(text, what);
  if (second === undefined) return first;
  const some = [...ids].slice(0, 3).map(shortId).join(', ');
  throw new RoomtapeError('ambiguous-id', `“${text}” may mean ${ids.size} ${what}s: ${some}.`, {
    next: 'type more of the id',
  });
}

const unknown = (text: string, what: string) =>
  new RoomtapeError('unknown-id', `There is no ${what} “${text}”.`, { next: 'roomtape list' });

interface RecoverWishes {
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
  readonly verify?: boolean;
  readonly faststart?: boolean;
  readonly references?: readonly string[];
  readonly folder?: string;
}

async function recoverTake(
  context: DaemonContext,
  rescue: Rescue,
  take: TakeRecord,
  wishes: RecoverWishes,
): Promise<TakeRescue> {
  const recovery = await rescue.recover(take.path, {
    referencePaths: wishes.references,
    references: profilesNear(context, take),
    folder: wishes.folder,
    existing: wishes.overwrite ? 'overwrite' : 'adopt',
    reserve: context.config['free-disk-mb'] * 1_000_000,
    dryRun: wishes.dryRun,
    verify: wishes.verify,
    faststart: wishes.faststart,
    onProgress: tellProgress(context, take),
  });
  const report = recoveryFields(recovery);
  if (!wishes.dryRun) {
    const { report: _, ...before } = take.detail;
    store(context, take, {
      verdict: report.verdict,
      recoveredPath: report.output ?? take.recoveredPath,
      container: recovery.diagnosis.container,
      durationMs:
        Math.round(Math.max(0, ...report.tracks.map((track) => track.durationMs ?? 0))) ||
        take.durationMs,
      bytes: recovery.identity.size,
      detail: { ...before, report, waits: false, problem: null, next: null },
    });
    const text = report.output
      ? `${take.path} was repaired: ${report.output}.`
      : (report.note ?? '');
    context.publish({ type: 'take-recovered', text, body: { id: take.id, report } });
  }
  const next = recovery.outcome.kind === 'none' ? (recovery.outcome.next ?? null) : null;
  return { id: take.id, report: { ...report }, exitCode: recoveryCode(recovery), next };
}

async function verifyTake(
  context: DaemonContext,
  rescue: Rescue,
  take: TakeRecord,
): Promise<TakeRescue> {
  const path = take.recoveredPath ?? take.path;
  const verified = await rescue.verify(path, { onProgress: tellProgress(context, take) });
  const { diagnosis, verification } = verified;
  const sound = diagnosis.verdict === 'whole' && isSound(verification);
  store(context, take, { detail: { ...take.detail, verification } });
  return {
    id: take.id,
    report: { ...verifiedFields(verified) },
    exitCode: sound ? exitCodes.done : exitCodes.damage,
    next: sound || take.recoveredPath ? null : `roomtape recover ${shortId(take.id)}`,
  };
}

/** The take may have gone on while the file was worked on: only what was found is put over it. */
function store(context: DaemonContext, take: TakeRecord, change: Partial<TakeRecord>): void {
  const { catalogue, clock } = context;
  catalogue.transaction(() => {
    const now = catalogue.takes.byId(take.id) ?? take;
    catalogue.takes.put({ ...now, ...change }, clock.now());
  });
}

function tellProgress(context: DaemonContext, take: TakeRecord) {
  return (progress: RescueProgress) =>
    context.publish({
      type: 'take-progress',
      text: `${take.path}: ${progress.phase}`,
      body: { id: take.id, ...progress },
    });
}

interface Tags {
  readonly session?: string;
  readonly room?: string;
  readonly participant?: string;
}

/**
 * Puts a take under another session, room or person. A declared recording is never rewritten: its
 * take moves to the recording that fits the tags, or to one of its own.
 */
function tagTake(
  context: DaemonContext,
  sessions: Sessions,
  take: TakeRecord,
  tags: Tags,
): ListedRecording {
  const { catalogue, clock } = context;
  const { recordings, takes } = catalogue;
  const before = recordings.byId(take.recording);
  if (!before) throw unknown(take.recording, 'recording');
  const state = sessions.find(tags.session ?? before.session?.id);
  const wanted = taggedRecord(before, state, tags);
  const fitting = sameTags(before, wanted) ? before : fittingRecording(context, wanted, before);
  const alone = !sessions.recording(before.id) && before.takes.length === 1;
  const target = fitting?.id ?? (alone ? before.id : sessions.newId('rec'));
  const at = clock.now();
  catalogue.transaction(() => {
    if (!fitting) recordings.putObserved({ ...wanted, id: target }, at);
    const reasons = ['tagged by hand'];
    const detail = { ...take.detail, reasons };
    takes.put({ ...take, recording: target, attribution: 'declared', detail }, at);
    if (target !== before.id && !sessions.recording(before.id)) recordings.dropEmpty(before.id, at);
  });
  const after = recordings.byId(target);
  if (!after) throw unknown(target, 'recording');
  context.publish({
    type: 'take-tagged',
    text: `${take.path} now belongs to ${after.session?.topic ?? 'no session'}.`,
    body: { id: take.id, recording: target },
  });
  return after;
}

function taggedRecord(
  { takes: _, verdict: __, ...before }: ListedRecording,
  state: SessionState,
  tags: Tags,
): RecordingRecord {
  const room = tags.room === undefined ? undefined : orThrow(findRoom(state, tags.room));
  const person =
    tags.participant === undefined ? undefined : orThrow(findParticipant(state, tags.participant));
  const kept = before.session?.id === state.id ? before : { room: null, participant: null };
  return {
    ...before,
    session: { id: state.id, topic: state.topic },
    room: room ? { id: room.id, number: room.number, name: room.name } : kept.room,
    participant: person ? { id: person.id, name: person.name } : kept.participant,
  };
}

const sameTags = (a: RecordingRecord, b: RecordingRecord): boolean =>
  a.session?.id === b.session?.id &&
  a.room?.id === b.room?.id &&
  a.participant?.id === b.participant?.id;

/** A recording with these tags that was going on at the same time. */
function fittingRecording(
  context: DaemonContext,
  wanted: RecordingRecord,
  before: ListedRecording,
): ListedRecording | undefined {
  const end = before.endedAt ?? context.clock.now();
  const { recordings } = context.catalogue.recordings.list(
    { session: wanted.session?.id, until: end + 1 },
    { limit: 500 },
  );
  return recordings.find(
    (one) =>
      one.id !== before.id &&
      sameTags(one, wanted) &&
      (one.endedAt ?? context.clock.now()) >= before.startedAt,
  );
}

function orThrow<Found extends object>(found: Found | Refusal): Found {
  if (isRefusal(found)) {
    throw new RoomtapeError(found.code, found.problem, { next: found.next });
  }
  return found;
}
