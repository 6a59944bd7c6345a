/**
 * `roomtape catalogue check|backup|restore|rebuild`: care for the file everything is written in.
 */
import type { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import { dataFolder } from '../system/paths.ts';
import type { Frame } from './frame.ts';
import { visible } from './output.ts';

export function defineCommands(program: Command, frame: Frame): void {
  const care = async () => (await frame.daemonCode()).maintenanceOf(dataFolder());
  const catalogue = program.command('catalogue').description('Care for the catalogue file.');
  catalogue
    .command('check')
    .description('Looks at every page and at the journal’s chain. Changes nothing.')
    .action(async () => {
      const findings = (await care()).check();
      const sound = findings.every((finding) => finding.sound);
      await frame.print({
        results: findings,
        columns: [
          { title: 'PART', cell: ({ what }) => what },
          {
            title: 'STATE',
            cell: (finding) => (finding.sound ? 'sound' : 'damaged'),
            style: (finding) => (finding.sound ? 'green' : 'red'),
          },
          { title: 'DETAIL', cell: ({ detail }) => detail },
        ],
      });
      if (!sound) {
        frame.note('next:     roomtape down && roomtape catalogue restore');
        frame.exitCode = exitCodes.damage;
      }
    });
  catalogue
    .command('backup')
    .description('Copies the catalogue into the backups of the data folder, also while in use.')
    .action(async () => {
      const path = (await care()).backUp();
      await frame.print({ results: [{ path }], text: () => visible(path) });
    });
  catalogue
    .command('restore')
    .description(
      'Takes the newest sound backup and whatever the damaged file’s journal still says after it. ' +
        'The damaged file is kept.',
    )
    .action(async () => {
      const report = (await care()).restore();
      await frame.print({
        results: [report],
        text: () =>
          `${report.backup ? `Restored from ${visible(report.backup)}` : 'No sound backup was there'}: ` +
          `${report.fromBackup} journal entries, and ${report.salvaged} more from the damaged file.\n` +
          `The damaged file is kept at ${visible(report.kept)}.`,
      });
    });
  catalogue
    .command('rebuild')
    .description('Makes all tables again from the journal.')
    .action(async () => {
      const report = (await care()).rebuild();
      await frame.print({
        results: [report],
        text: () =>
          `${report.takes} takes and ${report.recordings} undeclared recordings made again ` +
          `from ${report.entries} journal entries.`,
      });
    });
}
