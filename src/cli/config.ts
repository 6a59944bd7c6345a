/**
 * `roomtape config`: every setting, its value and where the value comes from.
 */
import type { Command } from 'commander';
import { environmentName, readSettings, settings } from '../system/config.ts';
import { dataFolder, pathsOf } from '../system/paths.ts';
import type { Frame } from './frame.ts';

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('config')
    .description('Prints every setting with its value and its origin.')
    .addHelpText(
      'after',
      '\nSettings are read from config.toml in the data folder; an environment variable\n' +
        '(ROOMTAPE_KEEP_LINK for keep-link) is stronger, and --set KEY=VALUE the strongest.\n\n' +
        Object.entries(settings)
          .map(([key, { help }]) => `  ${key.padEnd(20)}${help}`)
          .join('\n'),
    )
    .action(async () => {
      const file = pathsOf(dataFolder()).config;
      const values = await readSettings({ file, env: process.env });
      await frame.print({
        results: values,
        columns: [
          { title: 'SETTING', cell: ({ key }) => key },
          { title: 'VALUE', cell: ({ value }) => (value === '' ? '""' : String(value)) },
          {
            title: 'ORIGIN',
            cell: ({ key, origin }) =>
              origin === 'file' ? file : origin === 'environment' ? environmentName(key) : origin,
            value: ({ origin }) => origin,
          },
          { title: 'MEANING', cell: ({ help }) => help },
        ],
      });
    });
}
