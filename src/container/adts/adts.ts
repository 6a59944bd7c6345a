/**
 * ADTS: AAC frames with a header each (ISO/IEC 13818-7 §6.2). There is no header over all of them
 * and no end mark: a file that ends behind a frame is whole.
 */

import type { ByteSource, Progress } from '../bytes.ts';
import { memorySource } from '../bytes.ts';
import { type Diagnosis, foreign, type TrackSummary } from '../diagnosis.ts';
import type { ContainerFormat } from '../format.ts';
import {
  type Chain,
  endsInFrame,
  type FrameHeader,
  findChain,
  walkFrames,
} from '../mpegaudio/frame-chain.ts';
import { id3End, tagEnd, trailingTags } from '../mpegaudio/tags.ts';
import type { OutputPiece } from '../repair-plan.ts';
import {
  DamageList,
  diagnosisOf,
  milliseconds,
  noRepairFor,
  planOf,
  reportZeroTail,
  smallFile,
} from '../survey.ts';
import { Window } from '../window.ts';
import { writtenEnd } from '../zero-tail.ts';

const rates = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
];

export const adts: ContainerFormat = {
  containers: ['adts'],
  recognise: (head) => {
    const window = new Window(memorySource(head));
    const start = id3End(window);
    if (!adtsHeader(window, start)) return 0;
    // Behind a tag it is as sure as an MP3 would be, and a little surer.
    return findChain(window, start, adtsHeader, null) === start ? 61 : 5;
  },
  diagnose: (source, context = {}) => {
    const isThorough = context.thorough ?? source.size <= smallFile;
    return isThorough ? walk(source).diagnosis : atAGlance(source);
  },
  planRepair: (source, context) => {
    const { diagnosis, chain, start } = walk(source, context.progress);
    const refusal = noRepairFor(diagnosis);
    if (refusal || !chain) {
      return refusal ?? { kind: 'none', reason: 'empty', detail: 'There is no complete frame.' };
    }
    return planOf(
      {
        container: 'adts',
        extension: '.aac',
        method: 'complete frames kept',
        tracks: diagnosis.tracks,
        bytesTotal: source.size,
        kept: chain.kept.bytes,
        lost: chain.lost,
        lostMs: milliseconds(
          (chain.lost * chain.samples) / chain.kept.bytes,
          chain.first.sampleRate,
        ),
        damage: diagnosis.damage,
      },
      function* (): Iterable<OutputPiece> {
        if (chain.start > 0 && start > 0) yield { kind: 'copy', offset: 0, length: start };
        yield* chain.kept.copies();
      },
    );
  },
};

/** Reads the header of the frame at `at`; null when there is none. */
export function adtsHeader(window: Window, at: number): FrameHeader | null {
  return readAdtsHeader(window.bytes(at, 7));
}

/** Reads the header in front of a frame (ISO/IEC 14496-3 §1.A.2.2); null when these bytes are none. */
export function readAdtsHeader(bytes: Uint8Array): FrameHeader | null {
  const [second, third, fourth] = [bytes[1] ?? 0, bytes[2] ?? 0, bytes[3] ?? 0];
  if (bytes.length < 7 || bytes[0] !== 0xff || (second & 0xf6) !== 0xf0) return null;
  const sampleRate = rates[(third >> 2) & 15];
  const length = (fourth & 3) * 2048 + (bytes[4] ?? 0) * 8 + ((bytes[5] ?? 0) >> 5);
  if (!sampleRate || length < ((second & 1) === 1 ? 7 : 9)) return null;
  const configuration = ((third & 1) << 2) | (fourth >> 6);
  const blocks = ((bytes[6] ?? 0) & 3) + 1;
  return {
    length,
    samples: blocks * 1024,
    sampleRate,
    channels: configuration === 7 ? 8 : configuration,
    // All fixed bits: version, profile, rate and channels.
    likeness: (second & 0x0f) * 65536 + (third & 0xfd) * 256 + (fourth & 0xc0),
  };
}

function atAGlance(source: ByteSource): Diagnosis {
  const written = writtenEnd(source);
  const window = new Window(source, written);
  const start = id3End(window);
  const first = adtsHeader(window, start);
  if (!first) return none(source);
  const damage = new DamageList();
  reportZeroTail(damage, written, source.size);
  const end = trailingTags(window, start);
  if (!endsInFrame(window, end, start, adtsHeader)) {
    damage.add('torn-tail', written, 'The last frame is cut off.');
  }
  return diagnosisOf({
    container: 'adts',
    verdict: damage.isEmpty ? 'whole' : 'interrupted',
    tracks: [track(first, null, null)],
    damage: damage.list,
    openEnded: true,
  });
}

function walk(
  source: ByteSource,
  progress?: Progress,
): { diagnosis: Diagnosis; chain: Chain | null; start: number } {
  const written = writtenEnd(source);
  const damage = new DamageList();
  const window = new Window(source, written, progress);
  const start = id3End(window);
  const chain = walkFrames(window, start, adtsHeader, damage, tagEnd);
  if (!chain || chain.frames === 0) return { diagnosis: none(source), chain: null, start };
  reportZeroTail(damage, written, source.size);
  if (chain.start > start) {
    const detail = `${chain.start - start} bytes before the first frame are no sound.`;
    damage.add('hole', start, detail);
  }
  const durationMs = milliseconds(chain.samples, chain.first.sampleRate);
  const diagnosis = diagnosisOf({
    container: 'adts',
    verdict: damage.isEmpty ? 'whole' : 'interrupted',
    tracks: [track(chain.first, chain.frames, durationMs)],
    damage: damage.list,
    openEnded: true,
  });
  return { diagnosis, chain, start };
}

function none(source: ByteSource): Diagnosis {
  const detail = 'There is no complete frame.';
  const damage = [{ kind: 'no-media' as const, at: source.size, detail }];
  return { ...foreign(detail), container: 'adts', verdict: 'empty', damage };
}

function track(
  frame: FrameHeader,
  samples: number | null,
  durationMs: number | null,
): TrackSummary {
  const { sampleRate, channels } = frame;
  return { kind: 'audio', codec: 'aac', samples, durationMs, sampleRate, channels };
}
