/**
 * Frames of sound inside PES packets, which may hold several or a part of one.
 *
 * Fed piece by piece; a header may be split between two pieces.
 */
import { readAdtsHeader } from '../adts/adts.ts';
import { dolbyFrame } from '../codec/mpeg-audio.ts';
import type { FrameHeader } from '../mpegaudio/frame-chain.ts';
import { mpegAudioLink } from '../mpegaudio/mpeg-header.ts';
import { opusDuration } from '../ogg/mapping.ts';

interface Frame {
  readonly length: number;
  readonly seconds: number;
  readonly sampleRate?: number;
  readonly channels?: number;
  /** A better name of the codec than the program map's. */
  readonly codec?: string;
  /** Belongs to the frame before, and is none of its own. */
  readonly isPart?: boolean;
}

type Reader = (bytes: Uint8Array) => Frame | null;

const longestHeader = 300;
const nothing = new Uint8Array(0);

/** The byte every header begins with, where it is not 0xff. */
const firstBytes: Record<string, number> = { opus: 0x7f, ac3: 0x0b, eac3: 0x0b, aac_latm: 0x56 };

const readers: Record<string, Reader> = {
  aac_latm: readLoas,
  ac3: readDolby,
  eac3: readDolby,
  aac: (bytes) => {
    const header = readAdtsHeader(bytes);
    return header && soundFrame(header);
  },
  mp3: (bytes) => {
    const header = mpegAudioLink(bytes);
    return header && { ...soundFrame(header), codec: `mp${header.layer}` };
  },
  opus: readOpus,
};

function soundFrame({ length, samples, sampleRate, channels }: FrameHeader): Frame {
  return { length, seconds: samples / sampleRate, sampleRate, channels };
}

function readDolby(bytes: Uint8Array): Frame | null {
  const frame = bytes.length < 7 ? null : dolbyFrame(bytes);
  if (!frame) return null;
  const { length, codec, rate, samples, dependent } = frame;
  if (dependent) return { length, seconds: 0, isPart: true };
  return { length, codec, seconds: samples / rate, sampleRate: rate };
}

/** LOAS around LATM (ISO/IEC 14496-3 §1.7.2): 11 bits of sync, 13 of length. */
function readLoas(bytes: Uint8Array): Frame | null {
  const [a, b, c] = bytes;
  if (a !== 0x56 || b === undefined || c === undefined || (b & 0xe0) !== 0xe0) return null;
  return { length: 3 + (b & 0x1f) * 256 + c, seconds: 0 };
}

/** An access unit of Opus: 11 bits of sync, flags, size, and what is to be trimmed. */
function readOpus(bytes: Uint8Array): Frame | null {
  const [a, b] = bytes;
  if (a !== 0x7f || b === undefined || (b & 0xe0) !== 0xe0) return null;
  let [at, size] = [2, 0];
  for (; at < bytes.length; at += 1) {
    size += bytes[at] ?? 0;
    if (bytes[at] !== 255) break;
  }
  at += 1 + ((b & 0x10) !== 0 ? 2 : 0) + ((b & 0x08) !== 0 ? 2 : 0);
  const seconds = opusDuration(bytes.subarray(at, at + 2)) / 48000;
  return { length: at + size, seconds, sampleRate: 48000 };
}

/** How much was complete at a moment. */
export interface FrameMark {
  readonly frames: number;
  readonly seconds: number;
  readonly complete: number;
}

export class FrameCounter {
  frames = 0;
  seconds = 0;
  last: Frame | null = null;
  /** Bytes fed so far, and of those the ones of complete frames. */
  fed = 0;
  complete = 0;
  readonly #read: Reader;
  /** The byte every header begins with. */
  readonly #first: number;
  #rest = 0;
  #open: Frame | null = null;
  #head: Uint8Array = nothing;

  constructor(read: Reader, first: number) {
    this.#read = read;
    this.#first = first;
  }

  /** What is complete by now. */
  get mark(): FrameMark {
    const { frames, seconds, complete } = this;
    return { frames, seconds, complete };
  }

  /** Forgets the frames behind a mark: they may be damaged. */
  goBack({ frames, seconds, complete }: FrameMark): void {
    [this.frames, this.seconds, this.complete] = [frames, seconds, complete];
  }

  /** Begins anew behind something that is missing. */
  reset(): void {
    this.#rest = 0;
    this.#open = null;
    this.#head = nothing;
  }

  feed(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#open) {
        const step = Math.min(this.#rest, bytes.length - at);
        at += step;
        this.fed += step;
        this.#rest -= step;
        if (this.#rest === 0) this.#close(this.#open);
        continue;
      }
      at = this.#begin(bytes, at);
    }
  }

  #begin(bytes: Uint8Array, at: number): number {
    if (this.#head.length === 0 && bytes[at] !== this.#first) {
      const next = bytes.indexOf(this.#first, at);
      const skipped = (next < 0 ? bytes.length : next) - at;
      this.fed += skipped;
      return at + skipped;
    }
    const wanted = Math.min(longestHeader, bytes.length - at);
    const head = behind(this.#head, bytes.subarray(at, at + wanted));
    const frame = this.#read(head);
    if (!frame || frame.length <= this.#head.length) {
      // Too short to tell, or no header: keep a little, and step on a byte where it is none.
      if (head.length < 16) {
        this.#head = head.slice();
        this.fed += wanted;
        return at + wanted;
      }
      const skip = this.#head.length > 0 ? 0 : 1;
      this.#head = nothing;
      this.fed += skip;
      return at + skip;
    }
    this.#open = frame;
    this.#rest = frame.length - this.#head.length;
    this.#head = nothing;
    return at;
  }

  #close(frame: Frame): void {
    this.complete = this.fed;
    this.#open = null;
    if (frame.isPart) return;
    this.frames += 1;
    this.seconds += frame.seconds;
    this.last = frame;
  }
}

/** What was kept and what follows it; most frames begin and go on in one piece, which is not copied. */
function behind(kept: Uint8Array, piece: Uint8Array): Uint8Array {
  if (kept.length === 0) return piece;
  const both = new Uint8Array(kept.length + piece.length);
  both.set(kept);
  both.set(piece, kept.length);
  return both;
}

/** A counter for a codec whose frames say how long they are; null for all others. */
export function frameCounter(codec: string): FrameCounter | null {
  const read = readers[codec];
  return read ? new FrameCounter(read, firstBytes[codec] ?? 0xff) : null;
}

/** Whether the bytes begin with a frame of the codec. */
export function holdsFrame(codec: string, bytes: Uint8Array): boolean {
  return (readers[codec]?.(bytes) ?? null) !== null;
}
