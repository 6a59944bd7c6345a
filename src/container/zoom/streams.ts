/**
 * The streams inside a `.zoom` media file: which packets belong together, how long each lasts, and
 * what a decoder needs to begin.
 *
 * Sound is s16le PCM whose rate stands in each packet; how many channels it has is not written
 * anywhere known and is inferred from bytes per second. Video is Annex B H.264, one stream per id,
 * and can be shown from its first IDR picture on once parameter sets were seen.
 */
import { parseH264Sps } from '../codec/h264-parameter-sets.ts';
import type { Window } from '../window.ts';
import { type Packet, packetTypes } from './packets.ts';

/** More streams than any meeting has: a damaged file must not make a thousand tracks. */
const mostStreams = 32;
/** A pause longer than this inside one recording is a damaged timestamp. */
const longestPauseMs = 12 * 3600 * 1000;
const longestSet = 4096;

export interface Stream {
  readonly kind: 'audio' | 'video';
  readonly key: string;
  /** `camera`, `screen share`, `avatar` or `sound`. */
  readonly name: string;
  packets: number;
  bytes: number;
  first: number;
  /** End of the last packet, in ms on the recorder's clock. */
  end: number;
  last: number;
  rate: number;
  channels: 1 | 2;
  width: number;
  height: number;
  sps: Uint8Array | null;
  pps: Uint8Array | null;
  /** Offset of the first packet that can be shown; -1 until one was found. */
  opensAt: number;
}

/** Collects streams from packets met in file order. */
export class Streams {
  readonly #byKey = new Map<string, Stream>();
  readonly #window: Window;
  /** Packets of kinds that are not media: cursor, unknown, more streams than are followed. */
  skipped = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  get all(): readonly Stream[] {
    return [...this.#byKey.values()];
  }

  /** The stream of a packet; null for what is not extracted. */
  of(packet: Packet): Stream | null {
    const key = streamKey(this.#window, packet);
    return key === null ? null : (this.#byKey.get(key) ?? null);
  }

  /** Takes a packet's times and sizes in; with `inside` its units too. Null when it is no media. */
  take(packet: Packet, inside: boolean): Stream | null {
    const stream = this.#streamFor(packet);
    if (!stream || packet.dataSize === 0) {
      this.skipped += 1;
      return null;
    }
    const time = timeOf(stream, packet);
    if (stream.packets === 0) stream.first = time;
    stream.packets += 1;
    stream.bytes += packet.dataSize;
    stream.last = time;
    stream.end = Math.max(stream.end, time + Math.max(0, durationOf(packet)));
    if (stream.kind === 'audio' && stream.opensAt < 0) stream.opensAt = packet.at;
    if (stream.kind === 'video' && inside) this.#open(stream, packet);
    return stream;
  }

  #streamFor(packet: Packet): Stream | null {
    const key = streamKey(this.#window, packet);
    if (key === null) return null;
    const known = this.#byKey.get(key);
    if (known) return known;
    if (this.#byKey.size >= mostStreams) return null;
    const stream = newStream(this.#window, packet, key);
    this.#byKey.set(key, stream);
    return stream;
  }

  // A decoder begins at an IDR picture with both parameter sets known.
  #open(stream: Stream, packet: Packet): void {
    if (stream.opensAt >= 0) return;
    const data = this.#window.bytes(packet.dataAt, packet.dataSize);
    for (const { at, end, type } of unitsOf(data)) {
      if (end - at <= longestSet) {
        if (type === 7) stream.sps ??= data.slice(at, end);
        if (type === 8) stream.pps ??= data.slice(at, end);
      }
      if (type === 5 && stream.sps && stream.pps) {
        stream.opensAt = packet.at;
        return;
      }
    }
  }
}

function streamKey(window: Window, packet: Packet): string | null {
  if (packet.type === packetTypes.audio) {
    return packet.propertySize >= 4 ? `audio ${window.u32le(packet.propertyAt)}` : null;
  }
  const name = videoNames.get(packet.type);
  if (name === undefined) return null;
  return `${name} ${packet.propertySize >= 4 ? window.u32le(packet.propertyAt) : 0}`;
}

const videoNames: ReadonlyMap<number, string> = new Map([
  [packetTypes.camera, 'camera'],
  [packetTypes.share, 'screen share'],
  [packetTypes.avatar, 'avatar'],
]);

function newStream(window: Window, packet: Packet, key: string): Stream {
  const isAudio = packet.type === packetTypes.audio;
  const has = (bytes: number) => packet.propertySize >= bytes;
  const size = (at: number) =>
    plausible(has(at + 4) ? window.u32le(packet.propertyAt + at) : 0, 16384);
  const rate = plausible(isAudio ? window.u32le(packet.propertyAt) : 0, 384_000);
  return {
    kind: isAudio ? 'audio' : 'video',
    key,
    name: isAudio ? 'sound' : (videoNames.get(packet.type) ?? 'video'),
    packets: 0,
    bytes: 0,
    first: 0,
    end: 0,
    last: Number.NaN,
    rate: isAudio && rate < 4000 ? 48_000 : rate,
    channels: 1,
    width: isAudio ? 0 : size(8),
    height: isAudio ? 0 : size(12),
    sps: null,
    pps: null,
    opensAt: -1,
  };
}

const plausible = (value: number, most: number) => (value > 0 && value <= most ? value : 0);

/** The time of a packet; a damaged field stands for the time of the packet before. */
export function timeOf(stream: { readonly last: number }, packet: Packet): number {
  const { timestamp } = packet;
  const { last } = stream;
  if (Number.isNaN(last)) return Number.isNaN(timestamp) || timestamp < 0 ? 0 : timestamp;
  const sane = timestamp >= 0 && Math.abs(timestamp - last) <= longestPauseMs;
  return sane ? timestamp : last;
}

function durationOf(packet: Packet): number {
  return packet.duration > 0 && packet.duration < 60_000 ? packet.duration : 0;
}

/** Channels, duration of the last block and picture size, once all packets were taken in. */
export function settle(stream: Stream): void {
  if (stream.kind === 'video') {
    const sps = stream.sps ? parseH264Sps(stream.sps) : null;
    if (sps && stream.width === 0) stream.width = sps.width;
    if (sps && stream.height === 0) stream.height = sps.height;
    return;
  }
  // One packet of several tells nothing: its span ends where its last packet begins.
  const usual = stream.bytes / stream.packets;
  const before = stream.bytes - usual;
  const span = stream.end > stream.last ? stream.end - stream.first : stream.last - stream.first;
  const bytes = stream.end > stream.last ? stream.bytes : before;
  const perSecond = span > 0 ? (bytes * 1000) / span : 0;
  stream.channels = perSecond > stream.rate * 2 * 1.5 ? 2 : 1;
  if (stream.end <= stream.last) {
    stream.end = stream.last + Math.round((usual * 1000) / (stream.rate * 2 * stream.channels));
  }
}

export interface Unit {
  readonly at: number;
  readonly end: number;
  readonly type: number;
}

/** NAL units of Annex B bytes (ISO/IEC 14496-10 Annex B), without start codes and stuffing. */
export function* unitsOf(data: Uint8Array): Iterable<Unit> {
  let at = startCode(data, 0);
  while (at < data.length) {
    const begin = at + 3;
    const next = startCode(data, begin);
    let end = next;
    while (end > begin && data[end - 1] === 0) end -= 1;
    if (end > begin) yield { at: begin, end, type: (data[begin] ?? 0) & 31 };
    at = next;
  }
}

// The next 00 00 01; the end of the data when there is none.
function startCode(data: Uint8Array, from: number): number {
  for (let one = data.indexOf(1, from + 2); one >= 0; one = data.indexOf(1, one + 1)) {
    if (data[one - 1] === 0 && data[one - 2] === 0) return one - 2;
  }
  return data.length;
}
