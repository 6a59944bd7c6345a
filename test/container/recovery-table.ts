/**
 * Container by container, what is recovered of files that were cut off: the table of the README.
 *
 * `npm run table [-- CUTS [NAME]]` prints it from 200 cuts a row; recovery-table.test.ts asserts it on fewer. The
 * files are made by ffmpeg while it runs, and what should come back is known from packet-truth.ts.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySource } from '../../src/container/bytes.ts';
import type { RepairContext } from '../../src/container/format.ts';
import { recogniseFormat } from '../../src/container/formats.ts';
import type { RepairPlan } from '../../src/container/repair-plan.ts';
import { searchFfmpeg, trialDecoder } from '../../src/system/ffmpeg.ts';
import { decodeErrors, type Packet, packetEnds, packetsOf } from './packet-truth.ts';

export interface TableRow {
  readonly what: string;
  readonly extension: string;
  /** Arguments of ffmpeg behind its inputs: a picture and a tone. */
  readonly make: readonly string[];
  /** Encoders that this ffmpeg must have. */
  readonly needs?: readonly string[];
  /** A whole file of the same recorder serves as reference. */
  readonly hasReference?: boolean;
  /** Uncompressed sound of so many bytes a frame, behind the chunk of this name and more bytes. */
  readonly bare?: readonly [chunk: string, more: number, bytesPerFrame: number];
  /** Parameter sets are searched by decoding: seconds a cut, so only `npm run table` measures it. */
  readonly isSlow?: boolean;
  /** Only the first so many streams are compared: ffmpeg packs uncompressed sound as it likes. */
  readonly compared?: number;
  /** Share of the complete packets that must come back; 1 where nothing may be lost. */
  readonly atLeast?: number;
}

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
const picture = ['-map', '0:v', '-map', '1:a'];
const tone = ['-map', '1:a'];

export const rows: readonly TableRow[] = [
  {
    what: 'Matroska: H.264 + AAC',
    extension: 'mkv',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
  },
  {
    what: 'WebM: VP8 + Opus',
    extension: 'webm',
    make: [...picture, '-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus'],
    needs: ['libvpx', 'libopus'],
  },
  {
    what: 'WebM live, unknown sizes: VP8 + Opus',
    extension: 'webm',
    make: [...picture, '-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus', '-live', '1'],
    needs: ['libvpx', 'libopus'],
  },
  {
    what: 'MPEG-TS: H.264 + AAC',
    extension: 'ts',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
    atLeast: 0.99,
  },
  {
    what: 'FLV: H.264 + AAC',
    extension: 'flv',
    make: [...picture, ...x264, '-c:a', 'aac'],
    needs: ['libx264'],
  },
  {
    what: 'AVI: MPEG-4 + MP3',
    extension: 'avi',
    make: [...picture, '-c:v', 'mpeg4', '-c:a', 'libmp3lame'],
    needs: ['libmp3lame'],
  },
  {
    what: 'WAV: PCM',
    extension: 'wav',
    make: [...tone, '-c:a', 'pcm_s16le'],
    bare: ['data', 8, 2],
  },
  {
    what: 'AIFF: PCM',
    extension: 'aiff',
    make: [...tone, '-c:a', 'pcm_s16be'],
    bare: ['SSND', 16, 2],
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
  const inputs = [
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=8'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=8'],
  ];
  const run = spawnSync(program, ['-nostdin', '-y', '-v', 'error', ...inputs, ...row.make, path]);
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

if (import.meta.filename === process.argv[1]) {
  const cuts = Number(process.argv[2] ?? 200);
  const only = process.argv[3] ?? '';
  console.log(tableHead);
  for (const row of rows.filter(({ what }) => what.includes(only))) {
    if (!isPossible(row))
      console.log(`| ${row.what} | this ffmpeg lacks ${row.needs?.join(', ')} |`);
    else console.log(tableLine(row, measure(row, cuts, 8)));
  }
}
