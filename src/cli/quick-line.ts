/**
 * What is typed all day, answered from one file: help, and what quick-daemon.ts asks the daemon.
 *
 * Anything else, and whatever goes wrong, is left to the whole command line (main.ts), so that there
 * is one place that starts daemons and explains mistakes.
 */
import { type ExitCode, exitCodes } from '../errors.ts';
import { helpForAll } from './help-text.ts';
import { writeOut } from './standard-output.ts';

/** Words that quick-daemon.ts knows. */
const daily: ReadonlySet<string> = new Set(['list', 'status']);

/** The exit code, or undefined when nothing was printed and main.ts has to see to it. */
export async function quickAnswer(argv: readonly string[]): Promise<ExitCode | undefined> {
  const [first = ''] = argv;
  if (argv.length === 1 && (first === '--help' || first === '-h')) {
    await writeOut(helpForAll());
    return exitCodes.done;
  }
  if (!daily.has(first)) return undefined;
  const { askDaemon } = await import('./quick-daemon.ts');
  return askDaemon(argv);
}
