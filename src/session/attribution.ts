/**
 * Attribution: which recording a file belongs to, how surely, and why; and which rooms a file spans.
 *
 * What is declared outweighs what times suggest; where times suggest several, the answer is
 * `ambiguous` with all of them, never a guess dressed up as knowledge.
 */
import type { Instant, ParticipantId, RecordingId, RoomId } from './ids.ts';
import { folded, type Recording } from './state.ts';
import { staysDuring, type Timeline } from './timeline.ts';

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

/** What is known of a file from outside the session. */
export interface FileFacts {
  /** When the file began, as well as that is known. */
  readonly began: Instant;
  /** When it was last written to. */
  readonly ended: Instant;
  /** How far off `began` may be, in ms. */
  readonly uncertainMs?: number;
  /** The topic in the folder's name, where the recorder puts one there. */
  readonly topic?: string | null;
}

/** A recording the take may belong to. */
export interface Candidate {
  readonly recording: Recording;
  /** For a person: `Ada in room 2`. */
  readonly who: string;
  /** What the folder may be called after: the session's topic, the room's name. */
  readonly titles?: readonly string[];
}

/** People start the recorder a little before or after they say so, in ms. */
const declarationSlackMs = 120_000;
/** A start this much nearer than any other one decides between recordings of one person. */
const clearlyNearer = 4;

/**
 * Whose recording a file is: the one that was going on when the file began.
 *
 * @param owner  whose files the folder holds; null: anybody's
 * @param self   whose machine this is; preferred where the folder says nothing
 */
export function attributeTake(
  file: FileFacts,
  candidates: readonly Candidate[],
  owner: ParticipantId | null,
  self: ParticipantId | null,
): Attribution {
  const possible = ofPerson(candidates, owner, self);
  const during = possible.filter(({ recording }) => beganDuring(file, recording));
  const near =
    during.length > 0 ? during : possible.filter(({ recording }) => overlaps(file, recording));
  if (near.length === 0) {
    return unclaimed('nobody declared a recording at that time');
  }
  const titled = near.filter((one) => isTitled(file, one));
  const chosen = titled.length > 0 ? titled : near;
  const first = onlyChain(chosen) ?? nearest(file, chosen);
  if (!first) {
    return {
      kind: 'ambiguous',
      recording: null,
      candidates: near.map(({ recording }) => recording.id),
      reasons: near.map(({ who }) => `${who} recorded at that time`),
    };
  }
  const declared = during.length > 0 && first.recording.control !== 'observed';
  const reasons = [
    declared
      ? `the file began while ${first.who} was recording`
      : `the file was written to while ${first.who} was recording`,
    ...(isTitled(file, first) ? [`its folder is called “${file.topic}”`] : []),
    ...(near.length > 1 ? ['its start is nearer to that recording’s than to any other’s'] : []),
  ];
  const kind = declared ? 'declared' : 'matched by time';
  return { kind, recording: first.recording.id, candidates: [], reasons };
}

const unclaimed = (reason: string): Attribution => ({
  kind: 'unclaimed',
  recording: null,
  candidates: [],
  reasons: [reason],
});

function ofPerson(
  candidates: readonly Candidate[],
  owner: ParticipantId | null,
  self: ParticipantId | null,
): readonly Candidate[] {
  const of = (person: ParticipantId | null) =>
    candidates.filter(({ recording }) => recording.participant === person);
  if (owner !== null) return of(owner);
  const own = of(self);
  return own.length > 0 ? own : candidates;
}

function beganDuring(file: FileFacts, recording: Recording): boolean {
  const slack = Math.max(declarationSlackMs, file.uncertainMs ?? 0);
  const end = recording.endedAt ?? Number.POSITIVE_INFINITY;
  return file.began >= recording.startedAt - slack && file.began - (file.uncertainMs ?? 0) <= end;
}

function overlaps({ began, ended }: FileFacts, recording: Recording): boolean {
  const end = recording.endedAt ?? Number.POSITIVE_INFINITY;
  return began <= end && ended >= recording.startedAt;
}

function isTitled({ topic }: FileFacts, { titles = [] }: Candidate): boolean {
  if (!topic) return false;
  return titles.some((title) => folded(title) === folded(topic));
}

/** The first of them when each of the others is what the one before became in another room. */
function onlyChain(candidates: readonly Candidate[]): Candidate | undefined {
  const byStart = candidates.toSorted((a, b) => a.recording.startedAt - b.recording.startedAt);
  const [first] = byStart;
  const linked = byStart.every(
    ({ recording }, index) => index === 0 || byStart[index - 1]?.recording.next === recording.id,
  );
  return linked ? first : undefined;
}

/** One person's recordings follow each other: the one whose start is clearly the nearest. */
function nearest(file: FileFacts, candidates: readonly Candidate[]): Candidate | undefined {
  if (new Set(candidates.map(({ recording }) => recording.participant)).size > 1) return undefined;
  const away = ({ recording }: Candidate) => Math.abs(file.began - recording.startedAt);
  const [first, second] = candidates.toSorted((a, b) => away(a) - away(b));
  if (!first || !second) return first;
  const doubt = Math.max(1000, file.uncertainMs ?? 0);
  return (away(first) + doubt) * clearlyNearer <= away(second) ? first : undefined;
}

/** A part of a file that was recorded in one room. */
export interface RoomSpan {
  readonly room: RoomId;
  /** The recording of that room, where there is one. */
  readonly recording: RecordingId | null;
  readonly from: Instant;
  readonly to: Instant;
}

/**
 * The rooms a file spans: a recorder goes on while its person is moved, so that one file may hold
 * several rooms. One span, or none where nothing is known of the person's rooms, is no split.
 *
 * @param recordings  of that participant
 */
export function roomSpans(
  file: Pick<FileFacts, 'began' | 'ended'>,
  participant: ParticipantId,
  recordings: readonly Recording[],
  timeline: Timeline,
): RoomSpan[] {
  return staysDuring(timeline, participant, file.began, file.ended).map(({ room, from, to }) => {
    const end = to ?? file.ended;
    const recording = recordings.find(
      (one) =>
        one.participant === participant &&
        one.room === room &&
        one.startedAt < end &&
        (one.endedAt ?? end) > from,
    );
    return { room, recording: recording?.id ?? null, from, to: end };
  });
}
