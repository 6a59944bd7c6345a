/**
 * What happened in a session: the events that the journal keeps and that make the state.
 *
 * Events are JSON, carry the version of their shape, and are never changed once written. Each
 * says when it happened and who did it. A new meaning gets a new type or a new version.
 */
import type {
  DelegationId,
  GrantId,
  Instant,
  ParticipantId,
  RecordingId,
  RequestId,
  RoomId,
  SessionId,
  TakeId,
} from './ids.ts';
import type {
  Delegation,
  EndCause,
  Grant,
  PermissionRequest,
  Policy,
  RecordingControl,
  RecordingPermission,
  RequestAnswer,
  RoomPhase,
} from './state.ts';

export interface EventHead {
  readonly v: 1;
  readonly session: SessionId;
  readonly at: Instant;
  /** Absent when nobody did it: a moment passed, a recorder died. */
  readonly by?: ParticipantId;
}

export interface NewRoom {
  readonly number: number;
  readonly generation: number;
  readonly name: string;
}

export interface NewParticipant {
  readonly id: ParticipantId;
  readonly name: string;
  readonly email?: string;
  readonly key?: string;
}

export interface RoomNews {
  readonly number: number;
  readonly generation: number;
  /** Absent where the name did not change. */
  readonly name?: string;
  readonly phase: RoomPhase | 'removed';
  readonly closesAt?: Instant;
}

/** The bodies of all events by type. */
export interface EventBodies {
  'session-created': {
    readonly topic: string;
    readonly host: NewParticipant;
    readonly policy: Policy;
  };
  /** On a participant's machine: an invitation was accepted and the host's key pinned. */
  'session-joined': {
    readonly topic: string;
    readonly host: NewParticipant;
    readonly self: NewParticipant;
    readonly hostKey: string;
    readonly line?: string;
  };
  'session-closed': Record<never, never>;
  'rooms-added': { readonly rooms: readonly NewRoom[] };
  'room-renamed': { readonly room: RoomId; readonly name: string };
  'room-removed': { readonly room: RoomId };
  'room-recreated': { readonly room: RoomId; readonly as: NewRoom };
  'rooms-opened': {
    readonly rooms: readonly RoomId[];
    readonly limitAt?: Instant;
    readonly countdownMs?: number;
  };
  'rooms-closing': { readonly rooms: readonly RoomId[]; readonly closesAt: Instant };
  'rooms-closed': { readonly rooms: readonly RoomId[] };
  /** On a participant's machine: the host's line said so. */
  'rooms-reported': {
    readonly rooms: readonly RoomNews[];
    readonly sequence: number;
    readonly line?: string;
  };
  'policy-set': { readonly room?: RoomId; readonly policy: Policy };
  'participants-added': { readonly participants: readonly NewParticipant[] };
  'participant-removed': { readonly participant: ParticipantId };
  'participant-keyed': { readonly participant: ParticipantId; readonly key: string };
  assigned: {
    readonly assignments: readonly (readonly [ParticipantId, RoomId | null])[];
  };
  /** In the room, or (null) out of the meeting. */
  went: { readonly moves: readonly (readonly [ParticipantId, RoomId | null])[] };
  'cohost-named': { readonly delegation: Delegation };
  'cohost-removed': { readonly participant: ParticipantId };
  granted: { readonly grant: Grant };
  revoked: { readonly grants: readonly GrantId[] };
  /** A revocation list came by line; the grants it names that are known here are in `grants`. */
  'revocations-taken': {
    readonly issuer: ParticipantId;
    readonly sequence: number;
    readonly serials: readonly (readonly [number, number])[];
    readonly delegations: readonly DelegationId[];
    readonly grants: readonly GrantId[];
    readonly line: string;
  };
  /** Their time is over: from here on, whatever the clock says. */
  expired: { readonly grants: readonly GrantId[] };
  requested: { readonly request: PermissionRequest };
  'request-answered': {
    readonly request: RequestId;
    readonly answer: RequestAnswer;
    readonly grant?: GrantId;
  };
  'recording-started': {
    readonly recording: RecordingId;
    readonly participant: ParticipantId;
    readonly room: RoomId;
    readonly control: RecordingControl;
    readonly permission: RecordingPermission;
    readonly recorder?: string;
  };
  /** What only its file showed is now said by the person who makes it. */
  'recording-declared': { readonly recording: RecordingId };
  'recording-paused': { readonly recording: RecordingId };
  'recording-resumed': { readonly recording: RecordingId };
  'recording-stopped': {
    readonly recording: RecordingId;
    readonly cause: EndCause;
    readonly next?: RecordingId;
  };
  'recording-interrupted': {
    readonly recording: RecordingId;
    readonly cause: EndCause;
    readonly detail?: string;
  };
  /** An interrupted recording goes on with another take. */
  'recording-continued': {
    readonly recording: RecordingId;
    readonly permission: RecordingPermission;
  };
  /** The permission it ran under ended and another took its place. */
  'recording-covered': {
    readonly recording: RecordingId;
    readonly permission: RecordingPermission;
  };
  /** Not ours to stop: from this moment on it is without leave. */
  'recording-flagged': {
    readonly recording: RecordingId;
    readonly reason: EndCause | 'unpermitted';
  };
  /** `approver`: whose line said so, where it is not the one who took the line. */
  'recording-approved': { readonly recording: RecordingId; readonly approver?: ParticipantId };
  'take-attached': { readonly recording: RecordingId; readonly take: TakeId };
  'take-detached': { readonly recording: RecordingId; readonly take: TakeId };
  /** The host has another key, which a person has compared by voice or this machine has made. */
  'host-rekeyed': { readonly key: string };
  /** The line by which a grant or a delegation was sent on. */
  'line-signed': { readonly of: GrantId | DelegationId; readonly line: string };
  /** The host's clock, as its last signed line gave it. */
  'host-time-seen': { readonly hostAt: Instant };
}

export type EventType = keyof EventBodies;

export type SessionEvent<Type extends EventType = EventType> = {
  [One in Type]: EventHead & { readonly type: One } & EventBodies[One];
}[Type];

const known: Record<EventType, true> = {
  'session-created': true,
  'session-joined': true,
  'session-closed': true,
  'rooms-added': true,
  'room-renamed': true,
  'room-removed': true,
  'room-recreated': true,
  'rooms-opened': true,
  'rooms-closing': true,
  'rooms-closed': true,
  'rooms-reported': true,
  'policy-set': true,
  'participants-added': true,
  'participant-removed': true,
  'participant-keyed': true,
  assigned: true,
  went: true,
  'cohost-named': true,
  'cohost-removed': true,
  granted: true,
  revoked: true,
  'revocations-taken': true,
  expired: true,
  requested: true,
  'request-answered': true,
  'recording-started': true,
  'recording-declared': true,
  'recording-paused': true,
  'recording-resumed': true,
  'recording-stopped': true,
  'recording-interrupted': true,
  'recording-continued': true,
  'recording-covered': true,
  'recording-flagged': true,
  'recording-approved': true,
  'take-attached': true,
  'take-detached': true,
  'host-rekeyed': true,
  'line-signed': true,
  'host-time-seen': true,
};

/**
 * Reads an event back from the journal, whose rows Roomtape alone writes.
 *
 * @returns `undefined` for a type or version this program does not know: it was written by a newer
 *   one, and must be kept but not interpreted
 */
export function parseEvent(body: unknown): SessionEvent | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const event = body as Partial<SessionEvent>;
  if (event.v !== 1 || typeof event.at !== 'number' || typeof event.session !== 'string') {
    return undefined;
  }
  if (typeof event.type !== 'string' || !Object.hasOwn(known, event.type)) return undefined;
  return body as SessionEvent;
}
