/**
 * What the daemon answers about itself.
 */
import type { daemonRoutes } from '../api/daemon-routes.ts';
import type { Finding } from '../api/finding.ts';
import type { DaemonStatus, StatusPart } from '../api/status.ts';
import { disagreements } from '../session/disagreement.ts';
import type { Area, DaemonContext } from './area.ts';
import { CatalogueCare } from './catalogue-care.ts';

/** Asks every area for its part. */
export interface AllAreas {
  status(): readonly StatusPart[];
  examine(): Promise<readonly Finding[]>;
}

export function openItself(
  context: DaemonContext,
  areas: AllAreas,
): Area<keyof typeof daemonRoutes> {
  const care = new CatalogueCare(context);
  return {
    start: () => care.start(),
    close: () => care.close(),
    status: () => ({ notices: care.notices() }),
    handlers: {
      'daemon.hello': () => ({ pid: process.pid }),
      'daemon.status': () => statusOf(context, areas.status()),
      'daemon.examine': () => areas.examine(),
      'daemon.stop': () => {
        // After this turn of the loop the answer is on its way; closing waits for it.
        setImmediate(() => context.stop('asked to'));
        return { pid: process.pid };
      },
    },
  };
}

function statusOf(context: DaemonContext, parts: readonly StatusPart[]): DaemonStatus {
  const recordings = parts.flatMap((part) => part.recordings ?? []);
  const takes = parts.flatMap((part) => part.takes ?? []);
  // What was never declared disagrees with nobody; who records it has been told already.
  const declared = recordings.filter((recording) => recording.declared);
  const observed = new Set(recordings.filter((one) => !one.declared).map(({ id }) => id));
  const files = takes.filter(({ recording }) => recording === null || !observed.has(recording));
  return {
    pid: process.pid,
    version: context.version,
    home: context.paths.home,
    startedAt: context.startedAt,
    sessions: parts.flatMap((part) => part.sessions ?? []),
    recordings,
    takes,
    notices: parts.flatMap((part) => part.notices ?? []),
    disagreements: disagreements(declared, files, context.clock.now()),
  };
}
