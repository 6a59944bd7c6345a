/**
 * `roomtape participant …`, `move`, `exchange`, `import`: who takes part, and where.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { RoomtapeError } from '../errors.ts';
import { change, given, type Meant, spokenBy } from './doing.ts';
import type { Frame } from './frame.ts';
import { visible } from './output.ts';

/** A pre-assignment file of 1,000 people is 60 kB. */
const largestImport = 1_000_000;

export function defineCommands(program: Command, frame: Frame): void {
  const participant = program.command('participant').description('People of a session.');
  spokenBy(participant.command('add').description('Adds participants.'))
    .argument('<name...>', 'the names by which they are known')
    .option('--email <email>', 'for one participant: the address in pre-assignment files')
    .option('--key <key>', 'for one participant: their public key (roomtape identity show)')
    .action((names: string[], options: Meant & { email?: string; key?: string }) => {
      const { email, key } = options;
      const participants = names.map((name) => ({ name, ...given({ email, key }) }));
      return change(frame, options, { type: 'add-participants', participants });
    });
  spokenBy(participant.command('remove').description('Removes a participant.'))
    .argument('<participant>', 'name, email or id')
    .action((who: string, options: Meant) =>
      change(frame, options, { type: 'remove-participant', participant: who }),
    );
  spokenBy(
    participant
      .command('rekey')
      .description('Pins another key for a participant, after comparing fingerprints by voice.'),
  )
    .argument('<participant>', 'name, email or id')
    .argument('<key>', 'their public key (roomtape identity show)')
    .action((who: string, key: string, options: Meant) =>
      change(frame, options, { type: 'pin-key', participant: who, key, replace: true }),
    );
  spokenBy(participant.command('list').description('Lists the people of a session.')).action(
    (options: Meant) => list(frame, options),
  );
  spokenBy(program.command('move').description('Moves a participant to another room.'))
    .argument('<participant>', 'name, email or id')
    .argument('<room>', 'number or name; main for the main room')
    .action((who: string, room: string, options: Meant) =>
      change(frame, options, { type: 'move', participant: who, room }),
    );
  spokenBy(program.command('exchange').description('Exchanges the rooms of two participants.'))
    .argument('<one>', 'name, email or id')
    .argument('<other>', 'name, email or id')
    .action((one: string, other: string, options: Meant) =>
      change(frame, options, { type: 'exchange', one, other }),
    );
  spokenBy(program.command('import').description("Imports Zoom's pre-assignment file (CSV)."))
    .argument('<file>', 'with the columns Pre-assign Room Name and Email Address')
    .action((file: string, options: Meant) => importFile(frame, options, file));
}

async function list(frame: Frame, { session }: Meant): Promise<void> {
  const client = await frame.client();
  const people = await client.call('session.people', given({ session }));
  await frame.print({
    results: people,
    columns: [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'ROLE', cell: ({ role }) => role },
      { title: 'ASSIGNMENT', cell: ({ assignment }) => assignment },
      { title: 'ROOM', cell: ({ room }) => room ?? '' },
      {
        title: 'MAY RECORD IN',
        cell: ({ mayRecordIn }) => spokenNumbers(mayRecordIn),
        value: ({ mayRecordIn }) => mayRecordIn.join(','),
      },
      { title: 'KEY', cell: ({ fingerprint }) => fingerprint ?? '' },
    ],
  });
}

function spokenNumbers(numbers: readonly number[]): string {
  if (numbers.length > 8) return `${numbers.length} rooms`;
  return numbers.map((number) => (number === 0 ? 'main' : String(number))).join(', ');
}

async function importFile(frame: Frame, { session, as }: Meant, file: string): Promise<void> {
  const text = await readSmallFile(file, largestImport);
  const client = await frame.client();
  const done = await client.call('session.import', { text, ...given({ session, as }) });
  await frame.print({
    results: [done],
    text: (paint) => {
      const notes = done.notes.map(({ line, problem }) =>
        paint('yellow', visible(`line ${line}: ${problem}`)),
      );
      const told = done.told.length > 0 ? done.told : ['Nothing to change.'];
      return [...told.map(visible), ...notes].join('\n');
    },
  });
}

/** The text of a file a person named, with what can go wrong said plainly. */
export async function readSmallFile(file: string, largest: number): Promise<string> {
  const problem = (
    code: 'file-missing' | 'not-a-file' | 'file-unreadable' | 'too-large',
    what: string,
    cause?: unknown,
  ) =>
    new RoomtapeError(code, `${visible(file)} ${what}.`, { next: `ls -l ${visible(file)}`, cause });
  try {
    const { size } = await stat(file).then((found) => {
      if (!found.isFile()) throw problem('not-a-file', 'is not a file');
      return found;
    });
    if (size > largest) throw problem('too-large', `is larger than ${largest} bytes`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof RoomtapeError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing
      ? problem('file-missing', 'does not exist', cause)
      : problem('file-unreadable', 'cannot be read', cause);
  }
}
