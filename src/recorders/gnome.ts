/**
 * GNOME's screen recorder: `Screencast From 2026-03-01 10-00-00.webm` in Videos/Screencasts
 * (a small f in older versions), written through GStreamer.
 */
import type { RecorderProfile } from './profile.ts';

export const gnome: RecorderProfile = {
  id: 'gnome',
  title: 'GNOME’s screen recorder',
  names: [
    {
      of: 'file',
      pattern:
        /^Screencast [Ff]rom (?<y>\d{4})-(?<mo>\d{2})-(?<d>\d{2}) (?<h>\d{2})-(?<mi>\d{2})-(?<s>\d{2})\.(?:webm|mp4|mkv)$/,
      weight: 0.95,
      role: 'recording',
      clock: 'local',
      says: 'the name is that of a GNOME screencast',
    },
    {
      of: 'folder',
      pattern: /^Screencasts$/,
      weight: 0.3,
      says: 'the folder is GNOME’s for screencasts',
    },
  ],
  quietForMs: 10_000,
  places: [{ system: 'linux', folder: '{videos}/Screencasts' }],
  creationTime: 'start',
  birth: 'start',
};
