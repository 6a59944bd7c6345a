/**
 * Work that gives way to everything else: recorders that run beside it, and the daemon's own loop.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/** How nice background work is, -20 to 19: of a core that another wants wholly it still gets three tenths. */
export const niceness = 4;

/** Lowers the priority of the calling thread; only Linux has one for each. */
export function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    // `<process>/task/<thread>` (proc(5)); Linux takes a thread's number where a process' is asked for.
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), niceness);
  } catch {
    // Without /proc, or where it is forbidden, it competes.
  }
}
