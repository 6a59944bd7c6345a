/**
 * The `roomtape` command on a disk that fails: strace answers one of its calls with an error.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mainFile } from '../story/roomtape-command.ts';

/** What writes bytes, makes them last, and gives them their name. */
export const faulty = ['pwrite64', 'fsync', 'link', 'rename'];

export interface FaultyCall {
  readonly call: string;
  /** Its number among its thread's calls of that name: strace counts for each thread by itself. */
  readonly nth: number;
}

export const canInject = (): boolean =>
  process.platform === 'linux' &&
  spawnSync('strace', ['-f', '-e', 'trace=fsync', 'true']).status === 0;

/** Runs the command; `injections` as strace takes them: `fsync:error=EIO:when=2`. */
export function runInjected(
  words: readonly string[],
  injections: readonly string[],
  trace = '/dev/null',
  env: NodeJS.ProcessEnv = process.env,
): SpawnSyncReturns<string> {
  const inject = injections.flatMap((injection) => ['-e', `inject=${injection}`]);
  // strace tampers only with what it traces.
  const traced = [...faulty, ...injections.map((injection) => injection.split(':', 1)[0])];
  const watched = [
    '-f',
    '--seccomp-bpf',
    '-y',
    '-qq',
    '-o',
    trace,
    '-e',
    `trace=${traced.join(',')}`,
    ...inject,
  ];
  const command = [process.execPath, mainFile, ...words];
  return spawnSync('strace', [...watched, ...command], { encoding: 'utf8', env });
}

/** The calls in a trace that name something in `folder`. */
export function callsOn(folder: string, trace: string): FaultyCall[] {
  const numbers = new Map<string, number>();
  return readFileSync(trace, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, thread = '', call = ''] = line.match(/^(\d+) +(\w+)\(/) ?? [];
      const nth = (numbers.get(thread + call) ?? 0) + 1;
      numbers.set(thread + call, nth);
      return line.includes(folder) ? [{ call, nth }] : [];
    });
}
