/**
 * What is declared against what is observed.
 */
import { describe, expect, test } from 'vitest';
import {
  type DeclaredRecording,
  disagreements,
  type ObservedFile,
} from '../../src/session/disagreement.ts';

const start = Date.UTC(2026, 2, 1, 18);
const declared = (state: DeclaredRecording['state']): DeclaredRecording => ({
  id: 'rec_1',
  state,
  since: start,
  who: 'Ada in Room 2',
});
const file = (more: Partial<ObservedFile> = {}): ObservedFile => ({
  take: 'take_1',
  recording: 'rec_1',
  path: '/videos/a.mkv',
  grewAt: start + 1_000,
  growing: true,
  ...more,
});
const kinds = (recordings: DeclaredRecording[], files: ObservedFile[], afterMs: number) =>
  disagreements(recordings, files, start + afterMs).map(({ kind }) => kind);

describe('given a recording that was declared', () => {
  test('when its file grows, then all agree', () => {
    expect(kinds([declared('recording')], [file()], 60_000)).toEqual([]);
  });

  test('when no file grows for 30 s, then that is said, and not before', () => {
    expect(kinds([declared('recording')], [], 29_999)).toEqual([]);
    expect(kinds([declared('recording')], [], 30_000)).toEqual(['nothing-grows']);
    expect(kinds([declared('recording')], [file({ growing: false })], 60_000)).toEqual([
      'nothing-grows',
    ]);
  });

  test.each(['stopped', 'paused', 'interrupted'] as const)(
    'when it is %s and its file grows on, then that is said',
    (state) => {
      expect(kinds([declared(state)], [file({ grewAt: start + 4_000 })], 4_000)).toEqual([
        'still-grows',
      ]);
      // The trailer that a recorder writes after Stop is no recording.
      expect(kinds([declared(state)], [file({ grewAt: start + 2_000 })], 2_000)).toEqual([]);
      expect(kinds([declared(state)], [file({ growing: false })], 9_000)).toEqual([]);
    },
  );
});

describe('given nothing that was declared', () => {
  test('when a file grows, then that is said at once, with the file and the command', () => {
    const [found] = disagreements([], [file({ recording: null })], start);
    expect(found).toMatchObject({ kind: 'undeclared', take: 'take_1', next: 'roomtape record' });
    expect(found?.text).toContain('/videos/a.mkv');
  });
});
