/**
 * Repairs that found no room on the disk: told in the status, and made as soon as there is some.
 */
import { dirname } from 'node:path';
import type { StatusPart } from '../api/status.ts';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { freeBytes } from '../system/machine.ts';
import type { DaemonContext } from './area.ts';
import type { TakeMoment, Takes } from './takes.ts';

/** How often a full disk is looked at, in ms; nothing is looked at while none is full. */
const lookEveryMs = 5_000;
/** A repair is tried again when so many bytes have become free, and not for each small file. */
const worthATry = 1_000_000;

interface Waiting {
  readonly path: string;
  readonly problem: string;
  readonly next: string;
  /** What was free when there was too little. */
  readonly free: number;
}

export interface WaitsForRoom {
  start(): Promise<void>;
  status(): StatusPart;
  close(): void;
}

export function openWaitsForRoom(context: DaemonContext, takes: Takes): WaitsForRoom {
  const waiting = new Map<string, Waiting>();
  let timer: NodeJS.Timeout | undefined;

  const add = async (take: TakeRecord): Promise<void> => {
    const free = (await freeBytes(dirname(take.path))) ?? 0;
    const { problem, next } = take.detail;
    waiting.set(take.id, { path: take.path, problem: String(problem), next: String(next), free });
    timer ??= setInterval(() => void look(), lookEveryMs).unref();
  };

  const look = async (): Promise<void> => {
    for (const [id, { path, free }] of [...waiting]) {
      const now = (await freeBytes(dirname(path))) ?? 0;
      if (now - free < worthATry) continue;
      waiting.delete(id);
      takes.recoverAgain(id);
    }
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const onTake = (take: TakeRecord, moment: TakeMoment): void => {
    if (moment === 'growing' || moment === 'settled') return;
    if (moment === 'indexed' && wantsRoom(take)) void add(take);
    else waiting.delete(take.id);
  };

  takes.onChange(onTake);
  return {
    /** Takes up what a former daemon had no room for. */
    async start() {
      const { recordings } = context.catalogue;
      const page = recordings.list({ verdict: 'interrupted' }, { limit: 200 });
      for (const take of page.recordings.flatMap((one) => one.takes)) {
        if (take.identity !== '' && wantsRoom(take)) await add(take);
      }
    },
    status: () => ({
      notices: [...waiting.values()].map(({ path, problem, next }) => ({
        level: 'error' as const,
        text: `${path} is interrupted. ${problem} It is repaired as soon as there is room.`,
        next,
      })),
    }),
    close() {
      clearInterval(timer);
    },
  };
}

const wantsRoom = ({ detail, recoveredPath }: TakeRecord): boolean =>
  detail['obstacle'] === 'disk-full' && recoveredPath === null;
