/**
 * A second opinion on a file's structure, by a reader that is not ours: mediabunny walks every
 * packet. Called in the rescue worker only, for a false count makes that library spin.
 */
import { Cancelled, type Progress } from '../container/bytes.ts';
import type { ContainerId, Diagnosis, TrackSummary } from '../container/diagnosis.ts';

/** The containers mediabunny reads. */
const readable: ReadonlySet<ContainerId> = new Set([
  'mp4',
  'mov',
  'm4a',
  'matroska',
  'webm',
  'mpegts',
  'ogg',
  'flac',
  'mp3',
  'adts',
  'wav',
]);

/** Packets of a track whose number is not known: ten hours of the shortest frames of sound. */
const mostPackets = 15_000_000;

/** The codecs mediabunny can name; it does not see tracks of others. PCM has many names. */
const known = /^(?:h264|hevc|vp8|vp9|av1|prores|aac|opus|mp3|vorbis|flac|e?ac3|pcm_\w+)$/;

/**
 * Walks all packets of all tracks and compares with what the file should hold.
 *
 * @param expected  tracks the file was made to hold; null compares with the diagnosis
 * @returns sentences for a person; empty when the readers agree, or when this one cannot read it
 */
export async function readIndependently(
  path: string,
  diagnosis: Diagnosis,
  expected: readonly TrackSummary[] | null,
  progress: Progress,
): Promise<readonly string[]> {
  if (!readable.has(diagnosis.container)) return [];
  const { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } = await import('mediabunny');
  const input = new Input({ source: new FilePathSource(path), formats: ALL_FORMATS });
  const problems: string[] = [];
  const wanted = { video: [] as TrackSummary[], audio: [] as TrackSummary[] };
  for (const track of expected ?? diagnosis.tracks) {
    const { kind, codec } = track;
    if ((kind === 'video' || kind === 'audio') && known.test(codec)) wanted[kind].push(track);
  }
  try {
    for (const kind of ['video', 'audio'] as const) {
      const tracks = (await input.getTracks()).filter(
        (track) => track.type === kind && track.codec !== null,
      );
      const alike = tracks.length === wanted[kind].length;
      if (expected && !alike) {
        problems.push(`${wanted[kind].length} ${kind} tracks expected, ${tracks.length} read.`);
      }
      for (const [index, track] of tracks.entries()) {
        const claimed = alike ? wanted[kind][index] : undefined;
        let packets = 0;
        const most = 2 * (claimed?.samples ?? mostPackets) + 1_000;
        const sink = new EncodedPacketSink(track);
        for await (const _ of sink.packets(undefined, undefined, { metadataOnly: true })) {
          packets += 1;
          if (!progress(0)) throw new Cancelled();
          if (packets > most) throw new Error(`it read more than ${most} packets`);
        }
        // Uncompressed sound has no packets of its own: every reader cuts it as it likes.
        if (!claimed || claimed.samples === null || claimed.codec.startsWith('pcm')) continue;
        if (packets !== claimed.samples) {
          problems.push(
            `${kind} track ${index + 1}: ${claimed.samples} samples written, ${packets} read.`,
          );
        }
      }
    }
  } catch (problem) {
    if (problem instanceof Cancelled) throw problem;
    const reason = problem instanceof Error ? problem.message : String(problem);
    problems.push(`An independent reader stopped: ${reason.slice(0, 200)}`);
  } finally {
    input.dispose();
  }
  return problems;
}
