/** `preflight --fix` on the settings of an OBS that does not run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ObsRecorder } from '../../src/capture/obs.ts';
import { preflight } from '../../src/capture/preflight.ts';
import { fixContainer, gatherFacts } from '../../src/daemon/preflight-facts.ts';
import { configFolder, freePort, readConfig, writeObsConfig } from '../capture/obs-studio.ts';

describe('given an OBS that records plain MP4 and does not run', () => {
  let home: string;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'roomtape-fix-'));
    writeObsConfig({ home, port: await freePort(), format: 'mp4' });
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const stored = () => ({
    kind: 'obs' as const,
    name: 'obs',
    url: null,
    password: null,
    configFolder: configFolder(home),
  });

  const facts = (recorder: ObsRecorder) =>
    gatherFacts({
      recorder,
      stored: stored(),
      plannedMs: 60_000,
      reserveBytes: 0,
      permission: { allowed: true },
      clockSkewMs: 0,
      watchedFolders: [home],
    });

  test('when it is mended, one value changes, a copy is kept, and the finding is gone', async () => {
    const recorder = new ObsRecorder({
      name: 'obs',
      url: async () => 'ws://127.0.0.1:1',
      password: async () => null,
    });
    const before = readConfig(home);
    const found = await facts(recorder);
    expect(preflight(found).map(({ id }) => id)).toContain('crash-unsafe-container');
    expect(found.folder).toBe(join(home, 'recordings'));
    if (!found.obs) throw new Error('the settings were not read');

    const told = await fixContainer(recorder, stored(), found.obs);

    expect(readConfig(home)).toBe(before.replace('RecFormat=mp4', 'RecFormat=mkv'));
    const profile = join(configFolder(home), 'basic', 'profiles', 'Test', 'basic.ini');
    expect(readFileSync(`${profile}.before-roomtape`, 'utf8')).toBe(before);
    expect(told).toContain('RecFormat=mkv instead of mp4');
    const after = preflight(await facts(recorder)).map(({ id }) => id);
    expect(after).not.toContain('crash-unsafe-container');
  });
});
