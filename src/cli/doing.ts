/**
 * What commands about sessions have in common: which session, who speaks, and telling what was done.
 */
import type { Command } from 'commander';
import type { Done, PersonalCommand } from '../api/people-routes.ts';
import type { Frame } from './frame.ts';
import { visible } from './output.ts';
import { parseLength, parseMoment } from './time-words.ts';

export interface Meant {
  readonly session?: string;
  readonly as?: string;
}

/** Gives a command the options that say which session is meant and who speaks. */
export function aboutSession(command: Command): Command {
  return command.option(
    '-s, --session <session>',
    'id or topic; otherwise the latest that is open here',
  );
}

export function spokenBy(command: Command): Command {
  return aboutSession(command).option(
    '--as <participant>',
    'who speaks; otherwise the person of this machine',
  );
}

/** Asks for one change and tells what came of it. */
export async function change(
  frame: Frame,
  { session, as }: Meant,
  command: PersonalCommand,
): Promise<void> {
  const client = await frame.client();
  const done = await client.call('session.do', {
    ...(session === undefined ? {} : { session }),
    ...(as === undefined ? {} : { as }),
    command,
  });
  await tell(frame, done);
}

/** Prints what was done, and the lines to be sent on. */
export async function tell(frame: Frame, done: Done): Promise<void> {
  await frame.print({
    results: [done],
    text: (paint) => {
      const told = done.told.length > 0 ? done.told : ['Nothing to change.'];
      const lines = done.lines.flatMap(({ about, line }) => [
        '',
        paint('dim', visible(about)),
        line,
      ]);
      return [...told.map(visible), ...lines].join('\n');
    },
  });
}

export interface TimeOptions {
  readonly for?: string;
  readonly from?: string;
  readonly until?: string;
}

export function withTime(command: Command): Command {
  return command
    .option('--for <length>', 'how long, such as 2h or 90m')
    .option('--from <moment>', 'from when, such as 18:30 (otherwise now)')
    .option('--until <moment>', 'until when, such as 20:00 or 2026-03-01T20:00');
}

export function timeOf(options: TimeOptions): { from?: number; until?: number; forMs?: number } {
  const now = Date.now();
  return {
    ...(options.from === undefined ? {} : { from: parseMoment(options.from, now) }),
    ...(options.until === undefined ? {} : { until: parseMoment(options.until, now) }),
    ...(options.for === undefined ? {} : { forMs: parseLength(options.for) }),
  };
}

/** An object without the keys whose value is undefined, as the contract wants it. */
export function given<Value extends object>(
  value: Value,
): {
  [Key in keyof Value]: Exclude<Value[Key], undefined>;
} {
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined),
  ) as ReturnType<typeof given<Value>>;
}
