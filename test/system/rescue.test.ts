/**
 * The rescue service: workers that are contained, scans beside growing files, references by folder.
 */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Rescue } from '../../src/system/rescue.ts';
import { RescueWorkers } from '../../src/system/rescue-workers.ts';
import { dropScan, hasScan, loadScan, storeScan } from '../../src/system/scan-store.ts';
import { ffmpeg, h264AndAac, pictureAndTone, runFfmpeg } from './media.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder('service');
const whole = join(folder, 'whole.mp4');
runFfmpeg(...pictureAndTone(8), ...h264AndAac, '-b:v', '1M', whole);

const bytes = Buffer.from(readFileSync(whole));
const mdat = bytes.indexOf('mdat') - 4;
const end = mdat + bytes.readUInt32BE(mdat);
/** What a killed recorder would have left at `share` of the media. */
const torn = (share: number) => {
  const part = Buffer.from(bytes.subarray(0, Math.floor(mdat + (end - mdat) * share)));
  part.writeUInt32BE(0, mdat);
  return part;
};

const rescue = new Rescue({ ffmpeg: ffmpeg.path });
afterAll(() => rescue.close());

describe('given a file that grows', () => {
  const growing = join(folder, 'growing.mp4');
  const store = join(folder, 'scans', 'take');

  test('what was found beside the recorder makes the same file as a scan afterwards', async () => {
    const profile = await rescue.profile(whole);
    const references = profile ? [profile] : [];
    writeFileSync(growing, torn(0.3));
    const first = await rescue.follow(growing, store, references);
    expect(first.state).toBe('follows');
    for (const share of [0.45, 0.6, 0.61, 0.8]) {
      appendFileSync(growing, torn(share).subarray(readFileSync(growing).length));
      await rescue.follow(growing, store, references);
    }
    const last = await rescue.follow(growing, store, references);
    expect(last.position).toBeGreaterThan(first.position);
    expect(hasScan(store)).toBe(true);
    appendFileSync(growing, torn(0.9).subarray(readFileSync(growing).length));

    const options = { references, searchFolder: false, verify: false } as const;
    const along = join(folder, 'along');
    const afterwards = join(folder, 'afterwards');
    const a = await rescue.recover(growing, { ...options, scan: store, folder: along });
    const b = await rescue.recover(growing, { ...options, folder: afterwards });
    expect(a.written).not.toBeNull();
    const name = 'growing.recovered.mp4';
    expect(readFileSync(join(along, name)).equals(readFileSync(join(afterwards, name)))).toBe(true);
    expect(b.outcome.kind).toBe('plan');

    // A daemon that died goes on from the store: another thread, the same place.
    const next = new Rescue({ ffmpeg: ffmpeg.path });
    const resumed = await next.follow(growing, store, []);
    await next.close();
    expect(resumed.state).toBe('follows');
    expect(resumed.position).toBeGreaterThanOrEqual(last.position);
    await rescue.forget(store);
    expect(hasScan(store)).toBe(false);
  });

  test('a store that is torn, of another file or of an earlier start of the machine is ignored', () => {
    const file = { device: 1, inode: 2, size: 3, modified: 4 };
    const base = join(folder, 'scans', 'torn');
    expect(loadScan(base, file)).toBeNull();
    const samples = Buffer.from('0123456789');
    const stored = storeScan(base, file, { state: '{}', samples: samples.subarray(0, 4) }, 0);
    storeScan(base, file, { state: '{"a":1}', samples }, stored);
    expect(loadScan(base, file)).toEqual({ state: '{"a":1}', samples });
    expect(loadScan(base, { ...file, inode: 3 })).toBeNull();
    const state = readFileSync(`${base}.json`, 'utf8');
    writeFileSync(`${base}.json`, state.replace(/"boot":"[^"]*"/, '"boot":"an earlier one"'));
    expect(loadScan(base, file)).toBeNull();
    writeFileSync(`${base}.json`, state);
    expect(loadScan(base, file)).toEqual({ state: '{"a":1}', samples });
    truncateSync(`${base}.samples`, 5);
    expect(loadScan(base, file)).toBeNull();
    writeFileSync(`${base}.json`, '{"device":1,');
    expect(loadScan(base, file)).toBeNull();
    dropScan(base);
    expect(hasScan(base)).toBe(false);
  });
});

describe('given a file that is closed and has a hole in its media', () => {
  const holed = join(folder, 'holed.mp4');
  const hole = Math.ceil((mdat + (end - mdat) / 3) / 4096) * 4096;
  const left = Buffer.from(bytes);
  left.fill(0, hole, hole + 65_536);
  writeFileSync(holed, left);

  test('a look finds nothing, a look at its media does, and so does verifying it', async () => {
    expect((await rescue.diagnose(holed)).diagnosis.verdict).toBe('whole');
    const { diagnosis } = await rescue.diagnose(holed, { media: true });
    expect(diagnosis).toMatchObject({
      verdict: 'interrupted',
      damage: [{ kind: 'hole', at: hole }],
    });
    const verified = await rescue.verify(holed);
    expect(verified).toMatchObject({
      diagnosis: { verdict: 'interrupted' },
      verification: { structure: 'damaged' },
    });
    expect((await rescue.diagnose(whole, { media: true })).diagnosis.verdict).toBe('whole');
  });

  test('recovering it writes a new file that reads whole; the whole one needs none', async () => {
    const recovered = await rescue.recover(holed, { searchFolder: false });
    expect(recovered).toMatchObject({
      outcome: { kind: 'plan', method: 'index' },
      verification: { structure: 'ok' },
    });
    expect(readFileSync(holed).equals(left)).toBe(true);
    const untouched = await rescue.recover(whole, { searchFolder: false });
    expect(untouched).toMatchObject({ outcome: { kind: 'none', reason: 'whole' }, written: null });
  });
});

describe('given the workers', () => {
  test('when a job makes no progress, then it is ended and the next one gets a new thread', async () => {
    const workers = new RescueWorkers(1);
    const job = {
      kind: 'diagnose',
      path: whole,
      followLink: false,
      thorough: true,
      media: true,
    } as const;
    await expect(workers.run(job, { stallMs: 0 })).rejects.toMatchObject({ code: 'worker-failed' });
    expect((await workers.run(job)).diagnosis.verdict).toBe('whole');
    await workers.close();
    await expect(workers.run(job)).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('many jobs at once are all answered, in as many threads as allowed', async () => {
    const workers = new RescueWorkers(2);
    const job = { kind: 'hash', path: whole, followLink: false } as const;
    const digests = await Promise.all(Array.from({ length: 12 }, () => workers.run(job)));
    expect(new Set(digests).size).toBe(1);
    await workers.close();
  });

  test('an obstacle in the thread arrives as the same obstacle', async () => {
    const missing = join(folder, 'none.mp4');
    await expect(rescue.diagnose(missing)).rejects.toMatchObject({ code: 'file-missing' });
  });

  test('many files in one go are diagnosed as each alone, what stands in the way in its place', async () => {
    const paths = Array.from({ length: 70 }, () => whole).toSpliced(3, 1, join(folder, 'none.mp4'));
    const found = await rescue.diagnoseAll([...paths, folder]);
    expect(found).toHaveLength(71);
    expect(found[0]).toEqual(await rescue.diagnose(whole));
    expect(found[69]).toEqual(found[0]);
    expect(found[3]).toMatchObject({ code: 'file-missing' });
    expect(found[70]).toMatchObject({ code: 'not-a-file' });
  });
});

/** How often this process has a file open. */
const timesOpen = (path: string) =>
  readdirSync('/proc/self/fd').filter((fd) => linkOf(join('/proc/self/fd', fd)) === path).length;

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null; // the one by which the folder was listed
  }
}

describe.runIf(process.platform === 'linux')('given many files in one go', () => {
  test('whether they are all read or cancelled halfway, none stays open', async () => {
    const workers = new RescueWorkers(1);
    const paths = Array.from({ length: 3000 }, () => whole);
    const job = { kind: 'diagnose-all', paths, followLink: false, thorough: false } as const;
    expect(await workers.run({ ...job, paths: paths.slice(0, 20) })).toHaveLength(20);
    expect(timesOpen(whole)).toBe(0);
    const cancel = new AbortController();
    const ending = workers.run(job, { signal: cancel.signal, onProgress: () => cancel.abort() });
    await expect(ending).rejects.toMatchObject({ code: 'cancelled' });
    expect(timesOpen(whole)).toBe(0);
    await workers.close();
  });
});

describe('given a file that kills a reader', () => {
  test.each([
    ['stts', 8],
    ['stts', 12],
    ['ctts', 12],
    ['stsc', 16],
    ['stsz', 12],
  ])(
    'a false count in %s at %i is told, and never shown to a reader that would believe it',
    async (box, offset) => {
      const killer = Buffer.from(bytes);
      killer.writeUInt32BE(0x7fffffff, killer.indexOf(box) + offset);
      const path = join(folder, 'killer.mp4');
      writeFileSync(path, killer);
      const began = process.cpuUsage();
      const { verification } = await rescue.verify(path);
      expect(verification.structure).toBe('damaged');
      expect(verification.problems[0]).toMatch(
        new RegExp(`^The ${box} at byte \\d+ (claims|tells of) 2147483\\d+ `),
      );
      // mediabunny alone took 7 s of a core.
      expect(process.cpuUsage(began).user).toBeLessThan(5_000_000);
      expect((await rescue.diagnose(whole)).diagnosis.verdict).toBe('whole');
    },
  );
});

describe('given no reference', () => {
  test('the whole file nearest in time is taken, never one of another kind or our own output', async () => {
    const place = join(folder, 'place');
    mkdirSync(place);
    writeFileSync(join(place, 'torn.mp4'), torn(0.7));
    copyFileSync(whole, join(place, 'old.recovered.mp4'));
    copyFileSync(whole, join(place, 'good.mp4'));
    writeFileSync(join(place, 'notes.mp4'), 'no film');
    const { outcome } = await rescue.recover(join(place, 'torn.mp4'), { dryRun: true });
    expect(outcome).toMatchObject({ kind: 'plan', reference: join(place, 'good.mp4') });
  });
});

describe('given a cancel before the work begins', () => {
  test('nothing is written', async () => {
    const place = join(folder, 'cancelled');
    mkdirSync(place);
    const path = join(place, 'torn.mp4');
    writeFileSync(path, torn(0.7));
    const cancelled = AbortSignal.abort();
    const work = rescue.recover(path, { signal: cancelled, referencePaths: [whole] });
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  });
});
