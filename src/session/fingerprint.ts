/**
 * Keys as short words that two people can compare by voice: five groups such as `lusab-fozit`.
 *
 * A group is 16 bits as consonant, vowel, consonant, vowel, consonant; five of them are the first 80
 * bits of the key's SHA-256. Making another key with the same words takes 2^80 trials.
 */
import { createHash } from 'node:crypto';

const consonants = 'bdfghjklmnprstvz';
const vowels = 'aiou';
const groups = 5;

/** @param key  an Ed25519 public key, base64url */
export function fingerprint(key: string): string {
  const digest = createHash('sha256').update(Buffer.from(key, 'base64url')).digest();
  const spoken: string[] = [];
  for (let group = 0; group < groups; group++)
    spoken.push(syllables(digest.readUInt16BE(group * 2)));
  return spoken.join('-');
}

function syllables(bits: number): string {
  const consonant = (shift: number) => consonants.charAt((bits >> shift) & 15);
  const vowel = (shift: number) => vowels.charAt((bits >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}
