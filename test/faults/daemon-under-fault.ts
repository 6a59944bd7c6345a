/**
 * A daemon that faults are done to, with a watched folder and a client that needs no process.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient, DaemonDown } from '../../src/api/client.ts';
import type { RecordingList, RecordingView, TakeView } from '../../src/api/recording-routes.ts';
import { pathsOf } from '../../src/system/paths.ts';
import { version } from '../../src/system/version.ts';
import { Machine } from '../story/roomtape-command.ts';

export class Ground {
  readonly machine: Machine;
  readonly watched: string;

  private constructor(machine: Machine) {
    this.machine = machine;
    this.watched = join(realpathSync(machine.home), 'watched');
    mkdirSync(this.watched);
  }

  /** A data folder whose daemon does not run yet. */
  static down(env: NodeJS.ProcessEnv = {}): Ground {
    return new Ground(new Machine(env));
  }

  static async open(env: NodeJS.ProcessEnv = {}, ...settings: string[]): Promise<Ground> {
    const ground = new Ground(new Machine(env));
    await ground.machine.json('up', ...settings.flatMap((setting) => ['--set', setting]));
    await ground.machine.json('watch', 'add', ground.watched);
    return ground;
  }

  path(name: string): string {
    return join(this.watched, name);
  }

  get client(): Client {
    return createClient(pathsOf(this.machine.home).socket, version());
  }

  /** A session with Ada in room 1, who may record. */
  async session(): Promise<void> {
    const { machine } = this;
    await machine.json('session', 'create', 'Evening', '--host', 'Mira', '--rooms', '2');
    await machine.json('participant', 'add', 'Ada');
    await machine.json('room', 'open');
    await machine.json('grant', '--all', '--room', 'all', '--for', '2h');
  }

  /** Every recording there is, page by page. */
  async recordings(): Promise<RecordingView[]> {
    const found: RecordingView[] = [];
    for (let from: string | null = ''; from !== null; ) {
      const page: RecordingList = await this.client.call('recording.list', {
        limit: 1_000,
        ...(from === '' ? {} : { from }),
      });
      found.push(...page.recordings);
      from = page.next;
    }
    return found;
  }

  async takes(): Promise<TakeView[]> {
    return (await this.recordings()).flatMap(({ takes }) => takes);
  }

  /** The take of a file once its journey has ended. */
  indexed(path: string): Promise<TakeView> {
    return until(async () =>
      (await this.takes()).find((take) => take.path === path && take.stage === 'indexed'),
    );
  }

  end(): Promise<void> {
    return this.machine.end();
  }
}

/** Waits for what can only be seen from outside. */
export async function until<Found>(
  look: () => Promise<Found | undefined | false> | Found | undefined | false,
  withinMs = 40_000,
): Promise<Found> {
  const began = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() - began > withinMs) throw new Error(`waited ${withinMs} ms in vain`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asks again while the daemon is being killed; null when it was killed in between. */
export async function unlessKilled<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
  try {
    return await ask();
  } catch (problem) {
    const cut = problem instanceof DaemonDown || (problem instanceof Error && 'code' in problem);
    if (!cut) throw problem;
    return null;
  }
}

export const sha256 = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');
