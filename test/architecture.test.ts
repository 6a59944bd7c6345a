/**
 * The import table of ARCHITECTURE.md, as a test: which folder of src/ may import which, and which
 * parts of Node it may touch.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = join(import.meta.dirname, '..', 'src');

const mayImport: Record<string, readonly string[]> = {
  container: [],
  session: [],
  recorders: ['container', 'session'],
  catalogue: ['session', 'errors.ts'],
  system: ['container', 'session', 'errors.ts'],
  capture: ['session', 'system', 'errors.ts'],
  api: ['session', 'errors.ts'],
  daemon: [
    'container',
    'session',
    'recorders',
    'capture',
    'catalogue',
    'system',
    'api',
    'errors.ts',
  ],
  cli: ['container', 'session', 'recorders', 'system', 'api', 'errors.ts'],
  'main.ts': ['daemon', 'cli', 'errors.ts'],
  'roomtape.ts': ['cli', 'main.ts'],
  'errors.ts': [],
};

/** Packages and Node modules that the pure folders and the narrow ones may use. */
const mayUse: Record<string, readonly string[]> = {
  container: [],
  session: ['node:crypto', 'jose', 'uuid'],
  recorders: [],
  catalogue: ['better-sqlite3', 'node:fs', 'node:path', 'node:url'],
};

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(src, name));
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /(?:from|import\(|^import)\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '');
}

const folderOf = (file: string) => relative(src, file).split(sep)[0] ?? '';

describe('given the import table', () => {
  test('every folder imports only what it may', () => {
    const offences: string[] = [];
    for (const file of sourceFiles()) {
      const folder = folderOf(file);
      const allowed = mayImport[folder];
      if (!allowed) offences.push(`${relative(src, file)}: src/ has no such folder`);
      for (const name of importsOf(file)) {
        if (name.startsWith('.')) {
          const target = folderOf(normalize(join(dirname(file), name)));
          if (target !== folder && !allowed?.includes(target)) {
            offences.push(`${relative(src, file)} imports ${name}`);
          }
        } else if (mayUse[folder] && !mayUse[folder].includes(name)) {
          offences.push(`${relative(src, file)} uses ${name}`);
        }
      }
    }
    expect(offences).toEqual([]);
  });

  test('there is no file without an idea of its own', () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|types|index)(\.ts|\/)/;
    const names = sourceFiles().map((file) => relative(src, file));
    expect(names.filter((name) => vague.test(name))).toEqual([]);
  });

  test('only the catalogue speaks to SQLite, and only one module to fluent-ffmpeg', () => {
    const users = (name: string) =>
      sourceFiles()
        .filter((file) => importsOf(file).includes(name))
        .map((file) => relative(src, file));
    for (const file of users('better-sqlite3')) expect(file).toMatch(/^catalogue\//);
    expect(users('fluent-ffmpeg').length).toBeLessThanOrEqual(1);
  });
});
