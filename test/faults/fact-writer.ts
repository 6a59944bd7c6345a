/**
 * A process that does nothing but write facts into a catalogue and say which it was acknowledged.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { mainFile } from '../story/roomtape-command.ts';

const dist = join(mainFile, '..');

const opened = `
  import { openCatalogue } from ${JSON.stringify(join(dist, 'catalogue', 'catalogue.js'))};
  const folder = process.argv[1];
  const catalogue = openCatalogue({ path: folder + '/catalogue.db', backups: folder + '/backups', newMachineId: 'm', now: Date.now() });`;

/** Appends facts one by one, and says each number once it is acknowledged; then why it ended. */
const writing = `${opened}
  try {
    for (let n = catalogue.journal.head.seq; ; ) {
      catalogue.transaction(() => { n = catalogue.journal.append([{ at: 1, type: 'fact', session: null, body: { n } }]).seq; });
      process.stdout.write(n + '\\n');
    }
  } catch (problem) {
    process.stderr.write(problem.code);
    process.exit(1);
  }`;

/** Says the last number there is. */
const reading = `${opened}
  console.log(catalogue.journal.head.seq);
  catalogue.close();`;

const node = (code: string, folder: string) => [
  process.execPath,
  '--input-type=module',
  '-e',
  code,
  folder,
];

export class FactWriter {
  readonly #child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly #began: Promise<unknown>;
  #text = '';
  #problem = '';

  /** @param before  words in front of the command, such as a tracer */
  constructor(folder: string, ...before: string[]) {
    const [program = '', ...argv] = [...before, ...node(writing, folder)];
    // A group of its own: a tracer that is killed leaves what it traced.
    this.#child = spawn(program, argv, { detached: true });
    this.ended = once(this.#child, 'close');
    this.#began = once(this.#child.stdout ?? this.#child, 'data');
    this.#child.stdout?.on('data', (chunk) => {
      this.#text = (this.#text + chunk).slice(-200);
    });
    this.#child.stderr?.on('data', (chunk) => {
      this.#problem += chunk;
    });
  }

  /** Resolves with the first acknowledgement. */
  async begun(): Promise<void> {
    await this.#began;
  }

  /** The last number that was acknowledged. */
  get last(): number {
    return Number(this.#text.slice(0, this.#text.lastIndexOf('\n')).split('\n').at(-1) ?? 0);
  }

  /** What kept it from going on: the code of the obstacle. */
  get problem(): string {
    return this.#problem;
  }

  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null)
      process.kill(-pid, 'SIGKILL');
    await this.ended;
  }
}

/** The last fact that a catalogue holds. Throws what a reader of it complains of. */
export function lastFact(folder: string): number {
  const [program = '', ...argv] = node(reading, folder);
  const { stdout, stderr } = spawnSync(program, argv, { encoding: 'utf8' });
  if (stderr !== '') throw new Error(stderr);
  return Number(stdout);
}
