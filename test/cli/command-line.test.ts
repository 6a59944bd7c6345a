/**
 * What all commands have in common: help, exit codes, usage errors, output in a pipe.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { commandGroups } from '../../src/cli/command-table.ts';
import { createFrame } from '../../src/cli/frame.ts';
import { duration, render, size, visible } from '../../src/cli/output.ts';
import { readQuick } from '../../src/cli/quick-command.ts';
import { nearestWord } from '../../src/system/spelling.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'roomtape.cjs');
const home = mkdtempSync(join(tmpdir(), 'roomtape-cli-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function run(...words: string[]) {
  const env = { ...process.env, ROOMTAPE_HOME: home, NO_COLOR: '1', ROOMTAPE_DEBUG: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], { env });
  return { code: status, out: stdout.toString(), err: stderr.toString() };
}

const entries = commandGroups.flatMap((group) => group.entries);

describe('given the command table', () => {
  test('no word is in it twice', () => {
    const words = entries.map(({ word }) => word);
    expect(new Set(words).size).toBe(words.length);
  });

  test.each(entries)(
    '$word is defined by its file, with a description on every command',
    async ({ word, load }) => {
      const program = new Command('roomtape');
      const { defineCommands } = await load();
      defineCommands(
        program,
        createFrame(() => Promise.reject(new Error('not here'))),
      );
      const command = program.commands.find((child) => child.name() === word);
      expect(command, word).toBeDefined();
      const leaves = (one: Command): Command[] =>
        one.commands.length > 0 ? one.commands.flatMap(leaves) : [one];
      for (const leaf of command ? leaves(command) : []) {
        expect(leaf.description(), `${word} ${leaf.name()}`).not.toBe('');
        for (const option of leaf.options) expect(option.description).not.toBe('');
      }
    },
  );
});

describe('given the built command', () => {
  test('help lists every command, and ends well; without words it is wrong usage', () => {
    const { code, out } = run('--help');
    expect(code).toBe(0);
    for (const { word } of entries) expect(out).toContain(`  ${word} `);
    expect(out).toContain('Exit codes: 0 done');
    expect(run().code).toBe(2);
    expect(run('--version').out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('the help of a command names the exit codes, however it is asked for', () => {
    for (const words of [
      ['list', '--help'],
      ['help', 'list'],
      ['daemon', 'run', '-h'],
    ]) {
      const { code, out } = run(...words);
      expect(code).toBe(0);
      expect(out).toContain('5 damage left or beyond repair');
      expect(out).toContain('--json');
    }
  });

  test('wrong usage ends with 2, says what is wrong and what to type', () => {
    for (const [words, problem, next] of [
      [['lst'], 'There is no command "lst"', 'roomtape list'],
      [['list', '--sesion', 'x'], "unknown option '--sesion'", 'roomtape list --help'],
      [['list', '--session'], 'argument missing', 'roomtape list --help'],
      [['daemon', 'rn'], 'rn', 'roomtape daemon --help'],
      [['up', 'now'], 'too many arguments', 'roomtape up --help'],
      [['--frobnicate'], 'Unknown option', 'roomtape --help'],
      [['logs', '--lines', 'many'], '--lines wants a number', 'roomtape logs'],
    ] as const) {
      const { code, out, err } = run(...words);
      expect([code, out]).toEqual([2, '']);
      expect(err).toContain(problem);
      expect(err).toContain(`next:     ${next}`);
      expect(err).not.toContain('    at ');
    }
  });

  test('what is answered from one file is what the whole command line answers', () => {
    const whole = join(main, '..', 'main.js');
    for (const words of [
      ['--help'],
      ['-h'],
      ['list', '--no-start'],
      ['status', '--no-start', '--json'],
      ['list', '--limit', 'many'],
      ['list', '--state', 'lost', '--no-start'],
    ]) {
      const env = { ...process.env, ROOMTAPE_HOME: home, NO_COLOR: '1', ROOMTAPE_DEBUG: '' };
      const { status, stdout, stderr } = spawnSync(process.execPath, [whole, ...words], { env });
      const { code, out, err } = run(...words);
      expect([code, out, err]).toEqual([status, stdout.toString(), stderr.toString()]);
    }
  });

  test('when the reader of a pipe goes away, then that is no failure', async () => {
    for (const words of [['--help'], ['list', '--help'], ['config']]) {
      const env = { ...process.env, ROOMTAPE_HOME: home };
      const child = spawn(process.execPath, [main, ...words], { env });
      child.stdout.destroy();
      let err = '';
      child.stderr.on('data', (chunk) => {
        err += chunk;
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      expect([code, err]).toEqual([0, '']);
    }
  });

  test('every setting is printed with its value and its origin', () => {
    writeFileSync(join(home, 'config.toml'), 'recovery = "flag"\nkeep-link = true\n');
    const env = { ...process.env, ROOMTAPE_HOME: home, ROOMTAPE_KEEP_LINK: '0' };
    const { stdout } = spawnSync(process.execPath, [main, 'config', '--json'], { env });
    rmSync(join(home, 'config.toml'));
    const { results } = JSON.parse(stdout.toString()) as {
      results: { key: string; value: unknown; origin: string }[];
    };
    const found = (key: string) => {
      const { value, origin } = results.find((one) => one.key === key) ?? {};
      return [value, origin];
    };
    expect(found('recovery')).toEqual(['flag', 'file']);
    expect(found('keep-link')).toEqual([false, 'environment']);
    expect(found('enforce')).toEqual([false, 'default']);
  });

  test('settings of a wrong kind or in no TOML are named', () => {
    const told = (text: string) => {
      writeFileSync(join(home, 'config.toml'), text);
      const { code, err } = run('config');
      rmSync(join(home, 'config.toml'));
      expect(code).toBe(2);
      return err;
    };
    expect(told('recovery = "sometimes"')).toContain('recovery must be "auto" or "flag"');
    expect(told('keep-link = 3')).toContain('keep-link must be true or false');
    expect(told('free-disk-mb = -1')).toContain('a number from 0');
    expect(told('a = [')).toContain('is not valid TOML');
    expect(told('[recovery]\nx = 1')).toContain('recovery must be');
  });
});

describe('given a command that is typed all day', () => {
  const quick = {
    word: 'list',
    description: 'x',
    options: [
      { flags: '--session <session>', help: 'x' },
      { flags: '--keep-going', help: 'x' },
    ],
    run: async () => {},
  } as const;

  test('whatever is read without commander, commander reads the same', () => {
    const word = fc.constantFrom(
      '--session',
      '--session=a',
      '--session=',
      '--keep-going',
      '--keep-going=1',
      '--json',
      '--no-start',
      '--json=1',
      'a',
      '-s',
      '--',
      '-',
      '--help',
      '--sess',
      '',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), (words) => {
        const read = readQuick(quick, words);
        if (!read) return;
        const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
        const command = program.command('list').allowExcessArguments(false);
        for (const { flags } of quick.options) command.option(flags);
        command
          .option('--json')
          .option('--no-start')
          .action(() => {});
        program.parse(['list', ...words], { from: 'user' });
        expect({ start: true, ...read }).toEqual(command.opts());
      }),
      { numRuns: 500 },
    );
  });
});

describe('given names and numbers from outside', () => {
  test('whatever a name holds, no control character reaches the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(visible(name)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2066]/);
      }),
    );
    expect(visible('a\nb\u001b[31m\u202e.mp4')).toBe('a\\nb\\u001b[31m\\u202e.mp4');
    expect(visible('Grüße 漢字 👋')).toBe('Grüße 漢字 👋');
  });

  test('in a pipe a row is one line, whatever its names hold', async () => {
    const text = await render(
      {
        results: [{ path: 'a\tb\nc' }, { path: 'd' }],
        columns: [
          { title: 'PATH', cell: ({ path }) => path },
          { title: 'N', cell: () => 'many', value: () => 3 },
        ],
      },
      false,
    );
    expect(text).toBe('a\\tb\\nc\t3\nd\t3\n');
  });

  test('sizes and durations are short', () => {
    expect([0, 999, 1000, 999_499, 999_500, 1_234_567_890, null].map(size)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '999 kB',
      '1.0 MB',
      '1.2 GB',
      '–',
    ]);
    expect([0, 7_400, 65_000, 3_723_000, null].map(duration)).toEqual([
      '0:00',
      '0:07',
      '1:05',
      '1:02:03',
      '–',
    ]);
  });

  test('a misspelt word is known by its nearest neighbour, and nonsense by none', () => {
    const words = ['list', 'status', 'stop', 'session', 'recovery'];
    expect(
      ['lsit', 'stats', 'sesion', 'recovry', 'rec'].map((word) => nearestWord(word, words)),
    ).toEqual(['list', 'status', 'session', 'recovery', 'recovery']);
    expect(nearestWord('xyzzy', words)).toBeUndefined();
  });
});
