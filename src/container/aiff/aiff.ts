/**
 * AIFF and AIFF-C: big-endian chunks, the sound in `SSND`, the number of frames in `COMM`.
 *
 * Recorders write the counts when they stop; a killed one leaves zeros or placeholders.
 */

import { ByteWriter, patched } from '../byte-writer.ts';
import type { ByteSource } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import { soundEnd } from '../sound-data.ts';
import { DamageList, diagnosisOf, milliseconds, noRepairFor, planOf } from '../survey.ts';
import { Window } from '../window.ts';

const longestHeader = 64 * 1024 * 1024;
const largest32 = 0xffffffff;

interface Chunk {
  readonly id: string;
  readonly at: number;
  readonly body: number;
  readonly size: number;
}

interface Common {
  readonly at: number;
  readonly codec: string;
  readonly frames: number;
  readonly blockAlign: number;
  readonly sampleRate: number;
  readonly channels: number;
}

interface Found {
  readonly common: Common;
  readonly sound: Chunk;
  /** Where the sound itself begins: behind offset and block size of `SSND`. */
  readonly start: number;
  readonly end: number;
  readonly rest: number | null;
  readonly damage: DamageList;
}

export const aiff: ContainerFormat = {
  containers: ['aiff'],
  recognise: (head) =>
    /^FORM[\s\S]{4}AIF[FC]/.test(String.fromCharCode(...head.subarray(0, 12))) ? 90 : 0,
  diagnose: (source) => {
    const found = survey(source);
    return found ? describe(found) : headerOnly(source);
  },
  planRepair: (source) => {
    const found = survey(source);
    const diagnosis = found ? describe(found) : headerOnly(source);
    const refusal = noRepairFor(diagnosis);
    if (refusal || !found) {
      return refusal ?? { kind: 'none', reason: 'empty', detail: 'The file holds no sound.' };
    }
    return plan(source, found, diagnosis);
  },
};

function headerOnly(source: ByteSource): Diagnosis {
  const detail = 'The AIFF header is cut off before the sound begins.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'aiff', verdict: 'empty', damage };
}

function survey(source: ByteSource): Found | null {
  const window = new Window(source);
  let common: Common | null = null;
  let at = 12;
  for (let count = 0; count < 1000 && at < longestHeader; count += 1) {
    const chunk = chunkAt(window, at);
    if (!chunk) return null;
    if (chunk.id === 'SSND') {
      return common && chunk.body + 8 <= window.end ? measure(source, window, common, chunk) : null;
    }
    if (chunk.body + chunk.size > window.end) return null;
    if (chunk.id === 'COMM' && chunk.size >= 18) common = readCommon(window, chunk);
    at = chunk.body + chunk.size + (chunk.size % 2);
  }
  return null;
}

function chunkAt(window: Window, at: number): Chunk | null {
  if (at + 8 > window.end) return null;
  const id = window.ascii(at, 4);
  return /^[\x20-\x7e]{4}$/.test(id) ? { id, at, body: at + 8, size: window.u32(at + 4) } : null;
}

function readCommon(window: Window, chunk: Chunk): Common | null {
  const channels = window.u16(chunk.body);
  const bits = window.u16(chunk.body + 6);
  const compression = chunk.size >= 22 ? window.ascii(chunk.body + 18, 4) : 'NONE';
  const bytes = Math.ceil(bits / 8);
  const names: Record<string, readonly [codec: string, bytes: number]> = {
    NONE: [bytes === 1 ? 'pcm_s8' : `pcm_s${bytes * 8}be`, bytes],
    twos: [`pcm_s${bytes * 8}be`, bytes],
    sowt: [`pcm_s${bytes * 8}le`, bytes],
    in24: ['pcm_s24be', 3],
    in32: ['pcm_s32be', 4],
    fl32: ['pcm_f32be', 4],
    FL32: ['pcm_f32be', 4],
    fl64: ['pcm_f64be', 8],
    FL64: ['pcm_f64be', 8],
    alaw: ['pcm_alaw', 1],
    ALAW: ['pcm_alaw', 1],
    ulaw: ['pcm_mulaw', 1],
    ULAW: ['pcm_mulaw', 1],
    // A block of 64 frames of one channel is 34 bytes.
    ima4: ['adpcm_ima_qt', 34],
  };
  const [codec, perChannel] = names[compression] ?? [compression.trim().toLowerCase(), bytes];
  if (channels < 1 || perChannel < 1) return null;
  return {
    at: chunk.at,
    codec,
    frames: window.u32(chunk.body + 2),
    blockAlign: channels * perChannel,
    sampleRate: extended(window, chunk.body + 8),
    channels,
  };
}

/** An 80-bit extended float (IEEE 754), as sampling rates are written here. */
function extended(window: Window, at: number): number {
  const exponent = (window.u16(at) & 0x7fff) - 16383 - 63;
  const value = (window.u32(at + 2) * 2 ** 32 + window.u32(at + 6)) * 2 ** exponent;
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0;
}

function measure(source: ByteSource, window: Window, common: Common, sound: Chunk): Found {
  const { size } = source;
  const damage = new DamageList();
  const start = Math.min(size, sound.body + 8);
  const declaredEnd = sound.body + sound.size;
  const claimed = window.u32(4) + 8;
  const follows = declaredEnd + (declaredEnd % 2);
  const fits = sound.size >= 8 && declaredEnd <= size && chainsToEnd(window, follows);
  if (fits && common.frames * common.blockAlign <= declaredEnd - start) {
    if (claimed > size + 1 || claimed < declaredEnd) {
      damage.add('stale-header', 4, `The header claims ${claimed} bytes; the file has ${size}.`);
    }
    if (common.frames > 0 || sound.size === 8) {
      const rest = follows < size ? follows : null;
      return { common, sound, start, end: declaredEnd, rest, damage };
    }
  }
  const limit = fits
    ? declaredEnd
    : soundEnd(source, start, declaredEnd < size ? declaredEnd : start);
  const end = start + Math.floor((limit - start) / common.blockAlign) * common.blockAlign;
  const frames = (end - start) / common.blockAlign;
  const detail = `The header claims ${common.frames} frames of sound; there are ${frames}.`;
  damage.add('stale-header', common.at + 10, detail);
  if (limit > end)
    damage.add('torn-tail', end, `The last frame is cut off after ${limit - end} bytes.`);
  if (limit < size && !fits) {
    const zeros = `The last ${size - limit} bytes are zeros that were never written; they are not counted.`;
    damage.add('zero-tail', limit, zeros);
  }
  return { common, sound, start, end, rest: fits && follows < size ? follows : null, damage };
}

function chainsToEnd(window: Window, at: number): boolean {
  let next = at;
  for (let count = 0; count < 1000; count += 1) {
    if (next === window.end || next === window.end + 1) return true;
    const chunk = chunkAt(window, next);
    if (!chunk || chunk.body + chunk.size > window.end) return false;
    next = chunk.body + chunk.size + (chunk.size % 2);
  }
  return false;
}

function describe(found: Found): Diagnosis {
  const { common, damage, start, end } = found;
  const isEmpty = end - start < common.blockAlign;
  if (isEmpty) damage.add('no-media', start, 'The file holds a header and no sound.');
  const verdict = isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const blocks = Math.floor((end - start) / common.blockAlign);
  const frames = common.codec === 'adpcm_ima_qt' ? blocks * 64 : blocks;
  const track: TrackSummary = {
    kind: 'audio',
    codec: common.codec,
    samples: blocks,
    durationMs: milliseconds(frames, common.sampleRate),
    sampleRate: common.sampleRate,
    channels: common.channels,
  };
  return diagnosisOf({ container: 'aiff', verdict, tracks: [track], damage: damage.list });
}

function plan(source: ByteSource, found: Found, diagnosis: Diagnosis): RepairOutcome {
  const { common, sound, start, end, rest } = found;
  const pad = (end - start) % 2;
  const restLength = rest === null ? 0 : source.size - rest;
  const total = end + pad + restLength;
  const number = (value: number) => new ByteWriter().be(Math.min(value, largest32), 4).take();
  const head = patched(source.read(0, start), [
    // Beyond 4 GB the sizes saturate: AIFF has no wider ones, and readers go on to the end.
    { at: 4, bytes: number(total - 8) },
    { at: common.at + 10, bytes: number((end - start) / common.blockAlign) },
    { at: sound.at + 4, bytes: number(end - sound.body) },
    { at: sound.body, bytes: new Uint8Array(8) },
  ]);
  return planOf(
    {
      container: 'aiff',
      extension: '.aiff',
      method: 'sizes and frame count in the header rewritten',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: end - start,
      lost: 0,
      lostMs: 0,
      damage: diagnosis.damage,
    },
    function* (): Iterable<OutputPiece> {
      yield { kind: 'bytes', bytes: head };
      yield { kind: 'copy', offset: start, length: end - start };
      if (pad > 0) yield { kind: 'bytes', bytes: new Uint8Array(pad) };
      if (rest !== null) yield { kind: 'copy', offset: rest, length: restLength };
    },
  );
}
