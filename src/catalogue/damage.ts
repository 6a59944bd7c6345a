/**
 * What SQLite says of a damaged file, a full disk or missing rights, as an obstacle with its next
 * command.
 */
import { RoomtapeError } from '../errors.ts';

/** A check found pages that are not sound. */
export class DamagedFile extends Error {}

/** The obstacle behind an error of the database; any other error is given back as it is. */
export function obstacleOf(path: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? code) : code;
  if (cause instanceof DamagedFile || /^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new RoomtapeError('catalogue-damaged', `The catalogue ${path} is damaged: ${reason}.`, {
      next: 'roomtape down && roomtape catalogue restore',
      cause,
    });
  }
  if (/^SQLITE_FULL/.test(code)) {
    const next = 'roomtape doctor';
    return new RoomtapeError('disk-full', `The disk of ${path} is full.`, { next, cause });
  }
  if (/^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/.test(code)) {
    return new RoomtapeError('write-failed', `The catalogue ${path} cannot be used: ${reason}.`, {
      next: 'roomtape doctor',
      cause,
    });
  }
  return cause;
}

/** True for what the driver says to whoever uses a catalogue after it was closed. */
export const isOfClosedFile = (cause: unknown): boolean =>
  cause instanceof TypeError && cause.message === 'The database connection is not open';
