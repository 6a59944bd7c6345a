/** What preflight finds, and that nothing unknown is made into a finding. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ObsRecordSettings } from '../../src/capture/obs-settings.ts';
import { type FindingId, type PreflightFacts, preflight } from '../../src/capture/preflight.ts';

const hour = 3_600_000;

const good: PreflightFacts = {
  recorder: { name: 'obs', kind: 'obs', unreachable: null },
  folder: '/home/ada/Videos',
  folderExists: true,
  writable: true,
  freeBytes: 100e9,
  reserveBytes: 500e6,
  bitsPerSecond: 5e6,
  plannedMs: 2 * hour,
  fileSystem: { type: 'ext4', isNetwork: false },
  syncedBy: null,
  obs: null,
  obsSharesStreamEncoder: false,
  waylandScreen: false,
  battery: null,
  clockSkewMs: 0,
  permission: { allowed: true },
  survivesLogout: true,
  watched: true,
};

const plainMp4: ObsRecordSettings = {
  profile: 'Show',
  section: 'SimpleOutput',
  key: 'RecFormat',
  format: 'mp4',
  folder: '/home/ada/Videos',
  survivesCrash: false,
  bitsPerSecond: 5e6,
};

const cases: readonly (readonly [string, Partial<PreflightFacts>, FindingId])[] = [
  [
    'OBS is not running',
    { recorder: { name: 'obs', kind: 'obs', unreachable: 'not running' } },
    'recorder-out-of-reach',
  ],
  ['the folder is not there', { folderExists: false }, 'no-folder'],
  ['the folder is read-only', { writable: false }, 'not-writable'],
  ['less is free than is kept free', { freeBytes: 400e6 }, 'disk-too-small'],
  ['the disk holds less than is planned', { freeBytes: 3e9 }, 'disk-too-small'],
  ['the disk holds hardly what is planned', { freeBytes: 5.3e9 }, 'disk-tight'],
  ['OBS records plain MP4', { obs: plainMp4 }, 'crash-unsafe-container'],
  ['OBS shares the encoder of the stream', { obsSharesStreamEncoder: true }, 'cannot-pause'],
  ['own capture meets a Wayland desktop', { waylandScreen: true }, 'wayland-screen'],
  ['the folder is on a share', { fileSystem: { type: 'nfs4', isNetwork: true } }, 'network-drive'],
  ['the folder is synchronised', { syncedBy: 'OneDrive' }, 'synced-folder'],
  ['the machine is on battery', { battery: { percent: 41 } }, 'on-battery'],
  ['the clock is ten minutes off', { clockSkewMs: -600_000 }, 'clock-skew'],
  ['log-out ends the daemon', { survivesLogout: false }, 'ends-at-logout'],
  ['nobody watches the folder', { watched: false }, 'not-watched'],
];

describe('given facts about a recording to come', () => {
  test('when all is well, nothing is found', () => {
    expect(preflight(good)).toEqual([]);
  });

  test.each(cases)('when %s, it is found with its remedy', (_, facts, id) => {
    const findings = preflight({ ...good, ...facts });
    expect(findings.map((finding) => finding.id)).toEqual([id]);
    expect(findings[0]?.remedy).not.toBe('');
    expect(findings[0]?.reason).not.toBe('');
  });

  test('when permission is missing, that blocks and comes first', () => {
    const findings = preflight({
      ...good,
      battery: { percent: null },
      permission: {
        allowed: false,
        problem: 'Ada may not record Room 2.',
        next: 'roomtape request --room 2',
      },
    });
    expect(findings.map(({ id, level }) => [id, level])).toEqual([
      ['permission', 'blocks'],
      ['on-battery', 'warning'],
    ]);
    expect(findings[0]?.remedy).toBe('roomtape request --room 2');
  });

  test('when nothing is known, nothing is claimed', () => {
    const unknown: PreflightFacts = {
      recorder: null,
      folder: null,
      folderExists: null,
      writable: null,
      freeBytes: null,
      reserveBytes: 0,
      bitsPerSecond: null,
      plannedMs: 0,
      fileSystem: null,
      syncedBy: null,
      obs: null,
      obsSharesStreamEncoder: null,
      waylandScreen: null,
      battery: null,
      clockSkewMs: null,
      permission: null,
      survivesLogout: null,
      watched: null,
    };
    expect(preflight(unknown)).toEqual([]);
  });

  test('whatever is free, a disk that is found too small would not hold the plan', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1e13 }),
        fc.nat({ max: 1e8 }),
        fc.nat({ max: 1e8 }),
        (free, rate, plan) => {
          const facts = { ...good, freeBytes: free, bitsPerSecond: rate, plannedMs: plan };
          const holds =
            (free - facts.reserveBytes) * 8 * 1000 >= rate * plan && free > facts.reserveBytes;
          const found = preflight(facts).some(({ id }) => id === 'disk-too-small');
          expect(found).toBe(!holds);
        },
      ),
    );
  });
});
