/**
 * The hash that seals each journal entry to all before it.
 */
import { createHash } from 'node:crypto';
import type { ChainHash } from '../catalogue/journal.ts';

/** SHA-256 over the hash before (hex) and the entry's fields in this order, as JSON. */
export const sealEntry: ChainHash = (previous, entry) => {
  const { machine, seq, at, type, session, body } = entry;
  const text = JSON.stringify([machine, seq, at, type, session, body]);
  return createHash('sha256').update(previous).update('\n').update(text).digest('hex');
};
