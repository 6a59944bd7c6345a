/**
 * Which Roomtape this is: the version in package.json, beside both src/ and dist/.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

let known: string | undefined;

export function version(): string {
  if (known === undefined) {
    const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
    const body: unknown = JSON.parse(text);
    const found = typeof body === 'object' && body !== null && 'version' in body && body.version;
    if (typeof found !== 'string') throw new Error('package.json has no version');
    known = found;
  }
  return known;
}
