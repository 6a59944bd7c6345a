/**
 * What every recorder profile must satisfy; profiles.test.ts runs it over the whole list.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RecorderProfile, roleUnder, signsOf } from '../../src/recorders/profile.ts';
import { judgeName, recogniseRecorder } from '../../src/recorders/profiles.ts';
import { startClaims } from '../../src/recorders/start-time.ts';

/** Names as a recorder writes them, with what must be read from each. */
export interface ProfileExample {
  readonly path: string;
  readonly judged: ReturnType<typeof judgeName>;
  /** Left out when the name alone does not tell the recorder. */
  readonly recorder?: string;
  /** The start that the name carries, as ISO time; read in Europe/Berlin. */
  readonly start?: string;
}

export function profileContract(
  profile: RecorderProfile,
  examples: readonly ProfileExample[],
): void {
  describe(`given the profile of ${profile.title}`, () => {
    test.each(examples.map((example) => [example.path, example] as const))(
      'when a file is called %s, then its name is understood',
      (path, example) => {
        expect(judgeName(path)).toBe(example.judged);
        if (example.recorder) expect(recogniseRecorder({ path }).recorder).toBe(example.recorder);
        const named = startClaims(profile, { path, timeZone: 'Europe/Berlin' })[0];
        const start = named ? new Date(named.at).toISOString() : undefined;
        expect(start).toBe(example.start);
      },
    );

    test('then its rules weigh between -1 and 1, say why, and its files may rest a while', () => {
      const rules = [
        ...profile.names,
        ...(profile.writers ?? []),
        ...(profile.heads ?? []),
        ...(profile.siblings ?? []),
      ];
      for (const { weight, says } of rules) {
        expect(Math.abs(weight)).toBeLessThanOrEqual(1);
        expect(says).not.toBe('');
      }
      for (const { pattern } of profile.names) expect(pattern.global).toBe(false);
      expect(profile.quietForMs).toBeGreaterThanOrEqual(3000);
    });

    test('then its usual folders begin with a placeholder that the system resolves', () => {
      for (const { folder } of profile.places) {
        expect(folder).toMatch(/^\{(?:home|documents|videos|desktop|downloads|onedrive)\}/);
      }
    });

    test('whatever the name and the first bytes, nothing throws and names cost no time', () => {
      fc.assert(
        fc.property(hostilePath, fc.uint8Array({ maxLength: 80 }), (path, head) => {
          signsOf(profile, { path, head, siblings: [path] });
          roleUnder(profile, path);
          startClaims(profile, { path, timeZone: 'UTC', birth: 0, modified: -1, durationMs: 0 });
          profile.relations?.([{ name: path }, { name: path, startedAt: 0, durationMs: 0 }]);
        }),
        { numRuns: 300 },
      );
      const endless = `${'2026-03-01 10-00-00 '.repeat(200)}.mp4`;
      const began = performance.now();
      judgeName(endless);
      recogniseRecorder({ path: `${endless}/${endless}` });
      expect(performance.now() - began).toBeLessThan(250);
    });
  });
}

const hostilePath = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(
      fc.constantFrom(
        '2026-03-01 10.00.00',
        'double_click_to_convert_01.zoom',
        'video11879983327.mp4',
        '.tmp',
        '/',
        '\\',
        ' ',
        '\n',
        'Screencast From ',
        '2026-02-30 25-61-61',
        '.mkv',
        'é',
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join('')),
);
