/**
 * Routes about the daemon itself.
 */
import { z } from 'zod';
import type { Finding } from './finding.ts';
import { route } from './route.ts';
import type { DaemonStatus } from './status.ts';

export const daemonRoutes = {
  /** Answers as soon as the daemon can be asked anything. */
  'daemon.hello': route(z.strictObject({})).answers<{ readonly pid: number }>(),
  'daemon.status': route(z.strictObject({})).answers<DaemonStatus>(),
  /** What only the daemon knows of this machine's state, for `roomtape doctor`. */
  'daemon.examine': route(z.strictObject({})).answers<readonly Finding[]>(),
  /** Answers first, then ends. */
  'daemon.stop': route(z.strictObject({})).answers<{ readonly pid: number }>(),
};

/** Routes that a command of another version may call, so that it can stop an old daemon. */
export const versionFreeRoutes: readonly string[] = ['daemon.hello', 'daemon.stop'];
