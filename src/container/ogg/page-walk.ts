/**
 * The walk over the pages of an Ogg file: which are kept, which are written anew, which are left
 * out because a packet on them never ended.
 */
import { DamageList, KeptRanges, reportHole, reportTorn } from '../survey.ts';
import type { Window } from '../window.ts';
import { LogicalStream } from './logical-stream.ts';
import { beginsStream, continued, endsStream, isSound, type Page, pageAt } from './page.ts';

const mostStreams = 10_000;
/** A run of so many zeros inside a page is a hole: no codec here writes one. */
const zeroRun = 64;

/** How a page is written anew. */
export interface PageEdit {
  readonly page: Page;
  readonly from: number;
  readonly to: number;
  readonly flags: number;
  readonly granule: number;
}

export class PageWalk {
  readonly streams: LogicalStream[] = [];
  /** For each stream, which link of the chain it belongs to. */
  readonly links: number[] = [];
  readonly kept = new KeptRanges();
  /** By offset of the page; null leaves it out. */
  readonly edits = new Map<number, PageEdit | null>();
  readonly damage = new DamageList();
  lost = 0;
  readonly #window: Window;
  readonly #current = new Map<number, LogicalStream>();
  #link = 0;
  #sawMedia = false;
  /** Bytes that may still be summed for pages that only look like one, whatever the file. */
  #patience: number;

  constructor(window: Window) {
    this.#window = window;
    this.#patience = 4 * window.end + 16 * 1024 * 1024;
  }

  run(): void {
    const { end } = this.#window;
    let at = 0;
    while (at < end) {
      const page = pageAt(this.#window, at);
      if (page && isSound(this.#window, page)) {
        this.#page(page);
        at = page.end;
        continue;
      }
      const next = this.#window.search(at + 1, end, 0x4f, (offset) => this.#isPage(offset));
      if (page) this.#salvage(page, next < 0 ? end : next);
      this.lost += (next < 0 ? end : next) - Math.max(at, this.kept.end);
      if (next < 0) {
        reportTorn(this.damage, 'The page', at, end);
        break;
      }
      reportHole(this.damage, at, next);
      at = next;
    }
    for (const stream of this.streams) this.#finish(stream);
  }

  #isPage(at: number): boolean {
    const page = this.#patience > 0 ? pageAt(this.#window, at) : null;
    if (!page) return false;
    if (isSound(this.#window, page)) return true;
    this.#patience -= page.end - at;
    return false;
  }

  #page(page: Page): void {
    const stream = this.#streamOf(page);
    if (!stream) return;
    const isContinued = (page.flags & continued) !== 0;
    this.kept.add(page.at, page.end - page.at);
    if (isContinued === stream.isMidPacket && (stream.follows(page) || !isContinued)) {
      stream.take(this.#window, page);
      return;
    }
    // Pages are missing: neither the packet begun before nor its rest is complete.
    this.#dropPending(stream);
    if (!isContinued) {
      stream.take(this.#window, page);
      return;
    }
    const from = page.lacing.findIndex((lace) => lace < 255) + 1;
    if (from === 0 || from === page.lacing.length) {
      this.edits.set(page.at, null);
      return;
    }
    const flags = page.flags & ~continued;
    this.edits.set(page.at, { page, from, to: page.lacing.length, flags, granule: page.granule });
    stream.take(this.#window, page, from);
  }

  #streamOf(page: Page): LogicalStream | null {
    if ((page.flags & beginsStream) === 0) {
      this.#sawMedia = true;
      return this.#current.get(page.serial) ?? null;
    }
    if (this.streams.length >= mostStreams) return null;
    if (this.#sawMedia) this.#link += 1;
    this.#sawMedia = false;
    const stream = new LogicalStream(page.serial);
    this.#current.set(page.serial, stream);
    this.streams.push(stream);
    this.links.push(this.#link);
    return stream;
  }

  /** Keeps the complete packets of a page of which a part is gone; `border` is where the next begins. */
  #salvage(page: Page, border: number): void {
    const stream = this.#current.get(page.serial);
    if (!stream || (page.flags & beginsStream) !== 0) return;
    const isContinued = (page.flags & continued) !== 0;
    if (isContinued && !(stream.isMidPacket && stream.follows(page))) return;
    const isCutOff = page.end > this.#window.end && border === this.#window.end;
    const reach = isCutOff ? border : Math.min(border, this.#firstZeros(page));
    let [at, to, end] = [page.body, 0, page.body];
    for (let i = 0; i < page.lacing.length; i += 1) {
      at += page.lacing[i] ?? 0;
      if (at > reach) break;
      if ((page.lacing[i] ?? 0) < 255) [to, end] = [i + 1, at];
    }
    if (to === 0) return;
    if (!isContinued) this.#dropPending(stream);
    const part = stream.takePart(this.#window, page, to);
    if (!part) return;
    this.kept.add(page.at, end - page.at);
    this.edits.set(page.at, { page, from: 0, to, flags: part.flags, granule: part.granule });
  }

  #firstZeros(page: Page): number {
    let run = 0;
    const bytes = this.#window.bytes(page.body, page.end - page.body);
    for (let i = 0; i < bytes.length; i += 1) {
      run = bytes[i] === 0 ? run + 1 : 0;
      if (run === zeroRun) return page.body + i + 1 - run;
    }
    // Damaged, but nobody knows where: nothing of it can be believed.
    return page.body - 1;
  }

  #dropPending(stream: LogicalStream): void {
    for (const page of stream.pending) {
      this.edits.set(page.at, null);
      this.lost += page.end - page.at;
    }
    stream.pending.length = 0;
    this.#endPacket(stream, 0);
  }

  /** Takes a begun packet off the last page on which another one ends, and sets `flags` there. */
  #endPacket(stream: LogicalStream, flags: number): void {
    const page = stream.lastComplete;
    if (!page) return;
    const { lacing } = page;
    const whole = { page, from: 0, to: lacing.length, flags: page.flags, granule: page.granule };
    const edit = this.edits.get(page.at) ?? whole;
    let to = edit.to;
    while (to > edit.from && edit.page.lacing[to - 1] === 255) to -= 1;
    if (to === edit.to && (edit.flags & flags) === flags) return;
    for (let i = to; i < edit.to; i += 1) this.lost += edit.page.lacing[i] ?? 0;
    this.edits.set(page.at, { ...edit, to, flags: edit.flags | flags });
    stream.lastComplete = { ...page, lacing: edit.page.lacing.subarray(0, to) };
  }

  #finish(stream: LogicalStream): void {
    const isTorn = stream.isMidPacket;
    this.#dropPending(stream);
    if (stream.isEnded && !isTorn) return;
    const { codec } = stream.mapping;
    if (!this.damage.has('torn-tail') && isTorn) {
      reportTorn(
        this.damage,
        'A packet of the page',
        stream.lastComplete?.at ?? 0,
        this.#window.end,
      );
    } else if (!this.damage.has('torn-tail') && codec !== 'skeleton') {
      this.damage.add('unfinished', this.#window.end, `The ${codec} stream was never ended.`);
    }
    this.#endPacket(stream, endsStream);
  }
}
