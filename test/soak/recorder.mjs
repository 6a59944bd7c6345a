/**
 * A recorder that costs next to nothing: a process of its own that replays the bytes of a real
 * recording into a file which it holds open.
 *
 * `node recorder.mjs FILE RUNNING FINAL BYTES-PER-SECOND`: writes what RUNNING holds, bit by bit, until
 * SIGINT (finishes the file as FINAL), SIGSTOP (pauses) or SIGKILL (leaves what is there).
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const [path, running, final, rate] = process.argv.slice(2);
const bytes = readFileSync(running);
const file = openSync(path, 'wx');
const step = Math.max(1, Math.floor(Number(rate) / 4));
let at = 0;
const timer = setInterval(() => {
  if (at < bytes.length) at += writeSync(file, bytes, at, Math.min(step, bytes.length - at), at);
}, 250);
process.on('SIGINT', () => {
  clearInterval(timer);
  const whole = readFileSync(final);
  for (let done = 0; done < whole.length; ) {
    done += writeSync(file, whole, done, whole.length - done, done);
  }
  closeSync(file);
});
