/**
 * GStreamer pipelines, by what their muxers leave in the file; the names are anybody's.
 */
import { head32, type RecorderProfile, spells } from './profile.ts';

export const gstreamer: RecorderProfile = {
  id: 'gstreamer',
  title: 'GStreamer',
  names: [],
  writers: [{ pattern: /^GStreamer/, weight: 0.85, says: 'GStreamer wrote it' }],
  heads: [
    {
      // mp4mux begins with the brand mp42, version 0, and these four compatible brands.
      matches: (head) =>
        spells(head, 4, 'ftypmp42\0\0\0\0mp42mp41isomiso2') && spells(head, 36, 'free'),
      weight: 0.7,
      says: 'the first boxes are those of GStreamer’s MP4 muxer',
    },
    {
      matches: (head) =>
        spells(head, 0, 'RIFF') &&
        spells(head, 8, 'WAVE') &&
        head32(head, 4, 'little') === 0x7fff0024,
      weight: 0.8,
      says: 'the sizes are those that GStreamer’s WAV writer begins with',
    },
  ],
  quietForMs: 10_000,
  places: [],
  creationTime: 'start',
  birth: 'start',
};
