/**
 * FLV: tags that carry their size in front and behind, so that each is checked from both sides.
 *
 * Recorders write duration and file size into the first tag (`onMetaData`) when they stop. The
 * repair keeps every complete tag and writes that one anew, with the key frames for seeking.
 */

import { ByteWriter } from '../byte-writer.ts';
import type { ByteSource, Progress } from '../bytes.ts';
import type { Diagnosis, TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
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
import { type AmfObject, type AmfValue, readAmf, writeAmf } from './amf.ts';
import { contentOf, isConfirmed, type Tag, type TagContent, tagAt } from './tag.ts';

const mostKeyFrames = 20_000;
/** Tags that must chain before reading goes on behind a hole. */
const chainLength = 3;

interface Metadata {
  readonly values: AmfObject;
  readonly tag: Tag;
}

class TagClock {
  readonly content: TagContent;
  samples = 0;
  first = Number.POSITIVE_INFINITY;
  last = 0;
  step = 0;

  constructor(content: TagContent) {
    this.content = content;
  }

  tick(time: number): void {
    if (this.samples > 0 && time > this.last) this.step = time - this.last;
    this.samples += 1;
    this.first = Math.min(this.first, time);
    this.last = Math.max(this.last, time);
  }

  get end(): number {
    return this.samples === 0 ? 0 : this.last + this.step;
  }
}

interface Survey {
  readonly start: number;
  readonly metadata: Metadata | null;
  readonly kept: KeptRanges;
  readonly damage: DamageList;
  readonly clocks: Map<Tag['type'], TagClock>;
  readonly keyFrames: { readonly time: number; readonly at: number }[];
  lost: number;
  /** The last tag, whose size behind it is cut off; it is complete all the same. */
  unsized: Tag | null;
}

export const flv: ContainerFormat = {
  containers: ['flv'],
  recognise: (head) =>
    String.fromCharCode(...head.subarray(0, 3)) === 'FLV' && head[3] === 1 ? 85 : 0,
  diagnose: (source, context = {}) => {
    const isThorough = context.thorough ?? source.size <= smallFile;
    return describe(isThorough ? survey(source) : glance(source), source, isThorough);
  },
  planRepair: (source, context) => {
    const found = survey(source, context.progress);
    const diagnosis = describe(found, source, true);
    return noRepairFor(diagnosis) ?? plan(source, found, diagnosis);
  },
};

function begin(source: ByteSource, window: Window, written: number): Survey {
  const headerSize = window.u32(5);
  const start = (headerSize >= 9 && headerSize < 4096 ? headerSize : 9) + 4;
  const found: Survey = {
    start,
    metadata: readMetadata(window, start),
    kept: new KeptRanges(),
    damage: new DamageList(),
    clocks: new Map(),
    keyFrames: [],
    lost: 0,
    unsized: null,
  };
  reportZeroTail(found.damage, written, source.size);
  return found;
}

function survey(source: ByteSource, progress?: Progress): Survey {
  const written = writtenEnd(source);
  const window = new Window(source, written, progress);
  const found = begin(source, window, written);
  walk(window, found, found.start);
  return found;
}

/** Reads the first tags, then the last: backwards by the sizes behind each tag. */
function glance(source: ByteSource): Survey {
  const written = writtenEnd(source);
  const window = new Window(source, written);
  const found = begin(source, window, written);
  walk(
    new Window(source, Math.min(written, found.start + 256 * 1024)),
    { ...found, damage: new DamageList() },
    found.start,
  );
  const from = findChain(window, Math.max(found.start, written - 1024 * 1024));
  if (from >= 0) walk(window, found, from);
  else found.damage.add('torn-tail', written, 'The end of the file is no tag.');
  return found;
}

function readMetadata(window: Window, at: number): Metadata | null {
  const tag = tagAt(window, at);
  if (tag?.type !== 'script' || tag.end > window.end) return null;
  const name = readAmf(window, tag.body);
  const values = name?.value === 'onMetaData' ? readAmf(window, name.end) : null;
  return values && values.value instanceof Map ? { values: values.value, tag } : null;
}

function walk(window: Window, found: Survey, from: number): void {
  let at = from;
  let previous: Tag | null = null;
  while (at < window.end) {
    const tag = tagAt(window, at);
    if (tag && tag.end + 4 <= window.end && isConfirmed(window, tag)) {
      take(window, found, tag);
      found.kept.add(tag.at, tag.size + 15);
      previous = tag;
      at = tag.end + 4;
      continue;
    }
    if (tag && tag.end <= window.end && tag.end + 4 > window.end) {
      take(window, found, tag);
      found.kept.add(tag.at, tag.size + 11);
      found.unsized = tag;
      reportTorn(found.damage, 'The size behind the last tag', tag.end, window.end);
      return;
    }
    const next = findChain(window, at + 1);
    found.lost += (next < 0 ? window.end : next) - at;
    if (next < 0) {
      reportTorn(found.damage, 'The tag', at, window.end);
      return;
    }
    reportHole(found.damage, previous ? at : from, next);
    at = next;
  }
}

function take(window: Window, found: Survey, tag: Tag): void {
  if (tag.type === 'script') return;
  const content = contentOf(window, tag);
  const known = found.clocks.get(tag.type);
  const clock = known ?? new TagClock(content);
  if (!known) found.clocks.set(tag.type, clock);
  if (!content.isMedia) return;
  clock.tick(tag.time);
  const isSeekable = content.isKey && tag.type === 'video';
  if (isSeekable && found.keyFrames.length < mostKeyFrames) {
    found.keyFrames.push({ time: tag.time, at: tag.at });
  }
}

function findChain(window: Window, from: number): number {
  return window.searchAny(from, window.end, [8, 9, 18], (at) => chains(window, at));
}

function chains(window: Window, from: number): boolean {
  let at = from;
  for (let count = 0; count < chainLength; count += 1) {
    const tag = tagAt(window, at);
    if (!tag || tag.end + 4 > window.end) return count > 0;
    if (!isConfirmed(window, tag)) return false;
    at = tag.end + 4;
    if (at === window.end) return true;
  }
  return true;
}

function describe(found: Survey, source: ByteSource, isCounted: boolean): Diagnosis {
  const { damage, metadata } = found;
  const tracks = [...found.clocks].map(([type, clock]): TrackSummary => {
    const kind = type === 'video' ? 'video' : 'audio';
    const { codec, sampleRate, channels } = clock.content;
    const duration = milliseconds(Math.max(0, clock.end - (isCounted ? clock.first : 0)), 1000);
    return {
      kind,
      codec,
      samples: isCounted ? clock.samples : null,
      durationMs: clock.samples === 0 ? 0 : duration,
      ...sizesOf(metadata, kind),
      ...soundOf(metadata, kind, sampleRate, channels),
    };
  });
  const isEmpty = [...found.clocks.values()].every((clock) => clock.samples === 0);
  if (isEmpty) damage.add('no-media', found.start, 'There is no complete tag of sound or picture.');
  reportMetadata(found, source);
  const verdict = isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const encoder = metadata?.values.get('encoder');
  const writer = typeof encoder === 'string' ? encoder : null;
  return diagnosisOf({
    container: 'flv',
    verdict,
    tracks,
    damage: damage.list,
    writer,
    openEnded: numberIn(metadata, 'duration') <= 0,
  });
}

function sizesOf(metadata: Metadata | null, kind: 'video' | 'audio') {
  const [width, height] = [numberIn(metadata, 'width'), numberIn(metadata, 'height')];
  return kind === 'video' && width > 0 && height > 0 ? { width, height } : {};
}

/** For AAC the bits in the tag mean nothing; the metadata knows better. */
function soundOf(metadata: Metadata | null, kind: string, rate?: number, channels?: number) {
  if (kind !== 'audio') return {};
  const stereo = metadata?.values.get('stereo');
  const count = typeof stereo === 'boolean' ? (stereo ? 2 : 1) : channels;
  const sampleRate = numberIn(metadata, 'audiosamplerate') || rate;
  return { ...(sampleRate ? { sampleRate } : {}), ...(count ? { channels: count } : {}) };
}

function numberIn(metadata: Metadata | null, name: string): number {
  const value = metadata?.values.get(name);
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function reportMetadata({ metadata, damage, start }: Survey, source: ByteSource): void {
  // A live recorder announces no duration and never comes back: whole when it ends behind a tag.
  const isLive = metadata !== null && !metadata.values.has('duration');
  if (numberIn(metadata, 'duration') <= 0 && !(isLive && damage.isEmpty)) {
    damage.add('no-duration', start, 'The recorder never wrote how long the recording is.');
  }
  const size = numberIn(metadata, 'filesize');
  if (size > 0 && size !== source.size) {
    damage.add(
      'stale-header',
      start,
      `The header claims ${size} bytes; the file has ${source.size}.`,
    );
  }
}

function plan(source: ByteSource, found: Survey, diagnosis: Diagnosis): RepairOutcome {
  const { metadata, kept, start, unsized } = found;
  const old = metadata ? metadata.tag.end + 4 : start;
  const body = new KeptRanges();
  for (const range of kept.copies()) {
    if (range.kind !== 'copy') continue;
    const from = Math.max(range.offset, old);
    body.add(from, range.offset + range.length - from);
  }
  const end = unsized ? new ByteWriter().be(unsized.size + 11, 4).take() : new Uint8Array(0);
  const length = metadataTag(found, body, 0, 0).length;
  const size = start + length + body.bytes + end.length;
  const head = new ByteWriter().add(source.read(0, start - 4)).zeros(4);
  const headBytes = head.add(metadataTag(found, body, start + length, size)).take();
  return planOf(
    {
      container: 'flv',
      extension: '.flv',
      method: 'complete tags kept, duration and key frames written',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: body.bytes,
      lost: found.lost,
      lostMs: null,
      damage: diagnosis.damage,
    },
    function* (): Iterable<OutputPiece> {
      yield { kind: 'bytes', bytes: headBytes };
      yield* body.copies();
      if (end.length > 0) yield { kind: 'bytes', bytes: end };
    },
  );
}

/** `onMetaData` with what is known now; as long whatever the numbers are. */
function metadataTag(found: Survey, body: KeptRanges, before: number, size: number): Uint8Array {
  const place = body.placer();
  const keyFrames = found.keyFrames;
  // A single frame lasts, too: a duration of 0 means that it was never written.
  const ends = [...found.clocks.values()].map((clock) => clock.end);
  const seconds = Math.max(1, ...ends) / 1000;
  const times: AmfValue[] = keyFrames.map((frame) => frame.time / 1000);
  const positions: AmfValue[] = keyFrames.map((frame) => before + place(frame.at));
  const values: AmfObject = new Map(found.metadata?.values ?? []);
  values.set('duration', seconds);
  values.set('filesize', size);
  values.delete('keyframes');
  if (keyFrames.length > 0) {
    values.set('hasKeyframes', true);
    values.set(
      'keyframes',
      new Map<string, AmfValue>([
        ['filepositions', positions],
        ['times', times],
      ]),
    );
  }
  const content = new ByteWriter();
  writeAmf(content, 'onMetaData');
  writeAmf(content, values);
  return new ByteWriter()
    .u8(18)
    .be(content.length, 3)
    .zeros(7)
    .add(content.take())
    .be(content.length + 11, 4)
    .take();
}
