/**
 * The rescue workers: started when there is work, ended when there is none or when they hang.
 *
 * A job that says nothing for too long, or needs too much memory, is ended with its thread and
 * reported as an obstacle; the next job gets a new thread.
 */
import type { Worker } from 'node:worker_threads';
import { RoomtapeError } from '../errors.ts';
import type {
  FromWorker,
  Job,
  JobAnswers,
  Phase,
  ToWorker,
  WorkerSettings,
} from './rescue-jobs.ts';
import { startThread } from './thread.ts';

export interface JobProgress {
  readonly phase: Phase;
  /** Bytes done and to do in this phase; 0 when they cannot be told. */
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: JobProgress) => void) | undefined;
  /** A worker that says nothing for this long is ended. */
  readonly stallMs?: number;
}

const memoryLimitMb = 256;
/**
 * What the limit of a thread does not cover is what lies outside its heap (typed arrays): a job during
 * which the whole process grows by more than this is ended, too.
 */
const growthLimitBytes = 768_000_000;
const lookAtMemoryEveryMs = 250;
/** Diagnosing is a matter of milliseconds, but a disk may have to wake up first. */
const defaultStallMs = 60_000;
/** So long a job may take to clean up after itself when all ends. */
const cancelWithinMs = 500;

export class RescueWorkers {
  readonly #most: number;
  readonly #idleMs: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: (() => void)[] = [];
  readonly #isBackground: boolean;
  #closed = false;

  /**
   * @param most          how many jobs may run at once
   * @param idleMs        a thread without work ends after this time, and with it what it remembers
   * @param isBackground  a recorder, and whoever waits for an answer, come before the threads
   */
  constructor(most = 1, idleMs = 5_000, isBackground = false) {
    this.#most = most;
    this.#idleMs = idleMs;
    this.#isBackground = isBackground;
  }

  async run<K extends Job['kind']>(
    job: Extract<Job, { kind: K }>,
    options: RunOptions = {},
  ): Promise<JobAnswers[K]> {
    // Without a turn of the event loop in between: a caller that computes next would hold up the job.
    const thread = this.#freeThread() ?? (await this.#nextFreeThread());
    try {
      return (await thread.perform(job, options)) as JobAnswers[K];
    } finally {
      if (thread.dead) this.#threads.delete(thread);
      this.#waiting.shift()?.();
    }
  }

  /** Ends all threads; what one was writing is removed by itself, or by the next run. */
  async close(): Promise<void> {
    this.#closed = true;
    const busy = [...this.#threads].map((thread) => thread.cancel());
    await Promise.race([Promise.all(busy), pause(cancelWithinMs)]);
    await Promise.all([...this.#threads].map((thread) => thread.end()));
    for (const go of this.#waiting.splice(0)) go();
  }

  #freeThread(): Thread | null {
    if (this.#closed) throw new RoomtapeError('cancelled', 'Roomtape is ending.');
    for (const thread of this.#threads) {
      if (thread.dead) this.#threads.delete(thread);
      else if (!thread.busy) return thread.take();
    }
    if (this.#threads.size >= this.#most) return null;
    const thread = new Thread(this.#idleMs, this.#isBackground);
    this.#threads.add(thread);
    return thread.take();
  }

  async #nextFreeThread(): Promise<Thread> {
    for (;;) {
      await new Promise<void>((go) => {
        this.#waiting.push(go);
      });
      const thread = this.#freeThread();
      if (thread) return thread;
    }
  }
}

const pause = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms).unref();
  });

class Thread {
  dead = false;
  busy = false;
  readonly #worker: Worker;
  readonly #idleMs: number;
  #idle: NodeJS.Timeout | undefined;
  #jobs = 0;
  #cancelled = false;
  /** Of the job that is under way. */
  #stop: Int32Array | undefined;
  #under: Promise<void> = Promise.resolve();

  constructor(idleMs: number, isBackground: boolean) {
    this.#idleMs = idleMs;
    this.#worker = startWorker(isBackground);
    // Without a job there is nobody to tell; whoever takes a dead thread starts another.
    this.#worker.on('error', () => {
      this.dead = true;
    });
    this.#worker.on('exit', () => {
      this.dead = true;
    });
  }

  take(): this {
    this.busy = true;
    clearTimeout(this.#idle);
    this.#worker.ref();
    return this;
  }

  /** Asks the job that is under way to stop, and waits until it has. */
  async cancel(): Promise<void> {
    this.#cancelled = true;
    if (this.#stop) Atomics.store(this.#stop, 0, 1);
    await this.#under;
  }

  async end(): Promise<void> {
    this.dead = true;
    clearTimeout(this.#idle);
    await this.#worker.terminate();
  }

  async perform(job: Job, options: RunOptions): Promise<unknown> {
    const { signal, onProgress, stallMs = defaultStallMs } = options;
    const stop = new Int32Array(new SharedArrayBuffer(4));
    if (this.#cancelled) Atomics.store(stop, 0, 1);
    this.#stop = stop;
    let over = () => {};
    this.#under = new Promise((resolve) => {
      over = resolve;
    });
    this.#jobs += 1;
    const id = this.#jobs;
    const worker = this.#worker;
    let watchdog: NodeJS.Timeout | undefined;
    const cleanUp: (() => void)[] = [];
    try {
      return await new Promise<unknown>((resolve, reject) => {
        const rearm = () => {
          clearTimeout(watchdog);
          watchdog = setTimeout(() => {
            reject(hung(job, stallMs));
            void this.end();
          }, stallMs);
        };
        const before = process.memoryUsage.rss();
        const memory = setInterval(() => {
          if (process.memoryUsage.rss() - before < growthLimitBytes) return;
          reject(tooLarge(job));
          void this.end();
        }, lookAtMemoryEveryMs);
        const onMessage = (message: FromWorker) => {
          if (message.id !== id) return;
          rearm();
          if (message.kind === 'progress') onProgress?.(message);
          else if (message.kind === 'done') resolve(message.answer);
          else reject(problemOf(message, job));
        };
        const onError = (cause: unknown) => reject(crashed(job, cause));
        const onExit = () => reject(crashed(job, undefined));
        const onAbort = () => Atomics.store(stop, 0, 1);
        worker.on('message', onMessage);
        worker.on('error', onError);
        worker.on('exit', onExit);
        signal?.addEventListener('abort', onAbort, { once: true });
        cleanUp.push(
          () => clearInterval(memory),
          () => worker.removeListener('message', onMessage),
          () => worker.removeListener('error', onError),
          () => worker.removeListener('exit', onExit),
          () => signal?.removeEventListener('abort', onAbort),
        );
        if (signal?.aborted) onAbort();
        rearm();
        worker.postMessage({ id, job, stop } satisfies ToWorker);
      });
    } finally {
      over();
      clearTimeout(watchdog);
      for (const undo of cleanUp) undo();
      this.#rest();
    }
  }

  #rest(): void {
    this.busy = false;
    if (this.dead) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => void this.end(), this.#idleMs);
    this.#idle.unref();
  }
}

function startWorker(isBackground: boolean): Worker {
  return startThread('rescue-worker', {
    workerData: { isBackground } satisfies WorkerSettings,
    resourceLimits: {
      maxOldGenerationSizeMb: memoryLimitMb,
      maxYoungGenerationSizeMb: 8,
      stackSizeMb: 4,
    },
    name: 'roomtape-rescue',
  });
}

function problemOf(message: FromWorker, job: Job): Error {
  if (message.kind === 'obstacle') {
    const next = message.next === undefined ? {} : { next: message.next };
    return new RoomtapeError(message.code, message.problem, next);
  }
  const stack = message.kind === 'bug' ? message.stack : '';
  const firstLine = stack.split('\n')[0] ?? '';
  return new RoomtapeError('worker-failed', `Reading ${nameOf(job)} failed: ${firstLine}.`, {
    next: 'report this as a mistake in Roomtape, with the file if you can',
    cause: stack,
  });
}

const hung = (job: Job, stallMs: number) =>
  new RoomtapeError(
    'worker-failed',
    `Reading ${nameOf(job)} made no progress for ${stallMs / 1000} s and was ended.`,
    { next: 'report this as a mistake in Roomtape, with the file if you can' },
  );

const tooLarge = (job: Job) =>
  new RoomtapeError(
    'worker-failed',
    `Reading ${nameOf(job)} needed more than ${growthLimitBytes / 1e6} MB of memory.`,
    { next: 'report this as a mistake in Roomtape, with the file if you can' },
  );

function crashed(job: Job, cause: unknown): RoomtapeError {
  const memory =
    cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
  const reason = memory
    ? `needed more than ${memoryLimitMb} MB of memory`
    : cause instanceof Error
      ? `failed: ${cause.message}`
      : 'was ended';
  return new RoomtapeError('worker-failed', `Reading ${nameOf(job)} ${reason}.`, {
    next: 'report this as a mistake in Roomtape, with the file if you can',
    cause,
  });
}

function nameOf(job: Job): string {
  if (job.kind === 'forget') return job.store;
  return job.kind === 'diagnose-all' ? `${job.paths.length} files` : job.path;
}
