/**
 * How long the recovery of 1 GB without an index takes, and how much memory, against `cp` of it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { canCutPower, LoopDisk } from '../faults/loop-disk.ts';
import { runFfmpeg } from '../system/media.ts';
import { absolute, type Benchmark, compared, type Figure, interleaved, timed } from './figures.ts';

const size = 1_000_000_000;
const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');

interface Recordings {
  readonly whole: string;
  readonly broken: string;
}

/** A whole recording of some seconds and one of the same encoder that was cut off at 1 GB. */
function makeRecordings(
  folder: string,
  pictures: '1280x720' | '640x360',
  rate: string,
): Recordings {
  const [whole, broken] = [join(folder, `whole ${rate}.mp4`), join(folder, `broken ${rate}.mp4`)];
  runFfmpeg(
    ...['-f', 'lavfi', '-i', `testsrc2=size=${pictures}:rate=30:duration=20`],
    // Not a pure tone: its frames would hold next to nothing.
    ...['-f', 'lavfi', '-i', 'anoisesrc=color=pink:sample_rate=48000:duration=20'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-b:v', rate, '-minrate', rate],
    ...['-maxrate', rate, '-bufsize', '4M', '-x264-params', 'nal-hrd=cbr', '-pix_fmt', 'yuv420p'],
    ...['-c:a', 'aac', '-b:a', '160k', '-ac', '2', '-shortest', whole],
  );
  const loops = Math.ceil((size * 1.05) / statSync(whole).size);
  runFfmpeg('-stream_loop', String(loops), '-i', whole, '-c', 'copy', broken);
  truncateSync(broken, size);
  return { whole, broken };
}

function run(...argv: string[]): void {
  const ended = spawnSync(process.execPath, [main, ...argv], { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${argv.join(' ')}: ${ended.stderr}`);
}

/** Peak memory of one recovery in a process of its own, worker included. */
function peakMemory(broken: string, whole: string, out: string): number {
  const rescue = join(import.meta.dirname, '..', '..', 'dist', 'system', 'rescue.js');
  const code = `
    import { Rescue } from ${JSON.stringify(rescue)};
    const rescue = new Rescue();
    await rescue.recover(process.argv[1], { referencePaths: [process.argv[2]], folder: process.argv[3], verify: false });
    await rescue.close();
    console.log(process.resourceUsage().maxRSS);`;
  const argv = ['--input-type=module', '-e', code, broken, whole, out];
  const ended = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  return Number(ended.stdout) / 1_000;
}

/** The whole recovery of a file and a copy of it, in turns. */
function recoveredAgainstCopy({ whole, broken }: Recordings) {
  const copy = `${broken}.copy`;
  // A recovered file is on disk before it gets its name: the copy has to be, too, and no clone.
  const cp = () => {
    spawnSync('cp', ['--reflink=never', broken, copy]);
    spawnSync('sync', [copy]);
    rmSync(copy);
  };
  const recover = () => {
    run('recover', broken, '--reference', whole, '--no-verify');
    rmSync(broken.replace(/\.mp4$/, '.recovered.mp4'));
  };
  return interleaved(3, recover, cp);
}

async function recoveredWhereItClones({ whole, broken }: Recordings): Promise<Figure[]> {
  if (!canCutPower('xfs')) return [];
  const disk = new LoopDisk('xfs', 4e9);
  try {
    const there = { whole: join(disk.path, 'whole.mp4'), broken: join(disk.path, 'broken.mp4') };
    copyFileSync(whole, there.whole);
    copyFileSync(broken, there.broken);
    const times = await recoveredAgainstCopy(there);
    const figure = '1 GB of 20 Mbit/s where it can be cloned (XFS): whole recovery';
    return [compared(figure, 'cp and sync', times, { most: 1.3 })];
  } finally {
    disk.remove();
  }
}

export const recovery: Benchmark = {
  name: 'recovery',
  async run(scratch) {
    const { whole, broken } = makeRecordings(scratch, '1280x720', '20M');
    const copy = join(scratch, 'copy.mp4');
    const plan = () => run('recover', broken, '--reference', whole, '--dry-run');
    const recovered = await recoveredAgainstCopy({ whole, broken });
    const scan = await interleaved(3, plan, () => copyFileSync(broken, copy));
    const verdict = await timed(() => spawnSync(process.execPath, [main, 'inspect', broken]));
    rmSync(copy, { force: true });
    const memory = peakMemory(broken, whole, scratch);
    const low = makeRecordings(scratch, '640x360', '1150k');
    const most = { most: 2.5 };
    return [
      compared('1 GB without moov, H.264 + AAC: whole recovery', 'cp and sync', recovered, most),
      compared('the same: scan and plan only', 'cp', scan, most),
      absolute('the same: until the verdict of inspect', verdict, 'ms', { most: 2_000 }),
      absolute('the same: peak memory of the process', memory, 'MB', { most: 64 + 24 * 0.1 + 100 }),
      compared(
        '1 GB of 1.3 Mbit/s (420,000 samples): whole recovery',
        'cp and sync',
        await recoveredAgainstCopy(low),
        most,
      ),
      ...(await recoveredWhereItClones({ whole, broken })),
    ];
  },
};
