/**
 * MP3 (and Layer I and II): tags, a Xing or Info frame that counts the others, frames.
 *
 * Recorders write the counts when they stop; the repair writes them anew, and drops what is torn.
 */

import { ByteWriter, patched } from '../byte-writer.ts';
import type { ByteSource, Progress } from '../bytes.ts';
import { memorySource } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import { type ContainerFormat, headLength } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  milliseconds,
  noRepairFor,
  planOf,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';
import { type Chain, endsInFrame, findChain, walkFrames } from './frame-chain.ts';
import { type MpegAudioHeader, mpegAudioHeader } from './mpeg-header.ts';
import { id3End, tagEnd, trailingTags } from './tags.ts';

/** The frame that counts the others: `Xing` for variable, `Info` for constant rate. */
interface CountFrame {
  readonly at: number;
  readonly length: number;
  /** Offset of `Xing` in the frame. */
  readonly tag: number;
  readonly flags: number;
  /** 0 when it was never written. */
  readonly frames: number;
  readonly bytes: number;
  readonly writer: string | null;
}

interface Survey {
  readonly header: MpegAudioHeader;
  readonly start: number;
  readonly count: CountFrame | null;
  /** Where tags at the end begin; the end of the written bytes when there are none. */
  readonly tags: number;
  readonly written: number;
  readonly damage: DamageList;
}

export const mp3: ContainerFormat = {
  containers: ['mp3'],
  recognise: (head) => {
    const window = new Window(memorySource(head));
    const start = id3End(window);
    if (start > 0) return start >= head.length || findFirst(window, start, 4096) >= 0 ? 60 : 20;
    return findFirst(window, 0, 16) >= 0 ? 50 : findFirst(window, 0, 4096) >= 0 ? 10 : 0;
  },
  diagnose: (source, context = {}) => {
    const found = survey(source);
    if (!found) return noFrames(source);
    const isThorough = context.thorough ?? source.size <= smallFile;
    return isThorough ? describe(source, found).diagnosis : atAGlance(source, found);
  },
  planRepair: (source, context) => {
    const found = survey(source);
    if (!found) return { kind: 'none', reason: 'empty', detail: 'There is no complete frame.' };
    const { diagnosis, chain } = describe(source, found, context.progress);
    const refusal = noRepairFor(diagnosis);
    if (refusal || !chain) {
      return refusal ?? { kind: 'none', reason: 'nothing-found', detail: 'No frame is complete.' };
    }
    return plan(source, found, diagnosis, chain);
  },
};

function findFirst(window: Window, from: number, within: number): number {
  return findChain(window, from, mpegAudioHeader, null, from + within + 1);
}

function noFrames(source: ByteSource): Diagnosis {
  const detail = 'There is no complete frame.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'mp3', verdict: 'empty', damage };
}

function survey(source: ByteSource): Survey | null {
  const written = writtenEnd(source);
  const window = new Window(source, written);
  const start = findFirst(window, id3End(window), headLength);
  const header = start < 0 ? null : mpegAudioHeader(window, start);
  if (!header) return null;
  const damage = new DamageList();
  reportZeroTail(damage, written, source.size);
  return {
    header,
    start,
    count: readCount(window, start, header),
    tags: trailingTags(window, start),
    written,
    damage,
  };
}

function readCount(window: Window, at: number, header: MpegAudioHeader): CountFrame | null {
  const side = header.isMpeg1 ? (header.isMono ? 17 : 32) : header.isMono ? 9 : 17;
  const tag = 4 + side;
  if (header.layer !== 3 || !/^(Xing|Info)$/.test(window.ascii(at + tag, 4))) return null;
  if (at + header.length > window.end) return null;
  const flags = window.u32(at + tag + 4);
  const writer = window
    .ascii(at + tag + 120, 9)
    .replace(/[^\x20-\x7e]/g, '')
    .trim();
  return {
    at,
    length: header.length,
    tag,
    flags,
    frames: (flags & 1) !== 0 ? window.u32(at + tag + 8) : 0,
    bytes: (flags & 2) !== 0 ? window.u32(at + tag + 12) : 0,
    writer: writer || null,
  };
}

function atAGlance(source: ByteSource, found: Survey): Diagnosis {
  const { count, header, damage, start, tags } = found;
  const window = new Window(source, tags);
  const first = count ? start + count.length : start;
  const closes = endsInFrame(window, tags, start, mpegAudioHeader);
  if (!closes) damage.add('torn-tail', tags, 'The last frame is cut off.');
  const isJoined = count !== null && count.bytes > 0 && beginsAnew(window, start + count.bytes);
  if (!isJoined) reportCount(found, null, tags - start);
  const frames = count && count.frames > 0 && damage.isEmpty ? count.frames : null;
  const guess = frames ?? guessFrames(found, tags - first);
  const durationMs =
    guess === null ? null : milliseconds(guess * header.samples, header.sampleRate);
  return diagnosisOf({
    container: 'mp3',
    verdict: damage.isEmpty ? 'whole' : 'interrupted',
    tracks: [track(header, frames, durationMs)],
    damage: damage.list,
    writer: count?.writer ?? null,
    openEnded: count === null,
  });
}

/** Whether another MP3 was put behind the first at `at`: with a tag, or a frame that counts anew. */
function beginsAnew(window: Window, at: number): boolean {
  const next = tagEnd(window, at);
  const header = mpegAudioHeader(window, next);
  return header !== null && (next > at || readCount(window, next, header) !== null);
}

/** About how many frames there are in so many bytes; null when the rate is not known. */
function guessFrames({ count, header }: Survey, bytes: number): number | null {
  if (!count) return Math.floor(bytes / header.length);
  return count.frames > 0 && count.bytes > 0
    ? Math.floor((count.frames * bytes) / count.bytes)
    : null;
}

/** Compares the count frame with what is there; `frames` null when they were not counted. */
function reportCount({ count, damage }: Survey, frames: number | null, bytes: number): void {
  if (!count) return;
  const at = count.at + count.tag;
  if (count.frames === 0 && (count.flags & 1) !== 0) {
    damage.add('stale-header', at, 'The count of frames was never written.');
  } else if (frames !== null && count.frames > 0 && count.frames !== frames) {
    const detail = `The header counts ${count.frames} frames; there are ${frames}.`;
    damage.add('stale-header', at, detail);
  } else if (frames === null && count.bytes > 0 && Math.abs(count.bytes - bytes) > count.length) {
    const detail = `The header counts ${count.bytes} bytes; there are ${bytes}.`;
    damage.add('stale-header', at, detail);
  }
}

function describe(
  source: ByteSource,
  found: Survey,
  progress?: Progress,
): { readonly diagnosis: Diagnosis; readonly chain: Chain | null } {
  const { count, damage, header } = found;
  const window = new Window(source, found.tags, progress);
  const from = found.start + (count?.length ?? 0);
  const chain = walkFrames(window, from, mpegAudioHeader, damage, tagEnd);
  if (!chain) return { diagnosis: noFrames(source), chain };
  if (chain.start > from) {
    damage.add('hole', from, `${chain.start - from} bytes before the first frame are no sound.`);
  }
  // A LAME counts the frames with or without its own.
  const isCounted = count !== null && Math.abs(count.frames - chain.frames) <= 1;
  const isJoined =
    count !== null && chain.kept.bytes > count.bytes && beginsAnew(window, count.at + count.bytes);
  if (!isJoined) reportCount(found, isCounted ? count.frames : chain.frames, 0);
  const durationMs = milliseconds(chain.samples, chain.first.sampleRate);
  const diagnosis = diagnosisOf({
    container: 'mp3',
    verdict: damage.isEmpty ? 'whole' : 'interrupted',
    tracks: [track(header, chain.frames, durationMs)],
    damage: damage.list,
    writer: count?.writer ?? null,
    openEnded: count === null,
  });
  return { diagnosis, chain };
}

function track(
  header: MpegAudioHeader,
  samples: number | null,
  durationMs: number | null,
): TrackSummary {
  const { sampleRate, channels } = header;
  const codec = `mp${header.layer}`;
  return { kind: 'audio', codec, samples, durationMs, sampleRate, channels };
}

function plan(
  source: ByteSource,
  found: Survey,
  diagnosis: Diagnosis,
  chain: Chain,
): RepairOutcome {
  const { count, start, tags, written, header } = found;
  const extension = header.layer === 3 ? '.mp3' : `.mp${header.layer}`;
  const counted = count ? countFrame(source, count, chain) : new Uint8Array(0);
  return planOf(
    {
      container: 'mp3',
      extension,
      method: count ? 'complete frames kept, counts rewritten' : 'complete frames kept',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: chain.kept.bytes,
      lost: chain.lost,
      lostMs: milliseconds(
        (chain.lost / (chain.kept.bytes / chain.frames)) * header.samples,
        header.sampleRate,
      ),
      damage: diagnosis.damage,
    },
    function* (): Iterable<OutputPiece> {
      if (start > 0) yield { kind: 'copy', offset: 0, length: start };
      if (count) yield { kind: 'bytes', bytes: counted };
      yield* chain.kept.copies();
      if (tags < written) yield { kind: 'copy', offset: tags, length: written - tags };
    },
  );
}

/** The count frame with true counts, a table of contents, and LAME's checksum over itself. */
function countFrame(source: ByteSource, count: CountFrame, chain: Chain): Uint8Array {
  const frame = source.read(count.at, count.length);
  const bytes = chain.kept.bytes + count.length;
  const patches: { at: number; bytes: Uint8Array }[] = [];
  let at = count.tag + 8;
  const put = (flag: number, value: Uint8Array) => {
    if ((count.flags & flag) === 0) return;
    patches.push({ at, bytes: value });
    at += value.length;
  };
  put(1, new ByteWriter().be(chain.frames, 4).take());
  put(2, new ByteWriter().be(Math.min(bytes, 0xffffffff), 4).take());
  put(4, contents(chain, bytes, count.length));
  const extension = count.tag + 8 + flagged(count.flags);
  const isLame = count.writer !== null && extension + 36 <= frame.length;
  // The padding at the end was never known, nor the checksum over the music.
  if (isLame) {
    const padding = (frame[extension + 22] ?? 0) & 0xf0;
    patches.push({ at: extension + 22, bytes: Uint8Array.of(padding, 0) });
    patches.push({
      at: extension + 28,
      bytes: new ByteWriter().be(Math.min(bytes, 0xffffffff), 4).zeros(2).take(),
    });
  }
  const written = patched(frame, patches);
  if (!isLame) return written;
  const checksum = crc16(written.subarray(0, extension + 34));
  return patched(written, [{ at: extension + 34, bytes: new ByteWriter().be(checksum, 2).take() }]);
}

function flagged(flags: number): number {
  return (
    ((flags & 1) !== 0 ? 4 : 0) +
    ((flags & 2) !== 0 ? 4 : 0) +
    ((flags & 4) !== 0 ? 100 : 0) +
    ((flags & 8) !== 0 ? 4 : 0)
  );
}

/** For each percent of the time, where it lies in 256ths of the bytes. */
function contents(chain: Chain, bytes: number, before: number): Uint8Array {
  const table = new Uint8Array(100);
  const place = chain.kept.placer();
  let last = -1;
  for (let percent = 0; percent < 100; percent += 1) {
    const index = Math.floor((percent * chain.frames) / 100 / chain.stride);
    const mark = chain.marks[Math.min(index, chain.marks.length - 1)] ?? chain.start;
    const at = mark > last ? place(mark) : place(last);
    last = Math.max(last, mark);
    table[percent] = Math.min(255, Math.floor(((at + before) * 256) / bytes));
  }
  return table;
}

/** CRC-16 as LAME writes it: polynomial 0x8005, bits reversed. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) !== 0 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}
