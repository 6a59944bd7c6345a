/**
 * How long a person waits for a command, against a bare Node that does nothing.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Benchmark, compared, interleaved } from './figures.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'roomtape.cjs');

function runner(home: string) {
  return (...argv: string[]) => {
    const env = { ...process.env, ROOMTAPE_HOME: home };
    const ended = spawnSync(process.execPath, argv, { env, encoding: 'utf8' });
    if (ended.status !== 0) throw new Error(`${argv.join(' ')}: ${ended.stderr}`);
  };
}

export const startUp: Benchmark = {
  name: 'start-up',
  async run(scratch) {
    const node = runner(join(scratch, 'home'));
    const bare = () => node('-e', '0');
    const help = await interleaved(21, () => node(main, '--help'), bare);
    node(main, 'up');
    try {
      const list = await interleaved(21, () => node(main, 'list'), bare);
      return [
        compared('roomtape --help', 'node -e 0', help, { most: 1.2 }),
        compared('roomtape list, with a daemon running', 'node -e 0', list, { most: 1.35 }),
      ];
    } finally {
      node(main, 'down');
    }
  },
};
