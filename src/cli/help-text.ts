/**
 * What `roomtape --help` prints, from the command table: no command's code is loaded for it.
 */
import { commandGroups } from './command-table.ts';

export const exitCodeHelp =
  'Exit codes: 0 done or already whole · 1 failed · 2 wrong usage · 3 no daemon ·\n' +
  '            4 not permitted · 5 damage left or beyond repair';

export function helpForAll(): string {
  const lines = [
    'Keeps the recordings of breakout sessions from getting lost.',
    '',
    'Usage: roomtape COMMAND [options]',
  ];
  for (const group of commandGroups) {
    if (group.entries.length === 0) continue;
    lines.push('', group.title);
    for (const { word, summary } of group.entries) lines.push(`  ${word.padEnd(13)} ${summary}`);
  }
  lines.push('', 'roomtape COMMAND --help explains one command.', exitCodeHelp, '');
  return lines.join('\n');
}
