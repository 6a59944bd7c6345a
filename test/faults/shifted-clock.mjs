/**
 * Loaded into a daemon with `node --import`: its wall clock goes wrong by the milliseconds that the
 * file `$ROOMTAPE_CLOCK_SHIFT` says, from the moment it says so. The clock that never goes back is
 * left alone, as it is when a person or NTP sets a machine's clock.
 */
import { readFileSync } from 'node:fs';

const file = process.env.ROOMTAPE_CLOCK_SHIFT;
if (file) {
  const True = Date;
  let [shift, readAt] = [0, -1_000];
  const shifted = () => {
    const elapsed = performance.now();
    if (elapsed - readAt > 20) {
      shift = Number(readFileSync(file, 'utf8'));
      readAt = elapsed;
    }
    return True.now() + shift;
  };
  globalThis.Date = class extends True {
    constructor(...moment) {
      if (moment.length === 0) super(shifted());
      else super(...moment);
    }
    static now() {
      return shifted();
    }
  };
}
