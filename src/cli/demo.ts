/**
 * `roomtape demo`: an evening in one minute, with a real daemon, real recorders and a real crash.
 *
 * Everything happens in a temporary data folder and through the same commands a person types. The
 * recorders are ffmpeg processes that write in real time. Exit code 0 only if everything that was
 * promised was seen to happen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { createClient } from '../api/client.ts';
import type { DaemonEvent } from '../api/events.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { findFfmpeg } from '../system/ffmpeg.ts';
import { pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import type { Frame } from './frame.ts';
import { isTerminal } from './output.ts';

/** The demonstration ends by then, whatever happens. */
const longestMs = 75_000;

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('demo')
    .description(
      'Plays a breakout session with real recorders, kills one, and recovers what it left.\n' +
        'Uses a temporary folder and leaves nothing running.',
    )
    .option('--keep', 'keep the temporary folder to look at')
    .action((options: { keep?: boolean }) => demo(frame, options.keep === true));
}

async function demo(frame: Frame, keep: boolean): Promise<void> {
  const ffmpeg = await findFfmpeg();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'roomtape-demo-')));
  for (const name of ['ada', 'bo', 'cy']) mkdirSync(join(folder, name));
  const evening = new Evening(folder, ffmpeg.path);
  const cancel = () => evening.giveUp('The demonstration was cancelled.');
  frame.cancelled.addEventListener('abort', cancel, { once: true });
  try {
    await evening.play();
    if (!(await evening.judge())) frame.exitCode = exitCodes.failed;
  } finally {
    await evening.end();
    if (keep) frame.note(`Kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

interface ListedResult {
  readonly participant: string | { readonly name: string } | null;
  readonly state: string;
  readonly permission: string;
  readonly intervals: readonly unknown[];
  readonly takes: readonly {
    readonly id: string;
    readonly path: string;
    readonly verdict: string;
    readonly recoveredPath: string | null;
  }[];
}

const nameOf = ({ participant }: ListedResult) =>
  typeof participant === 'string' ? participant : participant?.name;

/** The end of a take's journey. */
const isEnd = ({ type, body }: DaemonEvent, file: string) =>
  type === 'take:indexed' && String(body['path']).endsWith(file);

class Evening {
  readonly #folder: string;
  readonly #ffmpeg: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #recorders: ChildProcess[] = [];
  readonly #events: DaemonEvent[] = [];
  readonly #listening = new AbortController();
  readonly #began = performance.now();
  readonly #deadline: NodeJS.Timeout;
  /** Looked at whenever something happened. */
  readonly #waiting = new Set<() => void>();
  #problem: RoomtapeError | undefined;
  #commanding = false;

  constructor(folder: string, ffmpeg: string) {
    this.#folder = folder;
    this.#ffmpeg = ffmpeg;
    this.#env = {
      ...process.env,
      ROOMTAPE_HOME: join(folder, 'home'),
      ROOMTAPE_FFMPEG: ffmpeg,
      ROOMTAPE_OUTPUT: 'table',
      ...(isTerminal() ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }),
    };
    const late = `The demonstration was not over after ${longestMs / 1_000} s.`;
    this.#deadline = setTimeout(() => this.giveUp(late), longestMs);
  }

  giveUp(problem: string): void {
    this.#problem = new RoomtapeError('failed', problem, { next: 'roomtape demo --keep' });
    for (const look of this.#waiting) look();
  }

  async play(): Promise<void> {
    this.#chapter('A host opens a session with three breakout rooms');
    await this.#roomtape('up');
    void this.#listen();
    await this.#roomtape(
      'session',
      'create',
      'Planning evening',
      '--host',
      'Mira',
      '--room',
      'Red',
      '--room',
      'Green',
      '--room',
      'Blue',
    );
    await this.#roomtape('participant', 'add', 'Ada', 'Bo', 'Cy');
    await this.#roomtape('room', 'assign', 'Ada', '--room', 'Red');
    await this.#roomtape('room', 'assign', 'Bo', '--room', 'Green');
    await this.#roomtape('room', 'assign', 'Cy', '--room', 'Blue');
    await this.#roomtape('room', 'open');
    this.#chapter('Ada may record in Red and Bo in Green; nobody asked for Cy in Blue');
    await this.#roomtape('grant', 'Ada', '--room', 'Red', '--for', '2h');
    await this.#roomtape('grant', 'Bo', '--room', 'Green', '--for', '2h');
    for (const name of ['Ada', 'Bo', 'Cy']) {
      await this.#roomtape('watch', 'add', `${this.#folder}/${name.toLowerCase()}`, '--as', name);
    }
    await this.#recording();
  }

  async #recording(): Promise<void> {
    this.#chapter('All three record; Ada pauses, goes on and stops as one should');
    await this.#roomtape('record', '--as', 'Ada');
    const ada = this.#record('ada/evening.mp4', 440);
    await this.#roomtape('record', '--as', 'Bo');
    const bo = this.#record('bo/evening.mp4', 660);
    const cy = this.#record('cy/evening.mkv', 880);
    await this.#happened(
      ({ type, body }) =>
        type === 'take:growing' && String(body['path']).endsWith('ada/evening.mp4'),
    );
    await this.#roomtape('pause', '--as', 'Ada');
    ada.kill('SIGSTOP');
    await this.#roomtape('room', 'show');
    await this.#happened(({ text }) => /Cy .*without permission/i.test(text));
    ada.kill('SIGCONT');
    await this.#roomtape('resume', '--as', 'Ada');
    await this.#roomtape('status');
    ada.kill('SIGINT');
    await this.#roomtape('stop', '--as', 'Ada');
    await this.#happened((event) => isEnd(event, 'ada/evening.mp4'));
    this.#chapter('Bo’s recorder is killed in the middle of a sentence');
    this.#say(`$ kill -9 ${bo.pid}`);
    bo.kill('SIGKILL');
    await this.#happened((event) => isEnd(event, 'bo/evening.mp4'));
    this.#chapter('Cy stops');
    cy.kill('SIGINT');
    await this.#happened((event) => isEnd(event, 'cy/evening.mkv'));
  }

  /** Looks at everything from outside, and says what did not happen. */
  async judge(): Promise<boolean> {
    this.#chapter('What is left of the evening');
    await this.#roomtape('room', 'show');
    await this.#roomtape('list');
    const text = await this.#capture('list', '--json');
    const { results } = JSON.parse(text) as { results: ListedResult[] };
    const of = (name: string) => results.find((one) => nameOf(one) === name);
    const [ada, bo, cy] = [of('Ada'), of('Bo'), of('Cy')];
    const take = bo?.takes[0];
    const output = take?.recoveredPath ?? null;
    const report = output === null ? null : await this.#verified(output);
    const checks: [string, boolean][] = [
      [
        'Ada’s recording was paused, resumed and stopped, and is whole',
        ada?.state === 'stopped' && ada.intervals.length === 2 && ada.takes[0]?.verdict === 'whole',
      ],
      [
        'Bo’s recorder was seen to die',
        bo?.state === 'interrupted' && take?.verdict === 'interrupted',
      ],
      [
        'Bo’s file was recovered into a new one, with Ada’s as the reference',
        output !== null && this.#referenceOf(take?.id) === 'ada/evening.mp4',
      ],
      ['the new file was decoded to its end without an error', report?.decode === 'ok'],
      ['Cy’s recording was flagged as not permitted', cy?.permission === 'not-permitted'],
    ];
    this.#say('');
    for (const [what, seen] of checks) this.#say(`${seen ? '✓' : '✗'} ${what}`);
    for (const { takes } of results) {
      for (const { path, recoveredPath } of takes) this.#say(`  ${recoveredPath ?? path}`);
    }
    this.#say(`${Math.round((performance.now() - this.#began) / 1_000)} s`);
    return checks.every(([, seen]) => seen);
  }

  async end(): Promise<void> {
    clearTimeout(this.#deadline);
    for (const recorder of this.#recorders) recorder.kill('SIGKILL');
    this.#listening.abort();
    await this.#capture('down');
  }

  /** The reference that Roomtape chose, relative to the demo's folder. */
  #referenceOf(take: string | undefined): string | null {
    const repaired = this.#events.find(
      ({ type, body }) => type === 'take:repaired' && body['take'] === take,
    );
    const reference = repaired?.body['reference'];
    return typeof reference === 'string' ? reference.slice(this.#folder.length + 1) : null;
  }

  async #verified(path: string): Promise<{ decode?: string } | undefined> {
    const { results } = JSON.parse(await this.#capture('verify', path, '--json')) as {
      results: { verification?: { decode?: string } }[];
    };
    return results[0]?.verification;
  }

  /** A recorder: a moving picture and a tone in real time, as players and meeting programs write. */
  #record(name: string, tone: number): ChildProcess {
    const argv = [
      ...['-nostdin', '-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30'],
      ...['-re', '-f', 'lavfi', '-i', `sine=frequency=${tone}:beep_factor=4:sample_rate=48000`],
      ...[
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
        '-tune',
        'zerolatency',
        '-b:v',
        '3M',
        '-g',
        '30',
      ],
      ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-t', '120'],
      `${this.#folder}/${name}`,
    ];
    const recorder = spawn(this.#ffmpeg, argv, { stdio: 'ignore' });
    this.#recorders.push(recorder);
    return recorder;
  }

  async #listen(): Promise<void> {
    const client = createClient(pathsOf(join(this.#folder, 'home')).socket, version());
    for await (const event of client.events(this.#listening.signal)) {
      this.#events.push(event);
      // What a command did is printed by the command itself.
      const told = this.#commanding && event.type.startsWith('session:');
      if (!told)
        this.#say(`  ${this.#seconds()}  ${event.text.replaceAll(`${this.#folder}/`, '')}`);
      for (const look of this.#waiting) look();
    }
  }

  /** Waits until something has happened that fits; it may have happened already. */
  #happened(fits: (event: DaemonEvent) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!this.#problem && !this.#events.some(fits)) return;
        this.#waiting.delete(look);
        if (this.#problem) reject(this.#problem);
        else resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Runs a command as a person would and shows what it prints. */
  async #roomtape(...argv: string[]): Promise<void> {
    if (this.#problem) throw this.#problem;
    this.#say(
      `$ roomtape ${argv
        .map((word) => (/\s/.test(word) ? `"${word}"` : word))
        .join(' ')
        .replaceAll(`${this.#folder}/`, '')}`,
    );
    this.#commanding = true;
    const text = await this.#capture(...argv);
    this.#commanding = false;
    for (const line of text.trimEnd().split('\n')) this.#say(`  ${this.#shown(line)}`);
  }

  /** Paths without the temporary folder, signed lines by their beginning. */
  #shown(line: string): string {
    return line.replaceAll(`${this.#folder}/`, '').replace(/(rt1\.\S{24})\S+/g, '$1…');
  }

  #capture(...argv: string[]): Promise<string> {
    const main = join(import.meta.dirname, '..', `main${import.meta.filename.slice(-3)}`);
    const command = spawn(process.execPath, [...process.execArgv, main, ...argv], {
      env: this.#env,
    });
    return new Promise((resolve, reject) => {
      let [text, problem] = ['', ''];
      command.stdout.on('data', (chunk) => {
        text += chunk;
      });
      command.stderr.on('data', (chunk) => {
        problem += chunk;
      });
      command.on('error', reject);
      command.on('close', (code) => {
        if (code === exitCodes.done) resolve(text);
        else
          reject(
            new RoomtapeError(
              'failed',
              `roomtape ${argv.join(' ')} ended with ${code}: ${problem.trim()}`,
            ),
          );
      });
    });
  }

  #chapter(title: string): void {
    this.#say(`\n── ${title}`);
  }

  #seconds(): string {
    return `${((performance.now() - this.#began) / 1_000).toFixed(1).padStart(5)} s`;
  }

  #say(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}
