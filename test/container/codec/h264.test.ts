import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BitReader } from '../../../src/container/codec/bit-reader.ts';
import { BitWriter } from '../../../src/container/codec/bit-writer.ts';
import { h264Codec } from '../../../src/container/codec/h264.ts';
import { H264Order } from '../../../src/container/codec/h264-order.ts';
import {
  type H264Sps,
  parseAvcConfig,
  parseH264Pps,
  parseH264Sps,
} from '../../../src/container/codec/h264-parameter-sets.ts';
import { emptySlice, type H264Slice } from '../../../src/container/codec/h264-slice.ts';
import { annexB, buildAvcConfig, buildH264Sets } from '../../../src/container/codec/h264-writer.ts';
import { escapePayload, rawPayload } from '../../../src/container/codec/nal.ts';
import { parseSampleEntry } from '../../../src/container/codec/sample-entry.ts';
import {
  candidateParameterSets,
  findX264Options,
  parseX264Options,
  x264Recipe,
} from '../../../src/container/codec/x264.ts';
import { decodedFrames, makeMedia, seed, tracksOf } from './whole-files.ts';

describe('given bits', () => {
  test('whatever numbers are written, they are read again', () => {
    const number = fc.integer({ min: 0, max: 2 ** 31 });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, fc.integer({ min: -5000, max: 5000 }))), (pairs) => {
        const writer = new BitWriter();
        for (const [plain, signed] of pairs) writer.ue(plain).se(signed);
        const reader = new BitReader().reset(writer.finish());
        for (const [plain, signed] of pairs) {
          expect(reader.ue()).toBe(plain);
          expect(reader.se()).toBe(signed);
        }
        expect(reader.atTrailingBits()).toBe(true);
      }),
    );
  });

  test('whatever the payload, emulation prevention is put in and taken out', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 255)), (values) => {
        const payload = Uint8Array.from(values);
        const escaped = escapePayload(payload);
        for (let at = 0; at + 2 < escaped.length; at++) {
          const [a, b, c = 9] = escaped.subarray(at, at + 3);
          expect(a === 0 && b === 0 && c < 3).toBe(false);
        }
        expect(rawPayload(escaped)).toEqual(payload);
      }),
    );
  });
});

const sps: H264Sps = {
  ...(parseH264Sps(configOf(seed('h264-aac.mp4')).sps[0] ?? new Uint8Array(0)) ?? never()),
};

function never(): never {
  throw new Error('no parameter set');
}

function configOf(bytes: Uint8Array): NonNullable<ReturnType<typeof parseAvcConfig>> {
  const video = tracksOf(bytes).find(({ kind }) => kind === 'video');
  const avcC = video && parseSampleEntry(video.entry, 'video')?.boxes.get('avcC');
  return (avcC && parseAvcConfig(avcC)) || never();
}

/** Length-prefixed units of an Annex B stream. */
function prefixed(stream: Uint8Array): Uint8Array {
  const units: Uint8Array[] = [];
  let from = -1;
  for (let at = 0; at <= stream.length; at++) {
    const isEnd = at === stream.length;
    const isCode = stream[at] === 0 && stream[at + 1] === 0 && stream[at + 2] === 1;
    if (!isEnd && !isCode) continue;
    let to = at;
    while (to > from && stream[to - 1] === 0) to--;
    if (from >= 0) units.push(stream.subarray(from, to));
    from = at + 3;
  }
  const prefix = ({ length }: Uint8Array) => [length >>> 24, length >> 16, length >> 8, length];
  return Uint8Array.from(units.flatMap((unit) => [...prefix(unit), ...unit]));
}

describe('given a stream whose parameter sets change in band', () => {
  test('every picture is measured, also when the next start is asked for before it is taken', async () => {
    const streams = await Promise.all(
      ['64x48', '96x64'].map((size) =>
        makeMedia('h264', [
          ...['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=5:duration=2`, '-c:v', 'libx264'],
          ...['-bf', '0', '-x264-params', 'repeat-headers=1', '-pix_fmt', 'yuv420p'],
        ]),
      ),
    );
    const bytes = Uint8Array.from(streams.flatMap((one) => [...prefixed(one ?? never())]));
    const codec = h264Codec(4, [], []);
    const widths: number[] = [];
    for (let at = 0; at < bytes.length; at += codec.last.length) {
      if (codec.measure(bytes, at, bytes.length, true) <= 0) break;
      codec.isStart(bytes, at + codec.last.length, bytes.length);
      codec.accept();
      widths.push(codec.width);
    }
    expect(widths).toEqual([...Array(10).fill(64), ...Array(10).fill(96)]);
  });
});

describe('given pictures whose order count is', () => {
  const slice = (fields: Partial<H264Slice>): H264Slice => ({
    ...emptySlice(),
    refIdc: 1,
    ...fields,
  });

  test('of type 0, its low bits wrap and it goes on', () => {
    const order = new H264Order();
    const type0 = { ...sps, orderType: 0, orderLsbBits: 4 };
    const lsbs = [0, 6, 12, 2, 8, 14, 4];
    const counts = lsbs.map((orderLsb, n) => order.take(slice({ orderLsb, idr: n === 0 }), type0));
    expect(counts).toEqual([0, 6, 12, 18, 24, 30, 36]);
    expect(order.epoch).toBe(1);
  });

  test('of type 0, pictures that are not referred to move no anchor', () => {
    const order = new H264Order();
    const type0 = { ...sps, orderType: 0, orderLsbBits: 4 };
    order.take(slice({ idr: true }), type0);
    order.take(slice({ orderLsb: 8 }), type0);
    expect(order.take(slice({ orderLsb: 4, refIdc: 0 }), type0)).toBe(4);
    expect(order.take(slice({ orderLsb: 0 }), type0)).toBe(16);
  });

  test('of type 1, by a cycle of offsets', () => {
    const order = new H264Order();
    const type1 = {
      ...sps,
      orderType: 1,
      deltaAlwaysZero: true,
      frameNumBits: 4,
      offsetForNonRef: -2,
      offsetTopToBottom: 0,
      offsetsForRefFrames: [4],
    };
    const counts = [
      order.take(slice({ idr: true }), type1),
      order.take(slice({ frameNum: 1 }), type1),
      order.take(slice({ frameNum: 2, refIdc: 0 }), type1),
      order.take(slice({ frameNum: 2 }), type1),
    ];
    expect(counts).toEqual([0, 4, 2, 8]);
  });

  test('of type 2, in decoding order, across the wrap of the frame number', () => {
    const order = new H264Order();
    const type2 = { ...sps, orderType: 2, frameNumBits: 4 };
    let previous = -1;
    for (let n = 0; n < 40; n++) {
      const count = order.take(slice({ idr: n === 0, frameNum: n % 16 }), type2);
      expect(count).toBeGreaterThan(previous);
      previous = count;
    }
  });

  test('reset by memory management operation 5, a new epoch begins', () => {
    const order = new H264Order();
    const type0 = { ...sps, orderType: 0, orderLsbBits: 6 };
    order.take(slice({ idr: true }), type0);
    order.take(slice({ orderLsb: 20 }), type0);
    expect(order.take(slice({ orderLsb: 30, resets: true }), type0)).toBe(0);
    expect(order.epoch).toBe(2);
    expect(order.take(slice({ orderLsb: 4 }), type0)).toBe(4);
  });

  test('that of two fields, they share a frame', () => {
    const order = new H264Order();
    const fields = { ...sps, orderType: 0, orderLsbBits: 6, framesOnly: false };
    order.take(slice({ idr: true, field: true }), fields);
    const second = slice({ field: true, bottom: true, orderLsb: 1 });
    expect(order.take(second, fields, true)).toBe(1);
    expect(order.epoch).toBe(1);
  });
});

describe('given a stream with its parameter sets in band', () => {
  const bytes = seed('h264-aac.mp4');
  const config = configOf(bytes);
  const video = tracksOf(bytes).find(({ kind }) => kind === 'video');
  const sample = video?.samples[0] ?? { offset: 0, size: 0 };
  const picture = bytes.subarray(sample.offset, sample.offset + sample.size);

  test.each([1, 2, 3, 4])('they are taken from it, with lengths of %d bytes', (lengthBytes) => {
    const prefixed = (unit: Uint8Array): number[] => {
      const size = Array.from(
        { length: lengthBytes },
        (_, n) => Math.floor(unit.length / 256 ** (lengthBytes - 1 - n)) % 256,
      );
      return [...size, ...unit];
    };
    const units: Uint8Array[] = [];
    for (let at = 0; at < picture.length; ) {
      const length = new DataView(picture.buffer, picture.byteOffset + at, 4).getUint32(0);
      // The options of x264 are longer than one byte can say.
      if (length < 256 ** lengthBytes) units.push(picture.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    if (units.length === 0) return;
    const stream = [...config.sps, ...config.pps, ...units].flatMap(prefixed);
    const again = [...units].flatMap(prefixed);
    const joined = Uint8Array.from([...stream, ...again]);
    const codec = h264Codec(lengthBytes, [], []);
    const slices = units.filter((unit) => [1, 5].includes((unit[0] ?? 0) & 31)).length;
    const length = codec.measure(joined, 0, joined.length, true);
    if (slices === 0) return expect(length).toBeLessThanOrEqual(0);
    expect(length).toBe(stream.length);
    codec.accept();
    expect(codec.width).toBe(64);
    expect(codec.last.parameterSets).toBe(true);
    expect(codec.measure(joined, stream.length, joined.length, true)).toBe(again.length);
  });

  test('without them, no slice is believed', () => {
    expect(h264Codec(4, [], []).measure(picture, 0, picture.length, true)).toBe(0);
  });

  test('a configuration is built as it is read', () => {
    const built = buildAvcConfig(config.sps, config.pps, 3);
    expect(parseAvcConfig(built)).toEqual({ ...config, lengthBytes: 3 });
  });
});

describe('given pictures sent as two fields', () => {
  const recipe = x264Recipe(parseX264Options('options: cabac=1 ref=1 bframes=1') ?? never(), {
    width: 64,
    height: 64,
    chromaFormat: 1,
    bitDepth: 8,
  });
  const sets = buildH264Sets({ ...recipe, framesOnly: false, adaptiveFrameField: false });
  const delimiter = [0, 0, 0, 2, 9, 0xf0];

  function field(options: { bottom: boolean; idr?: boolean; frameNum: number; order: number }) {
    const { bottom, idr = false, frameNum, order } = options;
    const out = new BitWriter()
      .ue(0)
      .ue(idr ? 7 : 5)
      .ue(0)
      .bits(frameNum, recipe.frameNumBits);
    out.flag(true).flag(bottom);
    if (idr) out.ue(0);
    out.bits(order, recipe.orderLsbBits);
    if (idr) out.bits(0, 2);
    else out.bits(0, 3).ue(0); // references as usual, no operations, first initialisation
    out.se(0).ue(0).se(0).se(0);
    for (let n = 0; n < 40; n++) out.bits(0x5a + n, 8);
    const payload = escapePayload(out.finish());
    return [0, 0, 0, payload.length + 1, idr ? 0x65 : 0x41, ...payload];
  }

  const frames = [0, 1, 2, 3].map((n) => [
    field({ bottom: false, idr: n === 0, frameNum: n, order: 2 * n }),
    field({ bottom: true, frameNum: n, order: 2 * n + 1 }),
  ]);

  test.each([
    ['next to each other', []],
    ['with a delimiter before each', delimiter],
  ])('%s, both are one sample', (_name, between) => {
    const samples = frames.map((pair) => pair.flatMap((one) => [...between, ...one]));
    const stream = Uint8Array.from(samples.flat());
    const codec = h264Codec(4, [sets.sps], [sets.pps]);
    let at = 0;
    samples.forEach((sample, n) => {
      expect(codec.measure(stream, at, stream.length, true)).toBe(sample.length);
      expect(codec.last.fields).toBe(2);
      codec.accept();
      expect([codec.last.epoch, codec.last.order]).toEqual([1, 2 * n]);
      at += sample.length;
    });
  });

  test('a field without its partner is a sample alone', () => {
    const [first = [], second = []] = frames;
    const alone = first[0] ?? [];
    const stream = Uint8Array.from([...alone, ...second.flat()]);
    const codec = h264Codec(4, [sets.sps], [sets.pps]);
    expect(codec.measure(stream, 0, stream.length, true)).toBe(alone.length);
    expect(codec.last.fields).toBe(1);
  });
});

describe("given x264's options instead of parameter sets", () => {
  const settings = [
    'bframes=3:b-pyramid=normal',
    'bframes=2:b-pyramid=strict:ref=6',
    'cabac=0:8x8dct=0',
    'tff=1:bframes=2',
    'fake-interlaced=1',
    'intra-refresh=1:bframes=1:keyint=20',
    'weightp=0:weightb=0:ref=1:open-gop=1:keyint=10',
    'cqm=jvt:crf=31.5',
    'qp=0',
    'bitrate=200',
    'keyint=1:slices=2:constrained-intra=1',
  ];

  test.each(settings)(
    'made with %s, the sets that follow decode every bit alike',
    async (options) => {
      const input = ['-f', 'lavfi', '-i', 'testsrc2=s=176x144:r=25:d=0.8'];
      const args = [...input, '-c:v', 'libx264', '-x264opts', options, '-pix_fmt', 'yuv420p'];
      const bytes = await makeMedia('mp4', args);
      if (!bytes) return;
      const config = configOf(bytes);
      const video = tracksOf(bytes)[0];
      const samples = (video?.samples ?? []).map(({ offset, size }) =>
        bytes.subarray(offset, offset + size),
      );
      const found = findX264Options(bytes) ?? never();
      const [made = never()] = candidateParameterSets(found, { sizes: [[176, 144]] });
      const truth = await decodedFrames('h264', annexB([...config.sps, ...config.pps], samples, 4));
      const ours = await decodedFrames('h264', annexB([made.sps, made.pps], samples, 4));
      expect(truth.length).toBe(20);
      expect(ours).toEqual(truth);
    },
  );

  test('candidates are parameter sets, each only once, and respect what slices say', () => {
    const options = parseX264Options(
      'options: cabac=1 ref=3 bframes=3 b_pyramid=2 rc=crf crf=23.0',
    );
    const seen = new Set<string>();
    for (const { sps: set, pps, recipe } of candidateParameterSets(options ?? never(), {
      sizes: [[1234, 570]],
      firstMb: 1000,
      id: 3,
    })) {
      const read = parseH264Sps(set);
      expect(read).toMatchObject({ id: 3, width: recipe.width, height: recipe.height });
      expect(parseH264Pps(pps)).toMatchObject({ id: 3, spsId: 3, cabac: true });
      expect((read?.widthInMbs ?? 0) * (read?.heightInMbs ?? 0)).toBeGreaterThan(1000);
      seen.add(`${recipe.width}x${recipe.height}/${recipe.chromaFormat}/${recipe.bitDepth}`);
    }
    expect(seen.size).toBeGreaterThan(100);
    expect([...seen][0]).toBe('1234x570/1/8');
  });

  test('bytes without the text have none', () => {
    expect(findX264Options(new TextEncoder().encode('x264 - cor x264 - core 164'))).toBeNull();
  });
});

describe('given parameter sets that encoders got wrong', () => {
  test('a set from the configuration is read though its usage information is cut off', () => {
    const [set = never()] = configOf(seed('h264-aac.mp4')).sps;
    const cut = set.subarray(0, set.length - 6);
    expect(parseH264Sps(cut)).toBeNull();
    expect(parseH264Sps(cut, true)).toMatchObject({ width: 64, height: 48 });
  });
});

describe('given parameter sets that mean harm', () => {
  test('whatever the bytes, they are read or refused', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0x67, 0x68),
        fc.uint8Array({ maxLength: 200 }),
        (header, rest) => {
          const unit = Uint8Array.from([header, ...rest]);
          parseH264Sps(unit);
          parseH264Pps(unit);
          parseAvcConfig(rest);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
