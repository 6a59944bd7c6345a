/**
 * MPEG transport streams (ISO/IEC 13818-1): diagnosis and repair.
 *
 * A transport stream has no header over all of it and no end mark. It is whole when its last packet
 * is, and with it the last PES packet of every stream. The repair leaves out the transport packets
 * of PES packets that were cut off, and keeps the complete frames of sound of the last one.
 */

import type { ByteSource, Progress } from '../bytes.ts';
import { memorySource } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import type { OutputPiece, RepairOutcome } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  joined,
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
import { findGrid, type Grid, isChain, type Packet, packetAt, packetBytes } from './packet.ts';
import { type PacketEdits, PesStream } from './pes-stream.ts';
import { programMaps, streamsOf } from './tables.ts';

const headBytes = 1024 * 1024;
const tailBytes = 4 * 1024 * 1024;
const mostStreams = 64;

export const mpegts: ContainerFormat = {
  containers: ['mpegts'],
  recognise: (head) => {
    const window = new Window(memorySource(head));
    const grid = findGrid(window, 0, 1024);
    if (!grid || !isLong(window, grid)) return 0;
    return grid.first <= 4 ? 80 : 40;
  },
  diagnose: (source, context = {}) => {
    const isThorough = context.thorough ?? source.size <= smallFile;
    const walk = isThorough ? walkOver(source, context.progress) : glance(source);
    return walk ? describe(walk, isThorough) : headerOnly(source);
  },
  planRepair: (source, context) => {
    const walk = walkOver(source, context.progress);
    const diagnosis = walk ? describe(walk, true) : headerOnly(source);
    const refusal = noRepairFor(diagnosis);
    if (refusal || !walk) {
      return refusal ?? { kind: 'none', reason: 'empty', detail: 'There is no packet.' };
    }
    return plan(source, walk, diagnosis);
  },
};

/** A grid of a few packets may be chance; a file shorter than that has to do. */
function isLong(window: Window, grid: Grid): boolean {
  const count = Math.min(20, Math.floor((window.end - grid.first) / grid.stride));
  for (let i = 0; i < count; i += 1) {
    if (window.u8(grid.first + i * grid.stride) !== 0x47) return i > 7;
  }
  return count >= 2;
}

function headerOnly(source: ByteSource): Diagnosis {
  const detail = 'There are no transport packets in a row.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'mpegts', verdict: 'empty', damage };
}

class PacketWalk {
  readonly streams = new Map<number, PesStream>();
  readonly kept = new KeptRanges();
  readonly edits: PacketEdits = new Map();
  readonly damage = new DamageList();
  readonly grid: Grid;
  isScrambled = false;
  lost = 0;
  readonly #window: Window;
  readonly #maps = new Set<number>();
  #lastPid = -1;

  constructor(window: Window, grid: Grid) {
    this.#window = window;
    this.grid = grid;
  }

  run(from: number, to: number): void {
    const { stride, lead } = this.grid;
    let at = from;
    while (at < to) {
      const packet = packetAt(this.#window, at);
      if (packet) {
        this.#packet(packet);
        const start = at - lead;
        this.kept.add(start, Math.min(stride, this.#window.end - start));
        at += stride;
        continue;
      }
      // What is left may be no packet but the next one's lead, or this one's checksum.
      if (at >= this.#window.end) break;
      const next = this.#window.search(at + 1, to, 0x47, (place) =>
        isChain(this.#window, place, stride),
      );
      if (next < 0) {
        reportTorn(this.damage, 'The packet', at, this.#window.end);
        this.lost += this.#window.end - at;
        break;
      }
      reportHole(this.damage, at, next);
      this.lost += next - at;
      for (const [pid, stream] of this.streams) {
        stream.breakOff(pid === this.#lastPid, this.edits, this.#window);
      }
      at = next;
    }
  }

  finish(): void {
    const tornBefore = this.damage.has('torn-tail');
    for (const stream of this.streams.values()) {
      const before = stream.torn;
      stream.finish(this.edits, this.#window);
      if (stream.torn > before && !tornBefore) {
        reportTorn(
          this.damage,
          `The last ${stream.stream.codec} packet`,
          this.kept.end,
          this.#window.end,
        );
      }
    }
    for (const edit of this.edits.values()) if (edit === null) this.lost += this.grid.stride;
  }

  #packet(packet: Packet): void {
    const { pid } = packet;
    if (packet.isScrambled) this.isScrambled = true;
    this.#lastPid = pid;
    const stream = this.streams.get(pid);
    if (stream) {
      stream.take(this.#window, packet, this.edits);
      return;
    }
    if (!packet.begins || packet.payload >= packet.end) return;
    if (pid !== 0 && !this.#maps.has(pid)) return;
    // A table is preceded by how many bytes of the one before come first.
    const at = packet.payload + 1 + Math.max(0, this.#window.u8(packet.payload));
    const section = this.#window.bytes(at, Math.max(0, packet.end - at));
    if (pid === 0) for (const map of programMaps(section)) this.#maps.add(map);
    else {
      for (const each of streamsOf(section)) {
        if (this.streams.size < mostStreams && !this.streams.has(each.pid)) {
          this.streams.set(each.pid, new PesStream(each));
        }
      }
    }
  }
}

function walkOver(source: ByteSource, progress?: Progress): PacketWalk | null {
  const written = writtenEnd(source);
  const window = new Window(source, written, progress);
  const grid = findGrid(window, 0, 64 * 1024);
  if (!grid) return null;
  const walk = new PacketWalk(window, grid);
  reportZeroTail(walk.damage, written, source.size);
  if (grid.first > grid.lead) reportHole(walk.damage, 0, grid.first);
  walk.run(grid.first, written);
  walk.finish();
  return walk;
}

/** The first packets for the tables and the first times, the last for the end. */
function glance(source: ByteSource): PacketWalk | null {
  const written = writtenEnd(source);
  const window = new Window(source, written);
  const grid = findGrid(window, 0, 64 * 1024);
  if (!grid) return null;
  const walk = new PacketWalk(window, grid);
  reportZeroTail(walk.damage, written, source.size);
  const headEnd = grid.first + Math.floor(headBytes / grid.stride) * grid.stride;
  walk.run(grid.first, Math.min(headEnd, written));
  const from = window.search(Math.max(headEnd, written - tailBytes), written, 0x47, (at) =>
    isChain(window, at, grid.stride),
  );
  if (from > headEnd) {
    for (const stream of walk.streams.values()) stream.breakOff(true, walk.edits, window);
  }
  if (from >= headEnd) walk.run(from, written);
  walk.finish();
  return walk;
}

function describe(walk: PacketWalk, isCounted: boolean): Diagnosis {
  const { damage } = walk;
  const tracks = [...walk.streams.values()]
    .filter(({ stream, packets }) => stream.kind !== 'data' || packets > 0)
    .map((stream): TrackSummary => {
      const { kind, codec } = stream.stream;
      const frame = stream.counter?.last;
      return {
        kind,
        codec: frame?.codec ?? codec,
        samples: isCounted ? stream.samples : null,
        durationMs: milliseconds(stream.seconds, 1),
        ...(frame?.sampleRate ? { sampleRate: frame.sampleRate } : {}),
        ...(frame?.channels ? { channels: frame.channels } : {}),
      };
    });
  const isEmpty = [...walk.streams.values()].every((stream) => stream.packets === 0);
  if (isEmpty && walk.isScrambled) damage.add('encrypted', 0, 'The streams are scrambled.');
  else if (isEmpty)
    damage.add('no-media', walk.grid.first, 'There is no complete packet of media.');
  const bare = walk.isScrambled ? 'beyond-repair' : 'empty';
  const verdict = isEmpty ? bare : damage.isEmpty ? 'whole' : 'interrupted';
  return diagnosisOf({
    container: 'mpegts',
    verdict,
    tracks,
    damage: damage.list,
    openEnded: true,
  });
}

function plan(source: ByteSource, walk: PacketWalk, diagnosis: Diagnosis): RepairOutcome {
  return planOf(
    {
      container: 'mpegts',
      extension: walk.grid.stride === 192 ? '.m2ts' : '.ts',
      method: 'complete packets kept, torn ones left out',
      tracks: diagnosis.tracks,
      bytesTotal: source.size,
      kept: Math.max(0, walk.kept.bytes - walk.lost),
      lost: walk.lost,
      lostMs: null,
      damage: diagnosis.damage,
    },
    () => joined(piecesOf(source, walk)),
  );
}

/** The kept packets, those of a torn PES left out or written anew between what frames them. */
function piecesOf(source: ByteSource, { grid, edits, kept }: PacketWalk): Iterable<OutputPiece> {
  const { stride, lead } = grid;
  const inOrder = [...edits].sort(([a], [b]) => a - b);
  return kept.edited(
    inOrder.map(([sync, bytes]) => {
      const [at, end] = [sync - lead, sync - lead + stride];
      if (!bytes) return { at, end, pieces: [] };
      const pieces: OutputPiece[] = [{ kind: 'bytes', bytes }];
      if (lead > 0) pieces.unshift({ kind: 'copy', offset: at, length: lead });
      const behind = Math.min(end, source.size) - sync - packetBytes;
      if (behind > 0) pieces.push({ kind: 'copy', offset: sync + packetBytes, length: behind });
      return { at, end, pieces };
    }),
  );
}
