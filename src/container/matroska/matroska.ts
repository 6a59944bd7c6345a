/**
 * Matroska and WebM (RFC 9559): diagnosis and repair.
 *
 * The repair keeps every complete block where it lies, writes the sizes that were unknown, the
 * duration, cues and a seek head. Where these fit into the room before the first cluster (ffmpeg and
 * OBS leave some), no block moves and the writer can clone the file. What counts as whole is in
 * docs/decisions/0301-when-a-live-webm-is-whole.md.
 */

import { ByteWriter } from '../byte-writer.ts';
import type { ByteSource, Progress } from '../bytes.ts';
import type { ContainerId, Diagnosis, TrackSummary } from '../diagnosis.ts';
import { foreign } from '../diagnosis.ts';
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
import { ClusterWalk } from './clusters.ts';
import {
  childrenOf,
  type Element,
  element,
  elementAt,
  elementHeader,
  ids,
  uintElement,
  uintOf,
  voidElement,
} from './ebml.ts';
import { type MatroskaHead, readHead } from './head.ts';
import { lastingTags } from './tags.ts';

/** The last cluster is looked for so far from the end: longer ones are rare. */
const tailLength = 32 * 1024 * 1024;
const mostCues = 100_000;

interface Survey {
  readonly head: MatroskaHead;
  readonly walk: ClusterWalk;
  readonly damage: DamageList;
  readonly written: number;
}

export const matroska: ContainerFormat = {
  containers: ['matroska', 'webm'],
  recognise: (head) => {
    const [a, b, c, d] = head;
    return a === 0x1a && b === 0x45 && c === 0xdf && d === 0xa3 ? 90 : 0;
  },
  diagnose: (source, context = {}) => {
    const head = readHead(new Window(source));
    const refused = refusal(source, head);
    if (refused || !head) return refused ?? foreign('The file is no Matroska.');
    const isThorough = context.media || (context.thorough ?? source.size <= smallFile);
    if (!isThorough && isWholeByItsSizes(source, head)) return wholeBySizes(head);
    if (!isThorough) return atAGlance(source, head);
    return describe(survey(source, head, context.media === true, context.progress), source);
  },
  planRepair: (source, context) => {
    const head = readHead(new Window(source));
    const refused = refusal(source, head);
    if (refused || !head) {
      return noRepairFor(refused ?? foreign('')) ?? { kind: 'none', reason: 'foreign', detail: '' };
    }
    const found = survey(source, head, true, context.progress);
    const diagnosis = describe(found, source);
    return noRepairFor(diagnosis) ?? plan(source, found, diagnosis);
  },
};

function containerOf(head: MatroskaHead): ContainerId {
  return head.docType === 'webm' ? 'webm' : 'matroska';
}

function refusal(source: ByteSource, head: MatroskaHead | null): Diagnosis | null {
  if (head && head.tracks.length > 0 && head.tracks.every((track) => track.isEncrypted)) {
    const detail = 'Every track is encrypted.';
    const damage = [{ kind: 'encrypted' as const, at: 0, detail }];
    return { ...foreign(detail), container: containerOf(head), verdict: 'beyond-repair', damage };
  }
  if (head && head.tracks.length > 0) return null;
  const detail = 'The file ends, or cannot be read, before its tracks are described.';
  const container = head ? containerOf(head) : 'matroska';
  const at = head?.end ?? source.size;
  const damage = [{ kind: 'no-media' as const, at, detail }];
  const holdsMore = source.size - at > 64 * 1024;
  return { ...foreign(detail), container, verdict: holdsMore ? 'beyond-repair' : 'empty', damage };
}

/** A finished file says how long it is, and its index is where it says. */
function isWholeByItsSizes(source: ByteSource, head: MatroskaHead): boolean {
  const { segment } = head;
  if (segment.size < 0 || segment.body + segment.size !== source.size) return false;
  const window = new Window(source);
  if (elementAt(window, head.end)?.id !== ids.Cluster) return false;
  if (head.cues) return true;
  const position = seekPosition(window, head, ids.Cues);
  const cues = position === null ? null : elementAt(window, segment.body + position);
  if (position !== null) return cues?.id === ids.Cues && cues.size >= 0;
  return head.duration > 0 && writtenEnd(source) === source.size;
}

function seekPosition(window: Window, head: MatroskaHead, id: number): number | null {
  return seeks(window, head).find((seek) => seek.target === id)?.position ?? null;
}

/** What the seek heads before the first cluster say lies where, from the start of the segment. */
function seeks(window: Window, head: MatroskaHead): { target: number; position: number }[] {
  const found: { target: number; position: number }[] = [];
  for (const top of childrenOf(window, head.segment.body, head.end)) {
    if (top.id !== ids.SeekHead) continue;
    for (const seek of childrenOf(window, top.body, top.body + top.size)) {
      let [target, position] = [0, -1];
      for (const child of childrenOf(window, seek.body, seek.body + seek.size)) {
        if (child.id === ids.SeekID) target = uintOf(window, child);
        if (child.id === ids.SeekPosition) position = uintOf(window, child);
      }
      if (position >= 0 && found.length < 1000) found.push({ target, position });
    }
  }
  return found;
}

function wholeBySizes(head: MatroskaHead): Diagnosis {
  const durationMs = milliseconds(head.duration * head.scale, 1e9);
  const tracks = head.tracks.map((track) => ({
    ...summary(track),
    samples: null,
    durationMs: null,
  }));
  return diagnosisOf({
    container: containerOf(head),
    verdict: 'whole',
    tracks,
    damage: [],
    writer: head.writer,
    createdAt: head.createdAt,
    durationMs,
  });
}

/** A large unfinished file by its head and its last cluster: enough to say how long it is. */
function atAGlance(source: ByteSource, head: MatroskaHead): Diagnosis {
  const written = writtenEnd(source);
  const damage = new DamageList();
  const window = new Window(source);
  const from = window.searchBack(
    written - 12,
    Math.max(head.end, written - tailLength),
    0x1f,
    (at) =>
      window.u32(at) === ids.Cluster &&
      elementAt(window, elementAt(window, at)?.body ?? -1)?.id !== undefined,
  );
  const walk = new ClusterWalk(window, written, head, damage);
  walk.walk(from >= 0 ? from : head.end);
  reportHeader({ head, walk, damage, written }, source);
  const ends = [...walk.clocks.values()].map((clock) => clock.end);
  const tracks = head.tracks.map((track) => ({
    ...summary(track),
    samples: null,
    durationMs: milliseconds((walk.clocks.get(track.number)?.end ?? 0) * head.scale, 1e9),
  }));
  return diagnosisOf({
    container: containerOf(head),
    verdict: walk.count === 0 ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted',
    tracks,
    damage: damage.list,
    writer: head.writer,
    createdAt: head.createdAt,
    openEnded: head.segment.size < 0,
    durationMs: milliseconds(Math.max(0, ...ends) * head.scale, 1e9),
  });
}

function survey(
  source: ByteSource,
  head: MatroskaHead,
  looksInside: boolean,
  progress?: Progress,
): Survey {
  const written = writtenEnd(source);
  const damage = new DamageList();
  const window = new Window(source, source.size, progress);
  const walk = new ClusterWalk(window, written, head, damage, looksInside);
  walk.walk(head.end);
  const found = { head, walk, damage, written };
  reportHeader(found, source);
  return found;
}

/** What the header claims, or never learned. */
function reportHeader({ head, walk, damage, written }: Survey, source: ByteSource): void {
  const { segment } = head;
  reportZeroTail(damage, written, source.size);
  const beyond = seeks(new Window(source), head).find(
    ({ position }) => segment.body + position >= source.size,
  );
  if (beyond) {
    const at = segment.body + beyond.position;
    damage.add('torn-tail', written, `The seek head points to byte ${at}, behind the end.`);
  }
  if (segment.size < 0) {
    // A live recorder that stopped between two blocks: nothing was ever to be written later.
    if (!head.meansToReturn && damage.isEmpty) return;
    if (head.duration === 0) {
      damage.add('no-duration', segment.at, 'The recorder never wrote how long the recording is.');
    }
    if (!head.cues && !walk.cuesFound) {
      damage.add('no-seek-index', written, 'The recorder never wrote an index for seeking.');
    }
    if (damage.isEmpty) damage.add('unfinished', segment.at, 'The segment was never closed.');
    return;
  }
  const end = segment.body + segment.size;
  if (end === source.size) return;
  const detail = `The segment claims to end at byte ${end}; the file ends at byte ${source.size}.`;
  damage.add(end > source.size ? 'torn-tail' : 'stale-header', Math.min(end, written), detail);
}

function summary(track: MatroskaHead['tracks'][number]) {
  const { kind, codec, width, height, sampleRate, channels } = track;
  return {
    kind,
    codec,
    ...(width ? { width } : {}),
    ...(height ? { height } : {}),
    ...(sampleRate ? { sampleRate } : {}),
    ...(channels ? { channels } : {}),
  };
}

function describe({ head, walk, damage }: Survey, source: ByteSource): Diagnosis {
  const tracks: TrackSummary[] = head.tracks.map((track) => {
    const clock = walk.clocks.get(track.number);
    const ticks = clock ? Math.max(0, clock.end - clock.first) : 0;
    const durationMs = milliseconds(ticks * head.scale, 1e9);
    return { ...summary(track), samples: clock?.frames ?? 0, durationMs };
  });
  const isEmpty = tracks.every((track) => track.samples === 0);
  if (isEmpty)
    damage.add('no-media', Math.min(head.end, source.size), 'There is no complete block.');
  return diagnosisOf({
    container: containerOf(head),
    verdict: isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted',
    tracks,
    damage: damage.list,
    writer: head.writer,
    createdAt: head.createdAt,
    openEnded: head.segment.size < 0,
  });
}

function plan(source: ByteSource, found: Survey, diagnosis: Diagnosis): RepairOutcome {
  const { head, walk } = found;
  const window = new Window(source);
  const ends = [...walk.clocks.values()].map((clock) => clock.end);
  const info = infoElement(window, source, head, Math.max(0, ...ends));
  const early = head.extras
    .map((part) => ({ part, bytes: earlyBytes(window, source, part) }))
    .filter(({ bytes }) => bytes.length > 0);
  const tail = walk.extras;
  const fixed = layHead(source, head, info, early, tail);
  const places = layClusters(walk, fixed.length - fixed.segmentBody);
  const cues = cuesElement(walk, places.positions);
  let at = places.end;
  const positions = new Map<Element | 'cues', number>(fixed.positions);
  for (const extra of tail) {
    positions.set(extra, at);
    at += extra.body + extra.size - extra.at;
  }
  positions.set('cues', at);
  const headBytes = fixed.write(positions, at + cues.length);
  const isWebm = diagnosis.container === 'webm';
  return planOf(
    {
      container: diagnosis.container,
      extension: isWebm ? '.webm' : '.mkv',
      method: 'complete blocks kept, duration and seek index written',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: walk.kept,
      lost: walk.lost,
      lostMs: null,
      damage: diagnosis.damage,
    },
    () =>
      joined(
        (function* (): Iterable<OutputPiece> {
          yield { kind: 'bytes', bytes: headBytes };
          for (const cluster of walk.clusters()) yield* cluster.pieces;
          for (const extra of tail) {
            yield { kind: 'copy', offset: extra.at, length: extra.body + extra.size - extra.at };
          }
          yield { kind: 'bytes', bytes: cues };
        })(),
      ),
  );
}

function infoElement(
  window: Window,
  source: ByteSource,
  head: MatroskaHead,
  end: number,
): Uint8Array {
  const body = new ByteWriter();
  if (head.info) {
    for (const child of childrenOf(window, head.info.body, head.info.body + head.info.size)) {
      if (child.id === ids.Duration || child.id === ids.Void || child.id === ids.Crc32) continue;
      body.add(source.read(child.at, child.body + child.size - child.at));
    }
  } else body.add(uintElement(ids.TimestampScale, head.scale));
  body.add(element(ids.Duration, new ByteWriter().f64(end).take()));
  return element(ids.Info, body.take());
}

/** Attachments, chapters and tags before the first cluster, as they are written. */
interface EarlyPart {
  readonly part: Element;
  readonly bytes: Uint8Array;
}

function earlyBytes(window: Window, source: ByteSource, part: Element): Uint8Array {
  if (part.id === ids.Tags) return lastingTags(window, source, part);
  return source.read(part.at, part.body + part.size - part.at);
}

/**
 * The head of the output: as long as that of the source where its parts fit, so that the clusters
 * stay where they are.
 */
function layHead(
  source: ByteSource,
  head: MatroskaHead,
  info: Uint8Array,
  early: readonly EarlyPart[],
  tail: readonly Element[],
) {
  const copyOf = (part: Element) => source.read(part.at, part.body + part.size - part.at);
  const ebml = source.read(0, head.segment.at);
  const segmentBody = ebml.length + 12;
  const seekTargets: readonly (Element | 'cues' | 'info' | 'tracks')[] = [
    'info',
    'tracks',
    ...early.map(({ part }) => part),
    ...tail,
    'cues',
  ];
  const seekHead = (place: (target: Element | 'cues' | 'info' | 'tracks') => number) =>
    element(
      ids.SeekHead,
      concatenated(seekTargets.map((target) => seek(idOf(target), place(target)))),
    );
  const seekLength = seekHead(() => 0).length;
  const tracks = head.tracksElement ? copyOf(head.tracksElement) : new Uint8Array(0);
  const positions = new Map<Element | 'cues', number>();
  let at = seekLength + info.length + tracks.length;
  for (const { part, bytes } of early) {
    positions.set(part, at);
    at += bytes.length;
  }
  const room = head.end - segmentBody - at;
  const padding = room >= 2 ? voidElement(room) : new Uint8Array(0);
  const write = (all: ReadonlyMap<Element | 'cues', number>, segmentSize: number) =>
    concatenated([
      ebml,
      elementHeader(ids.Segment, segmentSize),
      seekHead((target) =>
        target === 'info'
          ? seekLength
          : target === 'tracks'
            ? seekLength + info.length
            : (all.get(target) ?? 0),
      ),
      info,
      tracks,
      ...early.map(({ bytes }) => bytes),
      padding,
    ]);
  return { segmentBody, positions, length: segmentBody + at + padding.length, write };
}

function idOf(target: Element | 'cues' | 'info' | 'tracks'): number {
  if (target === 'cues') return ids.Cues;
  if (target === 'info') return ids.Info;
  return target === 'tracks' ? ids.Tracks : target.id;
}

function seek(id: number, position: number): Uint8Array {
  const body = concatenated([
    element(ids.SeekID, new ByteWriter().be(id, 4).take()),
    uintElement(ids.SeekPosition, position, 8),
  ]);
  return element(ids.Seek, body);
}

function layClusters(walk: ClusterWalk, from: number) {
  const positions: number[] = [];
  let end = from;
  for (const cluster of walk.clusters()) {
    positions.push(end);
    end += cluster.size;
  }
  return { positions, end };
}

function cuesElement(walk: ClusterWalk, positions: readonly number[]): Uint8Array {
  const every = Math.max(1, Math.ceil(walk.cues.length / mostCues));
  const body = new ByteWriter();
  for (let i = 0; i < walk.cues.length; i += every) {
    const cue = walk.cues[i];
    const position = cue && positions[cue.cluster];
    if (cue === undefined || position === undefined) continue;
    const where = concatenated([
      uintElement(ids.CueTrack, cue.track),
      uintElement(ids.CueClusterPosition, position),
    ]);
    const point = concatenated([
      uintElement(ids.CueTime, cue.time),
      element(ids.CueTrackPositions, where),
    ]);
    body.add(element(ids.CuePoint, point));
  }
  return body.length === 0 ? voidElement(2) : element(ids.Cues, body.take());
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const part of parts) writer.add(part);
  return writer.take();
}
