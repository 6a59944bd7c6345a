/**
 * QuickTime Player and macOS's own screen recording.
 *
 * While it records, QuickTime keeps an unfinished MOV inside a package below
 * `Autosave Information`; the finished file is written by "Save".
 */
import type { RecorderProfile } from './profile.ts';

export const quicktime: RecorderProfile = {
  id: 'quicktime',
  title: 'QuickTime Player',
  names: [
    {
      of: 'folder',
      pattern: /\.qtpxcomposition$/,
      weight: 0.9,
      role: 'recording',
      says: 'it lies in a package of QuickTime Player',
    },
    {
      of: 'any-folder',
      pattern: /^Autosave Information$/,
      weight: 0.3,
      says: 'it lies where macOS keeps unsaved documents',
    },
    {
      of: 'file',
      pattern:
        /^Screen Recording(?: (?<y>\d{4})-(?<mo>\d{2})-(?<d>\d{2}) at (?<h>\d{1,2})\.(?<mi>\d{2})\.(?<s>\d{2})(?:[ \u202f](?<pm>AM|PM))?)?(?: \(\d+\)| \d+)?\.mov$/,
      weight: 0.75,
      role: 'recording',
      clock: 'local',
      says: 'the name is that of a screen recording on macOS',
    },
  ],
  heads: [
    {
      matches: (head) =>
        head[4] === 0x66 && String.fromCharCode(...head.subarray(4, 12)) === 'ftypqt  ',
      weight: 0.1,
      says: 'the file is of QuickTime’s own brand',
    },
  ],
  writers: [{ pattern: /QuickTime Player|^com\.apple\./, weight: 0.9, says: 'QuickTime wrote it' }],
  quietForMs: 30_000,
  places: [
    { system: 'darwin', folder: '{desktop}' },
    { system: 'darwin', folder: '{videos}' },
    {
      system: 'darwin',
      folder:
        '{home}/Library/Containers/com.apple.QuickTimePlayerX/Data/Library/Autosave Information',
    },
  ],
  creationTime: 'start',
  birth: 'start',
};
