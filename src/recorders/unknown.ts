/**
 * Any other recorder: nothing is assumed of it, so nothing about its files is trusted early.
 */
import type { RecorderProfile } from './profile.ts';

export const unknown: RecorderProfile = {
  id: 'unknown',
  title: 'an unknown recorder',
  names: [],
  quietForMs: 60_000,
  places: [],
  creationTime: 'end',
  birth: 'start',
};
