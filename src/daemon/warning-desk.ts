/**
 * What a person must hear now: told once when it begins, kept for `status` while it lasts, and put
 * on the desktop for who wants that.
 */
import type { StatusNotice } from '../api/status.ts';
import { notifyDesktop } from '../system/notify.ts';
import type { DaemonContext } from './area.ts';

export interface Warning extends StatusNotice {
  /** The kind, for the event stream: `disk-soon-full`, `recorder-lost`, … */
  readonly kind: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

export class WarningDesk {
  readonly #context: DaemonContext;
  readonly #standing = new Map<string, Warning>();
  /** The desktop of the person, where a recorder was set up from it. */
  environment: Readonly<Record<string, string>> = {};

  constructor(context: DaemonContext) {
    this.#context = context;
  }

  /** Tells a warning unless it stands already; its words may be renewed while it stands. */
  raise(key: string, warning: Warning): void {
    const isNew = !this.#standing.has(key);
    this.#standing.set(key, warning);
    if (isNew) this.tell(warning);
  }

  /** Tells something once, in the event stream and on the desktop; the status does not keep it. */
  tell(warning: Warning): void {
    const { kind, text, next, body = {} } = warning;
    const type = `warning:${kind}`;
    this.#context.publish({ type, text, body: { ...body, ...(next ? { next } : {}) } });
    this.#context.log.warn({ kind, ...body }, text);
    if (!this.#context.config.notifications || warning.level === 'info') return;
    const title = kind.replaceAll('-', ' ');
    void notifyDesktop(`Roomtape: ${title}`, text, this.environment).then((shown) => {
      if (!shown) this.#context.log.warn('this desktop shows no notifications');
    });
  }

  /** Gives new words to every standing warning about a file. */
  amend(path: string, text: string, next: string): void {
    for (const [key, warning] of this.#standing) {
      if (warning.body?.['path'] === path) this.#standing.set(key, { ...warning, text, next });
    }
  }

  /** Takes a warning back: its reason is gone. */
  clear(key: string): void {
    this.#standing.delete(key);
  }

  get notices(): StatusNotice[] {
    return [...this.#standing.values()].map(({ level, text, next }) =>
      next === undefined ? { level, text } : { level, text, next },
    );
  }
}
