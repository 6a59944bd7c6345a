/**
 * WAV, RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088): one `data` chunk of sound behind a header.
 *
 * A killed recorder leaves a size that is not the file's: ffmpeg 0xFFFFFFFF, SoX 0x7FFFF000,
 * GStreamer 0x7FFF0000, libsndfile 0, others the size of the last time they wrote the header. The
 * repair keeps every whole frame of sound and writes true sizes; beyond 4 GB it writes RF64.
 */

import { ByteWriter, patched } from '../byte-writer.ts';
import type { ByteSource } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import { soundEnd } from '../sound-data.ts';
import { DamageList, diagnosisOf, milliseconds, noRepairFor, planOf } from '../survey.ts';
import { Window } from '../window.ts';
import { type Chunk, chainsToEnd, chunkAt, chunkEnd } from './riff.ts';

const unknown32 = 0xffffffff;
/** No more zeros than this are padding; fewer than a millisecond of sound. */
const mostPadding = 64;
/** Headers longer than this are not a recorder's. */
const longestHeader = 64 * 1024 * 1024;

/** Chunks that may stand behind the sound; a torn one there is no sound. */
const trailing =
  /^(LIST|id3 |ID3 |bext|fact|cue |smpl|inst|PEAK|iXML|axml|chna|afsp|JUNK|junk|PAD |FLLR|acid|_PMX|umid|link|plst|note|labl|ltxt|minf|elm1|regn|DISP)$/;

interface Layout {
  readonly chunks: readonly Chunk[];
  readonly ds64: Chunk | null;
  readonly fact: Chunk | null;
  readonly format: SoundFormat;
  readonly data: Chunk;
  /** As declared, from `ds64` where that is in charge. */
  readonly dataSize: number;
  readonly riffSize: number;
  readonly writer: string | null;
}

interface SoundFormat {
  readonly codec: string;
  readonly blockAlign: number;
  readonly bytesPerSecond: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly isPcm: boolean;
}

interface Found {
  readonly layout: Layout;
  readonly end: number;
  /** Where valid chunks behind the sound begin; null when there are none. */
  readonly rest: number | null;
  readonly damage: DamageList;
}

export const wav: ContainerFormat = {
  containers: ['wav'],
  recognise: (head) => {
    const text = String.fromCharCode(...head.subarray(0, 12));
    return /^(RIFF|RF64|BW64)[\s\S]{4}WAVE/.test(text) ? 90 : 0;
  },
  diagnose: (source) => {
    const found = survey(source);
    return 'layout' in found ? describe(found) : found;
  },
  planRepair: (source) => {
    const found = survey(source);
    const diagnosis = 'layout' in found ? describe(found) : found;
    const refusal = noRepairFor(diagnosis);
    return refusal ?? ('layout' in found ? plan(source, found, diagnosis) : foreignPlan());
  },
};

function foreignPlan(): RepairOutcome {
  return { kind: 'none', reason: 'foreign', detail: 'The file is no WAV.' };
}

function survey(source: ByteSource): Found | Diagnosis {
  const window = new Window(source);
  const layout = readLayout(window);
  if (!layout) {
    const detail = 'The WAV header is cut off before the sound begins.';
    return {
      ...foreign(detail),
      container: 'wav',
      verdict: 'empty',
      damage: [{ kind: 'no-media', at: source.size, detail }],
    };
  }
  return measure(source, window, layout);
}

function readLayout(window: Window): Layout | null {
  const is64 = window.ascii(0, 4) !== 'RIFF';
  const chunks: Chunk[] = [];
  let ds64: Chunk | null = null;
  let format: SoundFormat | null = null;
  let at = 12;
  for (let count = 0; count < 1000 && at < longestHeader; count += 1) {
    const chunk = chunkAt(window, at);
    if (!chunk) return null;
    if (chunk.id === 'data') {
      if (!format) return null;
      const dataSize64 =
        is64 && ds64 && chunk.size === unknown32 ? window.u64le(ds64.body + 8) : -1;
      return {
        chunks,
        ds64,
        fact: chunks.find((each) => each.id === 'fact' && each.size >= 4) ?? null,
        format,
        data: chunk,
        dataSize: dataSize64 >= 0 ? dataSize64 : chunk.size,
        riffSize: is64 && ds64 ? window.u64le(ds64.body) : window.u32le(4),
        writer: writerOf(window, chunks),
      };
    }
    if (chunk.body + chunk.size > window.end) return null;
    if (chunk.id === 'ds64' && chunk.size >= 24) ds64 = chunk;
    if (chunk.id === 'fmt ' && chunk.size >= 14) format = readFormat(window, chunk);
    chunks.push(chunk);
    at = chunkEnd(chunk);
  }
  return null;
}

function readFormat(window: Window, chunk: Chunk): SoundFormat | null {
  const tag = window.u16le(chunk.body);
  const channels = window.u16le(chunk.body + 2);
  const bits = chunk.size >= 16 ? window.u16le(chunk.body + 14) : 0;
  const extensible = tag === 0xfffe && chunk.size >= 26 ? window.u16le(chunk.body + 24) : tag;
  const blockAlign = window.u16le(chunk.body + 12) || Math.max(1, (channels * bits) / 8);
  const bytes = Math.ceil(bits / 8);
  const pcm = bytes === 1 ? 'pcm_u8' : `pcm_s${bytes * 8}le`;
  const names: Record<number, string> = {
    1: pcm,
    2: 'adpcm_ms',
    3: bits === 64 ? 'pcm_f64le' : 'pcm_f32le',
    6: 'pcm_alaw',
    7: 'pcm_mulaw',
    17: 'adpcm_ima_wav',
    49: 'gsm_ms',
    80: 'mp2',
    85: 'mp3',
    255: 'aac',
    8192: 'ac3',
  };
  return {
    codec: names[extensible] ?? `wav_0x${extensible.toString(16)}`,
    blockAlign: Math.ceil(blockAlign),
    bytesPerSecond: window.u32le(chunk.body + 8),
    sampleRate: window.u32le(chunk.body + 4),
    channels,
    isPcm: [1, 3, 6, 7].includes(extensible),
  };
}

// LIST INFO ISFT names the program; ffmpeg writes it in front of the sound.
function writerOf(window: Window, chunks: readonly Chunk[]): string | null {
  for (const list of chunks) {
    if (list.id !== 'LIST' || window.ascii(list.body, 4) !== 'INFO') continue;
    let at = list.body + 4;
    for (let count = 0; count < 64 && at < list.body + list.size; count += 1) {
      const entry = chunkAt(window, at);
      if (!entry) break;
      if (entry.id === 'ISFT') {
        const text = window.ascii(entry.body, Math.min(entry.size, 256));
        return text.split('\0')[0]?.trim() || null;
      }
      at = chunkEnd(entry);
    }
  }
  return null;
}

function measure(source: ByteSource, window: Window, layout: Layout): Found {
  const { data, dataSize, riffSize } = layout;
  const { size } = source;
  const declaredEnd = data.body + dataSize;
  const damage = new DamageList();
  const rest = whatFollows(window, declaredEnd);
  if (rest !== 'sound') {
    const claimed = riffSize + 8;
    const isStale = claimed > size + 1 || riffSize === 0 || claimed < data.body + dataSize;
    if (rest === 'torn') {
      const detail = `A chunk behind the sound, at byte ${declaredEnd}, is cut off.`;
      damage.add('torn-tail', declaredEnd, detail);
    }
    if (isStale) {
      const detail = `The header claims ${claimed} bytes; the file has ${size}.`;
      damage.add('stale-header', 4, detail);
    }
    const restAt = rest === 'chunks' ? declaredEnd + (dataSize % 2) : null;
    return { layout, end: declaredEnd, rest: restAt, damage };
  }
  const floor = dataSize < size - data.body ? declaredEnd : data.body;
  const end = soundEnd(source, data.body, floor);
  const wholeFrames = data.body + alignedLength(end - data.body, layout.format.blockAlign);
  const detail = `The header claims ${dataSize} bytes of sound; there are ${wholeFrames - data.body}.`;
  if (wholeFrames !== declaredEnd) damage.add('stale-header', data.at + 4, detail);
  if (end > wholeFrames) {
    damage.add(
      'torn-tail',
      wholeFrames,
      `The last frame is cut off after ${end - wholeFrames} bytes.`,
    );
  }
  if (end < size) {
    const zeros = `The last ${size - end} bytes are zeros that were never written; they are not counted.`;
    damage.add('zero-tail', end, zeros);
  }
  return { layout, end: wholeFrames, rest: null, damage };
}

/** What stands where the declared sound ends: nothing or good chunks, a torn chunk, or more sound. */
function whatFollows(window: Window, declaredEnd: number): 'end' | 'chunks' | 'torn' | 'sound' {
  if (declaredEnd > window.end) return 'sound';
  if (declaredEnd === window.end) return 'end';
  const at = declaredEnd + (declaredEnd % 2);
  if (at >= window.end) return 'end';
  // A few zeros behind everything are padding to the border of a block.
  if (window.end - at <= mostPadding && window.isZero(at, window.end - at)) return 'end';
  if (chainsToEnd(window, at)) return 'chunks';
  const chunk = chunkAt(window, at);
  return chunk && trailing.test(chunk.id) ? 'torn' : 'sound';
}

function alignedLength(length: number, blockAlign: number): number {
  return Math.floor(length / blockAlign) * blockAlign;
}

function describe(found: Found): Diagnosis {
  const { layout, damage } = found;
  const bytes = found.end - layout.data.body;
  const isEmpty = bytes < layout.format.blockAlign;
  if (isEmpty) damage.add('no-media', layout.data.body, 'The file holds a header and no sound.');
  const verdict = isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const tracks = [summary(layout.format, bytes)];
  const { writer } = layout;
  return diagnosisOf({ container: 'wav', verdict, tracks, damage: damage.list, writer });
}

function summary(format: SoundFormat, bytes: number): TrackSummary {
  const frames = Math.floor(bytes / format.blockAlign);
  return {
    kind: 'audio',
    codec: format.codec,
    samples: frames,
    durationMs: format.isPcm
      ? milliseconds(frames, format.sampleRate)
      : milliseconds(bytes, format.bytesPerSecond),
    sampleRate: format.sampleRate,
    channels: format.channels,
  };
}

function plan(source: ByteSource, found: Found, diagnosis: Diagnosis): RepairOutcome {
  const { layout } = found;
  const bytes = found.end - layout.data.body;
  const restLength = found.rest === null ? 0 : source.size - found.rest;
  const pad = bytes % 2;
  const head = header(source, layout, bytes, pad + restLength);
  return planOf(
    {
      container: 'wav',
      extension: '.wav',
      method: 'sizes in the header rewritten',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: bytes,
      lost: 0,
      lostMs: 0,
      damage: diagnosis.damage,
    },
    function* (): Iterable<OutputPiece> {
      yield { kind: 'bytes', bytes: head };
      yield { kind: 'copy', offset: layout.data.body, length: bytes };
      if (pad > 0) yield { kind: 'bytes', bytes: new Uint8Array(pad) };
      if (found.rest !== null) yield { kind: 'copy', offset: found.rest, length: restLength };
    },
  );
}

/** The header with true sizes; where possible as long as it was, so that the sound stays in place. */
function header(source: ByteSource, layout: Layout, bytes: number, after: number): Uint8Array {
  const is64 = layout.ds64 !== null || layout.data.body + bytes + after + 64 > unknown32;
  const frames = Math.floor(bytes / layout.format.blockAlign);
  const id = is64 && !layout.ds64 ? 'RF64' : String.fromCharCode(...source.read(0, 4));
  const body = new ByteWriter();
  const first = layout.chunks[0];
  // A placeholder right behind `WAVE` was reserved for `ds64` (EBU Tech 3306 §5).
  const reserved = first && /^junk$/i.test(first.id) && first.size >= 28 ? first : null;
  const ds64 = layout.ds64 ?? (is64 ? (reserved ?? 'inserted') : null);
  if (ds64 === 'inserted') body.ascii('ds64').le(28, 4).zeros(28);
  const places = new Map<Chunk, number>();
  for (const chunk of layout.chunks) {
    places.set(chunk, body.length + 12);
    body.add(source.read(chunk.at, chunkEnd(chunk) - chunk.at));
  }
  body.ascii('data').le(is64 ? unknown32 : bytes, 4);
  const riffSize = 4 + body.length + bytes + after;
  const whole = new ByteWriter()
    .ascii(id === 'RIFF' && is64 ? 'RF64' : is64 ? id : 'RIFF')
    .le(is64 ? unknown32 : riffSize, 4)
    .ascii('WAVE')
    .add(body.take())
    .take();
  const patches: { at: number; bytes: Uint8Array }[] = [];
  if (layout.fact) {
    const count = new ByteWriter().le(Math.min(frames, unknown32), 4).take();
    patches.push({ at: (places.get(layout.fact) ?? 0) + 8, bytes: count });
  }
  if (ds64) {
    const at = ds64 === 'inserted' ? 12 : (places.get(ds64) ?? 12);
    const sizes = new ByteWriter().le(riffSize, 8).le(bytes, 8).le(frames, 8).take();
    patches.push(
      { at, bytes: new ByteWriter().ascii('ds64').take() },
      { at: at + 8, bytes: sizes },
    );
    // Whatever table of other long chunks stood there is not trusted.
    patches.push({ at: at + 32, bytes: new Uint8Array(4) });
  }
  return patched(whole, patches);
}
