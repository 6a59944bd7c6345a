/**
 * Routes about sessions, rooms, people, permission and declared recordings.
 *
 * What changes something is one route, `session.do`, with the command as the session knows it; only
 * commands that a person may give are in its schema. What comes from recorders and from signed lines
 * does not come this way.
 */
import { z } from 'zod';
import type { BoardRoom } from '../session/board.ts';
import type { SessionEvent } from '../session/events.ts';
import { instant } from '../session/ids.ts';
import type {
  Assignment,
  Policy,
  RecordingPermission,
  RecordingState,
  RequestAnswer,
} from '../session/state.ts';
import { route } from './route.ts';

const word = z.string().min(1).max(300);
const words = z.array(word).max(5_000);
const ms = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const scope = z.union([z.literal('all'), words]);
const some = <Schema extends z.ZodType>(schema: Schema) => z.exactOptional(schema);
const at = ms.transform(instant);
const time = { from: some(at), until: some(at), forMs: some(ms) };
const policy = z.enum(['ask', 'auto-grant', 'auto-deny']);
const span = { rooms: some(words), afterMs: some(ms), countdownMs: some(ms) };

/** What a person may ask of a session. */
const personalCommand = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('close-session') }),
  z.strictObject({ type: z.literal('add-rooms'), names: z.array(z.string().max(300)).max(200) }),
  z.strictObject({ type: z.literal('rename-room'), room: word, name: word }),
  z.strictObject({ type: z.literal('remove-room'), room: word }),
  z.strictObject({ type: z.literal('recreate-room'), room: word }),
  z.strictObject({ type: z.literal('open-rooms'), ...span }),
  z.strictObject({ type: z.literal('close-rooms'), ...span }),
  z.strictObject({ type: z.literal('set-policy'), policy, room: some(word) }),
  z.strictObject({
    type: z.literal('add-participants'),
    participants: z
      .array(z.strictObject({ name: word, email: some(word), key: some(z.string().length(43)) }))
      .max(5_000),
  }),
  z.strictObject({ type: z.literal('remove-participant'), participant: word }),
  z.strictObject({
    type: z.literal('pin-key'),
    participant: word,
    key: z.string().length(43),
    replace: some(z.boolean()),
  }),
  z.strictObject({ type: z.literal('assign'), participants: words, room: some(word) }),
  z.strictObject({ type: z.literal('assign-all'), how: z.enum(['evenly', 'random']) }),
  z.strictObject({ type: z.literal('move'), participant: word, room: word }),
  z.strictObject({ type: z.literal('exchange'), one: word, other: word }),
  z.strictObject({ type: z.literal('enter'), participant: some(word), room: some(word) }),
  z.strictObject({ type: z.literal('leave'), participant: some(word), meeting: some(z.boolean()) }),
  z.strictObject({ type: z.literal('grant'), to: some(word), rooms: scope, ...time }),
  z.strictObject({
    type: z.literal('revoke'),
    grant: some(word),
    participant: some(word),
    room: some(word),
    all: some(z.boolean()),
  }),
  z.strictObject({
    type: z.literal('request'),
    participant: some(word),
    room: some(word),
    reason: some(z.string().max(1_000)),
  }),
  z.strictObject({
    type: z.literal('answer'),
    request: word,
    answer: z.enum(['granted', 'denied']),
    ...time,
  }),
  z.strictObject({ type: z.literal('approve-recording'), recording: word }),
  z.strictObject({
    type: z.literal('name-cohost'),
    participant: word,
    rooms: some(scope),
    longestGrantMs: some(ms),
    ...time,
  }),
  z.strictObject({ type: z.literal('remove-cohost'), participant: word }),
  z.strictObject({
    type: z.literal('record'),
    participant: some(word),
    room: some(word),
    recorder: some(word),
  }),
  z.strictObject({
    type: z.enum(['pause', 'resume', 'stop', 'continue']),
    participant: some(word),
    recording: some(word),
  }),
]);

export type PersonalCommand = z.input<typeof personalCommand>;

/** Which session, by id, the beginning of one, or topic; the latest open one when absent. */
const which = { session: some(word) };
/** Who speaks, where it is not the person of this machine. */
const speaker = { as: some(word) };

/** A signed line to be passed on. */
export interface OutgoingLine {
  readonly kind: string;
  readonly line: string;
  /** For whom and what, for a person. */
  readonly about: string;
}

export interface Done {
  readonly session: string;
  readonly topic: string;
  readonly told: readonly string[];
  readonly events: readonly SessionEvent[];
  /** To be sent to the others. */
  readonly lines: readonly OutgoingLine[];
}

export interface SessionSummary {
  readonly id: string;
  readonly topic: string;
  readonly host: string;
  readonly self: string;
  readonly home: 'here' | 'elsewhere';
  readonly createdAt: number;
  readonly closedAt: number | null;
  readonly rooms: number;
  readonly participants: number;
  readonly recording: number;
  readonly openRequests: number;
  readonly policy: Policy;
  /** Fingerprint of the host's key, in words. */
  readonly hostFingerprint: string | null;
}

export interface PersonView {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly role: 'host' | 'co-host' | 'participant';
  readonly assignment: Assignment;
  readonly room: string | null;
  readonly fingerprint: string | null;
  /** Numbers of the rooms this person may record in now. */
  readonly mayRecordIn: readonly number[];
}

export interface DelegationView {
  readonly id: string;
  readonly participant: string;
  readonly rooms: string;
  readonly from: number;
  readonly until: number;
  readonly longestGrantMs: number | null;
  readonly inForce: boolean;
}

export interface GrantView {
  readonly id: string;
  readonly participant: string | null;
  readonly rooms: string;
  readonly from: number;
  readonly until: number;
  readonly state: 'in-force' | 'not-yet' | 'expired' | 'revoked';
  readonly by: string;
}

export interface RequestView {
  readonly id: string;
  readonly session: string;
  readonly participant: string;
  readonly room: number;
  readonly roomName: string;
  readonly reason: string | null;
  readonly at: number;
  readonly answer: RequestAnswer | null;
}

export interface BoardView {
  readonly session: SessionSummary;
  readonly rooms: readonly BoardRoom[];
}

/** How one recording came to be permitted, down to the host's key. */
export interface ProofView {
  readonly recording: string;
  readonly state: RecordingState;
  readonly permission: RecordingPermission;
  /** One step a line: recording, grant, delegation, host's key. */
  readonly steps: readonly string[];
}

export const peopleRoutes = {
  'session.create': route(
    z.strictObject({
      topic: word,
      hostName: some(word),
      rooms: some(z.array(z.string().max(300)).max(200)),
      policy: some(policy),
    }),
  ).answers<Done>(),
  'session.do': route(
    z.strictObject({ ...which, ...speaker, command: personalCommand }),
  ).answers<Done>(),
  'session.import': route(
    z.strictObject({ ...which, ...speaker, text: z.string().max(1_500_000) }),
  ).answers<Done & { readonly notes: readonly { line: number; problem: string }[] }>(),
  'session.list': route(z.strictObject({ closed: some(z.boolean()) })).answers<
    readonly SessionSummary[]
  >(),
  'session.board': route(z.strictObject(which)).answers<BoardView>(),
  'session.people': route(z.strictObject(which)).answers<readonly PersonView[]>(),
  'session.cohosts': route(z.strictObject(which)).answers<readonly DelegationView[]>(),
  'session.grants': route(z.strictObject(which)).answers<readonly GrantView[]>(),
  'session.requests': route(z.strictObject({ ...which, all: some(z.boolean()) })).answers<
    readonly RequestView[]
  >(),
  'session.proof': route(z.strictObject({ recording: word })).answers<ProofView>(),
};
