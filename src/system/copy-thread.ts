/**
 * A thread that copies the beginning of a file, block by block, and says how far it is in shared
 * memory: whoever waits for it is busy with the file's bytes and hears no messages.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { workerData } from 'node:worker_threads';
import { blockSize, type CopyOrder, copyStates, places } from './copy-ahead.ts';
import { identityOf, sameIdentity } from './files.ts';

/** What is on its way to the disk early need not be waited for at the end. */
const blocksBetweenSyncs = 256;

function copy({ path, partial, identity, shared }: CopyOrder): boolean {
  const from = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!sameIdentity(identityOf(fstatSync(from)), identity)) return false;
    const to = openSync(partial, 'wx', 0o600);
    try {
      return copyBlocks(from, to, identity.size, shared);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

function copyBlocks(from: number, to: number, size: number, shared: Int32Array): boolean {
  const block = Buffer.allocUnsafeSlow(Math.min(blockSize, size));
  for (let at = 0, blocks = 0; at < size; blocks += 1) {
    if (Atomics.load(shared, places.stop) !== 0) return false;
    const got = readSync(from, block, 0, Math.min(block.length, size - at), at);
    if (got === 0) return false;
    for (let done = 0; done < got; ) done += writeSync(to, block, done, got - done, at + done);
    at += got;
    Atomics.store(shared, places.blocks, Math.floor(at / blockSize));
    if (blocks % blocksBetweenSyncs === blocksBetweenSyncs - 1) fdatasyncSync(to);
  }
  return true;
}

const order = workerData as CopyOrder;
let isCopied = false;
try {
  isCopied = copy(order);
} catch {
  // Whatever is in the way, the ordinary copy meets it as well and has the words for it.
}
Atomics.store(order.shared, places.state, isCopied ? copyStates.copied : copyStates.failed);
Atomics.notify(order.shared, places.state);
