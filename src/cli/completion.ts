/**
 * `roomtape completion bash|zsh|fish|powershell`: what the Tab key offers, made from the commands
 * themselves.
 *
 * The scripts hold the whole tree, so that Tab answers at once and starts no Node.
 */
import type { Command } from 'commander';
import { RoomtapeError } from '../errors.ts';
import type { CommandGroup, DefineCommands } from './command-table.ts';
import type { Frame } from './frame.ts';

/** One place on the command line: what may follow there. */
export interface CompletionNode {
  /** The words so far, each with a slash before it: `` for `roomtape`, `/session/create`. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly help: string }[];
}

const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;
type Shell = (typeof shells)[number];

const howTo: Readonly<Record<Shell, string>> = {
  bash: 'eval "$(roomtape completion bash)"   in ~/.bashrc',
  zsh: 'eval "$(roomtape completion zsh)"   in ~/.zshrc, after compinit',
  fish: 'roomtape completion fish > ~/.config/fish/completions/roomtape.fish',
  powershell: 'roomtape completion powershell | Out-String | Invoke-Expression   in $PROFILE',
};

/** The command itself, for the table of which it prints the words. */
export function completionOf(groups: () => readonly CommandGroup[]): DefineCommands {
  return (program, frame) => defineCompletion(program, frame, groups);
}

function defineCompletion(
  program: Command,
  frame: Frame,
  groups: () => readonly CommandGroup[],
): void {
  program
    .command('completion')
    .description('Prints a script that completes commands and options on Tab.')
    .argument('<shell>', shells.join(', '))
    .addHelpText('after', `\n${Object.values(howTo).join('\n')}`)
    .action(async (name: string) => {
      const shell = shells.find((known) => known === name);
      if (!shell) {
        throw new RoomtapeError('usage', `There is no completion for ${JSON.stringify(name)}.`, {
          next: 'roomtape completion bash',
        });
      }
      const script = completionScript(shell, await completionTree(program, frame, groups()));
      await frame.print({ results: [{ shell, script }], text: () => script });
      if (process.stdout.isTTY && !frame.json) frame.note(`\nTo use it: ${howTo[shell]}`);
    });
}

/** Loads every command and lists what may follow each. */
async function completionTree(
  program: Command,
  frame: Frame,
  groups: readonly CommandGroup[],
): Promise<CompletionNode[]> {
  const nodes: CompletionNode[] = [];
  const first = groups.flatMap((group) => group.entries);
  nodes.push({ path: '', words: first.map(({ word, summary }) => ({ word, help: summary })) });
  const seen = new Set<string>();
  for (const { load } of first) {
    const { defineCommands: define } = await load();
    const blank = program.createCommand('roomtape');
    define(blank, frame);
    // A file defines all its words each time it is asked, once for each of its lines in the table.
    for (const command of blank.commands.filter((one) => !seen.has(one.name()))) {
      seen.add(command.name());
      nodes.push(...nodesBelow(command, ''));
    }
  }
  return nodes;
}

function nodesBelow(command: Command, parent: string): CompletionNode[] {
  const path = `${parent}/${command.name()}`;
  const children = command.commands.map((child) => ({
    word: child.name(),
    help: child.description(),
  }));
  const own = command.options.flatMap((option) =>
    option.long ? [{ word: option.long, help: option.description }] : [],
  );
  const shared = children.length > 0 ? [] : sharedOptions;
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const words = [
    ...children,
    ...choices.map((word) => ({ word, help: '' })),
    ...own,
    ...shared.filter(({ word }) => !own.some((option) => option.word === word)),
  ];
  return [{ path, words }, ...command.commands.flatMap((child) => nodesBelow(child, path))];
}

const sharedOptions = [
  { word: '--json', help: 'print one JSON document for programs' },
  { word: '--no-start', help: 'do not start the daemon if it is down' },
  { word: '--help', help: 'explain the command' },
];

/** The script for one shell. Words that no shell quotes are taken as given; help is quoted. */
export function completionScript(shell: Shell, nodes: readonly CompletionNode[]): string {
  const make = { bash: bashScript, zsh: zshScript, fish: fishScript, powershell: powershellScript };
  return make[shell](nodes);
}

/** `/session/create` below `/session`: what a word must be for the path to grow by it. */
function inner(nodes: readonly CompletionNode[]): string[] {
  return nodes.map(({ path }) => path).filter((path) => path !== '');
}

function bashScript(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map(
    ({ path, words }) => `    '${path}') words='${words.map(({ word }) => word).join(' ')}' ;;`,
  );
  return `# roomtape completion for bash
_roomtape() {
  local path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path/$word" in
      ${inner(nodes).join('|')}) path="$path/$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _roomtape roomtape
`;
}

function zshScript(nodes: readonly CompletionNode[]): string {
  const described = (word: string, help: string) =>
    `'${word}:${plain(help).replaceAll(':', '\\:')}'`;
  const cases = nodes.map(
    ({ path, words }) =>
      `    '${path}') offers=(${words.map(({ word, help }) => described(word, help)).join(' ')}) ;;`,
  );
  return `#compdef roomtape
# roomtape completion for zsh
_roomtape() {
  local place='' word
  local -a offers
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place/$word" in
      ${inner(nodes).join('|')}) place="$place/$word" ;;
    esac
  done
  case "$place" in
${cases.join('\n')}
  esac
  _describe 'roomtape' offers || _files
}
compdef _roomtape roomtape
`;
}

function fishScript(nodes: readonly CompletionNode[]): string {
  const isGroup = (path: string) => nodes.some((node) => node.path.startsWith(`${path}/`));
  // Where a command must follow, files are no answer.
  const groups = nodes.filter(({ path }) => isGroup(path));
  const noFiles = groups.map(({ path }) => `complete -c roomtape -n "__roomtape_at '${path}'" -f`);
  const lines = nodes.flatMap(({ path, words }) =>
    words.map(({ word, help }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c roomtape -n "__roomtape_at '${path}'" ${what} -d '${plain(help)}'`;
    }),
  );
  return `# roomtape completion for fish
function __roomtape_at
  set -l place ''
  for word in (commandline -opc)[2..-1]
    switch "$place/$word"
      case ${inner(nodes)
        .map((path) => `'${path}'`)
        .join(' ')}
        set place "$place/$word"
    end
  end
  test "$place" = "$argv[1]"
end
${[...noFiles, ...lines].join('\n')}
`;
}

function powershellScript(nodes: readonly CompletionNode[]): string {
  const rows = nodes.map(({ path, words }) => {
    const offers = words.map(({ word, help }) => `@('${word}','${plain(help) || word}')`);
    return `    '${path}' = @(${offers.map((offer) => `,${offer}`).join('; ')})`;
  });
  return `# roomtape completion for PowerShell
Register-ArgumentCompleter -Native -CommandName roomtape -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $tree = @{
${rows.join('\n')}
  }
  $place = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    if ($tree.ContainsKey("$place/$element")) { $place = "$place/$element" }
  }
  $tree[$place] | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1])
  }
}
`;
}

/** Help as one line without what any of the shells would take for its own. */
function plain(help: string): string {
  return help
    .replaceAll(/['’"`$\\]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
