/**
 * How long the recovery of 1 GB without an index takes, and how much memory, against `cp` of it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { runFfmpeg } from '../system/media.ts';
import { absolute, type Benchmark, compared, interleaved, timed } from './figures.ts';

const size = 1_000_000_000;
const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');

/** A whole recording of some seconds and one of the same encoder that was cut off at 1 GB. */
function makeRecordings(folder: string): { whole: string; broken: string } {
  const [whole, broken] = [join(folder, 'whole.mp4'), join(folder, 'broken.mp4')];
  runFfmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=30:duration=20'],
    ...['-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=20'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-b:v', '20M', '-minrate', '20M'],
    ...['-maxrate', '20M', '-bufsize', '4M', '-x264-params', 'nal-hrd=cbr', '-pix_fmt', 'yuv420p'],
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

export const recovery: Benchmark = {
  name: 'recovery',
  async run(scratch) {
    const { whole, broken } = makeRecordings(scratch);
    const copy = join(scratch, 'copy.mp4');
    const output = join(scratch, 'broken.recovered.mp4');
    // A recovered file is on disk before it gets its name: the copy has to be, too.
    const cp = () => {
      spawnSync('cp', [broken, copy]);
      spawnSync('sync', [copy]);
      rmSync(copy);
    };
    const recover = () => {
      run('recover', broken, '--reference', whole, '--no-verify');
      rmSync(output);
    };
    const plan = () => run('recover', broken, '--reference', whole, '--dry-run');
    const whole1 = await interleaved(3, recover, cp);
    const scan = await interleaved(3, plan, () => copyFileSync(broken, copy));
    const verdict = await timed(() => spawnSync(process.execPath, [main, 'inspect', broken]));
    rmSync(copy, { force: true });
    const memory = peakMemory(broken, whole, scratch);
    return [
      compared('1 GB without moov, H.264 + AAC: whole recovery', 'cp and sync', whole1, {
        most: 2.5,
      }),
      compared('the same: scan and plan only', 'cp', scan, { most: 2.5 }),
      absolute('the same: until the verdict of inspect', verdict, 'ms', { most: 2_000 }),
      absolute('the same: peak memory of the process', memory, 'MB', { most: 64 + 24 * 0.1 + 100 }),
    ];
  },
};
