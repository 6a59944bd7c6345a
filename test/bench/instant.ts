/**
 * Instant recovery: a long recording is replayed at speed beside a daemon, its recorder dies, and the
 * time until a file that plays is there is measured. `ROOMTAPE_BENCH_RECORDING_MB` makes it longer:
 * three hours at 5 Mbit/s are 6,750.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathsOf } from '../../src/system/paths.ts';
import { canCutPower, LoopDisk } from '../faults/loop-disk.ts';
import { EventLog } from '../story/event-log.ts';
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { absolute, type Benchmark, type Figure, timed } from './figures.ts';
import { ProbedDaemon } from './probed-daemon.ts';

const megabytes = Number(process.env['ROOMTAPE_BENCH_RECORDING_MB'] ?? 1_000);
/** 5 Mbit/s, in bytes. */
const usualRate = 625_000;

/** The media of a whole file, to be written again and again, and what comes before it. */
function mediaOf(path: string): { head: Buffer; media: Buffer } {
  const whole = readFileSync(path);
  const mdat = whole.indexOf('mdat') - 4;
  const end = mdat + whole.readUInt32BE(mdat);
  const head = Buffer.from(whole.subarray(0, mdat + 8));
  head.writeUInt32BE(0, mdat);
  return { head, media: whole.subarray(mdat + 8, end) };
}

async function died(
  daemon: ProbedDaemon,
  folder: string,
  whole: string,
): Promise<{ ms: number; copyMs: number }> {
  const { machine } = daemon.ground;
  const log = new EventLog(machine.home);
  try {
    await mkdir(folder, { recursive: true });
    await copyFile(whole, join(folder, 'whole.mp4'));
    await machine.json('watch', 'add', folder);
    await log.take('indexed', join(folder, 'whole.mp4'));
    const { head, media } = mediaOf(whole);
    const path = join(folder, 'long.mp4');
    const file = openSync(path, 'wx');
    writeSync(file, head);
    let written = 0;
    while (written < megabytes * 1e6) {
      written += writeSync(file, media);
      // A hundred times faster than it would be recorded.
      await wait((media.length / (100 * usualRate)) * 1_000);
    }
    // At a recorder's pace all but the last seconds would be on disk: a clone waits for what is not.
    fsyncSync(file);
    // The daemon reads on every two seconds.
    await wait(4_500);
    closeSync(file);
    const killed = Date.now();
    const repaired = await log.take('repaired', path);
    const ms = repaired.at - killed;
    // A copy that a power cut does not take back, as the recovered file is one.
    const copyMs = await timed(async () => {
      await copyFile(path, join(folder, '.copy'));
      const copy = openSync(join(folder, '.copy'), 'r+');
      fsyncSync(copy);
      closeSync(copy);
    });
    rmSync(join(folder, '.copy'));
    return { ms, copyMs };
  } finally {
    log.close();
  }
}

/** CPU of the daemon beside one recording of 5 Mbit/s, and the size of what it keeps of it. */
async function beside(daemon: ProbedDaemon, whole: string): Promise<Figure[]> {
  const { head, media } = mediaOf(whole);
  const file = openSync(daemon.ground.path('usual.mp4'), 'wx');
  writeSync(file, head);
  let at = 0;
  const timer = setInterval(() => {
    const from = at % media.length;
    at += writeSync(file, media.subarray(from, from + usualRate / 5));
  }, 200);
  await wait(5_000);
  const before = await daemon.read();
  await wait(30_000);
  const after = await daemon.read();
  clearInterval(timer);
  const { scans } = pathsOf(daemon.ground.machine.home);
  let bytes = 0;
  for (const name of await readdir(scans)) bytes += (await stat(join(scans, name))).size;
  closeSync(file);
  const samples = (at / statSync(whole).size) * (20 * 25 + (20 * 48_000) / 1_024);
  return [
    absolute(
      'scanning beside a recording of 5 Mbit/s: CPU of one core',
      ProbedDaemon.share(before, after, 30),
      '%',
      { most: 3 },
    ),
    absolute('the same: state kept, a sample', bytes / samples, 'B', { most: 24 }),
  ];
}

export const instant: Benchmark = {
  name: 'instant',
  async run(scratch) {
    const whole = join(scratch, 'whole.mp4');
    const rate = ['-b:v', '5M', '-minrate', '5M', '-maxrate', '5M', '-bufsize', '2M'];
    const cbr = ['-x264-params', 'nal-hrd=cbr'];
    runFfmpeg(...pictureAndTone(20), ...h264AndAac, ...rate, ...cbr, whole);
    const figures: Figure[] = [];
    const daemon = await ProbedDaemon.open();
    try {
      await copyFile(whole, daemon.ground.path('whole.mp4'));
      await daemon.ground.indexed(daemon.ground.path('whole.mp4'));
      figures.push(...(await beside(daemon, whole)));
      const here = await died(daemon, join(scratch, 'here'), whole);
      const length = `${megabytes} MB`;
      figures.push({
        ...absolute(
          `recorder of ${length} dies: until the file plays, where it must be copied`,
          here.ms,
          'ms',
          { most: 2_000 + here.copyMs },
        ),
        peer: 'one copy, synced',
        peerMeasured: here.copyMs,
        ratio: here.ms / here.copyMs,
        goal: '2 s and a copy',
      });
      if (canCutPower('xfs')) {
        const disk = new LoopDisk('xfs', megabytes * 3e6 + 500_000_000);
        try {
          const cloned = await died(daemon, join(disk.path, 'recordings'), whole);
          figures.push(
            absolute('the same, where it can be cloned (XFS)', cloned.ms, 'ms', { most: 2_000 }),
          );
        } finally {
          await daemon.ground.machine.run('down');
          disk.remove();
        }
      }
      return figures;
    } finally {
      await daemon.end();
    }
  },
};
