/**
 * SimpleScreenRecorder on Linux: writes through libavformat to a name the person chose, by default
 * `simplescreenrecorder` with the time behind it.
 */
import type { RecorderProfile } from './profile.ts';

export const simpleScreenRecorder: RecorderProfile = {
  id: 'simplescreenrecorder',
  title: 'SimpleScreenRecorder',
  names: [
    {
      of: 'file',
      pattern:
        /^simplescreenrecorder(?:-(?<y>\d{4})-(?<mo>\d{2})-(?<d>\d{2})_(?<h>\d{2})\.(?<mi>\d{2})\.(?<s>\d{2}))?(?:-\(\d+\)| \(\d+\))?\.[a-z0-9]+$/i,
      weight: 0.9,
      role: 'recording',
      clock: 'local',
      says: 'the name is SimpleScreenRecorder’s own',
    },
  ],
  quietForMs: 10_000,
  places: [
    { system: 'linux', folder: '{videos}' },
    { system: 'linux', folder: '{home}' },
  ],
  creationTime: 'start',
  birth: 'start',
};
