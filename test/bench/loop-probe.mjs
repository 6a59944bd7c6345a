/**
 * Loaded into a daemon with `node --import`: how long its event loop stalls, told on demand.
 *
 * SIGUSR2 writes what was measured since the last one to `$ROOMTAPE_PROBE`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env.ROOMTAPE_PROBE;
if (isMainThread && file && process.argv.includes('daemon')) {
  const resolution = 5;
  const delays = monitorEventLoopDelay({ resolution });
  delays.enable();
  process.on('SIGUSR2', () => {
    const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - resolution);
    const told = {
      p99: ms(delays.percentile(99)),
      most: ms(delays.max),
      rss: process.memoryUsage.rss() / 1e6,
      cpu: process.cpuUsage(),
    };
    writeFileSync(`${file}.new`, JSON.stringify(told));
    renameSync(`${file}.new`, file);
    delays.reset();
  });
}
