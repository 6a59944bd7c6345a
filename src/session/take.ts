/**
 * A take's journey, as rules: when a growing file has settled, and whose recording it is.
 *
 * What is seen of files and processes comes in as plain facts; daemon/takes.ts carries the answers
 * out.
 */
import type { Instant, ParticipantId, RecordingId } from './ids.ts';
import type { Recording } from './state.ts';

/** What was seen of a file that may still be written to. Moments by a clock that never goes back. */
export interface Following {
  /** When it was seen to grow last, or was sighted, in ms. */
  readonly grewAt: number;
  /** Whether anybody was ever seen to have it open for writing. */
  readonly hadWriter: boolean;
}

/** Who has the file open for writing now; `unknown` where the system does not say. */
export type WriterSeen = 'somebody' | 'nobody' | 'unknown';

/** A writer that closes and opens again (a remux, a split) gets this long, in ms. */
const closedForMs = 1_000;
/** Where a writer could be seen and never was: time enough for the next block of a hidden one, in ms. */
const unwrittenForMs = 5_000;

/**
 * Whether a file has come to rest: `settled` once its writer is gone, or, where writers cannot be
 * seen, once it has not grown for the recorder's quiet time. A paused recorder that keeps its file open is never settled.
 */
export function judgeFollowing(
  following: Following,
  writer: WriterSeen,
  quietForMs: number,
  now: number,
): 'growing' | 'settled' {
  if (writer === 'somebody') return 'growing';
  const patience =
    writer === 'unknown' ? quietForMs : following.hadWriter ? closedForMs : unwrittenForMs;
  return now - following.grewAt >= patience ? 'settled' : 'growing';
}

/** How surely a take belongs to its recording. */
export type AttributionKind = 'declared' | 'matched by time' | 'ambiguous' | 'unclaimed';

export interface Attribution {
  readonly kind: AttributionKind;
  /** Null when ambiguous or unclaimed. */
  readonly recording: RecordingId | null;
  /** All that it may belong to, when ambiguous. */
  readonly candidates: readonly RecordingId[];
  /** Clauses for a person. */
  readonly reasons: readonly string[];
}

export interface TakeTimes {
  /** When the file began, as well as that is known. */
  readonly began: Instant;
  /** When it was last written to. */
  readonly ended: Instant;
}

/** A recording the take may belong to. */
export interface Candidate {
  readonly recording: Recording;
  /** For a person: `Ada in room 2`. */
  readonly who: string;
}

/** People start the recorder a little before or after they say so, in ms. */
const declarationSlackMs = 120_000;

/**
 * Whose recording a take is: the one that was going on when the file began.
 *
 * @param owner  whose files the folder holds; null: anybody's
 * @param self   whose machine this is; preferred where the folder says nothing
 */
export function attributeTake(
  times: TakeTimes,
  candidates: readonly Candidate[],
  owner: ParticipantId | null,
  self: ParticipantId | null,
): Attribution {
  const ours = candidates.filter(
    ({ recording }) => owner === null || recording.participant === owner,
  );
  const own =
    owner === null ? ours.filter(({ recording }) => recording.participant === self) : ours;
  const possible = own.length > 0 ? own : ours;
  const during = possible.filter(({ recording }) => beganDuring(times, recording));
  const near =
    during.length > 0 ? during : possible.filter(({ recording }) => overlaps(times, recording));
  const [only] = near;
  if (!only)
    return {
      kind: 'unclaimed',
      recording: null,
      candidates: [],
      reasons: ['nobody declared a recording at that time'],
    };
  if (near.length > 1) {
    return {
      kind: 'ambiguous',
      recording: null,
      candidates: near.map(({ recording }) => recording.id),
      reasons: near.map(({ who }) => `${who} recorded at that time`),
    };
  }
  const declared = during.length > 0;
  return {
    kind: declared ? 'declared' : 'matched by time',
    recording: only.recording.id,
    candidates: [],
    reasons: [
      declared
        ? `the file began while ${only.who} was recording`
        : `the file was written to while ${only.who} was recording`,
    ],
  };
}

function beganDuring({ began }: TakeTimes, recording: Recording): boolean {
  const end = recording.endedAt ?? Number.POSITIVE_INFINITY;
  return began >= recording.startedAt - declarationSlackMs && began <= end;
}

function overlaps({ began, ended }: TakeTimes, recording: Recording): boolean {
  const end = recording.endedAt ?? Number.POSITIVE_INFINITY;
  return began <= end && ended >= recording.startedAt;
}
