/**
 * Looks after the catalogue while it is in use: checks every page now and then, copies it daily.
 *
 * The check is a process of its own (`roomtape catalogue check`), because it reads the whole file and
 * a damaged one must not take the daemon along. A damaged catalogue is never copied over the backups
 * that can bring it back, and neither is one whose check did not end. The next look is set by elapsed
 * time: a wall clock that is set back by years would put it off for as long.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import type { StatusNotice } from '../api/status.ts';
import { lastBackupAt } from '../catalogue/backup.ts';
import { Appointment, type Clock } from '../system/clock.ts';
import type { DaemonContext } from './area.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Smaller files were checked when they were opened. */
const uncheckedAtOpen = 64_000_000;

/** A check of a very large file on a slow disk may take this long. */
const checkTimeoutMs = 30 * 60_000;

export class CatalogueCare {
  readonly #context: DaemonContext;
  readonly #next: Appointment;
  #damage: string | null = null;
  /** Why nobody knows whether it is sound. */
  #unchecked: string | null = null;
  #closed = false;

  constructor(context: DaemonContext) {
    this.#context = context;
    this.#next = new Appointment(byElapsed(context.clock), () => void this.#care());
  }

  start(): void {
    const { clock, paths } = this.#context;
    const size = statSync(paths.catalogue, { throwIfNoEntry: false })?.size ?? 0;
    // Not while everything else starts; sooner when nobody has looked at every page yet.
    this.#next.set(clock.elapsed() + (size > uncheckedAtOpen ? 2_000 : 60_000));
  }

  close(): void {
    this.#closed = true;
    this.#next.cancel();
  }

  notices(): StatusNotice[] {
    if (this.#damage !== null) {
      const text = `The catalogue is damaged: ${this.#damage}`;
      return [{ level: 'error', text, next: 'roomtape down && roomtape catalogue restore' }];
    }
    if (this.#unchecked === null) return [];
    const text = `The catalogue could not be checked, so it is not copied: ${this.#unchecked}`;
    return [{ level: 'warning', text, next: 'roomtape catalogue check' }];
  }

  async #care(): Promise<void> {
    const { catalogue, clock, log, paths } = this.#context;
    try {
      const now = clock.now();
      const due = now - lastBackupAt(paths.backups, now) >= dayMs;
      const size = statSync(paths.catalogue, { throwIfNoEntry: false })?.size ?? 0;
      if (due || size > uncheckedAtOpen) await this.#look();
      if (this.#damage !== null) {
        log.error({ damage: this.#damage }, 'the catalogue is damaged');
        this.#context.publish({ type: 'daemon:damage', text: this.#damage, body: {} });
      } else if (due && this.#unchecked === null) {
        log.info({ path: await catalogue.backUp('daily', now) }, 'the catalogue was backed up');
      }
    } catch (error) {
      log.error({ err: error }, 'the catalogue could not be looked after');
    } finally {
      if (!this.#closed) this.#next.set(clock.elapsed() + hourMs);
    }
  }

  async #look(): Promise<void> {
    try {
      this.#damage = await this.#check();
      this.#unchecked = null;
    } catch (error) {
      this.#context.log.warn({ err: error }, 'the check of the catalogue did not end');
      this.#unchecked = error instanceof Error ? firstLine(error.message) : String(error);
    }
  }

  /** What is damaged, or null where every page was read and is sound; throws where that is not known. */
  #check(): Promise<string | null> {
    const { paths, log } = this.#context;
    const main = join(import.meta.dirname, '..', `main${import.meta.filename.slice(-3)}`);
    const words = [...process.execArgv, main, 'catalogue', 'check', '--json'];
    const options = {
      env: { ...process.env, ROOMTAPE_HOME: paths.home },
      timeout: checkTimeoutMs,
      windowsHide: true,
    };
    return new Promise((resolve, reject) => {
      const child = execFile(process.execPath, words, options, (error, stdout) => {
        const damage = damageIn(stdout);
        if (damage !== undefined && (damage !== null || error === null)) resolve(damage);
        else reject(error ?? new Error('it told nothing'));
      });
      child.unref();
      try {
        if (child.pid !== undefined) setPriority(child.pid, 10);
      } catch (error) {
        log.debug({ err: error }, 'the check runs at full priority');
      }
    });
  }
}

function byElapsed({ elapsed }: Clock): Clock {
  return { now: elapsed, elapsed };
}

const firstLine = (text: string) => text.split('\n', 1)[0] ?? '';

/** The first finding that is not sound, from the JSON document of `catalogue check`; undefined without one. */
function damageIn(text: string): string | null | undefined {
  try {
    const { results } = JSON.parse(text) as {
      readonly results: readonly { readonly sound: boolean; readonly detail: string }[];
    };
    return results.find(({ sound }) => !sound)?.detail ?? null;
  } catch {
    return undefined; // ended before it printed
  }
}
