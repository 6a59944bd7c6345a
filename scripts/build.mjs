/**
 * Build: TypeScript to dist/, the SQL migrations beside it, and the quick command as one file
 * (decision 0501). Nothing else stands between source and dist/.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

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
await bundleQuickCommand();
for (const name of ['main.js', 'roomtape.cjs']) {
  const entry = join(root, 'dist', name);
  if (existsSync(entry)) chmodSync(entry, 0o755);
}
process.exit(compiled.status ?? 1);

/**
 * What is imported at once goes into the one file, and what asks the daemon as a part that help does
 * not run; what else is imported when needed stays where it is.
 */
async function bundleQuickCommand() {
  const { build } = await import('esbuild');
  const later = {
    name: 'later',
    setup(bundle) {
      bundle.onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
        if (kind !== 'dynamic-import' || path === './quick-daemon.ts') return undefined;
        const file = relative(join(root, 'src'), join(resolveDir, path));
        const place = file.split(sep).join('/').replace(/\.ts$/, '.js');
        return { path: `./${place}`, external: true };
      });
    },
  };
  await build({
    entryPoints: [join(root, 'src', 'roomtape.ts')],
    outfile: join(root, 'dist', 'roomtape.cjs'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // What asks where it lies asks for package.json two folders above.
    banner: { js: "const place = require('node:path').join(__dirname, 'cli');" },
    define: { 'import.meta.dirname': 'place' },
    logOverride: { 'empty-import-meta': 'silent' },
    plugins: [later],
  });
}
