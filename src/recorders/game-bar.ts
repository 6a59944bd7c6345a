/**
 * Windows' Game Bar.
 *
 * Its names and what an interruption leaves are not verified, so a match is never more than a
 * guess by its folder; the file itself is judged by its container as any other.
 */
import type { RecorderProfile } from './profile.ts';

export const gameBar: RecorderProfile = {
  id: 'game-bar',
  title: 'Windows Game Bar',
  names: [
    {
      of: 'folder',
      pattern: /^Captures$/,
      weight: 0.35,
      says: 'the folder is named as Game Bar’s',
    },
  ],
  quietForMs: 30_000,
  places: [{ system: 'win32', folder: '{videos}/Captures' }],
  creationTime: 'end',
  birth: 'start',
};
