/**
 * `roomtape join`, `leave`, `record`, `pause`, `resume`, `stop`: what a participant does and says.
 */
import type { Command } from 'commander';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { quoted } from '../system/files.ts';
import { change, given, type Meant, spokenBy } from './doing.ts';
import type { Frame } from './frame.ts';
import { acceptText } from './line.ts';
import { visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  spokenBy(
    program.command('join').description('Joins a session by the host’s line, or goes to a room.'),
  )
    .argument('[line]', 'the host’s invitation (rt1.…)')
    .option('--name <name>', 'with a line: the name by which the others know you')
    .option('--trust-new-key', 'with a line: the host has a new key, compared by voice')
    .option('--room <room>', 'the room you go to; otherwise the one you are assigned to')
    .action((line: string | undefined, options: JoinOptions) => join(frame, line, options));
  spokenBy(
    program.command('leave').description('Leaves the room, or from the main room the session.'),
  )
    .option('--meeting', 'leave the session altogether')
    .action((options: Meant & { meeting?: boolean }) =>
      change(frame, options, { type: 'leave', ...given({ meeting: options.meeting }) }),
    );
  spokenBy(program.command('record').description('Starts recording, or says that you do.'))
    .option('--room <room>', 'number or name; otherwise the room you are in')
    .option(
      '--recorder <recorder>',
      'which recorder; manual: you click it yourself, Roomtape only notes it',
    )
    .option('--continue', 'go on with the recording that was interrupted')
    .action(async (options: Meant & { room?: string; recorder?: string; continue?: boolean }) => {
      const { room, recorder } = options;
      if (options.continue) return change(frame, options, { type: 'continue' });
      // Other people's recorders are at other machines.
      if (options.as === undefined) {
        const { warnBeforeRecording } = await import('./recorder.ts');
        await warnBeforeRecording(frame, given({ room, recorder }));
      }
      return change(frame, options, { type: 'record', ...given({ room, recorder }) });
    });
  for (const [word, summary] of [
    ['pause', 'Pauses your recording.'],
    ['resume', 'Goes on with your paused recording.'],
    ['stop', 'Stops your recording.'],
  ] as const) {
    spokenBy(program.command(word).description(summary))
      .argument('[recording]', 'its id, where you have several')
      .action((recording: string | undefined, options: Meant) =>
        change(frame, options, { type: word, ...given({ recording }) }),
      );
  }
}

interface JoinOptions extends Meant {
  readonly name?: string;
  readonly room?: string;
  readonly trustNewKey?: boolean;
}

/** `join 1` or `join "Blue whales"`: a room, said where the line belongs. */
function assertLine(text: string): void {
  if (text.includes('rt1.') || text.length > 100) return;
  const problem = `“${visible(text)}” is no line of Roomtape: that begins with rt1. A room is given with --room.`;
  throw new RoomtapeError('usage', problem, { next: `roomtape join --room ${quoted(text)}` });
}

async function join(frame: Frame, line: string | undefined, options: JoinOptions): Promise<void> {
  if (line !== undefined) {
    assertLine(line);
    const { name, trustNewKey } = options;
    await acceptText(frame, line, given({ name, trustNewKey }));
    if (options.room === undefined || frame.exitCode !== exitCodes.done) return;
  }
  return change(frame, options, { type: 'enter', ...given({ room: options.room }) });
}
