/**
 * When a recording truly began, and how that is known.
 *
 * Sources in order of trust: a control record written by the recorder, the folder's name, the
 * file's name, `creation_time` inside the file, the file's birth on disk, its last change. Which of
 * them mean anything is the recorder's profile's to say. Names hold local time: the zone of the
 * machine is handed in as an IANA name and read through `Intl`, which is part of the language.
 */
import {
  matchName,
  type NameRule,
  type PathParts,
  pathParts,
  type RecorderProfile,
} from './profile.ts';

/** Where a start was read. */
export type StartSource =
  | 'control-record'
  | 'folder-name'
  | 'file-name'
  | 'creation-time'
  | 'birth-time'
  | 'last-change';

export interface StartClaim {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly source: StartSource;
  /** The true start lies within this many milliseconds of `at`, as far as is known. */
  readonly uncertainMs: number;
  /** One clause for a person. */
  readonly reason: string;
}

/** What is known of a file's clocks; instants in ms since 1970. */
export interface ClockEvidence {
  readonly path: string;
  /** IANA name of the zone that names in local time are read in, e.g. `Europe/Berlin`. */
  readonly timeZone: string;
  /** Wall clock of the recorder's own control record (`Diagnosis.startedAt`). */
  readonly controlStart?: number;
  /** `creation_time` or its like inside the file (`Diagnosis.createdAt`). */
  readonly createdInFile?: number;
  readonly durationMs?: number;
  readonly birth?: number;
  readonly modified?: number;
}

/** The start from the best source there is; null when nothing tells. */
export function trueStart(profile: RecorderProfile, evidence: ClockEvidence): StartClaim | null {
  return startClaims(profile, evidence)[0] ?? null;
}

/** Every claim about the start, best first; they may contradict each other. */
export function startClaims(
  profile: RecorderProfile,
  evidence: ClockEvidence,
): readonly StartClaim[] {
  return [
    fromControl(evidence),
    fromName(profile, evidence),
    fromCreationTime(profile, evidence),
    fromBirth(profile, evidence),
    fromLastChange(profile, evidence),
  ].filter((claim) => claim !== null);
}

/** A date and time as a name spells it, without a zone. */
export interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly ms: number;
}

function fromControl({ controlStart }: ClockEvidence): StartClaim | null {
  if (controlStart === undefined) return null;
  const reason = 'the recorder’s control file carries the time of day it began';
  return { at: controlStart, source: 'control-record', uncertainMs: 1000, reason };
}

function fromName(profile: RecorderProfile, evidence: ClockEvidence): StartClaim | null {
  const parts = pathParts(evidence.path);
  // The folder is the meeting's; a file's own name, where it has a time, says when the file began.
  for (const rule of [...profile.names].sort((a, b) => rank(a) - rank(b))) {
    const claim = rule.clock ? claimOf(rule, parts, evidence) : null;
    if (claim) return claim;
  }
  return null;
}

const rank = (rule: NameRule) => (rule.of === 'file' ? 0 : 1);

function claimOf(rule: NameRule, parts: PathParts, evidence: ClockEvidence): StartClaim | null {
  const match = matchName(rule, parts);
  const local = match?.groups ? localTimeOf(match.groups) : null;
  if (!local) return null;
  const source = rule.of === 'file' ? 'file-name' : 'folder-name';
  const thing = rule.of === 'file' ? 'file' : 'folder';
  if (rule.clock === 'utc') {
    const reason = `the ${thing} is named after the start, in UTC`;
    return { at: utcOf(local), source, uncertainMs: 1000, reason };
  }
  const near = evidence.birth ?? evidence.modified;
  const instant = instantOf(local, evidence.timeZone, near);
  if (!instant) return null;
  const doubt = instant.ambiguous ? ', in an hour that came twice' : '';
  const reason = `the ${thing} is named after the start, in local time (${evidence.timeZone})${doubt}`;
  return { at: instant.at, source, uncertainMs: instant.ambiguous ? 3_600_000 : 1000, reason };
}

function fromCreationTime(profile: RecorderProfile, evidence: ClockEvidence): StartClaim | null {
  const { createdInFile, durationMs } = evidence;
  if (createdInFile === undefined || profile.creationTime === 'conversion') return null;
  if (profile.creationTime === 'start') {
    const reason = `${profile.title} writes creation_time when it begins`;
    return { at: createdInFile, source: 'creation-time', uncertainMs: 2000, reason };
  }
  if (durationMs === undefined) return null;
  const reason = 'creation_time less the duration';
  // Nobody said that this recorder writes it at the end: the start lies between the two.
  const uncertainMs = durationMs + 2000;
  return { at: createdInFile - durationMs, source: 'creation-time', uncertainMs, reason };
}

function fromBirth(profile: RecorderProfile, evidence: ClockEvidence): StartClaim | null {
  const { birth, modified, durationMs = 0 } = evidence;
  if (birth === undefined || birth <= 0 || profile.birth === 'conversion') return null;
  // A copy is born after its last change, or after the recording can have begun: it says nothing.
  if (modified !== undefined && (birth > modified + 2000 || modified - birth < durationMs / 2)) {
    return null;
  }
  const reason = 'the file was made on this disk then';
  return { at: birth, source: 'birth-time', uncertainMs: 2000, reason };
}

function fromLastChange(profile: RecorderProfile, evidence: ClockEvidence): StartClaim | null {
  const { modified, durationMs } = evidence;
  if (modified === undefined || durationMs === undefined || profile.birth === 'conversion') {
    return null;
  }
  const reason = 'the file’s last change less its duration; pauses are not in it';
  return { at: modified - durationMs, source: 'last-change', uncertainMs: 60_000, reason };
}

/** The time in the named groups of a name rule; null when it is no date (month 13, 30 February). */
export function localTimeOf(
  groups: Readonly<Record<string, string | undefined>>,
): LocalTime | null {
  const read = (key: string) => Number(groups[key] ?? 'x');
  const half = groups['pm'];
  const hour = read('h');
  const time: LocalTime = {
    year: read('y'),
    month: read('mo'),
    day: read('d'),
    hour: half === undefined ? hour : (hour % 12) + (half === 'PM' ? 12 : 0),
    minute: read('mi'),
    second: read('s'),
    ms: groups['ms'] === undefined ? 0 : read('ms'),
  };
  const back = new Date(utcOf(time));
  const same =
    back.getUTCFullYear() === time.year &&
    back.getUTCMonth() === time.month - 1 &&
    back.getUTCDate() === time.day &&
    back.getUTCHours() === time.hour &&
    back.getUTCMinutes() === time.minute &&
    back.getUTCSeconds() === time.second;
  return same && time.year >= 1970 ? time : null;
}

function utcOf(time: LocalTime): number {
  const { year, month, day, hour, minute, second, ms } = time;
  return Date.UTC(year, month - 1, day, hour, minute, second, ms);
}

/**
 * The instant of a local time in a zone. In the hour that comes twice on a DST night the one
 * nearer to `near` is taken, else the first; a time that the night skips is read as if the clock
 * had not been moved yet. Null for a zone that does not exist.
 */
export function instantOf(
  local: LocalTime,
  timeZone: string,
  near?: number,
): { readonly at: number; readonly ambiguous: boolean } | null {
  const format = zoneFormat(timeZone);
  if (!format) return null;
  const asUtc = utcOf(local);
  const day = 86_400_000;
  const before = asUtc - offsetAt(format, asUtc - day);
  const after = asUtc - offsetAt(format, asUtc + day);
  const readings = [...new Set([before, after])].filter(
    (at) => at + offsetAt(format, at) === asUtc,
  );
  const [first, second] = readings;
  if (first === undefined) return { at: before, ambiguous: false };
  if (second === undefined) return { at: first, ambiguous: false };
  const [early, late] = first < second ? [first, second] : [second, first];
  const nearer = near !== undefined && Math.abs(near - late) < Math.abs(near - early);
  return { at: nearer ? late : early, ambiguous: true };
}

const formats = new Map<string, Intl.DateTimeFormat | null>();

// Making a formatter costs far more than using one.
function zoneFormat(timeZone: string): Intl.DateTimeFormat | null {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = makeZoneFormat(timeZone);
  if (formats.size < 64) formats.set(timeZone, made);
  return made;
}

function makeZoneFormat(timeZone: string): Intl.DateTimeFormat | null {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    // Intl has no other way to say that a zone does not exist.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** How far the zone's clocks are ahead of UTC at an instant, in milliseconds. */
function offsetAt(format: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(format.formatToParts(at).map((part) => [part.type, Number(part.value)]));
  const field = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const shown = Date.UTC(
    field('year'),
    field('month') - 1,
    field('day'),
    field('hour'),
    field('minute'),
    field('second'),
  );
  return shown - Math.floor(at / 1000) * 1000;
}
