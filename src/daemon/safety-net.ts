/**
 * The safety net of `keep-link`: each growing take has a second name in the data folder until it is
 * whole and indexed, so that a recorder that deletes its temporary file deletes no recording.
 */
import type { StatusPart } from '../api/status.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { type KeptLink, keepLink, keptLinks, releaseLink } from '../system/kept-links.ts';
import type { DaemonContext } from './area.ts';
import type { TakeMoment, Takes } from './takes.ts';

export interface SafetyNet {
  start(): Promise<void>;
  status(): StatusPart;
  close(): Promise<void>;
}

export function openSafetyNet(context: DaemonContext, takes: Takes): SafetyNet {
  const { catalogue, config, log, paths } = context;
  /** Links whose file has no other name any more. */
  const lastNames = new Map<string, string>();
  const links = new Map<string, string>();
  let work: Promise<void> = Promise.resolve();

  const onTake = async (take: TakeRecord, moment: TakeMoment): Promise<void> => {
    if (moment === 'growing' && config['keep-link'] && !links.has(take.id)) {
      const kept = await keepLink(paths.links, take.id, take.path);
      if (kept !== null) links.set(take.id, kept);
      else log.warn({ path: take.path }, 'no link can be kept to this file');
    }
    if (moment === 'indexed' && isSafe(take)) await release(take.id);
    if (moment === 'gone') await release(take.id);
  };

  const release = async (id: string): Promise<void> => {
    const kept = links.get(id);
    if (kept === undefined) return;
    links.delete(id);
    if (await releaseLink(kept)) {
      lastNames.delete(kept);
      return;
    }
    const path = catalogue.takes.byId(id)?.path ?? 'a file';
    lastNames.set(kept, path);
    const text = `${path} was deleted before it was whole; its bytes are kept.`;
    const next = recoverCommand(kept);
    context.publish({ type: 'warning:kept-link', text, body: { take: id, path, kept, next } });
  };

  takes.onChange((take, moment) => {
    // One after the other: the link to a take is made before it is released.
    work = work
      .then(() => onTake(take, moment))
      .catch((problem) => log.error({ err: problem }, 'the safety net failed'));
  });

  return {
    /** Finds what a former daemon kept. */
    async start() {
      for (const { take, path } of await keptLinks(paths.links)) await takeUp({ take, path });
    },
    status: () => ({
      notices: [...lastNames].map(([kept, path]) => ({
        level: 'warning' as const,
        text: `${path} was deleted before it was whole; its bytes are kept.`,
        next: recoverCommand(kept),
      })),
    }),
    async close() {
      await work;
    },
  };

  async function takeUp({ take, path }: KeptLink): Promise<void> {
    links.set(take, path);
    const known = catalogue.takes.byId(take);
    if (!known || isSafe(known) || known.identity === '') await release(take);
  }
}

/** Nothing more can be lost: the file is whole, or a whole copy of it has been made. */
function isSafe(take: TakeRecord): boolean {
  return take.stage === 'indexed' && (take.verdict === 'whole' || take.recoveredPath !== null);
}

function recoverCommand(kept: string): string {
  return `roomtape recover '${kept.replaceAll("'", "'\\''")}' --out FOLDER`;
}
