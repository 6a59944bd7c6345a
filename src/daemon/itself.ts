/**
 * What the daemon answers about itself.
 */
import type { daemonRoutes } from '../api/daemon-routes.ts';
import type { Finding } from '../api/finding.ts';
import type { DaemonStatus, StatusPart } from '../api/status.ts';
import { lastBackupAt } from '../catalogue/backup.ts';
import { disagreements } from '../session/disagreement.ts';
import { Appointment } from '../system/clock.ts';
import type { Area, DaemonContext } from './area.ts';

const dayMs = 24 * 3_600_000;

/** Asks every area for its part. */
export interface AllAreas {
  status(): readonly StatusPart[];
  examine(): Promise<readonly Finding[]>;
}

export function openItself(
  context: DaemonContext,
  areas: AllAreas,
): Area<keyof typeof daemonRoutes> {
  const { catalogue, clock, log, paths } = context;
  const nextBackup = new Appointment(clock, () => void backUpDaily());

  async function backUpDaily(): Promise<void> {
    const now = clock.now();
    try {
      const last = lastBackupAt(paths.backups);
      // A clock that was set back must not keep the next backup away for months.
      if (last <= now && now - last < dayMs) return;
      log.info({ path: await catalogue.backUp('daily', now) }, 'the catalogue was backed up');
    } catch (error) {
      log.error({ err: error }, 'the catalogue could not be backed up');
    } finally {
      if (!closed) nextBackup.set(clock.now() + dayMs / 24);
    }
  }

  let closed = false;
  return {
    start() {
      // Not while everything else starts.
      nextBackup.set(clock.now() + 60_000);
    },
    close() {
      closed = true;
      nextBackup.cancel();
    },
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
  // The recorders of other people write to other machines.
  const here = recordings.filter((recording) => recording.here);
  return {
    pid: process.pid,
    version: context.version,
    home: context.paths.home,
    startedAt: context.startedAt,
    sessions: parts.flatMap((part) => part.sessions ?? []),
    recordings,
    takes,
    notices: parts.flatMap((part) => part.notices ?? []),
    disagreements: disagreements(here, takes, context.clock.now()),
  };
}
