/**
 * The catalogue as reference: profiles of whole files, from which a broken one learns its codecs.
 */
import { dirname } from 'node:path';
import type { TakeRecord } from '../catalogue/take-table.ts';
import { type ContainerId, containerIds } from '../container/diagnosis.ts';
import type { ReferenceProfile } from '../container/format.ts';
import type { DaemonContext } from './area.ts';

const mp4Like: readonly ContainerId[] = ['mp4', 'mov', 'm4a'];
const mostProfiles = 12;

/** Containers whose files serve each other as reference; a file that still grows may be any MP4. */
export const family = (container: string): readonly ContainerId[] => {
  if (container === 'unknown' || mp4Like.some((one) => one === container)) return mp4Like;
  return containerIds.filter((id) => id === container);
};

/** Profiles of whole files, those of the same folder and recorder first, then the newest. */
export function profilesNear(context: DaemonContext, take: TakeRecord): ReferenceProfile[] {
  const folder = dirname(take.path);
  const nearness = ({ recorder, path }: { recorder: string; path: string }) =>
    (dirname(path) === folder ? 2 : 0) + (recorder === take.recorder ? 1 : 0);
  return context.catalogue.profiles
    .of(family(take.container), 50)
    .toSorted((a, b) => nearness(b) - nearness(a))
    .slice(0, mostProfiles)
    .map(({ container, signature, path, body }) => ({
      container: containerIds.find((id) => id === container) ?? 'unknown',
      signature,
      path,
      body,
    }));
}
