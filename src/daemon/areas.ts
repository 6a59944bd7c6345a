/**
 * The areas of the daemon, put together: one line each.
 */
import type { Handlers } from '../api/contract.ts';
import type { Finding } from '../api/finding.ts';
import type { StatusPart } from '../api/status.ts';
import { Rescue } from '../system/rescue.ts';
import type { DaemonContext } from './area.ts';
import { openCoverage } from './coverage.ts';
import { openItself } from './itself.ts';
import { openLines } from './lines.ts';
import { openPeople } from './people.ts';
import { openRecorders } from './recorders.ts';
import { openRecordings } from './recordings.ts';
import { openSafetyNet } from './safety-net.ts';
import { Sessions } from './sessions.ts';
import { Takes } from './takes.ts';
import { openWaitsForRoom } from './waits-for-room.ts';
import { openWatching } from './watching.ts';

export interface Areas {
  readonly handlers: Handlers;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the areas in the order they need each other. */
export async function openAreas(context: DaemonContext): Promise<Areas> {
  // Later ones may use earlier ones; they are closed the other way round.
  const all: Lifecycle[] = [];
  const itself = openItself(context, {
    status: () => all.flatMap((area) => area.status?.() ?? []),
    examine: async () => {
      const asked = await Promise.all(all.map(async (area) => area.examine?.() ?? []));
      return asked.flat();
    },
  });
  all.push(itself);
  const sessions = new Sessions(context);
  const lines = openLines(context, sessions);
  all.push(lines);
  const people = openPeople(context, {
    sessions,
    linesOf: lines.linesOf,
    ownKey: () => lines.identity().key,
  });
  all.push(people);
  const takes = new Takes(
    context,
    sessions,
    new Rescue({ ffmpeg: context.config.ffmpeg, isBackground: true }),
  );
  const watching = openWatching(context, takes);
  all.push(watching);
  const recorders = openRecorders(context, sessions, watching);
  all.push(recorders);
  all.push(openSafetyNet(context, takes));
  all.push(openWaitsForRoom(context, takes));
  takes.onChange((take, moment) => recorders.onTake(take, moment));
  takes.recorderSays = (path) => recorders.desk.recordingOf(path);
  const recordings = openRecordings(context, {
    sessions,
    rescue: new Rescue({ ffmpeg: context.config.ffmpeg }),
    proofOf: async (recording) => (await people.handlers['session.proof']({ recording })).steps,
  });
  all.push(recordings);
  return {
    handlers: {
      ...itself.handlers,
      ...people.handlers,
      ...lines.handlers,
      ...watching.handlers,
      ...recorders.handlers,
      ...recordings.handlers,
      ...openCoverage(context, sessions).handlers,
    },
    async start() {
      for (const area of all) await area.start?.();
    },
    async close() {
      const ends = [...all].reverse().map(async (area) => area.close?.());
      for (const end of await Promise.allSettled(ends)) {
        if (end.status === 'rejected')
          context.log.error({ err: end.reason }, 'an area ended badly');
      }
    },
  };
}

interface Lifecycle {
  start?(): Promise<void> | void;
  status?(): StatusPart;
  examine?(): Promise<readonly Finding[]>;
  close?(): Promise<void> | void;
}
