/**
 * Which codec a sample entry asks for: the one place that chooses among them.
 */
import { aacCodec } from './aac.ts';
import { alacFromConfig } from './alac.ts';
import { parseAudioConfig, parseElementaryStream } from './audio-config.ts';
import { av1FromConfig } from './av1.ts';
import type { SampleCodec } from './codec.ts';
import { flacFromConfig } from './flac-frame.ts';
import { h264FromConfig } from './h264.ts';
import { hevcFromConfig } from './hevc.ts';
import { ac3Codec, eac3Codec, mp3Codec } from './mpeg-audio.ts';
import { opusFromConfig } from './opus.ts';
import { pcmCodec } from './pcm.ts';
import { mjpegCodec, proresCodec, vp8Codec } from './pictures.ts';
import { parseSampleEntry, type SampleEntry } from './sample-entry.ts';
import { mpeg2VideoCodec, mpeg4VideoCodec } from './start-code-video.ts';
import { vp9FromConfig } from './vp9.ts';

/**
 * The codec of a sample entry, ready to measure its samples; null when it is one that Roomtape
 * cannot measure, or its configuration is damaged.
 *
 * @param entry  the whole box as in `stsd`: size, four-character code, fields, boxes
 * @param kind   what its track is, by its handler; null to judge by the entry itself
 */
export function sampleCodec(
  entry: Uint8Array,
  kind: 'video' | 'audio' | null = null,
): SampleCodec | null {
  const parsed = parseSampleEntry(entry, kind);
  if (!parsed) return null;
  const make = codecs.get(parsed.fourcc);
  if (make) return make(parsed);
  return parsed.kind === 'audio' ? pcmCodec(parsed) : null;
}

type MakeCodec = (entry: SampleEntry) => SampleCodec | null;

const h264 = withBox('avcC', h264FromConfig);
const hevc = withBox('hvcC', hevcFromConfig);
const mjpeg: MakeCodec = (entry) => mjpegCodec(entry.width, entry.height);
const prores: MakeCodec = (entry) => proresCodec(entry.width, entry.height);
const mp3: MakeCodec = (entry) => mp3Codec(entry.rate, entry.channels);

const codecs: ReadonlyMap<string, MakeCodec> = new Map<string, MakeCodec>([
  ['avc1', h264],
  ['avc2', h264],
  ['avc3', h264],
  ['avc4', h264],
  ['hvc1', hevc],
  ['hev1', hevc],
  ['av01', withBox('av1C', (box, { width, height }) => av1FromConfig(box, width, height))],
  ['vp08', (entry) => vp8Codec(entry.width, entry.height)],
  ['vp09', ({ boxes, width, height }) => vp9FromConfig(boxes.get('vpcC'), width, height)],
  ['jpeg', mjpeg],
  ['mjpa', mjpeg],
  ['mjpb', mjpeg],
  ['MJPG', mjpeg],
  ...['apch', 'apcn', 'apcs', 'apco', 'ap4h', 'ap4x'].map((name) => [name, prores] as const),
  ['mp4v', mpegVideo],
  ['m2v1', (entry) => mpeg2VideoCodec(entry.width, entry.height)],
  ['mp4a', mpegAudio],
  ['.mp3', mp3],
  ['mp3 ', mp3],
  ['Opus', withBox('dOps', opusFromConfig)],
  ['fLaC', withBox('dfLa', flacFromConfig)],
  ['alac', withBox('alac', alacFromConfig)],
  ['ac-3', (entry) => ac3Codec(entry.rate, entry.channels)],
  ['ec-3', (entry) => eac3Codec(entry.rate, entry.channels)],
]);

function withBox(
  type: string,
  make: (box: Uint8Array, entry: SampleEntry) => SampleCodec | null,
): MakeCodec {
  return (entry) => {
    const box = entry.boxes.get(type);
    return box ? make(box, entry) : null;
  };
}

/** `mp4v`: its object type indication says which of the older codecs it is (14496-1 table 5). */
function mpegVideo(entry: SampleEntry): SampleCodec | null {
  const { boxes, width, height } = entry;
  const esds = boxes.get('esds');
  const stream = esds ? parseElementaryStream(esds) : null;
  if (!stream) return null;
  const { objectType, setup } = stream;
  if (objectType === 0x20) return mpeg4VideoCodec(setup, width, height);
  if ((objectType >= 0x60 && objectType <= 0x65) || objectType === 0x6a) {
    return mpeg2VideoCodec(width, height);
  }
  return objectType === 0x6c ? mjpegCodec(width, height) : null;
}

/** `mp4a`: its object type indication says whether it is AAC or MPEG audio (14496-1 table 5). */
function mpegAudio(entry: SampleEntry): SampleCodec | null {
  const esds = entry.boxes.get('esds');
  const stream = esds ? parseElementaryStream(esds) : null;
  if (!stream) return null;
  const { objectType } = stream;
  if (objectType === 0x69 || objectType === 0x6b) return mp3Codec(entry.rate, entry.channels);
  const isAac = objectType === 0x40 || (objectType >= 0x66 && objectType <= 0x68);
  const config = isAac ? parseAudioConfig(stream.setup) : null;
  return config ? aacCodec(config) : null;
}
