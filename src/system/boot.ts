/**
 * Which start of the machine this is: what was in memory only did not survive the last one.
 */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

// By the clock a start is known to the minute, unless the clock was set: then it counts as another.
const minute = 60_000;

/** A name for the time since the machine was started, the same in all processes. */
export function bootOf(): string {
  if (process.platform !== 'linux') return byClock();
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return byClock();
  }
}

const byClock = (): string => String(Math.round((Date.now() - uptime() * 1000) / minute));
