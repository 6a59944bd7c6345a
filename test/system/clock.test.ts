/**
 * Appointments by a wall clock that people and networks set.
 */
import { describe, expect, test, vi } from 'vitest';
import { Appointment, type Clock } from '../../src/system/clock.ts';

class SetClock implements Clock {
  wall = Date.UTC(2026, 2, 29, 0, 59);
  now = () => this.wall;
  elapsed = () => this.wall;
}

describe('given an appointment', () => {
  test('when the clock jumps past it, then it is kept within a minute, once', () => {
    vi.useFakeTimers();
    try {
      const clock = new SetClock();
      let kept = 0;
      const appointment = new Appointment(clock, () => {
        kept += 1;
      });
      appointment.set(clock.wall + 3_600_000);
      clock.wall += 3 * 3_600_000;
      vi.advanceTimersByTime(60_000);
      expect(kept).toBe(1);
      vi.advanceTimersByTime(600_000);
      expect(kept).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('when the clock jumps back, then it is not kept early', () => {
    vi.useFakeTimers();
    try {
      const clock = new SetClock();
      let kept = 0;
      const appointment = new Appointment(clock, () => {
        kept += 1;
      });
      appointment.set(clock.wall + 30_000);
      clock.wall -= 3_600_000;
      vi.advanceTimersByTime(30_000);
      expect(kept).toBe(0);
      clock.wall += 3_600_000 + 30_000;
      vi.advanceTimersByTime(60_000);
      expect(kept).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('when it is cancelled or moved to years from now, then nothing happens meanwhile', () => {
    vi.useFakeTimers();
    try {
      const clock = new SetClock();
      let kept = 0;
      const appointment = new Appointment(clock, () => {
        kept += 1;
      });
      appointment.set(clock.wall + 1_000);
      appointment.cancel();
      vi.advanceTimersByTime(5_000);
      appointment.set(clock.wall + 40 * 365 * 86_400_000);
      vi.advanceTimersByTime(3_600_000);
      expect(kept).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
