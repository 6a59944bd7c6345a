/**
 * AV1 as a sample codec: a sample is a temporal unit without its delimiter (AV1 Codec ISO Media File
 * Format Binding §2.4), which ends with the frame that is shown (AV1 Bitstream §7.5).
 */
import { Av1Order } from './av1-order.ts';
import {
  type Av1FrameRules,
  type Av1Sequence,
  parseAv1Sequence,
  sameSequence,
} from './av1-sequence.ts';
import { BitReader } from './bit-reader.ts';
import { needsMore, notASample, type SampleCodec, type SampleFacts } from './codec.ts';
import { pictureBound, videoCodec } from './video-codec.ts';

const obu = {
  sequence: 1,
  delimiter: 2,
  frameHeader: 3,
  tiles: 4,
  metadata: 5,
  frame: 6,
  redundantHeader: 7,
  padding: 15,
} as const;

/** A temporal unit holds a few hidden frames and their tiles; a flood of tiny units is none. */
const mostUnits = 1024;

/** Makes the codec from `av1C`; null when it is none. */
export function av1FromConfig(av1C: Uint8Array, width: number, height: number): SampleCodec | null {
  if (av1C.length < 4) return null;
  // Marker and version (AV1 ISOBMFF §2.3.3). GStreamer 1.22 leaves the box empty when its parser gave it
  // no sequence header; the stream carries one in band.
  if (av1C[0] !== 0x81) return av1Codec(null, width, height);
  const unit = new Obu();
  let sequence: Av1Sequence | null = null;
  for (let at = 4; at < av1C.length && unit.read(av1C, at, av1C.length); at += unit.total) {
    if (unit.type === obu.sequence && unit.whole) {
      sequence ??= parseAv1Sequence(av1C.subarray(unit.body, at + unit.total));
    }
  }
  return av1Codec(sequence, width, height);
}

/**
 * Makes the codec.
 *
 * @param known  the sequence header, against which those in band are checked; null when not known
 */
export function av1Codec(known: Av1Sequence | null, width: number, height: number): SampleCodec {
  const bound = pictureBound(known?.width ?? width, known?.height ?? height);
  const unit = new Obu();
  const stream: Stream = { known, rules: known?.rules ?? null, order: new Av1Order() };
  const { order } = stream;

  function measure(
    bytes: Uint8Array,
    at: number,
    end: number,
    facts: SampleFacts,
    atEnd: boolean,
  ): number {
    let position = at;
    let shown = false;
    facts.slices = 0;
    facts.follows = false;
    order.begin();
    for (let units = 0; ; units++) {
      if (units > mostUnits) return notASample;
      const more = unit.read(bytes, position, end);
      const cut = position >= end || unit.cut;
      if (cut || !more) {
        if (shown && (!cut || (atEnd && position === end))) return position - at;
        if (!cut) return notASample;
        facts.soFar = position - at;
        facts.wanted = position - at + 16;
        return needsMore;
      }
      // After the frame that is shown only its own further tiles and padding belong to the unit.
      const belongs =
        unit.type === obu.tiles || unit.type === obu.padding || unit.type === obu.redundantHeader;
      if (shown && !belongs) return position - at;
      if (unit.size > bound || position + unit.total - at > 2 * bound) return notASample;
      const verdict = look(bytes, unit, stream, facts, position === at);
      if (verdict === 'no') return shown ? position - at : notASample;
      if (verdict !== 'more' && (unit.type === obu.frame || unit.type === obu.frameHeader)) {
        order.note();
        facts.follows = order.follows || (facts.sync && facts.parameterSets);
      }
      if (verdict === 'more' || !unit.whole) {
        facts.soFar = position - at;
        facts.wanted = position + unit.total - at;
        return needsMore;
      }
      if (verdict === 'shown') shown = true;
      position += unit.total;
    }
  }

  return videoCodec({
    codec: 'av1',
    framing: 'measured',
    maxSampleBytes: 2 * bound,
    width: known?.width ?? width,
    height: known?.height ?? height,
    frameRate: known?.frameRate ?? 0,
    measure,
    isStart(bytes, at, end) {
      if (!unit.read(bytes, at, end) || unit.size > bound) return false;
      if (unit.type === obu.tiles || unit.type === obu.padding) return false;
      const verdict = look(bytes, unit, stream, { ...scratch }, true);
      return verdict !== 'no' && verdict !== 'more';
    },
    memory: {
      accept: () => order.accept(stream.rules),
      discontinue: () => order.discontinue(),
      state: () => order.state(),
      restore: (state) => order.restore(state),
    },
  });
}

interface Stream {
  readonly known: Av1Sequence | null;
  /** By the sequence header in band where the sample entry has none. */
  rules: Av1FrameRules | null;
  readonly order: Av1Order;
}

const scratch = { sync: false, slices: 0, parameterSets: false };
const reader = new BitReader();

type Verdict = 'no' | 'more' | 'shown' | 'fits';

/** Judges one OBU by its type and first bits. */
function look(
  bytes: Uint8Array,
  unit: Obu,
  stream: Stream,
  facts: Pick<SampleFacts, 'sync' | 'slices' | 'parameterSets'>,
  opens: boolean,
): Verdict {
  const { type, body, size } = unit;
  if (type === obu.delimiter) return size === 0 && opens ? 'fits' : 'no';
  if (type === obu.sequence) {
    if (size > 512) return 'no';
    if (!unit.whole) return 'more';
    const found = parseAv1Sequence(bytes.subarray(body, body + size));
    facts.parameterSets = true;
    if (!found || (stream.known && !sameSequence(found, stream.known))) return 'no';
    stream.rules ??= found.rules;
    return 'fits';
  }
  if (type === obu.frame || type === obu.frameHeader) {
    if (size === 0) return 'no';
    if (body >= unit.end) return 'more';
    return lookAtFrame(bytes, unit, stream, facts);
  }
  if (type === obu.tiles || type === obu.redundantHeader) {
    if (type === obu.tiles) facts.slices++;
    return opens || size === 0 ? 'no' : 'fits';
  }
  if (type === obu.metadata) {
    if (size < 2) return 'no';
    if (body + 1 >= unit.end) return 'more';
    // metadata_type: 1 to 5 are assigned, 6 to 31 free for applications.
    const kind = bytes[body] ?? 0;
    return kind >= 1 && kind <= 31 ? 'fits' : 'no';
  }
  return type === obu.padding && !opens ? 'fits' : 'no';
}

/** The start of `uncompressed_header` (AV1 §5.9.2): is the frame shown, and is it a key frame? */
function lookAtFrame(
  bytes: Uint8Array,
  unit: Obu,
  { known, rules, order }: Stream,
  facts: Pick<SampleFacts, 'sync' | 'slices'>,
): Verdict {
  reader.reset(bytes, unit.body, Math.min(unit.end, unit.body + unit.size));
  if (unit.type === obu.frame) facts.slices++;
  if (known?.reduced) {
    facts.sync = true;
    return 'shown';
  }
  const isRepeated = (bytes[unit.body] ?? 0) >= 0x80;
  const { fits, shown, key } = order.read(reader, rules);
  if (isRepeated) {
    // show_existing_frame: a header alone, of one byte where nothing is said but the slot.
    const isPlain = rules !== null && rules.frameIdBits === 0 && !rules.hasDecoderModel;
    const isByte = unit.size === 1 && ((bytes[unit.body] ?? 0) & 0x8f) === 0x88;
    const isHeader = unit.type === obu.frameHeader && unit.size <= 16;
    return isHeader && (isByte || !isPlain) ? 'shown' : 'no';
  }
  if (unit.size < 4 || !fits) return 'no';
  if (key && shown) facts.sync = true;
  return shown ? 'shown' : 'fits';
}

/** One open bitstream unit's header (AV1 §5.3); reused. */
class Obu {
  type = 0;
  /** Offset of the payload. */
  body = 0;
  /** Bytes of the payload. */
  size = 0;
  /** Bytes of header and payload. */
  total = 0;
  end = 0;
  whole = false;
  /** The header itself is cut off. */
  cut = false;

  /** Reads a header; false when there is none, with `cut` telling whether it may be beyond `end`. */
  read(bytes: Uint8Array, at: number, end: number): boolean {
    this.cut = at >= end;
    if (this.cut) return false;
    const header = bytes[at] ?? 0;
    // Forbidden and reserved bits clear; a size is there, except in streams no recorder writes.
    if ((header & 0x83) !== 2) return false;
    this.type = header >> 3;
    let position = at + 1;
    if (header & 4) {
      // Temporal and spatial layer, three reserved bits.
      if (position < end && ((bytes[position] ?? 0) & 7) !== 0) return false;
      position++;
    }
    this.size = 0;
    for (let n = 0; n < 5; n++) {
      this.cut = position >= end;
      if (this.cut) return false;
      const byte = bytes[position++] ?? 0;
      this.size += (byte & 127) * 2 ** (7 * n);
      if (byte < 128) {
        this.body = position;
        this.total = position - at + this.size;
        this.end = end;
        this.whole = position + this.size <= end;
        return true;
      }
    }
    return false;
  }
}
