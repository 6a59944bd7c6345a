/**
 * Where each packet of a whole file ends, found without the readers under test: ffmpeg says what the
 * packets are, and they are looked for in the file. Ogg and MPEG-TS scatter packets over pages and
 * transport packets; for these there is a small walk here.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const local = ['-nostdin', '-v', 'error', '-protocol_whitelist', 'file,pipe'];

export interface Packet {
  readonly size: number;
  readonly hash: string;
}

function run(ffmpeg: string, args: readonly string[]): Buffer {
  const done = spawnSync(ffmpeg, [...local, ...args], { maxBuffer: 2 ** 30 });
  if (done.status !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

/** The packets of each stream in order. */
export function packetsOf(ffmpeg: string, path: string): Packet[][] {
  const args = ['-i', `file:${path}`, '-map', '0', '-c', 'copy', '-f', 'framemd5', '-'];
  const streams: Packet[][] = [];
  for (const line of run(ffmpeg, args).toString('latin1').split('\n')) {
    if (line.startsWith('#') || line === '') continue;
    const fields = line.split(',').map((field) => field.trim());
    const stream = Number(fields[0]);
    streams[stream] ??= [];
    streams[stream].push({ size: Number(fields[4]), hash: fields[5] ?? '' });
  }
  return streams;
}

/** For each stream, the offset behind each packet, in order. */
export function packetEnds(ffmpeg: string, path: string, packets: readonly Packet[][]): number[][] {
  const bytes = readFileSync(path);
  if (path.endsWith('.ts')) return transportEnds(bytes);
  if (bytes.toString('latin1', 0, 4) === 'OggS') {
    const ends = pageEnds(bytes);
    // Headers come first and are no packets to ffmpeg.
    return packets.map((stream, index) => (ends[index] ?? []).slice(-stream.length));
  }
  return packets.map((stream, index) => {
    const args = ['-i', `file:${path}`, '-map', `0:${index}`, '-c', 'copy', '-f', 'data', '-'];
    const payload = run(ffmpeg, args);
    let [from, at] = [0, 0];
    return stream.map(({ size }) => {
      const place = bytes.indexOf(payload.subarray(from, from + size), at);
      if (place < 0) throw new Error(`${path}: packet of ${size} bytes not found`);
      from += size;
      at = place + size;
      return at;
    });
  });
}

/** Of each stream in the order of their first pages, where its packets end; empty ones left out. */
function pageEnds(bytes: Buffer): number[][] {
  const streams = new Map<number, number[]>();
  const begun = new Map<number, number>();
  for (let at = 0; at + 27 < bytes.length; ) {
    const serial = bytes.readUInt32LE(at + 14);
    const count = bytes[at + 26] ?? 0;
    const ends = streams.get(serial) ?? [];
    streams.set(serial, ends);
    let place = at + 27 + count;
    for (let i = 0; i < count; i += 1) {
      const lace = bytes[at + 27 + i] ?? 0;
      place += lace;
      const length = (begun.get(serial) ?? 0) + lace;
      begun.set(serial, lace === 255 ? length : 0);
      if (lace < 255 && length > 0) ends.push(place);
    }
    at = place;
  }
  return [...streams.values()];
}

/** Pictures by PES packet, sound by ADTS frame: behind the transport packet that ends each. */
function transportEnds(bytes: Buffer): number[][] {
  const pictures: number[] = [];
  const sound: Buffer[] = [];
  const places: number[] = [];
  // By the id of a PES packet: 0xe0 of pictures, 0xc0 of sound.
  const ids = new Map<number, number>();
  for (let at = 0; at + 188 <= bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    const begins = ((bytes[at + 1] ?? 0) & 0x40) !== 0;
    const control = bytes[at + 3] ?? 0;
    let payload = at + 4 + ((control & 0x20) !== 0 ? (bytes[at + 4] ?? 0) + 1 : 0);
    if ((control & 0x10) === 0) continue;
    const isPes = begins && bytes.readUIntBE(payload, 3) === 1;
    if (isPes) ids.set(pid, bytes[payload + 3] ?? 0);
    if (ids.get(pid) === 0xe0) {
      if (begins) pictures.push(0);
      pictures[pictures.length - 1] = at + 188;
    } else if (ids.get(pid) === 0xc0) {
      if (begins) payload += 9 + (bytes[payload + 8] ?? 0);
      sound.push(bytes.subarray(payload, at + 188));
      for (let i = payload; i < at + 188; i += 1) places.push(at + 188);
    }
  }
  const frames: number[] = [];
  const joined = Buffer.concat(sound);
  for (let at = 0; at + 7 < joined.length; ) {
    at += (joined.readUIntBE(at + 3, 3) >> 5) & 0x1fff;
    frames.push(places[at - 1] ?? bytes.length);
  }
  return [pictures, frames];
}

/** Errors ffmpeg reports when it decodes the file to its end. */
export function decodeErrors(ffmpeg: string, path: string): string[] {
  const args = ['-err_detect', 'explode', '-i', `file:${path}`, '-map', '0', '-f', 'null', '-'];
  const done = spawnSync(ffmpeg, [...local, ...args], { encoding: 'utf8' });
  const lines = done.stderr.split('\n').filter((line) => line !== '' && !ofNullMuxer.test(line));
  return done.status === 0 ? lines : [...lines, `exit ${done.status}`];
}

// An ffmpeg of 2018 makes up times of frames that are shown by the order of decoding: no error of the file.
const ofNullMuxer = /non monoton\w+ increasing dts to muxer/;
