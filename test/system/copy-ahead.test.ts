import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Cancelled } from '../../src/container/bytes.ts';
import type { OutputPiece } from '../../src/container/repair-plan.ts';
import { CopyAhead } from '../../src/system/copy-ahead.ts';
import { FileSource } from '../../src/system/files.ts';
import { copyAhead, type Writable, writePlan } from '../../src/system/plan-writer.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder('copy-ahead');
const length = 40 * 1024 * 1024;
const bytes = Buffer.alloc(length, 'media of a long evening ');
const original = join(folder, 'broken.mp4');
writeFileSync(original, bytes);
const source = new FileSource(original, { followLink: false });
afterAll(() => source.close());

const planOf = (...pieces: OutputPiece[]): Writable => ({
  outputSize: pieces.reduce(
    (sum, piece) => sum + (piece.kind === 'copy' ? piece.length : piece.bytes.length),
    0,
  ),
  pieces: () => pieces,
});
const index = { kind: 'bytes', bytes: Buffer.from('the index, behind the media') } as const;
const header = { kind: 'bytes', bytes: Buffer.from('new size') } as const;
const inPlace = planOf(header, { kind: 'copy', offset: 8, length: length - 1_000 }, index);
const moved = planOf(index, { kind: 'copy', offset: 8, length: length - 1_000 });
const inPlaceBytes = Buffer.concat([header.bytes, bytes.subarray(8, length - 992), index.bytes]);
const movedBytes = Buffer.concat([index.bytes, bytes.subarray(8, length - 992)]);

describe('given a broken file that is copied while its repair is still being found', () => {
  let place = '';
  let nth = 0;
  const partial = () => join(place, `x.mp4.${process.pid}-00000000.partial`);
  const target = () => join(place, 'x.mp4');

  beforeEach(() => {
    nth += 1;
    place = join(folder, `place ${nth}`);
    mkdirSync(place);
  });

  test('then the copy becomes the new file, with what the plan changes', () => {
    const ahead = new CopyAhead(source, partial());
    const { how } = writePlan(source, inPlace, target(), { existing: 'refuse', ahead });
    expect(how).toBe('copied');
    expect(readFileSync(target()).equals(inPlaceBytes)).toBe(true);
    expect(readdirSync(place)).toEqual(['x.mp4']);
  });

  test('when the plan moves the media, then the copy is dropped and the plan is written', () => {
    const ahead = new CopyAhead(source, partial());
    writePlan(source, moved, target(), { existing: 'refuse', ahead });
    expect(readFileSync(target()).equals(movedBytes)).toBe(true);
    expect(readdirSync(place)).toEqual(['x.mp4']);
  });

  test('when there is nothing to repair, then nothing is left of it', () => {
    new CopyAhead(source, partial()).abandon();
    expect(readdirSync(place)).toEqual([]);
  });

  test('when somebody cancels while it is waited for, then nothing is left behind', () => {
    const ahead = new CopyAhead(source, partial());
    const stop = () =>
      writePlan(source, inPlace, target(), { existing: 'refuse', ahead, progress: () => false });
    expect(stop).toThrow(Cancelled);
    expect(readdirSync(place)).toEqual([]);
  });

  test('when the copy fails, then the ordinary one is made', () => {
    writeFileSync(partial(), 'somebody else has this name');
    const ahead = new CopyAhead(source, partial());
    writePlan(source, inPlace, target(), { existing: 'refuse', ahead });
    expect(readFileSync(target()).equals(inPlaceBytes)).toBe(true);
  });

  test('when the file has changed since it was opened, then there is no copy', () => {
    const growing = join(place, 'growing.mp4');
    writeFileSync(growing, bytes);
    const opened = new FileSource(growing, { followLink: false });
    appendFileSync(growing, 'more');
    const ahead = new CopyAhead(opened, partial());
    expect(ahead.finish()).toBe(false);
    opened.close();
    expect(readdirSync(place)).toEqual(['growing.mp4']);
  });

  test('none is begun where the new file could not be written anyway', () => {
    writeFileSync(target(), 'an older one');
    expect(copyAhead(source, target(), { existing: 'refuse', reserve: 0 })).toBeNull();
    expect(
      copyAhead(source, join(place, 'y.mp4'), { existing: 'refuse', reserve: 1e17 }),
    ).toBeNull();
    expect(
      copyAhead(source, join(place, 'no', 'y.mp4'), { existing: 'refuse', reserve: 0 }),
    ).toBeNull();
    expect(readdirSync(place)).toEqual(['x.mp4']);
  });
});
