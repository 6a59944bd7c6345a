/**
 * `roomtape grant`, `revoke`, `policy`, `request`, `requests`, `approve`, `deny`, `cohost`.
 */
import type { Command } from 'commander';
import { RoomtapeError } from '../errors.ts';
import {
  change,
  given,
  type Meant,
  spokenBy,
  type TimeOptions,
  tell,
  timeOf,
  withTime,
} from './doing.ts';
import type { Frame } from './frame.ts';
import { moment } from './output.ts';
import { parsePolicy } from './session.ts';
import { parseLength } from './time-words.ts';

export function defineCommands(program: Command, frame: Frame): void {
  defineGrants(program, frame);
  defineRequests(program, frame);
  defineCohosts(program, frame);
}

interface GrantOptions extends Meant, TimeOptions {
  readonly all?: boolean;
  readonly room?: string[];
}

function defineGrants(program: Command, frame: Frame): void {
  withTime(
    spokenBy(
      program.command('grant').description('Lets a participant record (4 hours unless said).'),
    )
      .argument('[participant]', 'name, email or id')
      .option('--all', 'everybody')
      .option('--room <room...>', 'numbers or names; all for every room'),
  ).action((who: string | undefined, options: GrantOptions) => {
    if ((who === undefined) === (options.all !== true)) {
      throw new RoomtapeError('usage', 'Say who may record, or --all.', {
        next: 'roomtape grant PARTICIPANT --room 2 --for 2h',
      });
    }
    if (!options.room) {
      throw new RoomtapeError('usage', 'Say in which room, or --room all.', {
        next: `roomtape grant ${who ?? '--all'} --room 2 --for 2h`,
      });
    }
    const rooms = options.room.includes('all') ? ('all' as const) : options.room;
    return change(frame, options, {
      type: 'grant',
      rooms,
      ...given({ to: who }),
      ...timeOf(options),
    });
  });
  spokenBy(program.command('revoke').description('Withdraws permission; recordings under it end.'))
    .argument('[participant]', 'name, email, or the id of one grant')
    .option('--all', 'every grant there is')
    .option('--room <room>', 'only grants that cover this room')
    .action((who: string | undefined, options: Meant & { all?: boolean; room?: string }) => {
      const whose = who?.startsWith('grant_') ? { grant: who } : { participant: who };
      const { all, room } = options;
      return change(frame, options, { type: 'revoke', ...given({ ...whose, all, room }) });
    });
  spokenBy(program.command('policy').description('Says what happens to requests.'))
    .argument('<policy>', 'ask, auto-grant or auto-deny')
    .option('--room <room>', 'for this room only')
    .action((text: string, options: Meant & { room?: string }) =>
      change(frame, options, {
        type: 'set-policy',
        policy: parsePolicy(text) ?? 'ask',
        ...given({ room: options.room }),
      }),
    );
}

function defineRequests(program: Command, frame: Frame): void {
  spokenBy(program.command('request').description('Asks the host for permission to record.'))
    .option('--room <room>', 'number or name; otherwise the room you are in')
    .option('--reason <text>', 'why')
    .action((options: Meant & { room?: string; reason?: string }) => {
      const { room, reason } = options;
      return change(frame, options, { type: 'request', ...given({ room, reason }) });
    });
  spokenBy(program.command('requests').description('Lists the open requests.'))
    .option('-a, --all', 'answered ones too')
    .action((options: Meant & { all?: boolean }) => listRequests(frame, options));
  withTime(
    spokenBy(
      program
        .command('approve')
        .description('Grants a request, or approves a recording made without permission.'),
    )
      .argument('[request]', 'its id, the participant’s name, or their line')
      .option('--recording <id>', 'approve this recording'),
  ).action((which: string | undefined, options: Meant & TimeOptions & { recording?: string }) => {
    const { recording } = options;
    if ((which === undefined) === (recording === undefined)) {
      throw new RoomtapeError('usage', 'Say which request, or --recording.', {
        next: 'roomtape requests',
      });
    }
    if (recording !== undefined)
      return change(frame, options, { type: 'approve-recording', recording });
    return answer(frame, options, which ?? '', 'granted');
  });
  spokenBy(program.command('deny').description('Denies a request.'))
    .argument('<request>', 'its id, the participant’s name, or their line')
    .action((which: string, options: Meant) => answer(frame, options, which, 'denied'));
}

async function answer(
  frame: Frame,
  options: Meant & TimeOptions,
  which: string,
  verdict: 'granted' | 'denied',
): Promise<void> {
  if (which.includes('rt1.')) {
    const client = await frame.client();
    const meant = given({ session: options.session, as: options.as });
    const input = { text: which, answer: verdict, ...meant, ...timeOf(options) };
    return tell(frame, await client.call('line.answer', input));
  }
  return change(frame, options, {
    type: 'answer',
    request: which,
    answer: verdict,
    ...timeOf(options),
  });
}

async function listRequests(frame: Frame, options: Meant & { all?: boolean }): Promise<void> {
  const client = await frame.client();
  const { session, all } = options;
  const requests = await client.call('session.requests', given({ session, all }));
  await frame.print({
    results: requests,
    empty: 'No request is open.',
    columns: [
      { title: 'ID', cell: ({ id }) => id.slice(0, 9), value: ({ id }) => id },
      { title: 'PARTICIPANT', cell: ({ participant }) => participant },
      {
        title: 'ROOM',
        cell: ({ room, roomName }) => `${room} ${roomName}`,
        value: ({ room }) => room,
      },
      { title: 'ASKED', cell: ({ at }) => moment(at), value: ({ at }) => at },
      { title: 'REASON', cell: ({ reason }) => reason ?? '' },
      { title: 'ANSWER', cell: ({ answer: given }) => given ?? '' },
    ],
  });
}

interface CohostOptions extends Meant, TimeOptions {
  readonly room?: string[];
  readonly longest?: string;
}

function defineCohosts(program: Command, frame: Frame): void {
  const cohost = program
    .command('cohost')
    .description('Co-hosts: they record, and grant within bounds.');
  withTime(
    spokenBy(cohost.command('add').description('Makes a participant co-host.'))
      .argument('<participant>', 'name, email or id')
      .option('--room <room...>', 'only for these rooms')
      .option('--longest <length>', 'the longest grant they may give, such as 1h'),
  ).action((who: string, options: CohostOptions) => {
    const { room, longest } = options;
    const longestGrantMs = longest === undefined ? undefined : parseLength(longest);
    const rooms = room === undefined || room.includes('all') ? ('all' as const) : room;
    return change(frame, options, {
      type: 'name-cohost',
      participant: who,
      rooms,
      ...given({ longestGrantMs }),
      ...timeOf(options),
    });
  });
  spokenBy(cohost.command('remove').description('Makes a co-host a participant again.'))
    .argument('<participant>', 'name, email or id')
    .action((who: string, options: Meant) =>
      change(frame, options, { type: 'remove-cohost', participant: who }),
    );
  spokenBy(cohost.command('list').description('Lists the co-hosts.')).action(
    async ({ session }: Meant) => {
      const client = await frame.client();
      const cohosts = await client.call('session.cohosts', given({ session }));
      await frame.print({
        results: cohosts,
        empty: 'There are no co-hosts.',
        columns: [
          { title: 'PARTICIPANT', cell: ({ participant }) => participant },
          { title: 'ROOMS', cell: ({ rooms }) => rooms },
          { title: 'UNTIL', cell: ({ until }) => moment(until), value: ({ until }) => until },
          { title: 'IN FORCE', cell: ({ inForce }) => (inForce ? 'yes' : 'no') },
        ],
      });
    },
  );
}
