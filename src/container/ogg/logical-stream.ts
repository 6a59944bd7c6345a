/**
 * One logical stream of an Ogg file: packets counted across pages, and where its last complete
 * packet ends.
 */
import type { Window } from '../window.ts';
import { type Mapping, mappingOf } from './mapping.ts';
import { continued, endsStream, type Page } from './page.ts';

/** Of each packet so many bytes are looked at: enough for every codec's first fields. */
const packetHead = 64;
/** Setup headers are read whole, up to this. */
const longestHeader = 256 * 1024;

/** What the packets that end on a page last. */
interface PageTime {
  readonly durations: number;
  /** The granule position behind them. */
  readonly granule: number;
}

export class LogicalStream {
  readonly serial: number;
  mapping: Mapping = mappingOf(new Uint8Array(0));
  packets = 0;
  firstGranule = -1;
  lastGranule = 0;
  isEnded = false;
  /** The last page on which a packet ends. */
  lastComplete: Page | null = null;
  /** Pages behind it, all of one packet that has not ended. */
  readonly pending: Page[] = [];
  #headersLeft = -1;
  #sequence = -1;
  #header: Uint8Array[] = [];

  constructor(serial: number) {
    this.serial = serial;
  }

  /** Whether the page goes on where the last one of the stream ended. */
  follows(page: Page): boolean {
    return this.#sequence < 0 || page.sequence === this.#sequence + 1;
  }

  get isMidPacket(): boolean {
    return this.pending.length > 0 || this.lastComplete?.lacing.at(-1) === 255;
  }

  /** Takes a page whose segments from `from` on are kept. */
  take(window: Window, page: Page, from = 0): void {
    const time = this.read(window, page, from, page.lacing.length);
    this.#sequence = page.sequence;
    if (time === null) {
      this.pending.push(page);
      return;
    }
    this.pending.length = 0;
    this.lastComplete = page;
    if ((page.flags & endsStream) !== 0) this.isEnded = true;
    if (page.granule >= 0 && this.packets > 0) this.#advance(page.granule, time.durations);
  }

  /**
   * Takes the first `to` segments of a page of which the rest is gone; null when no packet ends
   * there. Its granule position is counted on from the page before.
   */
  takePart(window: Window, page: Page, to: number): Page | null {
    const before = Math.max(0, this.lastComplete?.granule ?? 0);
    const time = this.read(window, page, 0, to, before);
    if (time === null) return null;
    const flags = page.flags & ~endsStream;
    const part = { ...page, flags, granule: time.granule, lacing: page.lacing.subarray(0, to) };
    this.pending.length = 0;
    this.lastComplete = part;
    this.#advance(time.granule, time.durations);
    return part;
  }

  #advance(granule: number, durations: number): void {
    const frames = this.frameOf(granule);
    if (this.firstGranule < 0) this.firstGranule = Math.max(0, frames - durations);
    this.lastGranule = Math.max(this.lastGranule, frames);
  }

  /** Counts the packets that end in segments `from` up to `to`; null when none does. */
  read(window: Window, page: Page, from: number, to: number, granule = 0): PageTime | null {
    let at = page.body;
    for (let i = 0; i < from; i += 1) at += page.lacing[i] ?? 0;
    let begins = from > 0 || (page.flags & continued) === 0;
    let start = at;
    let time: PageTime | null = null;
    for (let i = from; i < to; i += 1) {
      const lace = page.lacing[i] ?? 0;
      at += lace;
      if (lace === 255) continue;
      time = this.#ends(window, start, at, begins, time ?? { durations: 0, granule });
      [begins, start] = [true, at];
    }
    if (start < at) this.#begins(window, start, at, begins);
    return time;
  }

  #ends(window: Window, start: number, end: number, begins: boolean, time: PageTime): PageTime {
    const wanted = this.#headersLeft > 0 ? longestHeader : packetHead;
    const head = window.bytes(start, Math.min(end - start, wanted));
    const packet = begins ? head : joined([...this.#header, head]);
    this.#header = [];
    if (!this.#packet(packet)) return time;
    const lasts = this.mapping.duration(packet);
    const durations = time.durations + lasts;
    const { shift } = this.mapping;
    const isKey = shift > 0 && this.mapping.isKey?.(packet) === true;
    const after = isKey ? (this.frameOf(time.granule) + 1) * 2 ** shift : time.granule + lasts;
    return { durations, granule: after };
  }

  /** Remembers the head of a packet that goes on on the next page. */
  #begins(window: Window, start: number, end: number, isFirst: boolean): void {
    const wanted = this.#headersLeft > 0 ? longestHeader : packetHead;
    if (isFirst) this.#header = [];
    const known = this.#header.reduce((sum, part) => sum + part.length, 0);
    if (known < wanted)
      this.#header.push(window.bytes(start, Math.min(end - start, wanted - known)));
  }

  /** Takes a packet; whether it is one of media. */
  #packet(packet: Uint8Array): boolean {
    if (this.#headersLeft < 0) {
      this.mapping = mappingOf(packet);
      this.#headersLeft = this.mapping.headers - 1;
      return false;
    }
    if (this.#headersLeft > 0) {
      this.#headersLeft -= 1;
      this.mapping.header?.(packet);
      return false;
    }
    if (packet.length > 0 && this.packets === 0 && this.mapping.isHeader?.(packet)) return false;
    // An empty packet repeats a frame of video; in sound it only carries the end of the stream.
    if (packet.length === 0 && this.mapping.kind === 'audio') return false;
    this.packets += 1;
    return true;
  }

  /** Frames or samples from the start: Theora counts since the key frame in the low bits. */
  frameOf(granule: number): number {
    const { shift } = this.mapping;
    if (shift === 0) return granule;
    const unit = 2 ** shift;
    return Math.floor(granule / unit) + (granule % unit);
  }

  get seconds(): number {
    const { rate, preSkip } = this.mapping;
    const start = this.firstGranule > 0 ? this.firstGranule : preSkip;
    return rate > 0 ? Math.max(0, this.lastGranule - start) / rate : 0;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
