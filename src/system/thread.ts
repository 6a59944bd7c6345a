/**
 * Threads of our own, from the built files or from source.
 */
import { extname } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts the file `name` of this folder in a thread whose output is kept to itself.
 *
 * @param name  without extension, like `rescue-worker`
 */
export function startThread(name: string, options: WorkerOptions): Worker {
  const extension = extname(import.meta.filename);
  const url = new URL(`./${name}${extension}`, import.meta.url);
  // A library's remarks on a strange file are not ours to print.
  const all: WorkerOptions = { ...options, execArgv: [], stderr: true, stdout: true };
  const worker =
    extension === '.js'
      ? new Worker(url, all)
      : // From source (tests, npm run dev) the thread needs the loader first.
        new Worker(
          `import('tsx/esm/api').then(({ register }) => { register();` +
            ` return import(${JSON.stringify(url.href)}); });`,
          { ...all, eval: true },
        );
  worker.stderr.resume();
  worker.stdout.resume();
  return worker;
}
