/**
 * Uncompressed sound of which nothing is known: its layout by its values.
 */
import { expect, test } from 'vitest';
import { findPcm } from '../../../src/container/codec/pcm-search.ts';
import type { SoundRun } from '../../../src/container/codec/sound-search.ts';

const frames = 24_000;
const voice = (at: number) => 0.4 * Math.sin(at / 17) * Math.sin(at / 900) + 0.1 * Math.sin(at / 3);
const other = (at: number) => 0.3 * Math.sin(at / 23 + 1);

/** Values of channels, written one behind the other, and runs of a thousand frames. */
function sound(
  channels: readonly ((at: number) => number)[],
  width: number,
  write: (view: DataView, at: number, value: number) => void,
): readonly [bytes: Uint8Array, runs: readonly SoundRun[]] {
  const bytes = new Uint8Array(frames * channels.length * width);
  const view = new DataView(bytes.buffer);
  for (let frame = 0; frame < frames; frame += 1) {
    channels.forEach((channel, place) => {
      write(view, (frame * channels.length + place) * width, channel(frame));
    });
  }
  const run = 1000 * channels.length * width;
  return [bytes, Array.from({ length: 24 }, (_, n): SoundRun => [n * run, (n + 1) * run])];
}

const little = (view: DataView, at: number, value: number) =>
  view.setInt16(at, Math.round(value * 32_767), true);
const big = (view: DataView, at: number, value: number) =>
  view.setInt16(at, Math.round(value * 32_767));
const float = (view: DataView, at: number, value: number) => view.setFloat32(at, value, true);
const wide = (view: DataView, at: number, value: number) =>
  view.setInt32(at, Math.round(value * 2_147_483_000), true);
const middle = (view: DataView, at: number, value: number) => {
  const whole = Math.round(value * 8_388_000);
  view.setUint8(at, whole & 255);
  view.setInt16(at + 1, whole >> 8, true);
};

test.each([
  ['one voice on one channel', [voice], 2, little, 'sowt', 1],
  ['one voice on both channels', [voice, voice], 2, little, 'sowt', 2],
  ['two voices', [voice, other], 2, little, 'sowt', 2],
  ['the largest byte first', [voice, other], 2, big, 'twos', 2],
  ['24 bits', [voice, other], 3, middle, 'in24', 2],
  ['floats, which are smooth as whole numbers, too', [voice, voice], 4, float, 'fl32', 2],
  ['32 bits', [voice], 4, wide, 'in32', 1],
] as const)('%s: the layout is told', (_what, channels, width, write, format, count) => {
  const [bytes, runs] = sound(channels, width, write);
  expect(findPcm(bytes, runs)).toMatchObject({ format, channels: count });
});

test('silence has no layout', () => {
  const [bytes, runs] = sound([() => 0], 2, little);
  expect(findPcm(bytes, runs)).toBeNull();
});
