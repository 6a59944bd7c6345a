/**
 * Once before all tests: the built command must be there, because the story tests drive it as a
 * person would.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export default function setup(): void {
  const main = join(import.meta.dirname, '..', 'dist', 'main.js');
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run npm run build first');
}
