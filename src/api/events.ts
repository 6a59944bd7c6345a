/**
 * What the daemon tells whoever listens, as a stream: one event when something has changed.
 *
 * Events say that something happened, with enough to show it; the state itself is asked for. They
 * are not kept: the journal is. A listener that falls behind is dropped and asks again.
 */

/** Something that happened, as the daemon tells it. */
export interface DaemonEvent {
  /** ms since 1970. */
  readonly at: number;
  /** `session`, `take`, `recorder`, `warning`, `daemon`, … and after a colon what happened. */
  readonly type: string;
  /** One line for a person. */
  readonly text: string;
  /** Ids and values for programs. */
  readonly body: Readonly<Record<string, unknown>>;
}
