/**
 * The table of the README on a few cuts a row; set ROOMTAPE_TABLE=1 to see it, `npm run table` for
 * all of it.
 */
import { describe, expect, test } from 'vitest';
import { isPossible, measure, rows, tableHead, tableLine } from './recovery-table.ts';

const isPrinted = process.env['ROOMTAPE_TABLE'] === '1';

describe('given a recording that was cut off', () => {
  if (isPrinted) console.log(tableHead);
  for (const row of rows) {
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
