/**
 * The name by which the others in a session know this machine's person.
 */
import { userInfo } from 'node:os';
import type { Config } from './config.ts';

/** The setting `name`, or else the name of the account. */
export function ownName(config: Config): string {
  if (config.name !== '') return config.name;
  try {
    return userInfo().username || 'Somebody';
  } catch {
    // An account without an entry in the system's list of users, as in some containers.
    return 'Somebody';
  }
}
