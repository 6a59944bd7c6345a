/**
 * Pauses of uncompressed sound: as long as they were, and bounded where a damaged index claims hours of them.
 */
import { expect, test } from 'vitest';
import { memorySource } from '../../../src/container/bytes.ts';
import { outline, readIndex } from '../../../src/container/isobmff/file-index.ts';
import { pauseChunks, pausesOf, silenceFor } from '../../../src/container/isobmff/pcm-silence.ts';
import { indexedOutput } from '../../../src/container/isobmff/repair.ts';
import { recording } from './movies.ts';

/** The sound of a whole MOV with PCM, its third run lasting `longer` frames more than it has. */
function soundWithPause(longer: number) {
  const source = memorySource(recording('h264-pcm-timecode.mov'));
  const index = readIndex(source, outline(source));
  const indexed = index?.tracks.find(({ track }) => track.entry.frameBytes > 0);
  if (!index || !indexed) throw new Error('no sound');
  const { samples } = indexed;
  samples.duration[2] = (samples.duration[2] ?? 0) + longer;
  return indexedOutput(indexed, index.movie.timescale);
}

test('when no run lasts longer than its frames, then no silence is written', () => {
  expect(pausesOf(soundWithPause(0)).size).toBe(0);
  expect(silenceFor([soundWithPause(0)]).bytes).toHaveLength(0);
});

test('when a run is followed by a pause, then silence of that length stands behind it', () => {
  const track = soundWithPause(12_345);
  expect([...pausesOf(track)]).toEqual([[2, 12_345]]);
  expect([...pauseChunks(12_345)]).toEqual([4_800, 4_800, 2_745]);
  expect(silenceFor([track]).bytes).toHaveLength(4_800 * track.layout.entry.frameBytes);
});

test('when an index claims more than a day of pauses, then none of them is believed', () => {
  expect(pausesOf(soundWithPause(0xffff_0000)).size).toBe(0);
});
