/**
 * Coverage of a session: its journal read as intervals, and what became of each recording's files.
 */
import type { coverageRoutes } from '../api/coverage-routes.ts';
import type { ListedRecording } from '../catalogue/recording-table.ts';
import { coverage, type FileFate } from '../session/coverage.ts';
import type { RecordingId } from '../session/ids.ts';
import { timelineOf } from '../session/timeline.ts';
import type { Area, DaemonContext } from './area.ts';
import type { Sessions } from './sessions.ts';

export function openCoverage(
  context: DaemonContext,
  sessions: Sessions,
): Area<keyof typeof coverageRoutes> {
  return {
    handlers: {
      'session.coverage': ({ session }) => {
        const state = sessions.find(session);
        const timeline = timelineOf(sessions.history(state.id));
        const covered = coverage(state, timeline, fatesOf(context, state.id), sessions.now());
        return { session: { id: state.id, topic: state.topic }, ...covered };
      },
    },
  };
}

function fatesOf(context: DaemonContext, session: string): Map<RecordingId, FileFate> {
  const fates = new Map<RecordingId, FileFate>();
  for (let from: string | null | undefined; from !== null; ) {
    const page = context.catalogue.recordings.list({ session }, { limit: 1000, from });
    for (const recording of page.recordings) {
      const fate = fateOf(recording);
      if (fate) fates.set(recording.id as RecordingId, fate);
    }
    from = page.next;
  }
  return fates;
}

/** The worst of its takes; nothing while a file still grows or where there is none. */
function fateOf({ takes }: ListedRecording): FileFate | undefined {
  const settled = takes.filter(({ stage }) => stage === 'indexed');
  if (settled.length === 0 || settled.length < takes.length) return undefined;
  const broken = settled.filter(({ verdict }) => verdict !== 'whole' && verdict !== 'ready');
  if (broken.length === 0) return 'whole';
  return broken.every(({ recoveredPath }) => recoveredPath !== null) ? 'recovered' : 'interrupted';
}
