/**
 * The journal's chain: every entry altered, removed or put elsewhere is found and named.
 */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AuditEntry,
  type AuditTrail,
  chainHash,
  genesis,
  journalText,
  signHead,
  spokenFinding,
  textHash,
  trailText,
  verifyTrail,
} from '../../src/session/audit.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = publicKey.export({ format: 'jwk' }).x ?? '';

function trail(count: number, hiddenEvery = 0): AuditTrail {
  const entries: AuditEntry[] = [];
  let hash = genesis;
  for (let seq = 1; seq <= count; seq++) {
    const line = {
      seq,
      at: 1000 * seq,
      type: 'granted',
      body: JSON.stringify({ n: seq, who: 'Ada\t' }),
    };
    hash = chainHash(hash, line);
    const hidden = hiddenEvery > 0 && seq % hiddenEvery === 0;
    entries.push(hidden ? { seq, lineHash: textHash(journalText(line)), hash } : { ...line, hash });
  }
  const head = { seq: count, hash, at: 99 };
  return { key, entries, head, signature: signHead(head, privateKey) };
}

function findings(text: string, wanted?: string): string[] {
  return verifyTrail(text, wanted).findings.map(spokenFinding);
}

describe('given a printed journal', () => {
  test('as it was printed it holds, with entries of other sessions left out', () => {
    expect(verifyTrail(trailText(trail(20)), key)).toMatchObject({ entries: 20, findings: [] });
    expect(verifyTrail(trailText(trail(20, 3)))).toMatchObject({ shown: 14, findings: [] });
    expect(verifyTrail(trailText(trail(0)), key).findings).toEqual([]);
  });

  test('whichever entry is altered, removed or moved, it is named', () => {
    const whole = trailText(trail(12)).trim().split('\n');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (at, other) => {
        const altered = whole.with(at, (whole[at] ?? '').replace('Ada', 'Eve')).join('\n');
        expect(findings(altered)).toEqual([`Entry ${at} was altered.`]);
        const removed = whole.toSpliced(at, 1).join('\n');
        expect(findings(removed)).toContain(`Entry ${at} was removed.`);
        if (at === other) return;
        const moved = whole
          .with(at, whole[other] ?? '')
          .with(other, whole[at] ?? '')
          .join('\n');
        expect(findings(moved).join(' ')).toMatch(/wrong place|removed/);
      }),
    );
  });

  test('when everything after a change is hashed anew, the signed head gives it away', () => {
    const forged = { ...trail(5), head: trail(6).head, signature: trail(6).signature };
    const { head, signature } = trail(6);
    const rewritten = {
      ...trail(6),
      entries: trail(7).entries.slice(1).map(renumbered),
      head,
      signature,
    };
    expect(findings(trailText(forged))).toEqual(['Entry 6 was removed.']);
    expect(findings(trailText(rewritten)).length).toBeGreaterThan(0);
    const honest = trail(6);
    const other = generateKeyPairSync('ed25519');
    const resigned = { ...honest, signature: signHead(honest.head, other.privateKey) };
    expect(findings(trailText(resigned), key)).toEqual(['The signature of the head is wrong.']);
    const otherKey = other.publicKey.export({ format: 'jwk' }).x ?? '';
    expect(findings(trailText({ ...resigned, key: otherKey }), key)[0]).toContain('another key');
  });

  test('whatever file is verified, there is an answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, cut) => {
        const whole = trailText(trail(3));
        expect(verifyTrail(text).findings.length).toBeGreaterThan(0);
        const short = whole.slice(0, cut % (whole.length - 1));
        expect(verifyTrail(short).findings.length).toBeGreaterThan(0);
      }),
    );
  });
});

function renumbered(entry: AuditEntry): AuditEntry {
  return { ...entry, seq: entry.seq - 1 };
}
