/**
 * AVI and OpenDML AVI: diagnosis and repair.
 *
 * A killed recorder leaves no index and sizes that were never brought up to date. The repair keeps
 * every complete chunk, counts frames and sound anew, and writes `idx1`; beyond 1 GB it writes
 * several `RIFF` with the indexes of OpenDML (version 1.02).
 */

import { ByteWriter, patched } from '../byte-writer.ts';
import type { ByteSource, Progress } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  joined,
  milliseconds,
  noRepairFor,
  planOf,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';
import { type ChunkIndex, type ChunkWalk, walkChunks } from './avi-chunks.ts';
import { type AviHead, type AviStream, readAviHead } from './avi-head.ts';
import { type AviPart, layParts, standardIndexes, streamLength } from './avi-index.ts';
import { chunkAt, chunkEnd } from './riff.ts';

const hasIndexFlag = 0x10;

interface Survey {
  readonly head: AviHead;
  readonly walk: ChunkWalk;
  readonly damage: DamageList;
}

export const avi: ContainerFormat = {
  containers: ['avi'],
  recognise: (head) => {
    const text = String.fromCharCode(...head.subarray(0, 12));
    return /^RIFF[\s\S]{4}AVI[ \x19]/.test(text) ? 90 : 0;
  },
  diagnose: (source, context = {}) => {
    const head = readAviHead(new Window(source));
    if (!head) return headerOnly(source);
    const isThorough = context.thorough ?? source.size <= smallFile;
    return isThorough ? describe(survey(source, head, context.progress)) : atAGlance(source, head);
  },
  planRepair: (source, context) => {
    const head = readAviHead(new Window(source));
    const found = head && survey(source, head, context.progress);
    const diagnosis = found ? describe(found) : headerOnly(source);
    const refusal = noRepairFor(diagnosis);
    if (refusal || !found) {
      return refusal ?? { kind: 'none', reason: 'empty', detail: 'There is no complete chunk.' };
    }
    return plan(source, found, diagnosis);
  },
};

function headerOnly(source: ByteSource): Diagnosis {
  const detail = 'The file ends before its pictures begin.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'avi', verdict: 'empty', damage };
}

/** Whether the sizes of all `RIFF` add up to the file, and the pictures lie inside the first. */
function reportSizes(source: ByteSource, head: AviHead, damage: DamageList): void {
  const window = new Window(source);
  let at = 0;
  for (let count = 0; count < 1000 && at < source.size; count += 1) {
    const riff = chunkAt(window, at);
    const end = riff?.id === 'RIFF' ? riff.body + riff.size : -1;
    if (end < 0 || end > source.size + 1) break;
    at = riff ? chunkEnd(riff) : at;
  }
  const first = chunkAt(window, 0);
  const moviEnd = head.movi.body + head.movi.size;
  const fits = first !== null && moviEnd <= chunkEnd(first) && head.movi.size > 4;
  if (at >= source.size && fits) return;
  const detail = `The sizes in the header do not add up to the ${source.size} bytes of the file.`;
  damage.add('stale-header', 4, detail);
}

function survey(source: ByteSource, head: AviHead, progress?: Progress): Survey {
  const written = writtenEnd(source);
  const damage = new DamageList();
  const walk = walkChunks(new Window(source, written, progress), head, damage);
  reportZeroTail(damage, written, source.size);
  reportSizes(source, head, damage);
  const isIndexed = walk.hasIdx1 || head.streams.some((stream) => stream.hasIndex);
  if (!isIndexed) {
    damage.add('no-seek-index', written, 'The recorder never wrote an index for seeking.');
  }
  return { head, walk, damage };
}

/** By the sizes alone: without a walk nobody knows how many chunks an unfinished file has. */
function atAGlance(source: ByteSource, head: AviHead): Diagnosis {
  const damage = new DamageList();
  reportZeroTail(damage, writtenEnd(source), source.size);
  reportSizes(source, head, damage);
  const window = new Window(source);
  const behind = chunkAt(window, chunkEnd(head.movi));
  if (behind?.id !== 'idx1' && !head.streams.some((stream) => stream.hasIndex)) {
    damage.add('no-seek-index', source.size, 'The recorder never wrote an index for seeking.');
  }
  const isWhole = damage.isEmpty;
  const tracks = head.streams.map((stream) => {
    const durationMs = isWhole ? milliseconds(stream.length * stream.scale, stream.rate) : null;
    const samples = isWhole && stream.kind === 'video' ? stream.length : null;
    return { ...summary(stream), samples, durationMs };
  });
  const verdict = isWhole ? 'whole' : 'interrupted';
  const { writer } = head;
  return diagnosisOf({ container: 'avi', verdict, tracks, damage: damage.list, writer });
}

function summary(stream: AviStream) {
  const { kind, codec, width, height, sampleRate, channels } = stream;
  return {
    kind,
    codec,
    ...(width ? { width } : {}),
    ...(height ? { height } : {}),
    ...(sampleRate ? { sampleRate } : {}),
    ...(channels ? { channels } : {}),
  };
}

function describe({ head, walk, damage }: Survey): Diagnosis {
  const counts = head.streams.map(() => 0);
  for (let i = 0; i < walk.index.count; i += 1) {
    const stream = walk.index.stream(i);
    if (walk.index.size(i) > 0) counts[stream] = (counts[stream] ?? 0) + 1;
  }
  const lengths = lengthsOf(head, walk.index, 0, walk.index.count);
  const tracks: TrackSummary[] = head.streams.map((stream, number) => ({
    ...summary(stream),
    samples: counts[number] ?? 0,
    durationMs: milliseconds((lengths[number] ?? 0) * stream.scale, stream.rate),
  }));
  const isEmpty = walk.index.count === 0;
  if (isEmpty) damage.add('no-media', head.movi.body, 'There is no complete chunk.');
  const verdict = isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const { writer } = head;
  return diagnosisOf({ container: 'avi', verdict, tracks, damage: damage.list, writer });
}

/** Of each stream, frames or units of sound in the chunks from `from` up to `to`. */
function lengthsOf(head: AviHead, index: ChunkIndex, from: number, to: number): number[] {
  const [chunks, bytes] = [head.streams.map(() => 0), head.streams.map(() => 0)];
  for (let i = from; i < to; i += 1) {
    const stream = index.stream(i);
    chunks[stream] = (chunks[stream] ?? 0) + 1;
    bytes[stream] = (bytes[stream] ?? 0) + index.size(i);
  }
  return head.streams.map((stream, n) => streamLength(stream, chunks[n] ?? 0, bytes[n] ?? 0));
}

function plan(source: ByteSource, { head, walk }: Survey, diagnosis: Diagnosis): RepairOutcome {
  const { index } = walk;
  const parts = layParts(index);
  const placeholder = headBytes(source, head, index, parts, null).length;
  const indexes = standardIndexes(head, index, parts, placeholder, lengthsOf);
  const bytes = headBytes(source, head, index, parts, indexes.superIndexes);
  let kept = 0;
  for (let i = 0; i < index.count; i += 1) kept += index.size(i);
  return planOf(
    {
      container: 'avi',
      extension: '.avi',
      method: 'complete chunks kept, counts and index written',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept,
      lost: walk.lost,
      lostMs: null,
      damage: diagnosis.damage,
    },
    () => joined(piecesOf(source, index, parts, bytes, indexes)),
  );
}

type Indexes = ReturnType<typeof standardIndexes>;

function* piecesOf(
  source: ByteSource,
  index: ChunkIndex,
  parts: readonly AviPart[],
  head: Uint8Array,
  indexes: Indexes,
): Iterable<OutputPiece> {
  yield { kind: 'bytes', bytes: head };
  for (const part of parts) {
    const tail = indexes.tail(part);
    const moviSize = 4 + part.bytes + tail.standard.length;
    const movi = new ByteWriter();
    // The first part's RIFF began with the head; its size counts that, too.
    if (part.number > 0) {
      movi
        .ascii('RIFF')
        .le(4 + 8 + moviSize, 4)
        .ascii('AVIX');
    }
    yield { kind: 'bytes', bytes: movi.ascii('LIST').le(moviSize, 4).ascii('movi').take() };
    for (let i = part.from; i < part.to; i += 1) {
      const size = index.size(i);
      const length = 8 + size + (size % 2);
      const present = Math.min(length, source.size - index.offset(i));
      yield { kind: 'copy', offset: index.offset(i), length: present };
      if (present < length) yield { kind: 'bytes', bytes: new Uint8Array(length - present) };
    }
    yield { kind: 'bytes', bytes: tail.standard };
    yield { kind: 'bytes', bytes: tail.idx1 };
  }
}

/** `RIFF` up to the first `movi`: headers with true counts, formats as they were. */
function headBytes(
  source: ByteSource,
  head: AviHead,
  index: ChunkIndex,
  parts: readonly AviPart[],
  superIndexes: readonly Uint8Array[] | null,
): Uint8Array {
  const first = parts[0];
  const lengths = lengthsOf(head, index, 0, index.count);
  const firstLengths = first ? lengthsOf(head, index, first.from, first.to) : [];
  const video = Math.max(
    0,
    head.streams.findIndex((stream) => stream.kind === 'video'),
  );
  const isLong = parts.length > 1;
  const main = source.read(head.main.at, 8 + head.main.size);
  const flags = ((main[20] ?? 0) | hasIndexFlag) & 0xff;
  const hdrl = new ByteWriter().ascii('hdrl').add(
    patched(main, [
      { at: 20, bytes: Uint8Array.of(flags) },
      { at: 24, bytes: le32(firstLengths[video] ?? 0) },
    ]),
  );
  head.streams.forEach((stream, number) => {
    const header = source.read(stream.header.at, 8 + stream.header.size);
    const list = new ByteWriter().ascii('strl');
    list.add(patched(header, [{ at: 8 + 32, bytes: le32(lengths[number] ?? 0) }]));
    for (const chunk of stream.rest) addChunk(list, source, chunk.at, 8 + chunk.size);
    if (isLong) list.add(superIndexes?.[number] ?? new Uint8Array(32 + 16 * parts.length));
    hdrl.ascii('LIST').le(list.length, 4).add(list.take());
  });
  if (isLong) {
    hdrl
      .ascii('LIST')
      .le(4 + 8 + 248, 4)
      .ascii('odmldmlh')
      .le(248, 4);
    hdrl.le(lengths[video] ?? 0, 4).zeros(244);
  }
  const body = new ByteWriter().ascii('LIST').le(hdrl.length, 4).add(hdrl.take());
  for (const extra of head.extras) addChunk(body, source, extra.at, 8 + extra.size);
  const after = first ? first.bytes + first.indexBytes + 12 : 12;
  const riff = new ByteWriter()
    .ascii('RIFF')
    .le(4 + body.length + after, 4)
    .ascii('AVI ');
  return riff.add(body.take()).take();
}

function addChunk(writer: ByteWriter, source: ByteSource, at: number, length: number): void {
  writer.add(source.read(at, length)).zeros(length % 2);
}

function le32(value: number): Uint8Array {
  return new ByteWriter().le(Math.min(value, 0xffffffff), 4).take();
}
