/**
 * `roomtape watch add|list|remove|suggest`: the folders recorders write to.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Frame } from './frame.ts';
import { visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const watch = program.command('watch').description('The folders that recorders write to.');
  watch
    .command('add')
    .description('Watches a folder and all below it. Files that are there already are listed.')
    .argument('<folder>')
    .option('--recorder <name>', 'which recorder writes there; told by the files if left out')
    .option('--as <participant>', 'whose files these are; yours if left out')
    .action(async (folder: string, options: { recorder?: string; as?: string }) => {
      const client = await frame.client();
      const view = await client.call('watch.add', {
        path: resolve(folder),
        ...(options.recorder === undefined ? {} : { recorder: options.recorder }),
        ...(options.as === undefined ? {} : { participant: options.as }),
      });
      await frame.print({
        results: [view],
        text: () => `${visible(view.path)} is ${view.state}: ${view.files} files are there now.`,
      });
    });
  watch
    .command('list')
    .description('Lists the watched folders and whether they can be watched.')
    .action(async () => {
      const results = await (await frame.client()).call('watch.list', {});
      await frame.print({
        results,
        empty: 'No folder is watched. next: roomtape watch suggest',
        columns: [
          { title: 'FOLDER', cell: ({ path }) => path },
          {
            title: 'STATE',
            cell: ({ state }) => state,
            style: ({ state }) => (state === 'missing' ? 'red' : 'green'),
          },
          { title: 'FILES', cell: ({ files }) => String(files) },
          { title: 'RECORDER', cell: ({ recorder }) => recorder ?? '' },
          { title: 'PARTICIPANT', cell: ({ participant }) => participant ?? '' },
          { title: 'PROBLEM', cell: ({ problem }) => problem ?? '' },
        ],
      });
    });
  watch
    .command('remove')
    .description('Watches a folder no longer. Nothing in it is touched, nothing is forgotten.')
    .argument('<folder>')
    .action(async (folder: string) => {
      const removed = await (await frame.client()).call('watch.remove', { path: resolve(folder) });
      await frame.print({
        results: [removed],
        text: () => `${visible(removed.path)} is no longer watched.`,
      });
    });
  watch
    .command('suggest')
    .description('Lists the folders where recorders usually write and which exist here.')
    .action(async () => {
      const results = await (await frame.client()).call('watch.suggest', {});
      await frame.print({
        results,
        empty: 'None of the usual folders exists here. next: roomtape watch add <folder>',
        columns: [
          { title: 'FOLDER', cell: ({ path }) => path },
          { title: 'RECORDER', cell: ({ recorder }) => recorder },
          { title: 'WATCHED', cell: ({ watched }) => (watched ? 'yes' : 'no') },
        ],
      });
    });
}
