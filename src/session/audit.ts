/**
 * The journal as a hash chain: whoever alters, removes or reorders an entry is found out.
 *
 * Each entry is a line of text; each link is the SHA-256 of the link before and the hash of the line.
 * Because links are made of hashes, the entries of other sessions can be left out of what is shown
 * and the chain still holds. The last link is signed. All of it can be checked with `openssl dgst`.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';

export interface JournalLine {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly type: string;
  /** The body as it is stored: JSON on one line. */
  readonly body: string;
}

/** What stands before the first entry. */
export const genesis = '0'.repeat(64);

/** The entry as text, the form that is hashed. */
export function journalText({ seq, at, type, body }: JournalLine): string {
  return `${seq}\t${at}\t${type}\t${body}`;
}

export function textHash(text: string): string {
  return hash('sha256', `${text}\n`, 'hex');
}

/** The link of an entry, given the link before it: SHA-256 in hex. */
export function chainHash(previous: string, entry: JournalLine): string {
  return chainedHash(previous, textHash(journalText(entry)));
}

export function chainedHash(previous: string, lineHash: string): string {
  return textHash(`${previous} ${lineHash}`);
}

/** An entry as shown; of an entry left out only its hash is told. */
export type AuditEntry =
  | (JournalLine & { readonly hash: string })
  | { readonly seq: number; readonly lineHash: string; readonly hash: string };

export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
}

export interface AuditTrail {
  /** The public key of the machine: Ed25519, base64url. */
  readonly key: string;
  readonly entries: readonly AuditEntry[];
  readonly head: AuditHead;
  /** Over `headText`, base64. */
  readonly signature: string;
}

export function headText({ seq, hash, at }: AuditHead): string {
  return `roomtape journal head ${seq} ${hash} ${at}\n`;
}

export function signHead(head: AuditHead, privateKey: KeyObject): string {
  return sign(null, Buffer.from(headText(head)), privateKey).toString('base64');
}

/** The trail as a file: one JSON value a line. */
export function trailText(trail: AuditTrail): string {
  const first = { roomtape: 'audit', v: 1, key: trail.key };
  const last = { head: trail.head, signature: trail.signature };
  return [first, ...trail.entries, last].map((part) => `${JSON.stringify(part)}\n`).join('');
}

export type AuditFinding =
  | { readonly kind: 'altered'; readonly seq: number }
  | { readonly kind: 'removed'; readonly from: number; readonly to: number }
  | { readonly kind: 'reordered'; readonly seq: number }
  | { readonly kind: 'unreadable'; readonly line: number }
  | { readonly kind: 'no-head' }
  | { readonly kind: 'wrong-key'; readonly key: string }
  | { readonly kind: 'head-differs'; readonly seq: number }
  | { readonly kind: 'signature-wrong' };

export interface AuditVerdict {
  readonly entries: number;
  readonly shown: number;
  /** Empty when the chain holds from the first entry to the signed head. */
  readonly findings: readonly AuditFinding[];
  readonly key?: string;
  readonly head?: AuditHead;
}

const mostFindings = 100;

/**
 * Checks a trail.
 *
 * @param text  as `trailText` writes it; from outside, so anything
 * @param key   the key that must have signed it, where one is known
 */
export function verifyTrail(text: string, key?: string): AuditVerdict {
  const parts = text.split('\n').filter((line) => line.trim() !== '');
  const findings: AuditFinding[] = [];
  const first = readJson(parts[0] ?? '');
  const last = readHead(readJson(parts.at(-1) ?? ''));
  const stated = typeof first?.['key'] === 'string' ? first['key'] : undefined;
  const entries: AuditEntry[] = [];
  const inner = parts.slice(1, last ? undefined : parts.length);
  for (const [at, part] of (last ? inner.slice(0, -1) : inner).entries()) {
    const entry = readEntry(readJson(part));
    if (entry) entries.push(entry);
    else findings.push({ kind: 'unreadable', line: at + 2 });
  }
  findings.push(...checkChain(entries));
  if (!last) findings.push({ kind: 'no-head' });
  else findings.push(...checkHead(last, entries.at(-1), stated, key));
  return {
    entries: entries.length,
    shown: entries.filter((entry) => 'body' in entry).length,
    findings: findings.slice(0, mostFindings),
    ...(stated === undefined ? {} : { key: stated }),
    ...(last ? { head: last.head } : {}),
  };
}

function checkChain(entries: readonly AuditEntry[]): AuditFinding[] {
  const findings: AuditFinding[] = [];
  let previous = genesis;
  let expected = 1;
  for (const entry of entries) {
    if (entry.seq < expected) {
      findings.push({ kind: 'reordered', seq: entry.seq });
      continue;
    }
    if (entry.seq > expected) {
      findings.push({ kind: 'removed', from: expected, to: entry.seq - 1 });
    } else {
      const lineHash = 'body' in entry ? textHash(journalText(entry)) : entry.lineHash;
      if (chainedHash(previous, lineHash) !== entry.hash) {
        findings.push({ kind: 'altered', seq: entry.seq });
      }
    }
    // Go on from what the entry says of itself, so that each fault is named once.
    previous = entry.hash;
    expected = entry.seq + 1;
  }
  return findings;
}

function checkHead(
  { head, signature }: { readonly head: AuditHead; readonly signature: string },
  last: AuditEntry | undefined,
  stated: string | undefined,
  wanted: string | undefined,
): AuditFinding[] {
  const findings: AuditFinding[] = [];
  const { seq = 0, hash = genesis } = last ?? {};
  if (head.seq > seq) findings.push({ kind: 'removed', from: seq + 1, to: head.seq });
  else if (head.seq !== seq || head.hash !== hash) findings.push({ kind: 'head-differs', seq });
  if (stated === undefined || (wanted !== undefined && stated !== wanted)) {
    findings.push({ kind: 'wrong-key', key: stated ?? '' });
  }
  const publicKey = publicKeyFrom(wanted ?? stated ?? '');
  const bytes = Buffer.from(signature, 'base64');
  const holds = publicKey && verify(null, Buffer.from(headText(head)), publicKey, bytes);
  if (!holds) findings.push({ kind: 'signature-wrong' });
  return findings;
}

/** An Ed25519 public key from its 32 bytes in base64url; `undefined` when it is none. */
export function publicKeyFrom(key: string): KeyObject | undefined {
  if (!/^[\w-]{43}$/.test(key)) return undefined;
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
  } catch {
    // Not every 32 bytes are a key; then it is none.
    return undefined;
  }
}

function readJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // Not JSON: the caller names the line.
    return undefined;
  }
}

function readEntry(part: Record<string, unknown> | undefined): AuditEntry | undefined {
  const { seq, at, type, body, hash, lineHash } = part ?? {};
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || typeof hash !== 'string') {
    return undefined;
  }
  if (typeof lineHash === 'string') return { seq, lineHash, hash };
  if (typeof at !== 'number' || typeof type !== 'string' || typeof body !== 'string') {
    return undefined;
  }
  return { seq, at, type, body, hash };
}

function readHead(
  part: Record<string, unknown> | undefined,
): { head: AuditHead; signature: string } | undefined {
  const { head, signature } = part ?? {};
  if (typeof head !== 'object' || head === null || typeof signature !== 'string') return undefined;
  const { seq, hash, at } = head as Partial<AuditHead>;
  if (typeof seq !== 'number' || typeof hash !== 'string' || typeof at !== 'number') {
    return undefined;
  }
  return { head: { seq, hash, at }, signature };
}

/** A finding as one would say it. */
export function spokenFinding(finding: AuditFinding): string {
  switch (finding.kind) {
    case 'altered':
      return `Entry ${finding.seq} was altered.`;
    case 'removed':
      return finding.from === finding.to
        ? `Entry ${finding.from} was removed.`
        : `Entries ${finding.from} to ${finding.to} were removed.`;
    case 'reordered':
      return `Entry ${finding.seq} stands in the wrong place.`;
    case 'unreadable':
      return `Line ${finding.line} of the file cannot be read.`;
    case 'no-head':
      return 'The signed head is missing.';
    case 'wrong-key':
      return 'It is signed by another key than expected.';
    case 'head-differs':
      return `The chain does not lead to the signed head: entries up to ${finding.seq} were rewritten.`;
    case 'signature-wrong':
      return 'The signature of the head is wrong.';
  }
}
