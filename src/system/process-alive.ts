/**
 * Whether a process still runs.
 */
import { readFileSync } from 'node:fs';

/** False for a process that has ended, also when its parent has not asked for its end yet. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, but somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  try {
    // The state stands behind the name, which may itself hold brackets (proc(5)).
    return !/\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false; // ended between the two
  }
}
