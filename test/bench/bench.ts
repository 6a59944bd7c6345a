/**
 * `npm run bench [-- --json] [-- NAME…]`: every figure Roomtape promises, measured on this machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { catalogue } from './catalogue.ts';
import { daemonLife } from './daemon.ts';
import { detection } from './detection.ts';
import { type Benchmark, type Figure, figureHead, figureLine, isMachineBusy } from './figures.ts';
import { instant } from './instant.ts';
import { permission } from './permission.ts';
import { recovery } from './recovery.ts';
import { startUp } from './start-up.ts';
import { watching } from './watching.ts';

const benchmarks: readonly Benchmark[] = [
  startUp,
  recovery,
  watching,
  permission,
  catalogue,
  daemonLife,
  instant,
  detection,
];

const json = process.argv.includes('--json');
const names = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const chosen = benchmarks.filter(({ name }) => names.length === 0 || names.includes(name));
if (chosen.length === 0) {
  console.error(`bench: there are ${benchmarks.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;
const figures: (Figure & { benchmark: string })[] = [];
if (!json) console.log(`${new Date().toISOString().slice(0, 10)}  ${machine}\n\n${figureHead()}`);
let busy = false;

for (const { name, run } of chosen) {
  const scratch = mkdtempSync(join(tmpdir(), `roomtape-bench-${name}-`));
  try {
    const before = isMachineBusy();
    const measured = await run(scratch);
    const isDisturbed = before || isMachineBusy();
    busy ||= isDisturbed;
    for (const one of measured) {
      const figure = { ...one, noisy: one.noisy || isDisturbed };
      figures.push({ benchmark: name, ...figure });
      if (!json) console.log(figureLine(figure));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (json) {
  console.log(JSON.stringify({ schemaVersion: 1, machine, busy, results: figures }, null, 2));
} else {
  const met = figures.filter((figure) => figure.met).length;
  console.log(`\n${met} of ${figures.length} goals met`);
  if (busy) console.log('The machine was busy with other work: do not quote these figures.');
}
