/**
 * Files made to hurt whoever reads them: nesting without end, elements that hold nothing for ever, counts
 * and sizes that no file has. Each is small; what it claims is not.
 */

export interface HostileFile {
  /** With the extension that its reader is asked for. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** As many repetitions as fill some hundred kilobytes: enough for what is quadratic to be seen. */
const fill = 300_000;

const text = (letters: string): Buffer => Buffer.from(letters, 'latin1');
const times = (part: Buffer, count: number): Buffer => Buffer.concat(Array(count).fill(part));
const filled = (part: Buffer): Buffer => times(part, Math.floor(fill / part.length));

function be(value: number, bytes: number): Buffer {
  const result = Buffer.alloc(bytes);
  if (bytes === 8) result.writeBigUInt64BE(BigInt(value));
  else result.writeUIntBE(value, 0, bytes);
  return result;
}

function le(value: number, bytes: number): Buffer {
  return Buffer.from(be(value, bytes)).reverse();
}

/** ISO/IEC 14496-12 §4.2: a box in 32 bits of size. */
const box = (type: string, ...payload: Buffer[]): Buffer => {
  const body = Buffer.concat(payload);
  return Buffer.concat([be(body.length + 8, 4), text(type), body]);
};
const ftyp = box('ftyp', text('isom'), be(0x200, 4), text('isommp41'));

/** Boxes in boxes: each says that the rest of the file is its own. */
function nestedBoxes(type: string, header = 8): Buffer {
  const depth = Math.floor(fill / header);
  const extra = Buffer.alloc(header - 8);
  return Buffer.concat(
    Array.from({ length: depth }, (_, level) =>
      Buffer.concat([be((depth - level) * header, 4), text(type), extra]),
    ),
  );
}

function isobmff(): HostileFile[] {
  const huge = (type: string) => Buffer.concat([be(1, 4), text(type), Buffer.alloc(8, 0xff)]);
  return [
    { name: 'moov in moov.mp4', bytes: Buffer.concat([ftyp, nestedBoxes('moov')]) },
    { name: 'trak in trak.mp4', bytes: Buffer.concat([ftyp, box('moov', nestedBoxes('trak'))]) },
    { name: 'meta in meta.mp4', bytes: Buffer.concat([ftyp, nestedBoxes('meta', 12)]) },
    { name: 'moof in moof.mp4', bytes: Buffer.concat([ftyp, nestedBoxes('moof')]) },
    {
      name: 'boxes to the end.mp4',
      bytes: Buffer.concat([ftyp, filled(Buffer.from([0, 0, 0, 0]))]),
    },
    { name: 'free without end.mp4', bytes: Buffer.concat([ftyp, filled(box('free'))]) },
    {
      name: 'a thousand movies.mp4',
      bytes: Buffer.concat([ftyp, filled(box('moov', box('trak')))]),
    },
    {
      name: 'fragments of nothing.mp4',
      bytes: Buffer.concat([ftyp, filled(box('moof', box('traf')))]),
    },
    { name: 'mdat of 2^64.mp4', bytes: Buffer.concat([ftyp, huge('mdat'), filled(be(4, 4))]) },
    { name: 'moov of 2^64.mp4', bytes: Buffer.concat([ftyp, huge('moov'), filled(box('trak'))]) },
    // Each of these is a NAL unit of one byte with a length in front.
    {
      name: 'units of a byte.mp4',
      bytes: Buffer.concat([ftyp, huge('mdat'), filled(Buffer.from([0, 0, 0, 1, 0x65]))]),
    },
  ];
}

/** RFC 8794 §4: an element whose size is told in eight bytes, or is unknown. */
const element = (
  id: number[],
  size: number | 'unknown',
  body: Buffer = Buffer.alloc(0),
): Buffer => {
  const width = size === 'unknown' ? Buffer.from([0x01, ...Array(7).fill(0xff)]) : be(size, 8);
  if (size !== 'unknown') width[0] = 0x01;
  return Buffer.concat([Buffer.from(id), width, body]);
};
const ids = {
  ebml: [0x1a, 0x45, 0xdf, 0xa3],
  segment: [0x18, 0x53, 0x80, 0x67],
  cluster: [0x1f, 0x43, 0xb6, 0x75],
  group: [0xa0],
  tags: [0x12, 0x54, 0xc3, 0x67],
  tracks: [0x16, 0x54, 0xae, 0x6b],
  entry: [0xae],
  cues: [0x1c, 0x53, 0xbb, 0x6b],
  block: [0xa3],
  simpleTag: [0x67, 0xc8],
};
const matroskaHead = element(ids.ebml, 11, Buffer.from([0x42, 0x82, 0x88, ...text('matroska')]));

function matroska(): HostileFile[] {
  const file = (...parts: Buffer[]) => Buffer.concat([matroskaHead, ...parts]);
  const segment = element(ids.segment, 'unknown');
  const track = element(ids.entry, 6, Buffer.from([0xd7, 0x81, 1, 0x83, 0x81, 1]));
  const tracks = element(ids.tracks, track.length, track);
  // A Xiph lace of 256 frames, each of which claims more than the block holds (RFC 9559 §10.3).
  const lace = Buffer.concat([Buffer.from([0x81, 0, 0, 0x02, 0xff]), Buffer.alloc(300, 0xff)]);
  const laced = element(ids.block, lace.length, lace);
  return [
    { name: 'segments without end.mkv', bytes: file(filled(segment)) },
    {
      name: 'clusters in clusters.mkv',
      bytes: file(segment, tracks, filled(element(ids.cluster, 'unknown'))),
    },
    {
      name: 'groups in groups.mkv',
      bytes: file(
        segment,
        tracks,
        element(ids.cluster, 'unknown'),
        filled(element(ids.group, 'unknown')),
      ),
    },
    {
      name: 'tags in tags.mkv',
      bytes: file(segment, element(ids.tags, 'unknown'), filled(element(ids.simpleTag, 'unknown'))),
    },
    { name: 'tracks in tracks.mkv', bytes: file(segment, filled(element(ids.tracks, 'unknown'))) },
    {
      name: 'a million tracks.mkv',
      bytes: file(segment, element(ids.tracks, 'unknown'), filled(track)),
    },
    {
      name: 'cues of nothing.mkv',
      bytes: file(segment, tracks, element(ids.cues, 'unknown'), filled(element([0xbb], 0))),
    },
    {
      name: 'elements of nothing.mkv',
      bytes: file(segment, tracks, filled(Buffer.from([0xec, 0x80]))),
    },
    {
      name: 'laces of too much.mkv',
      bytes: file(segment, tracks, element(ids.cluster, 'unknown'), filled(laced)),
    },
    {
      name: 'a block of 2^56.mkv',
      bytes: file(
        segment,
        tracks,
        element(ids.cluster, 'unknown'),
        element(ids.block, 2 ** 48),
        filled(Buffer.from([0xa3, 0x80])),
      ),
    },
  ];
}

/** RFC 3533 §6: a page without packets; its checksum is false. */
function oggPage(serial: number, sequence: number, flags: number, segments: number[]): Buffer {
  return Buffer.concat([
    text('OggS'),
    Buffer.from([0, flags]),
    Buffer.alloc(8, 0x7f),
    le(serial, 4),
    le(sequence, 4),
    le(0, 4),
    Buffer.from([segments.length, ...segments]),
  ]);
}

function ogg(): HostileFile[] {
  const streams = Array.from({ length: fill / 28 }, (_, n) => oggPage(n, 0, 2, [0]));
  return [
    { name: 'a stream a page.ogg', bytes: Buffer.concat(streams) },
    {
      name: 'pages of nothing.ogg',
      bytes: Buffer.concat([oggPage(1, 0, 2, [0]), filled(oggPage(1, 1, 0, []))]),
    },
    {
      name: 'a packet without end.ogg',
      bytes: filled(Buffer.concat([oggPage(1, 1, 1, Array(255).fill(255)), Buffer.alloc(40)])),
    },
    { name: 'nothing but capture patterns.ogg', bytes: filled(text('OggS')) },
  ];
}

function riff(): HostileFile[] {
  const list = Buffer.concat([text('LIST'), le(0xfffffff0, 4), text('rec ')]);
  const avi = Buffer.concat([text('RIFF'), le(0xffffffff, 4), text('AVI ')]);
  const wave = (...parts: Buffer[]) =>
    Buffer.concat([text('RIFF'), le(0xffffffff, 4), text('WAVE'), ...parts]);
  const format = (channels: number, align: number) =>
    Buffer.concat([
      text('fmt '),
      le(16, 4),
      le(1, 2),
      le(channels, 2),
      le(48_000, 4),
      le(0, 4),
      le(align, 2),
      le(16, 2),
    ]);
  const data = Buffer.concat([text('data'), le(0xffffffff, 4)]);
  const wide = Buffer.concat([
    text('RF64'),
    le(0xffffffff, 4),
    text('WAVE'),
    text('ds64'),
    le(0x7ffffff0, 4),
    Buffer.alloc(24, 0xff),
    le(0xffffffff, 4),
  ]);
  return [
    { name: 'lists in lists.avi', bytes: Buffer.concat([avi, filled(list)]) },
    {
      name: 'chunks of nothing.avi',
      bytes: Buffer.concat([
        avi,
        text('LIST'),
        le(0xfffffff0, 4),
        text('movi'),
        filled(Buffer.concat([text('00dc'), le(0, 4)])),
      ]),
    },
    {
      name: 'an index of 2^32.avi',
      bytes: Buffer.concat([
        avi,
        text('idx1'),
        le(0xffffffff, 4),
        filled(Buffer.concat([text('00dc'), Buffer.alloc(12)])),
      ]),
    },
    { name: 'chunks of nothing.wav', bytes: wave(filled(Buffer.concat([text('JUNK'), le(0, 4)]))) },
    { name: 'data in data.wav', bytes: wave(format(2, 4), filled(data)) },
    { name: 'frames of no bytes.wav', bytes: wave(format(0, 0), data, Buffer.alloc(fill)) },
    { name: 'a table of 2^32.wav', bytes: Buffer.concat([wide, filled(text('data12345678'))]) },
    {
      name: 'chunks of nothing.aiff',
      bytes: Buffer.concat([
        text('FORM'),
        be(0xffffffff, 4),
        text('AIFF'),
        filled(Buffer.concat([text('ANNO'), be(0, 4)])),
      ]),
    },
  ];
}

function streams(): HostileFile[] {
  const tag = (type: number, size: number) =>
    Buffer.concat([Buffer.from([type]), be(size, 3), Buffer.alloc(7)]);
  const flv = Buffer.concat([text('FLV'), Buffer.from([1, 5]), be(9, 4), be(0, 4)]);
  // ISO/IEC 13818-1 §2.4.4: a table that says that it is its own map.
  const transport = (pid: number, body: number[]) =>
    Buffer.concat([
      Buffer.from([0x47, 0x40 | (pid >> 8), pid & 0xff, 0x10, ...body]),
      Buffer.alloc(184 - body.length, 0xff),
    ]);
  const own = transport(0, [0, 0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0]);
  const pids = Array.from({ length: fill / 188 }, (_, n) =>
    transport(n % 8_191, [0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]),
  );
  // An object in AMF0 that holds an object, and so on (AMF 0 §2.5).
  const amf = filled(Buffer.from([0x03, 0x00, 0x01, 0x61]));
  const script = Buffer.concat([
    tag(18, amf.length + 13),
    Buffer.from([2, 0, 10]),
    text('onMetaData'),
    amf,
  ]);
  return [
    {
      name: 'tags of nothing.flv',
      bytes: Buffer.concat([flv, filled(Buffer.concat([tag(9, 0), be(11, 4)]))]),
    },
    {
      name: 'a tag of 16 MB.flv',
      bytes: Buffer.concat([flv, tag(9, 0xffffff), filled(tag(8, 1))]),
    },
    { name: 'objects in objects.flv', bytes: Buffer.concat([flv, script]) },
    { name: 'a table that is its own map.ts', bytes: filled(own) },
    { name: 'eight thousand streams.ts', bytes: Buffer.concat([own, ...pids]) },
  ];
}

function sounds(): HostileFile[] {
  const flacBlock = (type: number, size: number) =>
    Buffer.concat([Buffer.from([type]), be(size, 3)]);
  const info = Buffer.concat([flacBlock(0, 34), Buffer.alloc(34, 0x10)]);
  const synchsafe = Buffer.from([0x7f, 0x7f, 0x7f, 0x7f]);
  const id3 = Buffer.concat([text('ID3'), Buffer.from([4, 0, 0])]);
  // The ADTS header of a frame that is nothing but its header (ISO/IEC 14496-3 §1.A.2.2).
  const adts = Buffer.from([0xff, 0xf1, 0x4c, 0x80, 0x00, 0xff, 0xfc]);
  // A raw file of Zoom's: its header, then packets whose lengths are signed (container/zoom/packets.ts).
  const zoomHead = Buffer.concat([text('X\xf1\x05\x2c\xe2\x52\xad\x84'), Buffer.alloc(1_016)]);
  const record = (size: number) =>
    Buffer.concat([
      text('X\xf1\x05\x2c'),
      le(4, 4),
      Buffer.alloc(28),
      le(size, 4),
      Buffer.alloc(12),
    ]);
  return [
    {
      name: 'blocks of nothing.flac',
      bytes: Buffer.concat([text('fLaC'), info, filled(flacBlock(4, 0))]),
    },
    {
      name: 'a seek table of 16 MB.flac',
      bytes: Buffer.concat([text('fLaC'), info, flacBlock(3, 0xffffff), Buffer.alloc(fill)]),
    },
    {
      name: 'nothing but sync codes.flac',
      bytes: Buffer.concat([
        text('fLaC'),
        info,
        flacBlock(0x81, 0),
        filled(Buffer.from([0xff, 0xf8, 0xc9, 0x18])),
      ]),
    },
    {
      name: 'a tag of 256 MB.mp3',
      bytes: Buffer.concat([id3, synchsafe, Buffer.alloc(fill, 0xff)]),
    },
    { name: 'tag behind tag.mp3', bytes: filled(Buffer.concat([id3, Buffer.alloc(4)])) },
    { name: 'nothing but sync words.mp3', bytes: filled(Buffer.from([0xff, 0xfb, 0x90, 0x00])) },
    { name: 'frames of nothing.aac', bytes: filled(adts) },
    { name: 'nothing but sync words.aac', bytes: Buffer.alloc(fill, 0xff) },
    {
      name: 'lengths below nothing.zoom',
      bytes: Buffer.concat([zoomHead, filled(record(0xffffffff))]),
    },
    { name: 'lengths of 2 GB.zoom', bytes: Buffer.concat([zoomHead, filled(record(0x7fffffff))]) },
    { name: 'lengths of nothing.zoom', bytes: Buffer.concat([zoomHead, filled(record(0))]) },
  ];
}

/** All of them, some 15 MB. */
export function hostileFiles(): HostileFile[] {
  return [isobmff, matroska, ogg, riff, streams, sounds].flatMap((family) => family());
}
