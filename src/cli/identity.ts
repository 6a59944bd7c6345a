/**
 * `roomtape identity show`, `export`, `import`, `rotate`: this machine's key.
 */
import type { Command } from 'commander';
import type { IdentityView } from '../api/line-routes.ts';
import type { Frame } from './frame.ts';
import { writeNew } from './new-file.ts';
import { visible } from './output.ts';
import { readSmallFile } from './participant.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const identity = program.command('identity').description('The key by which others know you.');
  identity
    .command('show')
    .description('Prints the public key, and its fingerprint to be compared by voice.')
    .action(async () => {
      const client = await frame.client();
      await show(frame, await client.call('identity.show', {}));
    });
  identity
    .command('export')
    .description('Writes the private key to a new file that only you can read.')
    .argument('<file>', 'must not exist yet')
    .action((file: string) => exportTo(frame, file));
  identity
    .command('import')
    .description('Takes over an exported key; the present one is kept beside it.')
    .argument('<file>', 'as written by identity export')
    .action(async (file: string) => {
      const pem = await readSmallFile(file, 10_000);
      const client = await frame.client();
      await show(frame, await client.call('identity.import', { pem }));
    });
  identity
    .command('rotate')
    .description('Makes a new key. The others must compare it with you by voice.')
    .action(async () => {
      const client = await frame.client();
      await show(frame, await client.call('identity.rotate', {}));
      frame.note('Hosts: send a new invitation. Who joined before accepts it only with');
      frame.note('roomtape join LINE --trust-new-key, after comparing fingerprints by voice.');
    });
}

async function show(frame: Frame, view: IdentityView): Promise<void> {
  await frame.print({
    results: [view],
    text: (paint) =>
      [
        `fingerprint   ${paint('bold', view.fingerprint)}`,
        `public key    ${view.key}`,
        `name          ${visible(view.name ?? 'not set (roomtape config: name)')}`,
        `kept in       ${visible(view.folder)}`,
      ].join('\n'),
  });
}

async function exportTo(frame: Frame, file: string): Promise<void> {
  const client = await frame.client();
  const { pem } = await client.call('identity.export', {});
  writeNew(file, pem, 'roomtape identity export ANOTHER-FILE');
  await frame.print({
    results: [{ path: file }],
    text: () => `The private key is in ${visible(file)}. Whoever has it can sign as you.`,
  });
}
