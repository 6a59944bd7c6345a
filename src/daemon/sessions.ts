/**
 * The sessions of this machine: decided, journaled, folded, and acted upon when time is due.
 *
 * The rules are in session/. Here a decision becomes one transaction, the state moves on only when
 * it is on disk, and whoever needs to know is told.
 */
import { randomBytes } from 'node:crypto';
import type { JournalFact } from '../catalogue/journal.ts';
import type { RecordingRecord } from '../catalogue/recording-table.ts';
import { RoomtapeError } from '../errors.ts';
import type { SessionCommand } from '../session/command.ts';
import { decide } from '../session/decide.ts';
import { due } from '../session/due.ts';
import { parseEvent, type SessionEvent } from '../session/events.ts';
import { evolve, evolveAll, liveRecordings } from '../session/evolve.ts';
import {
  type Id,
  type IdKind,
  idsMatching,
  instant,
  newId,
  type RecordingId,
  type SessionId,
} from '../session/ids.ts';
import { proofSteps } from '../session/proof.ts';
import { isRefusal, type Refusal } from '../session/refusal.ts';
import { spokenEvent } from '../session/spoken-event.ts';
import { folded, type Recording, type SessionState } from '../session/state.ts';
import { rowOf, rowsOf } from '../session/table.ts';
import { Appointment } from '../system/clock.ts';
import type { DaemonContext } from './area.ts';

/** What a decision came to. */
export interface Applied {
  readonly state: SessionState;
  readonly events: readonly SessionEvent[];
  /** The events as a person would tell them. */
  readonly told: readonly string[];
}

/** Told of each event once it is on disk, with the session after it. */
export type EventListener = (event: SessionEvent, state: SessionState) => void;

/** Says which recorder Roomtape would drive for a participant of this machine, if any. */
export type RecorderChoice = (
  state: SessionState,
  command: SessionCommand & { type: 'record' },
) => string | undefined;

/**
 * Carries out what a person asks of a recorder that Roomtape drives: the recorder first, then the
 * session. `undefined`: nothing is driven for this person here, the command only declares.
 */
export type Driver = (
  state: SessionState,
  command: SessionCommand & { type: 'record' | 'pause' | 'resume' | 'stop' | 'continue' },
  actor: string | undefined,
) => Promise<Applied> | undefined;

/** Events between two snapshots: a start folds at most so many. */
const snapshotEvery = 200;

export class Sessions {
  readonly #context: DaemonContext;
  readonly #states = new Map<SessionId, SessionState>();
  readonly #sinceSnapshot = new Map<SessionId, number>();
  readonly #listeners = new Set<EventListener>();
  readonly #appointment: Appointment;
  #settingUp = false;
  #closed = false;
  /** Set by whoever drives recorders; without it recordings are only declared. */
  chooseRecorder: RecorderChoice | undefined;
  /** Set by whoever has the recorder do it first; stronger than `chooseRecorder`. */
  driver: Driver | undefined;

  constructor(context: DaemonContext) {
    this.#context = context;
    this.#appointment = new Appointment(context.clock, () => this.passTime());
  }

  /** Takes up every open session where the journal left it. */
  load(): void {
    const { catalogue } = this.#context;
    for (const stored of catalogue.sessions.open()) {
      let state = (stored.snapshot ?? undefined) as SessionState | undefined;
      for (const entry of catalogue.journal.entries(stored.upto, stored.id)) {
        const event = parseEvent(entry.body);
        if (event) state = evolve(state, event);
      }
      if (!state) continue;
      this.#states.set(state.id, state);
      if (stored.snapshot === null) this.#restore(state);
    }
    this.passTime();
  }

  /** After the catalogue was rebuilt from its journal: tables that only a session can fill. */
  #restore(state: SessionState): void {
    const { catalogue } = this.#context;
    catalogue.transaction(() => {
      this.#put(state, catalogue.journal.head.seq);
      // In the order in which they began: searches show the newest stored first.
      const all = [...rowsOf(state.recordings)].sort((a, b) => a.startedAt - b.startedAt);
      for (const recording of all) {
        catalogue.recordings.putDeclared(recordOf(state, recording));
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#appointment.cancel();
    for (const id of this.#states.keys()) this.#snapshot(id);
  }

  onEvent(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Everything that ever happened in a session, in order, from the journal. */
  *history(id: SessionId): Generator<SessionEvent> {
    for (const entry of this.#context.catalogue.journal.entries(0, id)) {
      const event = parseEvent(entry.body);
      if (event) yield event;
    }
  }

  now() {
    return instant(this.#context.clock.now());
  }

  newId<Kind extends IdKind>(kind: Kind): Id<Kind> {
    return newId(kind, this.now(), randomBytes(16));
  }

  /** Open sessions, the latest first. */
  open(): SessionState[] {
    return [...this.#states.values()]
      .filter((state) => state.closedAt === undefined)
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  /** Every session there ever was here, the latest first; closed ones are read from disk. */
  all(): SessionState[] {
    const closed = this.#context.catalogue.sessions.all().flatMap(({ id }) => {
      const state = this.byId(id);
      return state ? [state] : [];
    });
    return closed.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  byId(id: string): SessionState | undefined {
    const known = this.#states.get(id as SessionId);
    if (known) return known;
    const stored = this.#context.catalogue.sessions.byId(id);
    return (stored?.snapshot ?? undefined) as SessionState | undefined;
  }

  /** The session meant: by id, the beginning of one, or topic; else the latest that is open. */
  find(text?: string): SessionState {
    if (text === undefined) {
      const [latest] = this.open();
      if (latest) return latest;
      throw new RoomtapeError('unknown-id', 'There is no open session here.', {
        next: 'roomtape session create TOPIC, or roomtape join LINE',
      });
    }
    // Closed ones are many and lie on disk: they are read only when no open one is meant.
    const open = meantBy(this.open(), text);
    const [first, ...others] = open.length > 0 ? open : meantBy(this.all(), text);
    if (first && others.length === 0) return first;
    throw new RoomtapeError(
      first ? 'ambiguous-id' : 'unknown-id',
      first
        ? `“${text}” may mean ${others.length + 1} sessions.`
        : `There is no session “${text}”.`,
      { next: 'roomtape session list --all' },
    );
  }

  /** Recordings that run or pause, in all open sessions. */
  live(): { readonly state: SessionState; readonly recording: Recording }[] {
    return this.open().flatMap((state) =>
      liveRecordings(state).flatMap((id) => {
        const recording = rowOf(state.recordings, id);
        return recording ? [{ state, recording }] : [];
      }),
    );
  }

  /** A recording by its whole id, of an open or a closed session. */
  recording(id: string): { state: SessionState; recording: Recording } | undefined {
    for (const state of this.#states.values()) {
      const recording = rowOf(state.recordings, id);
      if (recording) return { state, recording };
    }
    const session = this.#context.catalogue.recordings.byId(id)?.session?.id;
    const state = session === undefined ? undefined : this.byId(session);
    const recording = state && rowOf(state.recordings, id);
    return recording ? { state, recording } : undefined;
  }

  /** A recording by the beginning of its id, and how it came to be permitted. */
  proof(text: string): { state: SessionState; recording: Recording; steps: readonly string[] } {
    const whole = text.startsWith('rec_') ? text : `rec_${text}`;
    const ids = this.#context.catalogue.recordings.idsStartingWith(whole.trim().toLowerCase());
    const [id] = ids;
    const found = id === undefined || ids.length > 1 ? undefined : this.recording(id);
    if (found) return { ...found, steps: proofSteps(found.state, found.recording) };
    const problem = ids.length > 1 ? `“${text}” may mean ${ids.length} recordings.` : undefined;
    throw new RoomtapeError(
      problem ? 'ambiguous-id' : 'unknown-id',
      problem ?? `There is no recording “${text}” in a session.`,
      { next: 'roomtape list' },
    );
  }

  /** Carries a command out, or throws the refusal as the obstacle it is. */
  apply(session: SessionId | undefined, command: SessionCommand, actor?: string): Applied {
    const applied = this.try(session, command, actor);
    if (isRefusal(applied)) throw obstacle(applied);
    return applied;
  }

  /** As `apply`, through the driver where the command is one for a recorder and one is driven. */
  async carryOut(session: SessionId, command: SessionCommand, actor?: string): Promise<Applied> {
    const state = this.byId(session);
    if (state && this.driver && isForRecorder(command)) {
      const driven = await this.driver(state, command, actor);
      if (driven) return driven;
    }
    return this.apply(session, command, actor);
  }

  /** What a command would do now, without doing it; throws the refusal as the obstacle it is. */
  rehearse(session: SessionId, command: SessionCommand, actor?: string): readonly SessionEvent[] {
    const decision = this.#decide(this.byId(session), command, actor);
    if (isRefusal(decision)) throw obstacle(decision);
    return decision;
  }

  /** Carries a command out, or gives the refusal back. */
  try(session: SessionId | undefined, command: SessionCommand, actor?: string): Applied | Refusal {
    const before = session === undefined ? undefined : this.byId(session);
    const wanted = before === undefined ? command : this.#withRecorder(before, command);
    const decision = this.#decide(before, wanted, actor);
    if (isRefusal(decision)) {
      if (before) this.#noteRefusal(before, wanted, decision, actor);
      return decision;
    }
    const after = evolveAll(before, decision);
    if (!after) throw new Error(`${command.type} made no session`);
    if (decision.length > 0) this.#keep(before, after, decision);
    return { state: after, events: decision, told: this.#tell(before, decision) };
  }

  /**
   * Who wanted to record without permission is a fact too. Of the state it changes only what time it
   * is known to be: what was refused as expired stays so when the clock is set back.
   */
  #noteRefusal(
    before: SessionState,
    command: SessionCommand,
    { code, problem }: Refusal,
    actor: string | undefined,
  ): void {
    if (code !== 'not-permitted' || !isForRecorder(command)) return;
    const { catalogue } = this.#context;
    const [at, session] = [this.now(), before.id];
    const body = { v: 1, session, at, type: 'refused', command, actor: actor ?? null, problem };
    catalogue.transaction(() => {
      catalogue.journal.append([{ at, type: 'refused', session, body }]);
      if (at <= before.watermark) return;
      const seen: SessionEvent = { v: 1, session, at, type: 'host-time-seen', hostAt: at };
      const after = evolve(before, seen);
      if (after) this.#keep(before, after, [seen]);
    });
  }

  #decide(state: SessionState | undefined, command: SessionCommand, actor: string | undefined) {
    return decide(state, command, {
      now: this.now(),
      newId: (kind) => this.newId(kind),
      seed: randomBytes(4).readUInt32LE(),
      ...(actor === undefined ? {} : { actor }),
    });
  }

  #withRecorder(state: SessionState, command: SessionCommand): SessionCommand {
    if (command.type !== 'record' || command.control !== undefined) return command;
    const recorder = this.chooseRecorder?.(state, command);
    return recorder === undefined ? command : { ...command, control: 'roomtape', recorder };
  }

  #keep(
    before: SessionState | undefined,
    after: SessionState,
    events: readonly SessionEvent[],
  ): void {
    const { catalogue } = this.#context;
    const facts: JournalFact[] = events.map((event) => {
      const { at, type, session } = event;
      return { at, type, session, body: event };
    });
    const count = (this.#sinceSnapshot.get(after.id) ?? 0) + events.length;
    const due = before === undefined || after.closedAt !== undefined || count >= snapshotEvery;
    catalogue.transaction(() => {
      const head = catalogue.journal.append(facts);
      if (due) this.#put(after, head.seq);
      for (const id of recordingsOf(events)) {
        const recording = rowOf(after.recordings, id);
        if (recording) catalogue.recordings.putDeclared(recordOf(after, recording));
      }
    });
    this.#sinceSnapshot.set(after.id, due ? 0 : count);
    this.#states.set(after.id, after);
  }

  #snapshot(id: SessionId): void {
    const state = this.#states.get(id);
    if (!state || (this.#sinceSnapshot.get(id) ?? 0) === 0) return;
    const { catalogue } = this.#context;
    catalogue.transaction(() => this.#put(state, catalogue.journal.head.seq));
    this.#sinceSnapshot.set(id, 0);
  }

  #put(state: SessionState, upto: number): void {
    const { id, topic, closedAt } = state;
    const closed = closedAt !== undefined;
    this.#context.catalogue.sessions.put({ id, topic, closed, snapshot: state, upto });
  }

  #tell(before: SessionState | undefined, events: readonly SessionEvent[]): string[] {
    const told: string[] = [];
    let each = before;
    for (const event of events) {
      const previous = each;
      each = evolve(each, event);
      const state = each ?? previous;
      if (!state) continue;
      const text = spokenEvent(named(state, previous, event), event);
      told.push(text);
      this.#context.publish({ type: `session:${event.type}`, text, body: { ...event } });
      for (const listener of this.#listeners) listener(event, state);
    }
    if (events.length > 0) this.#setAppointment();
    return told;
  }

  /** Does what time has brought about, and waits for what comes next. */
  passTime(): void {
    for (const state of this.open()) {
      for (const command of due(state, this.now()).commands) {
        const applied = this.try(state.id, command);
        if (isRefusal(applied)) {
          this.#context.log.error({ refusal: applied, session: state.id }, 'time was refused');
        }
      }
    }
    this.#setAppointment();
  }

  // After a burst of commands, look once: with 10,000 grants each look costs a millisecond.
  #setAppointment(): void {
    if (this.#settingUp) return;
    this.#settingUp = true;
    setImmediate(() => {
      this.#settingUp = false;
      if (this.#closed) return;
      let next: number | null = null;
      for (const state of this.open()) {
        const answer = due(state, this.now());
        // Were a moment due that nothing comes of, asking at once and again would keep a core busy.
        const at = answer.commands.length > 0 ? this.now() + 100 : answer.next;
        if (at !== undefined && (next === null || at < next)) next = at;
      }
      this.#appointment.set(next);
    });
  }
}

/** By id or the beginning of one; else by topic, where the latest of several is meant. */
function meantBy(sessions: readonly SessionState[], text: string): SessionState[] {
  const ids: string[] = idsMatching(
    sessions.map((state) => state.id),
    text,
  );
  if (ids.length > 0) return sessions.filter((state) => ids.includes(state.id));
  return sessions.filter((state) => folded(state.topic) === folded(text)).slice(0, 1);
}

function obstacle({ code, problem, next }: Refusal): RoomtapeError {
  return new RoomtapeError(code, problem, { next });
}

function isForRecorder(command: SessionCommand): command is Parameters<Driver>[1] {
  return ['record', 'pause', 'resume', 'stop', 'continue'].includes(command.type);
}

function recordingsOf(events: readonly SessionEvent[]): Set<RecordingId> {
  const ids = new Set<RecordingId>();
  for (const event of events) if ('recording' in event) ids.add(event.recording);
  return ids;
}

/** Somebody or some room that an event removes is named as they were before it. */
function named(
  state: SessionState,
  previous: SessionState | undefined,
  event: SessionEvent,
): SessionState {
  return previous && /removed|recreated/.test(event.type) ? previous : state;
}

const permissionWords = {
  host: 'host',
  'co-host': 'co-host',
  grant: 'permitted',
  unpermitted: 'not-permitted',
  approved: 'approved',
} as const;

/** One word for how a recording stands to permission; `flagged` when it was lost on the way. */
export function permissionWord({ permission, flags }: Recording): string {
  const word = permissionWords[permission.kind];
  return flags.length > 0 && word !== 'approved' && word !== 'not-permitted' ? 'flagged' : word;
}

function recordOf(state: SessionState, recording: Recording): RecordingRecord {
  const { id, participant, room, startedAt, endedAt = null, intervals } = recording;
  const person = rowOf(state.participants, participant);
  const place = state.rooms[room];
  const number = Number(room.slice(0, room.indexOf('.')));
  return {
    id,
    session: { id: state.id, topic: state.topic },
    room: { id: room, number, name: place?.name ?? `Room ${number}` },
    participant: { id: participant, name: person?.name ?? '' },
    state: recording.state,
    permission: permissionWord(recording),
    startedAt,
    endedAt,
    intervals: intervals.map(({ from, to = null }) => [from, to] as const),
  };
}
