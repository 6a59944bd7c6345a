#!/usr/bin/env node
/**
 * The entry point: `daemon run` goes to daemon/, everything else to cli/.
 *
 * Imports are made when they are needed: a command that only prints must not pay for the daemon.
 */
async function main(argv: readonly string[]): Promise<void> {
  const { runCommandLine } = await import('./cli/command-line.ts');
  await runCommandLine(argv);
}

await main(process.argv.slice(2));
