/**
 * Care for the catalogue file while no daemon has it open: check, back up, restore, rebuild.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { backUpFile, lastBackupAt } from '../catalogue/backup.ts';
import { openCatalogue } from '../catalogue/catalogue.ts';
import { sqliteVersion } from '../catalogue/driver.ts';
import { takeInstanceLock } from '../catalogue/instance-lock.ts';
import {
  type RebuildReport,
  type RestoreReport,
  rebuildTables,
  restoreCatalogue,
} from '../catalogue/mending.ts';
import { checkCatalogueFile, type SoundnessFinding } from '../catalogue/soundness.ts';
import { RoomtapeError } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { type Paths, pathsOf } from '../system/paths.ts';

export interface Maintenance {
  /** Version of SQLite. Throws `driver-missing`. */
  driver(): string;
  /** When the newest backup was made, ms since 1970; 0: never. */
  lastBackup(): number;
  /** Safe while the daemon runs. */
  check(): SoundnessFinding[];
  /** Safe while the daemon runs. Returns the path of the copy. */
  backUp(): string;
  restore(): RestoreReport;
  rebuild(): RebuildReport;
}

export function maintenanceOf(home: string): Maintenance {
  const paths = pathsOf(home);
  const options = () => ({
    path: paths.catalogue,
    backups: paths.backups,
    newMachineId: randomUUID(),
    now: systemClock.now(),
  });
  return {
    driver: () => sqliteVersion(),
    lastBackup: () => lastBackupAt(paths.backups, systemClock.now()),
    check: () => checkCatalogueFile(paths.catalogue),
    backUp() {
      if (!existsSync(paths.catalogue)) {
        throw new RoomtapeError(
          'file-missing',
          `There is no catalogue at ${paths.catalogue} yet.`,
          {
            next: 'roomtape up',
          },
        );
      }
      return backUpFile(paths.catalogue, paths.backups, systemClock.now());
    },
    restore: () => alone(paths, () => restoreCatalogue(options())),
    rebuild: () =>
      alone(paths, () => {
        const catalogue = openCatalogue(options());
        try {
          return rebuildTables(catalogue);
        } finally {
          catalogue.close();
        }
      }),
  };
}

function alone<Result>(paths: Paths, work: () => Result): Result {
  const lock = takeInstanceLock(paths.lock);
  if (!lock) {
    throw new RoomtapeError('failed', 'The daemon has the catalogue open.', {
      next: 'roomtape down',
    });
  }
  try {
    return work();
  } finally {
    lock.release();
  }
}
