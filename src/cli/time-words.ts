/**
 * Lengths of time and moments as people type them: `90s`, `20m`, `1h30m`; `18:30`, `2026-03-01 18:30`.
 */
import { RoomtapeError } from '../errors.ts';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time in milliseconds; a number alone is seconds. Throws `usage`. */
export function parseLength(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*(ms|[smhd])?/gi)];
  const whole = parts.map((part) => part[0]).join('');
  if (parts.length === 0 || whole !== text.trim().replaceAll(/\s+(?=\d)/g, '')) {
    throw notTime(text, 'a length of time', '90s, 20m or 1h30m');
  }
  let total = 0;
  for (const [, count = '0', unit = 's'] of parts) {
    const name = unit.toLowerCase();
    total += Number(count) * (name === 'ms' ? 1 : unitMs[name as keyof typeof unitMs]);
  }
  return Math.round(total);
}

/**
 * A moment in milliseconds since 1970: `18:30` is the next time the clock says so; a date is local
 * time unless it says otherwise. Throws `usage`.
 */
export function parseMoment(text: string, now: number): number {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(text.trim());
  if (clock) {
    const moment = new Date(now);
    moment.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (moment.getTime() <= now) moment.setDate(moment.getDate() + 1);
    return moment.getTime();
  }
  const moment = Date.parse(text.trim().replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T'));
  if (Number.isNaN(moment)) throw notTime(text, 'a moment', '18:30 or 2026-03-01T18:30');
  return moment;
}

function notTime(text: string, what: string, example: string): RoomtapeError {
  return new RoomtapeError('usage', `${JSON.stringify(text)} is not ${what}.`, {
    next: `write it as ${example}`,
  });
}
