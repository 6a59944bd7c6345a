/**
 * What a file is, without decoding: 2,000 small files and 20 of an hour with the index at the end,
 * cold and warm, against a process of ffprobe a file and against the floor: looking each up and
 * reading its first 64 KB.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Catalogue, openCatalogue } from '../../src/catalogue/catalogue.ts';
import type { RoomtapeError } from '../../src/errors.ts';
import { Rescue } from '../../src/system/rescue.ts';
import type { Diagnosed, Sampled } from '../../src/system/rescue-jobs.ts';
import { h264AndAac, pictureAndTone, runFfmpeg } from '../system/media.ts';
import { absolute, type Benchmark, type Figure, samplesOf, timed } from './figures.ts';

const small = 2_000;
const long = 20;
const rounds = 3;
/** Files a thread is given at once. */
const atOnce = 64;

const seeds = join(import.meta.dirname, '..', '..', 'fixtures', 'seeds');

/**
 * Makes the system forget what it has read of files: all of it, with their inodes, where we may; else
 * only the bytes of these.
 */
function makeCold(paths: readonly string[]): void {
  spawnSync('sync');
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return;
  } catch {
    // Not root, or not Linux.
  }
  const each = 'for f; do dd if="$f" iflag=nocache count=0 status=none; done';
  for (let from = 0; from < paths.length; from += 500) {
    spawnSync('sh', ['-c', each, 'sh', ...paths.slice(from, from + 500)]);
  }
}

function floor(paths: readonly string[]): void {
  const head = Buffer.alloc(65_536);
  for (const path of paths) {
    const file = openSync(path, 'r');
    fstatSync(file);
    readSync(file, head, 0, head.length, 0);
    closeSync(file);
  }
}

/** One process a file; of many files only some are asked, and the time is scaled. */
async function probed(paths: readonly string[]): Promise<number> {
  const asked = paths.slice(0, 100);
  const ms = await timed(() => {
    for (const path of asked) {
      const argv = ['-v', 'error', '-show_format', '-show_streams', '-of', 'json', path];
      spawnSync('ffprobe', argv);
    }
  });
  return (ms * paths.length) / asked.length;
}

interface Times {
  readonly cold: number;
  readonly warm: number;
  readonly floorCold: number;
  readonly probeCold: number;
}

async function timesOf(paths: readonly string[], detect: () => Promise<void>): Promise<Times> {
  const times = { cold: [] as number[], warm: [] as number[], floorCold: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    makeCold(paths);
    times.floorCold.push(await timed(() => floor(paths)));
    makeCold(paths);
    times.cold.push(await timed(detect));
    times.warm.push(await timed(detect));
  }
  makeCold(paths);
  return {
    cold: samplesOf(times.cold).median,
    warm: samplesOf(times.warm).median,
    floorCold: samplesOf(times.floorCold).median,
    probeCold: await probed(paths),
  };
}

function against(figure: string, peer: string, ms: number, peerMs: number, most: number): Figure {
  const ratio = ms / peerMs;
  return {
    ...absolute(figure, ms, 'ms', { most }),
    peer,
    peerMeasured: peerMs,
    ratio,
    goal: `at most ${most} ×`,
    met: ratio <= most,
  };
}

function put(
  { recordings, takes }: Catalogue,
  number: number,
  { path, identity, diagnosis }: { readonly path: string } & Diagnosed,
): void {
  const at = Date.now();
  const recording = `rec_${number}`;
  recordings.putObserved(
    {
      id: recording,
      session: null,
      room: null,
      participant: null,
      state: 'stopped',
      permission: 'unclaimed',
      startedAt: at,
      endedAt: at,
      intervals: [[at, at]],
    },
    at,
  );
  takes.put(
    {
      id: `take_${number}`,
      recording,
      path,
      identity: `${identity.device}:${identity.inode}`,
      container: diagnosis.container,
      recorder: 'unknown',
      stage: 'diagnosed',
      verdict: diagnosis.verdict,
      recoveredPath: null,
      durationMs: diagnosis.durationMs === null ? null : Math.round(diagnosis.durationMs),
      bytes: identity.size,
      sha256: null,
      sightedAt: at,
      startedAt: at,
      endedAt: at,
      attribution: 'unclaimed',
      detail: {},
    },
    at,
  );
}

export const detection: Benchmark = {
  name: 'detection',
  async run(scratch) {
    const kinds = readdirSync(seeds);
    const many = Array.from({ length: small }, (_, n) => {
      const kind = kinds[n % kinds.length] ?? '';
      const path = join(scratch, `${n} ${kind}`);
      copyFileSync(join(seeds, kind), path);
      return path;
    });
    const piece = join(scratch, 'piece.mp4');
    runFfmpeg(...pictureAndTone(20), ...h264AndAac, '-b:v', '30k', '-b:a', '24k', piece);
    const hour = join(scratch, 'hour 0.mp4');
    runFfmpeg('-stream_loop', '179', '-i', piece, '-c', 'copy', hour);
    const hours = Array.from({ length: long }, (_, n) => join(scratch, `hour ${n}.mp4`));
    for (const path of hours.slice(1)) copyFileSync(hour, path);

    const rescue = new Rescue();
    const catalogue = openCatalogue({
      path: join(scratch, 'catalogue.db'),
      backups: join(scratch, 'backups'),
      newMachineId: 'bench',
      now: Date.now(),
    });
    const store = (paths: readonly string[], answers: readonly (Sampled | RoomtapeError)[]) =>
      catalogue.transaction(() => {
        for (const [n, answer] of answers.entries()) {
          if (answer instanceof Error) throw answer;
          stored += 1;
          put(catalogue, stored, { path: paths[n] ?? '', ...answer });
        }
      });
    let stored = 0;
    // What was found is stored while the thread reads the next ones.
    const indexed = async (paths: readonly string[]) => {
      let coming = rescue.diagnoseAll(paths.slice(0, atOnce));
      for (let from = 0; from < paths.length; from += atOnce) {
        const answers = await coming;
        coming = rescue.diagnoseAll(paths.slice(from + atOnce, from + 2 * atOnce));
        store(paths.slice(from, from + atOnce), answers);
      }
    };
    try {
      await rescue.diagnose(hour);
      const files = await timesOf(many, () => indexed(many));
      const longer = await timesOf(hours, () => indexed(hours));
      return [
        against(
          '2,000 small files, cold, with the insert',
          'ffprobe',
          files.cold,
          files.probeCold,
          0.01,
        ),
        against('the same', 'stat and 64 KB', files.cold, files.floorCold, 2),
        absolute('the same, warm: a file', files.warm / small, 'ms', { most: 1 }),
        absolute('a file of an hour, cold', longer.cold / long, 'ms', { most: 10 }),
        absolute('a file of an hour, warm', longer.warm / long, 'ms', { most: 1 }),
        against('20 files of an hour, cold', 'ffprobe', longer.cold, longer.probeCold, 0.01),
      ];
    } finally {
      catalogue.close();
      await rescue.close();
    }
  },
};
