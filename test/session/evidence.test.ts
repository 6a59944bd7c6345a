/**
 * The bundle of evidence, checked by its own script with openssl.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chainHash, genesis, signHead } from '../../src/session/audit.ts';
import { type EvidenceEntry, evidenceFiles } from '../../src/session/evidence.ts';
import { grantLine } from '../../src/session/line-making.ts';
import { signLine } from '../../src/session/line-signature.ts';
import { rowsOf } from '../../src/session/table.ts';
import { Evening } from './evening.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = publicKey.export({ format: 'jwk' }).x ?? '';
const folder = mkdtempSync(join(tmpdir(), 'roomtape-evidence-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bundle(): Promise<void> {
  const night = new Evening();
  night.do({ type: 'grant', rooms: 'all' });
  const [grant] = [...rowsOf(night.session.grants)];
  const line = grant && grantLine(night.session, grant, { key, now: night.now });
  if (!line) throw new Error('no grant');
  let hash = genesis;
  const entries: EvidenceEntry[] = night.journal.map((event, at) => {
    const entry = { seq: at + 1, at: event.at, type: event.type, body: JSON.stringify(event) };
    hash = chainHash(hash, entry);
    return { ...entry, hash, shown: at !== 1 };
  });
  const head = { seq: entries.length, hash, at: 7 };
  const files = evidenceFiles({
    recording: 'rec_1',
    steps: ['grant', 'host'],
    detail: '{}\n',
    before: genesis,
    entries,
    head,
    signature: signHead(head, privateKey),
    key,
    lines: [{ name: 'grant', line: await signLine(line, privateKey) }],
  });
  for (const { name, content } of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  writeFileSync(join(folder, 'files.sha256'), '');
}

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' });

describe('given a bundle of evidence', () => {
  test('it says what is in it, and shows nothing of other sessions', async () => {
    await bundle();
    const text = readFileSync(join(folder, 'README.txt'), 'utf8');
    expect(text).toContain('How it was permitted\n  grant\n  host');
    expect(text).toContain(key);
    expect(() => readFileSync(join(folder, 'journal', '2.txt'))).toThrow();
    expect(readFileSync(join(folder, 'chain.txt'), 'utf8')).toMatch(/^2 \w{64} \w{64}$/m);
  });

  test.runIf(/OpenSSL [3-9]/.test(openssl.stdout ?? ''))(
    'openssl alone finds it sound',
    async () => {
      await bundle();
      const { status, stdout } = spawnSync('sh', [join(folder, 'verify.sh')], { encoding: 'utf8' });
      expect(stdout).not.toContain('FAILED');
      expect(status).toBe(0);
    },
  );
});
