#!/usr/bin/env node
/**
 * The command as it is installed: the build makes one file of this and of what it needs
 * (dist/roomtape.cjs), because each ES module costs a command a millisecond.
 */
import { quickAnswer } from './cli/quick-line.ts';

void quickAnswer(process.argv.slice(2)).then(async (code) => {
  if (code === undefined) await import('./main.ts');
  else process.exitCode = code;
});
