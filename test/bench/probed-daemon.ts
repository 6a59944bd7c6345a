/**
 * A daemon that is asked, without its noticing much, how it fares: stalls of its event loop, memory, CPU.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ground, until } from '../faults/daemon-under-fault.ts';

export interface Reading {
  /** Stalls of the event loop since the last reading, in ms. */
  readonly p99: number;
  readonly most: number;
  /** Resident memory, MB. */
  readonly rss: number;
  /** CPU time so far, in microseconds. */
  readonly cpu: { readonly user: number; readonly system: number };
}

export class ProbedDaemon {
  readonly ground: Ground;
  readonly #file: string;

  private constructor(ground: Ground, file: string) {
    this.ground = ground;
    this.#file = file;
  }

  static async open(): Promise<ProbedDaemon> {
    const file = join(mkdtempSync(join(tmpdir(), 'roomtape-probe-')), 'reading');
    const probe = join(import.meta.dirname, 'loop-probe.mjs');
    const ground = await Ground.open({
      NODE_OPTIONS: `--import ${probe}`,
      ROOMTAPE_PROBE: file,
    });
    return new ProbedDaemon(ground, file);
  }

  async read(): Promise<Reading> {
    rmSync(this.#file, { force: true });
    process.kill(await this.ground.machine.daemonPid(), 'SIGUSR2');
    await until(() => existsSync(this.#file));
    return JSON.parse(readFileSync(this.#file, 'utf8')) as Reading;
  }

  /** CPU between two readings as a share of one core, in per cent. */
  static share(before: Reading, after: Reading, seconds: number): number {
    const used = ({ cpu }: Reading) => cpu.user + cpu.system;
    return (used(after) - used(before)) / (seconds * 10_000);
  }

  async end(): Promise<void> {
    await this.ground.end();
  }
}
