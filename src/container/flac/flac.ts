/**
 * FLAC (RFC 9639): every frame whose CRC-16 is right is kept; the number of samples, the frame
 * sizes and the seek table are written anew. The MD5 over the sound is set to zero, which means
 * unknown: it can only be had by decoding.
 */

import { ByteWriter } from '../byte-writer.ts';
import { type ByteSource, memorySource, type Progress } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import { id3End, trailingTags } from '../mpegaudio/tags.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  KeptRanges,
  milliseconds,
  noRepairFor,
  planOf,
  reportHole,
  reportTorn,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';
import { type FrameStart, frameEnd, frameStart, longestFrame } from './frame.ts';

interface MetadataBlock {
  readonly type: number;
  readonly at: number;
  readonly length: number;
}

interface Head {
  /** Behind `fLaC`, which a tag may precede. */
  readonly start: number;
  readonly blocks: readonly MetadataBlock[];
  /** Where the first frame should begin. */
  readonly end: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** 0 when it was never written. */
  readonly total: number;
  readonly hasHash: boolean;
  readonly writer: string | null;
}

interface Survey {
  readonly kept: KeptRanges;
  readonly damage: DamageList;
  frames: number;
  samples: number;
  lost: number;
  /** Bytes that may still be read for headers that only look like one, whatever the file. */
  patience: number;
  smallest: number;
  largest: number;
  /** Sample and offset of frames, thinned out as they grow many. */
  marks: { readonly sample: number; readonly at: number; readonly samples: number }[];
}

const mostMarks = 8192;

export const flac: ContainerFormat = {
  containers: ['flac'],
  recognise: (head) => {
    const window = new Window(memorySource(head));
    return window.ascii(id3End(window), 4) === 'fLaC' ? 90 : 0;
  },
  diagnose: (source, context = {}) => {
    const head = readHead(new Window(source));
    if (!head) return empty(source);
    const isThorough = context.thorough ?? source.size <= smallFile;
    return isThorough ? describe(head, survey(source, head), source) : atAGlance(source, head);
  },
  planRepair: (source, context) => {
    const head = readHead(new Window(source));
    if (!head) return { kind: 'none', reason: 'empty', detail: 'The header is cut off.' };
    const found = survey(source, head, context.progress);
    const diagnosis = describe(head, found, source);
    return noRepairFor(diagnosis) ?? plan(source, head, found, diagnosis);
  },
};

function empty(source: ByteSource): Diagnosis {
  const detail = 'The file ends before its first frame.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'flac', verdict: 'empty', damage };
}

function readHead(window: Window): Head | null {
  const blocks: MetadataBlock[] = [];
  const start = id3End(window) + 4;
  let at = start;
  let writer: string | null = null;
  for (let count = 0; count < 1000; count += 1) {
    const flags = window.u8(at);
    const length = window.u24(at + 1);
    if (flags < 0 || length < 0 || at + 4 + length > window.end) return null;
    const type = flags & 0x7f;
    if (type === 127) return null;
    blocks.push({ type, at, length });
    if (type === 4) {
      const name = Math.max(0, window.u32le(at + 4));
      writer = window.ascii(at + 8, Math.min(name, length - 4, 256)) || null;
    }
    at += 4 + length;
    if ((flags & 0x80) !== 0) break;
  }
  const [info] = blocks;
  if (info?.type !== 0 || info.length < 34) return null;
  const body = info.at + 4;
  const rateAndMore = window.u24(body + 10);
  const low = window.u8(body + 13);
  return {
    start,
    blocks,
    end: at,
    sampleRate: rateAndMore >> 4,
    channels: ((rateAndMore >> 1) & 7) + 1,
    total: (low & 15) * 2 ** 32 + window.u32(body + 14),
    hasHash: !window.isZero(body + 18, 16),
    writer,
  };
}

function survey(source: ByteSource, head: Head, progress?: Progress): Survey {
  const written = writtenEnd(source);
  const window = new Window(source, source.size, progress);
  const found: Survey = {
    kept: new KeptRanges(),
    damage: new DamageList(),
    frames: 0,
    samples: 0,
    lost: 0,
    patience: 4 * written + 64 * longestFrame,
    smallest: Number.POSITIVE_INFINITY,
    largest: 0,
    marks: [],
  };
  reportZeroTail(found.damage, written, source.size);
  const end = trailingTags(new Window(source, written), head.end);
  walk(window, head, end, written < source.size ? 2 : 0, found);
  reportTotal(head, found);
  return found;
}

function walk(window: Window, head: Head, end: number, slack: number, found: Survey): void {
  let at = head.end;
  while (at < end) {
    const frame = frameStart(window, at);
    const to = frame && found.patience > 0 ? frameEnd(window, frame, end, slack) : -1;
    if (frame && to < 0) found.patience -= Math.min(longestFrame, end - at);
    if (frame && to > 0) {
      take(found, frame, to);
      at = to;
      continue;
    }
    const next = nextFrame(window, at + 1, end, slack, found);
    found.lost += (next < 0 ? end : next) - at;
    if (next < 0) {
      reportTorn(found.damage, 'The frame', at, end);
      return;
    }
    reportHole(found.damage, at, next);
    at = next;
  }
}

/** The next frame whose CRC-16 is right. A frame whose header only looks like one costs a read. */
function nextFrame(
  window: Window,
  from: number,
  end: number,
  slack: number,
  found: Survey,
): number {
  return window.search(from, end, 0xff, (at) => {
    const frame = found.patience > 0 ? frameStart(window, at) : null;
    if (!frame) return false;
    const to = frameEnd(window, frame, end, slack);
    found.patience -= to < 0 ? Math.min(longestFrame, end - at) : 0;
    return to > 0;
  });
}

function take(found: Survey, frame: FrameStart, to: number): void {
  const length = to - frame.at;
  found.kept.add(frame.at, length);
  found.marks.push({ sample: found.samples, at: frame.at, samples: frame.samples });
  if (found.marks.length > mostMarks)
    found.marks = found.marks.filter((_, index) => index % 2 === 0);
  found.frames += 1;
  found.samples += frame.samples;
  found.smallest = Math.min(found.smallest, length);
  found.largest = Math.max(found.largest, length);
}

function reportTotal(head: Head, found: Survey): void {
  const { total } = head;
  if (total === found.samples || found.frames === 0) return;
  const detail =
    total === 0
      ? 'The number of samples was never written.'
      : `The header counts ${total} samples; there are ${found.samples}.`;
  found.damage.add('stale-header', head.start + 4, detail);
}

function track(head: Head, samples: number | null, total: number | null): TrackSummary {
  const { sampleRate, channels } = head;
  const durationMs = total === null ? null : milliseconds(total, sampleRate);
  return { kind: 'audio', codec: 'flac', samples, durationMs, sampleRate, channels };
}

function describe(head: Head, found: Survey, source: ByteSource): Diagnosis {
  const { damage } = found;
  if (found.frames === 0) return empty(source);
  return diagnosisOf({
    container: 'flac',
    verdict: damage.isEmpty ? 'whole' : 'interrupted',
    tracks: [track(head, found.frames, found.samples)],
    damage: damage.list,
    writer: head.writer,
  });
}

/** By the header and the last frame: whether it ends where the file does, at the declared sample. */
function atAGlance(source: ByteSource, head: Head): Diagnosis {
  const written = writtenEnd(source);
  const whole = new Window(source, written);
  const sound = trailingTags(whole, head.end);
  const window = new Window(source, sound);
  const damage = new DamageList();
  reportZeroTail(damage, written, source.size);
  const first = frameStart(window, head.end);
  const low = Math.max(head.end, sound - 1024 * 1024);
  const isFrame = (at: number) => frameStart(window, at)?.isVariable === first?.isVariable;
  const at = window.searchBack(sound, low, 0xff, (offset) => {
    const frame = isFrame(offset) ? frameStart(window, offset) : null;
    return frame !== null && frameEnd(window, frame, sound, 0) > 0;
  });
  const last = at < 0 ? null : frameStart(window, at);
  const to = last ? frameEnd(window, last, sound, 0) : -1;
  if (to !== sound) damage.add('torn-tail', Math.max(to, head.end), 'The last frame is cut off.');
  const unit = first?.samples ?? 0;
  const end = last ? last.number * (last.isVariable ? 1 : unit) + last.samples : null;
  // Fewer than the last frame's number says: frames in between were lost, and are not counted.
  if (end === null || head.total === 0 || head.total > end) {
    damage.add(
      'stale-header',
      head.start + 4,
      `The header counts ${head.total} samples, not ${end}.`,
    );
  }
  const verdict = !first ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const frames =
    first && !first.isVariable && unit > 0 && end !== null ? Math.ceil(end / unit) : null;
  return diagnosisOf({
    container: 'flac',
    verdict,
    tracks: [track(head, verdict === 'whole' ? frames : null, end)],
    damage: damage.list,
    writer: head.writer,
  });
}

function plan(source: ByteSource, head: Head, found: Survey, diagnosis: Diagnosis): RepairOutcome {
  const bytes = header(source, head, found);
  const perByte = found.samples / Math.max(1, found.kept.bytes);
  return planOf(
    {
      container: 'flac',
      extension: '.flac',
      method: 'frames with a right checksum kept, counts and seek table rewritten',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: found.kept.bytes,
      lost: found.lost,
      lostMs: milliseconds(found.lost * perByte, head.sampleRate),
      damage: diagnosis.damage,
    },
    function* (): Iterable<OutputPiece> {
      yield { kind: 'bytes', bytes };
      yield* found.kept.copies();
    },
  );
}

function header(source: ByteSource, head: Head, found: Survey): Uint8Array {
  const writer = new ByteWriter().add(source.read(0, head.start));
  for (const block of head.blocks) {
    writer.add(source.read(block.at, 4));
    const body = source.read(block.at + 4, block.length);
    if (block.type === 0) writer.add(streamInfo(body, found, head));
    else if (block.type === 3) writer.add(seekTable(body.length, found));
    else writer.add(body);
  }
  return writer.take();
}

function streamInfo(body: Uint8Array, found: Survey, head: Head): Uint8Array {
  const fits = (value: number) => (value < 2 ** 24 ? value : 0);
  const high = Math.floor(found.samples / 2 ** 32) & 15;
  // The hash stays right only when not a sample is missing.
  const isAll = head.hasHash && head.total === found.samples;
  return new ByteWriter()
    .add(body.subarray(0, 4))
    .be(fits(found.smallest), 3)
    .be(fits(found.largest), 3)
    .add(body.subarray(10, 13))
    .u8(((body[13] ?? 0) & 0xf0) | high)
    .be(found.samples % 2 ** 32, 4)
    .add(isAll ? body.subarray(18, 34) : new Uint8Array(16))
    .add(body.subarray(34))
    .take();
}

/** As many points as there were, spread evenly; placeholders where there are fewer frames. */
function seekTable(length: number, found: Survey): Uint8Array {
  const writer = new ByteWriter();
  const points = Math.floor(length / 18);
  const place = found.kept.placer();
  const count = Math.min(points, found.marks.length);
  for (let i = 0; i < count; i += 1) {
    const mark = found.marks[Math.floor((i * found.marks.length) / count)];
    if (mark) writer.be(mark.sample, 8).be(place(mark.at), 8).be(mark.samples, 2);
  }
  // A point of all ones is a placeholder (§8.5.1).
  while (writer.length + 18 <= length) writer.be(0xffffffff, 4).be(0xffffffff, 4).zeros(10);
  return writer.zeros(length - writer.length).take();
}
