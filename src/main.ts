#!/usr/bin/env node
/**
 * The entry point: `daemon run` goes to daemon/, everything else to cli/.
 *
 * Imports are made when they are needed: a command that only prints must not pay for the daemon.
 */
const argv = process.argv.slice(2);
// A password among the words stands in the process list: it is taken out before anything is loaded.
if (argv.some((word) => word.startsWith('--password'))) process.title = 'roomtape';
const { runCommandLine } = await import('./cli/command-line.ts');
const loadDaemon = async () => ({
  ...(await import('./daemon/daemon.ts')),
  ...(await import('./daemon/maintenance.ts')),
});
process.exitCode = await runCommandLine(argv, loadDaemon);
