/**
 * The picture rates of recorders, as fractions that players know.
 */

/** Ticks of a picture, and ticks in a second. */
export interface Rate {
  readonly timescale: number;
  readonly ticks: number;
}

export const usualRates: readonly Rate[] = [
  { timescale: 24000, ticks: 1001 },
  { timescale: 12288, ticks: 512 },
  { timescale: 12800, ticks: 512 },
  { timescale: 30000, ticks: 1001 },
  { timescale: 15360, ticks: 512 },
  { timescale: 12800, ticks: 256 },
  { timescale: 60000, ticks: 1001 },
  { timescale: 15360, ticks: 256 },
  { timescale: 10240, ticks: 1024 },
  { timescale: 12000, ticks: 1000 },
  { timescale: 15360, ticks: 1024 },
  { timescale: 10240, ticks: 512 },
  { timescale: 48000, ticks: 1000 },
  { timescale: 12800, ticks: 128 },
  { timescale: 120000, ticks: 1001 },
  { timescale: 15360, ticks: 128 },
  { timescale: 18432, ticks: 128 },
];

/** The fraction of a rate in pictures per second: n/1001 or whole, else in ticks of 1/90000 s. */
export function rateOf(frameRate: number): Rate {
  const known = usualRates.find(
    (rate) => Math.abs(rate.timescale / rate.ticks / frameRate - 1) < 1e-5,
  );
  return known ?? { timescale: 90000, ticks: Math.round(90000 / frameRate) };
}
