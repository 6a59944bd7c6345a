/**
 * `roomtape room …`, and the board that `room show` prints.
 */
import type { Command } from 'commander';
import type { BoardView, PersonalCommand } from '../api/people-routes.ts';
import { RoomtapeError } from '../errors.ts';
import { change, given, type Meant, spokenBy } from './doing.ts';
import type { Frame } from './frame.ts';
import { duration, moment, type Paint, type Style, visible } from './output.ts';
import { parseLength } from './time-words.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const room = program.command('room').description('Breakout rooms of a session.');
  const act = (meant: Meant, command: PersonalCommand) => change(frame, meant, command);
  spokenBy(room.command('add').description('Adds breakout rooms.'))
    .argument('<name...>', 'up to 32 characters each')
    .action((names: string[], options: Meant) => act(options, { type: 'add-rooms', names }));
  spokenBy(room.command('rename').description('Gives a room another name.'))
    .argument('<room>', 'number or name')
    .argument('<name>', 'up to 32 characters')
    .action((which: string, name: string, options: Meant) =>
      act(options, { type: 'rename-room', room: which, name }),
    );
  spokenBy(
    room.command('remove').description('Removes a room; who is in it goes to the main room.'),
  )
    .argument('<room>', 'number or name')
    .action((which: string, options: Meant) => act(options, { type: 'remove-room', room: which }));
  spokenBy(
    room
      .command('recreate')
      .description('Makes a room anew under its number; grants for the old one do not cover it.'),
  )
    .argument('<room>', 'number or name')
    .action((which: string, options: Meant) =>
      act(options, { type: 'recreate-room', room: which }),
    );
  for (const [word, type, summary] of [
    ['open', 'open-rooms', 'Opens breakout rooms, all unless some are named.'],
    ['close', 'close-rooms', 'Closes breakout rooms: recordings in them end.'],
  ] as const) {
    spokenBy(room.command(word).description(summary))
      .argument('[room...]', 'numbers or names')
      .option('--countdown <length>', 'warn so long before they close, such as 60s')
      .option('--after <length>', 'begin to close after this time, such as 20m')
      .action((rooms: string[], options: Meant & { countdown?: string; after?: string }) =>
        act(options, {
          type,
          ...given({
            rooms: rooms.length > 0 ? rooms : undefined,
            countdownMs:
              options.countdown === undefined ? undefined : parseLength(options.countdown),
            afterMs: options.after === undefined ? undefined : parseLength(options.after),
          }),
        }),
      );
  }
  spokenBy(
    room.command('assign').description('Assigns participants to a room, or all by themselves.'),
  )
    .argument('[participant...]', 'who')
    .option('--room <room>', 'where to; without it they become unassigned')
    .option('--auto <how>', 'everybody unassigned: evenly, or random')
    .option('--random', 'the same as --auto random')
    .action((participants: string[], options: Meant & AssignOptions) =>
      act(options, assignment(participants, options)),
    );
  spokenBy(room.command('show').description('Shows each room, its people, and who records.'))
    .argument('[room]', 'only this one')
    .action((which: string | undefined, options: Meant) => show(frame, options, which));
}

interface AssignOptions {
  readonly room?: string;
  readonly auto?: string;
  readonly random?: boolean;
}

function assignment(participants: string[], options: AssignOptions): PersonalCommand {
  const how = options.random ? 'random' : options.auto;
  if (how !== undefined && participants.length === 0) {
    if (how === 'evenly' || how === 'random') return { type: 'assign-all', how };
    throw new RoomtapeError('usage', `${JSON.stringify(how)} is no way to assign.`, {
      next: 'roomtape room assign --auto evenly',
    });
  }
  if (participants.length === 0 || how !== undefined) {
    throw new RoomtapeError('usage', 'Say whom to assign, or --auto.', {
      next: 'roomtape room assign ada --room 2, or roomtape room assign --auto evenly',
    });
  }
  return { type: 'assign', participants, ...given({ room: options.room }) };
}

async function show(frame: Frame, { session }: Meant, which: string | undefined): Promise<void> {
  const client = await frame.client();
  const view = await client.call('session.board', given({ session }));
  const wanted = which?.trim().toLowerCase();
  const rooms = view.rooms.filter(
    ({ number, name }) =>
      wanted === undefined ||
      wanted === String(number) ||
      wanted === name.toLowerCase() ||
      (wanted === 'main' && number === 0),
  );
  if (rooms.length === 0) {
    throw new RoomtapeError('unknown-id', `“${view.session.topic}” has no room “${which}”.`, {
      next: 'roomtape room show',
    });
  }
  await frame.print({
    results: rooms,
    more: { session: view.session },
    text: (paint) => boardText({ ...view, rooms }, paint),
  });
}

const stateStyle: Readonly<Record<string, Style>> = {
  recording: 'red',
  paused: 'yellow',
  interrupted: 'yellow',
  stopped: 'dim',
};

function boardText({ session, rooms }: BoardView, paint: Paint): string {
  const lines = [`${paint('bold', visible(session.topic))}, host ${visible(session.host)}`];
  for (const room of rooms) {
    const title = room.number === 0 ? room.name : `${room.number}  ${room.name}`;
    const closing = room.closesAt === undefined ? '' : ` at ${moment(room.closesAt)}`;
    const phase = room.phase === 'unopened' || room.number === 0 ? '' : `  ${room.phase}${closing}`;
    lines.push('', `${paint('bold', visible(title))}${paint('dim', phase)}`);
    if (room.people.length === 0) lines.push(paint('dim', '   nobody'));
    for (const person of room.people) {
      const { recording } = person;
      const role = person.role === 'participant' ? '' : ` (${person.role})`;
      const there = person.assignment === 'assigned' && !person.present ? ' assigned' : '';
      const may = person.mayRecord ? paint('green', 'may record') : paint('dim', 'may not record');
      const flag =
        recording && (recording.permission === 'unpermitted' || recording.flags.length > 0)
          ? paint('red', '  WITHOUT PERMISSION')
          : '';
      const doing = recording
        ? `  ${paint(stateStyle[recording.state] ?? 'dim', recording.state)} ${duration(recording.recordedMs)}${flag}`
        : '';
      lines.push(`   ${visible(person.name)}${role}${there}  ${may}${doing}`);
    }
  }
  return lines.join('\n');
}
