/**
 * Recordings made inside a browser (MediaRecorder), Jitsi Meet's local recordings among them.
 *
 * A WebM of a browser has neither duration nor cues even when it is whole; its MP4 is fragmented.
 */
import { head32, type RecorderProfile, spells } from './profile.ts';

const jitsiName =
  /^(?<room>.+)_(?<y>\d{4})-(?<mo>\d{2})-(?<d>\d{2})T(?<h>\d{2})[:_](?<mi>\d{2})[:_](?<s>\d{2})\.(?<ms>\d{3})Z\.(?:webm|mp4)$/;

export const browser: RecorderProfile = {
  id: 'browser',
  title: 'a browser (MediaRecorder)',
  names: [
    {
      of: 'file',
      pattern: jitsiName,
      weight: 0.85,
      role: 'recording',
      clock: 'utc',
      says: 'the name is a room and a time as Jitsi Meet writes them',
    },
  ],
  writers: [
    { pattern: /^Chrome/, weight: 0.95, says: 'Chrome wrote it' },
    { pattern: /^QTmuxingAppLibWebM/, weight: 0.9, says: 'Firefox’s WebM writer wrote it' },
    { pattern: /^WebKit|^Safari/, weight: 0.9, says: 'Safari wrote it' },
  ],
  heads: [
    {
      matches: isChromiumMp4,
      weight: 0.6,
      says: 'the first boxes are those of Chromium’s fragmented MP4',
    },
  ],
  // A tab in the background may write once in many seconds.
  quietForMs: 30_000,
  places: [
    { system: 'linux', folder: '{downloads}' },
    { system: 'darwin', folder: '{downloads}' },
    { system: 'win32', folder: '{downloads}' },
  ],
  creationTime: 'start',
  // The page usually collects the recording in memory and saves it at the end.
  birth: 'conversion',
};

/** `ftyp` of 36 bytes, brand isom, then at once `moov` with a version 1 `mvhd` that has a date. */
function isChromiumMp4(head: Uint8Array): boolean {
  return (
    head32(head, 0, 'big') === 36 &&
    spells(head, 4, 'ftypisom') &&
    spells(head, 40, 'moov') &&
    spells(head, 48, 'mvhd') &&
    head[52] === 1 &&
    head32(head, 60, 'big') > 0
  );
}
