/**
 * Commands that are typed all day, parsed without commander (9 ms of a bare Node's 65).
 *
 * One table of options serves both: commander prints the help and explains what is wrong; whatever
 * is plainly right is read here. Anything else — an operand, an unknown or a short option, a
 * missing value — is left to commander, so that there is one place that says no.
 */
import type { Command } from 'commander';
import type { Frame } from './frame.ts';

/** `--session <id>` takes a value, `--all` does not; the value is read under `session`. */
export interface QuickOption {
  readonly flags: `--${string}`;
  readonly help: string;
}

export interface QuickCommand {
  readonly word: string;
  readonly description: string;
  readonly options: readonly QuickOption[];
  readonly run: (frame: Frame, options: QuickOptions) => Promise<void>;
}

export type QuickOptions = Readonly<Record<string, string | boolean | undefined>>;

const shared = new Map<string, [name: string, value: boolean]>([
  ['--json', ['json', true]],
  ['--no-start', ['start', false]],
]);

/** Tells commander of the command: for its help, and for whatever is not plainly right. */
export function defineQuick(program: Command, frame: Frame, quick: QuickCommand): Command {
  const command = program.command(quick.word).description(quick.description);
  for (const { flags, help } of quick.options) command.option(flags, help);
  return command.action((options: QuickOptions) => quick.run(frame, options));
}

/** The options behind the word, or undefined when commander had better look at them. */
export function readQuick(quick: QuickCommand, words: readonly string[]): QuickOptions | undefined {
  const options: Record<string, string | boolean> = {};
  for (let at = 0; at < words.length; at++) {
    const [flag = '', given] = splitOnce(words[at] ?? '');
    const common = shared.get(flag);
    if (common && given === undefined) {
      options[common[0]] = common[1];
      continue;
    }
    const known = quick.options.find(({ flags }) => flags.split(' ')[0] === flag);
    if (!known) return undefined;
    const takesValue = known.flags.includes('<');
    const value = takesValue ? (given ?? words[++at]) : given === undefined;
    if (value === undefined || value === false) return undefined;
    if (typeof value === 'string' && value.startsWith('-')) return undefined;
    options[nameOf(flag)] = value;
  }
  return options;
}

function splitOnce(word: string): [string, string | undefined] {
  const split = word.startsWith('--') ? word.indexOf('=') : -1;
  return split < 0 ? [word, undefined] : [word.slice(0, split), word.slice(split + 1)];
}

/** As commander names it: `--keep-going` is `keepGoing`. */
const nameOf = (flag: string) =>
  flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
