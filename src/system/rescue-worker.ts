/**
 * The thread in which every byte from outside is parsed.
 *
 * It has a memory limit and can be terminated at any moment: whatever a hostile file does, it costs
 * this thread and not the process. One job at a time; the service in rescue-service.ts sees to that.
 */
import { dirname, extname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Cancelled, type Progress } from '../container/bytes.ts';
import { type Diagnosis, foreign } from '../container/diagnosis.ts';
import { type DiagnoseContext, type FileFollower, headLength } from '../container/format.ts';
import { diagnose, recogniseFormat } from '../container/formats.ts';
import type { NoRepair, RepairOutcome } from '../container/repair-plan.ts';
import { RoomtapeError } from '../errors.ts';
import { trialDecoder } from './ffmpeg.ts';
import { FileSource, quoted, sha256 } from './files.ts';
import { copyAhead, recoveredName, writePlan } from './plan-writer.ts';
import { giveWay } from './priority.ts';
import { readIndependently } from './read-back.ts';
import type {
  DiagnoseAllJob,
  FileJob,
  FollowJob,
  Follows,
  FromWorker,
  Job,
  JobAnswers,
  Obstacle,
  PlanSummary,
  ReadBackJob,
  Repaired,
  RepairJob,
  Sampled,
  ToWorker,
  WorkerSettings,
} from './rescue-jobs.ts';
import { dropScan, loadScan, storeScan } from './scan-store.ts';

type Report = (phase: ProgressOf['phase'], total: number) => Progress;
type ProgressOf = Extract<FromWorker, { kind: 'progress' }>;

/** Enough for the first boxes and chunks, by which recorders differ. */
const headSample = 512;

if ((workerData as WorkerSettings | null)?.isBackground) giveWay();

parentPort?.on('message', async ({ id, job, stop }: ToWorker) => {
  const send = (message: FromWorker) => parentPort?.postMessage(message);
  // Told at most ten times a second; asked to stop at every call.
  let toldAt = 0;
  const report: Report = (phase, total) => (done) => {
    const now = performance.now();
    if (now - toldAt > 100) {
      toldAt = now;
      send({ id, kind: 'progress', phase, done, total });
    }
    return Atomics.load(stop, 0) === 0;
  };
  try {
    send({ id, kind: 'done', answer: await perform(job, report) });
  } catch (problem) {
    send(failure(id, problem));
  }
});

function failure(id: number, problem: unknown): FromWorker {
  if (problem instanceof RoomtapeError) return { id, kind: 'obstacle', ...obstacleOf(problem) };
  if (problem instanceof Cancelled) {
    return { id, kind: 'obstacle', code: 'cancelled', problem: 'Cancelled.', next: undefined };
  }
  const stack = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
  return { id, kind: 'bug', stack };
}

const obstacleOf = ({ code, message, next }: RoomtapeError): Obstacle => ({
  code,
  problem: message,
  next,
});

async function perform(job: Job, report: Report): Promise<JobAnswers[Job['kind']]> {
  if (job.kind === 'forget') {
    followed.delete(job.store);
    dropScan(job.store);
    return null;
  }
  if (job.kind === 'diagnose-all') return diagnoseAll(job, report);
  return performOnFile(job, report);
}

async function performOnFile(job: FileJob, report: Report): Promise<JobAnswers[FileJob['kind']]> {
  const source = new FileSource(job.path, job);
  try {
    const reading = report('reading', source.size);
    if (job.kind !== 'diagnose' && source.hollow > mostHollow) throw tooHollow(source);
    switch (job.kind) {
      case 'diagnose':
        return sample(source, { ...job, progress: reading });
      case 'profile':
        return recogniseFormat(source)?.profile?.(source, job.path) ?? null;
      case 'repair':
        return repair(source, job, report);
      case 'read-back':
        return await readBack(source, job, report);
      case 'follow':
        return follow(source, job, reading);
      case 'hash': {
        const digest = sha256(source, reading);
        source.assertUnchanged();
        return digest;
      }
    }
  } finally {
    source.close();
  }
}

function sample(source: FileSource, context: DiagnoseContext): Sampled {
  return {
    identity: source.identity,
    // As many as the diagnosis begins with, so that they are read once.
    head: source.read(0, headLength).slice(0, headSample),
    diagnosis: source.hollow > mostHollow ? foreign(hollowText(source)) : diagnose(source, context),
  };
}

/** Files whose ends are under way while one is judged: a cold disk answers several as soon as one. */
const filesAhead = 8;

/** A file that was opened, or what stands in the way, and its first and last bytes that are coming. */
interface Opened {
  readonly file: FileSource | Obstacle;
  readonly ends: Promise<void>;
}

async function diagnoseAll(job: DiagnoseAllJob, report: Report): Promise<(Sampled | Obstacle)[]> {
  const all = report('reading', job.paths.length);
  const found: (Sampled | Obstacle)[] = [];
  const opened: Opened[] = [];
  try {
    while (found.length < job.paths.length) {
      if (!all(found.length)) throw new Cancelled();
      const begun = found.length + opened.length;
      const wanted = job.paths.slice(begun, found.length + filesAhead);
      opened.push(...wanted.map((path) => openAhead(path, job)));
      const next = opened.shift();
      if (next) found.push(await sampleOpened(next, job, report));
    }
    return found;
  } finally {
    for (const { file, ends } of opened) {
      await ends;
      if (file instanceof FileSource) file.close();
    }
  }
}

function openAhead(path: string, job: DiagnoseAllJob): Opened {
  try {
    const file = new FileSource(path, job);
    return { file, ends: file.fetchEnds(headLength) };
  } catch (problem) {
    return { file: obstacleOr(problem), ends: Promise.resolve() };
  }
}

async function sampleOpened({ file, ends }: Opened, job: DiagnoseAllJob, report: Report) {
  await ends;
  if (!(file instanceof FileSource)) return file;
  try {
    return sample(file, { ...job, progress: report('reading', file.size) });
  } catch (problem) {
    return obstacleOr(problem);
  } finally {
    file.close();
  }
}

function obstacleOr(problem: unknown): Obstacle {
  if (problem instanceof RoomtapeError) return obstacleOf(problem);
  throw problem;
}

// Zeros are read at some GB a second: a sparse file of 8 TB would take an hour, and is no recording.
const mostHollow = 256 * 2 ** 30;

const hollowText = ({ size, hollow }: FileSource) =>
  `The file says it has ${size} bytes, of which ${size - hollow} are on the disk.`;

const tooHollow = (source: FileSource) =>
  new RoomtapeError('file-unreadable', `${source.path} is no recording. ${hollowText(source)}`, {
    next: `roomtape inspect ${quoted(source.path)}`,
  });

function repair(source: FileSource, job: RepairJob, report: Report): Repaired {
  const reading = report('reading', source.size);
  // The plan will read all of a broken file anyway; one that seems whole is looked through for holes.
  let diagnosis = diagnose(source, { progress: reading });
  if (diagnosis.verdict === 'whole') {
    diagnosis = diagnose(source, { thorough: true, media: true, progress: reading });
  }
  const { identity } = source;
  const { write } = job;
  const ahead =
    write && keepsItsPlaces(diagnosis, job) ? copyAhead(source, target(job), write) : null;
  let outcome: RepairOutcome;
  try {
    outcome = plan(source, diagnosis, job, report);
  } catch (problem) {
    ahead?.abandon();
    throw problem;
  }
  if (outcome.kind === 'none') {
    ahead?.abandon();
    return { identity, diagnosis, outcome, written: null };
  }
  const progress = report('writing', outcome.outputSize);
  const written = write
    ? writePlan(source, outcome, target(job, outcome.extension), { ...write, ahead, progress })
    : null;
  source.assertUnchanged();
  const { pieces: _, ...described } = outcome;
  const unreadable = source.unreadable.reduce((sum, range) => sum + range.length, 0);
  const summary: PlanSummary =
    unreadable === 0
      ? described
      : {
          ...described,
          findings: [...described.findings, `The disk could not read ${unreadable} bytes.`],
        };
  return { identity, diagnosis, outcome: summary, written };
}

/** Whether the repair will most likely leave every media byte at its offset. */
function keepsItsPlaces({ verdict, container }: Diagnosis, job: RepairJob): boolean {
  const isMp4 = container === 'mp4' || container === 'mov' || container === 'm4a';
  return isMp4 && verdict === 'interrupted' && !job.faststart;
}

const target = ({ path, write }: RepairJob, extension = extname(path)) =>
  recoveredName(path, write?.folder ?? dirname(path), extension);

function plan(
  source: FileSource,
  diagnosis: Diagnosis,
  job: RepairJob,
  report: Report,
): RepairOutcome {
  const format = recogniseFormat(source);
  // A complete raw recording of Zoom still has to be converted: its format has the word.
  if (diagnosis.verdict === 'whole' && diagnosis.container !== 'zoom') {
    return none('whole', 'The file is whole: nothing to repair.');
  }
  if (!format) {
    const detail = diagnosis.damage[0]?.detail ?? 'It holds no media.';
    if (diagnosis.verdict === 'beyond-repair') return none('all-zeros', detail);
    return none(diagnosis.verdict === 'empty' ? 'empty' : 'foreign', detail);
  }
  const saved = job.scan === null ? null : loadScan(job.scan, source.identity);
  return format.planRepair(source, {
    references: job.references,
    ...(saved ? { saved } : {}),
    ...(job.ffmpeg ? { trialDecode: trialDecoder(job.ffmpeg) } : {}),
    progress: report('planning', source.size),
    faststart: job.faststart,
    experimentalZoom: job.experimentalZoom,
  });
}

interface Followed {
  readonly follower: FileFollower;
  stored: number;
}

/** The growing files this thread reads along with, by their store. */
const followed = new Map<string, Followed>();

function follow(source: FileSource, job: FollowJob, progress: Progress): Follows {
  const { store, references } = job;
  let found = followed.get(store);
  if (!found) {
    const format = recogniseFormat(source);
    if (!format) return { state: 'later', position: 0 };
    if (!format.follow) return { state: 'never', position: 0 };
    const saved = loadScan(store, source.identity);
    const follower = format.follow(source, { references, ...(saved ? { saved } : {}) });
    if (!follower) return { state: 'later', position: 0 };
    found = { follower, stored: 0 };
    followed.set(store, found);
  }
  found.follower.advance(source, progress);
  found.stored = storeScan(store, source.identity, found.follower.save(), found.stored);
  return { state: 'follows', position: found.follower.position };
}

const none = (reason: NoRepair['reason'], detail: string): NoRepair => ({
  kind: 'none',
  reason,
  detail,
});

async function readBack(source: FileSource, job: ReadBackJob, report: Report) {
  const progress = report('reading back', source.size);
  const diagnosis = diagnose(source, { thorough: true, media: true, progress });
  const problems =
    diagnosis.verdict === 'whole'
      ? await objections(source, job, diagnosis, progress)
      : diagnosis.damage.map(({ detail }) => detail);
  const digest = job.hash ? sha256(source, progress) : null;
  source.assertUnchanged();
  return { identity: source.identity, diagnosis, problems, sha256: digest };
}

/** What the independent reader objects to; a file whose counts are false is not shown to it. */
async function objections(
  source: FileSource,
  { path, expected }: ReadBackJob,
  diagnosis: Diagnosis,
  progress: Progress,
): Promise<readonly string[]> {
  const claims = recogniseFormat(source)?.falseClaims?.(source) ?? [];
  return claims.length > 0 ? claims : readIndependently(path, diagnosis, expected, progress);
}
