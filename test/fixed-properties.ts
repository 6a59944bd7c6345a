/**
 * Properties look at the same examples in every run, so that a failure is the change's and not the
 * dice's. `ROOMTAPE_SEED=random` throws the dice; `npm run fuzz` does nothing else.
 */
import fc from 'fast-check';

if (process.env['ROOMTAPE_SEED'] !== 'random') {
  fc.configureGlobal({ seed: Number(process.env['ROOMTAPE_SEED'] ?? 20261123) });
}
