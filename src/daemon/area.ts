/**
 * What the daemon is made of: areas, each answering its own routes.
 *
 * An area (the daemon itself, people, takes, recorders) is opened with the context, answers its
 * part of the contract and is closed again. daemon.ts puts them together and decides nothing.
 */
import type { Handlers, RouteName } from '../api/contract.ts';
import type { DaemonEvent } from '../api/events.ts';
import type { Finding } from '../api/finding.ts';
import type { StatusPart } from '../api/status.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Clock } from '../system/clock.ts';
import type { Config } from '../system/config.ts';
import type { Log } from '../system/log.ts';
import type { Paths } from '../system/paths.ts';

/** What every area is given. */
export interface DaemonContext {
  readonly paths: Paths;
  readonly config: Config;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly startedAt: number;
  /** Tells whoever listens that something happened; `at` is filled in. */
  publish(event: Omit<DaemonEvent, 'at'>): void;
  /** Ends the daemon after the current answer has been sent. */
  stop(reason: string): void;
}

export interface Area<R extends RouteName> {
  readonly handlers: Handlers<R>;
  /** Takes up what a former daemon left; called once, before the socket answers. */
  start?(): Promise<void> | void;
  /** What `roomtape status` says of it; must answer at once. */
  status?(): StatusPart;
  /** What `roomtape doctor` should know of it. */
  examine?(): Promise<readonly Finding[]>;
  /** Must end within a second. */
  close?(): Promise<void> | void;
}
