/**
 * Ogg (RFC 3533): Opus, Vorbis, FLAC, Theora, Speex, multiplexed and chained.
 *
 * Every page that is sound is copied. Of a page that was cut off, the packets that are complete are
 * kept: it is written anew with their lacing values, their granule position and a right CRC. The
 * last page of each stream gets the flag that ends it.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { Diagnosis, TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  milliseconds,
  noRepairFor,
  planOf,
  reportTorn,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';
import type { LogicalStream } from './logical-stream.ts';
import { endsStream, isSound, longestPage, type Page, pageAt, pageOf } from './page.ts';
import { PageWalk } from './page-walk.ts';

export const ogg: ContainerFormat = {
  containers: ['ogg'],
  recognise: (head) => (String.fromCharCode(...head.subarray(0, 5)) === 'OggS\0' ? 90 : 0),
  diagnose: (source, context = {}) => {
    const isThorough = context.thorough ?? source.size <= smallFile;
    const glance = isThorough ? null : atAGlance(source);
    return glance ?? describe(walkOver(source, context.progress), source);
  },
  planRepair: (source, context) => {
    const walk = walkOver(source, context.progress);
    const diagnosis = describe(walk, source);
    return noRepairFor(diagnosis) ?? plan(source, walk, diagnosis);
  },
};

function walkOver(source: ByteSource, progress?: Progress): PageWalk {
  const written = writtenEnd(source);
  const walk = new PageWalk(new Window(source, written, progress));
  walk.run();
  reportZeroTail(walk.damage, written, source.size);
  return walk;
}

/** Tracks over all links of a chain: those of one codec and place in their link are one. */
function tracksOf(streams: readonly LogicalStream[], links: readonly number[]): TrackSummary[] {
  const tracks = new Map<string, TrackSummary>();
  const ordinals = new Map<string, number>();
  streams.forEach((stream, index) => {
    const { kind, codec, width, height, sampleRate, channels } = stream.mapping;
    if (kind === 'data') return;
    const place = `${links[index]} ${codec}`;
    const ordinal = ordinals.get(place) ?? 0;
    ordinals.set(place, ordinal + 1);
    const before = tracks.get(`${codec} ${ordinal}`);
    tracks.set(`${codec} ${ordinal}`, {
      kind,
      codec,
      samples: (before?.samples ?? 0) + stream.packets,
      durationMs: (before?.durationMs ?? 0) + (milliseconds(stream.seconds, 1) ?? 0),
      ...(width ? { width } : {}),
      ...(height ? { height } : {}),
      ...(sampleRate ? { sampleRate } : {}),
      ...(channels ? { channels } : {}),
    });
  });
  return [...tracks.values()];
}

function describe(walk: PageWalk, source: ByteSource): Diagnosis {
  const tracks = tracksOf(walk.streams, walk.links);
  const isEmpty = tracks.every((track) => track.samples === 0);
  const { damage } = walk;
  if (isEmpty) damage.add('no-media', source.size, 'There is no complete packet of media.');
  const verdict = isEmpty ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  return diagnosisOf({ container: 'ogg', verdict, tracks, damage: damage.list });
}

/** A large file by its first pages and its last; null when that is not enough. */
function atAGlance(source: ByteSource): Diagnosis | null {
  const head = new PageWalk(new Window(source, Math.min(source.size, 4 * longestPage)));
  head.run();
  const { streams } = head;
  if (
    streams.length === 0 ||
    streams.some(({ packets, mapping }) => packets === 0 && mapping.rate > 0)
  ) {
    return null;
  }
  const written = writtenEnd(source);
  const window = new Window(source, written);
  const damage = new DamageList();
  reportZeroTail(damage, written, source.size);
  const last = lastPages(window, damage);
  if (!last) return null;
  const isEnded = [...last.values()].every((page) => (page.flags & endsStream) !== 0);
  if (!isEnded && damage.isEmpty) damage.add('unfinished', written, 'A stream was never ended.');
  const isChained = [...last.keys()].some(
    (serial) => !streams.some((each) => each.serial === serial),
  );
  const tracks = streams.flatMap((stream) => {
    const page = last.get(stream.serial);
    if (page && page.granule >= 0) stream.lastGranule = stream.frameOf(page.granule);
    const durationMs = isChained || !page ? null : milliseconds(stream.seconds, 1);
    return tracksOf([stream], [0]).map((track) => ({ ...track, samples: null, durationMs }));
  });
  const verdict = damage.isEmpty ? 'whole' : 'interrupted';
  return diagnosisOf({ container: 'ogg', verdict, tracks, damage: damage.list });
}

/** The last sound page of each stream near the end, with the last granule position known there. */
function lastPages(window: Window, damage: DamageList): ReadonlyMap<number, Page> | null {
  const low = Math.max(0, window.end - 4 * longestPage);
  const last = new Map<number, Page>();
  let at = window.search(low, window.end, 0x4f, (offset) => {
    const page = pageAt(window, offset);
    return page !== null && isSound(window, page);
  });
  if (at < 0) return null;
  for (let page = pageAt(window, at); page && isSound(window, page); page = pageAt(window, at)) {
    const before = last.get(page.serial);
    last.set(page.serial, page.granule < 0 && before ? { ...page, granule: before.granule } : page);
    at = page.end;
  }
  if (at < window.end) reportTorn(damage, 'The page', at, window.end);
  return last;
}

function plan(source: ByteSource, walk: PageWalk, diagnosis: Diagnosis): RepairOutcome {
  const window = new Window(source);
  const names: Record<string, string> = { opus: '.opus', speex: '.spx', flac: '.oga' };
  const only = diagnosis.tracks.length === 1 ? diagnosis.tracks[0] : undefined;
  const hasVideo = diagnosis.tracks.some((track) => track.kind === 'video');
  return planOf(
    {
      container: 'ogg',
      extension: (only && names[only.codec]) ?? (hasVideo ? '.ogv' : '.ogg'),
      method: 'complete packets kept, last pages written anew',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: walk.kept.bytes,
      lost: walk.lost,
      lostMs: null,
      damage: diagnosis.damage,
    },
    () => piecesOf(window, walk),
  );
}

function piecesOf(window: Window, walk: PageWalk): Iterable<OutputPiece> {
  const inOrder = [...walk.edits].sort(([a], [b]) => a - b);
  return walk.kept.edited(
    inOrder.map(([at, edit]) => {
      const page = edit?.page ?? pageAt(window, at);
      const pieces: OutputPiece[] = edit
        ? [{ kind: 'bytes', bytes: pageOf(window, edit.page, edit) }]
        : [];
      return { at, end: page?.end ?? Number.POSITIVE_INFINITY, pieces };
    }),
  );
}
