/**
 * Zoom's raw recordings (`.zoom`): how far they are complete, and an experimental extraction.
 *
 * Zoom's own converter is the right way to a playable file; this reader says how many bytes and
 * seconds are complete packets, and plans an extraction into Matroska only when asked for by
 * `experimentalZoom`. The raw file is never touched.
 */
import type { ByteSource, Progress } from '../bytes.ts';
import type { Diagnosis, TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { NoRepair, OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  noRepairFor,
  planOf,
  reportHole,
  reportTorn,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';
import { isControlHead, readControl } from './control.ts';
import { matroskaPieces, type Sample } from './matroska-output.ts';
import { firstPacket, isMediaHead, nextPacket, type Packet, packetsFrom } from './packets.ts';
import { type Stream, Streams, settle, timeOf, unitsOf } from './streams.ts';

/** A picture of more units than this is none. */
const mostUnits = 4096;
/** A large file is judged by so much of its head and of its tail. */
const glance = 1024 * 1024;

export const zoom: ContainerFormat = {
  containers: ['zoom'],
  recognise: (head) => {
    const window = new Window({
      size: head.length,
      read: (at, length) => head.subarray(at, at + length),
    });
    return isMediaHead(window) ? 99 : isControlHead(window) ? 90 : 0;
  },
  diagnose: (source, context = {}) => {
    const window = new Window(source);
    if (!isMediaHead(window)) return describeControl(source);
    const thorough = context.thorough ?? source.size <= smallFile;
    return describeMedia(survey(source, thorough, false, context.progress));
  },
  planRepair: (source, context) => {
    if (!isMediaHead(new Window(source))) {
      const detail = 'This is Zoom’s control file: it holds no picture and no sound.';
      return { kind: 'none', reason: 'nothing-found', detail };
    }
    if (!context.experimentalZoom) return convertInstead(source);
    const found = survey(source, true, true, context.progress);
    const refused = found.streams.length === 0 ? noRepairFor(describeMedia(found)) : null;
    return refused ?? plan(source, found, context.progress);
  },
};

function convertInstead(source: ByteSource): NoRepair {
  const found = describeMedia(survey(source, source.size <= smallFile, false));
  if (found.verdict === 'empty') {
    return {
      kind: 'none',
      reason: 'empty',
      detail: found.damage[0]?.detail ?? 'No packet is whole.',
    };
  }
  const detail =
    found.verdict === 'whole'
      ? 'This raw Zoom recording is complete: Zoom converts it when the file is opened on the computer that recorded it.'
      : `${found.damage[0]?.detail ?? 'The raw Zoom recording is damaged.'} Zoom may convert what is before it.`;
  return {
    kind: 'none',
    reason: 'unconverted',
    detail,
    next: 'roomtape recover --experimental-zoom <file>',
  };
}

interface Found {
  readonly source: ByteSource;
  readonly streams: readonly Stream[];
  readonly damage: DamageList;
  /** Bytes of whole packets. */
  readonly packetBytes: number;
  readonly packets: number | null;
  readonly dataAt: number;
  readonly written: number;
  readonly skipped: number;
}

/** @param inside  look into the video for parameter sets and the first IDR picture */
function survey(
  source: ByteSource,
  thorough: boolean,
  inside: boolean,
  progress?: Progress,
): Found {
  const written = writtenEnd(source);
  const window = new Window(source, written, progress);
  const damage = new DamageList();
  const streams = new Streams(window);
  const dataAt = firstPacket(window);
  let [packetBytes, packets] = [0, 0];
  const take = (packet: Packet) => {
    streams.take(packet, inside);
    packetBytes += packet.end - packet.at;
    packets += 1;
  };
  const report = (gap: { at: number; end: number }) => {
    if (gap.end < written) reportHole(damage, gap.at, gap.end);
    else reportTorn(damage, 'The packet', gap.at, written);
  };
  if (thorough || written - dataAt <= 2 * glance) {
    for (const packet of packetsFrom(window, dataAt, report)) take(packet);
  } else {
    const head = new Window(source, dataAt + glance);
    for (const packet of packetsFrom(head, dataAt, () => {})) take(packet);
    const tail = nextPacket(window, written - glance, written);
    if (tail < 0) report({ at: written - glance, end: written });
    else for (const packet of packetsFrom(window, tail, report)) take(packet);
    packetBytes = (damage.list[0]?.at ?? written) - dataAt;
  }
  for (const stream of streams.all) settle(stream);
  reportZeroTail(damage, written, source.size);
  const counted = thorough || written - dataAt <= 2 * glance;
  const { skipped } = streams;
  return {
    source,
    streams: streams.all,
    damage,
    packetBytes,
    packets: counted ? packets : null,
    dataAt,
    written,
    skipped,
  };
}

function describeMedia(found: Found): Diagnosis {
  const { damage, streams, source } = found;
  const counted = found.packets !== null;
  const tracks = streams.map((stream) => summary(stream, counted));
  const durationMs = streams.length === 0 ? null : spanOf(streams).durationMs;
  if (streams.length === 0) {
    const detail =
      source.size <= found.dataAt
        ? `Only ${source.size} bytes of header were written, and no packet.`
        : 'No packet of sound or picture is complete.';
    const none = [{ kind: 'no-media' as const, at: Math.min(found.dataAt, source.size), detail }];
    return diagnosisOf({
      container: 'zoom',
      verdict: 'empty',
      tracks,
      damage: [...none, ...damage.list],
    });
  }
  const verdict = damage.isEmpty ? 'whole' : 'interrupted';
  const lost = found.written - found.dataAt - found.packetBytes;
  const total = `${found.packetBytes} of ${source.size - found.dataAt} bytes are complete packets, ${lost} are lost.`;
  const list = damage.list.map((one, index) =>
    index === 0 ? { ...one, detail: `${one.detail} ${total}` } : one,
  );
  return diagnosisOf({
    container: 'zoom',
    verdict,
    tracks,
    damage: list,
    durationMs,
    writer: 'Zoom',
  });
}

function describeControl(source: ByteSource): Diagnosis {
  const written = writtenEnd(source);
  const facts = readControl(new Window(source, written));
  const damage = new DamageList();
  if (facts.end < written) reportTorn(damage, 'The control record', facts.end, written);
  reportZeroTail(damage, written, source.size);
  const verdict = facts.records === 0 ? 'empty' : damage.isEmpty ? 'whole' : 'interrupted';
  const said = diagnosisOf({
    container: 'zoom',
    verdict,
    tracks: [],
    damage: damage.list,
    durationMs: facts.records === 0 ? null : facts.spanMs,
    recoverable: verdict === 'whole',
    writer: 'Zoom',
  });
  return facts.startedAt === null ? said : { ...said, startedAt: facts.startedAt };
}

function summary(stream: Stream, counted: boolean): TrackSummary {
  const shared = {
    samples: counted ? stream.packets : null,
    durationMs: Math.max(0, stream.end - stream.first),
  };
  if (stream.kind === 'audio') {
    const { rate, channels } = stream;
    return { kind: 'audio', codec: 'pcm_s16le', ...shared, sampleRate: rate, channels };
  }
  const { width, height } = stream;
  return { kind: 'video', codec: 'h264', ...shared, ...(width > 0 ? { width, height } : {}) };
}

function spanOf(streams: readonly Stream[]): { start: number; durationMs: number } {
  const start = Math.min(...streams.map((stream) => stream.first));
  return { start, durationMs: Math.max(...streams.map((stream) => stream.end)) - start };
}

function plan(source: ByteSource, found: Found, progress?: Progress): RepairOutcome {
  const usable = found.streams
    .filter((stream) => stream.opensAt >= 0)
    .toSorted((a, b) => (a.kind === b.kind ? 0 : a.kind === 'video' ? -1 : 1));
  if (usable.length === 0) {
    const detail = 'There is video, but neither parameter sets nor a picture to begin with.';
    return { kind: 'none', reason: 'no-parameter-sets', detail };
  }
  const { start, durationMs } = spanOf(usable);
  const counts = new Map<Stream, { samples: number; bytes: number }>();
  const samples = (count: boolean) =>
    extract(source, found, usable, start, count ? counts : null, progress);
  let first = true;
  // The measuring pass also counts what the output will carry.
  const pieces = matroskaPieces(usable, durationMs, () => {
    const again = samples(first);
    first = false;
    return again;
  });
  const kept = [...counts.values()].reduce((sum, one) => sum + one.bytes, 0);
  const media = found.streams.reduce((sum, stream) => sum + stream.bytes, 0);
  const unread = found.written - found.dataAt - found.packetBytes;
  return planOf(
    {
      container: 'matroska',
      extension: '.mkv',
      method: 'experimental extraction from Zoom’s raw recording',
      tracks: usable.map((stream) => ({
        ...summary(stream, true),
        samples: counts.get(stream)?.samples ?? 0,
      })),
      bytesTotal: source.size,
      kept,
      lost: unread + media - kept,
      lostMs: null,
      damage: found.damage.list,
      findings: findingsOf(found, usable),
    },
    pieces,
  );
}

function findingsOf(found: Found, usable: readonly Stream[]): string[] {
  const findings = [
    'Experimental: the layout of .zoom files is known from notes on files up to 2024 only. The raw file is kept; let Zoom convert it where that is possible.',
  ];
  for (const stream of usable) {
    if (stream.kind !== 'audio') continue;
    const channels = stream.channels === 1 ? 'one channel' : 'two channels';
    findings.push(`The sound is taken to have ${channels}, from its bytes per second.`);
  }
  const closed = found.streams.filter((stream) => stream.opensAt < 0);
  for (const stream of closed) {
    findings.push(
      `${stream.packets} packets of ${stream.name} have no picture to begin with and are left out.`,
    );
  }
  if (found.skipped > 0) {
    findings.push(
      `${found.skipped} packets (cursor, or of an unknown kind) are neither sound nor picture.`,
    );
  }
  return findings;
}

/** The samples of the output in file order; each call reads the packets anew. */
function* extract(
  source: ByteSource,
  found: Found,
  usable: readonly Stream[],
  start: number,
  counts: Map<Stream, { samples: number; bytes: number }> | null,
  progress?: Progress,
): Iterable<Sample> {
  const window = new Window(source, found.written, progress);
  const byKey = new Map(usable.map((stream, index) => [stream.key, { stream, track: index + 1 }]));
  const clocks = new Map<Stream, { last: number }>();
  const streams = new Streams(window);
  for (const packet of packetsFrom(window, found.dataAt, () => {})) {
    const key = streams.take(packet, false)?.key;
    const target = key === undefined ? undefined : byKey.get(key);
    if (!target || packet.at < target.stream.opensAt) continue;
    const clock = clocks.get(target.stream) ?? { last: Number.NaN };
    const time = timeOf(clock, packet);
    clocks.set(target.stream, { last: time });
    const { payload, sync, bytes } =
      target.stream.kind === 'audio' ? sound(target.stream, packet) : picture(window, packet);
    if (bytes === 0) continue;
    if (counts) {
      const before = counts.get(target.stream) ?? { samples: 0, bytes: 0 };
      counts.set(target.stream, {
        samples: before.samples + 1,
        bytes: before.bytes + packet.dataSize,
      });
    }
    yield { track: target.track, time: Math.max(0, Math.round(time - start)), sync, payload };
  }
}

interface Payload {
  readonly payload: readonly OutputPiece[];
  readonly sync: boolean;
  readonly bytes: number;
}

function sound(stream: Stream, packet: Packet): Payload {
  const frame = 2 * stream.channels;
  const length = packet.dataSize - (packet.dataSize % frame);
  return { payload: [{ kind: 'copy', offset: packet.dataAt, length }], sync: true, bytes: length };
}

/** Start codes become lengths; access unit delimiters stay out, as Matroska wants it. */
function picture(window: Window, packet: Packet): Payload {
  const data = window.bytes(packet.dataAt, packet.dataSize);
  const payload: OutputPiece[] = [];
  let [sync, bytes] = [false, 0];
  for (const { at, end, type } of unitsOf(data)) {
    if (type === 9) continue;
    if (payload.length > 2 * mostUnits) break;
    const length = end - at;
    const prefix = Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length);
    payload.push({ kind: 'bytes', bytes: prefix });
    payload.push({ kind: 'copy', offset: packet.dataAt + at, length });
    sync ||= type === 5;
    bytes += length;
  }
  return { payload, sync, bytes };
}
