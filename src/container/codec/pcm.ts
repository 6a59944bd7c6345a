/**
 * Uncompressed sound: every frame has the same size, and any bytes may be one.
 *
 * Names and flags: QuickTime File Format (sound sample descriptions), ISO/IEC 23003-5 (`ipcm`,
 * `fpcm`).
 */
import { needsMore, type SampleCodec } from './codec.ts';
import type { SampleEntry } from './sample-entry.ts';
import { soundCodec } from './sound-codec.ts';

interface PcmFormat {
  readonly name: string;
  readonly bytes: number;
}

const plain: Readonly<Record<string, PcmFormat>> = {
  'raw ': { name: 'pcm_u8', bytes: 1 },
  ulaw: { name: 'pcm_mulaw', bytes: 1 },
  alaw: { name: 'pcm_alaw', bytes: 1 },
  sowt: { name: 'pcm_s16le', bytes: 2 },
  twos: { name: 'pcm_s16be', bytes: 2 },
  in24: { name: 'pcm_s24be', bytes: 3 },
  in32: { name: 'pcm_s32be', bytes: 4 },
  fl32: { name: 'pcm_f32be', bytes: 4 },
  fl64: { name: 'pcm_f64be', bytes: 8 },
};

/** The codec of an uncompressed sound entry; null for any other entry. */
export function pcmCodec(entry: SampleEntry): SampleCodec | null {
  const format = pcmFormat(entry);
  const channels = entry.channels;
  if (!format || channels < 1 || channels > 64 || !(entry.rate > 0)) return null;
  const fixedBytes = format.bytes * channels;
  return soundCodec({
    codec: format.name,
    framing: 'fixed',
    fixedBytes,
    maxSampleBytes: fixedBytes,
    rate: entry.rate,
    usualDuration: 1,
    channels,
    measure: (_bytes, at, end) => (at + fixedBytes <= end ? fixedBytes : needsMore),
  });
}

function pcmFormat(entry: SampleEntry): PcmFormat | null {
  const { fourcc } = entry;
  const little = entry.boxes.get('enda')?.[1] === 1;
  if (fourcc === 'lpcm' || fourcc === 'ipcm' || fourcc === 'fpcm') return flaggedFormat(entry);
  // QuickTime's `twos` and `sowt` also carry 8 bits.
  if ((fourcc === 'twos' || fourcc === 'sowt') && entry.bitsPerSample === 8) {
    return { name: 'pcm_s8', bytes: 1 };
  }
  if (fourcc === 'raw ' && entry.bitsPerSample === 16) return { name: 'pcm_s16be', bytes: 2 };
  const format = plain[fourcc];
  if (!format) return null;
  return little ? { ...format, name: format.name.replace(/be$/, 'le') } : format;
}

function flaggedFormat(entry: SampleEntry): PcmFormat | null {
  const pcmC = entry.boxes.get('pcmC');
  const bits = pcmC ? (pcmC[5] ?? 0) : entry.bitsPerSample;
  const float = pcmC ? entry.fourcc === 'fpcm' : (entry.formatFlags & 1) !== 0;
  const big = pcmC ? ((pcmC[4] ?? 0) & 1) === 0 : (entry.formatFlags & 2) !== 0;
  const bytes =
    entry.bytesPerFrame > 0 && entry.channels > 0
      ? entry.bytesPerFrame / entry.channels
      : Math.ceil(bits / 8);
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 8) return null;
  const order = bytes === 1 ? '' : big ? 'be' : 'le';
  return { name: `pcm_${float ? 'f' : 's'}${bytes * 8}${order}`, bytes };
}
