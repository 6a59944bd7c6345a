/**
 * Zoom's meeting folders from the command line: judged as a whole, converted by the converter of
 * the machine (here a stand-in that behaves as Zoom's does on disk), or extracted as an experiment.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFfmpeg } from '../../src/system/ffmpeg.ts';
import {
  concatenated,
  controlRecord,
  mediaHeader,
  soundPackets,
} from '../container/zoom/zoom-bytes.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const place = mkdtempSync(join(tmpdir(), 'roomtape-meeting-'));
const finished = join(place, 'finished.mp4');
const converter = join(place, 'converter.mjs');
afterAll(() => rmSync(place, { recursive: true, force: true }));

beforeAll(async () => {
  const { path } = await findFfmpeg();
  const tone = ['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', '-y', finished];
  execFileSync(path, ['-v', 'error', ...tone]);
  writeFileSync(converter, standIn(finished), { mode: 0o755 });
});

/** Does on disk what Zoom's converter does: a stub, a percentage, the finished file. */
function standIn(source: string): string {
  return `#!${process.execPath}
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
const folder = dirname(process.argv[2]);
const say = (process) => writeFileSync(join(folder, 'recording.conf'), JSON.stringify({
  items: [{ audio: '', prefix: '', process, video: 'video1879983327.mp4' }], magic_number: '879983327' }));
const stub = join(folder, 'video1879983327.mp4.tmp');
writeFileSync(stub, 'unfinished');
say(40);
if (process.env.STAND_IN_FAILS) process.exit(1);
setTimeout(() => {
  copyFileSync(${JSON.stringify(source)}, stub);
  renameSync(stub, join(folder, 'video1879983327.mp4'));
  say(100);
  for (const n of ['01', '02']) rmSync(join(folder, 'double_click_to_convert_' + n + '.zoom'));
}, 900);
`;
}

function meeting(name: string, cut = 0): string {
  const folder = join(place, `2026-09-14 13.36.31 ${name}`);
  mkdirSync(folder);
  const media = concatenated([mediaHeader(), ...soundPackets(50)]);
  writeFileSync(
    join(folder, 'double_click_to_convert_01.zoom'),
    media.subarray(0, media.length - cut),
  );
  const control = controlRecord(0x1003, 5, 8, 1_757_849_791);
  writeFileSync(join(folder, 'double_click_to_convert_02.zoom'), control);
  writeFileSync(join(folder, 'chat.txt'), 'hello');
  // Nothing was written lately: the recording is over.
  const past = '202609141400.00';
  execFileSync('touch', [
    '-t',
    past,
    ...['01', '02'].map((n) => join(folder, `double_click_to_convert_${n}.zoom`)),
  ]);
  return folder;
}

interface Ran {
  readonly code: number;
  readonly result: Record<string, unknown>;
}

function roomtape(words: readonly string[], environment: Record<string, string> = {}): Ran {
  const env = {
    ...process.env,
    ROOMTAPE_HOME: join(place, 'home'),
    TZ: 'Europe/Berlin',
    ...environment,
  };
  let [text, code] = ['', 0];
  try {
    text = execFileSync(process.execPath, [main, ...words, '--json'], { env, encoding: 'utf8' });
  } catch (problem) {
    if (!(problem instanceof Error) || !('status' in problem) || !('stdout' in problem))
      throw problem;
    [text, code] = [String(problem.stdout), Number(problem.status)];
  }
  return { code, result: JSON.parse(text).results[0] };
}

describe.runIf(process.platform !== 'win32')('given a meeting that Zoom has not converted', () => {
  test('when its folder is inspected, then the verdict, the true start and the next command come out', () => {
    const folder = meeting('Weekly');
    const { code, result } = roomtape(['inspect', folder]);
    expect(code).toBe(5);
    expect(result).toMatchObject({
      verdict: 'conversion-pending',
      recorder: 'zoom',
      next: `roomtape recover '${folder}'`,
      start: { at: 1_757_849_791_000, source: 'control-record' },
      meeting: {
        topic: 'Weekly',
        startedAt: 1_757_849_791_000,
        companions: [{ kind: 'chat', name: 'chat.txt' }, { kind: 'raw' }, { kind: 'raw' }],
      },
    });
  });

  test('when there is a converter, then recover waits for it and verifies what it made', () => {
    const folder = meeting('Converted');
    const { code, result } = roomtape(['recover', folder], { ROOMTAPE_ZOOM_CONVERTER: converter });
    expect(result).toMatchObject({
      verdict: 'ready',
      output: join(folder, 'video1879983327.mp4'),
      verification: { structure: 'ok', decode: 'ok' },
    });
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'video1879983327.mp4'))).toEqual(readFileSync(finished));
  });

  test('when the converter dies, then the raw files are named as whole and to be converted again', () => {
    const folder = meeting('Died');
    const environment = { ROOMTAPE_ZOOM_CONVERTER: converter, STAND_IN_FAILS: '1' };
    const { code, result } = roomtape(
      ['recover', join(folder, 'double_click_to_convert_01.zoom')],
      environment,
    );
    expect(result).toMatchObject({ verdict: 'conversion-interrupted', output: null });
    expect(code).toBe(5);
  });

  test('when there is no converter, then the next step is named and nothing is written', () => {
    const folder = meeting('Torn', 700);
    const { code, result } = roomtape(['recover', folder]);
    expect(code).toBe(5);
    expect(result).toMatchObject({ verdict: 'interrupted', output: null });
    if (process.platform === 'linux') expect(result['next']).toContain('--experimental-zoom');
  });

  test('when the experiment is asked for, then its output plays and the raw file is as it was', () => {
    const folder = meeting('Experiment', 700);
    const raw = join(folder, 'double_click_to_convert_01.zoom');
    const hash = () => createHash('sha256').update(readFileSync(raw)).digest('hex');
    const before = hash();
    const { code, result } = roomtape(['recover', '--experimental-zoom', raw]);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      method: expect.stringContaining('experimental'),
      verification: { structure: 'ok', decode: 'ok', errors: 0 },
      tracks: [{ kind: 'audio', codec: 'pcm_s16le', samples: 49 }],
    });
    expect(hash()).toBe(before);
  });
});
