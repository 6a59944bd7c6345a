/**
 * Which codec a sample entry asks for: the one place that chooses among them.
 */
import { aacCodec } from './aac.ts';
import { parseAudioConfig, parseElementaryStream } from './audio-config.ts';
import { av1FromConfig } from './av1.ts';
import type { SampleCodec } from './codec.ts';
import { h264FromConfig } from './h264.ts';
import { hevcFromConfig } from './hevc.ts';
import { pcmCodec } from './pcm.ts';
import { parseSampleEntry, type SampleEntry } from './sample-entry.ts';

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
  const make = codecs[parsed.fourcc];
  return make ? make(parsed) : parsed.kind === 'audio' ? pcmCodec(parsed) : null;
}

type MakeCodec = (entry: SampleEntry) => SampleCodec | null;

const codecs: Readonly<Record<string, MakeCodec>> = {
  mp4a: mpegAudio,
  avc1: advancedVideo,
  avc2: advancedVideo,
  avc3: advancedVideo,
  avc4: advancedVideo,
  hvc1: highEfficiencyVideo,
  hev1: highEfficiencyVideo,
  av01: av1Video,
};

function advancedVideo(entry: SampleEntry): SampleCodec | null {
  const avcC = entry.boxes.get('avcC');
  return avcC ? h264FromConfig(avcC) : null;
}

function highEfficiencyVideo(entry: SampleEntry): SampleCodec | null {
  const hvcC = entry.boxes.get('hvcC');
  return hvcC ? hevcFromConfig(hvcC) : null;
}

function av1Video(entry: SampleEntry): SampleCodec | null {
  const av1C = entry.boxes.get('av1C');
  return av1C ? av1FromConfig(av1C, entry.width, entry.height) : null;
}

function mpegAudio(entry: SampleEntry): SampleCodec | null {
  const esds = entry.boxes.get('esds');
  const stream = esds ? parseElementaryStream(esds) : null;
  if (!stream) return null;
  const isAac =
    stream.objectType === 0x40 || (stream.objectType >= 0x66 && stream.objectType <= 0x68);
  const config = isAac ? parseAudioConfig(stream.setup) : null;
  return config ? aacCodec(config) : null;
}
