/**
 * Build: TypeScript to dist/, and the SQL migrations beside it. Nothing else stands between source
 * and dist/.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
if (!existsSync(tsc)) {
  // A global install of the packed tarball has dist/ already and no compiler.
  process.stderr.write('build: TypeScript is not installed; run npm ci first\n');
  process.exit(1);
}
const compiled = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
const migrations = join(root, 'src', 'catalogue', 'migrations');
if (existsSync(migrations)) {
  cpSync(migrations, join(root, 'dist', 'catalogue', 'migrations'), { recursive: true });
}
const main = join(root, 'dist', 'main.js');
if (existsSync(main)) chmodSync(main, 0o755);
process.exit(compiled.status ?? 1);
