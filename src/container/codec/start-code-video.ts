/**
 * MPEG-4 Visual (ISO/IEC 14496-2) and MPEG-2 video (ISO/IEC 13818-2, ITU-T H.262) as sample codecs.
 *
 * A picture says how it begins and not where it ends. But the codes it begins with, 00 00 01 and a
 * byte, stand nowhere else in a picture (14496-2 §6.2.1, 13818-2 §6.2.1), so nothing else resembles its
 * beginning, and the next one cannot be missed.
 */
import { BitReader } from './bit-reader.ts';
import { needsMore, notASample, type SampleCodec } from './codec.ts';
import { pictureBound, videoCodec } from './video-codec.ts';

/** What the headers of one picture say. */
interface PictureHead {
  readonly sync: boolean;
  /** A picture that others may be shown before: I or P. */
  readonly isReference: boolean;
  /** Bytes from the beginning of the sample to where its data begin. */
  readonly headBytes: number;
  /** Shown in ascending order; counted from whatever `order` began at. */
  order(before: OrderState): OrderState;
}

/** Where counting stands: for MPEG-4 the last two whole seconds, for MPEG-2 group and largest number. */
type OrderState = readonly [order: number, base: number, earlier: number];

type ReadHead = (bytes: Uint8Array, at: number, end: number) => PictureHead | null;

/** Headers and user data of a picture fit into this. */
const longestHead = 4096;

/**
 * MPEG-4 Visual, `mp4v` with object type 0x20.
 *
 * @param setup  the decoder's set-up from `esds`: visual object sequence and video object layer
 */
export function mpeg4VideoCodec(
  setup: Uint8Array,
  width: number,
  height: number,
): SampleCodec | null {
  const resolution = timeResolution(setup);
  if (resolution === 0) return null;
  return startCodeCodec('mpeg4', width, height, (bytes, at, end) =>
    readVop(bytes, at, end, resolution),
  );
}

/** MPEG-2 video, `mp4v` with object types 0x60 to 0x65, and MPEG-1 (0x6A). */
export function mpeg2VideoCodec(width: number, height: number): SampleCodec {
  return startCodeCodec('mpeg2video', width, height, readPicture);
}

function startCodeCodec(
  codec: string,
  width: number,
  height: number,
  readHead: ReadHead,
): SampleCodec {
  const maxSampleBytes = pictureBound(width, height);
  let measured: PictureHead | null = null;
  let counted: OrderState = [0, 0, 0];
  const base = videoCodec({
    codec,
    framing: 'guessed',
    maxSampleBytes,
    width,
    height,
    measure(bytes, at, end, facts, atEnd) {
      measured = readHead(bytes, at, Math.min(end, at + longestHead));
      if (!measured) return notASample;
      facts.sync = measured.sync;
      facts.soFar = measured.headBytes;
      if (!atEnd) return needsMore;
      return end - at <= maxSampleBytes ? end - at : notASample;
    },
    isStart: (bytes, at, end) => readHead(bytes, at, end) !== null,
  });
  return {
    ...base,
    reorderDepth: null,
    isSureStart: (bytes, at, end) => readHead(bytes, at, Math.min(end, at + longestHead)) !== null,
    // The last bits are a zero and ones up to a whole byte (14496-2 §5.2.4), or zeros (13818-2 §5.2.3).
    endSurprise: (bytes, _at, end) => (bytes[end - 1] === 0xff ? Number.POSITIVE_INFINITY : 0.1),
    accept() {
      base.accept();
      if (!measured) return;
      counted = measured.order(counted);
      Object.assign(base.last, { order: counted[0] });
    },
    state: () => [...base.state(), ...counted],
    restore(state) {
      const [, order, base0, earlier] = state;
      const saved = [order, base0, earlier];
      if (!saved.every((value) => Number.isSafeInteger(value)) || !base.restore(state))
        return false;
      counted = [Number(order), Number(base0), Number(earlier)];
      return true;
    },
  };
}

const bits = new BitReader();

/** The byte behind 00 00 01 at `at`; -1 when there is no start code. */
function codeAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end || bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) return -1;
  return bytes[at + 3] ?? -1;
}

/** Where the next start code stands behind the one at `at`; -1 when there is none before `end`. */
function nextCode(bytes: Uint8Array, at: number, end: number): number {
  for (let i = bytes.indexOf(1, at + 6); i >= 0 && i + 1 < end; i = bytes.indexOf(1, i + 1)) {
    if (bytes[i - 1] === 0 && bytes[i - 2] === 0) return i - 2;
  }
  return -1;
}

const vop = 0xb6;
const groupOfVop = 0xb3;
/** Visual object sequence, its end, user data, group of VOPs, visual object; objects and layers. */
const isBeforeVop = (code: number) =>
  code <= 0x2f || (code >= 0xb0 && code <= 0xb5 && code !== 0xb4);

/** `VideoObjectPlane` (14496-2 §6.2.5) with whatever stands in front of it. */
function readVop(
  bytes: Uint8Array,
  from: number,
  end: number,
  resolution: number,
): PictureHead | null {
  let seconds = -1;
  for (let at = from; ; ) {
    const code = codeAt(bytes, at, end);
    if (code === vop) return vopAt(bytes, from, at, end, resolution, seconds);
    if (code < 0 || !isBeforeVop(code)) return null;
    if (code === groupOfVop) {
      bits.reset(bytes, at + 4, end);
      const hours = bits.bits(5);
      const minutes = bits.bits(6);
      if (!bits.flag()) return null;
      seconds = (hours * 60 + minutes) * 60 + bits.bits(6);
    }
    at = nextCode(bytes, at, end);
    if (at < 0) return null;
  }
}

const [intra, bidirectional] = [0, 2];

function vopAt(
  bytes: Uint8Array,
  from: number,
  at: number,
  end: number,
  resolution: number,
  groupSeconds: number,
): PictureHead | null {
  bits.reset(bytes, at + 4, end);
  const type = bits.bits(2);
  let elapsed = 0;
  while (bits.flag()) {
    elapsed += 1;
    if (elapsed > 60) return null;
  }
  if (!bits.flag()) return null;
  const ticks = bits.bits(Math.max(1, 32 - Math.clz32(resolution - 1)));
  if (!bits.flag() || ticks >= resolution || bits.overrun) return null;
  return {
    sync: type === intra,
    isReference: type !== bidirectional,
    headBytes: Math.max(7, ((bits.at + 8) >> 3) - from),
    // Seconds count from those of the reference before; a B-VOP's from those before that (§6.3.5).
    order([, base, earlier]) {
      const known = groupSeconds >= 0 ? groupSeconds : base;
      const before = groupSeconds >= 0 ? groupSeconds : earlier;
      const second = (type === bidirectional ? before : known) + elapsed;
      const order = second * resolution + ticks;
      return type === bidirectional ? [order, known, before] : [order, second, known];
    },
  };
}

/** `vop_time_increment_resolution` of the video object layer (14496-2 §6.2.3); 0 when there is none. */
function timeResolution(setup: Uint8Array): number {
  for (let at = 0; at >= 0; at = nextCode(setup, at, setup.length)) {
    const code = codeAt(setup, at, setup.length);
    if (code < 0x20 || code > 0x2f) continue;
    bits.reset(setup, at + 4, setup.length);
    bits.skip(1 + 8);
    const version = bits.flag() ? bits.bits(4 + 3) >> 3 : 1;
    if (bits.bits(4) === 15) bits.skip(16);
    if (bits.flag()) {
      bits.skip(2 + 1);
      if (bits.flag()) bits.skip(79);
    }
    if (bits.bits(2) === 3 && version !== 1) bits.skip(4);
    const marker = bits.flag();
    const resolution = bits.bits(16);
    return marker && !bits.overrun ? resolution : 0;
  }
  return 0;
}

const picture = 0x00;
const [sequence, extension, userData, group] = [0xb3, 0xb5, 0xb2, 0xb8];

/** `picture_header` (13818-2 §6.2.3) with the sequence and group headers in front of it. */
function readPicture(bytes: Uint8Array, from: number, end: number): PictureHead | null {
  let opensGroup = false;
  for (let at = from; ; ) {
    const code = codeAt(bytes, at, end);
    if (code === picture) return pictureAt(bytes, from, at, end, opensGroup);
    // Extensions and user data belong to a header before them.
    const isHeader = code === sequence || code === group;
    if (!isHeader && (at === from || (code !== extension && code !== userData))) return null;
    opensGroup ||= code === group;
    at = nextCode(bytes, at, end);
    if (at < 0) return null;
  }
}

function pictureAt(
  bytes: Uint8Array,
  from: number,
  at: number,
  end: number,
  opensGroup: boolean,
): PictureHead | null {
  bits.reset(bytes, at + 4, end);
  const place = bits.bits(10);
  const type = bits.bits(3);
  if (type < 1 || type > 3 || bits.overrun) return null;
  // A first slice must follow, maybe behind extensions.
  const next = nextCode(bytes, at, end);
  const code = next < 0 ? extension : codeAt(bytes, next, end);
  if (code !== extension && code !== userData && (code < 0x01 || code > 0xaf)) return null;
  return {
    sync: type === 1,
    isReference: type !== 3,
    headBytes: at + 8 - from,
    // Numbered within its group (§6.3.9), which begins behind all that came before.
    order([, base, largest]) {
      const start = opensGroup ? largest + 1 : base;
      const order = start + place;
      return [order, start, Math.max(largest, order)];
    },
  };
}
