/**
 * A table that is never changed: putting a row gives a new table that shares nearly everything
 * with the old one.
 *
 * A session has up to 1,000 participants and 10,000 grants; copying all of them for each event
 * would make an evening quadratic. Rows lie in a fixed number of buckets by a hash of their key, so
 * that a put copies one bucket. The whole is plain JSON, made to be kept in a snapshot.
 */

export interface Table<Row> {
  readonly size: number;
  readonly buckets: readonly Readonly<Record<string, Row>>[];
}

// Stored in snapshots: another number of buckets would need snapshots to be rebuilt.
const bucketCount = 128;

const noRows: Readonly<Record<string, never>> = {};

export function emptyTable<Row>(): Table<Row> {
  return { size: 0, buckets: Array.from({ length: bucketCount }, () => noRows) };
}

export function rowOf<Row>(table: Table<Row>, key: string): Row | undefined {
  const bucket = table.buckets[bucketOf(key)];
  // A name typed by somebody may be `__proto__`: only rows of the table itself count.
  return bucket && Object.hasOwn(bucket, key) ? bucket[key] : undefined;
}

export function withRow<Row>(table: Table<Row>, key: string, row: Row): Table<Row> {
  const at = bucketOf(key);
  const bucket = table.buckets[at] ?? noRows;
  const buckets = table.buckets.slice();
  buckets[at] = { ...bucket, [key]: row };
  return { size: table.size + (Object.hasOwn(bucket, key) ? 0 : 1), buckets };
}

export function withoutRow<Row>(table: Table<Row>, key: string): Table<Row> {
  const at = bucketOf(key);
  const bucket = table.buckets[at];
  if (!bucket || !Object.hasOwn(bucket, key)) return table;
  const buckets = table.buckets.slice();
  buckets[at] = Object.fromEntries(Object.entries(bucket).filter(([name]) => name !== key));
  return { size: table.size - 1, buckets };
}

/** Every row, in no order that means anything. */
export function* rowsOf<Row>(table: Table<Row>): Generator<Row> {
  for (const bucket of table.buckets) yield* Object.values(bucket);
}

export function* keysOf<Key extends string = string>(table: Table<unknown>): Generator<Key> {
  for (const bucket of table.buckets) yield* Object.keys(bucket) as Key[];
}

// FNV-1a, 32 bits.
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0) % bucketCount;
}
