/**
 * The formats Roomtape reads, and the one place that chooses among them.
 */
import { adts } from './adts/adts.ts';
import { aiff } from './aiff/aiff.ts';
import type { ByteSource } from './bytes.ts';
import { type Diagnosis, foreign } from './diagnosis.ts';
import { flac } from './flac/flac.ts';
import { flv } from './flv/flv.ts';
import { foreignDetail } from './foreign-kinds.ts';
import { type ContainerFormat, type DiagnoseContext, headLength } from './format.ts';
import { isobmff } from './isobmff/isobmff.ts';
import { matroska } from './matroska/matroska.ts';
import { mp3 } from './mpegaudio/mp3.ts';
import { mpegts } from './mpegts/mpegts.ts';
import { ogg } from './ogg/ogg.ts';
import { avi } from './riff/avi.ts';
import { wav } from './riff/wav.ts';
import { zoom } from './zoom/zoom.ts';

export const formats: readonly ContainerFormat[] = [
  isobmff,
  matroska,
  wav,
  avi,
  aiff,
  ogg,
  flac,
  flv,
  zoom,
  mpegts,
  mp3,
  adts,
];

/** A signature this sure is not looked beyond. */
const signed = 90;

/** They have no signature and search the head, which is dear. */
const searching: ReadonlySet<ContainerFormat> = new Set([mpegts, mp3, adts]);
/** As sure as one of them can be; whoever is told so surely before needs no search. */
const surestSearch = 80;

/** The format a file is of, judged by its first bytes; null when it is none. */
export function recogniseFormat(source: ByteSource): ContainerFormat | null {
  const head = source.read(0, headLength);
  let best: ContainerFormat | null = null;
  let bestSureness = 0;
  for (const format of formats) {
    if (bestSureness >= (searching.has(format) ? surestSearch : signed)) break;
    const sureness = format.recognise(head);
    if (sureness > bestSureness) [best, bestSureness] = [format, sureness];
  }
  return best;
}

/** Diagnoses any file: empty, foreign, or what its format says. */
export function diagnose(source: ByteSource, context: DiagnoseContext = {}): Diagnosis {
  if (source.size === 0) {
    return { ...foreign('The file has no bytes.'), verdict: 'empty' };
  }
  const format = recogniseFormat(source);
  return format ? format.diagnose(source, context) : undiagnosable(source);
}

// A file of zeros is what a power cut leaves of a file whose size was already on disk.
function undiagnosable(source: ByteSource): Diagnosis {
  const step = 1024 * 1024;
  for (let at = 0; at < source.size; at += step) {
    if (source.read(at, step).some((byte) => byte !== 0)) {
      return foreign(foreignDetail(source.read(0, 64)));
    }
  }
  const detail = `All ${source.size} bytes are zero: nothing was ever written to this disk space.`;
  return {
    ...foreign(detail),
    verdict: 'beyond-repair',
    damage: [{ kind: 'zero-tail', at: 0, detail }],
  };
}
