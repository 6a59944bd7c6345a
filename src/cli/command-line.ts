/**
 * The command line: one commander program, one file per noun.
 */
import { Command } from 'commander';

export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = new Command('roomtape').description(
    'Keeps the recordings of breakout sessions from getting lost.',
  );
  await program.parseAsync([...argv], { from: 'user' });
}
