/**
 * Where what people say they record and what their files show are two different things.
 *
 * Commands declare what a person does in a recorder; the files are what is observed. Neither is
 * believed against the other: the difference is told, because one of the two is about to cost a
 * recording.
 */

/** A recording as it was declared on this machine. */
export interface DeclaredRecording {
  readonly id: string;
  readonly state: 'recording' | 'paused' | 'stopped' | 'interrupted';
  /** When it came into this state, ms since 1970. */
  readonly since: number;
  /** True when its recorder itself is asked whether it writes: its file may be one nobody sees. */
  readonly asked?: boolean;
  /** Who records which room, for a person: `Ada in Room 2`. */
  readonly who: string;
}

/** A media file as it was observed. */
export interface ObservedFile {
  readonly take: string;
  /** The recording it belongs to; null when nobody declared one. */
  readonly recording: string | null;
  readonly path: string;
  /** When it was last seen to have grown, ms since 1970; null: not since it was sighted. */
  readonly grewAt: number | null;
  /** True while it is thought to be written to. */
  readonly growing: boolean;
}

export interface Disagreement {
  readonly kind: 'nothing-grows' | 'still-grows' | 'undeclared';
  readonly recording: string | null;
  readonly take: string | null;
  /** One sentence for a person. */
  readonly text: string;
  /** The command to run next. */
  readonly next: string;
}

/** A recorder may take this long until its file begins to grow. */
const startsWithinMs = 30_000;

/** A recorder goes on writing for a moment after Stop and Pause: trailers, buffers. */
const endsWithinMs = 3_000;

/**
 * Compares what was declared with what was observed.
 *
 * @param now  ms since 1970
 */
export function disagreements(
  declared: readonly DeclaredRecording[],
  observed: readonly ObservedFile[],
  now: number,
): Disagreement[] {
  const found: Disagreement[] = [];
  const known = new Set(declared.map(({ id }) => id));
  for (const recording of declared) {
    const files = observed.filter((file) => file.recording === recording.id);
    const finding = compare(recording, files, now);
    if (finding) found.push(finding);
  }
  for (const { take, recording, path, growing } of observed) {
    if (!growing || (recording !== null && known.has(recording))) continue;
    found.push({
      kind: 'undeclared',
      recording,
      take,
      text: `${path} grows, and nobody has declared a recording.`,
      next: `roomtape record`,
    });
  }
  return found;
}

function compare(
  recording: DeclaredRecording,
  files: readonly ObservedFile[],
  now: number,
): Disagreement | undefined {
  const { id, state, since, who, asked = false } = recording;
  const growing = files.find((file) => file.growing);
  if (state === 'recording') {
    if (growing || asked || now - since < startsWithinMs) return undefined;
    const seconds = Math.floor((now - since) / 1000);
    return {
      kind: 'nothing-grows',
      recording: id,
      take: files[0]?.take ?? null,
      text: `${who} is recording since ${seconds} s, but no file grows.`,
      next: 'roomtape watch list',
    };
  }
  const late = files.find(
    (file) => file.growing && file.grewAt !== null && file.grewAt > since + endsWithinMs,
  );
  if (!late) return undefined;
  return {
    kind: 'still-grows',
    recording: id,
    take: late.take,
    text: `${who} is ${state}, but ${late.path} still grows.`,
    next: state === 'paused' ? 'roomtape resume' : 'roomtape record',
  };
}
