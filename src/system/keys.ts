/**
 * This machine's identity: an Ed25519 key in a file that only its owner reads.
 *
 * The key is made on first use. Keys that were replaced stay beside it under their date, because
 * what they signed must be provable later. The private key is never logged and never leaves this
 * file but by `export`.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { createFile, replaceFile } from './small-file.ts';

export interface Identity {
  /** The public key: 32 bytes in base64url. */
  readonly key: string;
  readonly privateKey: KeyObject;
}

const fileName = 'identity.pem';

/** Opens the identity of a data folder; makes it when there is none. */
export function openIdentity(folder: string): Identity {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, fileName);
  if (!existsSync(path)) {
    keep(folder, generateKeyPairSync('ed25519').privateKey);
  }
  assertPrivate(folder);
  assertPrivate(path);
  return parseIdentity(readFileSync(path, 'utf8'), path);
}

/** Replaces the identity by a new key; the old one is kept beside it. */
export function rotateIdentity(folder: string, now: number): Identity {
  keep(folder, generateKeyPairSync('ed25519').privateKey, now);
  return openIdentity(folder);
}

/** The private key as PEM text, for another data folder of the same person. */
export function exportIdentity(folder: string): string {
  return pemOf(openIdentity(folder).privateKey);
}

/** Takes over an exported key; the present one is kept beside it. */
export function importIdentity(folder: string, pem: string, now: number): Identity {
  const identity = parseIdentity(pem, 'the key to be imported');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  keep(folder, identity.privateKey, now);
  return openIdentity(folder);
}

function parseIdentity(pem: string, name: string): Identity {
  const unusable = (cause?: unknown) =>
    new RoomtapeError('failed', `${name} holds no Ed25519 private key.`, {
      next: 'roomtape identity import FILE, with a key exported earlier',
      cause,
    });
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (cause) {
    throw unusable(cause);
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') throw unusable();
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined) throw unusable();
  return { key: x, privateKey };
}

function pemOf(privateKey: KeyObject): string {
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

/**
 * A crash or a full disk leaves the old key or the new one, never half of one and never none, for a
 * missing key would be made anew and nobody would know its owner.
 */
function keep(folder: string, privateKey: KeyObject, now = 0): void {
  const path = join(folder, fileName);
  if (existsSync(path)) {
    const stamp = new Date(now).toISOString().replaceAll(/[:.]/g, '-');
    const retired = join(folder, `identity-until-${stamp}.pem`);
    if (!existsSync(retired)) createFile(retired, readFileSync(path, 'utf8'));
  }
  replaceFile(path, pemOf(privateKey));
}

function assertPrivate(path: string): void {
  if (process.platform === 'win32') return;
  const { mode, uid } = statSync(path);
  if (uid !== process.getuid?.()) {
    throw new RoomtapeError('failed', `${path} belongs to somebody else.`, {
      next: `sudo chown $USER ${path}`,
    });
  }
  // Loosened by a copy or a backup: tighten it, and the key still counts as ours.
  if ((mode & 0o077) !== 0) chmodSync(path, mode & 0o700);
}
