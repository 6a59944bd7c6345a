/**
 * `roomtape accept`: takes what signed lines say, from the command line, a file or stdin.
 */
import type { Command } from 'commander';
import type { AcceptedLine } from '../api/line-routes.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { given } from './doing.ts';
import type { Frame } from './frame.ts';
import { type Paint, visible } from './output.ts';
import { readSmallFile } from './participant.ts';

const largestText = 1_500_000;

export interface AcceptOptions {
  readonly name?: string;
  readonly trustNewKey?: boolean;
}

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('accept')
    .description('Takes what signed lines say: invitations, grants, requests, revocations, rooms.')
    .argument('[line...]', 'lines, with any words around them; - or nothing reads stdin')
    .option('--file <file>', 'a text file with lines in it')
    .option('--name <name>', 'for an invitation: the name by which the others know you')
    .action(async (lines: string[], options: AcceptOptions & { file?: string }) => {
      const { file, ...rest } = options;
      await acceptText(frame, await textFrom(lines, file), given({ name: rest.name }));
    });
}

async function textFrom(lines: readonly string[], file: string | undefined): Promise<string> {
  if (file !== undefined) return readSmallFile(file, largestText);
  const spoken = lines.join(' ');
  if (spoken !== '' && spoken !== '-') return spoken;
  if (process.stdin.isTTY && spoken === '') {
    throw new RoomtapeError('usage', 'Give the line, or text that holds it.', {
      next: 'roomtape accept LINE',
    });
  }
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > largestText) {
      throw new RoomtapeError('too-large', `This is more than ${largestText} characters.`, {
        next: 'give only the lines',
      });
    }
  }
  return text;
}

/** Accepts every line in a text and says what became of each; exit code 4 if any was refused. */
export async function acceptText(
  frame: Frame,
  text: string,
  options: AcceptOptions,
): Promise<void> {
  const client = await frame.client();
  const accepted = await client.call('line.accept', { text, ...options });
  const [first] = accepted;
  const refused = accepted.filter((one) => !one.accepted);
  if (first && refused.length === accepted.length && accepted.length === 1 && !frame.json) {
    const next = first.next ?? 'roomtape session show';
    throw new RoomtapeError('line-refused', first.problem ?? 'The line was refused.', { next });
  }
  if (refused.length > 0) frame.exitCode = exitCodes.notPermitted;
  await frame.print({
    results: accepted,
    text: (paint) => accepted.map((one) => told(one, paint)).join('\n'),
  });
}

function told(one: AcceptedLine, paint: Paint): string {
  if (!one.accepted) {
    const next = one.next === null ? '' : `\n  next: ${visible(one.next)}`;
    return `${paint('red', `refused (${one.kind})`)}: ${visible(one.problem ?? '')}${next}`;
  }
  const lines = one.lines.flatMap(({ about, line }) => ['', paint('dim', visible(about)), line]);
  const said = one.told.length > 0 ? one.told : ['Nothing new.'];
  return [`${paint('green', one.kind)}: ${said.map(visible).join(' ')}`, ...lines].join('\n');
}
