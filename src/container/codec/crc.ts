/**
 * The checksums inside audio frames: CRC-8 (polynomial 0x07) and CRC-16 (0x8005), both most
 * significant bit first and starting at zero, as FLAC uses them (RFC 9639 §9.1.8, §9.3).
 */
const table8 = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let n = 0; n < 8; n++) crc = crc & 128 ? (crc << 1) ^ 0x07 : crc << 1;
  return crc;
});

const table16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let n = 0; n < 8; n++) crc = crc & 0x8000 ? (crc << 1) ^ 0x8005 : crc << 1;
  return crc;
});

export function crc8(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0;
  for (let at = from; at < to; at++) crc = table8[crc ^ (bytes[at] ?? 0)] ?? 0;
  return crc;
}

export function crc16(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0;
  for (let at = from; at < to; at++) {
    crc = ((crc << 8) & 0xffff) ^ (table16[(crc >> 8) ^ (bytes[at] ?? 0)] ?? 0);
  }
  return crc;
}
