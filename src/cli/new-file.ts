/** What a command writes where its user said: a new file, whole or not there. */
import { RoomtapeError } from '../errors.ts';
import { systemCode } from '../system/files.ts';
import { createFile } from '../system/small-file.ts';
import { visible } from './output.ts';

/**
 * @param next  the command that would write somewhere else
 * @throws RoomtapeError `output-exists` or `write-failed`
 */
export function writeNew(path: string, data: string, next: string, mode = 0o600): void {
  try {
    createFile(path, data, mode);
  } catch (cause) {
    throw notWritten(path, next, cause);
  }
}

export function notWritten(path: string, next: string, cause: unknown): RoomtapeError {
  const exists = systemCode(cause) === 'EEXIST';
  const reason = cause instanceof Error ? cause.message : String(cause);
  const shown = visible(path);
  const problem = exists ? `${shown} exists already.` : `${shown} cannot be written: ${reason}.`;
  return new RoomtapeError(exists ? 'output-exists' : 'write-failed', problem, { next, cause });
}
