/**
 * Sample entries (`stsd`): a codec's four-character code, dimensions, and configuration boxes.
 *
 * Reads ISO/IEC 14496-12 §12 and QuickTime's sound descriptions (versions 0, 1 and 2, with the
 * `wave` box). The boxes inside the configuration are read by each codec.
 */

export interface SampleEntry {
  readonly fourcc: string;
  readonly kind: 'video' | 'audio' | 'other';
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bitsPerSample: number;
  readonly rate: number;
  /** QuickTime version 2: bytes of one frame of uncompressed sound; else 0. */
  readonly bytesPerFrame: number;
  /** QuickTime version 2: format flags of uncompressed sound; else 0. */
  readonly formatFlags: number;
  /** Payloads of the boxes inside, by type; those inside `wave` too. The first of a type counts. */
  readonly boxes: ReadonlyMap<string, Uint8Array>;
}

const visualBytes = 86;
const soundBytes = 36;

/**
 * Reads a sample entry.
 *
 * @param entry  the whole box: size, four-character code, fields, boxes
 * @param kind   what its track is, by its handler; null to judge by the entry itself
 */
export function parseSampleEntry(
  entry: Uint8Array,
  kind: 'video' | 'audio' | null = null,
): SampleEntry | null {
  if (entry.length < 16) return null;
  const fourcc = text(entry, 4);
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
  const kindHere = kind ?? (looksVisual(entry, view) ? 'video' : 'audio');
  if (kindHere === 'video') {
    if (entry.length < visualBytes) return null;
    return {
      ...nothing,
      fourcc,
      kind: 'video',
      width: view.getUint16(32),
      height: view.getUint16(34),
      boxes: boxesIn(entry, visualBytes),
    };
  }
  return entry.length < soundBytes ? null : soundEntry(fourcc, entry, view);
}

const nothing: Omit<SampleEntry, 'fourcc' | 'kind'> = {
  width: 0,
  height: 0,
  channels: 0,
  bitsPerSample: 0,
  rate: 0,
  bytesPerFrame: 0,
  formatFlags: 0,
  boxes: new Map(),
};

function soundEntry(fourcc: string, entry: Uint8Array, view: DataView): SampleEntry {
  const version = view.getUint16(16);
  if (version === 2 && entry.length >= 72) {
    return {
      ...nothing,
      fourcc,
      kind: 'audio',
      channels: view.getUint32(48),
      bitsPerSample: view.getUint32(56),
      rate: view.getFloat64(40),
      bytesPerFrame: view.getUint32(64),
      formatFlags: view.getUint32(60),
      boxes: boxesIn(entry, 72),
    };
  }
  // QuickTime's version 1 has 16 more bytes; ISO's version 1 has not. Boxes tell which it is.
  const late = version === 1 ? boxesIn(entry, 52) : nothing.boxes;
  return {
    ...nothing,
    fourcc,
    kind: 'audio',
    channels: view.getUint16(24),
    bitsPerSample: view.getUint16(26),
    rate: view.getUint16(32),
    boxes: late.size > 0 ? late : boxesIn(entry, soundBytes),
  };
}

// A visual entry has two reserved words of zero, a resolution of 72 dpi and one frame per sample.
function looksVisual(entry: Uint8Array, view: DataView): boolean {
  return (
    entry.length >= visualBytes &&
    view.getUint32(36) === 0x00480000 &&
    view.getUint32(40) === 0x00480000
  );
}

function boxesIn(entry: Uint8Array, from: number): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  collectBoxes(entry.subarray(from), found, 0);
  return found;
}

function collectBoxes(bytes: Uint8Array, found: Map<string, Uint8Array>, depth: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > bytes.length) return;
    const type = text(bytes, at + 4);
    if (!/^[\w© -]{4}$/.test(type)) return;
    const payload = bytes.subarray(at + 8, at + size);
    if (type === 'wave' && depth < 2) collectBoxes(payload, found, depth + 1);
    else if (!found.has(type)) found.set(type, payload);
    at += size;
  }
}

function text(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
