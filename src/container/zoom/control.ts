/**
 * The control file beside a `.zoom` media file (`double_click_to_convert_02.zoom`): commands with a
 * tick, no file header.
 *
 * Command 0x1003 carries the wall clock at the start of the recording as a Unix second (seen in two
 * of two public files of 2025). A record is 68 bytes of header, the payload, and 4 of trailer.
 */
import type { Window } from '../window.ts';
import { recordMagic } from './packets.ts';

/** Header of 68 bytes and trailer of 4. */
const fixedLength = 72;
const startCommand = 0x1003;
const startField = 36;
const longestPayload = 64 * 1024 * 1024;

export interface ControlFacts {
  readonly records: number;
  /** First byte behind the last whole record. */
  readonly end: number;
  /** Milliseconds between the first tick and the last. */
  readonly spanMs: number;
  /** When the recording began, ms since 1970; null when no record tells. */
  readonly startedAt: number | null;
}

/** True when the first bytes are a control record: the word behind the magic is 64, or 0 in 2025. */
export function isControlHead(window: Window): boolean {
  const second = window.u32le(4);
  return window.u32le(0) === recordMagic && (second === 64 || second === 0);
}

/** Reads a control file to its last whole record. */
export function readControl(window: Window): ControlFacts {
  let at = 0;
  let records = 0;
  let startedAt: number | null = null;
  let [firstTick, lastTick] = [-1, 0];
  while (at + fixedLength <= window.end && window.u32le(at) === recordMagic) {
    const payload = window.u32le(at + 60);
    const end = at + fixedLength + payload;
    if (payload < 0 || payload > longestPayload || end > window.end) break;
    const tick = window.u32le(at + 28);
    if (firstTick < 0) firstTick = tick;
    lastTick = Math.max(lastTick, tick);
    if (window.u16le(at + 54) === startCommand) startedAt ??= wallClock(window, at);
    records += 1;
    at = end;
  }
  const spanMs = records === 0 ? 0 : Math.max(0, lastTick - firstTick);
  return { records, end: at, spanMs, startedAt };
}

// Zoom is of 2012; a second after 2100 is a damaged field.
function wallClock(window: Window, record: number): number | null {
  const second = window.u32le(record + startField);
  const plausible = second >= Date.UTC(2012, 0) / 1000 && second < Date.UTC(2100, 0) / 1000;
  return plausible ? second * 1000 : null;
}
