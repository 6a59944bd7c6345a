/**
 * Zoom's local recordings: names, companions, places. What a whole meeting folder means is in
 * zoom-folder.ts.
 *
 * A finished Zoom file is a plain MP4; an interrupted one is a `.zoom` file, never an MP4 without
 * `moov`. `creation_time` inside is when the conversion finished (measured: 3.4 and 32 minutes
 * after the start), so only names and the control file tell the start.
 */
import { head32, type NameRule, type RecorderProfile } from './profile.ts';

/** First four bytes of a `.zoom` media file and of each of its records, little-endian. */
export const zoomMagic = 0x2c05f158;

/** A meeting's folder: the start in local time, the topic, in older clients the meeting id. */
export const zoomFolderName =
  /^(?<y>\d{4})-(?<mo>\d{1,2})-(?<d>\d{1,2}) (?<h>\d{2})\.(?<mi>\d{2})\.(?<s>\d{2})(?:\s+(?<topic>.*?))?(?:\s(?<meetingId>\d{9,11}))?$/;
export const zoomRawName = /^double_click_to_convert_(?<n>\d{2,})\.zoom$/;
export const zoomTemporaryName = /^(?:video|audio)\d+\.(?:mp4|m4a)\.tmp$/;
export const zoomFinalName =
  /^(?<kind>video|audio)(?<part>\d{1,2})(?<magic>\d{9,10})\.(?<ext>mp4|m4a)$/;
export const zoomLegacyVideoName = /^zoom_(?<n>\d+)\.mp4$/;
export const zoomLegacyAudioName = /^audio_only(?:_(?<n>\d+))?\.m4a$/;
export const zoomCloudName =
  /^GMT(?<y>\d{4})(?<mo>\d{2})(?<d>\d{2})-(?<h>\d{2})(?<mi>\d{2})(?<s>\d{2})_/;
const separateAudioFolder = /^Audio Record$/;
const savedText =
  /^(?:chat|meeting_saved_chat|meeting_saved_new_chat|closed_caption|meeting_saved_closed_caption)\.txt$/;

const names: readonly NameRule[] = [
  rule('file', zoomTemporaryName, 0.6, 'the name is that of an unfinished conversion', 'temporary'),
  rule(
    'file',
    /^double_click_to_convert_01\.zoom$/,
    0.75,
    'the name is that of a recording before conversion',
    'raw',
  ),
  // _02 and _03 are streams of the same recording: control, and separate voices.
  rule('file', zoomRawName, 0.75, 'the name is that of a recording before conversion', 'companion'),
  // Beside every video lies its sound as audio….m4a: the same mix, not a second recording.
  rule('file', /^audio\d{1,2}\d{9,10}\.m4a$/, 0.6, 'the name is that of Zoom’s audio', 'companion'),
  rule('file', zoomFinalName, 0.7, 'the name is that of a converted recording', 'recording'),
  rule('file', zoomLegacyVideoName, 0.7, 'the name is that of an older Zoom', 'recording'),
  rule('file', zoomLegacyAudioName, 0.6, 'the name is that of an older Zoom', 'companion'),
  {
    ...rule('file', zoomCloudName, 0.85, 'the name is that of a cloud download', 'recording'),
    clock: 'utc',
    origin: 'cloud',
  },
  rule('folder', separateAudioFolder, 0.5, 'the folder holds separate audio tracks', 'companion'),
  rule(
    'file',
    /^recording\.conf$/,
    0.6,
    'the name is that of Zoom’s conversion record',
    'companion',
  ),
  rule('file', /^zoomver\.tag$/, 0.9, 'the name is that of Zoom’s list of raw files', 'companion'),
  rule('file', /^playback\.m3u$/, 0.3, 'the name is that of Zoom’s playlist', 'companion'),
  rule('file', savedText, 0.4, 'the name is that of a chat or captions saved by Zoom', 'companion'),
  rule('file', /\.vtt$/i, 0, 'captions', 'companion'),
  {
    ...rule('folder', zoomFolderName, 0.6, 'the folder is named as Zoom names its meetings'),
    clock: 'local',
  },
];

export const zoom: RecorderProfile = {
  id: 'zoom',
  title: 'Zoom',
  names,
  heads: [
    {
      matches: (head) => head32(head, 0, 'little') === zoomMagic,
      weight: 0.97,
      says: 'the first bytes are those of a .zoom file',
    },
    {
      // Tencent Meeting uses the same name: without the magic number it is not Zoom's.
      matches: (head, name) =>
        head.length >= 4 && zoomRawName.test(name) && head32(head, 0, 'little') !== zoomMagic,
      weight: -1,
      says: 'the first bytes are not those of a .zoom file',
    },
  ],
  siblings: [
    { pattern: /^recording\.conf$/, weight: 0.5, says: 'recording.conf lies beside it' },
    { pattern: /^zoomver\.tag$/, weight: 0.6, says: 'zoomver.tag lies beside it' },
  ],
  // A pause leaves no mark: the files just stand still, so silence says little about the end.
  quietForMs: 120_000,
  places: [
    { system: 'win32', folder: '{documents}/Zoom' },
    { system: 'win32', folder: '{onedrive}/*/Zoom' },
    { system: 'darwin', folder: '{documents}/Zoom' },
    { system: 'linux', folder: '{documents}/Zoom' },
    { system: 'linux', folder: '{home}/snap/zoom-client/current/Documents/Zoom' },
  ],
  creationTime: 'conversion',
  birth: 'conversion',
};

function rule(
  of: NameRule['of'],
  pattern: RegExp,
  weight: number,
  says: string,
  role?: NameRule['role'],
): NameRule {
  return role ? { of, pattern, weight, says, role } : { of, pattern, weight, says };
}
