/**
 * What goes wrong while a recording runs, seen before it is lost. Pure: judges samples that are
 * taken every few seconds.
 */

/** One look at a recording and its surroundings. */
export interface Sample {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly state: 'recording' | 'paused';
  /** What the recorder says it has put out; null when it cannot tell. */
  readonly bytes: number | null;
  readonly freeBytes: number | null;
  /** How long every audio track has been silent; null when it cannot be told. */
  readonly silentMs: number | null;
  /** Microphones that went away. */
  readonly lostSound: readonly string[];
}

/** What is remembered between two looks. */
export interface Vigil {
  readonly samples: readonly Sample[];
}

export type WarningKind =
  | 'nothing-written'
  | 'disk-soon-full'
  | 'disk-full'
  | 'sound-lost'
  | 'silent';

export interface CaptureWarning {
  readonly kind: WarningKind;
  /** What is wrong, to go behind the name of the recorder. */
  readonly text: string;
  readonly remedy: string;
  /** True when the recording must be stopped now, while its file can still be finished. */
  readonly stopNow: boolean;
}

export interface VigilLimits {
  /** Bytes of the disk that are kept free. */
  readonly reserveBytes: number;
  /** A recorder that puts out nothing for so long has stalled. */
  readonly stalledMs: number;
  /** Silence this long is worth a word. */
  readonly silentMs: number;
  /** How long before the disk is full it is said. */
  readonly soonMs: number;
}

export const usualLimits: Omit<VigilLimits, 'reserveBytes'> = {
  stalledMs: 10_000,
  silentMs: 60_000,
  soonMs: 5 * 60_000,
};

/** Samples older than this say nothing about the present rate. */
const rememberedMs = 60_000;

export const newVigil: Vigil = { samples: [] };

/** Adds a look and forgets the old ones; a pause breaks the measurement of the rate. */
export function observe(vigil: Vigil, sample: Sample): Vigil {
  const last = vigil.samples.at(-1);
  const isSame = last !== undefined && last.state === sample.state;
  // A recorder that does not answer has, for all we know, put out nothing more.
  const bytes = sample.bytes ?? (isSame ? last.bytes : null);
  const continues = isSame && (last.bytes ?? 0) <= (bytes ?? 0);
  const kept = continues ? vigil.samples.filter(({ at }) => sample.at - at <= rememberedMs) : [];
  return { samples: [...kept, { ...sample, bytes }] };
}

/** What there is to say now; the same warning comes again as long as its reason lasts. */
export function judge(vigil: Vigil, limits: VigilLimits): CaptureWarning[] {
  const now = vigil.samples.at(-1);
  if (now === undefined) return [];
  const found = [disk(vigil, now, limits)];
  if (now.state === 'recording') {
    found.push(stalled(vigil, now, limits), soundLost(now), silence(now, limits));
  }
  return found.filter((warning) => warning !== null);
}

/** Bytes a second over the remembered time; null before it can be told. */
export function rateOf({ samples }: Vigil): number | null {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || first.bytes === null || last.bytes === null) return null;
  const seconds = (last.at - first.at) / 1000;
  return seconds < 2 ? null : (last.bytes - first.bytes) / seconds;
}

function disk(vigil: Vigil, now: Sample, limits: VigilLimits): CaptureWarning | null {
  if (now.freeBytes === null) return null;
  const rate = rateOf(vigil) ?? 0;
  const usable = now.freeBytes - limits.reserveBytes;
  // The recorder still has to write what it holds and its index: ten seconds of its rate, at most.
  if (usable <= rate * 10) {
    return {
      kind: 'disk-full',
      text: `is stopped: only ${megabytes(now.freeBytes)} of the disk are left`,
      remedy: 'free some space, or record to another disk',
      stopNow: true,
    };
  }
  const leftMs = rate > 0 ? (usable / rate) * 1000 : Number.POSITIVE_INFINITY;
  if (leftMs > limits.soonMs) return null;
  return {
    kind: 'disk-soon-full',
    text: `fills the disk in about ${Math.max(1, Math.round(leftMs / 60_000))} min and will be stopped before`,
    remedy: 'free some space, or stop and record to another disk',
    stopNow: false,
  };
}

function stalled({ samples }: Vigil, now: Sample, limits: VigilLimits): CaptureWarning | null {
  const bytes = now.bytes;
  if (bytes === null) return null;
  // The first look of the unbroken run that ends now and in which nothing was put out.
  const grew = samples.findLastIndex((sample) => (sample.bytes ?? bytes) < bytes);
  const since = samples[grew + 1] ?? now;
  const quietMs = now.at - since.at;
  if (quietMs < limits.stalledMs) return null;
  return {
    kind: 'nothing-written',
    text: `has written nothing for ${Math.round(quietMs / 1000)} s`,
    remedy: 'look at the recorder; stop and record again if it hangs',
    stopNow: false,
  };
}

function soundLost({ lostSound }: Sample): CaptureWarning | null {
  if (lostSound.length === 0) return null;
  return {
    kind: 'sound-lost',
    text: `has lost ${lostSound.join(' and ')}, and records the picture on without it`,
    remedy: 'plug it in again, then roomtape pause and roomtape resume',
    stopNow: false,
  };
}

function silence(now: Sample, limits: VigilLimits): CaptureWarning | null {
  if (now.silentMs === null || now.silentMs < limits.silentMs) return null;
  return {
    kind: 'silent',
    text: `has heard nothing for ${Math.round(now.silentMs / 1000)} s on any track`,
    remedy: 'check that the microphone is on and not muted: roomtape recorder devices',
    stopNow: false,
  };
}

function megabytes(bytes: number): string {
  return `${Math.max(0, Math.round(bytes / 1e6))} MB`;
}
