/**
 * What can be asked of a session, and what a decision needs beside the state: the time, new ids, who
 * asks. Names of people and rooms come as they were typed; find.ts resolves them.
 */
import type { EventBodies, EventType, RoomNews, SessionEvent } from './events.ts';
import { evolve } from './evolve.ts';
import type {
  DelegationId,
  GrantId,
  Id,
  IdKind,
  Instant,
  ParticipantId,
  RecordingId,
  RequestId,
  RoomId,
  SessionId,
  TakeId,
} from './ids.ts';
import type { Assignments } from './pre-assignment.ts';
import type { EndCause, Policy, RecordingControl, RoomScope, SessionState } from './state.ts';

export interface Context {
  readonly now: Instant;
  /** Who asks, as typed; absent: the person of this machine. */
  readonly actor?: string;
  readonly newId: <Kind extends IdKind>(kind: Kind) => Id<Kind>;
  /** For what is left to chance; the same seed gives the same assignment. */
  readonly seed?: number;
}

/** The commands by which a session begins. */
export type BeginCommand =
  | {
      readonly type: 'create-session';
      readonly topic: string;
      readonly hostName: string;
      readonly hostKey?: string;
      readonly policy?: Policy;
      /** Names of the breakout rooms, from number 1; an empty name becomes `Room n`. */
      readonly rooms?: readonly string[];
    }
  | {
      readonly type: 'join-session';
      readonly session: SessionId;
      readonly topic: string;
      readonly hostName: string;
      readonly hostKey: string;
      readonly selfName: string;
      readonly selfKey: string;
      readonly line?: string;
    };

export type RoomCommand =
  | { readonly type: 'close-session' }
  | { readonly type: 'add-rooms'; readonly names: readonly string[] }
  | { readonly type: 'rename-room'; readonly room: string; readonly name: string }
  | { readonly type: 'remove-room'; readonly room: string }
  | { readonly type: 'recreate-room'; readonly room: string }
  /** No `rooms`: all breakout rooms. `afterMs`: the countdown to closing begins that much later. */
  | {
      readonly type: 'open-rooms';
      readonly rooms?: readonly string[];
      readonly afterMs?: number;
      readonly countdownMs?: number;
    }
  | {
      readonly type: 'close-rooms';
      readonly rooms?: readonly string[];
      readonly afterMs?: number;
      readonly countdownMs?: number;
    }
  | { readonly type: 'set-policy'; readonly policy: Policy; readonly room?: string };

export type PeopleCommand =
  | {
      readonly type: 'add-participants';
      readonly participants: readonly {
        readonly name: string;
        readonly email?: string;
        readonly key?: string;
      }[];
    }
  | { readonly type: 'remove-participant'; readonly participant: string }
  /** Takes over a participant's key where none is pinned; another one is refused unless `replace`. */
  | {
      readonly type: 'pin-key';
      readonly participant: string;
      readonly key: string;
      readonly replace?: boolean;
    }
  | {
      readonly type: 'assign';
      readonly participants: readonly string[];
      /** Absent: they become unassigned. */
      readonly room?: string;
    }
  | { readonly type: 'assign-all'; readonly how: 'evenly' | 'random' }
  | { readonly type: 'import-assignments'; readonly assignments: Assignments }
  | { readonly type: 'move'; readonly participant: string; readonly room: string }
  | { readonly type: 'exchange'; readonly one: string; readonly other: string }
  /** No room: the assigned one, or else the main room. */
  | { readonly type: 'enter'; readonly participant?: string; readonly room?: string }
  /** Back to the main room, or with `meeting` out of the meeting. */
  | { readonly type: 'leave'; readonly participant?: string; readonly meeting?: boolean };

export interface GrantTime {
  readonly from?: Instant;
  readonly until?: Instant;
  readonly forMs?: number;
}

export type PermissionCommand =
  | ({
      readonly type: 'grant';
      /** Absent: everybody. */
      readonly to?: string;
      readonly rooms: 'all' | readonly string[];
    } & GrantTime)
  /** By id, or all grants of a participant (in a room), or all that there are. */
  | {
      readonly type: 'revoke';
      readonly grant?: string;
      readonly participant?: string;
      readonly room?: string;
      readonly all?: boolean;
    }
  | {
      readonly type: 'request';
      readonly participant?: string;
      readonly room?: string;
      readonly reason?: string;
      /** From a request line: the id it has on the participant's machine. */
      readonly id?: RequestId;
      readonly line?: string;
    }
  | ({
      readonly type: 'answer';
      readonly request: string;
      readonly answer: 'granted' | 'denied';
    } & GrantTime)
  | { readonly type: 'approve-recording'; readonly recording: string }
  | ({
      readonly type: 'name-cohost';
      readonly participant: string;
      readonly rooms?: 'all' | readonly string[];
      readonly longestGrantMs?: number;
    } & GrantTime)
  | { readonly type: 'remove-cohost'; readonly participant: string };

export type RecordingCommand =
  | {
      readonly type: 'record';
      readonly participant?: string;
      /** Absent: the room the participant is in, or is assigned to, or the main room. */
      readonly room?: string;
      readonly control?: RecordingControl;
      readonly recorder?: string;
    }
  | {
      readonly type: 'pause' | 'resume' | 'stop';
      readonly participant?: string;
      /** Needed only where a participant has several. */
      readonly recording?: string;
    }
  /** An interrupted recording goes on with another take. */
  | { readonly type: 'continue'; readonly participant?: string; readonly recording?: string }
  /** The recorder died or gave up. */
  | {
      readonly type: 'interrupt';
      readonly recording: RecordingId;
      readonly cause: EndCause;
      readonly detail?: string;
    }
  /** The recorder was paused, resumed or stopped by its own buttons. */
  | {
      readonly type: 'recorder-paused' | 'recorder-resumed' | 'recorder-stopped';
      readonly recording: RecordingId;
    }
  /** A recording is seen that nobody declared. */
  | {
      readonly type: 'observe';
      readonly participant?: string;
      readonly room?: string;
      readonly recorder?: string;
    }
  | { readonly type: 'attach-take'; readonly recording: RecordingId; readonly take: TakeId }
  | { readonly type: 'detach-take'; readonly recording: RecordingId; readonly take: TakeId }
  /** Whatever is due by now: expiry, the end of a countdown, a time limit, an unanswered request. */
  | { readonly type: 'tick' };

/** What the machine does with its own keys and lines. */
export type KeyCommand =
  /** This machine's person has a new key. */
  | { readonly type: 'rekey-self'; readonly key: string }
  /** The host's key is another one: made here, or compared by voice. */
  | { readonly type: 'rekey-host'; readonly key: string }
  | {
      readonly type: 'keep-lines';
      readonly lines: readonly { readonly of: GrantId | DelegationId; readonly line: string }[];
    };

/** What an accepted and verified line says; only line-acceptance makes these. */
export type ReportCommand =
  | {
      readonly type: 'take-grant';
      readonly id: GrantId;
      readonly serial: number;
      /** The issuer's key: the host's or a co-host's. */
      readonly issuerKey: string;
      readonly via?: DelegationId;
      /** Absent: everybody. */
      readonly toKey?: string;
      readonly toName?: string;
      readonly rooms: RoomScope;
      readonly roomNames?: Readonly<Record<RoomId, string>>;
      readonly from: Instant;
      readonly until: Instant;
      readonly issuedAt: Instant;
      readonly line: string;
    }
  | {
      readonly type: 'take-revocations';
      readonly issuerKey: string;
      /** Inclusive ranges of the issuer's serials. */
      readonly serials: readonly (readonly [number, number])[];
      readonly delegations: readonly DelegationId[];
      readonly sequence: number;
      readonly until: Instant;
      readonly issuedAt: Instant;
      readonly line: string;
    }
  | {
      readonly type: 'take-delegation';
      readonly issuerKey: string;
      readonly id: DelegationId;
      readonly toKey: string;
      readonly toName: string;
      readonly rooms: RoomScope;
      readonly from: Instant;
      readonly until: Instant;
      readonly longestGrantMs?: number;
      readonly issuedAt: Instant;
      readonly line: string;
    }
  | {
      readonly type: 'take-approval';
      readonly recording: RecordingId;
      readonly issuerKey: string;
      readonly issuedAt: Instant;
    }
  | {
      readonly type: 'take-rooms';
      readonly issuerKey: string;
      readonly rooms: readonly RoomNews[];
      readonly sequence: number;
      readonly sessionClosed?: boolean;
      readonly issuedAt: Instant;
      readonly line: string;
    };

export type SessionCommand =
  | BeginCommand
  | RoomCommand
  | PeopleCommand
  | PermissionCommand
  | RecordingCommand
  | KeyCommand
  | ReportCommand;

/** A decision in the making: the events so far, and the state they lead to. */
export interface Story {
  readonly state: SessionState;
  readonly events: readonly SessionEvent[];
  readonly context: Context;
  readonly actor: ParticipantId;
  add<Type extends EventType>(type: Type, body: EventBodies[Type]): void;
}

/** @param nobody  for what happens by itself: then the events name no one */
export function storyFrom(
  state: SessionState,
  context: Context,
  actor: ParticipantId,
  nobody = false,
): Story {
  let latest = state;
  const events: SessionEvent[] = [];
  return {
    get state() {
      return latest;
    },
    events,
    context,
    actor,
    add(type, body) {
      const head = { v: 1, session: state.id, at: context.now, ...(nobody ? {} : { by: actor }) };
      const event = { ...head, type, ...body } as SessionEvent;
      events.push(event);
      latest = evolve(latest, event) ?? latest;
    },
  };
}
