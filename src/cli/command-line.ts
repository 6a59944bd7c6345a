/**
 * The command line, from argv to an exit code.
 *
 * The first word picks a file from the command table; only that file is loaded. Help for all is
 * printed from the table without commander. Whatever ends a command is told here, once: obstacles
 * with their next command, wrong usage with exit code 2, bugs without a stack trace unless
 * ROOMTAPE_DEBUG is set.
 */
import { createRequire } from 'node:module';
import type { Command, CommanderError } from 'commander';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { commandWords, findCommand } from './command-table.ts';
import type { DaemonCode, Frame } from './frame.ts';
import { exitCodeHelp, helpForAll } from './help-text.ts';
import type { QuickCommand, QuickOptions } from './quick-command.ts';
import { writeOut } from './standard-output.ts';

/**
 * Runs one command and returns its exit code.
 *
 * @param argv        the words after `roomtape`
 * @param loadDaemon  gives the daemon's code (main.ts knows where it is)
 */
export async function runCommandLine(
  argv: readonly string[],
  loadDaemon: () => Promise<DaemonCode>,
): Promise<number> {
  try {
    return await dispatch(argv, loadDaemon);
  } catch (problem) {
    return await tellProblem(problem, argv);
  }
}

async function dispatch(
  argv: readonly string[],
  loadDaemon: () => Promise<DaemonCode>,
): Promise<number> {
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
  const at = words.findIndex((word) => !word.startsWith('-'));
  const first = words[at];
  if (first === undefined) return withoutCommand(words);
  const entry = findCommand(first);
  if (!entry) return unknownCommand(first);

  const [{ defineCommands, quickCommands }, { createFrame }] = await Promise.all([
    entry.load(),
    import('./frame.ts'),
    // Loaded side by side instead of one after the other.
    ...(entry.daily ? [import('./quick-command.ts'), import('./daemon-connection.ts')] : []),
  ]);
  const frame = createFrame(loadDaemon);
  const quick = at === 0 && quickCommands?.find(({ word }) => word === first);
  if (quick) {
    const { readQuick } = await import('./quick-command.ts');
    const options = readQuick(quick, words.slice(1));
    if (options) return runQuick(quick, frame, options);
  }
  const program = newProgram();
  defineCommands(program, frame);
  furnish(program, frame);
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (problem) {
    if (!isCommanderError(problem)) throw problem;
    if (problem.exitCode === 0) return exitCodes.done;
    const path = deepestCommand(program, words.slice(at));
    process.stderr.write(`next:     roomtape ${[...path, '--help'].join(' ')}\n`);
    return exitCodes.usage;
  } finally {
    frame.close();
  }
  return frame.exitCode;
}

async function runQuick(quick: QuickCommand, frame: Frame, options: QuickOptions): Promise<number> {
  frame.begin(options);
  try {
    await quick.run(frame, options);
    return frame.exitCode;
  } finally {
    frame.close();
  }
}

function newProgram(): Command {
  const { Command } = loadCommander();
  const program = new Command('roomtape').helpCommand(false).exitOverride();
  // Whoever closed our output early (`| head`) has read enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return program.configureOutput({
    writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'roomtape: ')),
  });
}

// commander's own ESM wrapper costs 3 ms more than its CommonJS (of 65 for a bare Node).
function loadCommander(): typeof import('commander') {
  const load: (name: string) => typeof import('commander') = createRequire(import.meta.url);
  return load('commander');
}

/** Gives every command what all have: `--json`, `--no-start`, exit codes in its help. */
function furnish(command: Command, frame: Frame): void {
  command.showHelpAfterError(false).allowExcessArguments(false);
  if (command.commands.length === 0) {
    const has = (flag: string) => command.options.some((option) => option.long === flag);
    if (!has('--json')) command.option('--json', 'print one JSON document for programs');
    if (!has('--no-start')) command.option('--no-start', 'do not start the daemon if it is down');
    command.hook('preAction', (_, acting) => frame.begin(acting.opts()));
  }
  command.addHelpText('after', `\n${exitCodeHelp}`);
  for (const child of command.commands) {
    child.copyInheritedSettings(command).helpCommand(false);
    furnish(child, frame);
  }
}

async function withoutCommand(words: readonly string[]): Promise<number> {
  const option = words[0];
  if (option === undefined || option === '--help' || option === '-h') {
    await writeOut(helpForAll());
    return option === undefined ? exitCodes.usage : exitCodes.done;
  }
  if (option === '--version' || option === '-V') {
    const { version } = await import('../system/version.ts');
    await writeOut(`${version()}\n`);
    return exitCodes.done;
  }
  throw new RoomtapeError('usage', `Unknown option ${JSON.stringify(option)}.`, {
    next: 'roomtape --help',
  });
}

async function unknownCommand(word: string): Promise<number> {
  const { nearestWord } = await import('../system/spelling.ts');
  const meant = nearestWord(word, commandWords());
  throw new RoomtapeError('usage', `There is no command ${JSON.stringify(word)}.`, {
    next: meant ? `roomtape ${meant}` : 'roomtape --help',
  });
}

/** The longest run of words that names a command, for `roomtape … --help`. */
function deepestCommand(program: Command, words: readonly string[]): string[] {
  const names: string[] = [];
  let command: Command | undefined = program;
  for (const word of words) {
    command = command.commands.find((child) => child.name() === word);
    if (!command) break;
    names.push(word);
  }
  return names;
}

function isCommanderError(problem: unknown): problem is CommanderError {
  return (
    problem instanceof Error &&
    'exitCode' in problem &&
    'code' in problem &&
    typeof problem.code === 'string' &&
    problem.code.startsWith('commander.')
  );
}

/** Tells what ended the command, on stderr, and returns the exit code it leads to. */
async function tellProblem(problem: unknown, argv: readonly string[]): Promise<number> {
  const { visible } = await import('./output.ts');
  const debug = Boolean(process.env['ROOMTAPE_DEBUG']);
  if (problem instanceof RoomtapeError) {
    process.stderr.write(`roomtape: ${visible(problem.message)}\n`);
    if (problem.next) process.stderr.write(`next:     ${visible(problem.next)}\n`);
    if (debug) process.stderr.write(`${problem.stack ?? ''}\n`);
    return problem.exitCode;
  }
  const message = problem instanceof Error ? problem.message : String(problem);
  process.stderr.write(`roomtape: A mistake in Roomtape ended the command: ${visible(message)}\n`);
  if (debug && problem instanceof Error) process.stderr.write(`${problem.stack ?? ''}\n`);
  else process.stderr.write(`next:     ROOMTAPE_DEBUG=1 roomtape ${visible(argv.join(' '))}\n`);
  return exitCodes.failed;
}
