/**
 * ffmpeg itself and whatever else writes through libavformat under a name of its own.
 *
 * libavformat writes in blocks of 256 KiB: at low bitrates a file may stay at 0 bytes for a while,
 * and a killed one may have stayed there.
 */
import { head32, type RecorderProfile, spells } from './profile.ts';

// Its time is that of the command; the file's birth is nearer to the first picture.
const ownCapture = /^Roomtape \d{4}-\d{2}-\d{2} \d{2}-\d{2}-\d{2}(?: \((?:part )?\d+\))*\.mkv$/;

export const ffmpeg: RecorderProfile = {
  id: 'ffmpeg',
  title: 'ffmpeg or a program built on it',
  names: [
    {
      of: 'file',
      pattern: ownCapture,
      weight: 0.8,
      role: 'recording',
      says: 'the name is that of Roomtape’s own capture',
    },
  ],
  writers: [{ pattern: /^Lavf/, weight: 0.55, says: 'libavformat wrote it' }],
  heads: [
    {
      matches: (head) => isLibavFtyp(head),
      weight: 0.35,
      says: 'the first boxes are those of libavformat',
    },
    {
      matches: (head) =>
        spells(head, 0, 'RIFF') &&
        head32(head, 4, 'little') === 0xffffffff &&
        spells(head, 8, 'WAVE'),
      weight: 0.4,
      says: 'the size is the one libavformat begins a WAV with',
    },
  ],
  quietForMs: 15_000,
  places: [],
  creationTime: 'start',
  birth: 'start',
};

/** Minor version 512 of `ftyp` is libavformat's habit. */
function isLibavFtyp(head: Uint8Array): boolean {
  return spells(head, 4, 'ftyp') && head32(head, 12, 'big') === 512;
}
