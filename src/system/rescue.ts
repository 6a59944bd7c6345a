/**
 * A rescue from a path to a verified new file: diagnose, find references, plan, write, read back,
 * decode.
 *
 * The one service behind `roomtape inspect`, `recover` and `verify` on files and behind the daemon's
 * journey of a take. The bytes are parsed in a worker; ffmpeg decodes in its own process.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import type { Diagnosis, TrackSummary } from '../container/diagnosis.ts';
import type { ReferenceProfile } from '../container/format.ts';
import type { NoRepair } from '../container/repair-plan.ts';
import { RoomtapeError } from '../errors.ts';
import { decodeFully, type Ffmpeg, searchFfmpeg } from './ffmpeg.ts';
import type { FileIdentity } from './files.ts';
import { isOwnOutput, type Written } from './plan-writer.ts';
import type {
  Diagnosed,
  Follows,
  Obstacle,
  Phase,
  PlanSummary,
  ReadBack,
  Sampled,
} from './rescue-jobs.ts';
import { RescueWorkers } from './rescue-workers.ts';

export interface RescueProgress {
  readonly phase: Phase | 'decoding';
  /** 0 to 1; null when the end is not known. */
  readonly part: number | null;
  /** Bytes (decoding: milliseconds of media) a second, over the whole phase. */
  readonly rate: number;
  readonly remainingMs: number | null;
}

export interface RescueOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RescueProgress) => void) | undefined;
  /** Whether a person named the path, so that a symbolic link may be followed. */
  readonly followLink?: boolean | undefined;
}

/** What two readers and a full decode found. */
export interface Verification {
  /** `damaged`: our reader or the independent one objects. */
  readonly structure: 'ok' | 'damaged' | 'not-run';
  /** `unavailable`: there is no ffmpeg, or it has no decoder for one of the codecs. */
  readonly decode: 'ok' | 'errors' | 'unavailable' | 'not-run';
  /** Errors of the decoders. */
  readonly errors: number;
  /** Sentences for a person; the first few. */
  readonly problems: readonly string[];
}

export const notVerified: Verification = {
  structure: 'not-run',
  decode: 'not-run',
  errors: 0,
  problems: [],
};

/** True when nothing speaks against the file. */
export const isSound = ({ structure, decode }: Verification): boolean =>
  structure !== 'damaged' && decode !== 'errors';

export interface RecoverOptions extends RescueOptions {
  /** Files to learn the codecs from; when empty, whole files of the same folder are tried. */
  readonly referencePaths?: readonly string[] | undefined;
  /** Profiles that are known already, tried before those of the folder. */
  readonly references?: readonly ReferenceProfile[] | undefined;
  /** Whether the folder is looked through for whole files; yes unless told otherwise. */
  readonly searchFolder?: boolean | undefined;
  /** Folder of the output; null: beside the source. */
  readonly folder?: string | null | undefined;
  readonly existing?: 'refuse' | 'overwrite' | 'adopt' | undefined;
  /** Disk space that must remain free, in bytes. */
  readonly reserve?: number | undefined;
  readonly faststart?: boolean | undefined;
  /** Store of a scan that {@link Rescue.follow} made. */
  readonly scan?: string | null | undefined;
  /** Extract from Zoom's raw recordings, whose layout is not verified. */
  readonly experimentalZoom?: boolean | undefined;
  /** Plan only. */
  readonly dryRun?: boolean | undefined;
  readonly verify?: boolean | undefined;
  /** Also give the SHA-256 of the output. */
  readonly hash?: boolean | undefined;
}

export interface Recovery {
  readonly path: string;
  readonly identity: FileIdentity;
  readonly diagnosis: Diagnosis;
  readonly outcome: PlanSummary | NoRepair;
  readonly written: Written | null;
  readonly verification: Verification;
  readonly sha256: string | null;
}

export interface VerifiedFile extends Diagnosed {
  readonly path: string;
  readonly verification: Verification;
  readonly sha256: string | null;
}

/** A reader that says nothing for this long hangs. */
const readBackStallMs = 30_000;

/** Files a thread is given at once: it is deaf to everything else meanwhile. */
const filesAtOnce = 64;

/** References tried when none is named: each costs a walk over headers. */
const mostReferences = 8;
/** Broken ones among the neighbours are no references, but cost as little. */
const mostNeighbours = 64;

export class Rescue {
  readonly #workers: RescueWorkers;
  /** Reads along with growing files; its thread remembers how far it came, and so does its store. */
  readonly #following: RescueWorkers;
  readonly #isBackground: boolean;
  readonly #told: string;
  #ffmpeg: Promise<Ffmpeg | null> | undefined;

  /**
   * @param ffmpeg  path of an ffmpeg from the settings; empty to look for one
   * @param most    how many files may be worked on at once
   * @param isBackground  recorders, and whoever waits for an answer, come before it
   */
  constructor(
    options: {
      readonly ffmpeg?: string;
      readonly most?: number;
      readonly isBackground?: boolean;
    } = {},
  ) {
    this.#isBackground = options.isBackground ?? false;
    this.#workers = new RescueWorkers(options.most ?? 1, undefined, this.#isBackground);
    this.#following = new RescueWorkers(1, 30_000, this.#isBackground);
    this.#told = options.ffmpeg ?? '';
  }

  async close(): Promise<void> {
    await Promise.all([this.#workers.close(), this.#following.close()]);
  }

  /**
   * Says what a file is; `thorough` reads all of it where there is no index, and `media` where there is
   * one. Otherwise it takes milliseconds.
   */
  diagnose(
    path: string,
    options: RescueOptions & { readonly thorough?: boolean; readonly media?: boolean } = {},
  ): Promise<Sampled> {
    const { followLink = false, thorough = false, media = false } = options;
    const job = { kind: 'diagnose', path, followLink, thorough, media } as const;
    return this.#workers.run(job, this.#watched(options));
  }

  /** As `diagnose`, of many files at once; what stands in the way of one is in its place. */
  async diagnoseAll(
    paths: readonly string[],
    options: Pick<RescueOptions, 'signal' | 'followLink'> & { readonly thorough?: boolean } = {},
  ): Promise<(Sampled | RoomtapeError)[]> {
    const { followLink = false, thorough = false } = options;
    const found: (Sampled | RoomtapeError)[] = [];
    for (let from = 0; from < paths.length; from += filesAtOnce) {
      const some = paths.slice(from, from + filesAtOnce);
      const job = { kind: 'diagnose-all', paths: some, followLink, thorough } as const;
      try {
        const answers = await this.#workers.run(job, { signal: options.signal });
        found.push(...answers.map((answer) => ('code' in answer ? asError(answer) : answer)));
      } catch (problem) {
        // One of them cost the thread: only each by itself tells which.
        if (!(problem instanceof RoomtapeError) || problem.code !== 'worker-failed') throw problem;
        for (const path of some) {
          found.push(await this.diagnose(path, options).catch(orObstacle));
        }
      }
    }
    return found;
  }

  /** The profile by which a whole file can serve as reference; null when it cannot. */
  profile(path: string, options: RescueOptions = {}): Promise<ReferenceProfile | null> {
    const { followLink = false } = options;
    return this.#workers.run({ kind: 'profile', path, followLink }, this.#watched(options));
  }

  hash(path: string, options: RescueOptions = {}): Promise<string> {
    const { followLink = false } = options;
    return this.#workers.run({ kind: 'hash', path, followLink }, this.#watched(options));
  }

  /**
   * Reads on in a growing file and stores what is found, for {@link RecoverOptions.scan}.
   *
   * @param store  path of the store, without extension
   */
  follow(path: string, store: string, references: readonly ReferenceProfile[]): Promise<Follows> {
    const job = { kind: 'follow', path, followLink: false, store, references } as const;
    return this.#following.run(job, {});
  }

  /** Removes the store of a scan. */
  async forget(store: string): Promise<void> {
    await this.#following.run({ kind: 'forget', store }, {});
  }

  async recover(path: string, options: RecoverOptions = {}): Promise<Recovery> {
    const { followLink = false } = options;
    // Asking ffmpeg who it is takes as long as starting the thread: both at once.
    const [ffmpeg, { references, unfit }] = await Promise.all([
      this.#findFfmpeg(),
      this.#references(path, options),
    ]);
    const planned = await this.#workers.run(
      {
        kind: 'repair',
        path,
        followLink,
        references,
        ffmpeg: ffmpeg?.path ?? null,
        faststart: options.faststart ?? false,
        scan: options.scan ?? null,
        experimentalZoom: options.experimentalZoom ?? false,
        write: options.dryRun
          ? null
          : {
              folder: options.folder ?? null,
              existing: options.existing ?? 'refuse',
              reserve: options.reserve ?? 0,
            },
      },
      this.#watched(options),
    );
    const repaired = { ...planned, outcome: withUnfit(planned.outcome, unfit) };
    const { outcome, written } = repaired;
    if (outcome.kind === 'none' || !written || (options.verify === false && !options.hash)) {
      return { path, ...repaired, verification: notVerified, sha256: null };
    }
    const { verification, sha256 } = await this.#verifyFile(
      written.path,
      outcome.tracks,
      options,
    ).catch(async (problem: unknown) => {
      // Whoever cancels wants things as they were, not a file that nobody has looked at.
      const cancelled = problem instanceof RoomtapeError && problem.code === 'cancelled';
      const ours = written.how !== 'adopted' && options.existing !== 'adopt';
      if (cancelled && ours) await rm(written.path, { force: true });
      throw problem;
    });
    return {
      path,
      ...repaired,
      verification: options.verify === false ? notVerified : verification,
      sha256,
    };
  }

  async verify(
    path: string,
    options: RescueOptions & {
      readonly hash?: boolean;
      /** What the file was made to hold, when Roomtape made it. */
      readonly expected?: readonly TrackSummary[];
    } = {},
  ): Promise<VerifiedFile> {
    return { path, ...(await this.#verifyFile(path, options.expected ?? null, options)) };
  }

  async #verifyFile(
    path: string,
    expected: readonly TrackSummary[] | null,
    options: RecoverOptions,
  ): Promise<Omit<VerifiedFile, 'path'>> {
    const { followLink = false, hash = false } = options;
    const job = { kind: 'read-back', path, followLink, expected, hash } as const;
    const watched = { ...this.#watched(options), stallMs: readBackStallMs };
    const { identity, diagnosis, problems, sha256 } = await this.#workers
      .run(job, watched)
      .catch(async (problem: unknown): Promise<ReadBack> => {
        if (!(problem instanceof RoomtapeError) || problem.code !== 'worker-failed') throw problem;
        // A reader that hangs on the file is an objection to the file, not the end of the command.
        const found = await this.diagnose(path, { ...options, thorough: true });
        return { ...found, problems: [problem.message], sha256: null };
      });
    const structure: Verification['structure'] = problems.length === 0 ? 'ok' : 'damaged';
    const nothing = diagnosis.tracks.length === 0 && diagnosis.verdict !== 'whole';
    if (options.verify === false || nothing) {
      const verification: Verification = { ...notVerified, structure, problems };
      return { identity, diagnosis, verification, sha256 };
    }
    const { tracks } = diagnosis;
    if (tracks.every(({ plays }) => plays === false)) {
      return {
        identity,
        diagnosis,
        verification: { ...notVerified, structure, problems },
        sha256,
      };
    }
    const soundOnly = tracks.some(({ plays }) => plays === false);
    const decoded = await this.#decode(path, diagnosis.durationMs, { ...options, soundOnly });
    const verification: Verification = {
      structure,
      ...decoded,
      problems: [...problems, ...decoded.problems],
    };
    return { identity, diagnosis, verification, sha256 };
  }

  async #decode(
    path: string,
    durationMs: number | null,
    options: RescueOptions & { readonly soundOnly: boolean },
  ): Promise<Pick<Verification, 'decode' | 'errors' | 'problems'>> {
    const ffmpeg = await this.#findFfmpeg();
    if (!ffmpeg) {
      return { decode: 'unavailable', errors: 0, problems: ['There is no ffmpeg to decode with.'] };
    }
    const pace = paceOf(options.onProgress);
    const { outcome, errors, examples } = await decodeFully(ffmpeg, path, {
      soundOnly: options.soundOnly,
      isBackground: this.#isBackground,
      ...(options.signal ? { signal: options.signal } : {}),
      onProgress: (decodedMs) => pace('decoding', decodedMs, durationMs ?? 0),
    });
    return { decode: outcome, errors, problems: examples };
  }

  /** What the codecs can be learned from, and which of the named files serve for nothing. */
  async #references(
    path: string,
    options: RecoverOptions,
  ): Promise<{ references: readonly ReferenceProfile[]; unfit: readonly string[] }> {
    const named: ReferenceProfile[] = [];
    const unfit: string[] = [];
    for (const reference of options.referencePaths ?? []) {
      const profile = await this.profile(reference, { followLink: true });
      if (profile) named.push(profile);
      else unfit.push(reference);
    }
    if (named.length > 0) return { references: named, unfit };
    const known = options.references ?? [];
    const found: ReferenceProfile[] = [];
    const looked = options.searchFolder === false ? [] : await neighbours(path);
    for (const neighbour of looked) {
      if (found.length >= mostReferences) break;
      if (known.some((profile) => profile.path === neighbour)) continue;
      // A neighbour that cannot be read is simply no reference.
      const profile = await this.profile(neighbour, { signal: options.signal }).catch(notReadable);
      if (profile) found.push(profile);
    }
    return { references: [...known, ...found], unfit };
  }

  async #findFfmpeg(): Promise<Ffmpeg | null> {
    this.#ffmpeg ??= searchFfmpeg(this.#told).then(({ chosen }) => chosen);
    return this.#ffmpeg;
  }

  #watched({ signal, onProgress }: RescueOptions) {
    const pace = paceOf(onProgress);
    return {
      signal,
      onProgress: ({ phase, done, total }: { phase: Phase; done: number; total: number }) =>
        pace(phase, done, total),
    };
  }
}

function asError({ code, problem, next }: Obstacle): RoomtapeError {
  return new RoomtapeError(code, problem, next === undefined ? {} : { next });
}

function orObstacle(problem: unknown): RoomtapeError {
  if (problem instanceof RoomtapeError && problem.code !== 'cancelled') return problem;
  throw problem;
}

/** Whoever named a reference is told when it was of no use; the repair goes on without it. */
function withUnfit<Outcome extends PlanSummary | NoRepair>(
  outcome: Outcome,
  unfit: readonly string[],
): Outcome {
  if (unfit.length === 0 || (outcome.kind === 'none' && outcome.reason === 'whole')) return outcome;
  const told = unfit.map(
    (path) =>
      `${path} was not used: only a whole MP4, MOV or M4A file that is not encrypted can serve as a reference.`,
  );
  return outcome.kind === 'none'
    ? { ...outcome, detail: [outcome.detail, ...told].join(' ') }
    : { ...outcome, findings: [...outcome.findings, ...told] };
}

function notReadable(problem: unknown): null {
  if (problem instanceof RoomtapeError && problem.code !== 'cancelled') return null;
  throw problem;
}

/** Turns "so far" into a share, a rate and a time that remains, phase by phase. */
function paceOf(
  onProgress: ((progress: RescueProgress) => void) | undefined,
): (phase: RescueProgress['phase'], done: number, total: number) => void {
  let current: RescueProgress['phase'] | undefined;
  let began = 0;
  let first = 0;
  return (phase, done, total) => {
    if (!onProgress) return;
    const now = performance.now();
    if (phase !== current) [current, began, first] = [phase, now, done];
    const seconds = (now - began) / 1000;
    const rate = seconds > 0 ? Math.max(0, done - first) / seconds : 0;
    const part = total > 0 && done > 0 ? Math.min(1, done / total) : null;
    const remainingMs = rate > 0 && total > 0 ? Math.max(0, ((total - done) / rate) * 1000) : null;
    onProgress({ phase, part, rate, remainingMs });
  };
}

/** Files of the same folder and extension, the nearest in time first: likely the same recorder. */
async function neighbours(path: string): Promise<readonly string[]> {
  const itself = resolve(path);
  const folder = dirname(itself);
  const extension = extname(itself).toLowerCase();
  const names = await readdir(folder).catch(() => []);
  const candidates: { path: string; distance: number }[] = [];
  const own = await stat(itself).catch(() => null);
  if (!own) return [];
  for (const name of names) {
    const neighbour = join(folder, name);
    if (neighbour === itself || name.startsWith('.') || isOwnOutput(name)) continue;
    if (extname(name).toLowerCase() !== extension) continue;
    const found = await stat(neighbour).catch(() => null);
    if (!found?.isFile() || found.size === 0) continue;
    candidates.push({ path: neighbour, distance: Math.abs(found.mtimeMs - own.mtimeMs) });
  }
  candidates.sort((a, b) => a.distance - b.distance);
  return candidates.slice(0, mostNeighbours).map((candidate) => candidate.path);
}
