/**
 * How many inotify watches and instances this person may have on Linux, and how many are taken.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface InotifyUse {
  readonly watches: number;
  readonly mostWatches: number;
  readonly instances: number;
  readonly mostInstances: number;
}

/** Null where there is no inotify. Counts the processes of this person that may be looked into. */
export function inotifyUse(): InotifyUse | null {
  const mostWatches = limit('max_user_watches');
  const mostInstances = limit('max_user_instances');
  if (mostWatches === null || mostInstances === null) return null;
  let watches = 0;
  let instances = 0;
  for (const pid of numbersIn('/proc')) {
    for (const descriptor of numbersIn(`/proc/${pid}/fd`)) {
      if (linkOf(`/proc/${pid}/fd/${descriptor}`) !== 'anon_inode:inotify') continue;
      instances += 1;
      const facts = textOf(`/proc/${pid}/fdinfo/${descriptor}`) ?? '';
      watches += facts.match(/^inotify /gm)?.length ?? 0;
    }
  }
  return { watches, mostWatches, instances, mostInstances };
}

function limit(name: string): number | null {
  const text = textOf(`/proc/sys/fs/inotify/${name}`);
  return text === null ? null : Number(text);
}

// Processes come and go, and others' may not be looked into: what cannot be read does not count.
function numbersIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
