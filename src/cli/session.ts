/**
 * `roomtape session create`, `list`, `show`, `close`.
 */
import type { Command } from 'commander';
import type { SessionSummary } from '../api/people-routes.ts';
import { RoomtapeError } from '../errors.ts';
import { aboutSession, change, given, tell } from './doing.ts';
import type { Frame } from './frame.ts';
import { moment, visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const session = program
    .command('session')
    .description('Sessions: the meetings with their rooms.');
  session
    .command('create')
    .description('Creates a session with a main room and breakout rooms; you are its host.')
    .argument('<topic>', 'what it is about')
    .option('--room <name...>', 'names of breakout rooms, from room 1')
    .option('--rooms <count>', 'how many breakout rooms (up to 100)')
    .option('--host <name>', 'the name by which the others know you')
    .option('--policy <policy>', 'what happens to requests: ask, auto-grant, auto-deny')
    .action((topic: string, options: CreateOptions) => create(frame, topic, options));
  session
    .command('list')
    .description('Lists the sessions of this machine.')
    .option('-a, --all', 'closed ones too')
    .action((options: { all?: boolean }) => list(frame, options.all === true));
  session
    .command('show')
    .description('Shows one session: who hosts it, its rooms, what is recorded.')
    .argument('[session]', 'id or topic; otherwise the latest that is open')
    .action((which?: string) => show(frame, which));
  session
    .command('invite')
    .description('Prints the line by which others join, and what is withdrawn.')
    .argument('[session]', 'id or topic; otherwise the latest that is open')
    .action((which?: string) => invite(frame, which));
  aboutSession(
    session
      .command('close')
      .description('Closes a session: nobody may record in it any more.')
      .argument('[session]', 'id or topic; otherwise the latest that is open'),
  ).action((which: string | undefined, options: { session?: string }) =>
    change(frame, given({ session: which ?? options.session }), { type: 'close-session' }),
  );
}

interface CreateOptions {
  readonly room?: string[];
  readonly rooms?: string;
  readonly host?: string;
  readonly policy?: string;
}

async function create(frame: Frame, topic: string, options: CreateOptions): Promise<void> {
  if (topic.trim() === '') {
    throw new RoomtapeError('usage', 'A session needs a topic.', {
      next: 'roomtape session create Seminar',
    });
  }
  const names = options.room ?? [];
  const count = options.rooms === undefined ? names.length : Number(options.rooms);
  if (!Number.isInteger(count) || count < 0 || count > 100) {
    throw new RoomtapeError('usage', 'A session has 0 to 100 breakout rooms.', {
      next: `roomtape session create ${JSON.stringify(topic)} --rooms 3`,
    });
  }
  const rooms = Array.from({ length: Math.max(count, names.length) }, (_, at) => names[at] ?? '');
  const client = await frame.client();
  const policy = parsePolicy(options.policy);
  const { host: hostName } = options;
  await tell(frame, await client.call('session.create', given({ topic, hostName, rooms, policy })));
}

export function parsePolicy(text: string | undefined): SessionSummary['policy'] | undefined {
  if (text === undefined || text === 'ask' || text === 'auto-grant' || text === 'auto-deny') {
    return text;
  }
  throw new RoomtapeError('usage', `${JSON.stringify(text)} is no policy.`, {
    next: 'choose ask, auto-grant or auto-deny',
  });
}

async function list(frame: Frame, closed: boolean): Promise<void> {
  const client = await frame.client();
  const sessions = await client.call('session.list', { closed });
  await frame.print({
    results: sessions,
    empty: 'No session is open here. Create one: roomtape session create TOPIC',
    columns: [
      { title: 'ID', cell: ({ id }) => id.slice(0, 9), value: ({ id }) => id },
      { title: 'TOPIC', cell: ({ topic }) => topic },
      { title: 'HOST', cell: ({ host }) => host },
      { title: 'ROOMS', cell: ({ rooms }) => String(rooms), align: 'right' },
      { title: 'PEOPLE', cell: ({ participants }) => String(participants), align: 'right' },
      { title: 'RECORDING', cell: ({ recording }) => String(recording), align: 'right' },
      { title: 'REQUESTS', cell: ({ openRequests }) => String(openRequests), align: 'right' },
      {
        title: 'CREATED',
        cell: ({ createdAt }) => moment(createdAt),
        value: ({ createdAt }) => createdAt,
      },
      {
        title: 'CLOSED',
        cell: ({ closedAt }) => (closedAt === null ? '' : moment(closedAt)),
        value: ({ closedAt }) => closedAt,
      },
    ],
  });
}

async function show(frame: Frame, which: string | undefined): Promise<void> {
  const client = await frame.client();
  const { session, rooms } = await client.call('session.board', given({ session: which }));
  const grants = await client.call('session.grants', { session: session.id });
  await frame.print({
    results: [{ ...session, roomList: rooms.map(({ people, ...room }) => room), grants }],
    text: (paint) => {
      const place = session.home === 'here' ? 'kept here' : 'kept on the host’s machine';
      const facts = [
        `${paint('bold', visible(session.topic))}  ${session.id}`,
        `host          ${visible(session.host)} (${place})`,
        `host's key    ${session.hostFingerprint ?? 'none'}`,
        `you           ${visible(session.self)}`,
        `rooms         ${session.rooms} breakout rooms, ${session.participants} people`,
        `requests      ${session.policy}, ${session.openRequests} open`,
        `recording     ${session.recording}`,
      ];
      const given = grants.map(
        (grant) =>
          `  ${grant.id.slice(0, 11)}  ${visible(grant.participant ?? 'everybody')}  ` +
          `${visible(grant.rooms)}  ${grant.state} until ${moment(grant.until)}`,
      );
      return [...facts, ...(given.length > 0 ? ['grants', ...given] : [])].join('\n');
    },
  });
}

async function invite(frame: Frame, which: string | undefined): Promise<void> {
  const client = await frame.client();
  const session = given({ session: which });
  const invitation = await client.call('line.invitation', session);
  const lines = [...invitation, ...(await client.call('line.revocations', session))];
  await frame.print({
    results: lines,
    text: (paint) =>
      lines.map(({ about, line }) => `${paint('dim', visible(about))}\n${line}`).join('\n\n'),
  });
}
