/**
 * Container by container and recorder by recorder, what is recovered of files that were cut off: the
 * table of the README.
 *
 * `npm run table [-- CUTS [NAME]]` prints it from 200 cuts a row, and what killed recorders left behind
 * it; recovery-table.test.ts asserts it on fewer cuts. The files of the containers are made by ffmpeg
 * while it runs, those of the recorders are real recordings (fixtures/recorders). What should come back is
 * known from packet-truth.ts.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { memorySource } from '../../src/container/bytes.ts';
import type { RepairContext } from '../../src/container/format.ts';
import { diagnose, recogniseFormat } from '../../src/container/formats.ts';
import type { RepairPlan } from '../../src/container/repair-plan.ts';
import { searchFfmpeg, trialDecoder } from '../../src/system/ffmpeg.ts';
import { decodeErrors, type Packet, packetEnds, packetsOf } from './packet-truth.ts';

export interface TableRow {
  readonly what: string;
  readonly extension: string;
  /** Arguments of ffmpeg behind its inputs: a picture and a tone. */
  readonly make?: readonly string[];
  /** A whole recording in fixtures/recorders, in place of one made here. */
  readonly recording?: string;
  /** Encoders that this ffmpeg must have. */
  readonly needs?: readonly string[];
  /** A whole file of the same recorder serves as reference. */
  readonly hasReference?: boolean;
  /** Uncompressed sound of so many bytes a frame, behind the chunk of this name and more bytes. */
  readonly bare?: readonly [chunk: string, more: number, bytesPerFrame: number];
  /** Takes seconds, or a recorder's row says as much: only `npm run table` measures it. */
  readonly isSlow?: boolean;
  /** Only the first so many streams are compared: ffmpeg packs uncompressed sound as it likes. */
  readonly compared?: number;
  /** Share of the complete packets that must come back; 1 where nothing may be lost. */
  readonly atLeast?: number;
}

const recordings = join(import.meta.dirname, '..', '..', 'fixtures', 'recorders');

const x264 = [
  '-c:v',
  'libx264',
  '-preset',
  'veryfast',
  '-g',
  '50',
  '-bf',
  '2',
  '-pix_fmt',
  'yuv420p',
];
const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error'];
const av1 = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime', '-g', '50'];
const picture = ['-map', '0:v', '-map', '1:a'];
const tone = ['-map', '1:a'];

/** A codec pair without an index, with a reference and without one: only `npm run table` measures it. */
function withoutIndex(
  codecs: string,
  make: readonly string[],
  needs: readonly string[],
  extension = 'mp4',
): TableRow[] {
  return [true, false].map((hasReference) => ({
    what: `${extension.toUpperCase()} without \`moov\`, ${hasReference ? 'with a' : 'no'} reference: ${codecs}`,
    extension,
    make: [...picture, ...make],
    needs,
    hasReference,
    isSlow: true,
    atLeast: 0.9,
  }));
}

export const rows: readonly TableRow[] = [
  {
    what: 'Matroska: H.264 + AAC',
    extension: 'mkv',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
  },
  {
    what: 'Matroska: HEVC + FLAC',
    extension: 'mkv',
    make: [...picture, ...x265, '-c:a', 'flac'],
    needs: ['libx265'],
    isSlow: true,
  },
  {
    what: 'Matroska: FFV1 + PCM',
    extension: 'mkv',
    make: [...picture, '-c:v', 'ffv1', '-c:a', 'pcm_s16le'],
    isSlow: true,
  },
  {
    what: 'WebM: AV1 + Opus',
    extension: 'webm',
    make: [...picture, ...av1, '-c:a', 'libopus'],
    needs: ['libaom-av1', 'libopus'],
    isSlow: true,
  },
  {
    what: 'WebM: VP8 + Opus',
    extension: 'webm',
    make: [...picture, '-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus'],
    needs: ['libvpx', 'libopus'],
    isSlow: true,
  },
  {
    what: 'WebM live, unknown sizes: VP8 + Opus',
    extension: 'webm',
    make: [...picture, '-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus', '-live', '1'],
    needs: ['libvpx', 'libopus'],
    isSlow: true,
  },
  {
    what: 'MPEG-TS: H.264 + AAC',
    extension: 'ts',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
    atLeast: 0.99,
    isSlow: true,
  },
  {
    what: 'FLV: H.264 + AAC',
    extension: 'flv',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
    isSlow: true,
  },
  {
    what: 'AVI: MPEG-4 + MP3',
    extension: 'avi',
    make: [...picture, '-c:v', 'mpeg4', '-c:a', 'libmp3lame'],
    needs: ['libmp3lame'],
  },
  {
    what: 'AVI: MJPEG + PCM',
    extension: 'avi',
    make: [...picture, '-c:v', 'mjpeg', '-c:a', 'pcm_s16le'],
    compared: 1,
    isSlow: true,
  },
  {
    what: 'WAV: PCM',
    extension: 'wav',
    make: [...tone, '-c:a', 'pcm_s16le'],
    bare: ['data', 8, 2],
    isSlow: true,
  },
  {
    what: 'AIFF: PCM',
    extension: 'aiff',
    make: [...tone, '-c:a', 'pcm_s16be'],
    bare: ['SSND', 16, 2],
    isSlow: true,
  },
  { what: 'Ogg: Opus', extension: 'opus', make: [...tone, '-c:a', 'libopus'], needs: ['libopus'] },
  {
    what: 'Ogg: Vorbis',
    extension: 'ogg',
    make: [...tone, '-c:a', 'libvorbis'],
    needs: ['libvorbis'],
  },
  { what: 'Ogg: FLAC', extension: 'oga', make: [...tone, '-c:a', 'flac'] },
  {
    what: 'Ogg: Theora + Vorbis',
    extension: 'ogv',
    make: [...picture, '-c:v', 'libtheora', '-c:a', 'libvorbis'],
    needs: ['libtheora', 'libvorbis'],
  },
  { what: 'FLAC', extension: 'flac', make: [...tone, '-c:a', 'flac'] },
  { what: 'MP3', extension: 'mp3', make: [...tone, '-c:a', 'libmp3lame'], needs: ['libmp3lame'] },
  { what: 'ADTS: AAC', extension: 'aac', make: [...tone, '-c:a', 'aac'] },
  {
    what: 'MP4 in fragments: H.264 + AAC',
    extension: 'mp4',
    make: [...picture, ...x264, '-c:a', 'aac', '-movflags', '+frag_keyframe+empty_moov'],
    needs: ['libx264'],
  },
  {
    what: 'MP4 in fragments of a frame: H.264 + AAC',
    extension: 'mp4',
    make: [...picture, ...x264, '-c:a', 'aac', '-movflags', '+frag_every_frame+empty_moov'],
    needs: ['libx264'],
    isSlow: true,
  },
  {
    what: 'MP4 in fragments: AV1 + Opus',
    extension: 'mp4',
    make: [...picture, ...av1, '-c:a', 'libopus', '-movflags', '+frag_keyframe+empty_moov'],
    needs: ['libaom-av1', 'libopus'],
    isSlow: true,
  },
  {
    what: 'MP4 without `moov`, with a reference: H.264 + AAC',
    extension: 'mp4',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
    hasReference: true,
    atLeast: 0.99,
  },
  {
    what: 'MP4 without `moov`, no reference: H.264 + AAC',
    extension: 'mp4',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
    isSlow: true,
    atLeast: 0.95,
  },
  ...withoutIndex('AV1 + Opus', [...av1, '-c:a', 'libopus'], ['libaom-av1', 'libopus']),
  ...withoutIndex('H.264 + Opus', [...x264, '-c:a', 'libopus'], ['libx264', 'libopus']),
  ...withoutIndex('MPEG-4 Visual + AAC', ['-c:v', 'mpeg4', '-bf', '2', '-c:a', 'aac'], []).slice(
    0,
    1,
  ),
  ...withoutIndex('HEVC + AAC', [...x265, '-c:a', 'aac'], ['libx265']).slice(0, 1),
  ...withoutIndex('ProRes + E-AC-3', ['-c:v', 'prores_ks', '-c:a', 'eac3'], [], 'mov'),
  {
    what: 'MOV without `moov`, with a reference: H.264 + PCM',
    extension: 'mov',
    make: [...picture, ...x264, '-c:a', 'pcm_s16le'],
    needs: ['libx264'],
    hasReference: true,
    compared: 1,
    atLeast: 0.99,
  },
  {
    what: 'M4A without `moov`, with a reference: AAC',
    extension: 'm4a',
    make: [...tone, '-c:a', 'aac'],
    hasReference: true,
    atLeast: 0.99,
  },
];

const recorded = (what: string, recording: string, more: Partial<TableRow> = {}): TableRow => {
  return { what, recording, extension: extname(recording).slice(1), ...more };
};

/** Whole recordings of real recorders, cut. */
export const recorderRows: readonly TableRow[] = [
  recorded('OBS 29: Matroska, H.264 + AAC', 'obs.mkv'),
  recorded('OBS 29: FLV, H.264 + AAC', 'obs.flv'),
  recorded('OBS 29: MPEG-TS, H.264 + AAC', 'obs.ts', { atLeast: 0.99 }),
  recorded('OBS 29: MP4 in fragments, H.264 + AAC', 'obs-fragments.mp4'),
  recorded('Chromium 156: WebM, VP8 + Opus', 'chromium-vp8.webm'),
  recorded('Chromium 156: WebM, VP9 + Opus', 'chromium-vp9.webm'),
  recorded('Chromium 156: WebM, AV1 + Opus', 'chromium-av1.webm'),
  recorded('Chromium 156: WebM, H.264 + Opus', 'chromium-h264.webm'),
  recorded('Chromium 156: MP4, H.264 + Opus', 'chromium.mp4'),
  recorded('GStreamer 1.22: WebM streamed, VP8 + Vorbis', 'gstreamer-live.webm'),
  recorded('GStreamer 1.22: MP4 in fragments, H.264 + AAC', 'gstreamer-fragments.mp4'),
  recorded('GStreamer 1.22: MPEG-TS, H.264 + AAC', 'gstreamer.ts', { atLeast: 0.99 }),
  recorded('SoX 14.4: WAV, 24 bits', 'sox.wav', { bare: ['data', 8, 3] }),
  recorded('SoX 14.4: AIFF', 'sox.aiff', { bare: ['SSND', 16, 2] }),
];

/** What recorders left that were killed, as it was found. */
export const leftovers: readonly (readonly [what: string, file: string])[] = [
  ['OBS 29 and its muxer: Matroska', 'obs-killed.mkv'],
  ['Chromium 156: WebM', 'chromium-killed.webm'],
  ['GStreamer 1.22: WebM', 'gstreamer-killed.webm'],
  ['SoX 14.4: WAV', 'sox-killed.wav'],
  ['ffmpeg 5.1: MP4 in fragments', 'ffmpeg-fragments-killed.mp4'],
];

export interface Measured {
  readonly cuts: number;
  readonly complete: number;
  readonly recovered: number;
  /** More than were complete: torn packets that passed for whole. */
  readonly excess: number;
  /** Outputs that ffmpeg read packet by packet and decoded, and what it found. */
  readonly checked: number;
  readonly foreignPackets: number;
  readonly decodeErrors: readonly string[];
  readonly methods: ReadonlySet<string>;
}

/** The ffmpeg the table is made with; null where there is none. */
export const ffmpeg = (await searchFfmpeg()).chosen?.path ?? null;

const encoders = ffmpeg
  ? spawnSync(ffmpeg, ['-v', 'error', '-encoders'], { encoding: 'utf8' }).stdout
  : '';

export function isPossible(row: TableRow): boolean {
  return ffmpeg !== null && (row.needs ?? []).every((name) => encoders.includes(` ${name} `));
}

/** Makes the row's file, cuts it `cuts` times, repairs each, and lets ffmpeg check every `nth`. */
export function measure(row: TableRow, cuts: number, nth: number): Measured {
  if (ffmpeg === null) throw new Error('no ffmpeg');
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-table-'));
  try {
    return measureIn(folder, ffmpeg, row, cuts, nth);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function measureIn(
  folder: string,
  program: string,
  row: TableRow,
  cuts: number,
  nth: number,
): Measured {
  const path = makeFile(folder, program, row);
  const whole = new Uint8Array(readFileSync(path));
  const packets = packetsOf(program, path).slice(0, row.compared);
  const complete = row.bare
    ? bareTruth(whole, row.bare)
    : packetTruth(packetEnds(program, path, packets));
  const found = { complete: 0, recovered: 0, excess: 0, checked: 0, foreignPackets: 0 };
  const errors: string[] = [];
  const methods = new Set<string>();
  for (let index = 0; index < cuts; index += 1) {
    // Spread evenly, at offsets that are multiples of nothing.
    const cut = Math.floor(whole.length * (0.08 + (0.9 * (index + 0.37)) / cuts)) | 1;
    const truth = complete(cut);
    const outcome = repair(program, row, whole, cut);
    truth.forEach((count, track) => {
      const kept = outcome?.plan.tracks[track]?.samples ?? 0;
      found.complete += count;
      found.recovered += Math.min(kept, count);
      found.excess += Math.max(0, kept - count);
    });
    if (!outcome) continue;
    methods.add(outcome.plan.method);
    if (index % nth !== nth - 1) continue;
    const output = join(folder, `repaired.${row.extension}`);
    writeFileSync(output, outcome.bytes);
    found.checked += 1;
    errors.push(...decodeErrors(program, output).map((line) => `cut ${cut}: ${line}`));
    if (!row.bare) found.foreignPackets += foreignPackets(packetsOf(program, output), packets, row);
  }
  return { cuts, ...found, decodeErrors: errors, methods };
}

function makeFile(folder: string, program: string, row: TableRow): string {
  const path = join(folder, `whole.${row.extension}`);
  if (row.recording) {
    copyFileSync(join(recordings, row.recording), path);
    return path;
  }
  const inputs = [
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=8'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=8'],
  ];
  const run = spawnSync(program, [
    '-nostdin',
    '-y',
    '-v',
    'error',
    ...inputs,
    ...(row.make ?? []),
    path,
  ]);
  if (run.status !== 0) throw new Error(`${row.what}: ${run.stderr}`);
  return path;
}

function packetTruth(ends: readonly (readonly number[])[]): (cut: number) => number[] {
  return (cut) => ends.map((stream) => stream.filter((end) => end <= cut).length);
}

function bareTruth(
  whole: Uint8Array,
  [chunk, more, bytesPerFrame]: readonly [string, number, number],
): (cut: number) => number[] {
  const start = Buffer.from(whole).indexOf(chunk) + more;
  return (cut) => [Math.max(0, Math.floor((cut - start) / bytesPerFrame))];
}

interface Outcome {
  readonly plan: Pick<RepairPlan, 'tracks' | 'method'>;
  readonly bytes: Uint8Array;
}

function repair(program: string, row: TableRow, whole: Uint8Array, cut: number): Outcome | null {
  const original = memorySource(whole);
  const format = recogniseFormat(original);
  const profile = row.hasReference ? (format?.profile?.(original, 'reference') ?? null) : null;
  const context: RepairContext = {
    references: profile ? [profile] : [],
    trialDecode: trialDecoder(program),
  };
  const source = memorySource(whole.slice(0, cut));
  const plan = format?.planRepair(source, context);
  if (plan?.kind === 'none' && plan.reason === 'whole' && format) {
    // Cut exactly between two packets of a format without an end mark: nothing is to be done.
    const { tracks } = format.diagnose(source, { thorough: true });
    return { plan: { tracks, method: 'nothing to repair' }, bytes: whole.slice(0, cut) };
  }
  if (plan?.kind !== 'plan') return null;
  const parts: Uint8Array[] = [];
  for (const piece of plan.pieces()) {
    parts.push(piece.kind === 'bytes' ? piece.bytes : source.read(piece.offset, piece.length));
  }
  return { plan, bytes: Buffer.concat(parts) };
}

/** Packets of the output that are none of the whole file's: torn, or put together wrongly. */
function foreignPackets(
  kept: readonly Packet[][],
  truth: readonly Packet[][],
  row: TableRow,
): number {
  let foreign = 0;
  kept.slice(0, truth.length).forEach((stream, index) => {
    const known = new Set(truth[index]?.map((packet) => packet.hash));
    // ffmpeg splits a transport stream's pictures itself: the last lacks the zero before the next.
    const end = row.extension === 'ts' ? stream.length - 1 : stream.length;
    for (const packet of stream.slice(0, end)) if (!known.has(packet.hash)) foreign += 1;
  });
  return foreign;
}

/** One line of the table, as Markdown. */
export function tableLine(row: TableRow, found: Measured): string {
  const share = ((100 * found.recovered) / Math.max(1, found.complete)).toFixed(2);
  const torn = found.excess + found.foreignPackets;
  const errors = `${found.decodeErrors.length} in ${found.checked}`;
  const cells = [row.what, found.cuts, found.complete, found.recovered, `${share} %`, torn, errors];
  return `| ${[...cells, [...found.methods].join('; ')].join(' | ')} |`;
}

export const tableHead = [
  '| container: codecs | cuts | complete packets before them | recovered | share | torn in outputs | decode errors in outputs checked | how |',
  '|---|---|---|---|---|---|---|---|',
].join('\n');

export interface Leftover {
  readonly bytes: number;
  readonly damage: readonly string[];
  /** Packets that ffmpeg reads in the file as it was found; the last of each stream may be torn. */
  readonly read: readonly number[];
  /** Of the repaired file: packets, those that ffmpeg did not read before, and errors of a decode. */
  readonly kept: readonly number[];
  readonly foreignPackets: number;
  readonly decodeErrors: readonly string[];
}

/** Repairs what a killed recorder left, and compares with the packets ffmpeg reads in it. */
export function measureLeftover(file: string): Leftover {
  if (ffmpeg === null) throw new Error('no ffmpeg');
  const folder = mkdtempSync(join(tmpdir(), 'roomtape-table-'));
  try {
    const path = join(recordings, file);
    const bytes = new Uint8Array(readFileSync(path));
    const row = recorded(file, file);
    const diagnosis = diagnose(memorySource(bytes), { thorough: true });
    const outcome = repair(ffmpeg, row, bytes, bytes.length);
    if (!outcome) throw new Error(`${file}: no plan`);
    const output = join(folder, `repaired${extname(file)}`);
    writeFileSync(output, outcome.bytes);
    const [before, after] = [packetsOf(ffmpeg, path), packetsOf(ffmpeg, output)];
    return {
      bytes: bytes.length,
      damage: [...new Set(diagnosis.damage.map(({ kind }) => kind))],
      read: before.map((stream) => stream.length),
      kept: after.map((stream) => stream.length),
      foreignPackets: foreignPackets(after, before, row),
      decodeErrors: decodeErrors(ffmpeg, output),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One line of the table of leftovers, as Markdown. */
export function leftoverLine(what: string, found: Leftover): string {
  const counts = (list: readonly number[]) => list.join(' + ');
  const { bytes, damage, read, kept, foreignPackets, decodeErrors } = found;
  const torn = foreignPackets + decodeErrors.length;
  return `| ${[what, bytes, damage.join(', '), counts(read), counts(kept), torn].join(' | ')} |`;
}

export const leftoverHead = [
  '| killed while recording | bytes left | what is wrong | packets ffmpeg reads in it | packets in the repaired file | torn packets and decode errors in it |',
  '|---|---|---|---|---|---|',
].join('\n');

if (import.meta.filename === process.argv[1]) {
  const cuts = Number(process.argv[2] ?? 200);
  const only = process.argv[3] ?? '';
  console.log(tableHead);
  for (const row of [...rows, ...recorderRows].filter(({ what }) => what.includes(only))) {
    if (!isPossible(row))
      console.log(`| ${row.what} | this ffmpeg lacks ${row.needs?.join(', ')} |`);
    else console.log(tableLine(row, measure(row, cuts, 8)));
  }
  console.log(`\n${leftoverHead}`);
  for (const [what, file] of leftovers.filter(([name]) => name.includes(only))) {
    console.log(leftoverLine(what, measureLeftover(file)));
  }
}
