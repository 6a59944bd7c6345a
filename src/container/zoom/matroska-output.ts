/**
 * Writes what was extracted from a `.zoom` file as Matroska (RFC 9559): a first pass measures, a
 * second one yields the pieces, so that neither holds more than one cluster.
 */

import { ByteWriter } from '../byte-writer.ts';
import { buildAvcConfig } from '../codec/h264-writer.ts';
import { element, elementHeader, ids, uintElement } from '../matroska/ebml.ts';
import type { OutputPiece } from '../repair-plan.ts';
import type { Stream } from './streams.ts';

/** One sample: its payload is made of ranges of the source and a few bytes between them. */
export interface Sample {
  readonly track: number;
  /** Milliseconds from the start of the output. */
  readonly time: number;
  readonly sync: boolean;
  readonly payload: readonly OutputPiece[];
}

const clusterSpanMs = 4000;
const clusterBytes = 4 * 1024 * 1024;
const mostCues = 100_000;
/** A block's time is a signed 16-bit number of milliseconds from its cluster's. */
const farthestBlock = 32_000;

interface Cue {
  readonly time: number;
  readonly track: number;
  readonly at: number;
}

/** A cluster, and where it begins in the segment's body behind Info and Tracks. */
interface Cluster {
  readonly pieces: readonly OutputPiece[];
  readonly length: number;
}

/**
 * @param streams  in track order: track n is `streams[n - 1]`
 * @param samples  called twice; each call starts anew
 */
export function matroskaPieces(
  streams: readonly Stream[],
  durationMs: number,
  samples: () => Iterable<Sample>,
): () => Iterable<OutputPiece> {
  const cues: Cue[] = [];
  let clustersLength = 0;
  for (const cluster of clusters(streams, samples(), cues)) clustersLength += cluster.length;

  const description = new ByteWriter().add(info(durationMs)).add(tracks(streams)).take();
  // Seek head and cues depend on each other's length only through fixed-size positions.
  const seekLength = seekHead(0).length;
  const clustersAt = seekLength + description.length;
  const cueBytes = cuesElement(cues, clustersAt);
  const seek = seekHead(clustersAt + clustersLength);
  const body = clustersAt + clustersLength + cueBytes.length;
  const head = new ByteWriter()
    .add(ebmlHead())
    .add(elementHeader(ids.Segment, body))
    .add(seek)
    .add(description)
    .take();
  return function* pieces() {
    yield { kind: 'bytes', bytes: head };
    for (const cluster of clusters(streams, samples(), [])) yield* cluster.pieces;
    yield { kind: 'bytes', bytes: cueBytes };
  };
}

function* clusters(
  streams: readonly Stream[],
  samples: Iterable<Sample>,
  cues: Cue[],
): Iterable<Cluster> {
  const hasVideo = streams.some((stream) => stream.kind === 'video');
  let [start, at, length] = [0, 0, 0];
  let blocks: OutputPiece[] = [];
  const close = (): Cluster => {
    const timestamp = uintElement(ids.Timestamp, start);
    const header = elementHeader(ids.Cluster, timestamp.length + length);
    const front = new ByteWriter().add(header).add(timestamp).take();
    return { pieces: [{ kind: 'bytes', bytes: front }, ...blocks], length: front.length + length };
  };
  for (const sample of samples) {
    const away = sample.time - start;
    const isKey = sample.sync && streams[sample.track - 1]?.kind === 'video';
    const full = length > clusterBytes || away > clusterSpanMs || (isKey && away > 500);
    if (blocks.length > 0 && (full || Math.abs(away) > farthestBlock)) {
      const cluster = close();
      yield cluster;
      at += cluster.length;
      [blocks, length] = [[], 0];
    }
    if (blocks.length === 0) start = sample.time;
    if ((isKey || (!hasVideo && blocks.length === 0)) && cues.length < mostCues) {
      cues.push({ time: sample.time, track: sample.track, at });
    }
    const block = simpleBlock(sample, sample.time - start);
    blocks.push(...block.pieces);
    length += block.length;
  }
  if (blocks.length > 0) yield close();
}

function simpleBlock(sample: Sample, relative: number): Cluster {
  const payload = sample.payload.reduce(
    (sum, piece) => sum + (piece.kind === 'bytes' ? piece.bytes.length : piece.length),
    0,
  );
  const header = new ByteWriter()
    .add(elementHeader(ids.SimpleBlock, payload + 4, 4))
    .u8(0x80 | sample.track)
    .be((relative + 65_536) % 65_536, 2)
    .u8(sample.sync ? 0x80 : 0)
    .take();
  const pieces: OutputPiece[] = [{ kind: 'bytes', bytes: header }, ...sample.payload];
  return { pieces, length: header.length + payload };
}

function ebmlHead(): Uint8Array {
  const body = new ByteWriter()
    .add(element(ids.DocType, new TextEncoder().encode('matroska')))
    .add(uintElement(0x4287, 4))
    .add(uintElement(0x4285, 2))
    .take();
  return element(ids.EBML, body);
}

function info(durationMs: number): Uint8Array {
  const text = (words: string) => new TextEncoder().encode(words);
  const body = new ByteWriter()
    .add(uintElement(ids.TimestampScale, 1_000_000))
    .add(element(ids.Duration, new ByteWriter().f64(durationMs).take()))
    .add(element(0x7ba9, text('Experimental extraction from a .zoom file')))
    .add(element(ids.MuxingApp, text('Roomtape')))
    .add(element(ids.WritingApp, text('Roomtape, experimental Zoom extraction')));
  return element(ids.Info, body.take());
}

function tracks(streams: readonly Stream[]): Uint8Array {
  const all = new ByteWriter();
  streams.forEach((stream, index) => {
    all.add(element(ids.TrackEntry, trackEntry(stream, index + 1)));
  });
  return element(ids.Tracks, all.take());
}

function trackEntry(stream: Stream, number: number): Uint8Array {
  const text = (words: string) => new TextEncoder().encode(words);
  const entry = new ByteWriter()
    .add(uintElement(ids.TrackNumber, number))
    .add(uintElement(0x73c5, number))
    .add(uintElement(ids.TrackType, stream.kind === 'video' ? 1 : 2))
    .add(uintElement(0x9c, 0))
    .add(element(0x536e, text(stream.name)));
  if (stream.kind === 'video') {
    const { sps, pps } = stream;
    const size = new ByteWriter()
      .add(uintElement(ids.PixelWidth, Math.max(1, stream.width)))
      .add(uintElement(ids.PixelHeight, Math.max(1, stream.height)));
    entry
      .add(element(ids.CodecID, text('V_MPEG4/ISO/AVC')))
      .add(element(ids.CodecPrivate, buildAvcConfig(sps ? [sps] : [], pps ? [pps] : [], 4)))
      .add(element(ids.Video, size.take()));
  } else {
    const sound = new ByteWriter()
      .add(element(ids.SamplingFrequency, new ByteWriter().f64(stream.rate).take()))
      .add(uintElement(ids.Channels, stream.channels))
      .add(uintElement(ids.BitDepth, 16));
    entry.add(element(ids.CodecID, text('A_PCM/INT/LIT'))).add(element(ids.Audio, sound.take()));
  }
  return entry.take();
}

/** Of constant length, so that positions can be filled in before they are known. */
function seekHead(cuesAt: number): Uint8Array {
  const id = element(ids.SeekID, new ByteWriter().be(ids.Cues, 4).take());
  const seek = new ByteWriter()
    .add(id)
    .add(uintElement(ids.SeekPosition, cuesAt, 8))
    .take();
  return element(ids.SeekHead, element(ids.Seek, seek));
}

function cuesElement(cues: readonly Cue[], clustersAt: number): Uint8Array {
  const all = new ByteWriter();
  for (const cue of cues) {
    const position = new ByteWriter()
      .add(uintElement(ids.CueTrack, cue.track))
      .add(uintElement(ids.CueClusterPosition, clustersAt + cue.at))
      .take();
    const point = new ByteWriter()
      .add(uintElement(ids.CueTime, cue.time))
      .add(element(ids.CueTrackPositions, position))
      .take();
    all.add(element(ids.CuePoint, point));
  }
  return element(ids.Cues, all.take());
}
