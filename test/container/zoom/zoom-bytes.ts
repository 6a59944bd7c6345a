/**
 * Builds `.zoom` files from the description of their layout: no recording of anybody is needed.
 */

const magic = 0x2c05f158;
const trailer = 0x84ad52e2;

export interface PacketBytes {
  readonly type: number;
  readonly time: number;
  readonly duration?: number;
  readonly property: Uint8Array;
  readonly data: Uint8Array;
}

export function packet({ type, time, duration = -1, property, data }: PacketBytes): Uint8Array {
  const dataAt = 52 + padded(property.length);
  const bytes = new Uint8Array(dataAt + padded(data.length) + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setInt32(4, type, true);
  view.setBigInt64(12, BigInt(time), true);
  view.setBigInt64(20, BigInt(duration), true);
  view.setInt32(36, data.length, true);
  view.setInt32(40, property.length, true);
  bytes.set(property, 52);
  bytes.set(data, dataAt);
  view.setUint32(bytes.length - 4, trailer, true);
  return bytes;
}

export function mediaHeader(): Uint8Array {
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, trailer, true);
  view.setUint32(32, 2, true);
  view.setUint32(36, 1024, true);
  return bytes;
}

export const audioProperty = (rate: number) => words(rate);
export const videoProperty = (id: number, width: number, height: number) =>
  words(id, 0, width, height);

/** A control record of a command. */
export function controlRecord(command: number, tick: number, payload = 8, start = 0): Uint8Array {
  const bytes = new Uint8Array(72 + payload);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, 64, true);
  view.setInt32(8, 8, true);
  view.setUint32(28, tick, true);
  view.setUint32(36, start, true);
  view.setUint16(54, command, true);
  view.setInt32(60, payload, true);
  view.setUint32(bytes.length - 4, trailer, true);
  return bytes;
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** 20 ms of s16le sound in each packet, every byte telling its place. */
export function soundPackets(count: number, rate = 32_000, start = 5000): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const data = new Uint8Array((rate / 50) * 2).map((_byte, at) => (at * 7 + index * 13) % 251);
    return packet({
      type: 4,
      time: start + index * 20,
      duration: 20,
      property: audioProperty(rate),
      data,
    });
  });
}

const padded = (size: number) => Math.ceil(size / 4) * 4;

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}
