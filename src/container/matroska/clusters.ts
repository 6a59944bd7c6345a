/**
 * The walk over clusters and blocks: which are complete, when they are shown, where reading goes on
 * behind a hole.
 *
 * A cluster of unknown size ends where the next top-level element begins (RFC 8794 §6.2). Inside a
 * hole a block is believed only when it chains with what follows. What is kept of each cluster is
 * held in flat arrays, so that a recording of 100 GB costs a few megabytes.
 */
import type { OutputPiece } from '../repair-plan.ts';
import { type DamageList, reportHole, reportTorn } from '../survey.ts';
import type { Window } from '../window.ts';
import { type BlockFacts, childrenBefore, lacedBlock, readBlock, shorterLacing } from './block.ts';
import { BlockHoles } from './block-holes.ts';
import {
  type Element,
  element,
  elementAt,
  elementHeader,
  ids,
  topLevel,
  uintElement,
  uintOf,
} from './ebml.ts';
import type { MatroskaHead } from './head.ts';
import { TrackClock } from './track-clock.ts';

/** Elements that must chain before reading goes on behind a hole. */
const chainLength = 3;
/** A cue at most this often, in milliseconds. */
const cueInterval = 400;

/** Pictures are stored at most so long before one that is shown earlier. */
const reorderMs = 700;

const clusterChildren: ReadonlySet<number> = new Set([
  ids.Timestamp,
  ids.Position,
  ids.PrevSize,
  ids.SilentTracks,
  ids.SimpleBlock,
  ids.EncryptedBlock,
  ids.BlockGroup,
  ids.Void,
  ids.Crc32,
]);

export interface Cue {
  readonly time: number;
  readonly track: number;
  readonly cluster: number;
}

/** A cluster whose header was lost: its blocks wait for a time to be placed at. */
interface Orphans {
  readonly cluster: number;
  readonly blocks: BlockFacts[];
}

export class ClusterWalk {
  readonly clocks: ReadonlyMap<number, TrackClock>;
  readonly cues: Cue[] = [];
  /** Top-level elements behind the first cluster that are kept: tags, chapters, attachments. */
  readonly extras: Element[] = [];
  cuesFound: Element | null = null;
  /** Bytes of complete blocks, and of what carried blocks and is not kept. */
  kept = 0;
  lost = 0;
  readonly #window: Window;
  readonly #damage: DamageList;
  readonly #written: number;
  readonly #msPerTick: number;
  readonly #cueTrack: number;
  /** Null where only headers are read. */
  readonly #holes: BlockHoles | null;
  /** The last block of the cluster that was left out because it has a hole inside; -1 without one. */
  #leftOut = -1;
  #lastCue = Number.NEGATIVE_INFINITY;
  #orphans: Orphans | null = null;

  // One entry a cluster.
  readonly #timestamps: number[] = [];
  /** Where the cluster's header lies when it is copied with it, -1 when a new one is made. */
  readonly #headers: number[] = [];
  readonly #firstPart: number[] = [];
  /** Whether the timestamp element is among the copied parts. */
  readonly #timed: boolean[] = [];
  // One entry a part: a copied range, or, where the start is negative, made bytes number -1 - start.
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #made: Uint8Array[] = [];

  /** @param looksInside  read the media, too, and leave out blocks that have a hole inside */
  constructor(
    window: Window,
    written: number,
    head: MatroskaHead,
    damage: DamageList,
    looksInside = false,
  ) {
    this.#holes = looksInside ? new BlockHoles(window, head.tracks) : null;
    this.#window = window;
    this.#damage = damage;
    this.#written = written;
    this.#msPerTick = head.scale / 1e6;
    const clock = (track: (typeof head.tracks)[number]) =>
      [track.number, new TrackClock(track, head.scale)] as const;
    this.clocks = new Map(head.tracks.map(clock));
    const video = head.tracks.find((track) => track.kind === 'video');
    this.#cueTrack = (video ?? head.tracks.find((track) => track.kind === 'audio'))?.number ?? 0;
  }

  get count(): number {
    return this.#timestamps.length;
  }

  /** Walks from `from`, where a top-level element should begin, to the end of what was written. */
  walk(from: number): void {
    let at = from;
    while (at < this.#written) at = this.#topLevel(at);
    this.#placeOrphans(null);
  }

  #topLevel(at: number): number {
    const next = elementAt(this.#window, at);
    if (next?.id === ids.Cluster) return this.#cluster(next);
    if (next && topLevel.has(next.id) && next.size >= 0) {
      const end = next.body + next.size;
      if (end <= this.#written) {
        if (next.id === ids.Cues) this.cuesFound = next;
        else if (next.id !== ids.Void && next.id !== ids.Crc32 && next.id !== ids.SeekHead) {
          if (next.id !== ids.Info && next.id !== ids.Tracks) this.extras.push(next);
        }
        return end;
      }
    }
    if (next && isBlock(next) && this.#chains(at)) return this.#headless(at);
    return this.#resume(at, -1, 'An element of the segment');
  }

  #cluster(cluster: Element): number {
    const declaredEnd = cluster.size < 0 ? Number.POSITIVE_INFINITY : cluster.body + cluster.size;
    const index = this.#open(cluster);
    const keptBefore = this.kept;
    let at = cluster.body;
    let before = -1;
    let isIntact = true;
    this.#leftOut = -1;
    let timestamp = -1;
    while (at < Math.min(declaredEnd, this.#written)) {
      const child = elementAt(this.#window, at);
      if (child && endsCluster(child) && this.#startsTopLevel(child)) {
        isIntact &&= cluster.size < 0;
        break;
      }
      const end = child && child.size >= 0 ? child.body + child.size : Number.POSITIVE_INFINITY;
      const fits = child !== null && end <= Math.min(declaredEnd, this.#written);
      if (fits && child.id === ids.Timestamp) {
        timestamp = uintOf(this.#window, child);
        this.#timestamps[index] = timestamp;
        this.#placeOrphans(timestamp);
      }
      const isKept = fits && this.#child(child, end, index, timestamp);
      if (isKept) {
        before = isBlock(child) && this.#leftOut !== at ? at : -1;
        at = end;
        continue;
      }
      isIntact = false;
      const resumed = this.#resume(at, before, 'The block', child ?? undefined, index, timestamp);
      if (resumed >= this.#written || resumed >= declaredEnd || this.#isCluster(resumed)) {
        at = resumed;
        break;
      }
      if (cluster.size < 0 && this.#stepsBack(resumed)) {
        this.#close(index, cluster, at, false, keptBefore);
        return this.#headless(resumed);
      }
      [at, before] = [resumed, -1];
    }
    if (cluster.size >= 0 && at < declaredEnd) isIntact = false;
    isIntact &&= this.#leftOut < 0 && cluster.size >= 0;
    this.#close(index, cluster, at, isIntact, keptBefore);
    return Math.max(at, cluster.body);
  }

  /** Blocks behind a hole that swallowed the header of their cluster. */
  #headless(from: number): number {
    const index = this.#open(null);
    this.#orphans = { cluster: index, blocks: [] };
    let at = from;
    let before = -1;
    while (at < this.#written) {
      const child = elementAt(this.#window, at);
      if (child && endsCluster(child)) break;
      const end = child && child.size >= 0 ? child.body + child.size : Number.POSITIVE_INFINITY;
      if (child && end <= this.#written && this.#child(child, end, index, 0)) {
        before = isBlock(child) && this.#leftOut !== at ? at : -1;
        at = end;
        continue;
      }
      const resumed = this.#resume(at, before, 'The block');
      if (resumed >= this.#written || this.#isCluster(resumed)) {
        at = resumed;
        break;
      }
      [at, before] = [resumed, -1];
    }
    return at;
  }

  /** Takes a child of a cluster; false when it cannot be one. */
  #child(child: Element, end: number, index: number, timestamp: number): boolean {
    if (isBlock(child)) {
      const block = readBlock(this.#window, child);
      if (!block || !this.#isKnown(block)) return false;
      if (this.#holes?.isIn(block)) {
        const detail = `The block of ${end - child.at} bytes at byte ${child.at} has a hole of zeros inside.`;
        this.#damage.add('hole', child.at, detail);
        this.lost += end - child.at;
        this.#leftOut = child.at;
        return true;
      }
      this.#take(block, index, timestamp);
      this.kept += end - child.at;
      this.#copy(child.at, end);
      return true;
    }
    const isKnown = clusterChildren.has(child.id);
    if (!isKnown && !this.#isBorder(end)) return false;
    // A checksum over the cluster is right only while the cluster is as it was: see `pieces`.
    this.#copy(child.at, end);
    if (child.id === ids.Timestamp) this.#timed[index] = true;
    return true;
  }

  #take(block: BlockFacts, index: number, timestamp: number): void {
    if (this.#orphans?.cluster === index) {
      this.#orphans.blocks.push(block);
      return;
    }
    const time = Math.max(0, timestamp) + block.relative;
    this.clocks.get(block.track)?.tick(time, block.frames, block.duration);
    if (block.track !== this.#cueTrack || !block.isKey) return;
    if ((time - this.#lastCue) * this.#msPerTick < cueInterval) return;
    this.#lastCue = time;
    this.cues.push({ time: Math.max(0, time), track: block.track, cluster: index });
  }

  /**
   * Finds where reading goes on behind something that cannot be read at `at`, and reports it: as a
   * torn tail when nothing follows, else as a hole. The block before a hole is given up: the hole
   * began in it and not, by chance, exactly at its end.
   */
  #resume(
    at: number,
    before: number,
    what: string,
    torn?: Element,
    index?: number,
    timestamp = 0,
  ): number {
    const next = this.#search(at + 1);
    if (next >= 0) {
      const from = before >= 0 ? before : at;
      if (before >= 0) this.#takeBack(before);
      reportHole(this.#damage, from, next);
      this.lost += next - from;
      return next;
    }
    const saved = torn && index !== undefined ? this.#saveTorn(torn, index, timestamp) : 0;
    if (saved === 0) {
      reportTorn(this.#damage, what, at, this.#written);
      this.lost += this.#written - at;
    }
    return this.#written;
  }

  /** Of a block that was cut off, what is complete; returns where that ends, 0 when nothing is. */
  #saveTorn(torn: Element, index: number, timestamp: number): number {
    if (torn.size < 0) return 0;
    if (torn.id === ids.SimpleBlock) return this.#saveLaced(torn, index, timestamp);
    if (torn.id !== ids.BlockGroup) return 0;
    const first = elementAt(this.#window, torn.body);
    return (
      this.#saveGroup(torn, index, timestamp) ||
      (first?.id === ids.Block ? this.#saveLaced(first, index, timestamp) : 0)
    );
  }

  /** The complete frames of a laced block, as a simple block of their own. */
  #saveLaced(torn: Element, index: number, timestamp: number): number {
    const block = readBlock(this.#window, { ...torn, id: ids.SimpleBlock });
    const laced = block && this.#isKnown(block) ? lacedBlock(this.#window, torn) : null;
    if (!block || !laced || this.clocks.get(block.track)?.kind !== 'audio') return 0;
    let [frames, end] = [0, laced.at];
    for (const size of laced.sizes) {
      if (end + size > this.#written) break;
      frames += 1;
      end += size;
    }
    if (frames === 0) return 0;
    const head = shorterLacing(laced, frames);
    this.#make(elementHeader(ids.SimpleBlock, head.length + end - laced.at));
    this.#make(head);
    this.#copy(laced.at, end);
    this.#take({ ...block, frames, duration: 0, isKey: true }, index, timestamp);
    this.kept += end - torn.at;
    reportTorn(
      this.#damage,
      `The block, behind ${frames} complete frames,`,
      torn.at,
      this.#written,
    );
    this.lost += this.#written - end;
    return end;
  }

  /** A block group that was cut off behind its block: the block is complete. */
  #saveGroup(group: Element, index: number, timestamp: number): number {
    const children = childrenBefore(this.#window, group, this.#written);
    const block = readBlock(this.#window, { ...group, size: this.#written - group.body });
    if (!block || !this.#isKnown(block)) return 0;
    const end = children.at(-1)?.end ?? 0;
    const video = this.clocks.get(block.track)?.kind === 'video';
    const refers = children.some((child) => child.id === ids.ReferenceBlock);
    // Without it the frame would pass for a key frame; any reference says that it is none.
    const reference = video && !refers ? element(ids.ReferenceBlock, Uint8Array.of(0xff)) : null;
    const body = end - group.body;
    this.#make(elementHeader(ids.BlockGroup, body + (reference?.length ?? 0)));
    this.#copy(group.body, end);
    if (reference) this.#make(reference);
    this.#take({ ...block, isKey: false }, index, timestamp);
    this.kept += end - group.at;
    reportTorn(this.#damage, 'The block group', group.at, this.#written);
    this.lost += this.#written - end;
    return end;
  }

  #search(from: number): number {
    return this.#window.searchAny(from, this.#written, [0xa3, 0xa0, 0x1f], (at) =>
      this.#chains(at),
    );
  }

  #chains(from: number): boolean {
    let at = from;
    for (let count = 0; count < chainLength; count += 1) {
      if (at === this.#window.end && count > 0) return true;
      const next = elementAt(this.#window, at);
      if (!next) return false;
      if (endsCluster(next)) return this.#startsTopLevel(next);
      const isTimeless = count > 0 && clusterChildren.has(next.id) && next.size >= 0;
      const block = isBlock(next) ? readBlock(this.#window, next) : null;
      if (block ? !this.#isKnown(block) : !isTimeless) return false;
      if (next.size < 0) return false;
      at = next.body + next.size;
      if (at > this.#written) return count >= 2;
    }
    return true;
  }

  /** Whether a block is of a track of this file, and laced only where the track allows it. */
  #isKnown(block: BlockFacts): boolean {
    const clock = this.clocks.get(block.track);
    return clock !== undefined && (block.frames === 1 || clock.isLaced);
  }

  #startsTopLevel(next: Element): boolean {
    if (next.id !== ids.Cluster) return next.size >= 0;
    const first = elementAt(this.#window, next.body);
    return first === null ? next.body >= this.#written - 12 : clusterChildren.has(first.id);
  }

  #isCluster(at: number): boolean {
    return elementAt(this.#window, at)?.id === ids.Cluster;
  }

  #isBorder(at: number): boolean {
    if (at >= this.#written) return true;
    const next = elementAt(this.#window, at);
    return next !== null && (clusterChildren.has(next.id) || topLevel.has(next.id));
  }

  /** Whether time runs backwards at a block: then it belongs to another cluster than the last. */
  #stepsBack(at: number): boolean {
    const next = elementAt(this.#window, at);
    const block = next && isBlock(next) ? readBlock(this.#window, next) : null;
    const clock = block ? this.clocks.get(block.track) : undefined;
    if (!block || clock?.last === undefined) return false;
    // Pictures are stored in decoding order: they may step back by some frames, sound never does.
    const leeway = clock.kind === 'video' ? reorderMs / this.#msPerTick : 0;
    return (this.#timestamps.at(-1) ?? 0) + block.relative < clock.last - leeway;
  }

  /** Places blocks without a cluster just before the time at which the next cluster begins. */
  #placeOrphans(next: number | null): void {
    const orphans = this.#orphans;
    if (!orphans) return;
    this.#orphans = null;
    const relatives = orphans.blocks.map((block) => block.relative);
    const [low, high] = [minimum(relatives), maximum(relatives)];
    const spacing = relatives.length > 1 ? Math.ceil((high - low) / relatives.length) : 1;
    const last = maximum([...this.clocks.values()].map((clock) => clock.last ?? 0));
    const base = next === null ? last + spacing - low : next - spacing - high;
    this.#timestamps[orphans.cluster] = Math.max(0, base);
    for (const block of orphans.blocks) this.#take(block, orphans.cluster, Math.max(0, base));
  }

  #open(cluster: Element | null): number {
    this.#timestamps.push(0);
    this.#headers.push(cluster ? cluster.at : -1);
    this.#firstPart.push(this.#starts.length);
    this.#timed.push(false);
    return this.#timestamps.length - 1;
  }

  #close(
    index: number,
    cluster: Element,
    end: number,
    isIntact: boolean,
    keptBefore: number,
  ): void {
    const first = this.#firstPart[index] ?? 0;
    if (this.kept === keptBefore) {
      this.#forget(first);
      return;
    }
    if (isIntact) {
      this.#starts.length = first;
      this.#lengths.length = first;
      this.#copy(cluster.at, end, true);
      return;
    }
    this.#headers[index] = -1;
    // A checksum stands first; it is no longer that of the cluster.
    const checksum = elementAt(this.#window, cluster.body);
    if (checksum?.id !== ids.Crc32 || this.#starts[first] !== cluster.body) return;
    const length = checksum.body + checksum.size - cluster.body;
    this.#starts[first] = (this.#starts[first] ?? 0) + length;
    this.#lengths[first] = (this.#lengths[first] ?? 0) - length;
  }

  /** A cluster without a block is left out: a file made of nothing else must cost no memory. */
  #forget(firstPart: number): void {
    this.#timestamps.pop();
    this.#headers.pop();
    this.#firstPart.pop();
    this.#timed.pop();
    this.#starts.length = firstPart;
    this.#lengths.length = firstPart;
  }

  #copy(from: number, to: number, isNew = false): void {
    const last = this.#starts.length - 1;
    const isFirst = this.#firstPart.at(-1) === this.#starts.length;
    const start = this.#starts[last] ?? -1;
    if (!isNew && !isFirst && start >= 0 && start + (this.#lengths[last] ?? 0) === from) {
      this.#lengths[last] = to - start;
      return;
    }
    this.#starts.push(from);
    this.#lengths.push(to - from);
  }

  #make(bytes: Uint8Array): void {
    this.#made.push(bytes);
    this.#starts.push(-this.#made.length);
    this.#lengths.push(bytes.length);
  }

  #takeBack(from: number): void {
    const last = this.#starts.length - 1;
    const start = this.#starts[last] ?? -1;
    if (start < 0 || from < start) return;
    this.kept -= start + (this.#lengths[last] ?? 0) - from;
    this.#lengths[last] = from - start;
    const block = elementAt(this.#window, from);
    const facts = block && readBlock(this.#window, block);
    if (facts) this.clocks.get(facts.track)?.takeBack(facts.frames);
  }

  /** The clusters as they will be written, each with its pieces and its size. */
  *clusters(): Iterable<{ readonly size: number; readonly pieces: readonly OutputPiece[] }> {
    for (let index = 0; index < this.count; index += 1) {
      const to = this.#firstPart[index + 1] ?? this.#starts.length;
      const parts: OutputPiece[] = [];
      let size = 0;
      for (let part = this.#firstPart[index] ?? 0; part < to; part += 1) {
        const [start, length] = [this.#starts[part] ?? 0, this.#lengths[part] ?? 0];
        const made = start < 0 ? this.#made[-1 - start] : undefined;
        size += length;
        if (made) parts.push({ kind: 'bytes', bytes: made });
        else if (length > 0) parts.push({ kind: 'copy', offset: start, length });
      }
      if ((this.#headers[index] ?? -1) < 0) {
        const time = this.#timed[index]
          ? new Uint8Array(0)
          : uintElement(ids.Timestamp, this.#timestamps[index] ?? 0);
        const header = elementHeader(ids.Cluster, size + time.length);
        parts.unshift({ kind: 'bytes', bytes: header }, { kind: 'bytes', bytes: time });
        size += header.length + time.length;
      }
      yield { size, pieces: parts };
    }
  }
}

function isBlock(child: Element): boolean {
  return child.id === ids.SimpleBlock || child.id === ids.BlockGroup;
}

function endsCluster(child: Element): boolean {
  return topLevel.has(child.id) && child.id !== ids.Void && child.id !== ids.Crc32;
}

function minimum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), values[0] ?? 0);
}

function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), values[0] ?? 0);
}
