/**
 * One elementary stream of a transport stream: its PES packets, which of them are complete, and
 * which transport packets are of one that is not.
 */
import type { Window } from '../window.ts';
import { type FrameCounter, type FrameMark, frameCounter, holdsFrame } from './frame-counter.ts';
import { type Packet, packetBytes, shortened } from './packet.ts';
import type { ElementaryStream } from './tables.ts';

const clockRate = 90_000;
const clockWrap = 2 ** 33;
/** Packets of one PES that are remembered, in case it is torn: 64 MB. */
const mostPackets = 350_000;

/** What becomes of packets whose PES is torn: left out, or written anew. */
export type PacketEdits = Map<number, Uint8Array | null>;

/** The PES packet that is being read. */
interface OpenPes {
  readonly packets: number[];
  /** Bytes of the whole PES packet; 0 when it does not say. */
  readonly length: number;
  readonly headerBytes: number;
  /** When it is shown, in ticks; null where it does not say. */
  time: number | null;
  received: number;
  endsStuffed: boolean;
  isBroken: boolean;
  /** What was complete before its last transport packet. */
  beforeLast: FrameMark | null;
  readonly framesBefore: number;
  readonly completeBefore: number;
  readonly fedBefore: number;
  readonly secondsBefore: number;
}

export class PesStream {
  /** By the program map, or, where that does not say, by the first PES packet. */
  stream: ElementaryStream;
  counter: FrameCounter | null;
  packets = 0;
  torn = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #lastSeconds = 0;
  #previous = Number.NaN;
  #step = 0;
  #open: OpenPes | null = null;

  constructor(stream: ElementaryStream) {
    this.stream = stream;
    this.counter = frameCounter(stream.codec);
  }

  take(window: Window, packet: Packet, edits: PacketEdits): void {
    if (packet.begins) {
      this.#close(edits, false, window);
      this.#begin(window, packet);
      return;
    }
    const open = this.#open;
    if (!open) {
      // The rest of a PES whose beginning is missing: only its adaptation field may matter.
      if (packet.payload < packet.end && this.torn + this.packets > 0) edits.set(packet.at, null);
      return;
    }
    if (open.packets.length < mostPackets) open.packets.push(packet.at);
    this.#feed(window, packet.payload, packet.end);
    if (packet.payload < packet.end) open.endsStuffed = packet.isStuffed;
  }

  /** Bytes are missing: a PES that was not complete is torn, as is the one read last. */
  breakOff(wasLast: boolean, edits: PacketEdits, window: Window): void {
    const open = this.#open;
    if (open && (wasLast || open.length === 0 || open.received < open.length)) open.isBroken = true;
    // The hole began in the packet read last, not by chance exactly at its end.
    if (open && wasLast && open.beforeLast) this.counter?.goBack(open.beforeLast);
    this.#close(edits, true, window);
    this.torn += 1;
    this.counter?.reset();
  }

  finish(edits: PacketEdits, window: Window): void {
    this.#close(edits, true, window);
  }

  /** Samples: frames of sound where they can be told apart, else PES packets. */
  get samples(): number {
    return this.counter && this.counter.frames > 0 ? this.counter.frames : this.packets;
  }

  get lastSecond(): number {
    return Number.isFinite(this.#last) ? this.#last / clockRate : 0;
  }

  get firstSecond(): number {
    return Number.isFinite(this.#first) ? this.#first / clockRate : 0;
  }

  get seconds(): number {
    if (this.packets === 0) return 0;
    const span = this.lastSecond - this.firstSecond;
    return span + (this.#lastSeconds > 0 ? this.#lastSeconds : this.#step / clockRate);
  }

  #begin(window: Window, packet: Packet): void {
    const at = packet.payload;
    if (window.u24(at) !== 1 || at + 9 > packet.end) return;
    const length = window.u16(at + 4);
    const headerBytes = 9 + window.u8(at + 8);
    if (this.stream.codec === 'unknown') this.#recognise(window, at, packet.end);
    const { counter } = this;
    this.#open = {
      packets: [packet.at],
      length: length === 0 ? 0 : length + 6,
      headerBytes,
      time: (window.u8(at + 7) & 0x80) !== 0 ? this.#timeAt(window, at + 9) : null,
      received: 0,
      endsStuffed: packet.isStuffed,
      isBroken: false,
      beforeLast: null,
      framesBefore: counter?.frames ?? 0,
      completeBefore: counter?.complete ?? 0,
      fedBefore: counter?.fed ?? 0,
      secondsBefore: counter?.seconds ?? 0,
    };
    this.#feed(window, at, packet.end);
  }

  /** Private streams without a descriptor: their id says sound or picture, a header says AAC. */
  #recognise(window: Window, at: number, end: number): void {
    const id = window.u8(at + 3);
    const { pid } = this.stream;
    if (id >= 0xe0 && id <= 0xef) this.stream = { pid, kind: 'video', codec: 'unknown' };
    const body = window.bytes(at + 9 + window.u8(at + 8), end - at);
    const codec = ['aac', 'mp3'].find((each) => holdsFrame(each, body));
    if (id < 0xc0 || id > 0xdf || !codec) return;
    this.stream = { pid, kind: 'audio', codec };
    this.counter = frameCounter(codec);
  }

  #feed(window: Window, from: number, to: number): void {
    const open = this.#open;
    if (!open) return;
    open.beforeLast = this.counter?.mark ?? null;
    const skip = Math.max(0, open.headerBytes - open.received);
    open.received += to - from;
    if (this.counter && from + skip < to) {
      this.counter.feed(window.bytes(from + skip, to - from - skip));
    }
  }

  #timeAt(window: Window, at: number): number {
    const stamp =
      ((window.u8(at) >> 1) & 7) * 2 ** 30 +
      (window.u16(at + 1) >> 1) * 2 ** 15 +
      (window.u16(at + 3) >> 1);
    let time = stamp;
    if (Number.isFinite(this.#previous)) {
      // 33 bits run over every 26.5 hours.
      time += Math.round((this.#previous - stamp) / clockWrap) * clockWrap;
    }
    // Frames are not in the order they are shown; the shortest step is that of one frame.
    const step = Math.abs(time - this.#previous);
    if (step > 0 && (this.#step === 0 || step < this.#step)) this.#step = step;
    this.#previous = time;
    return time;
  }

  /** Counts a PES packet of which something is kept, and the sound in it. */
  #count(open: OpenPes): void {
    this.packets += 1;
    this.#lastSeconds = (this.counter?.seconds ?? 0) - open.secondsBefore;
    if (open.time === null) return;
    this.#first = Math.min(this.#first, open.time);
    this.#last = Math.max(this.#last, open.time);
  }

  #close(edits: PacketEdits, isLast: boolean, window: Window): void {
    const open = this.#open;
    this.#open = null;
    if (!open) return;
    const isComplete = open.length > 0 ? open.received >= open.length : !isLast || open.endsStuffed;
    if (isComplete && !open.isBroken) {
      this.#count(open);
      return;
    }
    this.torn += 1;
    for (const at of open.packets) edits.set(at, null);
    if (isLast) this.#saveFrames(open, edits, window);
  }

  /** Keeps the complete frames of sound of a PES that was cut off: it ends behind the last. */
  #saveFrames(open: OpenPes, edits: PacketEdits, window: Window): void {
    const { counter } = this;
    if (!counter || counter.frames === open.framesBefore) return;
    const kept = counter.complete - open.fedBefore;
    if (kept <= 0) return;
    const length = open.headerBytes + kept;
    let before = 0;
    for (const at of open.packets) {
      const bytes = window.bytes(at, packetBytes);
      const field = ((bytes[3] ?? 0) & 0x20) !== 0 ? (bytes[4] ?? 0) + 1 : 0;
      const payload = packetBytes - 4 - field;
      const keep = Math.min(payload, length - before);
      if (keep <= 0) break;
      const copy = shortened(bytes, keep);
      if (before === 0) {
        const start = packetBytes - keep;
        const announced = open.length === 0 ? 0 : length - 6;
        copy[start + 4] = announced >> 8;
        copy[start + 5] = announced & 0xff;
      }
      edits.set(at, copy);
      before += payload;
    }
    this.#count(open);
  }
}
