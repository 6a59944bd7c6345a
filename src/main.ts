#!/usr/bin/env node
/**
 * The entry point: `daemon run` goes to daemon/, everything else to cli/.
 *
 * Imports are made when they are needed: a command that only prints must not pay for the daemon.
 */
import { runCommandLine } from './cli/command-line.ts';

const argv = process.argv.slice(2);
const loadDaemon = async () => ({
  ...(await import('./daemon/daemon.ts')),
  ...(await import('./daemon/maintenance.ts')),
});
process.exitCode = await runCommandLine(argv, loadDaemon);
