/**
 * The journal as an audit trail, its head signed by this machine.
 */
import type { Catalogue } from '../catalogue/catalogue.ts';
import {
  type AuditEntry,
  type AuditTrail,
  journalText,
  signHead,
  textHash,
} from '../session/audit.ts';
import type { Identity } from '../system/keys.ts';

export interface TrailWish {
  readonly after: number;
  readonly now: number;
  /** Entries of other sessions are shown as hashes only. */
  readonly session: string | undefined;
}

/** The largest trail that is answered at once; an evening of 1,000 people has some 20,000. */
const mostEntries = 1_000_000;

export function auditTrail(
  catalogue: Catalogue,
  { key, privateKey }: Identity,
  { after, now, session }: TrailWish,
): AuditTrail {
  const entries: AuditEntry[] = [];
  for (const { seq, at, type, text: body, hash, session: of } of catalogue.journal.entries(after)) {
    if (entries.length >= mostEntries) break;
    const line = { seq, at, type, body };
    const shown = session === undefined || of === session;
    entries.push(shown ? { ...line, hash } : { seq, lineHash: textHash(journalText(line)), hash });
  }
  const { seq, hash } = catalogue.journal.head;
  const head = { seq, hash, at: Math.round(now) };
  return { key, entries, head, signature: signHead(head, privateKey) };
}
