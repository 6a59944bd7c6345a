/**
 * The identity's file: made once, private, and never lost by what replaces it.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  exportIdentity,
  importIdentity,
  openIdentity,
  rotateIdentity,
} from '../../src/system/keys.ts';

const home = mkdtempSync(join(tmpdir(), 'roomtape-keys-'));
const folder = join(home, 'keys');

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('given a data folder', () => {
  test('the key is made on first use, stays the same, and only its owner reads it', () => {
    const first = openIdentity(folder);
    expect(openIdentity(folder).key).toBe(first.key);
    expect(Buffer.from(first.key, 'base64url')).toHaveLength(32);
    if (process.platform === 'win32') return;
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'identity.pem')).mode & 0o777).toBe(0o600);
    chmodSync(join(folder, 'identity.pem'), 0o644);
    openIdentity(folder);
    expect(statSync(join(folder, 'identity.pem')).mode & 0o777).toBe(0o600);
  });

  test('an exported key is the same elsewhere, and a rotated one is kept', () => {
    const first = openIdentity(folder);
    const pem = exportIdentity(folder);
    const second = rotateIdentity(folder, 1000);
    expect(second.key).not.toBe(first.key);
    expect(readdirSync(folder)).toHaveLength(2);
    expect(importIdentity(folder, pem, 2000).key).toBe(first.key);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  test('when the new key cannot be written, the present one stays', () => {
    const { key } = openIdentity(folder);
    const inTheWay = join(folder, 'identity.pem.partial');
    mkdirSync(inTheWay);
    expect(() => rotateIdentity(folder, 1000)).toThrow();
    rmSync(inTheWay, { recursive: true });
    expect(openIdentity(folder).key).toBe(key);
  });

  test('what is no Ed25519 key is refused, and the present one stays', () => {
    const { key } = openIdentity(folder);
    expect(() => importIdentity(folder, 'nonsense', 1)).toThrow('no Ed25519 private key');
    expect(openIdentity(folder).key).toBe(key);
    writeFileSync(join(folder, 'identity.pem'), '');
    expect(() => openIdentity(folder)).toThrow('identity.pem holds no Ed25519 private key');
  });
});
