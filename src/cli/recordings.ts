/**
 * Takes by their ids, which only the daemon knows.
 */
import { RoomtapeError } from '../errors.ts';
import type { Frame } from './frame.ts';

export async function recoverTakes(_frame: Frame, ids: readonly string[]): Promise<void> {
  throw unknownId(ids);
}

export async function verifyTakes(_frame: Frame, ids: readonly string[]): Promise<void> {
  throw unknownId(ids);
}

const unknownId = (ids: readonly string[]) =>
  new RoomtapeError('unknown-id', `There is no file and no take ${JSON.stringify(ids[0])}.`, {
    next: 'roomtape list',
  });
