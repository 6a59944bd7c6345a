/**
 * The daily copy of the catalogue: made of a sound one, and of no other.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/catalogue/catalogue.ts';
import type { DaemonContext } from '../../src/daemon/area.ts';
import type { CatalogueCare } from '../../src/daemon/catalogue-care.ts';
import type { Config } from '../../src/system/config.ts';
import { openLog } from '../../src/system/log.ts';
import { type Paths, pathsOf } from '../../src/system/paths.ts';
import { noon, recording, take } from '../catalogue/example-catalogue.ts';
import { until } from '../faults/daemon-under-fault.ts';
import { temporaryFolder } from '../system/temporary-folder.ts';

const folder = temporaryFolder('care');

/** As it is installed: the check is the command that lies beside it. */
async function installed(context: DaemonContext): Promise<CatalogueCare> {
  const built = join(import.meta.dirname, '..', '..', 'dist', 'daemon', 'catalogue-care.js');
  const { CatalogueCare: Care } = (await import(built)) as {
    CatalogueCare: new (context: DaemonContext) => CatalogueCare;
  };
  return new Care(context);
}

describe('given a catalogue that was not copied today', () => {
  let paths: Paths;
  let catalogue: Catalogue;
  let care: CatalogueCare;
  let close: () => void;

  beforeEach(() => {
    paths = pathsOf(join(folder, expect.getState().currentTestName?.slice(-12) ?? ''));
    const options = { path: paths.catalogue, backups: paths.backups };
    const open = () => openCatalogue({ ...options, newMachineId: 'machine-1', now: noon });
    const filling = open();
    for (let n = 1; n <= 400; n++) {
      filling.recordings.putDeclared(recording(n));
      filling.takes.put(take(n), noon);
    }
    filling.close();
    catalogue = open();
  });

  afterEach(() => {
    care.close();
    catalogue.close();
    close();
  });

  /** Care whose first look is due at once: its minute of waiting passes at each glance at the clock. */
  async function begin(): Promise<void> {
    let elapsed = 0;
    const log = openLog(paths.log, 'info');
    close = () => log.close();
    care = await installed({
      paths,
      config: {} as Config,
      catalogue,
      // Set back by years: nothing may wait for it.
      clock: { now: () => noon, elapsed: () => (elapsed += 60_000) },
      log,
      version: '0',
      startedAt: noon,
      publish: () => undefined,
      stop: () => undefined,
    });
    care.start();
  }

  const copies = () =>
    readdirSync(join(paths.backups, '..')).includes('backups') ? readdirSync(paths.backups) : [];

  test('when every page is sound, then it is copied, and nothing is told', async () => {
    await begin();
    await until(() => copies().some((name) => /-daily\.db$/.test(name)));
    expect(care.notices()).toEqual([]);
  });

  test('when a page is torn, then it is not copied, and the way back is told', async () => {
    const file = openSync(paths.catalogue, 'r+');
    writeSync(file, Buffer.alloc(20_000, 0x5a), 0, 20_000, statSync(paths.catalogue).size / 2);
    closeSync(file);
    await begin();
    const [notice] = await until(() => care.notices().length > 0 && care.notices());
    expect(notice).toMatchObject({
      level: 'error',
      next: 'roomtape down && roomtape catalogue restore',
    });
    expect(copies()).toEqual([]);
  });

  test.runIf(process.platform !== 'win32')(
    'when the check is killed, then it is not copied, and that is told',
    async () => {
      await begin();
      const ours = ['-KILL', '-P', String(process.pid), '-f', 'catalogue check'];
      await until(() => spawnSync('pkill', ours).status === 0);
      const [notice] = await until(() => care.notices().length > 0 && care.notices());
      expect(notice).toMatchObject({ level: 'warning', next: 'roomtape catalogue check' });
      expect(copies()).toEqual([]);
    },
  );
});
