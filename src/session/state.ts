/**
 * What is known of a session at one moment: rooms, people, permission, recordings.
 *
 * All of it is plain JSON, made from events by evolve.ts and kept in snapshots. The same shape serves
 * the host's machine, where the whole session is at home, and a participant's, which knows what was
 * sent to it and what it did itself.
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
import type { Table } from './table.ts';

export const limits = {
  /** Breakout rooms, beside the main room. */
  rooms: 100,
  /** Characters (code points) of a room's name, as in Zoom. */
  roomName: 32,
  participantName: 64,
  topic: 200,
  participants: 5_000,
  reason: 200,
} as const;

/** What becomes of a request for permission. */
export const policies = ['ask', 'auto-grant', 'auto-deny'] as const;
export type Policy = (typeof policies)[number];

/** `unopened` until the host says otherwise: not every host opens rooms here and in the meeting. */
export type RoomPhase = 'unopened' | 'open' | 'closing' | 'closed';

export interface Room {
  readonly id: RoomId;
  /** 0 for the main room. */
  readonly number: number;
  readonly name: string;
  /** Counts up with each recreation, and with each room made under a number used before. */
  readonly generation: number;
  readonly phase: RoomPhase;
  /** While `closing`: when everybody is back in the main room. */
  readonly closesAt?: Instant;
  /** While `open` with a time limit: when the countdown begins. */
  readonly limitAt?: Instant;
  readonly countdownMs?: number;
  /** Where it differs from the session's. */
  readonly policy?: Policy;
}

export interface Participant {
  readonly id: ParticipantId;
  readonly name: string;
  readonly email?: string;
  /** Ed25519 public key, 32 bytes in base64url; pinned when it first came. */
  readonly key?: string;
  /** In the meeting at all. */
  readonly present: boolean;
  readonly assigned?: RoomId;
  /** The room the participant is in; the main room while present and in no other. */
  readonly room?: RoomId;
}

export type Assignment = 'unassigned' | 'assigned' | 'in-room';

/** Rooms that a permission covers; `all` includes the main room and rooms yet to come. */
export type RoomScope = 'all' | readonly RoomId[];

export interface Grant {
  readonly id: GrantId;
  /** Counts the grants of one issuer in this session from 1; revocation lists name it. */
  readonly serial: number;
  /** Absent: everybody. */
  readonly to?: ParticipantId;
  readonly rooms: RoomScope;
  readonly from: Instant;
  /** The first moment it no longer holds. */
  readonly until: Instant;
  readonly issuedAt: Instant;
  readonly by: ParticipantId;
  /** The delegation that let a co-host give it. */
  readonly via?: DelegationId;
  readonly revokedAt?: Instant;
  readonly revokedBy?: ParticipantId;
  /** Noted once it is over, so that no clock set back revives it. */
  readonly expiredAt?: Instant;
  /** The signed line it came or went by. */
  readonly line?: string;
}

/** What lets a co-host record, and grant within these bounds. */
export interface Delegation {
  readonly id: DelegationId;
  readonly to: ParticipantId;
  readonly rooms: RoomScope;
  readonly from: Instant;
  readonly until: Instant;
  /** The longest grant this co-host may give. */
  readonly longestGrantMs?: number;
  readonly revokedAt?: Instant;
  readonly line?: string;
}

export type RequestAnswer = 'granted' | 'denied' | 'timeout';

export interface PermissionRequest {
  readonly id: RequestId;
  readonly participant: ParticipantId;
  readonly room: RoomId;
  readonly reason?: string;
  readonly at: Instant;
  readonly answer?: RequestAnswer;
  readonly answeredAt?: Instant;
  /** Absent when the policy answered. */
  readonly answeredBy?: ParticipantId;
  readonly grant?: GrantId;
  readonly line?: string;
}

export const recordingStates = ['recording', 'paused', 'stopped', 'interrupted'] as const;
export type RecordingState = (typeof recordingStates)[number];

/**
 * Whose hand is on the recorder: Roomtape's, which stops what may not go on; a person's, who said
 * what they did; or nobody known's, where only a growing file was seen.
 */
export type RecordingControl = 'roomtape' | 'declared' | 'observed';

/** Why a recording ended. */
export type EndCause =
  | 'asked'
  | 'left-room'
  | 'moved'
  | 'room-closed'
  | 'room-recreated'
  | 'room-removed'
  | 'session-closed'
  | 'removed'
  | 'revoked'
  | 'expired'
  | 'recorder-stopped'
  | 'recorder-died'
  | 'disk-full'
  | 'device-lost'
  | 'machine-died';

export type RecordingPermission =
  | { readonly kind: 'host' }
  | { readonly kind: 'co-host'; readonly delegation: DelegationId }
  | { readonly kind: 'grant'; readonly grant: GrantId }
  /** Recorded without leave; nothing that comes later changes that. */
  | { readonly kind: 'unpermitted'; readonly reason: string }
  /** Recorded without leave, and allowed to be kept by the host afterwards. */
  | { readonly kind: 'approved'; readonly by: ParticipantId; readonly at: Instant };

export interface RecordingFlag {
  readonly reason: EndCause | 'unpermitted';
  /** What was captured from this moment on was not permitted. */
  readonly at: Instant;
}

export interface Interval {
  readonly from: Instant;
  /** Absent while it goes on. */
  readonly to?: Instant;
}

/** What one participant captures in one room, from record to stop. */
export interface Recording {
  readonly id: RecordingId;
  readonly participant: ParticipantId;
  readonly room: RoomId;
  readonly state: RecordingState;
  readonly control: RecordingControl;
  readonly recorder?: string;
  readonly permission: RecordingPermission;
  readonly startedAt: Instant;
  readonly endedAt?: Instant;
  /** When it was really recording; what lies between is paused. */
  readonly intervals: readonly Interval[];
  readonly cause?: EndCause;
  readonly detail?: string;
  readonly flags: readonly RecordingFlag[];
  readonly takes: readonly TakeId[];
  /** The recording that went on elsewhere when the participant moved. */
  readonly next?: RecordingId;
}

export interface Withdrawn {
  readonly sequence: number;
  /** Inclusive ranges of the issuer's serials, in order and apart. */
  readonly serials: readonly (readonly [number, number])[];
  readonly delegations: readonly DelegationId[];
}

export interface SessionState {
  readonly v: 1;
  readonly id: SessionId;
  readonly topic: string;
  /** `here` on the host's machine; elsewhere only what concerns this machine's person is decided. */
  readonly home: 'here' | 'elsewhere';
  /** Who speaks when a command names nobody. */
  readonly self: ParticipantId;
  readonly host: ParticipantId;
  /** The host's public key, pinned when the session was joined. */
  readonly hostKey?: string;
  readonly createdAt: Instant;
  readonly closedAt?: Instant;
  /** The latest moment anything here was true; a clock set back behind it revives nothing. */
  readonly watermark: Instant;
  readonly policy: Policy;
  /** By id; at most 101, removed ones are gone. */
  readonly rooms: Readonly<Record<RoomId, Room>>;
  /** The last generation made under each room number. */
  readonly generations: Readonly<Record<number, number>>;
  readonly participants: Table<Participant>;
  /** Ids by folded name, by email and by key. */
  readonly names: Table<ParticipantId>;
  readonly cohosts: Table<Delegation>;
  readonly grants: Table<Grant>;
  /** Ids by participant, and under `*` those for everybody. */
  readonly grantsOf: Table<readonly GrantId[]>;
  /** The last serial given on this machine. */
  readonly serial: number;
  /** How often permission was withdrawn here; revocation lists are numbered by it. */
  readonly revocations: number;
  /** How often rooms changed here; news of rooms are numbered by it. */
  readonly roomNews: number;
  /** What each issuer has withdrawn by its lines, also of grants that never came here. */
  readonly withdrawn: Readonly<Record<ParticipantId, Withdrawn>>;
  /** The highest update of each kind taken from the host's lines. */
  readonly sequences: Readonly<Record<string, number>>;
  readonly requests: Table<PermissionRequest>;
  readonly recordings: Table<Recording>;
  /** Recordings in state `recording` or `paused`, by participant. */
  readonly live: Table<readonly RecordingId[]>;
  /** No live recording loses its permission by time alone before this; absent: none ever does. */
  readonly safeUntil?: Instant;
}

export const mainRoom: RoomId = '0.1';
/** The key under which `grantsOf` keeps grants for everybody. */
export const everybody = '*';

export function isLive(recording: Recording): boolean {
  return recording.state === 'recording' || recording.state === 'paused';
}

export function assignmentOf(participant: Participant): Assignment {
  if (participant.room !== undefined && participant.room !== mainRoom) return 'in-room';
  return participant.assigned === undefined ? 'unassigned' : 'assigned';
}

/** Names are compared without regard to case, composition and outer blanks. */
export function folded(name: string): string {
  return name.normalize('NFC').trim().toLowerCase().replaceAll(/\s+/g, ' ');
}

export function roomsInOrder(state: SessionState): Room[] {
  return Object.values(state.rooms).sort((a, b) => a.number - b.number);
}

/** A room as people speak of it: `the main room`, `room 2 (Blue)`. */
export function spokenRoom(state: SessionState, id: RoomId): string {
  const room = state.rooms[id];
  if (id === mainRoom) return 'the main room';
  const number = id.slice(0, id.indexOf('.'));
  if (!room) return `room ${number}, which is gone`;
  return room.name === `Room ${number}` ? `room ${number}` : `room ${number} (${room.name})`;
}
