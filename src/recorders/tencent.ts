/**
 * Tencent Meeting, which names its raw files as Zoom does; told apart by the first bytes.
 *
 * Roomtape neither reads nor converts these files: it says whose they are, and that only Tencent
 * Meeting can convert them.
 */
import { head32, type RecorderProfile } from './profile.ts';
import { zoomMagic } from './zoom.ts';

const rawName = /^double_click_to_convert_\d{2,}(?:\.[a-z0-9]+)?$/i;

export const tencent: RecorderProfile = {
  id: 'tencent',
  title: 'Tencent Meeting',
  names: [
    {
      of: 'file',
      pattern: rawName,
      weight: 0.3,
      role: 'raw',
      says: 'the name is one that Tencent Meeting shares with Zoom',
    },
  ],
  heads: [
    {
      matches: (head, name) =>
        head.length >= 4 && rawName.test(name) && head32(head, 0, 'little') !== zoomMagic,
      weight: 0.4,
      says: 'the first bytes are not those of a .zoom file',
    },
  ],
  quietForMs: 120_000,
  places: [],
  creationTime: 'conversion',
  birth: 'start',
  note: 'Only Tencent Meeting can convert this file.',
};
