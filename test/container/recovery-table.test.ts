/**
 * The table of the README on a few cuts a row; set ROOMTAPE_TABLE=1 to see it, `npm run table` for
 * all of it.
 */
import { describe, expect, test } from 'vitest';
import {
  ffmpeg,
  isPossible,
  leftoverHead,
  leftoverLine,
  leftovers,
  measure,
  measureLeftover,
  recorderRows,
  rows,
  tableHead,
  tableLine,
} from './recovery-table.ts';

const isPrinted = process.env['ROOMTAPE_TABLE'] === '1';

describe('given a recording that was cut off', () => {
  if (isPrinted) console.log(tableHead);
  for (const row of [...rows, ...recorderRows]) {
    const isMeasured = isPossible(row) && (isPrinted || !row.isSlow);
    test.runIf(isMeasured)(`${row.what}: complete packets come back, and no torn one`, () => {
      const found = measure(row, 4, 4);
      if (isPrinted) console.log(tableLine(row, found));
      expect(found.complete).toBeGreaterThan(0);
      expect(found.recovered / found.complete).toBeGreaterThanOrEqual(row.atLeast ?? 1);
      if (row.atLeast === undefined) expect(found.excess + found.foreignPackets).toBe(0);
      expect(found.decodeErrors).toEqual([]);
    });
  }
});

describe.runIf(ffmpeg !== null)('given what a killed recorder left', () => {
  if (isPrinted) console.log(leftoverHead);
  test.each(leftovers)(
    '%s: whatever ffmpeg reads in it comes back, but for torn packets',
    (what, file) => {
      const found = measureLeftover(file);
      if (isPrinted) console.log(leftoverLine(what, found));
      expect(found.damage).not.toEqual([]);
      expect(found.foreignPackets).toBe(0);
      expect(found.decodeErrors).toEqual([]);
      found.read.forEach((count, stream) => {
        expect(found.kept[stream]).toBeGreaterThanOrEqual(count - 1);
      });
    },
  );
});
